"""Change a session: objects, prompts, seeds, paint and acceptance."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.export.source import default_color
from napari_sam2_video.masks.labels import LabelArray
from napari_sam2_video.masks.records import MAX_ID, encode_mask
from napari_sam2_video.session.base import SessionReader
from napari_sam2_video.session.objects import ObjectInfo, check_object
from napari_sam2_video.session.prompts import checked, key_of, mask_item, to_json
from napari_sam2_video.session.run import Runner, ranges
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path
    from types import EllipsisType

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.masks.tables import Change
    from napari_sam2_video.session.base import TrackerFactory
    from napari_sam2_video.session.inputs import Mark
    from napari_sam2_video.session.lock import SessionLock
    from napari_sam2_video.types import Prompt


class SessionEditor(SessionReader):
    """A session that can be changed; every change is on disk when the call that makes it returns."""

    def __init__(
        self,
        folder: Path,
        recording: Recording,
        view: FrameView,
        *,
        lock: SessionLock | None,
        owns_recording: bool,
        tracker_factory: TrackerFactory | None,
    ) -> None:
        super().__init__(
            folder, recording, view, lock=lock, owns_recording=owns_recording, tracker_factory=tracker_factory
        )
        self._stroke_step: tuple[int, int] | None = None
        self._runner = Runner(self._ledger, self.masks, self._inputs, self._conditioning_prompts)
        self.labels = LabelArray(self.masks, None if self.read_only else _Painter(self))

    def add_object(
        self, name: str | None = None, color: tuple[int, int, int] | None = None, object_id: int | None = None
    ) -> int:
        """Add an object; its id.

        Parameters
        ----------
        name : str, optional
            ``object <id>`` if not given.
        color : tuple of int, optional
            Red, green and blue from 0 to 255; chosen by the id if not given.
        object_id : int, optional
            The next one that was never used, if not given.
        """
        with self._changing():
            number = self._next_id() if object_id is None else int(object_id)
            if self._ledger.get("objects", number) is not None:
                raise SessionError(f"There is an object {number} already.")
            info = self._new_object(number, name, color)
            self.masks.widen(number)
            self._ledger.commit([("objects", number, info.to_json())], name=f"add {info.name}")
        self._emit("objects")
        return number

    def edit_object(
        self,
        object_id: int,
        *,
        name: str | None = None,
        color: tuple[int, int, int] | None = None,
        locked: bool | None = None,
        parent: int | EllipsisType | None = ...,
        parent_frame: int | EllipsisType | None = ...,
    ) -> ObjectInfo:
        """Change what is known of an object; what is not given stays.

        Raises
        ------
        SessionError
            If there is no such object, or the parent cannot be one.
        """
        with self._changing():
            old = self.object(object_id)
            new = replace(
                old,
                name=old.name if name is None else name,
                color=old.color if color is None else (*color,),
                locked=old.locked if locked is None else locked,
                parent=old.parent if isinstance(parent, type(...)) else parent,
                parent_frame=old.parent_frame if isinstance(parent_frame, type(...)) else parent_frame,
            )
            if new.parent is None:
                new = replace(new, parent_frame=None)
            if new == old:
                return old
            check_object(new, {o.id: o for o in self.objects}, self.n_frames)
            self._ledger.commit([("objects", object_id, new.to_json())], name=f"edit {old.name}")
        self._emit("objects")
        return new

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, masks and paint; `undo` brings all back.

        Raises
        ------
        SessionError
            If there is no such object, or it is being tracked.
        """
        with self._changing():
            info = self.object(object_id)
            self._check_idle(object_id)
            changes: list[Change] = [("objects", object_id, None), ("accepted", object_id, None)]
            changes += [("prompts", key_of(object_id, int(f)), None) for f in self._ledger.group("prompts", object_id)]
            changes += [("conditioned", key_of(object_id, f), None) for f in self._inputs.conditioned(object_id)]
            changes += [
                ("objects", o.id, replace(o, parent=None, parent_frame=None).to_json())
                for o in self.objects
                if o.parent == object_id
            ]
            self.masks.remove_object(object_id, extra=changes, name=f"remove {info.name}")
        self._emit("objects", "prompts", "masks", "accepted")

    def set_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> None:
        """Replace the prompts of an object on a frame; an empty sequence removes them.

        Raises
        ------
        PromptError
            If one does not fit the recording, or belongs to another object or frame.
        SessionError
            If there is no such object, or it is locked.
        """
        if self._set_prompts(object_id, frame, prompts):
            self._emit("prompts")

    def _set_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> bool:
        """Replace prompts without telling anybody; True if they changed."""
        for prompt in prompts:
            if (prompt.object_id, prompt.frame) != (object_id, frame):
                raise PromptError(
                    f"A prompt of object {prompt.object_id} on frame {prompt.frame} was given as one of object "
                    f"{object_id} on frame {frame}; correct it."
                )
        given = [checked(p, self.n_frames, self.shape_yx) for p in prompts]
        if sum(isinstance(p, MaskPrompt) for p in given) > 1:
            raise PromptError(f"Object {object_id} has two masks on frame {frame}; give one.")
        with self._changing():
            info = self._changeable(object_id)
            if self._are_prompts(object_id, frame, given):
                return False
            number = self._ledger.next_number
            changes = self._prompt_changes(number, object_id, frame, given)
            self._ledger.commit(changes, name=f"prompts of {info.name} on frame {frame}", number=number)
        return True

    def _are_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> bool:
        """Whether an object has just these prompts on a frame; what is damaged is none of them."""
        try:
            return tuple(prompts) == self.prompts(object_id, frame)
        except PromptError:
            return False

    def add_prompt(self, prompt: Prompt) -> None:
        """Add a prompt; a mask replaces the mask that is there."""
        with self._changing():
            kept = self.prompts(prompt.object_id, prompt.frame, masks=not isinstance(prompt, MaskPrompt))
            changed = self._set_prompts(prompt.object_id, prompt.frame, [*kept, prompt])
        if changed:
            self._emit("prompts")

    def remove_prompt(self, prompt: Prompt) -> None:
        """Remove a prompt.

        Raises
        ------
        PromptError
            If there is no such prompt.
        """
        with self._changing():
            kept = list(self.prompts(prompt.object_id, prompt.frame))
            if prompt not in kept:
                raise PromptError(f"Object {prompt.object_id} has no such prompt on frame {prompt.frame}.")
            kept.remove(prompt)
            changed = self._set_prompts(prompt.object_id, prompt.frame, kept)
        if changed:
            self._emit("prompts")

    def add_seeds(self, labels_yx: npt.NDArray[Any], frame: int) -> list[int]:
        """Make an object with a mask prompt of every label of a label image; their ids.

        A label keeps its number as id where that id was never used.

        Parameters
        ----------
        labels_yx : ndarray of int, shape (Y, X)
            Label image of the frame, 0 for none.
        frame : int
            The frame.

        Raises
        ------
        PromptError
            If it does not fit the frame or holds no label.
        """
        labels_yx = np.asarray(labels_yx)
        if labels_yx.shape != self.shape_yx or labels_yx.dtype.kind not in "bui":
            raise PromptError(
                f"The seeds have the shape {labels_yx.shape} and type {labels_yx.dtype} where whole numbers of shape "
                f"{self.shape_yx} were expected; give the label image of frame {frame}."
            )
        found = [int(i) for i in np.unique(labels_yx) if i > 0]
        if not found:
            raise PromptError("The seeds hold no label above 0; choose a label image with objects.")
        checked(MaskPrompt(found[0], frame, labels_yx > 0), self.n_frames, self.shape_yx)
        # Packed before anyone has to wait for this change.
        packed = {label: encode_mask(labels_yx == label) for label in found}
        with self._changing():
            number = self._ledger.next_number
            changes: list[Change] = []
            ids: list[int] = []
            for label in found:
                free = self._ledger.get("objects", label) is None and self._ledger.get("removed", label) is None
                object_id = label
                if not free or label in ids or label > MAX_ID:
                    object_id = self._next_id([*ids, *(n for n in found if n <= MAX_ID)])
                ids.append(object_id)
                changes.append(("objects", object_id, self._new_object(object_id, None, None).to_json()))
                key = key_of(object_id, frame)
                name = f"{key}@{number}"
                changes.append(("prompts", key, {"revision": number, "items": [mask_item(name)]}))
                changes.append(("blobs", name, self.masks.blobs.put(packed[label]).to_json()))
            self.masks.widen(max(ids))
            self._ledger.commit(changes, name=f"add {len(ids)} objects from labels", number=number)
        self._emit("objects", "prompts")
        return ids

    def paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None = None,
    ) -> bool:
        """Set pixels by hand; True if any changed hands.

        The model never changes them again. A frame painted for an object is a prompt of it, and a frame that runs leave
        as it is. Pixels of locked objects stay.

        Parameters
        ----------
        frame : int
            The frame.
        origin_yx : tuple of int
            Where `labels` begins.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase; an id without an object makes one.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        """
        self.end_stroke()
        done = self._paint(frame, origin_yx, np.asarray(labels), where, step=None)
        return done is not None

    def clear_paint(self, frame: int, object_id: int | None = None) -> bool:
        """Give painted pixels of a frame, or of one object on it, back to the model; True if there were any.

        Locked objects neither lose nor gain a pixel.

        Raises
        ------
        SessionError
            If the object is locked.
        """
        with self._changing():
            locked = frozenset(o.id for o in self.objects if o.locked)
            if object_id in locked:
                raise SessionError(f"Object {object_id} is locked; unlock it to change it.")
            done = self.masks.clear_paint(frame, object_id, protected=locked)
        if done:
            self._emit("masks")
        return done

    def end_stroke(self) -> None:
        """Close the step that strokes through `labels` go to; a viewer calls it when the mouse button is released."""
        self._stroke_step = None

    def accept(self, object_id: int, start: int, stop: int) -> None:
        """Accept an object on the frames from `start` up to, not including, `stop`: runs leave them as they are."""
        self._set_accepted(object_id, start, stop, accept=True)

    def unaccept(self, object_id: int, start: int, stop: int) -> None:
        """Take acceptance back on the frames from `start` up to, not including, `stop`."""
        self._set_accepted(object_id, start, stop, accept=False)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold what keeps two changes apart."""
        self._check_writable()
        with self._ledger.writing():
            yield

    def _paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None,
        *,
        step: int | None,
    ) -> int | None:
        if where is not None and np.shape(where) != labels.shape:
            raise SessionError(f"The painted pixels of frame {frame} and their mask differ in shape; give both alike.")
        if not np.isfinite(labels).all():
            raise SessionError(f"Labels on frame {frame} must be whole numbers; convert them.")
        with self._changing():
            chosen = labels if where is None else labels[np.asarray(where, bool)]
            ids = [int(i) for i in np.unique(chosen) if i > 0]
            made = []
            for object_id in ids:
                info = self._ledger.get("objects", object_id)
                if info is None:
                    made.append(self._new_object(object_id, None, None))
                elif info.locked:
                    raise SessionError(f"Object {object_id} is locked; unlock it to paint it.")
            number = self.masks.paint(
                frame,
                origin_yx,
                labels,
                where,
                step=step,
                extra=[("objects", o.id, o.to_json()) for o in made],
                protected=frozenset(o.id for o in self.objects if o.locked),
            )
        if number is not None:
            self._emit(*(["objects"] if made else []), "masks")
        return number

    def _set_accepted(self, object_id: int, start: int, stop: int, *, accept: bool) -> None:
        whole = isinstance(start, int | np.integer) and isinstance(stop, int | np.integer)
        if not whole or not 0 <= start < stop <= self.n_frames:
            raise SessionError(
                f"The frames {start} to {stop} do not fit the recording, which has 0 to {self.n_frames - 1}."
            )
        with self._changing():
            info = self.object(object_id)
            old = self.accepted(object_id)
            span = frozenset(range(start, stop))
            new = old | span if accept else old - span
            if new == old:
                return
            word = "accept" if accept else "take back acceptance of"
            name = f"{word} {info.name} on frames {start} to {stop - 1}"
            changes: list[Change] = [("accepted", object_id, ranges(new) or None)]
            changes += [("conditioned", key_of(object_id, f), None) for f in self._overruled(object_id, old - new)]
            self._ledger.commit(changes, name=name)
        self._emit("accepted")

    def _overruled(self, object_id: int, frames: Collection[int]) -> list[int]:
        """Those of some frames whose mask is older than the prompts there, because acceptance kept it."""
        given = {p.frame: p.revision for p in self.prompt_sets(object_id) if p.frame in frames}
        older = [f for f, revision in given.items() if self.masks.stamp(f, object_id)[0] < revision]
        return [f for f in older if object_id not in self.masks.touched(f)]

    def _conditioning_prompts(self, object_id: int, frame: int, mark: Mark) -> list[Prompt]:
        """Prompts that the tracker gets: what a person painted, and clicks made after it."""
        revision, stroke, _ = mark
        prompts: list[Prompt] = list(self.prompts(object_id, frame)) if revision > stroke or not stroke else []
        if not stroke:
            return prompts
        painted = MaskPrompt(object_id, frame, self.masks.object_mask(frame, object_id))
        return [painted, *(p for p in prompts if not isinstance(p, MaskPrompt))]

    def _prompt_changes(self, number: int, object_id: int, frame: int, prompts: Sequence[Prompt]) -> list[Change]:
        key = key_of(object_id, frame)
        if not prompts:
            return [("prompts", key, None)]
        blobs: list[Change] = []

        def keep(data: bytes) -> str:
            name = f"{key}@{number}"
            blobs.append(("blobs", name, self.masks.blobs.put(data).to_json()))
            return name

        return [("prompts", key, {"revision": number, "items": to_json(prompts, keep)}), *blobs]

    def _new_object(self, object_id: int, name: str | None, color: tuple[int, int, int] | None) -> ObjectInfo:
        info = ObjectInfo(object_id, name or f"object {object_id}", color or default_color(object_id))
        check_object(info, {}, self.n_frames)
        return info

    def _changeable(self, object_id: int) -> ObjectInfo:
        info = self.object(object_id)
        if info.locked:
            raise SessionError(f"Object {object_id} is locked; unlock it to change it.")
        return info


class _Painter:
    """Strokes that come through the label array."""

    def __init__(self, session: SessionEditor) -> None:
        self._session = session

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> int | None:
        session = self._session
        open_step = session._stroke_step
        last = session._ledger.last_step
        step = open_step[0] if open_step is not None and open_step == (last, frame) else None
        number = session._paint(frame, origin_yx, labels, where, step=step)
        if number is not None and step is None:
            session._stroke_step = (number, frame)
        return number

    def unstroke(self, number: int) -> None:
        session = self._session
        session.end_stroke()
        with session._changing():
            done = session.masks.revert_stroke(number)
        if done:
            session._emit("masks")
