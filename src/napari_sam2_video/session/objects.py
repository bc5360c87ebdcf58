"""The objects of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.analysis.lineage import check_lineage
from napari_sam2_video.errors import SessionError
from napari_sam2_video.frames.crossing import crossing_axes
from napari_sam2_video.masks.codec import MAX_ID
from napari_sam2_video.session.prompts import accepted_table, key_of, prompts_table
from napari_sam2_video.types.checks import whole
from napari_sam2_video.types.tracked_object import TrackedObject, default_color

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from napari_sam2_video.session.context import Context
    from napari_sam2_video.storage.tables import Change


def object_from_json(key: Any, value: Any) -> TrackedObject:
    """Object from its journal form; raises ValueError, TypeError or KeyError for anything else."""
    if isinstance(key, bool) or not isinstance(key, int) or not 1 <= key <= MAX_ID:
        raise ValueError("object ids are whole numbers from 1")
    red, green, blue = (int(c) for c in value["color"])
    parent, frame = value["parent"], value["parent_frame"]
    return TrackedObject(
        key,
        str(value["name"]),
        (red, green, blue),
        None if parent is None else int(parent),
        None if frame is None else int(frame),
        bool(value["locked"]),
    )


def check_object(info: TrackedObject, others: Iterable[TrackedObject], n_frames: int) -> None:
    """Refuse an invalid object.

    Raises
    ------
    SessionError
        If a colour is out of range, or the parent is unknown, the object itself or one of its descendants.
    """
    if not info.name.strip():
        raise SessionError(f"Object {info.id} needs a name.")
    if len(info.color) != 3 or not all(isinstance(c, int | np.integer) and 0 <= c <= 255 for c in info.color):
        raise SessionError(f"The colour {info.color} of object {info.id} is not three numbers from 0 to 255.")
    if info.parent is None:
        if info.parent_frame is not None:
            raise SessionError(f"Object {info.id} has a frame of division but no parent; give the parent.")
        return
    if info.parent_frame is not None and not 0 <= info.parent_frame < n_frames:
        raise SessionError(f"Object {info.id} cannot begin on frame {info.parent_frame}; there are {n_frames} frames.")
    check_lineage([info, *(other for other in others if other.id != info.id)])


def plain_color(color: Any) -> tuple[int, int, int]:
    """Colour from any sequence; an invalid one becomes one that `check_object` refuses."""
    try:
        return tuple(color)
    except TypeError:
        return (color,)  # type: ignore[return-value]


class Objects:
    """The objects of a session."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> tuple[TrackedObject, ...]:
        """All objects, by ascending id."""
        with self._context.state.lock:
            table = self._context.state.table("objects")
            return tuple(table[i] for i in sorted(table, key=int))

    def get(self, object_id: int) -> TrackedObject:
        """One object; raises `SessionError` if there is none with that id."""
        info: TrackedObject | None = self._context.state.get("objects", object_id)
        if info is None:
            raise SessionError(f"There is no object {object_id}.")
        return info

    def changeable(self, object_id: int, change: str = "change") -> TrackedObject:
        """One object that is not locked; raises `SessionError` otherwise."""
        info = self.get(object_id)
        if info.locked:
            raise SessionError(f"Object {object_id} is locked; unlock it to {change} it.")
        return info

    def locked(self) -> frozenset[int]:
        """Ids of the locked objects."""
        return frozenset(info.id for info in self.all() if info.locked)

    def made(self, object_id: int, name: str | None = None, color: tuple[int, int, int] | None = None) -> TrackedObject:
        """A new object, checked but not stored yet."""
        default = default_color(object_id)
        info = TrackedObject(object_id, name or f"object {object_id}", default if color is None else plain_color(color))
        check_object(info, (), self._context.view.n_frames)
        return info

    def next_id(self, taken: Iterable[int] = ()) -> int:
        """The id after all that were ever used or are `taken`; if none is left, the lowest free one."""
        state = self._context.state
        with state.lock:
            used = {int(i) for name in ("objects", "removed") for i in state.table(name)}
        used.update(taken)
        following = max(used, default=0) + 1
        return following if following <= MAX_ID else next(i for i in range(1, MAX_ID + 1) if i not in used)

    def add(self, name: str | None, color: tuple[int, int, int] | None, object_id: int | None) -> int:
        """See `Session.add_object`."""
        context = self._context
        with context.changing():
            number = self.next_id() if object_id is None else whole(object_id, "The id of an object", at_least=1)
            if context.state.get("objects", number) is not None:
                raise SessionError(f"Object {number} already exists.")
            info = self.made(number, name, color)
            context.masks.widen(number)
            context.state.commit([("objects", number, info.to_json())], name=f"add {info.name}")
        context.events.announce("objects")
        return number

    def edit(self, object_id: int, changes: dict[str, Any]) -> TrackedObject:
        """Replace fields of an object; see `Session.edit_object`."""
        context = self._context
        with context.changing():
            old = self.get(object_id)
            color = {} if "color" not in changes else {"color": plain_color(changes["color"])}
            new = replace(old, **changes | color)
            if new.parent is None:
                new = replace(new, parent_frame=None)
            if new == old:
                return old
            check_object(new, self.all(), context.view.n_frames)
            context.state.commit([("objects", object_id, new.to_json())], name=f"edit {old.name}")
        context.events.announce("objects")
        return new

    def remove(self, object_ids: Collection[int]) -> None:
        """See `Session.remove_objects`."""
        context = self._context
        with context.changing():
            gone = {number: self.get(number) for number in sorted(set(object_ids))}
            if not gone:
                return
            changes: list[Change] = []
            for number in gone:
                context.busy.check_idle(number)
                changes += self._removed(number)
            changes += [
                ("objects", o.id, replace(o, parent=None, parent_frame=None).to_json())
                for o in self.all()
                if o.parent in gone and o.id not in gone
            ]
            name = next(iter(gone.values())).name if len(gone) == 1 else f"{len(gone)} objects"
            context.masks.remove_objects(tuple(gone), extra=changes, name=f"remove {name}")
        context.events.announce("objects", "prompts", "masks", "accepted")

    def _removed(self, object_id: int) -> list[Change]:
        """Changes that remove everything of an object."""
        context = self._context
        changes: list[Change] = [("objects", object_id, None), ("accepted", object_id, None)]
        changes += [("prompts", key_of(object_id, int(f)), None) for f in context.state.group("prompts", object_id)]
        for axis in crossing_axes(context.view):
            table = prompts_table(axis)
            changes += [(table, key_of(object_id, int(p)), None) for p in context.state.group(table, object_id)]
            changes.append((accepted_table(axis), object_id, None))
        changes += [("conditioned", key_of(object_id, f), None) for f in context.inputs.conditioned(object_id)]
        return changes

    def lock(self, object_ids: Collection[int], *, locked: bool) -> None:
        """See `Session.lock_objects`."""
        context = self._context
        with context.changing():
            found = [self.get(number) for number in sorted(set(object_ids))]
            changes: list[Change] = [
                ("objects", one.id, replace(one, locked=locked).to_json()) for one in found if one.locked != locked
            ]
            if changes:
                what = found[0].name if len(found) == 1 else f"{len(found)} objects"
                context.state.commit(changes, name=f"{'lock' if locked else 'unlock'} {what}")
        context.events.announce("objects")
