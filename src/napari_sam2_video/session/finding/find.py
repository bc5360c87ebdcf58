"""Find objects without clicks: detect on frames, link the detections, and make proposals."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.detect.labels import Labels
from napari_sam2_video.detect.more_like_this import MoreLikeThis
from napari_sam2_video.detect.protocol import Example
from napari_sam2_video.detect.registry import detector_from_text
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.errors import DetectionStoppedError, DetectorError, PromptError, SessionError
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.linking.link import link
from napari_sam2_video.linking.settings import LinkSettings
from napari_sam2_video.linking.shapes import Shape
from napari_sam2_video.session.finding.division_frames import dated_divisions
from napari_sam2_video.session.finding.drafts import Drafts, Known
from napari_sam2_video.session.manifest import plain
from napari_sam2_video.session.part import SessionPart
from napari_sam2_video.session.run_errors import run_failures
from napari_sam2_video.session.tracking import BUSY
from napari_sam2_video.types.checks import instance, shown
from napari_sam2_video.types.finding import FindProgress, FindSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.detect.protocol import Detection, Detector
    from napari_sam2_video.linking.tracks import Track
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.finding.proposals import Proposals
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.prompt_table import PromptTable
    from napari_sam2_video.session.tracking import Tracking

NOBODY = frozenset({0})


class Finder(SessionPart):
    """Finds objects in a session."""

    def __init__(
        self, context: Context, objects: Objects, prompts: PromptTable, tracking: Tracking, proposals: Proposals
    ) -> None:
        super().__init__(context, objects, prompts)
        self._tracking = tracking
        self._proposals = proposals

    def check(self, detector: str) -> None:
        """See `Session.check_detector`."""
        with self._made(detector) as finder:
            if isinstance(finder, MoreLikeThis):
                for object_id in finder.object_ids:
                    self._prompted_frame(object_id)

    def find(
        self, detector: Detector | str, settings: FindSettings, stop: Callable[[], bool] | None
    ) -> Generator[FindProgress]:
        """See `Session.find`."""
        instance(settings, FindSettings, "The settings")
        context = self._context
        context.check_writable()
        frames = settings.frames(context.view.n_frames)
        with self._made(detector) as finder, context.busy.alone(BUSY):
            context.busy.work_on(NOBODY)
            looked: list[int] = []
            series: list[dict[int, Shape]] = []
            scores: list[dict[int, float]] = []
            record = self._described(finder, settings)
            if isinstance(detector, str):
                record["asked"] = detector
            kept = "earlier proposals are kept"
            with run_failures("Finding", kept, "find again", context.folder, lambda: looked[-1] if looked else -1):
                for frame in frames:
                    try:
                        found = large(self._look(finder, frame, stop), settings.smallest_area)
                    except DetectionStoppedError:
                        break
                    looked.append(frame)
                    series.append(dict(enumerate(_shapes(found), start=1)))
                    scores.append(dict(enumerate((one.score for one in found if one.mask is not None), start=1)))
                    yield FindProgress(frame, len(series[-1]), len(looked), len(frames) + 1)
                    if stop is not None and stop():
                        break
                if not looked:
                    return
                seen = frames[: len(looked)]
                tracks = self._linked(series, seen)
                if seen.step > 1:
                    least = settings.smallest_area
                    with suppress(DetectionStoppedError):
                        tracks = dated_divisions(
                            tracks, lambda frame: _shapes(large(self._look(finder, frame, stop), least))
                        )
                means = {track.number: _mean_score(track, seen, series, scores) for track in tracks}
                drafts = Drafts(tracks, seen, means, context.view.shape_yx, self._known()).all()
                record |= {"looked": [seen.start, seen[-1] + 1], "finished": _now()}
        # Only now may others change the session again, with the proposals already stored.
        kept_now = self._proposals.keep(drafts, record)
        yield FindProgress(looked[-1], len(kept_now), len(frames) + 1, len(frames) + 1)

    def _look(self, detector: Detector, frame: int, stop: Callable[[], bool] | None) -> list[Detection]:
        return run_detector(detector, self._context.view, frame, segmenter=_Network(self._tracking), stop=stop)

    def _linked(self, series: Sequence[Mapping[int, Shape]], frames: range) -> list[Track]:
        """Link detections into tracks; between frames farther apart, objects move farther."""
        usual = LinkSettings()
        settings = usual
        if frames.step > 1:
            settings = replace(usual, reach=usual.reach * float(np.sqrt(frames.step)), gap=1)
        tracks = link(series, self._context.view.shape_yx, settings)
        return [
            replace(
                track,
                shapes={frames[n]: shape for n, shape in track.shapes.items()},
                sources={frames[n]: source for n, source in track.sources.items()},
                missing=tuple(frames[n] for n in track.missing),
            )
            for track in tracks
        ]

    def _known(self) -> Known:
        """What is currently tracked; masks are read once per frame."""
        context = self._context
        objects = self._objects.all()
        masks: dict[int, dict[int, Shape]] = {}
        walked = {one.id: context.masks.walked(one.id) for one in objects}
        settled = {
            one.id: max(
                (
                    *context.inputs.accepted(one.id),
                    *context.masks.painted(one.id),
                    *(p.frame for p in self._prompts.sets(one.id)),
                ),
                default=-1,
            )
            for one in objects
        }

        def on(frame: int) -> Mapping[int, Shape]:
            if frame not in masks:
                ids = [one.id for one in objects]
                found = dict(zip(ids, context.masks.each_mask(frame, ids), strict=True))
                # Objects that were prompted but not tracked yet are known on their prompted frames.
                fresh = {p.object_id for p in self._prompts.sets(None, frame) if not walked[p.object_id].any()}
                found |= {i: self._prompted(i, frame) for i in fresh if not found[i].any()}
                cut = {i: Shape.cut(mask) for i, mask in found.items()}
                masks[frame] = {i: shape for i, shape in cut.items() if shape is not None}
            return masks[frame]

        return Known(
            on,
            lambda object_id, frame: bool(walked[object_id][frame]),
            lambda object_id, frame: settled[object_id] >= frame,
            {one.id: one.parent for one in objects if one.parent is not None},
        )

    @contextmanager
    def _made(self, detector: Detector | str) -> Iterator[Detector]:
        """The detector; one that is made here from its name is closed."""
        if not isinstance(detector, str):
            if not callable(getattr(detector, "detect", None)):
                raise DetectorError(f"A detector is a name, or an object with a method detect, not {shown(detector)}.")
            yield detector
            return
        made = detector_from_text(detector, examples=self._examples)
        try:
            yield made
        finally:
            if isinstance(made, Labels):
                made.close()

    def _prompted_frame(self, object_id: int) -> int:
        """The first frame with prompts of an object."""
        self._objects.get(object_id)
        prompted = [found.frame for found in self._prompts.sets(object_id)]
        if not prompted:
            raise PromptError(f"Object {object_id} has no prompt, so there is nothing to find more of; click it.")
        return min(prompted)

    def _examples(self, ids: Sequence[int]) -> list[Example]:
        """Masks of objects on their prompted frames."""
        examples = []
        for object_id in ids:
            frame = self._prompted_frame(object_id)
            mask = self._context.masks.object_mask(frame, object_id)
            if not mask.any():
                mask = self._prompted(object_id, frame)
            if not mask.any():
                raise SessionError(f"Object {object_id} has no mask on frame {frame}; click it again.")
            examples.append(Example(object_id, frame, mask))
        return examples

    def _prompted(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """Mask ``(Y, X)`` from the prompts of an object on a frame."""
        preview = self._tracking.preview(object_id, frame, None)
        best = preview.candidates[preview.best]
        return whole_mask(best.origin_yx, best.levels > 0, preview.shape_yx)

    def _described(self, detector: Detector, settings: FindSettings) -> dict[str, Any]:
        record: dict[str, Any] = {"detector": str(getattr(detector, "name", type(detector).__name__))}
        with suppress(Exception):
            record["settings"] = plain(dict(detector.settings))
        return record | settings.to_json() | {"started": _now()}


class _Network:
    """The network of a session, loaded when a detector first asks for it."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracking.tracker.segmenter(), name)  # type: ignore[attr-defined]


def large(found: Sequence[Detection], smallest_area: int) -> list[Detection]:
    """Detections whose mask has at least this many pixels; those without a mask are dropped anyway."""
    return [one for one in found if one.mask is None or np.count_nonzero(one.mask) >= smallest_area]


def _shapes(found: Sequence[Detection]) -> list[Shape]:
    return [Shape(one.mask, one.origin_yx) for one in found if one.mask is not None]


def _mean_score(
    track: Track, frames: range, series: Sequence[Mapping[int, Shape]], scores: Sequence[Mapping[int, float]]
) -> float:
    """Mean score of the detections in a track."""
    found = []
    for frame, shape in track.shapes.items():
        if frame not in frames:
            continue
        place = frames.index(frame)
        most = max(series[place], key=lambda n: series[place][n].overlap(shape), default=None)
        if most is not None:
            found.append(scores[place][most])
    return float(np.mean(found)) if found else 0.0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
