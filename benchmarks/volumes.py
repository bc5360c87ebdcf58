"""What three walks and their consensus are worth: synthetic stacks, one click an object, the demo model."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.seeds import seeds
from napari_sam2_video import api
from napari_sam2_video.synthetic import STACK_KINDS, SyntheticClip, make_clip
from napari_sam2_video.synthetic.clicks import middle
from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam2_video.session import Session

    Masks = NDArray[np.bool_]

Row = dict[str, Any]
ANISOTROPIES = (1.0, 2.0, 3.5, 5.0)
SIDE, DEPTH = 112, 48
FEWEST_SLICES = 8
LEAST_AREA, LEAST_SLICES, MOST_OBJECTS = 80, 5, 2
FRESH = 1140
"""Of the seeds for reporting, the first that no earlier table was made of."""
CONTRAST = {"ct": "abdomen"}
"""The window in which a person looks at a kind; a percentile of the whole recording for the others."""
ORDER = {"Z": (0, 1, 2), "Y": (1, 0, 2), "X": (1, 2, 0)}
"""Axes of an array of planes that make it an array of slices."""


@dataclass(frozen=True)
class Case:
    """A stack, the distance of its slices in pixels, and a click on each object on the slice that shows most of it."""

    clip: SyntheticClip
    anisotropy: float
    clicks: tuple[PointPrompt, ...]


def case(kind: str, number: int, seed: int) -> Case:
    """The stack of a seed; its number decides the anisotropy."""
    anisotropy = ANISOTROPIES[number % len(ANISOTROPIES)]
    slices = max(FEWEST_SLICES, round(DEPTH / anisotropy))
    clip = make_clip(kind, seed, frames=slices, size=(SIDE, SIDE))
    clicks = []
    order = np.random.default_rng(seed).permutation(clip.object_ids)
    for object_id in order.tolist():
        areas = clip.mask(object_id).sum(axis=(1, 2))
        if areas.max() > LEAST_AREA and np.count_nonzero(areas) >= LEAST_SLICES and len(clicks) < MOST_OBJECTS:
            best = int(areas.argmax())
            clicks.append(PointPrompt(object_id, best, *middle(clip.mask(object_id)[best])))
    return Case(clip, anisotropy, tuple(clicks))


def volumes(stacks: int, *, reporting: bool = True) -> list[Row]:
    """Two tables in one: a row an object with its walks, then a row a kind and one of all with the means.

    ``z``, ``y`` and ``x`` are the Dice of each walk, ``best`` that of the best walk of the kind, ``consensus`` that of
    the fused masks; ``beyond`` counts voxels on slices outside the truth's, of the walk along Z and of the consensus;
    ``present`` is the share of slices on which the consensus is right that the object is there or not.
    """
    rows = []
    for number, seed in enumerate(seeds(stacks, reporting=reporting, first=FRESH)):
        kind = STACK_KINDS[number % len(STACK_KINDS)]
        one = case(kind, number // len(STACK_KINDS), seed)
        if one.clicks:
            rows += _measured(one)
            print(rows[-1], flush=True)
    return [*rows, *(_mean(kind, [r for r in rows if kind in ("all", r["kind"])]) for kind in (*STACK_KINDS, "all"))]


def _measured(one: Case) -> list[Row]:
    contrast = CONTRAST.get(one.clip.kind)
    recording = api.open_recording(one.clip.frames, axes="ZYX", pixel_size=f"{one.anisotropy},1,1 um")
    with (
        tempfile.TemporaryDirectory() as folder,
        recording,
        api.create_session(recording, Path(folder) / "run.sam2v", axis="Z", contrast=contrast) as session,
    ):
        api.add_prompts(session, one.clicks)
        _ = session.tracker
        seconds, frames = {}, {}
        for axis in "ZYX":
            began = time.process_time()
            frames[axis] = sum(1 for _ in session.track_planes(axes=("Z", axis)))
            seconds[axis] = time.process_time() - began
        walks = {axis: _walk(session, axis, one) for axis in "ZYX"}
        began = time.process_time()
        session.fuse()
        fusing = time.process_time() - began
        fused = {click.object_id: _voxels(session, click.object_id) for click in one.clicks}
    rows = []
    for click in one.clicks:
        truth = one.clip.mask(click.object_id)
        own, made = walks["Z"][click.object_id], fused[click.object_id]
        there = truth.any(axis=(1, 2))
        rows.append(
            {
                "kind": one.clip.kind,
                "seed": one.clip.seed,
                "anisotropy": one.anisotropy,
                "object": click.object_id,
                **{axis.lower(): dice(walks[axis][click.object_id], truth) for axis in "ZYX"},
                "consensus": dice(made, truth),
                "beyond_z": int(own[~there].sum()),
                "beyond": int(made[~there].sum()),
                "present_z": float((own.any(axis=(1, 2)) == there).mean()),
                "present": float((made.any(axis=(1, 2)) == there).mean()),
                "cost": sum(seconds.values()) / seconds["Z"],
                "cost_a_plane": sum(seconds.values()) / sum(frames.values()) / (seconds["Z"] / frames["Z"]),
                "fusing_s": fusing,
            }
        )
    return rows


def _walk(session: Session, axis: str, one: Case) -> dict[int, Masks]:
    """Masks of a walk as slices."""
    walk = session if axis == "Z" else session.planes.prepare(axis)
    return {click.object_id: _voxels(walk, click.object_id).transpose(ORDER[axis]) for click in one.clicks}


def _voxels(session: Session, object_id: int) -> Masks:
    return np.stack([session.mask(object_id, frame) for frame in range(session.n_frames)])


def dice(found: Masks, truth: Masks) -> float:
    """Dice's coefficient; 1 where both are empty."""
    both = int(found.sum()) + int(truth.sum())
    return 2 * int((found & truth).sum()) / both if both else 1.0


def _mean(kind: str, rows: list[Row]) -> Row:
    figures = ("z", "y", "x", "consensus", "present_z", "present", "cost", "cost_a_plane", "fusing_s")
    means = {name: float(np.mean([row[name] for row in rows])) for name in figures}
    before, after = (sum(row[name] for row in rows) for name in ("beyond_z", "beyond"))
    best = max(means[axis] for axis in "zyx")
    return {
        "kind": f"{kind}, mean of {len(rows)}",
        **means,
        "best": best,
        "gain": means["consensus"] - best,
        "beyond_z": before,
        "beyond": after,
        "less_beyond": 1 - after / before if before else float("nan"),
    }
