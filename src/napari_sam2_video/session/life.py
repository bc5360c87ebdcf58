"""Merge, split, renumber, swap, delete and copy objects, each as one step in the history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import SessionError
from napari_sam2_video.frames.crossing import crossing_axes
from napari_sam2_video.masks.split import parts_of
from napari_sam2_video.masks.union import full_mask, union_of
from napari_sam2_video.session.objects import check_object
from napari_sam2_video.session.part import SessionPart
from napari_sam2_video.session.prompts import accepted_table, key_of, prompts_table, stored_json
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import FrameMasks, MaskPrompt, PointPrompt, ScribblePrompt
from napari_sam2_video.types.checks import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy.typing as npt

    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.prompt_table import PromptTable
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import Direction, ObjectMask
    from napari_sam2_video.types.tracked_object import TrackedObject

CHANGED = ("objects", "prompts", "masks", "accepted")


class Life(SessionPart):
    """Edits of whole objects of a session.

    Parameters
    ----------
    context, objects, prompts
        As `SessionPart`.
    tag : callable
        Returns the short name of the model for runs.
    """

    def __init__(self, context: Context, objects: Objects, prompts: PromptTable, tag: Callable[[], str]) -> None:
        super().__init__(context, objects, prompts)
        self._tag = tag

    def merge(self, object_id: int, other_id: int) -> None:
        """See `Session.merge_objects`."""
        with self._context.changing():
            one, other = self._pair(object_id, other_id)
            changes = self._lineage_without(other, one)
            self._move({one.id: (one.id, other.id)}, self._all, f"merge {other.name} into {one.name}", changes)
        self._context.events.announce(*CHANGED)

    def renumber(self, object_id: int, new_id: int) -> None:
        """See `Session.renumber_object`."""
        context = self._context
        with context.changing():
            info = self._free(object_id)
            number = whole(new_id, "The id of an object", at_least=1)
            if context.state.get("objects", number) is not None:
                raise SessionError(f"Object {number} already exists; choose another id, or merge the two.")
            context.masks.widen(number)
            name = f"object {number}" if info.name == f"object {info.id}" else info.name
            changes: list[Change] = [("objects", number, replace(info, id=number, name=name).to_json())]
            daughters = (one for one in self._objects.all() if one.parent == info.id)
            changes += [("objects", one.id, replace(one, parent=number).to_json()) for one in daughters]
            changes.append(("objects", info.id, None))
            self._move({number: (info.id,)}, self._all, f"renumber {info.name} to {number}", changes)
        context.events.announce(*CHANGED)

    def swap(self, first_id: int, second_id: int, start: int, stop: int | None) -> None:
        """See `Session.swap_objects`."""
        with self._context.changing():
            first, second = self._pair(first_id, second_id)
            frames = self._span(start, self._context.view.n_frames if stop is None else stop)
            name = f"swap {first.name} and {second.name} on frames {frames.start} to {frames.stop - 1}"
            self._move({first.id: (second.id,), second.id: (first.id,)}, frames, name, [])
        self._context.events.announce(*CHANGED)

    def delete(self, object_id: int, start: int, stop: int) -> None:
        """See `Session.delete_masks`."""
        context = self._context
        with context.changing():
            info = self._free(object_id)
            frames = self._span(start, stop)
            accepted = context.inputs.accepted(info.id) - frozenset(frames)
            changes: list[Change] = [("accepted", info.id, bounds_of(accepted) or None), self._new_trails(info.id)]
            changes += self._forgotten(info.id, frames)
            step = context.state.commit(changes, name=f"delete {info.name} on frames {start} to {stop - 1}")
            for frame in self._frames_of([info.id], frames):
                context.masks.clear_paint(frame, info.id, step=step)
                context.masks.drop(frame, info.id, step=step)
        context.events.announce("prompts", "masks", "accepted")

    def copy(self, object_id: int, frame: int, to: int) -> None:
        """See `Session.copy_mask`."""
        context = self._context
        with context.changing():
            info = self._free(object_id)
            mask_yx = context.masks.object_mask(whole(frame, "The frame", at_least=0), info.id)
            prompt = MaskPrompt(info.id, to, mask_yx).fitted(context.view.n_frames, context.view.shape_yx)
            number = context.state.next_number
            changes = self._prompts.changes(number, info.id, prompt.frame, [prompt])
            name = f"copy {info.name} from frame {frame} to {prompt.frame}"
            step = context.state.commit(changes, name=name, number=number)
            self._write(prompt.frame, full_mask(info.id, mask_yx), step)
        context.events.announce("prompts", "masks")

    def split(self, object_id: int, frame: int, line_yx: npt.ArrayLike | None) -> list[int]:
        """See `Session.split_object`."""
        context = self._context
        with context.changing():
            info = self._free(object_id)
            mask_yx = context.masks.object_mask(whole(frame, "The frame", at_least=0), info.id)
            parts = parts_of(mask_yx, line_yx)
            if len(parts) < 2:
                what = "is in one piece; draw a line across it" if line_yx is None else "is not cut by the line"
                raise SessionError(f"The mask of object {info.id} on frame {frame} {what}.")
            ids = [info.id]
            for _ in parts[1:]:
                ids.append(self._objects.next_id(ids))
            number = context.state.next_number
            changes: list[Change] = [("objects", i, self._objects.made(i).to_json()) for i in ids[1:]]
            for part, one in zip(parts, ids, strict=True):
                changes += self._prompts.changes(number, one, frame, [MaskPrompt(one, frame, part)])
            context.masks.widen(max(ids))
            step = context.state.commit(changes, name=f"split {info.name} on frame {frame}", number=number)
            levels = context.masks.object_levels(frame, info.id)
            for part, one in zip(parts, ids, strict=True):
                self._write(frame, full_mask(one, part, levels), step)
            painted = context.masks.paint_layer(frame)
            here = np.stack([part[painted.region] for part in parts])
            owner = np.asarray(ids)[here.argmax(axis=0)]
            moved = painted.painted & (painted.values == info.id) & here.any(axis=0) & (owner != info.id)
            if moved.any():
                context.masks.paint(frame, painted.origin_yx, owner, moved, step=step)
        context.events.announce(*CHANGED)
        return ids[1:]

    @property
    def _all(self) -> range:
        return range(self._context.view.n_frames)

    def _free(self, object_id: int) -> TrackedObject:
        """An object that is neither locked nor being tracked."""
        info = self._objects.changeable(object_id)
        self._context.busy.check_idle(info.id)
        return info

    def _pair(self, first_id: int, second_id: int) -> tuple[TrackedObject, TrackedObject]:
        first, second = self._free(first_id), self._free(second_id)
        if first.id == second.id:
            raise SessionError(f"Object {first.id} was given twice; give two different objects.")
        return first, second

    def _span(self, start: int, stop: int) -> range:
        n_frames = self._context.view.n_frames
        first, last = whole(start, "The first frame", at_least=0), whole(stop, "The frame after the last", at_least=0)
        if not first < last <= n_frames:
            raise SessionError(
                f"The frames {first}:{last} do not fit the recording, which has frames 0 to {n_frames - 1}."
            )
        return range(first, last)

    def _lineage_without(self, gone: TrackedObject, heir: TrackedObject) -> list[Change]:
        """Changes that make `heir` the parent of the daughters of the removed object `gone`."""
        parent, frame = (gone.parent, gone.parent_frame) if heir.parent == gone.id else (heir.parent, heir.parent_frame)
        if parent == heir.id:
            parent = frame = None
        kept = [one for one in self._objects.all() if one.id not in (gone.id, heir.id)]
        new = [replace(heir, parent=parent, parent_frame=frame)]
        new += [replace(one, parent=heir.id) if one.parent == gone.id else one for one in kept]
        for one in new:
            check_object(one, new, self._context.view.n_frames)
        return [("objects", one.id, one.to_json()) for one in new] + [("objects", gone.id, None)]

    def _move(self, sources: dict[int, tuple[int, ...]], frames: range, name: str, changes: Sequence[Change]) -> None:
        """Give objects the prompts, masks and paint of others on some frames, replacing their own.

        Parameters
        ----------
        sources : dict of int to tuple of int
            For each target, the objects it takes over; a new target is made by `changes`.
        frames : range
            The frames.
        name : str
            Name of the step.
        changes : sequence of (table, key, value)
            Further changes of the step.
        """
        context = self._context
        ids = sorted({*sources, *(one for given in sources.values() for one in given)})
        settled = {i: self._settled(i) for i in ids}
        walked = {i: context.masks.walked(i) for i in ids}
        number = context.state.next_number
        every = [*changes, *self._moved_prompts(number, ids, sources, frames)]
        if len(frames) == context.view.n_frames:
            every += self._moved_planes(number, ids, sources)
        every += [self._moved_acceptance(target, given, frames) for target, given in sources.items()]
        every += [
            ("conditioned", key_of(i, f), None) for i in ids for f in context.inputs.conditioned(i) if f in frames
        ]
        every += [self._new_trails(i) for i in sources]
        step = context.state.commit(every, name=name, number=number)
        for frame in self._frames_of(ids, frames):
            self._move_masks(frame, sources, walked, step)
            self._move_paint(frame, sources, step)
        gone = set(ids) - sources.keys()
        if gone:
            removed: list[Change] = [("accepted", i, None) for i in gone]
            now = context.state.next_number
            context.state.commit([("removed", i, now) for i in gone] + removed, step=step, number=now)
        for target, given in sources.items():
            clean = frozenset.intersection(*(settled[i] for i in given))
            marks = context.inputs.marks(target, self._tag())
            known = [("conditioned", key_of(target, f), list(marks[f])) for f in marks if f in frames and f in clean]
            if known:
                context.state.commit(known, step=step)

    def _settled(self, object_id: int) -> frozenset[int]:
        """Frames on which the masks of an object are up to date with its prompts and paint."""
        inputs = self._context.inputs
        marks, known = inputs.marks(object_id, self._tag()), inputs.conditioned(object_id)
        return frozenset(f for f in self._all if marks.get(f) == known.get(f))

    def _moved_prompts(
        self, number: int, ids: Sequence[int], sources: dict[int, tuple[int, ...]], frames: range
    ) -> list[Change]:
        context = self._context
        found = {i: {p.frame: p for p in self._prompts.sets(i) if p.frame in frames} for i in ids}
        changes: list[Change] = []
        for target, given in sources.items():
            for frame in sorted({f for i in given for f in found[i]}):
                sets = [found[i][frame] for i in given if frame in found[i]]
                masks = [context.masks.object_mask(frame, i) for i in given]
                shown = sum(bool(mask.any()) for mask in masks)
                if shown and (len(sets) > 1 or shown > 1):
                    union = MaskPrompt(target, frame, np.logical_or.reduce(masks))
                    changes += self._prompts.changes(number, target, frame, [union])
                    continue
                items = [stored_json(item) for item in sets[0].items]
                others = [item for one in sets[1:] for item in one.items]
                items += [stored_json(item) for item in others if isinstance(item, PointPrompt | ScribblePrompt)]
                changes.append(("prompts", key_of(target, frame), {"revision": number, "items": items}))
        taken = {key for _, key, _ in changes}
        old = (key_of(i, frame) for i in ids for frame in found[i])
        return [*changes, *(("prompts", key, None) for key in old if key not in taken)]

    def _moved_planes(self, number: int, ids: Sequence[int], sources: dict[int, tuple[int, ...]]) -> list[Change]:
        """Changes that give objects the prompts of others on planes across other axes of a volume."""
        state = self._context.state
        changes: list[Change] = []
        for axis in crossing_axes(self._context.view):
            table, accepted = prompts_table(axis), accepted_table(axis)
            found = {i: {int(plane): one for plane, one in state.group(table, i).items()} for i in ids}
            spans = {i: state.get(accepted, i, ()) for i in ids}
            taken = set()
            for target, given in sources.items():
                for plane in sorted({plane for i in given for plane in found[i]}):
                    one = next(found[i][plane] for i in given if plane in found[i])
                    items = [stored_json(item) for item in one.items]
                    changes.append((table, key_of(target, plane), {"revision": number, "items": items}))
                    taken.add(key_of(target, plane))
                planes = {plane for i in given for start, stop in spans[i] for plane in range(start, stop)}
                changes.append((accepted, target, bounds_of(planes) or None))
            old = [key_of(i, plane) for i in ids for plane in found[i]]
            changes += [(table, key, None) for key in old if key not in taken]
            changes += [(accepted, i, None) for i in ids if i not in sources]
        return changes

    def _moved_acceptance(self, target: int, given: Iterable[int], frames: range) -> Change:
        accepted = self._context.inputs.accepted
        inside = frozenset(frames)
        kept = accepted(target) - inside
        return ("accepted", target, bounds_of(kept.union(*(accepted(i) & inside for i in given))) or None)

    def _move_masks(
        self, frame: int, sources: dict[int, tuple[int, ...]], walked: dict[int, npt.NDArray[Any]], step: int
    ) -> None:
        masks = self._context.masks
        old = {mask.object_id: mask for mask in masks.object_masks(frame)}
        for target, given in sources.items():
            parts = [old[i] for i in given if i in old]
            if parts:
                walk = next((walked[i][frame] for i in given if walked[i][frame]), 1)
                self._write(frame, union_of(target, parts), step, "backward" if walk < 0 else "forward")
            elif target in old:
                masks.drop(frame, target, step=step)

    def _move_paint(self, frame: int, sources: dict[int, tuple[int, ...]], step: int) -> None:
        masks = self._context.masks
        layer = masks.paint_layer(frame)
        values = layer.values.copy()
        for target, given in sources.items():
            values[np.isin(layer.values, [i for i in given if i != target])] = target
        changed = layer.painted & (values != layer.values)
        if changed.any():
            masks.paint(frame, layer.origin_yx, values, changed, step=step)

    def _write(self, frame: int, mask: ObjectMask, step: int, direction: Direction = "forward") -> None:
        masks = self._context.masks
        masks.write(FrameMasks(frame, masks.shape_yx, (mask,), direction), generation=step)

    def _frames_of(self, ids: Iterable[int], frames: range) -> list[int]:
        """The given frames on which one of the objects has a mask or paint."""
        masks = self._context.masks
        found = {int(f) for i in ids for f in (*masks.frames_done(i), *masks.painted(i))}
        return sorted(found.intersection(frames))

    def _forgotten(self, object_id: int, frames: range) -> list[Change]:
        """Changes that remove the prompts of an object on some frames."""
        prompted = (int(frame) for frame in self._context.state.group("prompts", object_id))
        changes: list[Change] = [("prompts", key_of(object_id, f), None) for f in prompted if f in frames]
        return changes + self._unconditioned(object_id, frames)

    def _unconditioned(self, object_id: int, frames: range) -> list[Change]:
        """Changes that forget from which prompts the masks of an object on some frames were made."""
        known = self._context.inputs.conditioned(object_id)
        return [("conditioned", key_of(object_id, f), None) for f in known if f in frames]

    def _new_trails(self, object_id: int) -> Change:
        """Change after which no run continues from the tracker's memories of earlier frames."""
        return ("walks", object_id, self._context.state.next_number)
