"""The proposals of a session: keep, list, accept and reject them, each change a step in the history."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.analysis.review import ReviewItem
from napari_sam2_video.errors import SessionError, StoreError
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.masks.codec import encode_mask
from napari_sam2_video.masks.union import FULL
from napari_sam2_video.session.finding.proposal import ACCEPT, REJECT, FoundTrack, Proposal
from napari_sam2_video.session.objects import check_object
from napari_sam2_video.session.part import SessionPart
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import FrameMasks, ObjectMask
from napari_sam2_video.types.finding import score_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from napari_sam2_video.session.acceptance import Acceptance
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.finding.proposal import Decision, Draft
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.prompt_table import PromptTable
    from napari_sam2_video.storage.tables import Change

PERSON = "person"
FOUND_SCORE = 10.0


class Proposals(SessionPart):
    """Proposals of a session.

    Parameters
    ----------
    context, objects, prompts
        As `SessionPart`.
    acceptance : Acceptance
        Its accepted frames.
    tag : callable
        Returns the short name of the model for runs.
    """

    def __init__(
        self,
        context: Context,
        objects: Objects,
        prompts: PromptTable,
        acceptance: Acceptance,
        tag: Callable[[], str],
    ) -> None:
        super().__init__(context, objects, prompts)
        self._acceptance = acceptance
        self._tag = tag

    def all(self, decision: Decision | None = "open") -> tuple[Proposal, ...]:
        """See `Session.proposals`."""
        with self._context.state.lock:
            found = list(self._context.state.table("proposals").values())
            objects = set(self._context.state.table("objects"))
        wanted = [one for one in found if decision in (None, one.decision)]
        if decision == "open":
            wanted = [one for one in wanted if one.object_id is None or one.object_id in objects]
        return tuple(sorted(wanted, key=lambda one: (one.frame, one.id)))

    def keep(self, drafts: Sequence[Draft], find: Mapping[str, Any]) -> tuple[Proposal, ...]:
        """Store the proposals of a finding, replacing open ones from earlier findings.

        Parameters
        ----------
        drafts : sequence of Draft
            The proposals; a mother comes before her division.
        find : mapping
            The detector and its settings, for the provenance.
        """
        context = self._context
        packed = [[track.pack() for track in draft.tracks] for draft in drafts]
        with context.changing():
            number = context.state.next_number
            changes: list[Change] = [("finds", number, dict(find))]
            for old in self.all("open"):
                changes += [("proposals", old.id, None), *(("blobs", name, None) for name in old.tracks)]
            numbers: dict[Draft, int] = {}
            first = max((int(i) for i in self._ever()), default=0) + 1
            kept = []
            for one, (draft, tracks) in enumerate(zip(drafts, packed, strict=True), start=first):
                numbers[draft] = one
                names = [f"proposal-{one}-{n}@{number}" for n in range(len(tracks))]
                changes += [("blobs", name, context.masks.put(data)) for name, data in zip(names, tracks, strict=True)]
                proposal = Proposal(
                    id=one,
                    kind=draft.kind,
                    frame=draft.frame,
                    score=round(float(draft.score), 4),
                    reason=draft.reason,
                    box_yxyx=draft.box_yxyx,
                    find=number,
                    object_id=draft.object_id,
                    mother=None if draft.mother is None else numbers[draft.mother],
                    daughter=draft.daughter,
                    tracks=tuple(names),
                )
                kept.append(proposal)
                changes.append(("proposals", one, proposal.to_json()))
            changes.append(("last_proposal", "number", first + len(drafts) - 1))
            what = "1 proposal" if len(drafts) == 1 else f"{len(drafts)} proposals"
            context.state.commit(changes, name=f"find with {find['detector']}: {what}", number=number)
        context.events.announce("proposals")
        return tuple(kept)

    def accept(self, ids: Iterable[int] | None, least_score: float | None, by: str | None = None) -> tuple[int, ...]:
        """See `Session.accept_proposals`."""
        chosen = self._chosen(ids, least_score)
        decider = by or (PERSON if least_score is None else f"rule: score >= {least_score:g}")
        context = self._context
        with context.changing():
            wanted = self._with_mothers(chosen)
            if not wanted:
                return ()
            plan = _Acceptance(self, wanted)
            if plan.highest:
                context.masks.widen(plan.highest)
            name = f"accept {wanted[0].kind}" if len(wanted) == 1 else f"accept {len(wanted)} proposals"
            changes = [*plan.changes, *self._decided(wanted, "accepted", decider, plan.made)]
            step = context.state.commit(changes, name=name, number=plan.number)
            for frame, masks in sorted(plan.masks.items()):
                context.masks.write(FrameMasks(frame, context.view.shape_yx, tuple(masks)), generation=step)
            if plan.settled:
                context.state.commit(plan.settled, step=step)
            for object_id, span in plan.absent.items():
                self._acceptance.clear(object_id, span, step)
        context.events.announce("objects", "prompts", "masks", "accepted", "proposals")
        return tuple(i for one in wanted for i in plan.made.get(one.id, ()))

    def reject(self, ids: Iterable[int] | None) -> int:
        """See `Session.reject_proposals`."""
        chosen = {one.id: one for one in self._chosen(ids, None)}
        context = self._context
        with context.changing():
            for one in self.all("open"):
                if one.mother in chosen:
                    chosen[one.id] = one
            if not chosen:
                return 0
            wanted = list(chosen.values())
            name = f"reject {wanted[0].kind}" if len(wanted) == 1 else f"reject {len(wanted)} proposals"
            context.state.commit(self._decided(wanted, "rejected", PERSON, {}), name=name)
        context.events.announce("proposals")
        return len(wanted)

    def tracks(self, proposal: Proposal) -> list[FoundTrack]:
        """Masks that a proposal adds.

        Raises
        ------
        SessionError
            If its masks cannot be read.
        """
        try:
            return [FoundTrack.unpack(self._context.masks.get(name)) for name in proposal.tracks]
        except (StoreError, ValueError, KeyError, TypeError) as error:
            raise SessionError(
                f"The masks of proposal {proposal.id} can no longer be read; reject it, and find again: {error}"
            ) from error

    def review_items(self) -> Sequence[ReviewItem]:
        """Open proposals as items of the review."""
        return [
            ReviewItem(
                one.object_id or 0,
                one.frame,
                one.score,
                f"proposal {one.id}",
                f"{one.kind}: {one.reason}",
                "proposal",
                (ACCEPT, REJECT),
                one.box_yxyx,
            )
            for one in self.all("open")
        ]

    def answer_review(self, item: ReviewItem, answer: str) -> None:
        """Accept or reject the proposal of an item."""
        number = int(item.component.rpartition(" ")[2])
        if answer == ACCEPT:
            self.accept([number], None)
        else:
            self.reject([number])

    def _ever(self) -> list[Any]:
        state = self._context.state
        with state.lock:
            return [*state.table("proposals"), *state.table("last_proposal").values()]

    def _chosen(self, ids: Iterable[int] | None, least_score: float | None) -> list[Proposal]:
        there = {one.id: one for one in self.all("open")}
        limit = 0.0 if least_score is None else score_limit(least_score)
        if ids is None:
            return [one for one in there.values() if one.score >= limit]
        wanted = list(dict.fromkeys(ids))
        for number in wanted:
            if number not in there:
                raise SessionError(f"There is no open proposal {number}; list the open ones.")
        return [there[number] for number in wanted if there[number].score >= limit]

    def _with_mothers(self, chosen: Sequence[Proposal]) -> list[Proposal]:
        """Proposals to accept, each after the one that adds the object it is about."""
        every = {one.id: one for one in self.all(None)}
        ordered: dict[int, Proposal] = {}

        def add(one: Proposal) -> None:
            if one.decision == "rejected":
                raise SessionError(f"Proposal {one.id} was rejected, and another one needs its object; find again.")
            if one.decision == "accepted" or one.id in ordered:
                return
            if one.mother is not None and one.mother in every:
                add(every[one.mother])
            ordered[one.id] = one

        for one in sorted(chosen, key=lambda one: one.id):
            add(one)
        return list(ordered.values())

    def _decided(
        self, proposals: Sequence[Proposal], decision: Decision, by: str, made: Mapping[int, tuple[int, ...]]
    ) -> list[Change]:
        return [
            ("proposals", one.id, replace(one, decision=decision, by=by, made=made.get(one.id, ())).to_json())
            for one in proposals
        ]


class _Acceptance:
    """The changes made by accepting proposals.

    Attributes
    ----------
    number : int
        Number of the journal entry with the changes.
    changes : list of (table, key, value)
        Objects, prompts and accepted frames.
    masks : dict of int to list of ObjectMask
        Masks to keep, by frame.
    settled : list of (table, key, value)
        Entries that settle these masks, to write once they are stored.
    absent : dict of int to range
        Frames on which objects no longer exist.
    made : dict of int to tuple of int
        New objects of each proposal.
    """

    def __init__(self, part: Proposals, proposals: Sequence[Proposal]) -> None:
        self._part = part
        self._context = part._context
        self.number = self._context.state.next_number
        self.changes: list[Change] = []
        self.masks: dict[int, list[ObjectMask]] = {}
        self.settled: list[Change] = []
        self.absent: dict[int, range] = {}
        self.made: dict[int, tuple[int, ...]] = {}
        known = {one.id: one for one in part.all(None)}
        self._made_before = {number: one.made for number, one in known.items()}
        self._every = {number: dict(row) for number, row in self._context.state.table("finds").items()}
        for one in proposals:
            self._add(one)

    @property
    def highest(self) -> int:
        """The highest id of a new object."""
        return max((i for ids in self.made.values() for i in ids), default=0)

    def _add(self, one: Proposal) -> None:
        about = None if one.object_id is None else self._free(one.object_id)
        if one.kind == "end":
            assert about is not None
            self._end(about, one.frame)
        elif one.kind == "found again":
            assert about is not None
            (track,) = self._part.tracks(one)
            self._prompt(about, track, one.frame)
        elif one.kind == "new object":
            (track,) = self._part.tracks(one)
            self.made[one.id] = (self._new(track, None, self._is_dense(one)),)
        else:
            mother = about if about is not None else self._mother(one)
            if about is not None:
                self._end(about, one.frame)
            dense = self._is_dense(one)
            self.made[one.id] = tuple(self._new(track, (mother, one.frame), dense) for track in self._part.tracks(one))

    def _is_dense(self, one: Proposal) -> bool:
        """Whether the detector looked on every frame, so that its masks are those of the object."""
        return int(self._every.get(one.find, {}).get("every", 0)) == 1

    def _mother(self, one: Proposal) -> int:
        assert one.mother is not None
        made = self.made.get(one.mother) or self._made_before.get(one.mother, ())
        if len(made) <= one.daughter or self._is_gone(made[one.daughter]):
            raise SessionError(f"The object that divides in proposal {one.id} no longer exists; find again.")
        return made[one.daughter]

    def _is_gone(self, object_id: int) -> bool:
        return object_id not in {i for ids in self.made.values() for i in ids} and (
            self._context.state.get("objects", object_id) is None
        )

    def _free(self, object_id: int) -> int:
        info = self._part._objects.changeable(object_id)
        self._context.busy.check_idle(info.id)
        return info.id

    def _end(self, object_id: int, frame: int) -> None:
        span = range(frame, self._context.view.n_frames)
        if span:
            self.changes += self._part._acceptance.absence(object_id, span)
            self.absent[object_id] = span

    def _prompt(self, object_id: int, track: FoundTrack, frame: int) -> None:
        shape = track.shapes[frame]
        packed = encode_mask(whole_mask(shape.origin_yx, shape.mask, self._context.view.shape_yx))
        self.changes += self._part._prompts.mask_changes(self.number, object_id, frame, packed)

    def _new(self, track: FoundTrack, birth: tuple[int, int] | None, dense: bool) -> int:
        """A new object, with `birth` a daughter from that frame on; returns its id."""
        part = self._part
        object_id = part._objects.next_id([i for ids in self.made.values() for i in ids] + self._given())
        info = part._objects.made(object_id)
        if birth is not None:
            info = replace(info, parent=birth[0], parent_frame=birth[1])
            if birth[0] not in self._given():
                check_object(info, part._objects.all(), self._context.view.n_frames)
        self.changes.append(("objects", object_id, info.to_json()))
        n_frames = self._context.view.n_frames
        if not dense:
            self._prompt(object_id, track, track.first)
            if birth is not None and birth[1] > 0:
                self.changes.append(("accepted", object_id, [[0, birth[1]]]))
            return object_id
        open_frames = {*track.missing, *(f for f in track.shapes if f not in track.sure)}
        self.settled.append(("accepted", object_id, bounds_of(set(range(n_frames)) - open_frames)))
        # Where a mask is missing, tracking continues from the adjacent one.
        beside = {f for f in track.shapes if not {f - 1, f + 1}.isdisjoint(track.missing)}
        for frame in sorted({track.first} | beside):
            self._prompt(object_id, track, frame)
            if frame not in beside:
                mark = [self.number, 0, part._tag()]
                self.settled.append(("conditioned", f"{object_id}:{frame}", mark))
        for frame, shape in track.shapes.items():
            levels = np.where(shape.mask, np.uint8(FULL), np.uint8(0))
            self.masks.setdefault(frame, []).append(
                ObjectMask(object_id, shape.origin_yx, levels, FOUND_SCORE, 1.0, frame == track.first)
            )
        return object_id

    def _given(self) -> list[int]:
        """Ids of new objects in the changes so far."""
        return [int(key) for table, key, _ in self.changes if table == "objects"]
