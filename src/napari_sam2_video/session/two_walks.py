"""Frames tracked from both sides: which mask is shown, and which is kept as a choice for the user."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2_video.analysis.review import ReviewItem
from napari_sam2_video.analysis.two_sides import TrackedSide, agree, takes_over
from napari_sam2_video.engine.plan import step_of
from napari_sam2_video.masks.records import OTHER, RUN, newest_record, newest_records
from napari_sam2_video.spans import frame_runs
from napari_sam2_video.types import FrameMasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.engine.plan import Pass, PassDirection
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.run_record import RunRecord
    from napari_sam2_video.storage.state import State
    from napari_sam2_video.types import Direction, ObjectMask


class TwoWalks:
    """Decides between the masks of a run and the existing ones."""

    def __init__(self, state: State, masks: MaskStore) -> None:
        self._state = state
        self._masks = masks

    def keep(self, run: RunRecord, found: FrameMasks) -> tuple[FrameMasks, tuple[FrameMasks, ...]]:
        """Masks of a run to show on a frame, and masks to keep beside them.

        If a pass ends beside a settled frame, the frames before it have masks of a pass that came from there. A mask
        that agrees with the existing one changes nothing; one that disagrees replaces it if it is far more reliable,
        and the other one is kept.
        """
        shown: list[ObjectMask] = []
        beside: list[FrameMasks] = []
        for mask in found.objects:
            one = _two_sided(run, found, mask.object_id)
            old = None if one is None else self._earlier(run, one, found.frame)
            if one is None or old is None:
                shown.append(mask)
            elif not agree(mask, old):
                way = abs((found.frame - one.start) / (one.stop + one.step - one.start))
                new_counts = takes_over(TrackedSide(mask, 1 - way), TrackedSide(old, way))
                if new_counts:
                    shown.append(mask)
                left, came = (old, -one.step) if new_counts else (mask, one.step)
                direction: Direction = "forward" if came > 0 else "backward"
                beside.append(replace(found, objects=(left,), direction=direction))
        return replace(found, objects=tuple(shown)), tuple(beside)

    def _earlier(self, run: RunRecord, one: Pass, frame: int) -> ObjectMask | None:
        """Mask that a pass from the other side left on a frame before this run."""
        newest = newest_record(self._state, frame, one.object_id, (RUN,))
        if newest is None or newest[0] >= run.id or newest[1].walk != -one.step:
            return None
        return next((m for m in self._masks.run_masks(frame) if m.object_id == one.object_id), None)


def _two_sided(run: RunRecord, found: FrameMasks, object_id: int) -> Pass | None:
    """Pass of an object that computed a frame, if it ends beside a settled frame."""
    walk: PassDirection = "backward" if found.direction == "backward" else "forward"
    step = step_of(walk)
    for one in run.plan.sweep(walk):
        if one.object_id == object_id and (found.frame - one.start) * step > 0 and (one.stop - found.frame) * step >= 0:
            beyond = one.stop + step
            settled = beyond in run.marks.get(object_id, {}) or beyond in run.fences.get(object_id, frozenset())
            return one if settled else None
    return None


class WalkChoices:
    """Frames on which two passes disagree, for the review."""

    def __init__(self, context: Context, objects: Objects) -> None:
        self._context = context
        self._objects = objects

    def review_items(self) -> list[ReviewItem]:
        """One item for each run of frames on which the two passes of an object disagree."""
        items = []
        undecided = self._undecided()
        for info in self._objects.all():
            if info.id not in undecided:
                continue
            for frames in frame_runs(self._open(info.id)):
                choices = self._choices(info.id, frames)
                if len(choices) == 2:
                    length = len(frames)
                    on = f"frame {frames[0]}" if length == 1 else f"frames {frames[0]} to {frames[-1]}"
                    reason = f"tracked from both sides, the masks differ on {on}"
                    doubt = 1 - 0.5 ** (1 + length / 4)
                    middle = frames[length // 2]
                    items.append(
                        ReviewItem(info.id, middle, doubt, "two walks", reason, "disagreement", tuple(choices))
                    )
        return items

    def answer_review(self, item: ReviewItem, answer: str) -> None:
        """Show the masks of the chosen pass on all frames of an item."""
        context = self._context
        with context.changing():
            info = self._objects.changeable(item.object_id)
            context.busy.check_idle(info.id)
            frames = next(run for run in frame_runs(self._open(info.id)) if item.frame in run)
            walk = self._choices(info.id, frames)[answer]
            step = context.state.commit([], name=f"{info.name} {answer} on frames {frames[0]} to {frames[-1]}")
            for frame in frames:
                (other,) = (m for m in context.masks.run_masks(frame, OTHER) if m.object_id == info.id)
                newest = newest_record(context.state, frame, info.id, (OTHER,))
                if newest is not None and newest[1].walk == walk:
                    direction: Direction = "forward" if walk > 0 else "backward"
                    chosen = FrameMasks(frame, context.view.shape_yx, (other,), direction)
                    context.masks.write(chosen, generation=step)
                context.masks.drop(frame, info.id, step=step, tables=(OTHER,))
        context.events.announce("masks")

    def _undecided(self) -> set[int]:
        """Objects of which there are masks to choose from."""
        state = self._context.state
        with state.lock:
            numbers = [number for found in state.table(OTHER).values() for number in found]
            records = [state.get("records", number) for number in numbers]
        return {object_id for info in records if info is not None for object_id in info.ids}

    def _open(self, object_id: int) -> list[int]:
        """Frames that are undecided and unchanged since."""
        context = self._context
        settled = self._settled(object_id)
        found = []
        for frame, (number, _) in newest_records(context.state, object_id, (OTHER,)).items():
            shown = newest_record(context.state, frame, object_id)
            if frame not in settled and shown is not None and number > shown[0]:
                found.append(frame)
        return found

    def _choices(self, object_id: int, frames: Sequence[int]) -> dict[str, int]:
        """Answers for a run of frames, each with the direction of its pass."""
        settled = self._settled(object_id)
        before = max((t for t in settled if t < frames[0]), default=None)
        after = min((t for t in settled if t > frames[-1]), default=None)
        ends = ((before, 1), (after, -1))
        return {f"as tracked from frame {t}": walk for t, walk in ends if t is not None}

    def _settled(self, object_id: int) -> set[int]:
        """Frames that a person prompted, painted or accepted."""
        context = self._context
        prompted = (int(frame) for frame in context.state.group("prompts", object_id))
        return {*prompted, *context.masks.painted(object_id), *context.inputs.accepted(object_id)}
