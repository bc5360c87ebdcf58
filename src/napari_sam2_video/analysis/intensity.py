"""Measure raw values inside objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

PERCENTILES = (5, 25, 75, 95)
COLOURS = ("_red", "_green", "_blue")


def intensity_columns(
    raw: npt.NDArray[Any], flat: npt.NDArray[np.intp], starts: npt.NDArray[np.intp], suffix: str = ""
) -> dict[str, npt.NDArray[Any]]:
    """Statistics of the raw values of several objects, one row per object.

    Parameters
    ----------
    raw : ndarray, shape (Y, X) or (Y, X, 3)
        The values of a frame.
    flat : ndarray of int
        Flat indices of the pixels of the objects, one object after the other.
    starts : ndarray of int
        Where each object begins in `flat`; none is empty.
    suffix : str
        Appended to the names of the columns.

    Returns
    -------
    dict of str to ndarray
        ``intensity_mean``, ``_min``, ``_max``, ``_sum``, ``_std`` (of all pixels, as `numpy.std`), ``_median`` and
        ``_p5`` to ``_p95`` (linear between values, as `numpy.percentile`), each with `suffix`, and with ``_red``,
        ``_green`` and ``_blue`` for colour. A NaN inside an object makes its values NaN.
    """
    values_of = raw.reshape(-1, 1 if raw.ndim == 2 else raw.shape[2])
    colours = ("",) if values_of.shape[1] == 1 else COLOURS
    counts = np.diff(np.r_[starts, flat.size])
    owner = np.repeat(np.arange(starts.size), counts)
    columns: dict[str, npt.NDArray[Any]] = {}
    for index, colour in enumerate(colours):
        values = values_of[flat, index].astype(np.float64)
        for name, column in _figures(values, starts, counts, owner).items():
            columns[f"intensity_{name}{suffix}{colour}"] = column
    return columns


def _figures(
    values: npt.NDArray[np.float64],
    starts: npt.NDArray[np.intp],
    counts: npt.NDArray[np.intp],
    owner: npt.NDArray[np.intp],
) -> dict[str, npt.NDArray[np.float64]]:
    names = ("mean", "min", "max", "sum", "std", "median", *(f"p{q}" for q in PERCENTILES))
    if not starts.size:
        return {name: np.zeros(0) for name in names}
    total = np.add.reduceat(values, starts)
    mean = total / counts
    std = np.sqrt(np.add.reduceat((values - mean[owner]) ** 2, starts) / counts)
    ordered = values[np.lexsort((values, owner))]
    missing = np.logical_or.reduceat(np.isnan(values), starts)
    ranked = [np.where(missing, np.nan, _ranked(ordered, starts, counts, q / 100)) for q in (50, *PERCENTILES)]
    limits = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    return dict(zip(names, (mean, *limits, total, std, *ranked), strict=True))


def _ranked(
    ordered: npt.NDArray[np.float64], starts: npt.NDArray[np.intp], counts: npt.NDArray[np.intp], share: float
) -> npt.NDArray[np.float64]:
    """Quantile of each group of ascending values."""
    place = share * (counts - 1)
    below = np.floor(place).astype(np.intp)
    low, high = ordered[starts + below], ordered[starts + np.minimum(below + 1, counts - 1)]
    return np.asarray(low + (high - low) * (place - below), np.float64)
