"""Linear calibration of stored values, and the smallest type that holds the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt


@dataclass(frozen=True)
class Rescale:
    """Values are ``slope * stored + intercept``."""

    slope: float = 1.0
    intercept: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether integers stay integers."""
        return float(self.slope).is_integer() and float(self.intercept).is_integer()

    def dtype(self, stored: npt.DTypeLike) -> np.dtype[Any]:
        """Smallest type that holds every value of the type `stored` after rescaling."""
        stored = np.dtype(stored)
        if self == AS_STORED:
            return stored
        if stored.kind not in "ui" or not self.whole:
            return np.dtype(np.float64 if stored.itemsize > 4 else np.float32)
        limits = np.iinfo(stored)
        return smallest_type(self.slope * end + self.intercept for end in (limits.min, limits.max))

    def __call__(self, values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
        """Rescaled `values` in type `dtype`."""
        if self == AS_STORED:
            return values.astype(dtype, copy=False)
        if dtype.kind == "f":
            return np.asarray(values.astype(dtype) * dtype.type(self.slope) + dtype.type(self.intercept))
        return (values.astype(np.int64) * int(self.slope) + int(self.intercept)).astype(dtype)


def smallest_type(ends: Iterable[float]) -> np.dtype[Any]:
    """Smallest integer type that holds all values between `ends`; float32 if none of up to 32 bits does."""
    ends = list(ends)
    for name in ("u1", "u2", "i2", "i4", "u4"):
        limits = np.iinfo(name)
        if limits.min <= min(ends) and max(ends) <= limits.max:
            return np.dtype(name)
    return np.dtype(np.float32)


AS_STORED = Rescale()
