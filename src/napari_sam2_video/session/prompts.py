"""The form of prompts in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2_video.masks.codec import decode_mask, encode_mask
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, ScribblePrompt
from napari_sam2_video.types.prompts import prompt_from_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.types import Prompt


@dataclass(frozen=True)
class StoredMask:
    """A mask prompt whose pixels are kept under a name."""

    blob: str
    kind = MaskPrompt.kind


StoredPrompt: TypeAlias = PointPrompt | BoxPrompt | ScribblePrompt | StoredMask


@dataclass(frozen=True)
class PromptSet:
    """Prompts of one object on one frame in the journal; `revision` is the entry that set them."""

    object_id: int
    frame: int
    revision: int
    items: tuple[StoredPrompt, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """``"point"``, ``"box"``, ``"scribble"`` or ``"mask"`` for each of them."""
        return tuple(item.kind for item in self.items)


def key_of(object_id: int, frame: int) -> str:
    """Key of an object on a frame."""
    return f"{object_id}:{frame}"


def prompts_table(axis: str) -> str:
    """Table name for prompts on the planes across an axis that the session does not walk."""
    return f"prompts_{axis.lower()}"


def accepted_table(axis: str) -> str:
    """Table name for accepted planes across such an axis."""
    return f"accepted_{axis.lower()}"


def split_key(key: Any, n_frames: int | None = None) -> tuple[int, int]:
    """Object and frame from a key; raises ValueError for anything else."""
    left, right = str(key).split(":")
    object_id, frame = int(left), int(right)
    if key != key_of(object_id, frame) or object_id < 1 or frame < 0 or (n_frames is not None and frame >= n_frames):
        raise ValueError("no object on a frame")
    return object_id, frame


def prompts_from_json(key: Any, value: Any) -> PromptSet:
    """Prompts from their journal form; raises ValueError, TypeError or KeyError for anything else."""
    where = split_key(key)
    return PromptSet(*where, int(value["revision"]), tuple(_stored(*where, item) for item in value["items"]))


def _stored(object_id: int, frame: int, item: Any) -> StoredPrompt:
    if item["type"] == MaskPrompt.kind:
        if not isinstance(item["blob"], str):
            raise TypeError("a mask without a name")
        return StoredMask(item["blob"])
    prompt = prompt_from_json({"object": object_id, "frame": frame, **item})
    assert not isinstance(prompt, MaskPrompt)
    return prompt


def to_json(prompts: Sequence[Prompt], keep_blob: Callable[[bytes], str]) -> list[dict[str, Any]]:
    """Journal form of prompts; masks are stored by `keep_blob`, which names them."""
    return [
        mask_item(keep_blob(encode_mask(prompt.mask))) if isinstance(prompt, MaskPrompt) else without_place(prompt)
        for prompt in prompts
    ]


def mask_item(blob: str) -> dict[str, Any]:
    """Journal form of a mask stored under a name."""
    return {"type": MaskPrompt.kind, "blob": blob}


def without_place(prompt: StoredPrompt) -> dict[str, Any]:
    """JSON of a prompt without the object, the frame, and the pixels of a mask."""
    if isinstance(prompt, StoredMask):
        return {"type": prompt.kind}
    return {name: value for name, value in prompt.to_json().items() if name not in ("object", "frame")}


def stored_json(prompt: StoredPrompt) -> dict[str, Any]:
    """Journal form of a prompt that is already in the journal."""
    return mask_item(prompt.blob) if isinstance(prompt, StoredMask) else without_place(prompt)


def unpacked(
    found: PromptSet, shape_yx: tuple[int, int], read_blob: Callable[[str], bytes], *, masks: bool = True
) -> tuple[Prompt, ...]:
    """Prompts with the pixels of their masks, or without masks."""
    prompts: list[Prompt] = []
    for item in found.items:
        if not isinstance(item, StoredMask):
            prompts.append(item)
        elif masks:
            prompts.append(MaskPrompt(found.object_id, found.frame, decode_mask(read_blob(item.blob), shape_yx)))
    return tuple(prompts)
