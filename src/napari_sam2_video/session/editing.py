"""Changes to an open session: objects, prompts, paint, acceptance, and undo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.session.content import SessionContent
from napari_sam2_video.session.history import travel

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from types import EllipsisType

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.types import Prompt
    from napari_sam2_video.types.tracked_object import TrackedObject


class SessionEditing(SessionContent):
    """The changes of an open session that need no network; see `Session`."""

    def add_object(
        self, name: str | None = None, color: tuple[int, int, int] | None = None, object_id: int | None = None
    ) -> int:
        """Add an object, and return its id.

        By default the id is the next one that was never used, and name and colour (red, green and blue from 0 to 255)
        follow from it.
        """
        return self._objects.add(name, color, object_id)

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
        """Change properties of an object; those not given stay. Refused if the parent is not possible."""
        given: dict[str, Any] = {"name": name, "locked": locked, "color": color}
        changes = {field: value for field, value in given.items() if value is not None}
        lineage = {"parent": parent, "parent_frame": parent_frame}
        changes.update({field: value for field, value in lineage.items() if value is not ...})
        return self._objects.edit(object_id, changes)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, masks and paint; `undo` restores everything."""
        self._objects.remove([object_id])

    def remove_objects(self, object_ids: Collection[int]) -> None:
        """Remove several objects in one step; see `remove_object`."""
        self._objects.remove(object_ids)

    def lock_objects(self, object_ids: Collection[int], *, locked: bool) -> None:
        """Lock objects, so that they are neither tracked nor changed, or unlock them; in one step."""
        self._objects.lock(object_ids, locked=locked)

    def merge_objects(self, object_id: int, other_id: int) -> None:
        """Add the masks, prompts and paint of another object to an object, and remove the other one."""
        self._life.merge(object_id, other_id)

    def split_object(self, object_id: int, frame: int, line_yx: npt.ArrayLike | None = None) -> list[int]:
        """Make an object from every connected part of a mask except the largest; returns their ids.

        The new objects are tracked from this frame. With a line (corners ``(y, x)`` in an array of shape ``(n, 2)``),
        the mask is first cut along it.
        """
        return self._life.split(object_id, frame, line_yx)

    def renumber_object(self, object_id: int, new_id: int) -> None:
        """Give an object an unused id."""
        self._life.renumber(object_id, new_id)

    def swap_objects(self, first_id: int, second_id: int, start: int = 0, stop: int | None = None) -> None:
        """Swap two objects on the frames from `start` up to, not including, `stop` (by default the end)."""
        self._life.swap(first_id, second_id, start, stop)

    def delete_masks(self, object_id: int, start: int, stop: int) -> None:
        """Delete masks, prompts and paint from `start` up to, not including, `stop`; the next run tracks them again."""
        self._life.delete(object_id, start, stop)

    def copy_mask(self, object_id: int, frame: int, to: int | None = None) -> None:
        """Copy the mask of a frame to another one as its mask and prompt, by default to the next."""
        self._life.copy(object_id, frame, frame + 1 if to is None else to)

    def set_prompts(self, object_id: int, frame: int, prompts: Sequence[Prompt]) -> None:
        """Replace the prompts of an object on a frame; an empty sequence removes them.

        Raises `PromptError` if one does not fit the recording, or belongs to another object or frame.
        """
        self._prompts.set(object_id, frame, prompts)

    def add_prompt(self, prompt: Prompt) -> None:
        """Add a prompt; a mask replaces the mask that is there."""
        self._prompts.add(prompt)

    def remove_prompt(self, prompt: Prompt) -> None:
        """Remove a prompt; raises `PromptError` if there is no such prompt."""
        self._prompts.remove(prompt)

    def add_seeds(self, labels_yx: npt.NDArray[Any], frame: int) -> list[int]:
        """Make an object with a mask prompt from every label in a label image ``(Y, X)``; returns their ids.

        A label keeps its number as id if that id was never used. Raises `PromptError` if the image does not fit the
        frame or holds no label.
        """
        return self._prompts.add_seeds(labels_yx, frame)

    def add_volume_seeds(self, labels: Any, which: str = "all") -> list[int]:
        """Make an object with mask prompts from every label in a label volume, as `add_seeds`; returns their ids.

        Parameters
        ----------
        labels : array of int, shape (frames, Y, X)
            Labels of every frame of the session; read one frame at a time.
        which : {"all", "middle"}
            Every slice with a label, or only the middle one.

        Raises
        ------
        PromptError
            If it does not fit the recording or holds no label.
        """
        return self._prompts.add_volume_seeds(labels, which)

    def fill_between(self, object_id: int, start: int = 0, stop: int | None = None) -> list[int]:
        """Fill an object between frames that were prompted, painted or accepted; returns the filled frames.

        A quick way for simple shapes: masks are interpolated by their signed distances, without the network. They
        replace tracked masks until a run finds newer ones, and are one step in the history; `filled` lists them.

        Parameters
        ----------
        object_id : int
            The object.
        start, stop : int, optional
            Only between settled frames from `start` up to, not including, `stop`.

        Raises
        ------
        PromptError
            If fewer than two of these frames are settled.
        SessionError
            If the object is locked or being tracked, or there are no such frames.
        """
        self.end_stroke()
        return self._filling.fill(object_id, start, self.n_frames if stop is None else stop)

    def paint(
        self,
        frame: int,
        origin_yx: tuple[int, int],
        labels: npt.NDArray[Any],
        where: npt.NDArray[np.bool_] | None = None,
    ) -> bool:
        """Paint pixels; True if any changed.

        The model never changes them again. A painted frame is a prompt of its object, and runs leave it unchanged.
        Pixels of locked objects stay.

        Parameters
        ----------
        frame, origin_yx : int and tuple of int
            The frame, and where `labels` begins on it.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase; a new id makes an object.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        """
        self.end_stroke()
        return self._paint.paint(frame, origin_yx, np.asarray(labels), where) is not None

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> bool:
        """Paint pixels as `paint`, in one step with earlier strokes until `end_stroke`; True if any changed.

        A step also ends when another frame is painted, or something else is done.
        """
        return self._paint.stroke(frame, origin_yx, labels, where)

    def end_stroke(self) -> None:
        """End the step that strokes go to; a viewer calls it when the mouse button is released."""
        self._paint.end_stroke()

    def clear_paint(self, frame: int, object_id: int | None = None) -> bool:
        """Return painted pixels of a frame, or of one object on it, to the model; True if there were any.

        Locked objects neither lose nor gain a pixel.
        """
        return self._paint.clear(frame, object_id)

    def accept(self, object_id: int, start: int, stop: int) -> None:
        """Accept an object on the frames from `start` up to, not including, `stop`: runs do not change them."""
        self._acceptance.set({object_id: [(start, stop)]}, accept=True)

    def accept_frames(self, spans: Mapping[int, Sequence[range]]) -> None:
        """Accept several objects, each on its own frames, in one step; see `accept`."""
        self._acceptance.set({i: [(s.start, s.stop) for s in found] for i, found in spans.items()}, accept=True)

    def unaccept(self, object_id: int, start: int, stop: int) -> None:
        """Undo acceptance on the frames from `start` up to, not including, `stop`."""
        self._acceptance.set({object_id: [(start, stop)]}, accept=False)

    def judge(self, item: ReviewItem, verdict: str) -> None:
        """Give an answer to a place in the review queue; `review_progress` counts it.

        ``"right"`` accepts the object on the frame, and ``"wrong"`` notes that it needs to be corrected; both are steps
        of the history. A proposal that is right is accepted, and one that is wrong is rejected. ``"later"`` moves it to
        the end. One of the item's `choices` carries that choice out.

        Raises
        ------
        SessionError
            If the item has no such answer, or no longer exists.
        """
        self.end_stroke()
        self._review.judge(item, verdict)

    def note_settled(self, before: Sequence[ReviewItem], now: Sequence[ReviewItem]) -> None:
        """Count places that left the review queue because their frame was accepted or corrected as reviewed."""
        self._review.note_settled(before, now)

    def mark_absent(self, object_id: int, start: int, stop: int, *, parent: int | None = None) -> None:
        """Mark an object as absent on the frames from `start` up to, not including, `stop`.

        Its prompts, masks and paint there are removed, and runs do not change these frames. With `parent`, the object
        is a daughter of that one from frame `stop` on. One step in the history.
        """
        self._acceptance.mark_absent(object_id, start, stop, parent)

    def accept_proposals(
        self, proposals: Iterable[int] | None = None, *, least_score: float | None = None
    ) -> tuple[int, ...]:
        """Accept proposals as one step in the history; returns the added objects, which can then be tracked.

        Parameters
        ----------
        proposals : iterable of int, optional
            Their ids; by default all open ones. The proposal that adds the mother of a division is accepted with it.
        least_score : float, optional
            Only those with at least this score; the provenance then records that a rule accepted them.

        Raises
        ------
        SessionError
            If one is not open, or its object is locked or being tracked.
        """
        return self._proposals.accept(proposals, least_score)

    def reject_proposals(self, proposals: Iterable[int] | None = None) -> int:
        """Reject proposals by id, or all open ones, as one step in the history; returns their number.

        If a proposal adds an object, proposals that need this object are rejected, too.
        """
        return self._proposals.reject(proposals)

    def undo(self) -> str | None:
        """Undo the last step and return its name, None if there is none. Refused while a run is under way."""
        self.end_stroke()
        return travel(self._context, back=True)

    def redo(self) -> str | None:
        """Redo the last undone step and return its name, None if there is none."""
        self.end_stroke()
        return travel(self._context, back=False)
