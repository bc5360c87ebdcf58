"""Read the tensors of a checkpoint without ever running code from the file."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import CheckpointError
from napari_sam2_video.models.file_type import not_a_checkpoint, read_head

if TYPE_CHECKING:
    from pathlib import Path

    import torch

SAFE_TORCH = (2, 10)
_WRAPPERS = ("model", "state_dict")


def load_state(path: Path, *, known: bool) -> dict[str, torch.Tensor]:
    """Tensors of a checkpoint, floating-point ones as float32, on the CPU.

    The file is only ever read with ``torch.load(weights_only=True)``. The tensors are under ``"model"`` (as in Meta's
    files) or ``"state_dict"``, or at the top level. Weights in half precision are widened.

    Parameters
    ----------
    path : Path
        The checkpoint.
    known : bool
        True if the file's SHA-256 is in the catalogue. Any other file needs torch 2.10 or newer, because older
        versions can be made to run code even with ``weights_only=True`` (CVE-2025-32434, CVE-2026-24747).

    Raises
    ------
    CheckpointError
        If the file is missing, is not a checkpoint, is damaged, holds more than tensors, or may not be read with the
        installed torch.
    """
    refuse_impostor(path)
    import torch

    if not known and torch_release() < SAFE_TORCH:
        wanted = ".".join(map(str, SAFE_TORCH))
        raise CheckpointError(
            f"{path.name} is not a published checkpoint, and reading it safely needs torch "
            f"{wanted} or newer (torch {torch.__version__} is installed); update torch or choose a model of the "
            "catalogue."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(_why_not_loaded(path, error)) from error
    return _float32(path, _state_of(path, content))


def refuse_impostor(path: Path) -> None:
    """Raise `CheckpointError` if a file is missing, unreadable, empty, a web page or a Git LFS pointer."""
    try:
        impostor = not_a_checkpoint(read_head(path))
    except IsADirectoryError as error:
        raise CheckpointError(f"{path} is a folder, not a checkpoint; give the .pt file itself.") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no checkpoint at {path}; check the path.") from error
    except OSError as error:
        if path.is_dir():
            raise CheckpointError(f"{path} is a folder, not a checkpoint; give the .pt file itself.") from error
        raise CheckpointError(
            f"The checkpoint {path} cannot be read ({error.strerror}); check its permissions."
        ) from error
    if impostor:
        raise CheckpointError(f"{path} is not a checkpoint but {impostor}; delete it and download the model again.")


def torch_release() -> tuple[int, int]:
    """Major and minor version of the installed torch."""
    import torch

    major, minor = re.findall(r"\d+", torch.__version__)[:2]
    return int(major), int(minor)


def _why_not_loaded(path: Path, error: Exception) -> str:
    text = str(error)
    if isinstance(error, MemoryError) or "allocate memory" in text:
        return f"There is not enough memory to read {path}; choose a smaller model, or close other programs."
    forbidden = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"Unsupported (?:global|class)[^\n]*", text)
    if forbidden is None and read_head(path).startswith((b"PK", b"\x80")):
        forbidden = re.search(r"Unsupported operand[^\n]*", text)
    if forbidden:
        what = forbidden.group(1) if forbidden.re.groups else forbidden.group(0)
        return (
            f"{path} was refused: besides tensors it holds instructions to run or build something else ({what}), as "
            "a harmful file would; use a checkpoint that holds tensors only."
        )
    if isinstance(error, EOFError) or "zip archive" in text or "PytorchStreamReader" in text or "storage" in text:
        return f"{path} is damaged or truncated; delete it and download the model again."
    return (
        f"{path} is not a PyTorch checkpoint that can be read safely ({type(error).__name__}); choose a .pt file "
        "of SAM 2.1 or SAM 2.0."
    )


def _state_of(path: Path, content: Any) -> dict[str, Any]:
    if isinstance(content, dict):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), content)
        if inner and all(isinstance(key, str) and hasattr(value, "dtype") for key, value in inner.items()):
            return inner
        listed = ", ".join(sorted(map(str, content))[:5]) or "nothing"
        raise CheckpointError(
            f'{path} has no entry "model" with the tensors of a network (it holds: {listed}); choose a checkpoint of '
            "SAM 2.1 or SAM 2.0."
        )
    raise CheckpointError(
        f"{path} holds a {type(content).__name__} and not the tensors of a network; choose a checkpoint of SAM 2.1 "
        "or SAM 2.0."
    )


def _float32(path: Path, state: dict[str, Any]) -> dict[str, torch.Tensor]:
    import torch

    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or not tensor.dtype.is_floating_point:
            raise CheckpointError(
                f"{path} stores {name} as {tensor.dtype} on {tensor.device}, which is not a plain weight; choose a "
                "checkpoint in float32, float16 or bfloat16."
            )
        tensors[name] = tensor.detach().to(torch.float32)
    return tensors
