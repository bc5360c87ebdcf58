"""Recognize the network of a checkpoint by the names and shapes of its tensors."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam2_video.errors import CheckpointError
from napari_sam2_video.models.presets import PRESETS
from napari_sam2_video.models.tensor_shapes import SAM2_1_ONLY, expected_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.models.presets import ModelPreset

_NAMED = 3


def detect_architecture(shapes: Mapping[str, tuple[int, ...]], *, where: str = "The checkpoint") -> ModelPreset:
    """Preset of the network with these tensors.

    The size always follows from the tensors, not from the file name. SAM 2.0 lacks tensors that only 2.1 has; its
    preset is named ``"sam2.0-<size>"`` and has ``sam2_1=False``. The tensors do not show the image size that the
    weights were trained for.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Name and shape of every tensor.
    where : str
        Beginning of messages about this checkpoint, usually the file's name.

    Raises
    ------
    CheckpointError
        If no known network has exactly these tensors; the message lists the first that are missing, unknown or of
        another shape.
    """
    candidates = [preset for base in PRESETS.values() for preset in (base, sam2_0(base))]
    found = {preset.name: expected_shapes(preset) for preset in candidates}
    for preset in candidates:
        if found[preset.name] == dict(shapes):
            return preset
    nearest = min(candidates, key=lambda preset: _distance(found[preset.name], shapes))
    raise CheckpointError(_difference(nearest, found[nearest.name], shapes, where))


def sam2_0(preset: ModelPreset) -> ModelPreset:
    """The SAM 2.0 network of the same size as a SAM 2.1 preset."""
    return replace(preset, name=f"sam2.0-{preset.name}", sam2_1=False)


def preset_named(name: str) -> ModelPreset:
    """Preset called `name`, of SAM 2.1 (``"tiny"``) or SAM 2.0 (``"sam2.0-tiny"``)."""
    base = name.removeprefix("sam2.0-")
    return PRESETS[base] if base == name else sam2_0(PRESETS[base])


def _distance(expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]) -> int:
    same = sum(shapes.get(name) == shape for name, shape in expected.items())
    return len(expected) + len(shapes) - 2 * same


def _difference(
    preset: ModelPreset,
    expected: Mapping[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    where: str,
) -> str:
    missing = [name for name in expected if name not in shapes]
    foreign = [name for name in shapes if name not in expected]
    family = "SAM 2.1" if preset.sam2_1 else "SAM 2.0"
    title = f"{family} {preset.name.removeprefix('sam2.0-')}"
    remedy = "choose a checkpoint of SAM 2.1 or SAM 2.0 (other architectures cannot be used)"
    if missing and set(missing) <= set(SAM2_1_ONLY):
        return (
            f"{where} is neither SAM 2.0 nor SAM 2.1: of the tensors that only SAM 2.1 has, {_names(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; download it again or {remedy}."
        )
    if missing:
        return f"{where} is not a SAM 2 checkpoint: {_names(missing)} missing, nearest is {title}; {remedy}."
    if foreign:
        return f"{where} is not a SAM 2 checkpoint: {title} has no {_names(foreign)}; {remedy}."
    wrong = next(name for name, shape in expected.items() if shapes[name] != shape)
    return (
        f"{where} is not a SAM 2 checkpoint of a known size: {wrong} has the shape {shapes[wrong]} where {title} "
        f"has {expected[wrong]}; {remedy}."
    )


def _names(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
