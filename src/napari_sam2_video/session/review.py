"""The review of a session: doubtful frames, and questions from other parts of the session."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from napari_sam2_video.analysis.review import review_queue, review_table
from napari_sam2_video.errors import SessionError
from napari_sam2_video.session.finding.proposal import ACCEPT, REJECT
from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.session.verdicts import Judgement, key_of_item, place_of
from napari_sam2_video.types.checks import optional_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.session.acceptance import Acceptance
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.verdicts import Verdict
    from napari_sam2_video.storage.tables import Change

LEAST_DOUBT = 0.2
SPACING = 3


class ReviewSource(Protocol):
    """A part of a session that adds items to the review."""

    def review_items(self) -> Sequence[ReviewItem]:
        """Current items; may be called from any thread."""
        ...

    def answer_review(self, item: ReviewItem, answer: str) -> None:
        """Carry out the user's choice for an item of this part."""
        ...


@dataclass(frozen=True)
class ReviewList:
    """The state of a review.

    Parameters
    ----------
    left : tuple of ReviewItem
        Items not reviewed yet, followed by postponed ones.
    wrong : tuple of ReviewItem
        Items found wrong and not corrected yet.
    reviewed : int
        Number of reviewed places, including those found wrong.
    """

    left: tuple[ReviewItem, ...] = ()
    wrong: tuple[ReviewItem, ...] = ()
    reviewed: int = 0

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row of each item by its `key_of_item`, in `left` followed by `wrong`."""
        return {key_of_item(item): row for row, item in enumerate((*self.left, *self.wrong))}

    @property
    def total(self) -> int:
        """Number of all places, reviewed or not."""
        return self.reviewed + len(self.left)


class Review:
    """The review of a session.

    Parameters
    ----------
    context : Context
        The open session.
    objects : Objects
        Its objects.
    acceptance : Acceptance
        Its accepted frames.
    scores_of : callable
        Figures of objects by id, as from `Session.scores_of`.
    sources : sequence of ReviewSource
        Parts of the session that add items to the queue.
    """

    def __init__(
        self,
        context: Context,
        objects: Objects,
        acceptance: Acceptance,
        scores_of: Callable[[Collection[int]], Mapping[int, Mapping[str, npt.NDArray[Any]]]],
        sources: Sequence[ReviewSource] = (),
    ) -> None:
        self._context = context
        self._objects = objects
        self._acceptance = acceptance
        self._scores_of = scores_of
        self._sources = tuple(sources)

    def table(self, objects: Collection[int] | None = None) -> Table:
        """The figures from which doubt is computed; see `Session.review_table`."""
        chosen = [entry.id for entry in self._objects.all()] if objects is None else sorted(set(objects))
        for number in chosen:
            self._objects.get(number)
        return review_table(self._scores_of(chosen), self._context.view.shape_yx)

    def queue(
        self,
        objects: Collection[int] | None,
        *,
        threshold: float,
        spacing: int,
        limit: int | None,
        doubtful: Sequence[ReviewItem] | None,
    ) -> tuple[ReviewItem, ...]:
        """Places to review, in order; see `Session.review_queue`."""
        limit = optional_whole(limit, "The limit", at_least=0)
        if doubtful is None:
            doubtful = review_queue(self.table(objects), threshold=threshold, spacing=spacing)
        found = list(doubtful)
        for source in self._sources:
            found += [item for item in source.review_items() if objects is None or item.object_id in objects]
        doubts, frames, numbers = (
            np.array([getattr(item, name) for item in found]) for name in ("doubt", "frame", "object_id")
        )
        return tuple(found[place] for place in np.lexsort((numbers, frames, -doubts))[:limit].tolist())

    def progress(self, queue: Sequence[ReviewItem]) -> ReviewList:
        """State of the review of a queue; see `Session.review_progress`."""
        known = self._known()
        right: dict[int, list[int]] = {}
        for key, judgement in known.items():
            object_id, frame, kind = place_of(key)
            if judgement.verdict == "right" and kind == "doubt" and self._is_accepted(object_id, frame):
                right.setdefault(object_id, []).append(frame)
        judged_objects = {place_of(key)[0] for key in known}
        left: list[ReviewItem] = []
        later: list[ReviewItem] = []
        wrong: list[ReviewItem] = []
        pending = set()
        for item in queue:
            if item.object_id not in judged_objects:
                left.append(item)
                continue
            key = key_of_item(item)
            judged = known.get(key)
            valid = judged is not None and judged.stamp == self._stamp(item)
            if judged is not None and valid and judged.verdict == "wrong":
                wrong.append(item)
                continue
            # One event often shows on several frames in a row: if one was found right, so are its neighbours.
            if item.kind == "doubt" and any(abs(item.frame - f) <= SPACING for f in right.get(item.object_id, ())):
                continue
            pending.add(key)
            (later if judged is not None and valid and judged.verdict == "later" else left).append(item)
        done = sum(key not in pending and judged.verdict != "later" for key, judged in known.items())
        return ReviewList((*left, *later), tuple(wrong), done)

    def judge(self, item: ReviewItem, verdict: str) -> None:
        """Give an answer to a place in the review; see `Session.judge`."""
        context = self._context
        name = self._objects.get(item.object_id).name if item.object_id else "the recording"
        if item.kind == "proposal":
            verdict = {"right": ACCEPT, "wrong": REJECT}.get(verdict, verdict)
        if verdict in item.choices:
            source = next((part for part in self._sources if item in part.review_items()), None)
            if source is None:
                raise SessionError("The masks have changed since; look at the review again.")
            source.answer_review(item, verdict)
            if item.object_id:
                self._note({item: "answered"})
            context.events.announce("reviewed")
            return
        if verdict not in ("right", "wrong", "later"):
            answers = ", ".join((*item.choices, "right", "wrong", "later"))
            raise SessionError(f"{verdict!r} is not an answer to this; the answers are {answers}.")
        topics = ["reviewed"]
        with context.changing():
            changes = self._rows({item: verdict})  # type: ignore[dict-item]
            step = None if verdict == "later" else f"{name} {verdict} on frame {item.frame}"
            if verdict == "right" and item.object_id:
                here = (item.frame, item.frame + 1)
                changes += self._acceptance.changes(item.object_id, [here], accept=True)
                topics.append("accepted")
            context.state.commit(changes, name=step)
        context.events.announce(*topics)

    def note_settled(self, before: Sequence[ReviewItem], now: Sequence[ReviewItem]) -> None:
        """Count places that left the queue because their frame was accepted, prompted or painted as reviewed."""
        if self._context.read_only or self._context.closed:
            return
        there = {key_of_item(item) for item in now}
        known = self._known()
        objects = {entry.id for entry in self._objects.all()}
        settled: dict[ReviewItem, Verdict] = {}
        for item in before:
            key = key_of_item(item)
            final = key in known and known[key].verdict in ("right", "corrected")
            if key in there or final or item.kind != "doubt" or item.object_id not in objects:
                continue
            if self._is_accepted(item.object_id, item.frame):
                settled[item] = "right"
            elif self._corrected(item):
                settled[item] = "corrected"
        self._note(settled)

    def _note(self, verdicts: Mapping[ReviewItem, Verdict]) -> None:
        """Write verdicts without a step of their own."""
        if verdicts:
            with self._context.changing():
                self._context.state.commit(self._rows(verdicts))

    def _rows(self, verdicts: Mapping[ReviewItem, Verdict]) -> list[Change]:
        return [
            ("reviewed", key_of_item(item), Judgement(verdict, self._stamp(item)).to_json())
            for item, verdict in verdicts.items()
        ]

    def _known(self) -> dict[str, Judgement]:
        """Judgements of existing objects."""
        with self._context.state.lock:
            rows = dict(self._context.state.table("reviewed"))
        objects = {entry.id for entry in self._objects.all()}
        return {str(key): value for key, value in rows.items() if place_of(str(key))[0] in {0, *objects}}

    def _is_accepted(self, object_id: int, frame: int) -> bool:
        return self._context.inputs.is_accepted(object_id, frame)

    def _corrected(self, item: ReviewItem) -> bool:
        key = key_of(item.object_id, item.frame)
        return key in self._context.state.table("prompts") or item.object_id in self._context.masks.touched(item.frame)

    def _stamp(self, item: ReviewItem) -> tuple[int, int, int]:
        return self._context.masks.stamp(item.frame, item.object_id) if item.object_id else (0, 0, 0)
