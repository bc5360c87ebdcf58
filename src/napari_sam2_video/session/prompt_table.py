"""Get, set, add and remove the prompts of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError, RecordingError, StoreError, UnreachableError
from napari_sam2_video.frames.mask_image import whole_numbers
from napari_sam2_video.masks.codec import MAX_ID, encode_mask
from napari_sam2_video.session.prompts import PromptSet, key_of, mask_item, to_json, unpacked
from napari_sam2_video.types import MaskPrompt, Prompt
from napari_sam2_video.types.checks import shown
from napari_sam2_video.types.prompt_base import on_walk
from napari_sam2_video.types.prompts import SLICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.storage.tables import Change


class PromptTable:
    """The prompts of a session on the frames of one walk.

    Parameters
    ----------
    context : Context
        The open session.
    objects : Objects
        Its objects.
    view : FrameView, optional
        The frames that the prompts are on; those of the session if not given.
    table : str
        The table that holds them.
    """

    def __init__(
        self, context: Context, objects: Objects, view: FrameView | None = None, table: str = "prompts"
    ) -> None:
        self._context = context
        self._objects = objects
        self._view = context.view if view is None else view
        self._table = table

    def sets(self, object_id: int | None = None, frame: int | None = None) -> tuple[PromptSet, ...]:
        """See `Session.prompt_sets`."""
        state = self._context.state
        with state.lock:
            table = state.table(self._table) if object_id is None else state.group(self._table, object_id)
            found = sorted(table.values(), key=lambda p: (p.frame, p.object_id))
        return tuple(p for p in found if object_id in (None, p.object_id) and frame in (None, p.frame))

    def get(self, object_id: int | None, frame: int | None, *, masks: bool = True) -> tuple[Prompt, ...]:
        """See `Session.prompts`."""
        prompts: list[Prompt] = []
        for found in self.sets(object_id, frame):
            try:
                prompts.extend(unpacked(found, self._view.shape_yx, self._context.masks.get, masks=masks))
            except StoreError as error:
                raise PromptError(
                    f"The mask of object {found.object_id} on frame {found.frame} cannot be read any more; draw it "
                    f"again, or remove it: {error}"
                ) from error
        return tuple(prompts)

    def set(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> None:
        """See `Session.set_prompts`."""
        given = [self._fitted(p) for p in prompts]
        for prompt in given:
            if (prompt.object_id, prompt.frame) != (object_id, frame):
                raise PromptError(
                    f"A prompt of object {prompt.object_id} on frame {prompt.frame} was given as one of object "
                    f"{object_id} on frame {frame}; correct it."
                )
        with self._context.changing():
            changed = self._replace(object_id, frame, given)
        if changed:
            self._context.events.announce("prompts")

    def add(self, prompt: Prompt) -> None:
        """See `Session.add_prompt`."""
        given = self._fitted(prompt)
        with self._context.changing():
            kept = self.get(given.object_id, given.frame, masks=not isinstance(given, MaskPrompt))
            changed = self._replace(given.object_id, given.frame, [*kept, given])
        if changed:
            self._context.events.announce("prompts")

    def remove(self, prompt: Prompt) -> None:
        """See `Session.remove_prompt`."""
        with self._context.changing():
            kept = list(self.get(prompt.object_id, prompt.frame))
            if prompt not in kept:
                raise PromptError(f"Object {prompt.object_id} has no such prompt on frame {prompt.frame}.")
            kept.remove(prompt)
            self._replace(prompt.object_id, prompt.frame, kept)
        self._context.events.announce("prompts")

    def add_seeds(self, labels_yx: npt.NDArray[Any], frame: int) -> list[int]:
        """See `Session.add_seeds`."""
        labels_yx = self._labels_of({frame: labels_yx}, frame)
        shape_yx = self._view.shape_yx
        if labels_yx.shape != shape_yx:
            raise PromptError(
                f"The label image of frame {frame} has the shape {labels_yx.shape} where {shape_yx} is needed; give "
                "the labels of that frame."
            )
        found = [int(i) for i in np.unique(labels_yx) if i > 0]
        if not found:
            raise PromptError("The seeds hold no label above 0; choose a label image with objects.")
        self._fitted(MaskPrompt(found[0], frame, labels_yx > 0))
        # Packed before taking the lock, so that nobody has to wait.
        return self._add_objects({label: {frame: encode_mask(labels_yx == label)} for label in found})

    def add_volume_seeds(self, labels: Any, which: str) -> list[int]:
        """See `Session.add_volume_seeds`."""
        view = self._view
        shape = (view.n_frames, *view.shape_yx)
        if tuple(np.shape(labels)) != shape:
            raise PromptError(
                f"The label volume has the shape {tuple(np.shape(labels))} where {shape} was expected; give the labels "
                "of the whole recording."
            )
        if which not in SLICES:
            raise PromptError(f"Seeds of a volume use {' or '.join(SLICES)} slices, not {shown(which)}.")
        there: dict[int, list[int]] = {}
        for frame in range(view.n_frames):
            for label in np.unique(self._labels_of(labels, frame)).tolist():
                if label > 0:
                    there.setdefault(int(label), []).append(frame)
        if not there:
            raise PromptError("The seeds hold no label above 0; choose a label image with objects.")
        if which == "middle":
            there = {label: [frames[len(frames) // 2]] for label, frames in there.items()}
        packed: dict[int, dict[int, bytes]] = {label: {} for label in sorted(there)}
        for frame in sorted({frame for frames in there.values() for frame in frames}):
            labels_yx = self._labels_of(labels, frame)
            for label, frames in there.items():
                if frame in frames:
                    packed[label][frame] = encode_mask(labels_yx == label)
        return self._add_objects(packed)

    def _labels_of(self, labels: Any, frame: int) -> npt.NDArray[Any]:
        try:
            return whole_numbers(np.asarray(labels[frame]), f"The label image of frame {frame}")
        except RecordingError as error:
            raise PromptError(str(error)) from error

    def _add_objects(self, packed: Mapping[int, Mapping[int, bytes]]) -> list[int]:
        """Make an object from every label, with its packed masks by frame as prompts; one step."""
        context = self._context
        with context.changing():
            number = context.state.next_number
            changes: list[Change] = []
            ids: list[int] = []
            for label, frames in packed.items():
                object_id = self._seed_id(label, packed, ids)
                ids.append(object_id)
                changes.append(("objects", object_id, self._objects.made(object_id).to_json()))
                for frame, data in frames.items():
                    changes += self.mask_changes(number, object_id, frame, data)
            context.masks.widen(max(ids))
            context.state.commit(changes, name=f"add {len(ids)} objects from labels", number=number)
        context.events.announce("objects", "prompts")
        return ids

    def _fitted(self, prompt: Prompt) -> Prompt:
        view = self._view
        if not isinstance(prompt, Prompt):
            raise PromptError(
                f"A prompt must be a PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt, not {shown(prompt)}."
            )
        return on_walk(prompt, view.walk_axis).fitted(view.n_frames, view.shape_yx)

    def _replace(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> bool:
        """Replace the prompts of an object on a frame; True if they changed."""
        if sum(isinstance(p, MaskPrompt) for p in prompts) > 1:
            raise PromptError(f"Object {object_id} has two masks on frame {frame}; give one.")
        info = self._objects.changeable(object_id)
        if self._are(object_id, frame, prompts):
            return False
        state = self._context.state
        number = state.next_number
        changes = self.changes(number, object_id, frame, prompts)
        state.commit(changes, name=f"prompts of {info.name} on frame {frame}", number=number)
        return True

    def _are(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> bool:
        """Whether an object has exactly these prompts on a frame; unreadable ones count as different."""
        try:
            return tuple(prompts) == self.get(object_id, frame)
        except (PromptError, UnreachableError):
            return False

    def changes(self, number: int, object_id: int, frame: int, prompts: Sequence[Prompt]) -> list[Change]:
        """Changes that replace the prompts of an object on a frame, after checking them."""
        key = key_of(object_id, frame)
        if not prompts:
            return [(self._table, key, None)]
        blobs: list[Change] = []

        def keep(data: bytes) -> str:
            name = f"{key}@{number}"
            blobs.append(("blobs", name, self._context.masks.put(data)))
            return name

        return [(self._table, key, {"revision": number, "items": to_json(prompts, keep)}), *blobs]

    def mask_changes(self, number: int, object_id: int, frame: int, packed: bytes) -> list[Change]:
        """Changes that make a mask, packed by `encode_mask`, the only prompt of an object on a frame."""
        key = key_of(object_id, frame)
        name = f"{key}@{number}"
        return [
            (self._table, key, {"revision": number, "items": [mask_item(name)]}),
            ("blobs", name, self._context.masks.put(packed)),
        ]

    def _seed_id(self, label: int, labels: Iterable[int], given: Sequence[int]) -> int:
        """Id for a label: its own number if that was never used."""
        state = self._context.state
        free = state.get("objects", label) is None and state.get("removed", label) is None
        if free and label not in given and label <= MAX_ID:
            return label
        return self._objects.next_id([*given, *(n for n in labels if n <= MAX_ID)])
