"""Prompts: checked against the recording, and their form in the journal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.masks.codec import decode_mask, encode_mask
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.types import Prompt


@dataclass(frozen=True)
class PromptSet:
    """Prompts of one object on one frame as the journal knows them; `revision` is the entry that set them."""

    object_id: int
    frame: int
    revision: int
    items: tuple[dict[str, Any], ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """``"point"``, ``"box"`` or ``"mask"`` for each of them."""
        return tuple(item["kind"] for item in self.items)


def key_of(object_id: int, frame: int) -> str:
    """Key of an object on a frame."""
    return f"{object_id}:{frame}"


def split_key(key: Any, n_frames: int | None = None) -> tuple[int, int]:
    """Object and frame of a key; raises ValueError for anything else."""
    left, right = str(key).split(":")
    object_id, frame = int(left), int(right)
    if key != key_of(object_id, frame) or object_id < 1 or frame < 0 or (n_frames is not None and frame >= n_frames):
        raise ValueError("no object on a frame")
    return object_id, frame


def prompts_from_json(key: Any, value: Any) -> PromptSet:
    """Prompts of their journal form; raises ValueError, TypeError or KeyError for anything else."""
    items = tuple(_item_from_json(item) for item in value["items"])
    return PromptSet(*split_key(key), int(value["revision"]), items)


def _item_from_json(item: Any) -> dict[str, Any]:
    kind = item["kind"]
    if kind == "mask":
        if not isinstance(item["blob"], str):
            raise TypeError("a mask without a name")
        return {"kind": kind, "blob": item["blob"]}
    numbers = {name: item[name] for name in {"point": ("y", "x"), "box": ("y0", "x0", "y1", "x1")}[kind]}
    if not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers.values()):
        raise ValueError("a prompt that lies nowhere")
    return {"kind": kind, **numbers} | ({"positive": bool(item["positive"])} if kind == "point" else {})


def to_json(prompts: Sequence[Prompt], keep_blob: Callable[[bytes], str]) -> list[dict[str, Any]]:
    """Journal form of prompts; masks go to `keep_blob`, which names them."""
    items: list[dict[str, Any]] = []
    for prompt in prompts:
        if isinstance(prompt, PointPrompt):
            items.append(
                {"kind": "point", "y": float(prompt.y), "x": float(prompt.x), "positive": bool(prompt.positive)}
            )
        elif isinstance(prompt, BoxPrompt):
            items.append({"kind": "box", **{n: float(getattr(prompt, n)) for n in ("y0", "x0", "y1", "x1")}})
        else:
            items.append(mask_item(keep_blob(encode_mask(prompt.mask))))
    return items


def mask_item(blob: str) -> dict[str, Any]:
    """Journal form of a mask that is kept under a name."""
    return {"kind": "mask", "blob": blob}


def from_json(
    found: PromptSet, shape_yx: tuple[int, int], read_blob: Callable[[str], bytes], *, masks: bool = True
) -> tuple[Prompt, ...]:
    """Prompts of their journal form, without masks if not asked for."""
    prompts: list[Prompt] = []
    for item in found.items:
        where = (found.object_id, found.frame)
        if item["kind"] == "point":
            prompts.append(PointPrompt(*where, item["y"], item["x"], bool(item["positive"])))
        elif item["kind"] == "box":
            prompts.append(BoxPrompt(*where, item["y0"], item["x0"], item["y1"], item["x1"]))
        elif masks:
            prompts.append(MaskPrompt(*where, decode_mask(read_blob(item["blob"]), shape_yx)))
    return tuple(prompts)


def checked(prompt: Prompt, n_frames: int, shape_yx: tuple[int, int]) -> Prompt:
    """Check a prompt; boxes are cut to the image.

    Raises
    ------
    PromptError
        If it lies outside the recording, is empty or does not fit.
    """
    what = f"of object {prompt.object_id} on frame {prompt.frame}"
    if not isinstance(prompt.object_id, int | np.integer) or not isinstance(prompt.frame, int | np.integer):
        raise PromptError(f"The prompt {what} needs whole numbers for both; convert them.")
    if prompt.object_id < 1:
        raise PromptError(f"An object cannot have the id {prompt.object_id}; ids begin with 1.")
    if not 0 <= prompt.frame < n_frames:
        raise PromptError(
            f"The prompt {what} lies outside the recording, which has the frames 0 to {n_frames - 1}; move it."
        )
    height, width = shape_yx
    if isinstance(prompt, PointPrompt):
        if not (-0.5 <= prompt.y <= height - 0.5 and -0.5 <= prompt.x <= width - 0.5):
            raise PromptError(
                f"The point ({prompt.y:g}, {prompt.x:g}) {what} lies outside the image of {height} × {width} pixels; "
                "click inside it."
            )
        return prompt
    if isinstance(prompt, BoxPrompt):
        return _checked_box(prompt, shape_yx, what)
    mask = np.asarray(prompt.mask)
    if mask.ndim != 2 or mask.shape != shape_yx:
        raise PromptError(
            f"The mask {what} has the shape {mask.shape} where the image has {shape_yx}; give it at full size."
        )
    if not mask.any():
        raise PromptError(f"The mask {what} is empty; paint at least one pixel.")
    return MaskPrompt(prompt.object_id, prompt.frame, mask.astype(bool))


def _checked_box(box: BoxPrompt, shape_yx: tuple[int, int], what: str) -> BoxPrompt:
    height, width = shape_yx
    corners = (box.y0, box.x0, box.y1, box.x1)
    if not all(math.isfinite(c) for c in corners):
        raise PromptError(f"The box {what} has no finite corners; draw it again.")
    y0, y1 = sorted((box.y0, box.y1))
    x0, x1 = sorted((box.x0, box.x1))
    if y1 < -0.5 or x1 < -0.5 or y0 > height - 0.5 or x0 > width - 0.5:
        raise PromptError(
            f"The box {what} lies outside the image of {height} × {width} pixels; draw it around the object."
        )
    y0, x0 = max(y0, -0.5), max(x0, -0.5)
    y1, x1 = min(y1, height - 0.5), min(x1, width - 0.5)
    if y1 - y0 <= 0 or x1 - x0 <= 0:
        raise PromptError(f"The box {what} is empty; draw it around the object.")
    return BoxPrompt(box.object_id, box.frame, y0, x0, y1, x1)
