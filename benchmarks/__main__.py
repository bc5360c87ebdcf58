"""Ours against Meta's predictor: ``python -m benchmarks [SCENARIO ...] [--quick] [--out FILE.json]``.

Both sides process the same frames with the same random weights and prompts, one frame each in turn, and their logits
are compared in the same run. Tables give medians per frame. On a busy machine, trust the ratio of processor times.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks import cube, doubt, full_size, fusing, load, memory, modes, plane_clicks, remote, speed, store, volumes
from benchmarks.finding.run import find
from benchmarks.linking.run import link
from napari_sam2_video.engine.networks.arithmetic_check import cpu_name
from napari_sam2_video.engine.networks.sam2.installed import installed_sam2

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]
QUICK, FULL = 0, 1
FIRST_PASS = (
    [("tiny", 128, 1, 10), ("tiny", 256, 1, 8)],
    [("tiny", 128, 1, 30), ("tiny", 256, 1, 30), ("tiny", 512, 1, 22)],
)
RETRACK = (
    [("tiny", 128, 1, 12)],
    [("tiny", 128, 1, 24), ("tiny", 256, 1, 20), ("tiny", 512, 1, 16), ("large", 512, 1, 8)],
)
ONE_OF_MANY = ([("tiny", 128, 10, 8)], [("tiny", 128, 10, 12), ("tiny", 128, 50, 10)])
MANY = (
    [("tiny", 128, 50, 5)],
    [("tiny", 128, 10, 26), ("tiny", 128, 50, 18), ("tiny", 256, 50, 14), ("tiny", 512, 50, 6)],
)
ON_GPU = [("tiny", 1024, 1, 40), ("large", 1024, 1, 40), ("tiny", 1024, 50, 20), ("tiny", 512, 50, 20)]


def _raced(measure: Callable[..., Row], chosen: list[tuple[str, int, int, int]], on_gpu: list[Any]) -> list[Row]:
    rows = [measure(*one) for one in chosen]
    if torch.cuda.is_available():
        rows += [measure(*one, device="cuda") for one in on_gpu]
    else:
        print("CUDA: skipped, this machine has none.", file=sys.stderr)
    return rows


def first_pass(level: int) -> list[Row]:
    """One object, first pass, nothing cached."""
    return _raced(speed.first_pass, FIRST_PASS[level], [c for c in ON_GPU if c[2] == 1])


def retrack(level: int) -> list[Row]:
    """One object corrected and tracked again."""
    return _raced(speed.corrected, RETRACK[level], [c for c in ON_GPU if c[2] == 1])


def one_of_many(level: int) -> list[Row]:
    """One of many objects corrected and tracked again."""
    return _raced(speed.corrected, ONE_OF_MANY[level], [("tiny", 512, 50, 12)])


def many_objects(level: int) -> list[Row]:
    """Many objects, first pass."""
    return _raced(speed.first_pass, MANY[level], [c for c in ON_GPU if c[2] > 1])


def first_mask(level: int) -> list[Row]:
    """Time from a folder of images to the first mask."""
    lengths = ([100, 500], [100, 500, 2000])[level]
    rows = memory.first_mask(lengths, size=128, side=512, repeats=1 + level)
    return rows if level == QUICK else rows + memory.first_mask([2000], size=128, side=1024, repeats=1)


def peak_memory(level: int) -> list[Row]:
    """Peak memory of a whole run with one object, by its length; 16 MB of embeddings are kept."""
    ours = ([100, 300], [100, 200, 500, 2000])[level]
    return memory.slopes(ours, ours[:-1], size=128, side=512, preset="demo", cache_mb=16)


def loaded_memory(level: int) -> list[Row]:
    """What Meta's predictor holds before the first mask at 1024 px, by length."""
    return memory.loading(([10, 40], [20, 120])[level], size=1024, side=512)


def long_run(level: int) -> list[Row]:
    """Many objects through many frames, ours alone."""
    return memory.long_run(([20, 60], [100, 10_000])[level], 50, 128)


def budget(level: int) -> list[Row]:
    """The estimate before a run, against what the run uses."""
    runs = [(256, 256, 1, 300), (256, 256, 10, 100), (512, 128, 50, 60), (512, 128, 10, 600)]
    return memory.budgets([(256, 256, 2, 40)] if level == QUICK else runs)


def fast_modes(level: int) -> list[Row]:
    """Autocast and compilation against exact fp32, with the model that ships."""
    rows = modes.fast_modes(256, 4, (8, 24)[level], "cpu", compiled=level == FULL)
    if torch.cuda.is_available():
        rows += modes.fast_modes(256, 4, 40, "cuda", compiled=True)
    return rows


def arithmetic(level: int) -> list[Row]:
    """Quick arithmetic of a processor in fp32 and in bf16, beside Meta's predictor."""
    return [
        row
        for one in ([("tiny", 128, 9)], [("tiny", 512, 14), ("tiny", 1024, 10)])[level]
        for row in speed.arithmetics(*one)
    ]


def full_size_masks(level: int) -> list[Row]:
    """Bringing the masks of 20 objects to the size of a large frame, as a share of a step."""
    chosen = (
        [(2048, 256, "exact")],
        [(side, size, way) for side in (2048, 2000) for size in (256, 512) for way in ("exact", "fast")],
    )
    return [full_size.full_size(side, size, 20, (5, 6)[level], way) for side, size, way in chosen[level]]


def doubt_and_check(level: int) -> list[Row]:
    """How well the doubt finds wrong frames, without and with the check."""
    return doubt.doubt_and_check(["cross", "sample"], (2, 12)[level])


def linking(level: int) -> list[Row]:
    """Labelled series into tracks with divisions, beside the linkers that are installed (laptrack, btrack)."""
    return link((2, 20)[level], 40, reporting=level == FULL)


def under_load(level: int) -> list[Row]:
    """A run alone, and with two busy loops a core beside it."""
    return load.under_load((12, 60)[level], 256, 1)


def remote_tracker(level: int) -> list[Row]:
    """A tracker on a server against one in this process."""
    sizes = ((256, 16, 2),) if level == QUICK else ((256, 40, 3), (512, 16, 3), (1024, 4, 1))
    return [row for pixels, frames, repeats in sizes for row in remote.measure(pixels, frames, repeats)]


def session_cost(level: int) -> list[Row]:
    """What a session adds to each frame, with the model that ships."""
    frames = (8, 24)[level]
    return [store.store_cost(256, 1, frames), store.store_cost(256, 10, frames)]


def three_walks(level: int) -> list[Row]:
    """Walks along three axes and their consensus against the best single walk, on synthetic stacks."""
    return volumes.volumes((3, 20)[level])


def clicks_on_planes(level: int) -> list[Row]:
    """Clicks on planes across other axes than the tracked one: the mask before, and as the click refines it."""
    return plane_clicks.plane_clicks((3, 12)[level])


def fusing_masks(level: int) -> list[Row]:
    """Fusing the masks of three walks that are on disk: time and peak memory."""
    return [fusing.fuse_cost(*one) for one in ([(128, 2)], [(256, 5), (512, 5)])[level]]


def walked_cube(level: int) -> list[Row]:
    """A cube tracked along three axes by the model that ships, and fused: time against one walk, and peak memory."""
    return [cube.cube(*one) for one in ([(48, 2)], [(128, 2), (512, 5)])[level]]


def reading(level: int) -> list[Row]:
    """Reading frames in order against ffmpeg, tifffile and zarr alone."""
    return _script("bench_reading.py", ["--frames", ("40", "600")[level], "--repeats", ("2", "5")[level]])


def exporting(level: int) -> list[Row]:
    """Exporting against tifffile and ffmpeg alone."""
    chosen = (["--frames", "40", "--size", "512", "--repeats", "1"], ["--frames", "300", "--repeats", "3"])
    return _script("bench_export.py", chosen[level])


SCENARIOS: dict[str, Callable[[int], list[Row]]] = {
    "first-pass": first_pass,
    "retrack": retrack,
    "one-of-many": one_of_many,
    "many-objects": many_objects,
    "first-mask": first_mask,
    "peak-memory": peak_memory,
    "loaded-memory": loaded_memory,
    "session-cost": session_cost,
    "under-load": under_load,
    "doubt": doubt_and_check,
    "find": find,
    "link": linking,
    "remote": remote_tracker,
    "budget": budget,
    "arithmetic": arithmetic,
    "full-size": full_size_masks,
    "fast-modes": fast_modes,
    "volumes": three_walks,
    "plane-clicks": clicks_on_planes,
    "fusing": fusing_masks,
    "cube": walked_cube,
    "reading": reading,
    "exporting": exporting,
    "long-run": long_run,
}


def _script(name: str, given: list[str]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "figures.json"
        script = Path(__file__).with_name(name)
        subprocess.run([sys.executable, str(script), *given, "--json", str(found)], check=True, stdout=sys.stderr)
        figures = json.loads(found.read_text())
    rows = figures.items() if isinstance(figures, dict) else [(str(i), row) for i, row in enumerate(figures)]
    return [{"what": key, **row} for key, row in rows if isinstance(row, dict) and key != "arguments"]


def table(rows: list[Row]) -> str:
    """Markdown table of rows of figures."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines += ["| " + " | ".join(_cell(row.get(name, "")) for name in names) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.4f}" if abs(value) < 2 else f"{value:.1f}"


def about(threads: int) -> dict[str, Any]:
    """The machine and the versions that the figures depend on."""
    names = ("napari-sam2-video", "torch", "numpy")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": cpu_name(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "gpu": gpu,
        "threads": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in names},
        **installed_sam2()["packages"],
    }


def main() -> None:
    """Run the scenarios that the command line names."""
    if sys.argv[1:2] == ["quality"]:
        from benchmarks.quality.command import main as measure_quality

        measure_quality(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "scenario", nargs="*", help="of " + ", ".join(SCENARIOS) + "; all but long-run and cube if none is named"
    )
    parser.add_argument("--quick", action="store_true", help="few frames and few sizes")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, on both sides (default: 1)")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    given = parser.parse_args()
    unknown = set(given.scenario) - set(SCENARIOS)
    if unknown:
        parser.error(f"There is no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}.")
    torch.set_num_threads(given.threads)
    chosen = given.scenario or [name for name in SCENARIOS if name not in ("long-run", "cube")]
    figures: dict[str, Any] = {"about": about(given.threads)}
    print(", ".join(f"{name} {value}" for name, value in figures["about"].items()), flush=True)
    for name in chosen:
        measure = SCENARIOS[name]
        print(f"\n## {name}: {measure.__doc__}\n", flush=True)
        figures[name] = measure(QUICK if given.quick else FULL)
        print(table(figures[name]), flush=True)
        if given.out:
            given.out.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
