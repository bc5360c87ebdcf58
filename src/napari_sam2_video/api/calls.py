"""Checks that the public functions share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError, SettingsError
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt
from napari_sam2_video.types.checks import shown, whole

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.types import Prompt


def path_of(value: Any, what: str) -> Path:
    """A path, from text or a path.

    Raises
    ------
    SettingsError
        If it is something else, or empty.
    """
    if isinstance(value, str | os.PathLike) and (not isinstance(value, str) or value):
        return Path(value)
    raise SettingsError(f"{what} must be a path, not {shown(value)}.")


def prompt_list(prompts: Any) -> list[Prompt]:
    """Prompts, from any iterable.

    Raises
    ------
    PromptError
        If it holds something else.
    """
    given = list(prompts) if isinstance(prompts, Iterable) else [prompts]
    for one in given:
        if not isinstance(one, PointPrompt | BoxPrompt | MaskPrompt):
            raise PromptError(f"prompts must be a list of PointPrompt, BoxPrompt or MaskPrompt, not of {shown(one)}.")
    return given


def seed_list(seeds: Any) -> list[tuple[npt.NDArray[Any], int]]:
    """Label images and their frames.

    Raises
    ------
    PromptError
        If it is not a list of pairs, or a label image is not one.
    """
    pairs = list(seeds) if isinstance(seeds, list | tuple) else [seeds]
    checked: list[tuple[npt.NDArray[Any], int]] = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise PromptError(
                "seeds must be a list of label images and their frames, such as [(labels_yx, 0)], not of "
                f"{type(pair).__name__}."
            )
        labels_yx, frame = np.asarray(pair[0]), whole(pair[1], "The frame of seeds", at_least=0, error=PromptError)
        if labels_yx.ndim != 2 or labels_yx.dtype.kind not in "bui":
            raise PromptError(
                f"The seeds of frame {frame} have the shape {labels_yx.shape} and the type {labels_yx.dtype} where "
                "whole numbers of shape (Y, X) are needed."
            )
        checked.append((labels_yx, frame))
    return checked
