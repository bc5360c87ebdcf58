"""SAM 2.1 and SAM 2.0, built from the parts of the ``sam2`` package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam2_video.engine.networks.sam2.build import build_network, network_config
from napari_sam2_video.engine.networks.sam2.installed import installed_sam2
from napari_sam2_video.engine.networks.sam2.model import Sam2Model
from napari_sam2_video.engine.torch_errors import engine_errors
from napari_sam2_video.errors import CheckpointError

if TYPE_CHECKING:
    from napari_sam2_video.models.presets import ModelPreset
    from napari_sam2_video.models.resolve import ModelFile


def check_size(preset: ModelPreset, image_size: int) -> None:
    """Raise ValueError, with a sentence for users, unless the network takes square images of this side in pixels."""
    network_config(preset, image_size)


def load(
    file: ModelFile, image_size: int, *, device: str, precision: str, arithmetic: str, compiled: bool
) -> Sam2Model:
    """Build the network of a checkpoint, with its weights, on a device.

    The input is a square with sides of `image_size` pixels; `compiled` compiles the expensive parts. For the other
    options see `Sam2Model`.

    Raises
    ------
    CheckpointError
        If the weights do not fit the network.
    DeviceMemoryError, EngineError
        If the device lacks memory or fails.
    """
    from napari_sam2_video.models.checkpoint import load_state

    with engine_errors("cpu"):
        network = build_network(file.preset, image_size)
    state = load_state(file.path, known=file.known)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"{file.path} does not fit the network {file.preset.name}: {error}") from error
    model = Sam2Model(
        network,
        file.preset,
        name=file.name,
        sha256=file.sha256,
        device=device,
        precision=precision,
        arithmetic=arithmetic,
    )
    differs = installed_sam2()["differs"]
    if differs:
        model.notes = (
            f"The installed sam2 is not Meta's: {', '.join(differs)} differ, and so may the masks; reinstall rf-sam-2.",
        )
    if compiled:
        model.compile()
    return model
