"""Turn torch's exceptions into errors for users."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_sam2_video.errors import DeviceMemoryError, EngineError, Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def engine_errors(device: str) -> Iterator[None]:
    """Turn torch's exceptions into this package's errors.

    Raises
    ------
    DeviceMemoryError
        If the device is out of memory.
    EngineError
        If the network fails in any other way.
    """
    import torch

    try:
        yield
    except Sam2VideoError:
        raise
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise DeviceMemoryError(
            f"The device {device} ran out of memory: choose a smaller model or image size, or track fewer objects "
            "at a time; finished frames are kept and the run can be resumed."
        ) from error
    except RuntimeError as error:
        text = str(error)
        if "out of memory" in text or "can't allocate memory" in text:
            raise DeviceMemoryError(
                f"The device {device} ran out of memory: choose a smaller model or image size; finished frames are "
                "kept and the run can be resumed."
            ) from error
        first = text.splitlines()[0] if text else "no reason"
        if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise EngineError(
                f"The network cannot be compiled for {device} ({first}): run without compiling."
            ) from error
        raise EngineError(f"The network failed on {device}: {first}.") from error
