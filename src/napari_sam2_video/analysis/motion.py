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

    Everything compares a frame with the last one before it on which the object has pixels, so a gap does not hide
    what happened across it. Rows of an empty mask, and differences at an object's first frame, are NaN.

    Parameters
    ----------
    table : Table
        Needs ``object_id``, ``frame``, ``position``, ``area``, ``centroid_y`` and ``centroid_x``, ordered by
        object and frame.

    Returns
    -------
    Table
        The table with ``area_change`` (length unit squared), ``growth_rate`` (the same per walk unit),
        ``relative_area`` (area over that of the object's first frame), ``displacement`` (length unit), ``speed``
        (length unit per walk unit), ``path_length`` (sum of displacements so far) and ``net_displacement``
        (distance from the object's first place).
    """
    added = {name: np.full(len(table), np.nan) for name in MOTION_COLUMNS}
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        rows = rows[table["area"][rows] > 0]
        if not rows.size:
            continue
        area = table["area"][rows]
        place_yx = np.stack([table["centroid_y"][rows], table["centroid_x"][rows]], axis=1)
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
    """Average the squared distance an object covers in a given time.

    Each lag is averaged over all pairs of frames that are that far apart and on which the object has pixels
    (overlapping pairs, as in the time-averaged displacement of single-particle tracking).

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure`.
    max_lag : int, optional
        Largest lag in frames; a quarter of each object's span if not given, because longer lags rest on few
        independent pairs.

    Returns
    -------
    Table
        ``object_id``, ``lag`` (frames), ``lag_position`` (walk unit), ``msd`` (length unit squared) and ``pairs``
        (number of pairs averaged). Lags without a pair are left out.
    """
    parts: list[tuple[int, npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]] = []
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        rows = rows[table["area"][rows] > 0]
        if rows.size < 2:
            continue
        frames = table["frame"][rows] - table["frame"][rows[0]]
        span = int(frames[-1])
        place_yx = np.full((span + 1, 2), np.nan)
        place_yx[frames] = np.stack([table["centroid_y"][rows], table["centroid_x"][rows]], axis=1)
        last = min(span, max(1, span // 4) if max_lag is None else max_lag)
        lags = np.arange(1, last + 1)
        msd, pairs = np.zeros(last), np.zeros(last, np.int64)
        for lag in lags:
            squared = ((place_yx[lag:] - place_yx[:-lag]) ** 2).sum(axis=1)
            both = ~np.isnan(squared)
            pairs[lag - 1] = both.sum()
            msd[lag - 1] = squared[both].mean() if both.any() else np.nan
        parts.append((object_id, lags[pairs > 0], msd[pairs > 0], pairs[pairs > 0]))
    lags = np.concatenate([part[1] for part in parts]) if parts else np.zeros(0, np.int64)
    columns: dict[str, npt.NDArray[Any]] = {
        "object_id": np.repeat([part[0] for part in parts], [len(part[1]) for part in parts]).astype(np.int64),
        "lag": lags,
        "lag_position": lags * table.calibration.step,
        "msd": np.concatenate([part[2] for part in parts]) if parts else np.zeros(0),
        "pairs": np.concatenate([part[3] for part in parts]) if parts else np.zeros(0, np.int64),
    }
    return Table(columns, table.calibration)
