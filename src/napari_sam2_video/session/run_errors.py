"""Turn errors of a run into one message that says what is kept and how to continue."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2_video.errors import DeviceMemoryError, EngineError, Sam2VideoError
from napari_sam2_video.storage.atomic import explain, is_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@contextmanager
def run_failures(doing: str, kept: str, again: str, folder: Path, last: Callable[[], int]) -> Iterator[None]:
    """Raise whatever leaves the block as a `Sam2VideoError`.

    Parameters
    ----------
    doing, kept, again : str
        ``"Tracking"``, what is safe, and what to do then, as one clause each.
    folder : Path
        The folder that a disk error is about.
    last : callable
        Returns the last finished frame, -1 for none.
    """
    try:
        yield
    except Sam2VideoError:
        raise
    except MemoryError as error:
        raise DeviceMemoryError(
            f"This computer ran out of memory{_after(last())}; {kept}: close other programs or choose a smaller "
            f"model, then {again}."
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and is_known(error):
            raise explain(error, folder) from error
        raise EngineError(
            f"{doing} failed{_after(last())} ({type(error).__name__}: {error}); {kept}, {again} to continue."
        ) from error


def _after(frame: int) -> str:
    return "" if frame < 0 else f" after frame {frame}"
