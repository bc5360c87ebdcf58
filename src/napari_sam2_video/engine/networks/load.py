"""Model file + settings -> a network on a device."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from napari_sam2_video.errors import EngineError, ModelError

if TYPE_CHECKING:
    from types import ModuleType

    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.models.resolve import ModelFile
    from napari_sam2_video.types import ModelSettings

_FAMILIES = {"sam2": "napari_sam2_video.engine.networks.sam2"}
"""Package of each family of networks, with the functions `check_size` and `load` as in `networks.sam2`."""


def choose_device(device: str = "auto") -> str:
    """Device that a run uses.

    Parameters
    ----------
    device : str
        ``"auto"`` takes a CUDA device, else Apple's GPU, else the CPU; anything else is checked and returned.

    Raises
    ------
    EngineError
        If the device is not available.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    named = re.fullmatch(r"(cpu|cuda|mps)(?::(\d{1,3}))?", device, re.ASCII)
    if named is None:
        raise EngineError(f"There is no device {device!r}: choose auto, cpu, cuda or mps.")
    kind, number = named[1], int(named[2] or 0)
    if kind == "cpu":
        return kind
    if kind == "cuda":
        there = torch.cuda.is_available() and number < torch.cuda.device_count()
    else:
        there = torch.backends.mps.is_available() and number == 0
    if not there:
        raise EngineError(
            f"The installed torch {torch.__version__} cannot use the device {device}; choose auto, or install a torch "
            "that can."
        )
    return device


def choose_precision(precision: str, device: str) -> str:
    """Precision that a run uses: ``"auto"`` is bf16 on a CUDA device that has it, and fp32 elsewhere."""
    if precision not in ("auto", "fp32", "bf16", "fp16"):
        raise EngineError(f"There is no precision {precision!r}: choose auto, fp32, bf16 or fp16.")
    if precision != "auto":
        return precision
    import torch

    return "bf16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "fp32"


def has_bf16() -> bool:
    """Whether torch can multiply in bf16 on this CPU."""
    import torch

    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return supported is not None and bool(supported())


def choose(file: ModelFile, settings: ModelSettings) -> tuple[str, str, int]:
    """Device, precision and image size that a run uses; nothing is loaded.

    Raises
    ------
    ModelError
        If the image size cannot be used.
    EngineError
        If the device is not available.
    """
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    size = file.image_size if settings.image_size is None else settings.image_size
    try:
        _family(file).check_size(file.preset, size)
    except ValueError as error:
        raise ModelError(str(error)) from error
    return device, precision, size


def load_model(file: ModelFile, settings: ModelSettings) -> Network:
    """Build the network of a checkpoint and put it on its device.

    Parameters
    ----------
    file : ModelFile
        The checkpoint and what is known about it.
    settings : ModelSettings
        Device, precision, arithmetic and image size. With arithmetic ``"auto"`` on a CPU, both precisions are tried
        first; see `arithmetic_check`.

    Raises
    ------
    CheckpointError
        If the weights do not fit the network.
    ModelError
        If the image size cannot be used.
    EngineError
        If the device is missing or lacks memory.
    """
    device, precision, size = choose(file, settings)
    build = partial(_family(file).load, file, device=device)
    arithmetic = settings.arithmetic
    if arithmetic == "auto":
        arithmetic = "fast"
        if device == "cpu" and settings.precision == "auto" and has_bf16():
            from napari_sam2_video.engine.networks.arithmetic_check import LARGEST, compared

            tried = partial(build, min(size, LARGEST), arithmetic=arithmetic, compiled=False)
            found = compared(lambda numbers: tried(precision=numbers), file.sha256, min(size, LARGEST))
            precision = "bf16" if found.bf16 else "fp32"
    network: Network = build(size, precision=precision, arithmetic=arithmetic, compiled=settings.compile)
    if settings.image_size is None and file.note is not None:
        network.notes = (file.note, *network.notes)
    return network


def _family(file: ModelFile) -> ModuleType:
    return import_module(_FAMILIES[file.preset.family])
