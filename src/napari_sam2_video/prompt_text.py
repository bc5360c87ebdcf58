"""Prompts as people write them: on a command line, and in JSON files."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError, RecordingError
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_sam2_video.types import Prompt

# Python converts no more than 4300 digits
_PLACE = re.compile(r"\s*(\d{1,99})\s*@\s*(\d{1,99})\s*:\s*(.+?)\s*", re.DOTALL)
_KEYS = {"point": {"y", "x", "positive"}, "box": {"y0", "x0", "y1", "x1"}, "mask": {"file"}}


def parse_point(text: str, *, positive: bool = True) -> PointPrompt:
    """Point written as ``ID@FRAME:Y,X``.

    Raises
    ------
    PromptError
        If it is written in another way.
    """
    object_id, frame, rest = _place(text, "ID@FRAME:Y,X")
    y, x = _numbers(rest, 2, text, "ID@FRAME:Y,X")
    return PointPrompt(object_id, frame, y, x, positive)


def parse_box(text: str) -> BoxPrompt:
    """Box written as ``ID@FRAME:Y0,X0,Y1,X1``; the corners may come in any order.

    Raises
    ------
    PromptError
        If it is written in another way.
    """
    form = "ID@FRAME:Y0,X0,Y1,X1"
    object_id, frame, rest = _place(text, form)
    return _box(object_id, frame, *_numbers(rest, 4, text, form))


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
    object_id, frame, rest = _place(text, "ID@FRAME:FILE")
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


def read_prompts(path: Path) -> tuple[Prompt, ...]:
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


def _row(path: Path, number: int, row: Any) -> Prompt:
    where = f"Prompt {number} of {path}"
    if not isinstance(row, dict) or row.get("type") not in list(_KEYS):
        raise PromptError(f'{where} needs a "type" that is "point", "box" or "mask".')
    kind = row["type"]
    unknown = row.keys() - _KEYS[kind] - {"object", "frame", "type"}
    if unknown:
        raise PromptError(f'{where}, a {kind}, has the unknown entry "{min(unknown)}".')
    object_id, frame = (_whole(row, key, where) for key in ("object", "frame"))
    if kind == "point":
        positive = row.get("positive", True)
        if not isinstance(positive, bool):
            raise PromptError(f'{where}: "positive" must be true or false.')
        return PointPrompt(object_id, frame, _real(row, "y", where), _real(row, "x", where), positive)
    if kind == "box":
        return _box(object_id, frame, *(_real(row, key, where) for key in ("y0", "x0", "y1", "x1")))
    if not isinstance(row.get("file"), str) or not _is_path(row["file"]):
        raise PromptError(f'{where}: "file" must name an image.')
    return _mask(object_id, frame, _inside(path.parent, row["file"]))


def _whole(row: Mapping[str, Any], key: str, where: str) -> int:
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < (key == "object"):
        raise PromptError(f'{where}: "{key}" must be a whole number from {int(key == "object")} on.')
    return value


def _real(row: Mapping[str, Any], key: str, where: str) -> float:
    value = row.get(key)
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PromptError(f'{where}: "{key}" must be a number.')
    return number


def _place(text: str, form: str) -> tuple[int, int, str]:
    found = _PLACE.fullmatch(text)
    if found is None or int(found[1]) < 1:
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return int(found[1]), int(found[2]), found[3]


def _numbers(rest: str, count: int, text: str, form: str) -> list[float]:
    try:
        values = [float(part) for part in rest.split(",")]
    except ValueError:
        values = []
    if len(values) != count or not all(map(math.isfinite, values)):
        raise PromptError(f'"{text}" is not a prompt; write it as {form}, with ids from 1 and frames from 0.')
    return values


def _box(object_id: int, frame: int, y0: float, x0: float, y1: float, x1: float) -> BoxPrompt:
    return BoxPrompt(object_id, frame, min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1))


def _mask(object_id: int, frame: int, path: Path) -> MaskPrompt:
    plane = _plane(path)
    drawn: npt.NDArray[np.bool_] = plane != 0
    return MaskPrompt(object_id, frame, np.asarray(drawn.any(axis=-1)) if drawn.ndim == 3 else drawn)


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
