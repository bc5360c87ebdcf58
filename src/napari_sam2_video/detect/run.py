"""Run a detector on a frame, so that whatever it does, the worst outcome is an error message."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from napari_sam2_video.detect.checked import checked
from napari_sam2_video.detect.protocol import Detection, DetectorFrame
from napari_sam2_video.errors import DetectionStoppedError, DetectorError, Sam2VideoError
from napari_sam2_video.frames.voxel_order import place_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.detect.protocol import Detector, Segmenter
    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.types import SegmentedMask

_Answer = TypeVar("_Answer")
SILENT_SECONDS = 600.0
_POLL_SECONDS = 0.02
_GRACE_SECONDS = 2.0


def run_detector(
    detector: Detector,
    view: FrameView,
    index: int,
    *,
    segmenter: Segmenter | None = None,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[int, int], None] | None = None,
    silent_seconds: float = SILENT_SECONDS,
) -> list[Detection]:
    """Run a detector on a frame and return the objects found.

    The detector runs in its own thread. One that neither ends nor responds to `stop` is abandoned: its further requests
    to the network are refused.

    Parameters
    ----------
    detector : Detector
        The detector.
    view : FrameView
        The view of the recording.
    index : int
        The frame.
    segmenter : Segmenter, optional
        The network. With it, boxes become masks; without it, they stay boxes.
    stop : callable, optional
        Called several times a second; the detector is stopped when it returns True.
    progress : callable, optional
        Called with the number of steps done and the total, from the detector's thread.
    silent_seconds : float
        How long the detector may go without reporting progress or using the network.

    Returns
    -------
    list of Detection
        Detections after `checked`.

    Raises
    ------
    DetectionStoppedError
        If it was stopped.
    DetectorError
        If the detector failed, did not respond, or returned invalid detections.
    Sam2VideoError
        If the frame cannot be read, or the network or the detector raises it.
    """
    name = _name(detector)
    watch = _Watch(name, progress)
    frame = DetectorFrame(
        index=index,
        rgb_yxc=view.read(index),
        raw_yx=_plane(view.raw(index)),
        segmenter=None if segmenter is None else _Watched(segmenter, watch),
        n_frames=view.n_frames,
        axis=view.walk_axis,
        affine=place_of(view.recording) if view.is_volume else None,
        progress=watch.report,
    )

    def work() -> list[Detection]:
        found = checked(detector.detect(frame), frame.shape_yx, name)
        return found if frame.segmenter is None else _filled(found, frame.segmenter, index)

    outcome = _Outcome(work, name, index)
    threading.Thread(target=outcome, name="sam2-video-detector", daemon=True).start()
    while not outcome.ended.wait(_POLL_SECONDS):
        if stop is not None and stop():
            watch.end("was stopped")
            outcome.ended.wait(_GRACE_SECONDS)
            raise DetectionStoppedError(f"The detector {name} was stopped.")
        if time.monotonic() - watch.last > silent_seconds:
            watch.end("was given up")
            raise DetectorError(
                f"The detector {name} did not respond for {silent_seconds:g} seconds on frame {index} and was "
                "given up; restart the program if it keeps the machine busy."
            )
    return outcome.result()


class _Watch:
    """Watches a detector: its last sign of life, and whether it may continue."""

    def __init__(self, name: str, progress: Callable[[int, int], None] | None) -> None:
        self._name = name
        self._progress = progress
        self._ended: str | None = None
        self.last = time.monotonic()

    def alive(self) -> None:
        """Note a sign of life; raises `DetectionStoppedError` if the detector should end."""
        self.last = time.monotonic()
        if self._ended is not None:
            raise DetectionStoppedError(f"The detector {self._name} {self._ended}.")

    def report(self, done: int, total: int) -> None:
        """Pass progress on."""
        self.alive()
        if self._progress is not None:
            self._progress(int(done), int(total))

    def end(self, why: str) -> None:
        """Refuse everything from now on."""
        self._ended = why


class _Watched:
    """A segmenter that refuses requests of an abandoned detector."""

    def __init__(self, segmenter: Segmenter, watch: _Watch) -> None:
        self._segmenter = segmenter
        self._watch = watch

    @property
    def image_size(self) -> int:
        return self._segmenter.image_size

    def features(self, frame: int, square: tuple[int, int, int] | None = None) -> npt.NDArray[np.float32]:
        return self._asked(lambda: self._segmenter.features(frame, square))

    def at_points(
        self,
        frame: int,
        points_yx: npt.NDArray[np.float32],
        square: tuple[int, int, int] | None = None,
        *,
        least_iou: float = 0.0,
        least_stability: float = 0.0,
    ) -> list[SegmentedMask]:
        limits = {"least_iou": least_iou, "least_stability": least_stability}
        return self._asked(lambda: self._segmenter.at_points(frame, points_yx, square, **limits))

    def in_boxes(self, frame: int, boxes_yxyx: npt.NDArray[np.float32]) -> list[SegmentedMask]:
        return self._asked(lambda: self._segmenter.in_boxes(frame, boxes_yxyx))

    def _asked(self, ask: Callable[[], _Answer]) -> _Answer:
        self._watch.alive()
        answer = ask()
        self._watch.alive()
        return answer


class _Outcome:
    """Does the work in another thread, and keeps its outcome."""

    def __init__(self, work: Callable[[], list[Detection]], name: str, index: int) -> None:
        self._work = work
        self._about = f"The detector {name} failed on frame {index}"
        self._found: list[Detection] = []
        self._error: Sam2VideoError | None = None
        self.ended = threading.Event()

    def __call__(self) -> None:
        try:
            self._found = self._work()
        except Sam2VideoError as error:
            self._error = error
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}".rstrip(". :")
            self._error = DetectorError(f"{self._about} ({reason}).")
            self._error.__cause__ = error
        finally:
            self.ended.set()

    def result(self) -> list[Detection]:
        if self._error is not None:
            raise self._error
        return self._found


def _filled(found: list[Detection], segmenter: Segmenter, index: int) -> list[Detection]:
    """Turn boxes into masks; those in which the network sees nothing are dropped."""
    boxes = [one.box_yxyx for one in found if one.mask is None]
    if not boxes:
        return found
    masks = iter(segmenter.in_boxes(index, np.array(boxes, np.float32)))
    filled = []
    for one in found:
        if one.mask is not None:
            filled.append(one)
            continue
        mask = next(masks)
        if mask.mask.any():
            filled.append(replace(one, mask=mask.mask, origin_yx=mask.origin_yx, box_yxyx=None))
    return filled


def _plane(raw: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    return raw if raw.ndim == 2 else None


def _name(detector: Detector) -> str:
    name = getattr(detector, "name", None)
    return name if isinstance(name, str) and name else type(detector).__name__
