"""How objects grow and move from frame to frame."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.table import Table

MOTION_COLUMNS = (
    "area_change",
    "growth_rate",
    "relative_area",
    "displacement",
    "speed",
    "path_length",
    "net_displacement",
)


def motion(table: Table) -> Table:
    """Add growth and motion to a table of `napari_sam2_video.analysis.measure.measure`.

    Each frame is compared with the previous one on which the object has pixels, so a gap does not hide changes across
    it. Rows of an empty mask, and differences at an object's first frame, are NaN.

    Parameters
    ----------
    table : Table
        Needs ``object_id``, ``frame``, ``position``, ``area`` and the centroids, ordered by
        object and frame.

    Returns
    -------
    Table
        The table with ``area_change`` (length unit squared), ``growth_rate`` (the same per walk unit),
        ``relative_area`` (area over that of the object's first frame), ``displacement`` (length unit), ``speed``
        (length unit per walk unit), ``path_length`` (sum of displacements so far) and ``net_displacement``
        (distance from the object's first position).
    """
    added = {name: np.full(len(table), np.nan) for name in MOTION_COLUMNS}
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        rows = rows[table["area"][rows] > 0]
        if not rows.size:
            continue
        area = table["area"][rows]
        place_yx = table.centroids()[rows]
        elapsed = np.diff(table["position"][rows])
        moved = np.hypot(*np.diff(place_yx, axis=0).T)
        added["area_change"][rows[1:]] = np.diff(area)
        added["growth_rate"][rows[1:]] = np.diff(area) / elapsed
        added["relative_area"][rows] = area / area[0]
        added["displacement"][rows[1:]] = moved
        added["speed"][rows[1:]] = moved / elapsed
        added["path_length"][rows] = np.r_[0.0, np.cumsum(moved)]
        added["net_displacement"][rows] = np.hypot(*(place_yx - place_yx[0]).T)
    return table.with_columns(**added)


def mean_squared_displacement(table: Table, *, max_lag: int | None = None) -> Table:
    """Mean squared distance that an object covers in a given time.

    Each lag is averaged over all pairs of frames that are that far apart and on which the object has pixels
    (overlapping pairs, as in the time-averaged displacement of single-particle tracking). If the interval varies, pairs
    are grouped by the time between them, in steps of the median interval.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure`.
    max_lag : int, optional
        Largest lag in frames; a quarter of each object's span if not given, because longer lags have few independent
        pairs.

    Returns
    -------
    Table
        ``object_id``, ``lag`` (frames, or median intervals), ``lag_position`` (walk unit; the mean of the pairs),
        ``msd`` (length unit squared) and ``pairs`` (number of pairs averaged). Lags without a pair are omitted.
    """
    names = ("object_id", "lag", "lag_position", "msd", "pairs")
    parts: list[tuple[npt.NDArray[Any], ...]] = [tuple(np.zeros(0, kind) for kind in (int, int, float, float, int))]
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        rows = rows[table["area"][rows] > 0]
        if rows.size < 2:
            continue
        frames = table["frame"][rows]
        span = int(frames[-1] - frames[0])
        last = min(span, max(1, span // 4) if max_lag is None else max_lag)
        place_yx = table.centroids()[rows]
        found = _squared_by_lag(table["position"][rows] / table.calibration.step, place_yx, last)
        lags, between, msd, pairs = found
        parts.append((np.full(len(lags), object_id), lags, between * table.calibration.step, msd, pairs))
    columns = {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}
    return Table(columns, table.calibration)


def _squared_by_lag(
    place: npt.NDArray[np.float64], place_yx: npt.NDArray[np.float64], last: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Lags up to `last`, their mean along the walk, the mean squared distance, and the number of pairs.

    `place` ascends along the walk, in steps of one interval.
    """
    pairs, between, squared = np.zeros(last + 1, np.int64), np.zeros(last + 1), np.zeros(last + 1)
    for apart in range(1, len(place)):
        elapsed = place[apart:] - place[:-apart]
        lag = np.rint(elapsed).astype(np.int64)
        if lag.min() > last:
            break
        near = (lag >= 1) & (lag <= last)
        moved = ((place_yx[apart:] - place_yx[:-apart]) ** 2).sum(axis=1)[near]
        pairs += np.bincount(lag[near], minlength=last + 1)
        between += np.bincount(lag[near], elapsed[near], last + 1)
        squared += np.bincount(lag[near], moved, last + 1)
    lags = np.flatnonzero(pairs)
    return lags, between[lags] / pairs[lags], squared[lags] / pairs[lags], pairs[lags]
