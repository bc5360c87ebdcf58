"""Memory and time to the first mask, each measured in its own process."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.alone import in_own_process

Row = dict[str, Any]


def apart(kind: str, **job: Any) -> dict[str, float]:
    """Run one job of `benchmarks.alone` in its own process."""
    job = {"device": "cpu", "threads": 1, "objects": 1, "cache_mb": 64, **job, "kind": kind}
    return in_own_process("benchmarks.alone", json.dumps(job))


def checkpoint(preset: str, size: int, folder: Path) -> Path:
    """Random weights as a file."""
    import torch

    from benchmarks.sides import weights

    path = folder / f"{preset}.pt"
    torch.save({"model": weights(preset, size)}, path)
    return path


def first_mask(lengths: list[int], size: int, side: int, repeats: int) -> list[Row]:
    """Time from a folder of JPEG files to the first mask of one click, by number of files."""
    rows = []
    for frames in lengths:
        runs: dict[str, list[dict[str, float]]] = {"ours_first": [], "theirs_first": []}
        for _ in range(repeats):
            for kind, found in runs.items():
                found.append(apart(kind, preset="tiny", size=size, side=side, frames=frames))
        ours, theirs = (min(found, key=lambda f: f["cpu_seconds"]) for found in runs.values())
        rows.append(
            {
                "frames": frames,
                "side": side,
                "ours_s": ours["seconds"],
                "theirs_s": theirs["seconds"],
                "ratio": theirs["seconds"] / ours["seconds"],
                "ratio_cpu": theirs["cpu_seconds"] / ours["cpu_seconds"],
                "ours_peak_mb": ours["peak_mb"],
                "theirs_peak_mb": theirs["peak_mb"],
            }
        )
    return rows


def slopes(lengths: list[int], theirs: list[int], size: int, side: int, preset: str, cache_mb: int) -> list[Row]:
    """Peak memory of a whole run with one object by its length, and megabytes a frame between lengths."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        model = str(checkpoint(preset, size, Path(folder)))
        runs = [("ours", "ours_session", n) for n in lengths] + [("Meta", "theirs_track", n) for n in theirs]
        for who, kind, frames in runs:
            found = apart(kind, preset=preset, model=model, size=size, side=side, frames=frames, cache_mb=cache_mb)
            rows.append({"who": who, "frames": frames, **found})
    for row, before in zip(rows[1:], rows, strict=False):
        if row["who"] == before["who"]:
            row["mb_a_frame"] = (row["peak_mb"] - before["peak_mb"]) / (row["frames"] - before["frames"])
    return rows


def loading(lengths: list[int], size: int, side: int) -> list[Row]:
    """Peak memory of Meta's predictor when it has loaded all frames and made the first mask."""
    job = {"preset": "tiny", "size": size, "side": side}
    rows: list[Row] = [{"frames": n, **apart("theirs_first", frames=n, **job)} for n in lengths]
    for row, before in zip(rows[1:], rows, strict=False):
        row["mb_a_frame"] = (row["peak_mb"] - before["peak_mb"]) / (row["frames"] - before["frames"])
    return rows


def long_run(lengths: list[int], objects: int, size: int) -> list[Row]:
    """Many objects through many frames into a session with the model that ships; ours alone."""
    rows: list[Row] = []
    for frames in lengths:
        job = {"model": "demo", "size": size, "side": size, "frames": frames, "objects": objects, "say": 500}
        rows.append({"frames": frames, "objects": objects, **apart("ours_session", **job)})
    return rows


def budgets(runs: list[tuple[int, int, int, int]]) -> list[Row]:
    """The estimate before a run with the demo model, and what the run uses."""
    rows: list[Row] = []
    for side, size, objects, frames in runs:
        job = {"model": "demo", "side": side, "size": size, "objects": objects, "frames": frames}
        found = apart("ours_budget", **job)
        ratios = {name: found[f"estimated_{name}"] / found[took] for name, took in _ESTIMATED.items()}
        rows.append({**job, **found, **{f"{name}_ratio": ratio for name, ratio in ratios.items()}})
    return rows


_ESTIMATED = {"mb": "peak_mb", "disk_mb": "disk_mb", "s": "seconds"}
