"""Find the file of a model by name or path, and check it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.errors import CheckpointError, ModelError
from napari_sam2_video.models.catalogue import (
    CATALOGUE,
    checkpoint_path,
    entry_with_hash,
    find_entry,
    how_to_get,
    is_downloaded,
)
from napari_sam2_video.models.checkpoint import load_state, refuse_impostor
from napari_sam2_video.models.checksum_record import recorded_sha256
from napari_sam2_video.models.detect_architecture import detect_architecture
from napari_sam2_video.models.folder import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.models.catalogue import ModelEntry
    from napari_sam2_video.models.presets import ModelPreset


@dataclass(frozen=True)
class ModelFile:
    """An existing checkpoint, checked as far as possible without running it.

    Parameters
    ----------
    path : Path
        The file.
    preset : ModelPreset
        Its network.
    sha256 : str
        Hexadecimal SHA-256 of the file.
    name : str
        Name in the catalogue, or the file's name without its suffix.
    image_size : int
        Side in pixels of the square image it was trained for.
    known : bool
        True if the SHA-256 is in the catalogue.
    image_size_known : bool
        False if `image_size` is only the preset's default: the tensors of a 512 px and a 1024 px model look the same,
        so users have to give the size for their own files.
    """

    path: Path
    preset: ModelPreset
    sha256: str
    name: str
    image_size: int
    known: bool
    image_size_known: bool = True

    @property
    def note(self) -> str | None:
        """A note for the user before the first run, if any."""
        if self.image_size_known:
            return None
        return (
            f"{self.path.name} does not state its image size; {self.image_size} is assumed. If it "
            "was trained at another size, 512 for instance, choose that image size."
        )


def resolve_model(
    model: str, *, download: bool = False, progress: Callable[[int, int | None], None] | None = None
) -> ModelFile:
    """Find the checkpoint with a name or path, and download it if allowed.

    Parameters
    ----------
    model : str
        Name of the catalogue, or path of a checkpoint. A name wins over a file of the same name.
    download : bool
        Download the checkpoint if it is missing.
    progress : callable, optional
        Called with the bytes received and the total (None if unknown).

    Raises
    ------
    ModelError
        If the name is unknown or the model is not downloaded; the message names the command that downloads it.
    CheckpointError
        If the file differs from the catalogue, or is not a usable checkpoint.
    DownloadError
        If it could not be downloaded.
    """
    if model not in CATALOGUE:
        return _own_file(model)
    entry = find_entry(model)
    if not is_downloaded(entry):
        if download and entry.url is not None:
            from napari_sam2_video.models.download import download as fetch
            from napari_sam2_video.models.folder import model_folder

            fetch(entry, model_folder(), progress=progress)
        else:
            raise _absent(entry, None)
    return verify(model)


def verify(name: str, *, folder: Path | None = None) -> ModelFile:
    """Compare the SHA-256 of a model in the catalogue with the published one, without loading the file.

    If none is published, it is compared with the one recorded at the first download.

    Raises
    ------
    ModelError
        If the model is unknown or not downloaded.
    CheckpointError
        If the file differs.
    """
    entry = find_entry(name)
    path = checkpoint_path(entry, folder)
    if not path.is_file():
        raise _absent(entry, folder)
    refuse_impostor(path)
    found = file_sha256(path)
    expected = entry.sha256 or recorded_sha256(path)
    if expected is not None and found != expected:
        raise CheckpointError(
            f"{path} is not the published {entry.title} (SHA-256 {found} instead of {expected}) and was not loaded; "
            + (
                "install napari-sam2-video again."
                if entry.url is None
                else f"delete it and run `napari-sam2-video models download {entry.name}`."
            )
        )
    return ModelFile(path, entry.network, found, entry.name, entry.image_size, known=entry.sha256 is not None)


def _own_file(model: str) -> ModelFile:
    path = Path(os.path.expanduser(model))
    if not path.exists() and path.suffix == "" and path.name == model:
        raise ModelError(
            f'There is no model called "{model}" and no file of that name; choose one of: {", ".join(CATALOGUE)}, '
            "or give the path of a checkpoint."
        )
    refuse_impostor(path)
    sha256 = file_sha256(path)
    entry = entry_with_hash(sha256)
    if entry is not None:
        return ModelFile(path, entry.network, sha256, entry.name, entry.image_size, known=True)
    for candidate in CATALOGUE.values():
        if recorded_sha256(checkpoint_path(candidate)) == sha256:
            return ModelFile(path, candidate.network, sha256, candidate.name, candidate.image_size, known=False)
    state = load_state(path, known=False)
    preset = detect_architecture({name: tuple(tensor.shape) for name, tensor in state.items()}, where=str(path))
    return ModelFile(path, preset, sha256, path.stem, preset.image_size, known=False, image_size_known=False)


def _absent(entry: ModelEntry, folder: Path | None) -> ModelError:
    path = checkpoint_path(entry, folder)
    if entry.url is None:
        return ModelError(f"{path} is not part of this installation; install napari-sam2-video again.")
    size = f" ({entry.size / 1e6:.0f} MB)" if entry.size else ""
    there = f"cannot be used, because {path} has the wrong size" if path.is_file() else "is not downloaded yet"
    return ModelError(
        f'The model "{entry.name}"{size} {there}; run `napari-sam2-video models download {entry.name}`, or '
        f"{how_to_get(entry, folder)}."
    )
