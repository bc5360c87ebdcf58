"""Compare the masks of a session with those found by tracking back from later frames."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from napari_sam2_video.analysis.review import disagreement
from napari_sam2_video.engine.plan import Plan, fitting_range
from napari_sam2_video.errors import SessionError
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.masks.check_results import CheckResult
from napari_sam2_video.session.check_plan import plan_spans
from napari_sam2_video.session.run_errors import run_failures
from napari_sam2_video.types import FrameDone, MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.masks.check_results import CheckResults, Stamp
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.session.check_plan import Span
    from napari_sam2_video.session.tracker import TrackerLike
    from napari_sam2_video.types import CheckSettings, FrameMasks

SPANS_AT_ONCE = 32


class Checker:
    """Checks of one session."""

    def __init__(self, masks: MaskStore, checks: CheckResults) -> None:
        self._masks = masks
        self._checks = checks

    def plan(
        self, settings: CheckSettings, scores: Mapping[int, Mapping[str, npt.NDArray[Any]]]
    ) -> list[tuple[Span, ...]]:
        """Spans of the objects in `scores`, in groups that are tracked together.

        Raises
        ------
        PromptError
            If the range does not fit the recording.
        SessionError
            If there is nothing to check.
        """
        first, last = fitting_range(settings, self._masks.n_frames)
        spans = [s for i in scores for s in plan_spans(i, scores[i], settings.span, first, last)]
        if not spans:
            raise SessionError(
                "There is nothing to check: no object has a tracked frame before another one that shows it."
            )
        spans.sort(key=lambda s: (s.direction, s.origin, s.object_id))
        return [tuple(spans[i : i + SPANS_AT_ONCE]) for i in range(0, len(spans), SPANS_AT_ONCE)]

    def execute(
        self, groups: Sequence[Sequence[Span]], tracker: TrackerLike, *, stop: Callable[[], bool] | None
    ) -> Generator[FrameDone]:
        """Track groups of spans with a tracker without other memories; the results are kept at the end."""
        halted = stop or (lambda: False)
        total = sum(self._plan(group, range(len(group))).total for group in groups)
        frame, done = -1, 0
        kept, folder = "finished checks are kept", self._masks.folder
        try:
            with run_failures("Checking", kept, "check again", folder, lambda: frame):
                for group in groups:
                    scratch = tracker.scratch()
                    origins = self._prompt(group, scratch, halted)
                    plan = self._plan(group, list(origins))
                    with closing(scratch.run(plan, stop=stop)) as walked:
                        for masks in walked:
                            frame = masks.frame
                            done += 1
                            ids = self._compare(group, origins, masks)
                            yield FrameDone(frame, ids, done, total)
                    if halted():
                        return
        finally:
            if done:
                self._checks.save()

    def _plan(self, group: Sequence[Span], chosen: Sequence[int]) -> Plan:
        """One pass for each chosen span; its index plus one is its object id in the tracker."""
        return Plan(tuple(group[i].walk(i + 1) for i in chosen), self._masks.n_frames)

    def _prompt(self, group: Sequence[Span], scratch: TrackerLike, halted: Callable[[], bool]) -> dict[int, Stamp]:
        """Give the tracker the mask of each origin; returns the stamp of the mask for spans that have one."""
        prompted: dict[int, Stamp] = {}
        for index, span in enumerate(group):
            if halted():
                return {}
            stamp = self._masks.stamp(span.origin, span.object_id)
            mask = self._masks.object_mask(span.origin, span.object_id)
            if mask.any():
                scratch.condition(index + 1, span.origin, [MaskPrompt(index + 1, span.origin, mask)])
                prompted[index] = stamp
        return prompted

    def _compare(self, group: Sequence[Span], origins: Mapping[int, Stamp], masks: FrameMasks) -> tuple[int, ...]:
        """Note how the masks of a frame differ from the stored ones; returns the objects compared."""
        frame = masks.frame
        here = [m for m in masks.objects if frame in group[m.object_id - 1].frames]
        spans = [group[m.object_id - 1] for m in here]
        stamps = [self._masks.stamp(frame, span.object_id) for span in spans]
        stored = self._masks.each_mask(frame, [span.object_id for span in spans])
        for mask, span, stamp, inside in zip(here, spans, stamps, stored, strict=True):
            walked = whole_mask(mask.origin_yx, mask.levels > 0, masks.shape_yx)
            found = CheckResult(stamp, disagreement(inside, walked), span.origin, origins[mask.object_id - 1])
            # A mask that was changed meanwhile is not the one that was compared.
            if stamp == self._masks.stamp(frame, span.object_id):
                self._checks.put(span.object_id, frame, found)
        return tuple(sorted({group[m.object_id - 1].object_id for m in masks.objects}))
