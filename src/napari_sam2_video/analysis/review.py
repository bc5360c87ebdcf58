"""How doubtful each object is on each frame, and why.

The doubt of a frame is ``1 - product(1 - weight * component)`` over the components of `COMPONENTS`, each from 0
(nothing to see) to 1. It is 0 on frames that were prompted, painted or accepted. The doubt grows with every component,
none can hide another, and only the object's own track counts, so a value means the same in every recording.
"""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.table import Table
from napari_sam2_video.geometry import mask_iou

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Floats = npt.NDArray[np.float64]

COMPONENTS: dict[str, float] = {
    "score": 0.9,
    "predicted_iou": 0.8,
    "area_jump": 0.8,
    "centroid_jump": 0.9,
    "disagreement": 0.9,
    "border": 0.1,
}
CARRIED = 0.7
PERSON_FLAGS = ("prompted", "painted", "accepted")
SENTENCES = {
    "score": "the network is unsure whether the object is there",
    "predicted_iou": "the network is unsure of the outline",
    "area_jump": "the size changes suddenly",
    "centroid_jump": "the object jumps",
    "disagreement": "tracking back leads elsewhere",
    "border": "the object touches the border",
}


@dataclass(frozen=True)
class ReviewItem:
    """One object on one frame that needs review.

    Parameters
    ----------
    object_id, frame : int
        Where to look.
    doubt : float
        From 0 to 1.
    component : str
        The component that adds most, a key of `COMPONENTS`; for other kinds, the source of the question.
    reason : str
        The same in words.
    kind : str
        ``"doubt"``: the track is doubtful. ``"disagreement"``: several results differ. ``"proposal"``: something could
        be added or changed.
    choices : tuple of str
        Possible answers if right and wrong are not enough, as texts for buttons.
    box_yxyx : tuple of int, optional
        The region to look at, ``(y0, x0, y1, x1)``; by default that of the object.
    """

    object_id: int
    frame: int
    doubt: float
    component: str
    reason: str
    kind: Literal["doubt", "disagreement", "proposal"] = "doubt"
    choices: tuple[str, ...] = ()
    box_yxyx: tuple[int, int, int, int] | None = None


def score_component(table: Table) -> Floats:
    """Probability that the network mistook presence for absence or the reverse.

    With ``p = 1 / (1 + exp(-object_score))``, the network's own probability that the object is on the frame, it is
    ``1 - p`` where there is a mask and ``p`` where there is none: a confident absence needs no review.
    """
    score = table["object_score"]
    signed = np.where(table["area_px"] > 0, score, -score)
    return np.where(np.isnan(score), 0.0, 1 / (1 + np.exp(np.clip(signed, -60, 60))))


def predicted_iou_component(table: Table) -> Floats:
    """``1 - predicted_iou`` where there is a mask, 0 elsewhere."""
    iou = table["predicted_iou"]
    known = (table["area_px"] > 0) & ~np.isnan(iou)
    return np.where(known, 1 - np.clip(iou, 0, 1), 0.0)


def area_jump_component(table: Table) -> Floats:
    """``1 - smaller / larger`` of the areas here and on the neighbouring frame of the track.

    A doubled or halved object gives 0.5; one that vanishes or appears gives 1. See `neighbour_rows` for which frame is
    the neighbour.
    """
    rows, before = neighbour_rows(table)
    component = np.zeros(len(table))
    area = table["area_px"].astype(np.float64)
    smaller = np.minimum(area[rows], area[before])
    larger = np.maximum(area[rows], area[before])
    component[rows] = 1 - np.divide(smaller, larger, out=np.ones_like(larger), where=larger > 0)
    return component


def centroid_jump_component(table: Table) -> Floats:
    """``d**2 / (d**2 + r**2)``: how far the object is from where its track leads, in its own radii.

    ``d`` is the distance of the centroid to the one on the neighbouring frame or, if that is closer, to where
    constant speed would have carried it; ``r`` is the radius of the disc with the larger of the two areas. A jump by
    one radius gives 0.5. It is 0 if there is no mask on either frame; the jump in area shows that.
    """
    rows, before = neighbour_rows(table)
    component = np.zeros(len(table))
    earlier = np.full(len(table), -1)
    earlier[rows] = before
    earlier = earlier[before]
    started = earlier < 0
    moved, off = np.zeros(len(rows)), np.zeros(len(rows))
    for place in np.ascontiguousarray(table.centroids(pixels=True).T):
        speed = place[before] - place[earlier]
        speed[started] = np.nan
        step = place[rows] - place[before]
        moved += step**2
        off += (step - speed) ** 2
    squared = np.fmin(moved, off)
    radius_squared = np.maximum(table["area_px"][rows], table["area_px"][before]) / np.pi
    both = ~np.isnan(moved)
    component[rows[both]] = squared[both] / (squared[both] + radius_squared[both])
    return component


def border_component(table: Table) -> Floats:
    """1 where the object touches the border of the frame, because part of it may be cut off."""
    return table["touches_border"].astype(np.float64)


def disagreement_component(table: Table) -> Floats:
    """How likely a track has gone wrong according to tracking back; 0 if it was not checked.

    A check tracks back over a span of frames from one mask, its origin (``checked_from``). If the user settled the
    origin, the doubt of a frame is its disagreement. If not, the end of the span is more reliable, because tracking
    came from there: if tracking back does not reach it, the track switched to something else within the span, and the
    frames that agree with the origin are wrong. Their doubt is by how much less they disagree than that end. Later
    frames inherit the error: `CARRIED` of the highest disagreement at the end of an earlier span is merged into them,
    up to the next settled frame.
    """
    component = np.zeros(len(table))
    settled = _checked(table)
    found = np.clip(table["disagreement"], 0.0, 1.0)
    origin = np.where(np.isnan(found), np.nan, table["checked_from"])
    for object_id in np.unique(table["object_id"][~np.isnan(origin)]).tolist():
        own = table.rows_of(object_id)
        vouched = set(table["frame"][own[settled[own]]].tolist())
        for step in (1, -1):
            rows = own[table["walk"][own] == step][::step]
            columns = (table["frame"], settled, origin, found)
            component[rows] = _astray(step, vouched, *(column[rows].tolist() for column in columns))
    return component


def _astray(
    step: int,
    vouched: Collection[int],
    frames: Sequence[int],
    settled: Sequence[bool],
    origins: Sequence[float],
    found: Sequence[float],
) -> list[float]:
    """`disagreement_component` of the frames that were tracked in one direction, in the order of tracking."""
    result = []
    lost = end = 0.0
    before, span = frames[0] if frames else 0, math.nan
    for frame, sure, origin, disagrees in zip(frames, settled, origins, found, strict=True):
        if sure or frame != before + step:
            lost, end, span = 0.0, 0.0, math.nan
        if origin != span:
            # From here on, the result of the previous span applies. Only the highest value counts, because in a long
            # recording many small ones would add up to an unwarranted doubt.
            lost, end = max(lost, end), 0.0
            if not (sure or math.isnan(origin) or origin in vouched):
                end = disagrees
        doubtful = 0.0 if sure or math.isnan(origin) else disagrees if origin in vouched else max(0.0, end - disagrees)
        result.append(1 - (1 - doubtful) * (1 - CARRIED * lost))
        before, span = frame, origin
    return result


def disagreement(forward: npt.NDArray[np.bool_], backward: npt.NDArray[np.bool_]) -> float:
    """``1 - IoU`` of an object's masks from forward and backward tracking; 0 if both are empty.

    Parameters
    ----------
    forward, backward : ndarray of bool, shape (Y, X)
        The two masks.
    """
    return 1 - mask_iou(forward, backward)


def neighbour_rows(table: Table) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Pair each row with the row of the same object from which tracking came.

    The neighbour of a row tracked backward (``walk`` is -1 or, if unknown, the row is before the object's first
    prompted frame) is the row after it, that of any other row the row before; tracking began on the first prompted
    frame, or on the first painted one of an object without prompts. So an error is found on the first wrong frame in
    either direction.

    Returns
    -------
    rows, neighbours : ndarray of int
        Row numbers of the table; rows without a neighbour are omitted.
    """
    rows: list[npt.NDArray[np.intp]] = []
    neighbours: list[npt.NDArray[np.intp]] = []
    for object_id in table.object_ids():
        own = table.rows_of(object_id)
        given = np.flatnonzero(table["prompted"][own])
        if not given.size:
            given = np.flatnonzero(table["painted"][own])
        anchor = int(given[0]) if given.size else 0
        place = np.arange(own.size)
        walk = table["walk"][own]
        backward = np.where(walk == 0, place < anchor, walk < 0)
        neighbour = np.where(backward, place + 1, place - 1)
        paired = (neighbour >= 0) & (neighbour < own.size) & (place != anchor)
        rows.append(own[paired])
        neighbours.append(own[neighbour[paired]])
    if not rows:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    return np.concatenate(rows), np.concatenate(neighbours)


def doubt_components(table: Table) -> dict[str, Floats]:
    """The components of the doubt, separately.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure` or of `review_table`, ordered by object and frame.

    Returns
    -------
    dict of str to ndarray
        One value from 0 to 1 for each row, by the names of `COMPONENTS`.
    """
    return {
        "score": score_component(table),
        "predicted_iou": predicted_iou_component(table),
        "area_jump": area_jump_component(table),
        "centroid_jump": centroid_jump_component(table),
        "disagreement": disagreement_component(table),
        "border": border_component(table),
    }


def merge_components(components: Mapping[str, Floats]) -> Floats:
    """Merge components into one value from 0 to 1: ``1 - product(1 - weight * component)``."""
    certain = np.ones(len(next(iter(components.values()))))
    for name, component in components.items():
        certain *= 1 - COMPONENTS[name] * component
    return 1 - certain


def doubt(table: Table, components: Mapping[str, Floats] | None = None) -> Floats:
    """Doubt of each row, from 0 to 1.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure` or of `review_table`, ordered by object and frame.
    components : mapping of str to ndarray, optional
        Its `doubt_components`, if already computed.

    Returns
    -------
    ndarray of float
        The components merged by `merge_components`; 0 on frames that were prompted, painted or accepted.
    """
    merged = merge_components(doubt_components(table) if components is None else components)
    return np.where(_checked(table), 0.0, merged)


def _checked(table: Table) -> npt.NDArray[np.bool_]:
    checked = np.zeros(len(table), bool)
    for flag in PERSON_FLAGS:
        checked |= table[flag].astype(bool)
    return checked


def review_queue(
    table: Table,
    *,
    objects: Collection[int] | None = None,
    threshold: float = 0.0,
    spacing: int = 0,
    limit: int | None = None,
    components: Mapping[str, Floats] | None = None,
) -> tuple[ReviewItem, ...]:
    """Frames that need review, the most doubtful first.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure` or of `review_table`, ordered by object and frame.
    objects : collection of int, optional
        Objects to look at; all if not given.
    threshold : float
        Omit frames that are no more doubtful than this.
    spacing : int
        Omit frames within this distance of a more doubtful one of the same object: one error often shows on several
        frames in a row.
    limit : int, optional
        Largest number of items.
    components : mapping of str to ndarray, optional
        The `doubt_components` of the table, if already computed.

    Returns
    -------
    tuple of ReviewItem
        Ordered by doubt; equal ones by frame and object.
    """
    if components is None:
        components = doubt_components(table)
    doubts = doubt(table, components)
    names = tuple(components)
    queue: list[ReviewItem] = []
    taken: dict[int, list[int]] = {}
    rows = np.flatnonzero(doubts > threshold)
    order = np.lexsort((table["object_id"][rows], table["frame"][rows], -doubts[rows]))
    for row in rows[order].tolist():
        if limit is not None and len(queue) >= limit:
            break
        object_id, frame = int(table["object_id"][row]), int(table["frame"][row])
        if objects is not None and object_id not in objects:
            continue
        own = taken.setdefault(object_id, [])
        place = bisect(own, frame)
        if any(abs(frame - other) <= spacing for other in own[max(0, place - 1) : place + 1]):
            continue
        own.insert(place, frame)
        strongest = max(names, key=lambda name: COMPONENTS[name] * components[name][row])
        queue.append(ReviewItem(object_id, frame, float(doubts[row]), strongest, SENTENCES[strongest]))
    return tuple(queue)


def review_table(scores: Mapping[int, Mapping[str, npt.NDArray[Any]]], shape_yx: tuple[int, int]) -> Table:
    """Make the table that this module needs from a mask store's figures, without reading pixels.

    Parameters
    ----------
    scores : mapping of int to mapping of str to ndarray
        For each object the arrays of `napari_sam2_video.masks.store.MaskStore.scores`: ``frame``, ``area``, ``y`` and
        ``x`` of the centre, ``y0``, ``x0``, ``y1``, ``x1`` of the box, ``object_score``, ``predicted_iou`` and, where
        they are known, ``disagreement``, ``checked_from``, ``prompted``, ``painted``, ``accepted`` and ``walk``.
    shape_yx : tuple of int
        Shape of a frame in pixels.

    Returns
    -------
    Table
        One row for each object and frame, ordered by both.
    """
    parts = []
    for object_id in sorted(scores):
        given = scores[object_id]
        order = np.argsort(given["frame"], kind="stable")
        y0, x0, y1, x1 = (np.asarray(given[edge])[order] for edge in ("y0", "x0", "y1", "x1"))
        area = np.asarray(given["area"])[order].astype(np.int64)
        touches = (y0 <= 0) | (x0 <= 0) | (y1 >= shape_yx[0]) | (x1 >= shape_yx[1])
        part: dict[str, npt.NDArray[Any]] = {
            "object_id": np.full(order.size, object_id, np.int64),
            "frame": np.asarray(given["frame"])[order].astype(np.int64),
            "area_px": area,
            "touches_border": touches & (area > 0),
        }
        for name, source in (("centroid_y_px", "y"), ("centroid_x_px", "x")):
            part[name] = np.where(area > 0, np.asarray(given[source])[order], np.nan)
        for name in ("object_score", "predicted_iou"):
            part[name] = np.asarray(given[name])[order].astype(np.float64)
        for name in ("disagreement", "checked_from"):
            part[name] = np.asarray(given.get(name, np.full(order.size, np.nan)))[order].astype(np.float64)
        for name in PERSON_FLAGS:
            part[name] = np.asarray(given[name])[order].astype(bool) if name in given else np.zeros(order.size, bool)
        part["walk"] = (
            np.asarray(given["walk"])[order].astype(np.int8) if "walk" in given else np.zeros(order.size, np.int8)
        )
        parts.append(part)
    if not parts:
        return review_table({0: {name: np.zeros(0) for name in _SCORE_NAMES}}, shape_yx)
    return Table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


_SCORE_NAMES = ("frame", "area", "y", "x", "y0", "x0", "y1", "x1", "object_score", "predicted_iou")
