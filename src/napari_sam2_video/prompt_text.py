"""Prompts as people write them: on a command line, and in JSON files."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError, RecordingError
from napari_sam2_video.types import MaskPrompt
from napari_sam2_video.types.prompts import KINDS, place_from_text, prompt_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    from napari_sam2_video.types import Prompt


def parse_mask(text: str, *, folder: Path | None = None) -> MaskPrompt:
    """Mask written as ``ID@FRAME:FILE``: an image of one frame, in which every pixel that is not 0 is the object.

    Parameters
    ----------
    text : str
        The prompt.
    folder : Path, optional
        Where a relative path starts; the current folder if not given.

    Raises
    ------
    PromptError
        If it is written in another way, or the file is not one plane.
    """
    object_id, frame, rest = place_from_text(text, "ID@FRAME:FILE")
    return _mask(object_id, frame, _inside(folder, rest))


def parse_seeds(text: str, *, folder: Path | None = None) -> tuple[npt.NDArray[Any], int]:
    """Label image and frame written as ``LABELS@FRAME``.

    Returns
    -------
    labels_yx : ndarray of shape (Y, X)
        The label image, 0 where there is no object.
    frame : int
        Its frame.

    Raises
    ------
    PromptError
        If it is written in another way, or the file is not one plane of whole numbers.
    """
    name, at, frame = text.rpartition("@")
    if not at or not name.strip() or not re.fullmatch(r"\s*\d{1,99}\s*", frame):
        raise PromptError(f'"{text}" is not a label image on a frame; write it as LABELS.tif@FRAME.')
    path = _inside(folder, name.strip())
    labels = _plane(path)
    if labels.ndim != 2:
        raise PromptError(f"{path} is a colour image where a label image holds whole numbers; convert it.")
    if labels.dtype.kind not in "uib":
        raise PromptError(f"{path} holds {labels.dtype} where a label image holds whole numbers; convert it.")
    return labels, int(frame)


def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Read a JSON file of prompts.

    The file holds a list of objects, or an object with such a list under ``"prompts"``::

        [{"object": 1, "frame": 0, "type": "point", "y": 20, "x": 31.5, "positive": false},
         {"object": 1, "frame": 0, "type": "box", "y0": 4, "x0": 6, "y1": 40, "x1": 52},
         {"object": 2, "frame": 7, "type": "mask", "file": "second.png"}]

    ``positive`` is true if it is left out; a relative ``file`` starts at the folder of the JSON file.

    Raises
    ------
    PromptError
        If the file cannot be read, or one of the prompts is not of this form; the sentence says which.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PromptError(f"The prompts {path} cannot be read ({error.strerror}); check the path.") from error
    except (ValueError, RecursionError) as error:
        raise PromptError(f"The prompts {path} are not valid JSON ({error}).") from error
    rows = content.get("prompts") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise PromptError(f"The prompts {path} must be a JSON list with at least one prompt.")
    return tuple(_row(path, number, row) for number, row in enumerate(rows, start=1))


def write_prompts(path: str | Path, prompts: Iterable[Prompt]) -> None:
    """Write prompts to a JSON file that `read_prompts` and the command line take; masks are written as run lengths.

    Parameters
    ----------
    path : str or Path
        The file, which is replaced if it exists.
    prompts : iterable of PointPrompt, BoxPrompt or MaskPrompt
        The prompts, such as ``session.prompts()``.

    Raises
    ------
    PromptError
        If the file cannot be written.
    """
    rows = ",\n ".join(json.dumps(prompt.to_json(), allow_nan=False) for prompt in prompts)
    try:
        Path(path).write_text(f"[{rows}]\n", encoding="utf-8")
    except OSError as error:
        raise PromptError(f"The prompts {path} cannot be written ({error.strerror}); choose another file.") from error


def _row(path: Path, number: int, row: Any) -> Prompt:
    where = f"Prompt {number} of {path}"
    if not isinstance(row, dict) or row.get("type") not in list(KINDS):
        raise PromptError(f'{where} needs a "type" that is "point", "box" or "mask".')
    try:
        if row["type"] != MaskPrompt.kind or "file" not in row:
            return prompt_from_json(row)
        if not isinstance(row["file"], str) or not _is_path(row["file"]):
            raise ValueError('"file" must name an image')
        unknown = row.keys() - {"object", "frame", "type", "file"}
        if unknown:
            raise ValueError(f'has the unknown entry "{min(unknown)}"')
        image = _inside(path.parent, row["file"])
        return MaskPrompt(row.get("object"), row.get("frame"), _drawn(image))  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        said = 'has neither a "file" nor an "rle"' if isinstance(error, KeyError) else str(error)
        raise PromptError(f"{where}: {said.rstrip('.')}.") from error
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error


def _mask(object_id: int, frame: int, path: Path) -> MaskPrompt:
    return MaskPrompt(object_id, frame, _drawn(path))


def _drawn(path: Path) -> npt.NDArray[np.bool_]:
    """What is drawn in an image of one plane: every pixel that is neither 0 nor NaN, in any of its colours."""
    plane = _plane(path)
    drawn: npt.NDArray[np.bool_] = (plane != 0) & (plane == plane)
    return np.asarray(drawn.any(axis=-1)) if drawn.ndim == 3 else drawn


def _is_path(name: str) -> bool:
    try:
        return bool(name) and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _inside(folder: Path | None, name: str) -> Path:
    # leaves a name such as ~mask.png alone where Path.expanduser finds no such user
    path = Path(os.path.expanduser(name))
    return path if folder is None else folder / path


def _plane(path: Path) -> npt.NDArray[Any]:
    """Pixels of an image of one plane; of a palette image, the numbers and not the colours."""
    from napari_sam2_video.frames.open import open_recording

    numbers = _palette_numbers(path)
    if numbers is not None:
        return numbers
    try:
        with open_recording(path) as recording:
            pixels: Any = recording.read({})
            colour = recording.axes.endswith("S")
    except RecordingError as error:
        raise PromptError(str(error)) from error
    planes = pixels.reshape(-1, *pixels.shape[-3:]) if colour else pixels.reshape(-1, *pixels.shape[-2:])
    if len(planes) != 1:
        raise PromptError(f"{path} has the shape {pixels.shape} where an image of one plane is needed.")
    plane: npt.NDArray[Any] = planes[0]
    return plane


def _palette_numbers(path: Path) -> npt.NDArray[Any] | None:
    """Numbers of a palette image, in which label images are often kept; None for any other file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            return np.asarray(image) if image.mode == "P" else None
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
