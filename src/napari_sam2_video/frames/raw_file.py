"""Read byte ranges of one file from many threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


class RawFile:
    """A file of plain numbers, opened once.

    Reading past the end raises an error, where a memory map of a file that was truncated meanwhile would crash the
    process.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._lock = threading.Lock()

    def read(self, offset: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Array of that shape and dtype that begins `offset` bytes into the file.

        Raises
        ------
        EOFError
            If the file ends before the array does.
        """
        values = np.empty(shape, dtype)
        view = memoryview(values.reshape(-1).view(np.uint8).data)
        with self._lock:
            self._file.seek(offset)
            while view:
                count = self._file.readinto(view)
                if not count:
                    raise EOFError
                view = view[count:]
        return values

    def close(self) -> None:
        """Close the file once the current read has finished."""
        with self._lock:
            self._file.close()
