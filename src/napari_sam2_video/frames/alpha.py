"""Put transparent images on a white background, as most viewers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

NOTE = "Transparent pixels are shown on white."


def on_white(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Lay an image with straight alpha over white.

    Parameters
    ----------
    values : ndarray, shape (..., 2) or (..., 4)
        Grey and alpha, or RGB and alpha, as unsigned integers of the full range of their type or as floats from 0 to 1.

    Returns
    -------
    ndarray, shape (...,) or (..., 3)
        With the type of `values`.
    """
    colour, alpha = values[..., :-1], values[..., -1:]
    if values.dtype.kind == "f":
        white: Any = 1
        shown = colour * alpha + (white - alpha)
    else:
        white = int(np.iinfo(values.dtype).max)
        wide = np.uint32 if values.dtype.itemsize == 1 else np.uint64
        alpha = alpha.astype(wide)
        shown = (colour.astype(wide) * alpha + white * (white - alpha) + white // 2) // white
    shown = shown.astype(values.dtype)
    result: npt.NDArray[Any] = shown if values.shape[-1] == 4 else shown[..., 0]
    return result
