"""Frames that the user settles for an object: accepted as they are, or without the object."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import SessionError
from napari_sam2_video.session.objects import check_object
from napari_sam2_video.session.part import SessionPart
from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import FrameMasks, ObjectMask

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import Direction

ABSENT_SCORE = -10.0


class Acceptance(SessionPart):
    """Accepted frames of a session."""

    def set(self, spans: Mapping[int, Sequence[tuple[int, int]]], *, accept: bool) -> None:
        """Accept frames of objects, or withdraw acceptance; see `Session.accept` and `Session.accept_frames`."""
        context = self._context
        with context.changing():
            changes: list[Change] = []
            for object_id, ranges in spans.items():
                self._objects.get(object_id)
                changes += self.changes(object_id, ranges, accept=accept)
            if not changes:
                return
            word = "accept" if accept else "undo acceptance of"
            context.state.commit(changes, name=f"{word} {self._about(spans)}")
        context.events.announce("accepted")

    def _about(self, spans: Mapping[int, Sequence[tuple[int, int]]]) -> str:
        """Objects and frames, for the name of a step."""
        ranges = [span for found in spans.values() for span in found]
        names = [self._objects.get(object_id).name for object_id in spans]
        who = names[0] if len(names) == 1 else f"{len(names)} objects"
        return f"{who} on frames {min(start for start, _ in ranges)} to {max(stop for _, stop in ranges) - 1}"

    def changes(self, object_id: int, ranges: Sequence[tuple[int, int]], *, accept: bool) -> list[Change]:
        """Changes for accepting frames or withdrawing acceptance; none for frames already in that state."""
        span = frozenset(frame for start, stop in ranges for frame in self._span(start, stop))
        old = self._context.inputs.accepted(object_id)
        new = old | span if accept else old - span
        if new == old:
            return []
        changes: list[Change] = [("accepted", object_id, bounds_of(new) or None)]
        return changes + [("conditioned", key_of(object_id, f), None) for f in self._overruled(object_id, old - new)]

    def mark_absent(self, object_id: int, start: int, stop: int, parent: int | None) -> None:
        """See `Session.mark_absent`."""
        span = self._span(start, stop)
        context = self._context
        with context.changing():
            info = self._objects.changeable(object_id)
            context.busy.check_idle(object_id)
            name = f"{info.name} absent on frames {start} to {stop - 1}"
            changes = self.absence(object_id, span)
            if parent is not None:
                born = replace(info, parent=parent, parent_frame=stop)
                check_object(born, self._objects.all(), context.view.n_frames)
                changes.append(("objects", object_id, born.to_json()))
                name = f"{info.name} a daughter of object {parent}"
            step = context.state.commit(changes, name=name)
            self.clear(object_id, span, step)
        context.events.announce("objects", "prompts", "masks", "accepted")

    def absence(self, object_id: int, span: range) -> list[Change]:
        """Changes for declaring an object absent on some frames; `clear` does the rest in the same step."""
        inputs = self._context.inputs
        accepted = inputs.accepted(object_id) | frozenset(span)
        changes: list[Change] = [("accepted", object_id, bounds_of(accepted))]
        prompted = (int(frame) for frame in self._context.state.group("prompts", object_id))
        changes += [("prompts", key_of(object_id, f), None) for f in prompted if f in span]
        known = inputs.conditioned(object_id)
        return changes + [("conditioned", key_of(object_id, f), None) for f in known if f in span]

    def clear(self, object_id: int, span: range, step: int) -> None:
        """Remove an object's masks and paint from some frames."""
        walked = self._context.masks.walked(object_id)
        for frame in span:
            self._clear(frame, object_id, "backward" if walked[frame] < 0 else "forward", step)

    def _clear(self, frame: int, object_id: int, direction: Direction, step: int) -> None:
        masks = self._context.masks
        old = masks.object_levels(frame, object_id)
        if old is not None and old.levels.any():
            nothing = np.zeros((0, 0), np.uint8)
            gone = ObjectMask(object_id, (0, 0), nothing, ABSENT_SCORE, old.predicted_iou)
            masks.write(FrameMasks(frame, masks.shape_yx, (gone,), direction), generation=step)
        if object_id in masks.touched(frame):
            left = masks.object_mask(frame, object_id)
            masks.paint(frame, (0, 0), np.zeros(masks.shape_yx, np.uint8), left, step=step)

    def _span(self, start: int, stop: int) -> range:
        n_frames = self._context.view.n_frames
        whole = isinstance(start, int | np.integer) and isinstance(stop, int | np.integer)
        if not whole or not 0 <= start < stop <= n_frames:
            raise SessionError(
                f"The frames {start} to {stop} do not fit the recording, which has frames 0 to {n_frames - 1}."
            )
        return range(int(start), int(stop))

    def _overruled(self, object_id: int, frames: Collection[int]) -> list[int]:
        """The given frames whose mask is older than their prompts because it was accepted."""
        masks = self._context.masks
        given = {p.frame: p.revision for p in self._prompts.sets(object_id) if p.frame in frames}
        older = [f for f, revision in given.items() if masks.stamp(f, object_id)[0] < revision]
        return [f for f in older if object_id not in masks.touched(f)]
