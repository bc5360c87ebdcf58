"""Networks that find objects named by a phrase: their URLs, and their folders on this computer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.errors import CheckpointError, ModelError
from napari_sam2_video.models.checksum_record import recorded_sha256
from napari_sam2_video.models.download import download
from napari_sam2_video.models.file_type import is_page_or_pointer
from napari_sam2_video.models.folder import file_sha256, model_folder

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHTS = "model.safetensors"
CONFIG = "config.json"
DEFAULT = "grounding-dino-tiny"


@dataclass(frozen=True)
class TextDetector:
    """A published network of ``transformers`` for zero-shot object detection.

    Parameters
    ----------
    name : str
        Name to type.
    title : str
        Title to display.
    url : str
        Where its files are published.
    files : tuple of str
        Names of its files besides configuration and weights.
    licence : str
        Licence of the weights.
    note : str
        Advice for choosing it.
    """

    name: str
    title: str
    url: str
    files: tuple[str, ...]
    licence: str = "Apache-2.0"
    note: str = ""

    def folder(self, below: Path | None = None) -> Path:
        """Folder of its files, existing or not, `below` a model folder or the default one."""
        return (below or model_folder()) / self.name

    def is_downloaded(self, below: Path | None = None) -> bool:
        """True if all of its files exist; their hashes are checked when they are used."""
        return all((self.folder(below) / name).is_file() for name in (*self.files, CONFIG, WEIGHTS))


@dataclass(frozen=True)
class _File:
    """One of its files for `download`; its hash is recorded at the first download and checked from then on."""

    name: str
    file_name: str
    url: str
    size: int | None = None
    sha256: str | None = None

    def impostor(self, head: bytes) -> str | None:
        """What the bytes are, if not this file."""
        return is_page_or_pointer(head)

    def by_hand(self, folder: Path) -> str:
        """End of a sentence: how to put the file into place by hand."""
        return f"download {self.url} in another way and save it as {folder / self.file_name}"


TEXT_DETECTORS: dict[str, TextDetector] = {
    entry.name: entry
    for entry in (
        TextDetector(
            DEFAULT,
            "Grounding DINO tiny",
            "https://huggingface.co/IDEA-Research/grounding-dino-tiny/resolve/main",
            ("preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"),
            note="finds what a phrase names; needs the extra 'text'",
        ),
        TextDetector(
            "owlv2-base",
            "OWLv2 base",
            "https://huggingface.co/google/owlv2-base-patch16-ensemble/resolve/main",
            ("preprocessor_config.json", "vocab.json", "merges.txt", "tokenizer_config.json"),
            note="the same, better with rare words; needs the extra 'text'",
        ),
    )
}


def fetch_text_detector(
    name: str,
    *,
    folder: Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> Path:
    """Download missing files of a text detector, and return their folder.

    Parameters
    ----------
    name : str
        Name of a text detector.
    folder : Path, optional
        Model folder; the usual one if not given.
    progress : callable, optional
        Called with the bytes of the weights received, and the total (None if unknown).

    Raises
    ------
    ModelError
        If there is no such text detector.
    DownloadError
        If it could not be downloaded.
    """
    entry = _entry(name)
    target = entry.folder(folder)
    for file_name in (*entry.files, WEIGHTS, CONFIG):
        file = _File(name, file_name, f"{entry.url}/{file_name}")
        seen = progress if file_name == WEIGHTS else None
        download(file, target, progress=seen)
    return target


def find_text_detector(name: str, *, folder: Path | None = None) -> Path:
    """Folder of a text detector, by its name or as a path, with its files checked; nothing is downloaded.

    Raises
    ------
    ModelError
        If it is unknown or not downloaded; the message names the command that downloads it.
    CheckpointError
        If a file is not the one that was downloaded.
    """
    if name not in TEXT_DETECTORS:
        path = Path(os.path.expanduser(name))
        if (path / CONFIG).is_file():
            return path
        raise ModelError(
            f'There is no text detector "{name}" and no folder of that name with a {CONFIG}; choose one of '
            f"{', '.join(TEXT_DETECTORS)}."
        )
    entry = _entry(name)
    place = entry.folder(folder)
    if not entry.is_downloaded(folder):
        raise ModelError(
            f'The text detector "{name}" is not downloaded yet; run `napari-sam2-video models download {name}`, or '
            f"download the files of {entry.url} in another way and save them in {place}."
        )
    for file_name in (*entry.files, WEIGHTS, CONFIG):
        expected = recorded_sha256(place / file_name)
        if expected is not None and file_sha256(place / file_name) != expected:
            raise CheckpointError(
                f"{place / file_name} is not the file that was downloaded and was not loaded; delete it and run "
                f"`napari-sam2-video models download {name}`."
            )
    return place


def _entry(name: str) -> TextDetector:
    if name not in TEXT_DETECTORS:
        raise ModelError(f'There is no text detector "{name}"; choose one of {", ".join(TEXT_DETECTORS)}.')
    return TEXT_DETECTORS[name]
