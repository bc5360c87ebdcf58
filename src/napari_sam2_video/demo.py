"""The demonstration: make a recording with known truth, track and export it, and compare it with the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.api import add_prompts, create_session, export, resume
from napari_sam2_video.types import BoxPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.session import Session
    from napari_sam2_video.types import FrameDone, ModelSettings

_SMALLEST = 60


@dataclass(frozen=True)
class DemoResult:
    """Files of the demonstration, and its agreement with the truth.

    Parameters
    ----------
    files : dict of str to Path
        Path of each file, by its content.
    iou : dict of int to float
        Mean IoU with the truth over the frames that show the object, by object.
    n_frames : int
        Number of frames.
    notes : tuple of str
        Notes from the exports.
    """

    files: dict[str, Path]
    iou: dict[int, float]
    n_frames: int
    notes: tuple[str, ...]

    @property
    def mean_iou(self) -> float:
        """Mean of `iou` over the objects."""
        return float(np.mean(list(self.iou.values())))


def run_demo(
    out: Path,
    model: ModelSettings,
    *,
    n_frames: int = 40,
    seed: int = 0,
    progress: Callable[[FrameDone], None] | None = None,
) -> DemoResult:
    """Track all cells of a synthetic time series from a box on the first frame.

    Parameters
    ----------
    out : Path
        Folder for the results; files of an earlier demonstration in it are replaced.
    model : ModelSettings
        The network.
    n_frames : int
        Length of the recording.
    seed : int
        Which recording.
    progress : callable, optional
        Called after each frame.

    Raises
    ------
    Sam2VideoError
        If anything goes wrong.
    """
    import tifffile

    from napari_sam2_video.errors import ExportError
    from napari_sam2_video.synthetic import sample_time_series

    clip = sample_time_series(frames=n_frames, seed=seed)
    files = {"recording": out / "cells.tif", "session": out / "cells.sam2v"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(files["recording"], clip.frames, imagej=True, metadata={"axes": "TYX", "finterval": 60.0})
    except OSError as error:
        raise ExportError(f"The folder {out} cannot be written to: {error.strerror or error}.") from error
    prompts = boxes_of(clip.labels[0], 0)
    notes: list[str] = []
    with create_session(files["recording"], files["session"], axis="T", model=model, overwrite=True) as session:
        add_prompts(session, prompts)
        resume(session, progress=progress)
        iou = agreement(session, clip.labels, [p.object_id for p in prompts])
        for what, name in (
            ("labels", "cells_labels.ome.tif"),
            ("overlay", "cells_overlay.mp4"),
            ("preview", "cells_preview.png"),
            ("table", "cells_measurements.csv"),
        ):
            report = export(session, out / name, overwrite=True)
            files[what] = report.path
            notes.extend(report.notes)
    return DemoResult(files, iou, n_frames, tuple(notes))


def boxes_of(labels_yx: npt.NDArray[Any], frame: int) -> list[BoxPrompt]:
    """Box prompts around all labels of an image that are large enough; the label is the object's id."""
    from scipy.ndimage import find_objects

    boxes = []
    for object_id, place in enumerate(find_objects(labels_yx.astype(np.int32)), 1):
        if place is not None and np.count_nonzero(labels_yx[place] == object_id) >= _SMALLEST:
            rows, columns = place
            corners = rows.start, columns.start, rows.stop - 1, columns.stop - 1
            boxes.append(BoxPrompt(object_id, frame, *(float(c) for c in corners)))
    return boxes


def agreement(session: Session, truth_tyx: npt.NDArray[Any], object_ids: list[int]) -> dict[int, float]:
    """Mean IoU of each object with the truth, over the frames in which either shows it."""
    rows = [iou_of_objects(session.masks.read_labels(t), truth_tyx[t], object_ids) for t in range(session.n_frames)]
    return dict(zip(object_ids, np.nanmean(rows, axis=0).tolist(), strict=True))


def iou_of_objects(
    labels_yx: npt.NDArray[Any], truth_yx: npt.NDArray[Any], object_ids: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Intersection over union of each object on one frame.

    Parameters
    ----------
    labels_yx, truth_yx : ndarray of integers, shape (Y, X)
        Label images with the same ids.
    object_ids : sequence of int
        Objects to compare.

    Returns
    -------
    ndarray of float, shape (len(object_ids),)
        IoU (the Jaccard index); NaN if the object is on neither image, which is correct but has no overlap.
    """
    ids = np.asarray(object_ids)
    size = int(max(labels_yx.max(initial=0), truth_yx.max(initial=0), ids.max(initial=0))) + 1
    ours = np.bincount(labels_yx.ravel(), minlength=size)[ids]
    theirs = np.bincount(truth_yx.ravel(), minlength=size)[ids]
    both = np.bincount(labels_yx[labels_yx == truth_yx].ravel(), minlength=size)[ids]
    union = ours + theirs - both
    iou = np.full(len(ids), np.nan)
    np.divide(both, union, out=iou, where=union > 0)
    return iou
