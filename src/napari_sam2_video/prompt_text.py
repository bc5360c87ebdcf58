"""Read prompts from a command line and from JSON files."""

from __future__ import annotations

import json
import os
import re
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import PromptError, RecordingError
from napari_sam2_video.frames.label_series import LabelSeries
from napari_sam2_video.frames.mask_image import read_mask
from napari_sam2_video.types import MaskPrompt
from napari_sam2_video.types.calls import public
from napari_sam2_video.types.checks import path_of
from napari_sam2_video.types.prompt_base import place_from_text
from napari_sam2_video.types.prompts import KINDS, SLICES, prompt_from_json, prompt_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.types import Prompt
    from napari_sam2_video.types.prompts import Seeds


def parse_mask(text: str, *, folder: Path | None = None) -> MaskPrompt:
    """Mask written as ``ID@FRAME:FILE``: an image of one frame for `frames.mask_image.read_mask`.

    Parameters
    ----------
    text : str
        The prompt.
    folder : Path, optional
        Folder of relative paths; by default the current one.

    Raises
    ------
    PromptError
        If it is written in another way, or the file is not a single plane.
    """
    place, rest = place_from_text(text, "ID@FRAME:FILE")
    return MaskPrompt(place.object_id, place.frame, _drawn(_inside(folder, rest)), axis=place.axis)


def parse_seeds(
    text: str, *, folder: Path | None = None, affine: Callable[[], npt.NDArray[Any] | None] | None = None
) -> Seeds:
    """Label image and frame written as ``LABELS@FRAME``, or label volume as ``LABELS@all`` or ``LABELS@middle``.

    For a volume or a series, ``@FRAME`` selects the labels of that frame.

    Parameters
    ----------
    text : str
        The text.
    folder : Path, optional
        Where a relative path starts; the current folder if not given.
    affine : callable, optional
        Returns the affine of the recording; called if the labels have one, to bring them into its voxel order.

    Returns
    -------
    labels : ndarray of shape (Y, X) or (Z, Y, X)
        The labels; 0 is background.
    at : int or str
        The frame, or which slices of a volume to use.

    Raises
    ------
    PromptError
        If it is written in another way, or the file holds no label images.
    """
    name, at, frame = text.rpartition("@")
    frame = frame.strip()
    if not at or not name.strip() or not (frame in SLICES or re.fullmatch(r"\d{1,99}", frame)):
        raise PromptError(
            f'"{text}" is not a label image on a frame; write it as LABELS.tif@FRAME, or as LABELS.tif@all or '
            "LABELS.tif@middle where it is a volume."
        )
    try:
        with closing(LabelSeries(_inside(folder, name.strip()))) as series:
            if affine is not None and series.affine is not None:
                series.align(affine())
            if frame in SLICES:
                return series.volume(), frame
            return series.read(int(frame) if series.n_frames > 1 else 0), int(frame)
    except RecordingError as error:
        raise PromptError(str(error)) from error


@public
def read_prompts(path: str | Path) -> tuple[Prompt, ...]:
    """Read a JSON file of prompts.

    The file holds a list of objects, or an object with such a list under ``"prompts"``::

        [{"object": 1, "frame": 0, "type": "point", "y": 20, "x": 31.5, "positive": false},
         {"object": 1, "frame": 0, "type": "box", "y0": 4, "x0": 6, "y1": 40, "x1": 52},
         {"object": 1, "frame": 9, "type": "scribble", "path": [[20, 31], [24, 38], [33, 40]], "positive": true},
         {"object": 2, "frame": 7, "type": "mask", "file": "second.png"},
         {"object": 2, "axis": "Y", "frame": 32, "type": "point", "y": 6, "x": 31.5}]

    ``positive`` is true if omitted; a relative ``file`` starts at the folder of the JSON file. With ``axis``,
    the prompt lies on a plane of a volume across that axis, ``frame`` is the number of the plane, and ``y`` and ``x``
    are the row and the column on it.

    Raises
    ------
    PromptError
        If the file cannot be read, or a prompt does not have this form; the message says which.
    """
    path = path_of(path, "The file of prompts")
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


@public
def write_prompts(path: str | Path, prompts: Iterable[Prompt]) -> None:
    """Write prompts to a JSON file for `read_prompts` and the command line; masks are written as run lengths.

    Parameters
    ----------
    path : str or Path
        The file, which is replaced if it exists.
    prompts : iterable of PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt
        The prompts, such as ``session.prompts()``.

    Raises
    ------
    PromptError
        If the file cannot be written.
    """
    rows = ",\n ".join(json.dumps(prompt.to_json(), allow_nan=False) for prompt in prompt_list(prompts))
    try:
        path_of(path, "The file of prompts").write_text(f"[{rows}]\n", encoding="utf-8")
    except OSError as error:
        raise PromptError(f"The prompts {path} cannot be written ({error.strerror}); choose another file.") from error


def _row(path: Path, number: int, row: Any) -> Prompt:
    where = f"Prompt {number} of {path}"
    if not isinstance(row, dict) or row.get("type") not in list(KINDS):
        raise PromptError(f'{where} needs a "type" that is "point", "box", "scribble" or "mask".')
    try:
        if row["type"] != MaskPrompt.kind or "file" not in row:
            return prompt_from_json(row)
        if not isinstance(row["file"], str) or not _is_path(row["file"]):
            raise ValueError('"file" must name an image')
        unknown = row.keys() - {"object", "axis", "frame", "type", "file"}
        if unknown:
            raise ValueError(f'has the unknown entry "{min(unknown)}"')
        image = _inside(path.parent, row["file"])
        return MaskPrompt(row.get("object"), row.get("frame"), _drawn(image), axis=row.get("axis"))  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError) as error:
        reason = 'has neither a "file" nor an "rle"' if isinstance(error, KeyError) else str(error)
        between = " " if reason.startswith("has ") else ": "
        raise PromptError(f"{where}{between}{reason.rstrip('.')}.") from error
    except PromptError as error:
        raise PromptError(f"{where}: {error}") from error


def _drawn(path: Path) -> npt.NDArray[np.bool_]:
    """The mask drawn in an image of one plane."""
    try:
        return read_mask(path)
    except RecordingError as error:
        raise PromptError(str(error)) from error
    except OSError as error:
        raise PromptError(f"The mask {path} cannot be read ({error.strerror}); check the name.") from error


def _is_path(name: str) -> bool:
    try:
        return bool(name) and b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _inside(folder: Path | None, name: str) -> Path:
    # unlike Path.expanduser, leaves a name such as ~mask.png alone if there is no such user
    path = Path(os.path.expanduser(name))
    return path if folder is None else folder / path
