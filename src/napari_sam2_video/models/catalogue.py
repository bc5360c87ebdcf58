"""The known checkpoints: URL, size, SHA-256 and network of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.errors import ModelError
from napari_sam2_video.models.demo import DEMO_BYTES, DEMO_FILE, DEMO_SHA256
from napari_sam2_video.models.detect_architecture import preset_named
from napari_sam2_video.models.file_type import not_a_checkpoint
from napari_sam2_video.models.folder import model_folder

if TYPE_CHECKING:
    from napari_sam2_video.models.presets import ModelPreset

_META = "https://dl.fbaipublicfiles.com/segment_anything_2"
_MEDSAM2 = "https://huggingface.co/wanglab/MedSAM2/resolve/e4a6f35edd7e091619cbc0750f462f1574e23955"
_MEDSAM2_LICENCE = "CC-BY-SA-4.0"
_MEDSAM2_NOTE = "medical volumes and ultrasound; the authors ask for use in research and education only"


@dataclass(frozen=True)
class ModelEntry:
    """One published checkpoint.

    Parameters
    ----------
    name : str
        Name to type: ``"tiny"``, ``"medsam2"`` ...
    title : str
        Title to display.
    preset : str
        Name of the network's SAM 2.1 preset: ``"tiny"``, ``"small"``, ``"base_plus"``, ``"large"``, ``"demo"``.
    file_name : str
        File name, both in the model folder and where it is published.
    url : str, optional
        Where it is published; None for the model that is part of this package.
    size : int, optional
        Bytes, if known.
    sha256 : str, optional
        Hexadecimal SHA-256, if known; otherwise the hash of the first download is recorded and checked from then on.
    licence : str
        Licence of the weights.
    image_size : int
        Side in pixels of the square image it was trained for.
    sam2_1 : bool
        True for SAM 2.1, False for SAM 2.0.
    note : str
        Advice for choosing it.
    """

    name: str
    title: str
    preset: str
    file_name: str
    url: str | None
    size: int | None
    sha256: str | None
    licence: str = "Apache-2.0"
    image_size: int = 1024
    sam2_1: bool = True
    note: str = ""

    @property
    def network(self) -> ModelPreset:
        """The network's preset, at the image size the checkpoint was trained for."""
        preset = preset_named(self.preset if self.sam2_1 else f"sam2.0-{self.preset}")
        return replace(preset, image_size=self.image_size)

    def impostor(self, head: bytes) -> str | None:
        """What a file is by its first bytes, if not a checkpoint."""
        return not_a_checkpoint(head)

    def by_hand(self, folder: Path) -> str:
        """End of a sentence: how to put the checkpoint into a folder by hand."""
        return how_to_get(self, folder)


def _sam2_1(preset: str, title: str, size: int, sha256: str, note: str) -> ModelEntry:
    file_name = f"sam2.1_hiera_{preset}.pt"
    return ModelEntry(
        preset, f"SAM 2.1 {title}", preset, file_name, f"{_META}/092824/{file_name}", size, sha256, note=note
    )


def _sam2_0(preset: str, title: str, size: int, sha256: str) -> ModelEntry:
    file_name = f"sam2_hiera_{preset}.pt"
    return ModelEntry(
        f"sam2.0-{preset}",
        f"SAM 2.0 {title}",
        preset,
        file_name,
        f"{_META}/072824/{file_name}",
        size,
        sha256,
        sam2_1=False,
        note="the older release; SAM 2.1 of the same size is better",
    )


def _medsam2(name: str, title: str, file_name: str, size: int | None = None, sha256: str | None = None) -> ModelEntry:
    url = f"{_MEDSAM2}/{file_name}"
    return ModelEntry(
        name, title, "tiny", file_name, url, size, sha256, _MEDSAM2_LICENCE, image_size=512, note=_MEDSAM2_NOTE
    )


_ENTRIES = (
    ModelEntry(
        "demo",
        "Demo model",
        "demo",
        DEMO_FILE,
        None,
        DEMO_BYTES,
        DEMO_SHA256,
        licence="BSD-3-Clause",
        image_size=preset_named("demo").image_size,
        note="part of this package, for trying things out without a download; not for real work",
    ),
    _sam2_1(
        "tiny",
        "tiny",
        156008466,
        "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
        "38 M parameters, about 4 GB of GPU memory; suits laptops",
    ),
    _sam2_1(
        "small",
        "small",
        184416285,
        "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
        "46 M parameters, about 5 GB of GPU memory",
    ),
    _sam2_1(
        "base_plus",
        "base+",
        323606802,
        "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
        "80 M parameters, about 8 GB of GPU memory",
    ),
    _sam2_1(
        "large",
        "large",
        898083611,
        "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
        "224 M parameters, about 12 GB of GPU memory; the most accurate",
    ),
    _sam2_0("tiny", "tiny", 155906050, "65b50056e05bcb13694174f51bb6da89c894b57b75ccdf0ba6352c597c5d1125"),
    _sam2_0("small", "small", 184309650, "95949964d4e548409021d47b22712d5f1abf2564cc0c3c765ba599a24ac7dce3"),
    _sam2_0("base_plus", "base+", 323493298, "d0bb7f236400a49669ffdd1be617959a8b1d1065081789d7bbff88eded3a8071"),
    _sam2_0("large", "large", 897952466, "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b"),
    _medsam2(
        "medsam2",
        "MedSAM2",
        "MedSAM2_latest.pt",
        156040129,
        "c92743b99f00d078bf32a3afcc38aaa9faf1c1692dffe3eaa7a90938c1991060",
    ),
    _medsam2("medsam2-2411", "MedSAM2, November 2024", "MedSAM2_2411.pt"),
    _medsam2("medsam2-ct-lesion", "MedSAM2 for CT lesions", "MedSAM2_CTLesion.pt"),
    _medsam2("medsam2-mri-liver", "MedSAM2 for liver lesions in MRI", "MedSAM2_MRI_LiverLesion.pt"),
    _medsam2("medsam2-us-heart", "MedSAM2 for heart ultrasound", "MedSAM2_US_Heart.pt"),
)

CATALOGUE: dict[str, ModelEntry] = {entry.name: entry for entry in _ENTRIES}


def find_entry(name: str) -> ModelEntry:
    """Entry of the catalogue called `name`.

    Raises
    ------
    ModelError
        If there is none; the message lists the known names.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise ModelError(f'There is no model called "{name}"; choose one of: {", ".join(CATALOGUE)}.') from None


def entry_with_hash(sha256: str) -> ModelEntry | None:
    """Entry with this published SHA-256, if any."""
    return next((entry for entry in _ENTRIES if entry.sha256 == sha256), None)


def checkpoint_path(entry: ModelEntry, folder: Path | None = None) -> Path:
    """Where the checkpoint of an entry is, or would be after a download.

    Parameters
    ----------
    entry : ModelEntry
        Entry of the catalogue.
    folder : Path, optional
        Model folder; `napari_sam2_video.models.folder.model_folder()` if not given.
    """
    if entry.url is None:
        return Path(__file__).parent / "demo" / entry.file_name
    return (folder or model_folder()) / entry.file_name


def is_downloaded(entry: ModelEntry, folder: Path | None = None) -> bool:
    """True if the checkpoint exists with the right size; its hash is checked when it is used."""
    path = checkpoint_path(entry, folder)
    return path.is_file() and entry.size in (None, path.stat().st_size)


def how_to_get(entry: ModelEntry, folder: Path | None = None) -> str:
    """End of a sentence: how to put the checkpoint of an entry in its place by hand."""
    digest = f" (SHA-256 {entry.sha256})" if entry.sha256 else ""
    return f"download {entry.url} in another way and save it as {checkpoint_path(entry, folder)}{digest}"
