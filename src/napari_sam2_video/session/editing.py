"""Change a session: objects, prompts and seeds."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError, SessionError, UnreachableError
from napari_sam2_video.masks.codec import MAX_ID, encode_mask
from napari_sam2_video.results import TrackedObject, default_color
from napari_sam2_video.session.base import SessionReader
from napari_sam2_video.session.objects import check_object
from napari_sam2_video.session.prompts import key_of, mask_item, to_json
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import EllipsisType

    import numpy.typing as npt

    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import Prompt


class SessionEditor(SessionReader):
    """A session that can be changed; every change is on disk when the call that makes it returns."""

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
            if self._state.get("objects", number) is not None:
                raise SessionError(f"There is an object {number} already.")
            info = self._new_object(number, name, color)
            self.masks.widen(number)
            self._state.commit([("objects", number, info.to_json())], name=f"add {info.name}")
        self.events.announce("objects")
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
    ) -> TrackedObject:
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
            self._state.commit([("objects", object_id, new.to_json())], name=f"edit {old.name}")
        self.events.announce("objects")
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
            changes += [("prompts", key_of(object_id, int(f)), None) for f in self._state.group("prompts", object_id)]
            changes += [("conditioned", key_of(object_id, f), None) for f in self._inputs.conditioned(object_id)]
            changes += [
                ("objects", o.id, replace(o, parent=None, parent_frame=None).to_json())
                for o in self.objects
                if o.parent == object_id
            ]
            self.masks.remove_object(object_id, extra=changes, name=f"remove {info.name}")
        self.events.announce("objects", "prompts", "masks", "accepted")

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
            self.events.announce("prompts")

    def _set_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> bool:
        """Replace prompts without telling anybody; True if they changed."""
        for prompt in prompts:
            if (prompt.object_id, prompt.frame) != (object_id, frame):
                raise PromptError(
                    f"A prompt of object {prompt.object_id} on frame {prompt.frame} was given as one of object "
                    f"{object_id} on frame {frame}; correct it."
                )
        given = [p.fitted(self.n_frames, self.shape_yx) for p in prompts]
        if sum(isinstance(p, MaskPrompt) for p in given) > 1:
            raise PromptError(f"Object {object_id} has two masks on frame {frame}; give one.")
        with self._changing():
            info = self._changeable(object_id)
            if self._are_prompts(object_id, frame, given):
                return False
            number = self._state.next_number
            changes = self._prompt_changes(number, object_id, frame, given)
            self._state.commit(changes, name=f"prompts of {info.name} on frame {frame}", number=number)
        return True

    def _are_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> bool:
        """Whether an object has just these prompts on a frame; what cannot be read is none of them."""
        try:
            return tuple(prompts) == self.prompts(object_id, frame)
        except (PromptError, UnreachableError):
            return False

    def add_prompt(self, prompt: Prompt) -> None:
        """Add a prompt; a mask replaces the mask that is there."""
        with self._changing():
            kept = self.prompts(prompt.object_id, prompt.frame, masks=not isinstance(prompt, MaskPrompt))
            changed = self._set_prompts(prompt.object_id, prompt.frame, [*kept, prompt])
        if changed:
            self.events.announce("prompts")

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
            self.events.announce("prompts")

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
        MaskPrompt(found[0], frame, labels_yx > 0).fitted(self.n_frames, self.shape_yx)
        # Packed before anyone has to wait for this change.
        packed = {label: encode_mask(labels_yx == label) for label in found}
        with self._changing():
            number = self._state.next_number
            changes: list[Change] = []
            ids: list[int] = []
            for label in found:
                free = self._state.get("objects", label) is None and self._state.get("removed", label) is None
                object_id = label
                if not free or label in ids or label > MAX_ID:
                    object_id = self._next_id([*ids, *(n for n in found if n <= MAX_ID)])
                ids.append(object_id)
                changes.append(("objects", object_id, self._new_object(object_id, None, None).to_json()))
                key = key_of(object_id, frame)
                name = f"{key}@{number}"
                changes.append(("prompts", key, {"revision": number, "items": [mask_item(name)]}))
                changes.append(("blobs", name, self.masks.put(packed[label])))
            self.masks.widen(max(ids))
            self._state.commit(changes, name=f"add {len(ids)} objects from labels", number=number)
        self.events.announce("objects", "prompts")
        return ids

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold what keeps two changes apart."""
        self._check_writable()
        with self._state.writing():
            yield

    def _prompt_changes(self, number: int, object_id: int, frame: int, prompts: Sequence[Prompt]) -> list[Change]:
        key = key_of(object_id, frame)
        if not prompts:
            return [("prompts", key, None)]
        blobs: list[Change] = []

        def keep(data: bytes) -> str:
            name = f"{key}@{number}"
            blobs.append(("blobs", name, self.masks.put(data)))
            return name

        return [("prompts", key, {"revision": number, "items": to_json(prompts, keep)}), *blobs]

    def _new_object(self, object_id: int, name: str | None, color: tuple[int, int, int] | None) -> TrackedObject:
        info = TrackedObject(object_id, name or f"object {object_id}", color or default_color(object_id))
        check_object(info, {}, self.n_frames)
        return info

    def _changeable(self, object_id: int) -> TrackedObject:
        info = self.object(object_id)
        if info.locked:
            raise SessionError(f"Object {object_id} is locked; unlock it to change it.")
        return info
