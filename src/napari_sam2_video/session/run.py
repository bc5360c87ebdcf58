"""A run: from changed prompts to masks on disk, one announced frame after the other."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from napari_sam2_video.engine.plan import Plan, plan_run
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.masks.records import OTHER
from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.session.run_errors import run_failures
from napari_sam2_video.session.run_record import RunRecord
from napari_sam2_video.session.tracker import describe_model
from napari_sam2_video.session.two_walks import TwoWalks
from napari_sam2_video.types import FrameDone

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from napari_sam2_video.engine.plan import Pass, PassDirection
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.session.conditioning import Conditioning, Mark
    from napari_sam2_video.session.tracker import TrackerLike
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import FrameMasks, Prompt, TrackSettings


def unfinished_run(state: State) -> RunRecord | None:
    """The run that was stopped or interrupted, if any."""
    current = state.get("run", "current")
    return None if current is None else state.get("runs", current)


class Runner:
    """Runs of one session.

    Parameters
    ----------
    state, masks, inputs
        The session's parts.
    prompts_for : callable
        Returns the prompts that condition the tracker for an object, frame and mark.
    """

    def __init__(
        self,
        state: State,
        masks: MaskStore,
        inputs: Conditioning,
        prompts_for: Callable[[int, int, Mark], Sequence[Prompt]],
    ) -> None:
        self._state = state
        self._masks = masks
        self._inputs = inputs
        self._two_walks = TwoWalks(state, masks)
        self._prompts_for = prompts_for

    @property
    def unfinished(self) -> RunRecord | None:
        """The run that was stopped or interrupted, if any."""
        return unfinished_run(self._state)

    def resumable(self, tag: str) -> bool:
        """Whether there is an unfinished run whose prompts and model are unchanged."""
        run = self.unfinished
        return run is not None and all(self._inputs.marks(i, tag) == marks for i, marks in run.marks.items())

    def begin(self, settings: TrackSettings, object_ids: Sequence[int], tag: str) -> tuple[RunRecord, list[int]]:
        """Plan a run and record its beginning; returns the run, and the objects whose trails are useless.

        Raises
        ------
        PromptError
            If there is nothing to do.
        """
        states = [self._inputs.state(i, tag) for i in object_ids]
        plan = plan_run(states, settings, self._masks.n_frames)
        if not plan.passes:
            if not any(s.prompted for s in states):
                raise PromptError("There is nothing to track yet: click, box or paint an object on one frame first.")
            raise PromptError(
                "There is nothing to track: no prompt has changed since the last run. Name objects to track them again."
            )
        chosen = [s for s in states if s.object_id in plan.object_ids]
        stale = [i for i in plan.object_ids if self._state.get("walks", i) != self._state.get("memory_walks", i)]
        with self._state.writing():
            number = self._state.next_number
            run = RunRecord(
                number,
                settings,
                plan,
                {s.object_id: self._inputs.marks(s.object_id, tag) for s in chosen},
                {s.object_id: s.fences for s in chosen},
                plan.total,
                {},
                _now(),
                None,
            )
            changes: list[Change] = [("runs", number, run.to_json()), ("run", "current", number)]
            changes += [("progress", f"{number}:before:{i}", self._state.get("walks", i)) for i in plan.object_ids]
            changes += [("walks", i, number) for i in plan.object_ids]
            count = len(plan.object_ids)
            name = f"track object {plan.object_ids[0]}" if count == 1 else f"track {count} objects"
            self._state.commit(changes, name=name, number=number)
        return run, stale

    def again(self, tag: str) -> tuple[RunRecord, list[int]]:
        """Continue the unfinished run; returns it with the rest of its plan, and the objects whose trails are useless.

        Raises
        ------
        SessionError
            If there is none, or the prompts have changed since.
        """
        run = self.unfinished
        if run is None:
            raise SessionError("There is no unfinished run to resume.")
        if not self.resumable(tag):
            raise SessionError("The prompts or the model have changed since the run was stopped; track again.")
        left = [rest for one in run.plan.passes if (rest := self._rest(run.id, one)) is not None]
        stale = [i for i in run.plan.object_ids if not self._trails_fit(run, i)]
        return replace(run, plan=Plan(tuple(left), run.plan.n_frames, run.plan)), stale

    def _rest(self, run_id: int, one: Pass) -> Pass | None:
        """The rest of a pass, given the frame that the sweep in its direction reached; None if it is done."""
        reached = self._state.get("progress", f"{run_id}:{one.direction}")
        if reached is None or (reached - one.start) * one.step < 0:
            return one
        return replace(one, resume_after=reached) if (one.stop - reached) * one.step > 0 else None

    def _trails_fit(self, run: RunRecord, object_id: int) -> bool:
        """Whether the trails are from this run, or from the one before if this one was interrupted at its beginning."""
        kept = self._state.get("memory_walks", object_id)
        return bool(kept == run.id or kept == self._state.get("progress", f"{run.id}:before:{object_id}"))

    def execute(
        self, run: RunRecord, stale: Sequence[int], tracker: TrackerLike, *, stop: Callable[[], bool] | None
    ) -> Generator[FrameDone]:
        """Carry out the rest of a run; each frame is on disk when it is yielded."""
        frame = -1
        halted = stop or (lambda: False)
        with run_failures("Tracking", "finished frames are kept", "resume", self._masks.folder, lambda: frame):
            self._note_model(run, tracker)
            self._settle_trails(run, stale, tracker)
            if not self._condition(run, tracker, halted):
                return
            left = {(p.object_id, p.direction, p.stop) for p in run.plan.passes}
            done = self._state.get("progress", f"{run.id}:done", 0)
            with closing(tracker.run(run.plan, stop=stop)) as frames:
                for masks in frames:
                    frame = masks.frame
                    done += 1
                    self._keep(run, masks, done, left)
                    yield FrameDone(frame, tuple(m.object_id for m in masks.objects), done, run.total)
            if not left or not halted():
                self._finish(run)

    def _note_model(self, run: RunRecord, tracker: TrackerLike) -> None:
        described = describe_model(tracker)
        recorded: RunRecord | None = self._state.get("runs", run.id)
        if recorded is not None and dict(recorded.model) != described:
            self._state.commit([("runs", run.id, replace(recorded, model=described).to_json())], step=run.id)

    def _settle_trails(self, run: RunRecord, stale: Sequence[int], tracker: TrackerLike) -> None:
        for object_id in stale:
            tracker.memory.forget_trails(object_id)
        changed = [i for i in run.plan.object_ids if self._state.get("memory_walks", i) != run.id]
        if changed:
            self._state.commit([("memory_walks", i, run.id) for i in changed])

    def _condition(self, run: RunRecord, tracker: TrackerLike, halted: Callable[[], bool]) -> bool:
        """Condition the tracker with the prompts of the run; False if it was stopped meanwhile."""
        for object_id in run.plan.object_ids:
            marks = run.marks[object_id]
            held = tracker.memory.entries(object_id)
            for gone in set(held) - marks.keys():
                tracker.memory.forget_entry(object_id, gone)
            known = self._inputs.conditioned(object_id, "memory")
            wanted = [f for f, mark in marks.items() if f not in held or known.get(f) != mark]
            walked = self._inputs.walked(object_id, next(iter(marks.values()))[2])
            for frame in sorted(wanted, key=lambda f: (max(marks[f][:2]), f)):
                if halted():
                    return False
                prompts = self._prompts_for(object_id, frame, marks[frame])
                if frame in known:
                    # Otherwise the new memory would be mistaken for that of the previous prompts if these come back.
                    self._state.commit([("memory", key_of(object_id, frame), None)])
                tracker.condition(object_id, frame, prompts, tracked=walked)
                self._state.commit([("memory", key_of(object_id, frame), list(marks[frame]))])
        return True

    def _keep(self, run: RunRecord, masks: FrameMasks, done: int, left: set[tuple[int, PassDirection, int]]) -> None:
        """Store a frame durably, except for objects settled on it; passes that end on it are removed from `left`."""
        walk: PassDirection = "backward" if masks.direction == "backward" else "forward"
        left.difference_update((m.object_id, walk, masks.frame) for m in masks.objects)
        changes: list[Change] = [("progress", f"{run.id}:done", done), ("progress", f"{run.id}:{walk}", masks.frame)]
        free = tuple(
            m
            for m in masks.objects
            if masks.frame not in run.fences.get(m.object_id, frozenset())
            and not self._inputs.is_accepted(m.object_id, masks.frame)
        )
        shown, beside = self._two_walks.keep(run, replace(masks, objects=free))
        self._masks.write(shown, generation=run.id, extra=changes)
        for other in beside:
            self._masks.write(other, generation=run.id, table=OTHER)

    def _finish(self, run: RunRecord) -> None:
        recorded: RunRecord | None = self._state.get("runs", run.id)
        changes: list[Change] = [("run", "current", None)]
        if recorded is not None:
            changes.append(("runs", run.id, replace(recorded, finished=_now()).to_json()))
            for object_id, marks in recorded.marks.items():
                spans = [sorted((p.start, p.stop)) for p in recorded.plan.passes if p.object_id == object_id]
                known = self._inputs.conditioned(object_id)
                for frame, mark in marks.items():
                    if known.get(frame) != mark and any(a <= frame <= b for a, b in spans):
                        changes.append(("conditioned", key_of(object_id, frame), list(mark)))
                changes += [("conditioned", key_of(object_id, f), None) for f in known.keys() - marks.keys()]
            names = ["done", "forward", "backward", *(f"before:{i}" for i in recorded.plan.object_ids)]
            changes += [("progress", f"{run.id}:{name}", None) for name in names]
        self._state.commit(changes, step=run.id)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
