"""What a person changes in an open session: objects, prompts, paint, acceptance, and undo."""

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
    from napari_sam2_video.results import TrackedObject
    from napari_sam2_video.types import Prompt


class SessionEditing(SessionContent):
    """The changes of an open session that need no network; see `Session`."""

    def add_object(
        self, name: str | None = None, color: tuple[int, int, int] | None = None, object_id: int | None = None
    ) -> int:
        """Add an object; its id.

        If not given, the id is the next one that was never used; name and colour (red, green and blue from 0 to 255)
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
        """Change what is known of an object; what is not given stays. Refused where the parent cannot be one."""
        given: dict[str, Any] = {"name": name, "locked": locked, "color": color}
        changes = {field: value for field, value in given.items() if value is not None}
        lineage = {"parent": parent, "parent_frame": parent_frame}
        changes.update({field: value for field, value in lineage.items() if value is not ...})
        return self._objects.edit(object_id, changes)

    def remove_object(self, object_id: int) -> None:
        """Remove an object with its prompts, masks and paint; `undo` brings all back."""
        self._objects.remove([object_id])

    def remove_objects(self, object_ids: Collection[int]) -> None:
        """Remove objects as `remove_object`, in one step."""
        self._objects.remove(object_ids)

    def lock_objects(self, object_ids: Collection[int], *, locked: bool) -> None:
        """Lock objects, which are then neither tracked nor changed, or unlock them; in one step."""
        self._objects.lock(object_ids, locked=locked)

    def merge_objects(self, object_id: int, other_id: int) -> None:
        """Give an object the masks, prompts and paint of another one too, which is removed."""
        self._life.merge(object_id, other_id)

    def split_object(self, object_id: int, frame: int, line_yx: npt.ArrayLike | None = None) -> list[int]:
        """Make an object of every connected part of a mask but the largest, to be tracked from its frame; their ids.

        With a line, its corners ``(y, x)`` in an array of shape ``(n, 2)``, the mask is cut along it first.
        """
        return self._life.split(object_id, frame, line_yx)

    def renumber_object(self, object_id: int, new_id: int) -> None:
        """Give an object an id that no object has."""
        self._life.renumber(object_id, new_id)

    def swap_objects(self, first_id: int, second_id: int, start: int = 0, stop: int | None = None) -> None:
        """Swap two objects on the frames from `start` up to, not including, `stop`; to the end if not given."""
        self._life.swap(first_id, second_id, start, stop)

    def delete_masks(self, object_id: int, start: int, stop: int) -> None:
        """Delete masks, prompts and paint from `start` up to, not including, `stop`; the next run tracks them again."""
        self._life.delete(object_id, start, stop)

    def copy_mask(self, object_id: int, frame: int, to: int | None = None) -> None:
        """Make the mask of a frame the prompt and the mask of another one, the next if not given."""
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
        """Make an object with a mask prompt of every label of a label image ``(Y, X)``; their ids.

        A label keeps its number as id where that id was never used. Raises `PromptError` if the image does not fit the
        frame or holds no label.
        """
        return self._prompts.add_seeds(labels_yx, frame)

    def add_volume_seeds(self, labels: Any, which: str = "all") -> list[int]:
        """Make an object with mask prompts of every label of a label volume, as `add_seeds`; their ids.

        Parameters
        ----------
        labels : array of int, shape (frames, Y, X)
            Labels of every frame of the session; read one frame at a time.
        which : {"all", "middle"}
            Every slice of a label, or only the middle one of those that show it.

        Raises
        ------
        PromptError
            If it does not fit the recording or holds no label.
        """
        return self._prompts.add_volume_seeds(labels, which)

    def fill_between(self, object_id: int, start: int = 0, stop: int | None = None) -> list[int]:
        """Fill an object between the frames that a person prompted, painted or accepted; the frames that were filled.

        The quick way for simple shapes: masks are interpolated by their signed distances, no network runs. They lie
        over what was tracked until a run finds newer ones, and are one step of the history; `filled` says which they
        are.

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
        """Set pixels by hand; True if any changed hands.

        The model never changes them again. A frame painted for an object is a prompt of it, and a frame that runs leave
        as it is. Pixels of locked objects stay.

        Parameters
        ----------
        frame, origin_yx : int and tuple of int
            The frame, and where `labels` begins on it.
        labels : ndarray of int, shape (h, w)
            Object ids, 0 to erase; an id without an object makes one.
        where : ndarray of bool, shape (h, w), optional
            Which pixels are set; all if not given.
        """
        self.end_stroke()
        return self._paint.paint(frame, origin_yx, np.asarray(labels), where) is not None

    def stroke(
        self, frame: int, origin_yx: tuple[int, int], labels: npt.NDArray[Any], where: npt.NDArray[np.bool_]
    ) -> bool:
        """Set pixels by hand, as `paint`, in one step with those before it until `end_stroke`; True if any changed.

        A step also ends where another frame is painted, or something else is done.
        """
        return self._paint.stroke(frame, origin_yx, labels, where)

    def end_stroke(self) -> None:
        """End the step that strokes go to; a viewer calls it when the mouse button is released."""
        self._paint.end_stroke()

    def clear_paint(self, frame: int, object_id: int | None = None) -> bool:
        """Give painted pixels of a frame, or of one object on it, back to the model; True if there were any.

        Locked objects neither lose nor gain a pixel.
        """
        return self._paint.clear(frame, object_id)

    def accept(self, object_id: int, start: int, stop: int) -> None:
        """Accept an object on the frames from `start` up to, not including, `stop`: runs do not change them."""
        self._acceptance.set({object_id: [(start, stop)]}, accept=True)

    def accept_frames(self, spans: Mapping[int, Sequence[range]]) -> None:
        """Accept several objects, each on its own frames, as `accept`, in one step."""
        self._acceptance.set({i: [(s.start, s.stop) for s in found] for i, found in spans.items()}, accept=True)

    def unaccept(self, object_id: int, start: int, stop: int) -> None:
        """Undo acceptance on the frames from `start` up to, not including, `stop`."""
        self._acceptance.set({object_id: [(start, stop)]}, accept=False)

    def judge(self, item: ReviewItem, verdict: str) -> None:
        """Say what is true of a place of the review queue; `review_progress` counts it.

        ``"right"`` accepts the object on the frame, and ``"wrong"`` notes that it needs to be corrected; both are steps
        of the history. A proposal that is right is accepted, and one that is wrong is rejected. ``"later"`` puts it at
        the end. One of the item's `choices` does what it says.

        Raises
        ------
        SessionError
            If that is no answer to it, or what it was about is gone.
        """
        self.end_stroke()
        self._review.judge(item, verdict)

    def note_settled(self, before: Sequence[ReviewItem], now: Sequence[ReviewItem]) -> None:
        """Count what left the review queue because a person accepted or corrected the frame as looked at."""
        self._review.note_settled(before, now)

    def mark_absent(self, object_id: int, start: int, stop: int, *, parent: int | None = None) -> None:
        """Say that an object is not on the frames from `start` up to, not including, `stop`.

        Its prompts, masks and paint there are removed, and runs do not change these frames. With `parent` the
        object is a daughter of that one from frame `stop` on. One step of the history.
        """
        self._acceptance.mark_absent(object_id, start, stop, parent)

    def accept_proposals(
        self, proposals: Iterable[int] | None = None, *, least_score: float | None = None
    ) -> tuple[int, ...]:
        """Accept proposals, as one step of the history; the objects that this adds, which are then to be tracked.

        Parameters
        ----------
        proposals : iterable of int, optional
            Their ids; all that are open if not given. The proposal that adds the mother of a division is accepted
            with it.
        least_score : float, optional
            Only those with this score at least; the provenance then says that a rule accepted them.

        Raises
        ------
        SessionError
            If one is not open, or its object is locked or being tracked.
        """
        return self._proposals.accept(proposals, least_score)

    def reject_proposals(self, proposals: Iterable[int] | None = None) -> int:
        """Reject proposals by their ids, or all that are open, as one step of the history; their number.

        With a proposal that adds an object, those that need this object are rejected, too.
        """
        return self._proposals.reject(proposals)

    def undo(self) -> str | None:
        """Undo the last step; its name, None if there is none. Refused while a run is under way."""
        self.end_stroke()
        return travel(self._context, back=True)

    def redo(self) -> str | None:
        """Do the step undone last again; its name, None if there is none."""
        self.end_stroke()
        return travel(self._context, back=False)
