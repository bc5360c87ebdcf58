"""Fuse the masks of all walks of a volume, and store them over those of the session's own walk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.analysis.consensus import ENDED, PRESENT, TRUSTED, Walk, consensus, plane_weights
from napari_sam2_video.analysis.crossing_agreement import SettledPlane, crossing_agreement
from napari_sam2_video.analysis.likeness import BEYOND, OUTLYING, look_of
from napari_sam2_video.analysis.outline import BAND, IMAGE, NOISE, TOGETHER
from napari_sam2_video.frames.crossing import spacing_of
from napari_sam2_video.geometry import cut_to_box, whole_mask
from napari_sam2_video.masks.records import FUSED, RUN, newest_records
from napari_sam2_video.session.planes.grey import SMOOTH, GreyPlanes
from napari_sam2_video.session.planes.plane_masks import step_of
from napari_sam2_video.session.run import unfinished_run
from napari_sam2_video.types import FrameMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.masks.tables import RecordInfo
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.planes.prompts import PlanePrompts
    from napari_sam2_video.session.planes.walks import PlaneWalks
    from napari_sam2_video.types import ObjectMask

FUSIONS = "fusions"
"""Table: for each object, the walks its masks were fused from, and the newest record of every walk at that time."""
UNKNOWN_IOU = 0.5
MOST_SETTLED = 48
LEAST_WALKS = 2
FUSED_SCORE = 10.0
ACCEPTED_LEVEL = 255
REACH = 0.5
"""Distance over which trust in a walk halves, as a fraction of the settled section's side."""


@dataclass(frozen=True)
class Fusion:
    """The result of fusing one object.

    Parameters
    ----------
    object_id : int
        The object.
    axes : tuple of str
        The walks that were fused.
    voxels : int
        Voxels of the fused mask.
    disputed : int
        Voxels on which the walks disagree.
    """

    object_id: int
    axes: tuple[str, ...]
    voxels: int
    disputed: int


@dataclass(frozen=True)
class WalkMasks:
    """A walk of the session, open for reading.

    Parameters
    ----------
    axis : str
        The axis it walks.
    context : Context
        Where its masks are.
    """

    axis: str
    context: Context

    @property
    def masks(self) -> MaskStore:
        """Its masks."""
        return self.context.masks

    def newest(self, object_id: int) -> int:
        """Number of its newest record of an object; 0 if it has none."""
        return max((number for number, _ in self._rows(object_id).values()), default=0)

    def settled(self, object_id: int) -> list[int]:
        """Planes that were prompted or settled."""
        inputs = self.context.inputs
        return sorted({*inputs.conditioned(object_id), *inputs.accepted(object_id)})

    def figures(self, object_id: int) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """By plane: whether the walk computed it, its predicted IoU, and the object's box ``(y0, x0, y1, x1)``."""
        n_planes = self.context.view.n_frames
        walked, iou = np.zeros(n_planes, bool), np.full(n_planes, UNKNOWN_IOU)
        boxes = np.zeros((n_planes, 4), np.int64)
        for plane, (_, info) in self._rows(object_id).items():
            row = info.figures_of(object_id)
            walked[plane], iou[plane] = True, float(row["predicted_iou"])
            if row["area"]:
                boxes[plane] = [int(row[name]) for name in ("y0", "x0", "y1", "x1")]
        return walked, iou, boxes

    def _rows(self, object_id: int) -> dict[int, tuple[int, RecordInfo]]:
        return newest_records(self.context.state, object_id, (RUN,))


class Fusing:
    """Fuses the walks of a session.

    Parameters
    ----------
    context : Context
        The open session.
    walks : PlaneWalks
        Its walks.
    asked : PlanePrompts
        The user's prompts and acceptance on the planes.
    """

    def __init__(self, context: Context, walks: PlaneWalks, asked: PlanePrompts) -> None:
        self._context = context
        self._walks = walks
        self._asked = asked

    def sources(self, object_id: int, axes: Sequence[str]) -> list[WalkMasks]:
        """The walks along the given axes that have masks of an object."""
        return [one for one in self._sources(axes) if one.newest(object_id)]

    def is_outdated(self, object_id: int, axes: Sequence[str] | None = None) -> bool:
        """Whether several walks have masks of an object, and any has newer ones than at the last fusion.

        Parameters
        ----------
        object_id : int
            The object.
        axes : sequence of str, optional
            Walks to fuse; if others were fused before, the result is outdated, too.
        """
        wanted = self.sources(object_id, axes or self.axes_of(object_id) or tuple(self._walks.views))
        if len(self.sources(object_id, tuple(self._walks.views))) < LEAST_WALKS:
            return False
        return bool(self._stamp(object_id, wanted) != self.kept(object_id))

    def axes_of(self, object_id: int) -> tuple[str, ...]:
        """Walks from which the masks of an object were fused; empty if they were not."""
        kept = self.kept(object_id)
        return tuple(str(axis) for axis in kept["axes"]) if kept else ()

    def said(self, object_id: int) -> dict[str, Any] | None:
        """How an object was last fused, for provenance; None if it was not."""
        axes = self.axes_of(object_id)
        settings = {
            "steps": {axis: step_of(self._walks.spacing(axis)) for axis in axes if axis != self._walks.own},
            "trusted": TRUSTED,
            "present": PRESENT,
            "ended": ENDED,
            "reach": REACH,
            "outline": {"band": BAND, "image": IMAGE, "noise": NOISE, "smooth": SMOOTH, "together": TOGETHER},
            "likeness": {"outlying": OUTLYING, "beyond": BEYOND},
        }
        return {"axes": list(axes), "settings": settings} if axes else None

    def fuse(
        self,
        object_ids: Sequence[int],
        axes: Sequence[str],
        disputes: Context,
        progress: Callable[[int, int], None] | None,
    ) -> list[Fusion]:
        """Fuse objects and keep the result as one step; see `Session.fuse`."""
        context = self._context
        view = context.view
        stack = self._walks.stack(self._walks.own)
        settled = {i: self._settled(i) for i in object_ids}
        own_settled = {i: self._kept_frames(i) for i in object_ids}
        walks = []
        for source in self._sources(axes):
            place = stack.axis_of(self._walks.stack(source.axis))
            walks.append(self._walk(source, place, object_ids, settled, self._walks.spacing(source.axis)[0]))
        names = ", ".join(str(i) for i in object_ids[:5])
        stamps = [(FUSIONS, i, self._stamp(i, self.sources(i, axes))) for i in object_ids]
        with context.changing():
            step = context.state.commit([], name=f"fuse the planes of object {names}")
        voxels, disputed = dict.fromkeys(object_ids, 0), dict.fromkeys(object_ids, 0)
        accepted = {i: self._accepted_planes(i) for i in object_ids}
        shape = (view.n_frames, *view.shape_yx)
        greys = {axis: GreyPlanes(planes, self._walks.spacing(axis)) for axis, planes in self._walks.views.items()}
        looks = self._looks(settled, greys)
        for fused in consensus(shape, walks, object_ids, grey=greys[self._walks.own].on, looks=looks):
            masks = []
            known = {mask.object_id: mask for mask in context.masks.run_masks(fused.plane)}
            for mask in fused.masks:
                if fused.plane in own_settled[mask.object_id]:
                    continue
                laid = _overlaid(mask, accepted[mask.object_id], fused.plane, view.shape_yx)
                voxels[mask.object_id] += int(np.count_nonzero(laid.levels))
                masks.append(_with_figures(laid, known.get(mask.object_id)))
            context.masks.write(FrameMasks(fused.plane, view.shape_yx, tuple(masks)), generation=step, table=FUSED)
            for mask in fused.disputed:
                disputed[mask.object_id] += int(np.count_nonzero(mask.levels))
            if any(mask.levels.size for mask in (*fused.disputed, *disputes.masks.run_masks(fused.plane))):
                disputes.masks.write(FrameMasks(fused.plane, view.shape_yx, fused.disputed))
            if progress is not None:
                progress(fused.plane + 1, view.n_frames)
        disputes.state.commit(stamps)
        # Written last, so that an interrupted fusion does not count.
        context.state.commit(stamps, step=step)
        context.events.announce("masks")
        return [Fusion(i, self.axes_of(i), voxels[i], disputed[i]) for i in object_ids]

    def _kept_frames(self, object_id: int) -> frozenset[int]:
        """Frames of the session that fusing does not change: accepted ones, and those with a mask prompt."""
        accepted = self._context.inputs.accepted(object_id)
        if self._asked.begins_along(object_id) != self._walks.own:
            return accepted
        given = self._walks.tables[self._walks.own].sets(object_id)
        return accepted | {one.frame for one in given if one.kinds == ("mask",)}

    def _looks(
        self, settled: Mapping[int, Sequence[SettledPlane]], greys: Mapping[str, GreyPlanes]
    ) -> dict[int, tuple[float, float]]:
        """Smallest and largest grey value that each object may have, from its settled planes."""
        stack = self._walks.stack(self._walks.own)
        found = {}
        for object_id, planes in settled.items():
            images = []
            for one in planes:
                axis = stack.axes[one.axis]
                image = greys[axis].on(one.plane)[1]
                images.append((one.mask, image.T if stack.axis_of(self._walks.stack(axis))[1] else image))
            look = look_of(images)
            if look is not None:
                found[object_id] = look
        return found

    def _sources(self, axes: Sequence[str]) -> list[WalkMasks]:
        found = []
        for axis in self._walks.views:
            if axis not in axes:
                continue
            if axis == self._walks.own:
                found.append(WalkMasks(axis, self._context))
                continue
            walk = self._walks.find(axis)
            if walk is not None:
                found.append(WalkMasks(axis, walk.context))
        return found

    def kept(self, object_id: int) -> Any:
        """The stored facts about the last fusion of an object; None if there was none or it was undone."""
        return self._context.state.get(FUSIONS, object_id)

    def _stamp(self, object_id: int, sources: Sequence[WalkMasks]) -> Any:
        known = self.sources(object_id, tuple(self._walks.views))
        newest = {one.axis: one.newest(object_id) for one in known}
        return {"axes": [one.axis for one in sources], "newest": newest}

    def _walk(
        self,
        source: WalkMasks,
        place: tuple[int, bool],
        object_ids: Sequence[int],
        settled: Mapping[int, Sequence[SettledPlane]],
        spacing: float,
    ) -> Walk:
        boxes, weights = {}, {}
        for object_id in object_ids:
            walked, iou, boxes[object_id] = source.figures(object_id)
            if not walked.any():
                del boxes[object_id]
                continue
            if source.axis != self._walks.own:
                # A walk that was not cut off went as far as the object reaches: beyond that it votes for absence.
                walked |= unfinished_run(source.context.state) is None
            sides = [np.sqrt(np.count_nonzero(one.mask)) for one in settled[object_id]]
            reach = REACH * max(sides, default=1.0) * float(spacing_of(self._context.view).min())
            weights[object_id] = plane_weights(iou, walked, source.settled(object_id), spacing, reach)
        agreement: dict[int, npt.NDArray[np.float64]] = {}
        walk = Walk(*place, source.masks.run_masks, boxes, weights, agreement)
        for object_id in boxes:
            agreement[object_id] = crossing_agreement(walk, object_id, settled[object_id])
        return walk

    def _settled(self, object_id: int) -> list[SettledPlane]:
        """Planes of all walks that were prompted, painted or accepted."""
        found = []
        stack = self._walks.stack(self._walks.own)
        for source in self._sources(tuple(self._walks.views)):
            axis, swapped = stack.axis_of(self._walks.stack(source.axis))
            planes = {one.frame for one in self._walks.tables[source.axis].sets(object_id)}
            by_hand: set[int] = set()
            if source.axis == self._walks.own:
                by_hand = {*self._context.inputs.accepted(object_id), *self._context.masks.painted(object_id)}
            for plane in sorted(planes | by_hand):
                if plane in by_hand:
                    mask = source.masks.object_mask(plane, object_id)
                else:
                    mask = _pixels(source.masks.run_masks(plane), object_id, source.masks.shape_yx)
                if mask.any():
                    found.append(SettledPlane(axis, plane, mask.T if swapped else mask))
        step = -(-len(found) // MOST_SETTLED) or 1
        return found[::step]

    def _accepted_planes(self, object_id: int) -> list[SettledPlane]:
        """Accepted planes across other axes, which override the walks."""
        found = []
        stack = self._walks.stack(self._walks.own)
        for axis in self._walks.others:
            position, swapped = stack.axis_of(self._walks.stack(axis))
            for plane, mask in self._asked.accepted_masks(axis, object_id):
                found.append(SettledPlane(position, plane, mask.T if swapped else mask))
        return found


def _pixels(masks: Sequence[ObjectMask], object_id: int, shape_yx: tuple[int, int]) -> npt.NDArray[np.bool_]:
    mask = next((one for one in masks if one.object_id == object_id), None)
    return np.zeros(shape_yx, bool) if mask is None else whole_mask(mask.origin_yx, mask.levels > 0, shape_yx)


def _overlaid(mask: ObjectMask, accepted: Sequence[SettledPlane], frame: int, shape_yx: tuple[int, int]) -> ObjectMask:
    """Mask of a frame, overlaid with the lines where accepted planes cross it."""
    if not accepted:
        return mask
    levels = whole_mask(mask.origin_yx, mask.levels, shape_yx)
    for one in accepted:
        line = np.where(one.mask[frame], ACCEPTED_LEVEL, 0)
        if one.axis == 1:
            levels[one.plane] = line
        else:
            levels[:, one.plane] = line
    origin, levels = cut_to_box(levels)
    return replace(mask, origin_yx=origin, levels=levels)


def _with_figures(mask: ObjectMask, own: ObjectMask | None) -> ObjectMask:
    """Mask with the scores of the session's own walk if both agree, else without scores."""
    there = bool(mask.levels.size)
    if own is not None and there == bool(own.levels.any()):
        return replace(mask, object_score=own.object_score, predicted_iou=own.predicted_iou, prompted=own.prompted)
    return replace(mask, object_score=FUSED_SCORE if there else -FUSED_SCORE, predicted_iou=UNKNOWN_IOU)
