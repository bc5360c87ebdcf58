"""What a click on another plane does for the mask there: synthetic stacks tracked along three axes, the demo model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from benchmarks.quality.seeds import seeds
from benchmarks.volumes import CONTRAST, ORDER, case, dice
from napari_sam2_video import api
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.synthetic import STACK_KINDS
from napari_sam2_video.synthetic.clicks import middle
from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.volumes import Case
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import Preview

    Masks = NDArray[np.bool_]

Row = dict[str, Any]
FRESH = 1180
"""Of the seeds for reporting, the first that no earlier table was made of."""
PLACES = (0.3, 0.7)
"""Planes that are clicked, as fractions of the object's extent."""
FEWEST_PIXELS = 12
WORSE = 0.01


def plane_clicks(stacks: int, *, reporting: bool = True) -> list[Row]:
    """A row for each kind of click: at the centre of the object on a plane, or at the largest error of the mask there.

    ``without`` is the mean Dice of the masks before the click, ``alone`` that of what the click selects alone,
    ``refined`` that of the masks that it refines; ``alone_worse`` and ``refined_worse`` count masks that it made worse.
    """
    rows: list[Row] = []
    for number, seed in enumerate(seeds(stacks, reporting=reporting, first=FRESH)):
        one = case(STACK_KINDS[number % len(STACK_KINDS)], number // len(STACK_KINDS), seed)
        if one.clicks:
            rows += _measured(one)
    return [_mean(kind, [row for row in rows if row["click"] == kind]) for kind in ("centre", "largest error")]


def largest_error(found: Masks, truth: Masks) -> tuple[float, float, bool] | None:
    """Row and column deepest in what a mask lacks or has too much, and whether it lacks it.

    None if it differs by less than an outline.
    """
    depths = [distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1] for part in (truth & ~found, found & ~truth)]
    lacks = depths[0].max() >= depths[1].max()
    depth = depths[0 if lacks else 1]
    if depth.max() < 1:
        return None
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(y), float(x), bool(lacks)


def _measured(one: Case) -> Iterator[Row]:
    recording = api.open_recording(one.clip.frames, axes="ZYX", pixel_size=f"{one.anisotropy},1,1 um")
    contrast = CONTRAST.get(one.clip.kind)
    with (
        tempfile.TemporaryDirectory() as folder,
        recording,
        api.create_session(recording, Path(folder) / "run.sam2v", axis="Z", contrast=contrast) as session,
    ):
        api.add_prompts(session, one.clicks)
        for _ in session.track_planes():
            pass
        for axis in "YX":
            for click in one.clicks:
                truth = one.clip.mask(click.object_id).transpose(np.argsort(ORDER[axis]))
                there = np.flatnonzero(truth.any(axis=(1, 2)))
                for plane in {int(there[int(place * (there.size - 1))]) for place in PLACES}:
                    if np.count_nonzero(truth[plane]) >= FEWEST_PIXELS:
                        yield from _clicked(session, axis, click.object_id, plane, truth[plane])


def _clicked(session: Session, axis: str, object_id: int, plane: int, truth: Masks) -> Iterator[Row]:
    walk = session.planes.prepare(axis)
    found = walk.mask(object_id, plane)
    clicks = {"centre": (*middle(truth), True), "largest error": largest_error(found, truth)}
    for kind, place in clicks.items():
        if place is None:
            continue
        click = PointPrompt(object_id, plane, *place[:2], positive=place[2])
        alone = _best(walk.tracker.preview(object_id, plane, [click]), truth)
        session.planes.set_prompts(axis, object_id, plane, [click])
        refined = _best(session.planes.preview(axis, object_id, plane), truth)
        session.planes.set_prompts(axis, object_id, plane, [])
        yield {"click": kind, "without": dice(found, truth), "alone": alone, "refined": refined}


def _best(preview: Preview, truth: Masks) -> float:
    mask = preview.candidates[preview.best]
    return dice(whole_mask(mask.origin_yx, mask.levels > 0, truth.shape), truth)


def _mean(kind: str, rows: list[Row]) -> Row:
    row: Row = {"click": kind, "planes": len(rows)}
    for name in ("without", "alone", "refined"):
        row[name] = float(np.mean([one[name] for one in rows])) if rows else float("nan")
    for name in ("alone", "refined"):
        row[f"{name}_worse"] = sum(one[name] < one["without"] - WORSE for one in rows)
    return row
