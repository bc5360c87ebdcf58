"""*labels*: objects from label images, series and volumes of another program."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.detect.protocol import Detection
from napari_sam2_video.errors import DetectorError, RecordingError
from napari_sam2_video.frames.label_series import LabelSeries
from napari_sam2_video.linking.shapes import shapes_of

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.detect.protocol import DetectorFrame


class Labels:
    """Finds the labels of a frame, each with score 1 and its number as label.

    Parameters
    ----------
    source : str, Path or array-like
        See `LabelSeries`.
    at : int, optional
        The only frame to look at, with its own label image if there are several. If not given, every frame of the
        recording has its own label image.

    Raises
    ------
    DetectorError
        If the labels cannot be read.
    """

    name = "labels"

    def __init__(self, source: Any, at: int | None = None) -> None:
        self._at = at
        try:
            self._series = LabelSeries(source)
        except RecordingError as error:
            raise DetectorError(str(error)) from error

    @property
    def settings(self) -> dict[str, Any]:
        """See `Detector`."""
        return {"labels": self._series.name, "at": self._at}

    def detect(self, frame: DetectorFrame) -> list[Detection]:
        """See `Detector`."""
        series = self._series
        try:
            series.align(frame.affine)
        except RecordingError as error:
            raise DetectorError(str(error)) from error
        count = series.n_frames
        if self._at is None and count != frame.n_frames and frame.axis not in "YX":
            hint = "add @FRAME for the frame that it belongs to" if count == 1 else "give the labels of this recording"
            raise DetectorError(
                f"{series.name} has labels for {count} {'frame' if count == 1 else 'frames'} and the recording has "
                f"{frame.n_frames}; {hint}."
            )
        if self._at is not None and self._at != frame.index:
            return []
        try:
            labels = series.read(0 if count == 1 and self._at is not None else frame.index, frame.axis)
        except RecordingError as error:
            raise DetectorError(str(error)) from error
        if labels.shape != frame.shape_yx:
            raise DetectorError(
                f"The labels of frame {frame.index} in {series.name} have the shape {labels.shape} where "
                f"{frame.shape_yx} was expected; give the labels of this recording."
            )
        return detections_of(labels)

    def close(self) -> None:
        """Close the files."""
        self._series.close()


def labels_from_text(text: str, folder: Path | None = None) -> Labels:
    """Labels written as ``FILE`` or ``FILE@FRAME``; a relative file starts at `folder`."""
    if not text:
        raise DetectorError("'labels' needs a file or a folder; write labels:FILE or labels:FILE@FRAME.")
    # A name may itself end in @ and a number.
    path = _path(text, folder)
    name, at, frame = text.rpartition("@")
    if at and name and re.fullmatch(r"\d{1,9}", frame) and not path.exists():
        return Labels(_path(name, folder), int(frame))
    return Labels(path)


def detections_of(labels_yx: npt.NDArray[Any]) -> list[Detection]:
    """A detection for each label above 0 of a label image ``(Y, X)``, in ascending order."""
    shapes = shapes_of(labels_yx)
    return [Detection(1.0, shapes[n].mask, shapes[n].origin_yx, label=str(n)) for n in sorted(shapes)]


def _path(name: str, folder: Path | None) -> Path:
    path = Path(os.path.expanduser(name))
    return path if folder is None else folder / path
