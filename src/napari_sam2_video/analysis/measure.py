"""Measure size, position, shape and intensity of every object on every frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.intensity import intensity_columns
from napari_sam2_video.analysis.motion import motion
from napari_sam2_video.analysis.shape import SHAPE_COLUMNS, shape_columns
from napari_sam2_video.analysis.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from napari_sam2_video.results import Calibration, TrackingResult

Columns = dict[str, npt.NDArray[Any]]
Reader: TypeAlias = "Callable[[int], npt.NDArray[Any] | None]"

INTEGER_COLUMNS = ("object_id", "frame", "area_px", "bbox_y0", "bbox_x0", "bbox_y1", "bbox_x1")
FLAG_COLUMNS = ("prompted", "painted", "accepted")
SCORE_COLUMNS = ("object_score", "predicted_iou", "disagreement", "checked_from")


def measure(
    result: TrackingResult,
    *,
    intensity: bool = True,
    shape: bool = True,
    readers: Mapping[str, Reader] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Measure every object on every frame.

    Frames are read one at a time, so memory holds one frame and the table. Sizes follow `skimage.measure.regionprops`
    with ``spacing=pixel_size``: second moments are taken in the recording's units, so a circle in a recording with
    anisotropic pixels has eccentricity 0.

    Parameters
    ----------
    result : TrackingResult
        The tracked recording.
    intensity : bool
        Also read the recording and measure its raw values.
    shape : bool
        Also measure perimeters and shapes, which takes a few milliseconds for each object and frame.
    readers : mapping of str to callable, optional
        What to measure instead of the recording: functions from a frame to its raw values, by the suffix of the column
        names.
    progress : callable, optional
        Called with the number of frames done and the total.

    Returns
    -------
    Table
        One row for each object and each frame on which it has pixels or was tracked, ordered by object and frame.
        A frame on which the object was tracked but not found has area 0, and NaN in columns that need pixels.

        ``object_id``, ``name``, ``frame``
            Zero-based frame along the walked axis.
        ``position``
            Position of the frame along the walked axis in ``walk_unit``; its own time if the interval varies.
        ``area_px``, ``area``
            Number of pixels of the object's own mask, including those covered by other objects, and the same in
            ``length_unit`` squared.
        ``centroid_y_px``, ``centroid_x_px``, ``centroid_y``, ``centroid_x``
            Mean pixel centre in pixels and in ``length_unit``; if the recording was walked along Y or X, the names have
            the plane's axes instead of y and x.
        ``bbox_y0``, ``bbox_x0``, ``bbox_y1``, ``bbox_x1``
            First pixel row and column, and those after the last, all 0 for an empty mask.
        ``equivalent_diameter_px``, ``equivalent_diameter``
            Diameter of the disc of the same area.
        ``major_axis``, ``minor_axis``, ``eccentricity``
            Axes and eccentricity of the ellipse with the same second moments, lengths in ``length_unit``.
        ``perimeter``, ``circularity``, ``solidity``, ``orientation``, ``feret_diameter``
            See `napari_sam2_video.analysis.shape.measure_shape`; absent without `shape`.
        ``touches_border``
            True if a pixel is in the first or last row or column of the frame.
        ``intensity_mean`` to ``intensity_p95``
            See `napari_sam2_video.analysis.intensity.intensity_columns`; absent without raw values, and NaN on frames
            without any.
        ``object_score``, ``predicted_iou``
            The network's scores; NaN if unknown.
        ``disagreement``, ``checked_from``
            1 - IoU of the mask with the one found by tracking back, and the frame it was tracked back from; NaN if it
            was not checked.
        ``prompted``, ``painted``, ``accepted``
            Whether the user prompted, painted or accepted the frame.
        ``walk``
            Direction in which the frame was tracked: 1 forward, -1 backward, 0 if unknown.
        ``area_change`` to ``net_displacement``
            See `napari_sam2_video.analysis.motion.motion`.
        ``length_unit``, ``walk_unit``
            Units of the columns above.
    """
    calibration = result.calibration
    sources = (readers or {"": result.raw}) if intensity else {}
    parts: list[Columns] = []
    for done, frame in enumerate(result.frames, start=1):
        layers = result.layers(frame)
        raw = _raw(sources, frame) if layers[0].any() else {}
        parts += [measure_frame(labels_yx, raw, calibration.pixel_size, frame, shape=shape) for labels_yx in layers]
        if progress is not None:
            progress(done, len(result.frames))
    if intensity and not any(len(part["object_id"]) for part in parts):
        raw, nothing = _raw(sources, result.frames.start), np.zeros(result.shape_yx, np.uint8)
        parts = [measure_frame(nothing, raw, calibration.pixel_size, shape=shape)]
    columns = _join(parts)
    names = {entry.id: entry.name for entry in result.objects}
    known = sorted(set(names) | set(np.unique(columns["object_id"]).tolist()))
    scores = {object_id: _within(result.frames, result.scores(object_id)) for object_id in known}
    columns = _with_scores(_with_absent_frames(columns, scores), scores)
    return _finish(columns, names, calibration)


def _raw(sources: Mapping[str, Reader], frame: int) -> dict[str, npt.NDArray[Any]]:
    found = {suffix: read(frame) for suffix, read in sources.items()}
    return {suffix: values for suffix, values in found.items() if values is not None}


def _within(frames: range, scores: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
    """Scores of some frames."""
    if "frame" not in scores:
        return scores
    inside = (scores["frame"] >= frames.start) & (scores["frame"] < frames.stop)
    return {name: column[inside] for name, column in scores.items()}


def measure_frame(
    labels_yx: npt.NDArray[Any],
    raw: Mapping[str, npt.NDArray[Any]],
    pixel_size: tuple[float, float] = (1.0, 1.0),
    frame: int = 0,
    *,
    shape: bool = False,
) -> Columns:
    """Measure all objects of one frame at once.

    Parameters
    ----------
    labels_yx : ndarray of unsigned int, shape (Y, X)
        Object ids, 0 for none.
    raw : mapping of str to ndarray of shape (Y, X) or (Y, X, 3)
        Values to measure, by the suffix of the column names.
    pixel_size : tuple of float
        Pixel size ``(dy, dx)``.
    frame : int
        Number written into the column ``frame``.
    shape : bool
        Also measure perimeters and shapes.

    Returns
    -------
    dict of str to ndarray
        The columns of `measure` that depend on one frame alone, one row per object, ids ascending.
    """
    height, width = labels_yx.shape
    flat = np.flatnonzero(labels_yx)
    ids = labels_yx.reshape(-1)[flat]
    order = np.argsort(ids, kind="stable")
    flat, ids = flat[order], ids[order]
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]]) if ids.size else np.zeros(0, np.intp)
    counts = np.diff(np.r_[starts, ids.size]).astype(np.int64)
    y, x = np.divmod(flat, width)
    columns: Columns = {
        "object_id": ids[starts].astype(np.int64),
        "frame": np.full(starts.size, frame, np.int64),
        "area_px": counts,
    }
    total = _reducer(starts)
    columns["centroid_y_px"] = total(np.add, y) / counts
    columns["centroid_x_px"] = total(np.add, x) / counts
    columns["bbox_y0"] = total(np.minimum, y)
    columns["bbox_x0"] = total(np.minimum, x)
    columns["bbox_y1"] = total(np.maximum, y) + 1
    columns["bbox_x1"] = total(np.maximum, x) + 1
    columns["touches_border"] = (
        (columns["bbox_y0"] == 0)
        | (columns["bbox_x0"] == 0)
        | (columns["bbox_y1"] == height)
        | (columns["bbox_x1"] == width)
    )
    dy = (y - np.repeat(columns["centroid_y_px"], counts)) * pixel_size[0]
    dx = (x - np.repeat(columns["centroid_x_px"], counts)) * pixel_size[1]
    variances = [total(np.add, product) / counts for product in (dy * dy, dx * dx, dy * dx)]
    columns["major_axis"], columns["minor_axis"], columns["eccentricity"] = _ellipse(*variances)
    if shape:
        boxes = zip(*(columns[f"bbox_{side}"].tolist() for side in ("y0", "x0", "y1", "x1")), strict=True)
        crops = zip(columns["object_id"].tolist(), boxes, strict=True)
        columns.update(shape_columns([labels_yx[y0:y1, x0:x1] == i for i, (y0, x0, y1, x1) in crops], pixel_size))
    for suffix, values in raw.items():
        columns.update(intensity_columns(values, flat, starts, suffix))
    return columns


def _reducer(starts: npt.NDArray[np.intp]) -> Callable[[np.ufunc, npt.NDArray[Any]], npt.NDArray[Any]]:
    def reduce(function: np.ufunc, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if not starts.size:
            return np.zeros(0, values.dtype)
        reduced: npt.NDArray[Any] = function.reduceat(values, starts)
        return reduced

    return reduce


def _ellipse(
    yy: npt.NDArray[Any], xx: npt.NDArray[Any], yx: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    middle, half = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    large, small = middle + half, np.clip(middle - half, 0, None)
    ratio = np.divide(small, large, out=np.ones_like(large), where=large > 0)
    return 4 * np.sqrt(large), 4 * np.sqrt(small), np.sqrt(1 - ratio)


def _join(parts: list[Columns]) -> Columns:
    filled = [part for part in parts if len(part["object_id"])] or parts[:1]
    names = max(filled, key=len)  # frames without raw values have no intensities
    return {
        name: np.concatenate([part.get(name, np.full(len(part["object_id"]), np.nan)) for part in filled])
        for name in names
    }


def _with_absent_frames(columns: Columns, scores: Mapping[int, Mapping[str, npt.NDArray[Any]]]) -> Columns:
    seen = set(zip(columns["object_id"].tolist(), columns["frame"].tolist(), strict=True))
    absent = [
        (object_id, frame)
        for object_id, of_object in scores.items()
        for frame in np.asarray(of_object.get("frame", ()), np.int64).tolist()
        if (object_id, frame) not in seen
    ]
    pairs = np.array(absent, np.int64).reshape(-1, 2)
    joined: Columns = {}
    for name, column in columns.items():
        if name == "touches_border" or name in INTEGER_COLUMNS:
            tail = np.zeros(len(pairs), column.dtype)
        else:
            tail = np.full(len(pairs), np.nan)
        joined[name] = np.concatenate([column, tail])
    joined["object_id"][len(seen) :] = pairs[:, 0]
    joined["frame"][len(seen) :] = pairs[:, 1]
    order = np.lexsort((joined["frame"], joined["object_id"]))
    return {name: column[order] for name, column in joined.items()}


def _with_scores(columns: Columns, scores: Mapping[int, Mapping[str, npt.NDArray[Any]]]) -> Columns:
    n_rows = len(columns["object_id"])
    added: Columns = {name: np.full(n_rows, np.nan) for name in SCORE_COLUMNS}
    added.update({name: np.zeros(n_rows, bool) for name in FLAG_COLUMNS})
    added["walk"] = np.zeros(n_rows, np.int8)
    for object_id, of_object in scores.items():
        rows = np.flatnonzero(columns["object_id"] == object_id)
        frames = np.asarray(of_object.get("frame", ()), np.int64)
        at = np.searchsorted(columns["frame"][rows], frames)
        for name in added:
            if name in of_object:
                added[name][rows[at]] = of_object[name]
    return {**columns, **added}


def _named_by_axes(columns: Columns, plane_axes: tuple[str, str]) -> Columns:
    """Rename position columns after the axes of the plane instead of y and x."""
    letters = dict(zip("yx", (letter.lower() for letter in plane_axes), strict=True))
    pattern = re.compile("(?<=centroid_)[yx]|(?<=bbox_)[yx]")
    return {pattern.sub(lambda found: letters[found[0]], name): column for name, column in columns.items()}


def _finish(columns: Columns, names: Mapping[int, str], calibration: Calibration) -> Table:
    dy, dx = calibration.pixel_size
    n_rows = len(columns["object_id"])
    intensities = [name for name in columns if name.startswith("intensity_")]
    area = columns["area_px"] * (dy * dx)
    found = columns["area_px"] > 0
    ordered: Columns = {
        "object_id": columns["object_id"],
        "name": np.array([names.get(object_id, "") for object_id in columns["object_id"].tolist()], dtype=np.str_),
        "frame": columns["frame"],
        "position": calibration.position(columns["frame"]),
        "area_px": columns["area_px"],
        "area": area,
        "centroid_y_px": columns["centroid_y_px"],
        "centroid_x_px": columns["centroid_x_px"],
        "centroid_y": columns["centroid_y_px"] * dy,
        "centroid_x": columns["centroid_x_px"] * dx,
        **{name: columns[name] for name in INTEGER_COLUMNS if name.startswith("bbox_")},
        "equivalent_diameter_px": np.where(found, np.sqrt(4 * columns["area_px"] / np.pi), np.nan),
        "equivalent_diameter": np.where(found, np.sqrt(4 * area / np.pi), np.nan),
        "major_axis": columns["major_axis"],
        "minor_axis": columns["minor_axis"],
        "eccentricity": columns["eccentricity"],
        **{name: columns[name] for name in SHAPE_COLUMNS if name in columns},
        "touches_border": columns["touches_border"],
        **{name: columns[name] for name in intensities},
        **{name: columns[name] for name in (*SCORE_COLUMNS, *FLAG_COLUMNS, "walk")},
    }
    units = {
        "length_unit": np.full(n_rows, calibration.length_unit),
        "walk_unit": np.full(n_rows, calibration.walk_unit),
    }
    named = _named_by_axes(ordered, calibration.plane_axes)
    return motion(Table(named, calibration)).with_columns(**units)
