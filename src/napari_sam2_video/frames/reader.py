"""What a reader of one kind of file or folder declares."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sam2_video.errors import RecordingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.frames.recording import Recording

HEAD_BYTES = 1024
"""How many bytes of a file `Reader.matches` sees at most."""


@dataclass(frozen=True)
class Reader:
    """One kind of recording on disk.

    Parameters
    ----------
    name : str
        Name of the format, such as ``"TIFF"``.
    patterns : tuple of str
        Usual names, such as ``"*.tif"``, for file dialogs; which reader opens a file is decided by its content.
    matches : callable
        Whether a file with those first bytes, or a folder where they are None, is of this kind.
    open : callable
        Opens it without reading its pixels: ``open(path, series)``, with the series by index or name, None if none was
        chosen. Raises `RecordingError` if it is damaged.
    has_series : bool
        Whether a file or folder of this kind can hold several series to choose from.
    """

    name: str
    patterns: tuple[str, ...]
    matches: Callable[[bytes | None, Path], bool]
    open: Callable[[Path, int | str | None], Recording]
    has_series: bool = False


def need(package: str, path: Path) -> None:
    """Refuse a file whose package is missing.

    Raises
    ------
    RecordingError
        With a message that says how to install it.
    """
    try:
        importlib.import_module(package)
    except ImportError as error:
        raise RecordingError(
            f"{path} needs the package {package}; install it with: pip install 'napari-sam2-video[medical]'"
        ) from error
