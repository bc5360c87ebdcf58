"""OME-Zarr images (0.4 and 0.5) and plain zarr arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.axes import name_unknown
from napari_sam2_video.frames.fingerprint import array_fingerprint
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.zarr_chunks import refuse_bombs
from napari_sam2_video.units import plain_unit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import AxisIndex

ZARR_METADATA = ("zarr.json", ".zattrs", ".zgroup", ".zarray")


def is_zarr(folder: Path) -> bool:
    """Whether a folder is a zarr array or group."""
    return any((folder / name).is_file() for name in ZARR_METADATA if name != ".zattrs")


def is_ome_image(folder: Path) -> bool:
    """Whether the metadata of a folder say that it is an OME-Zarr image; labels of an image are none."""
    for name, keys in ((".zattrs", ()), ("zarr.json", ("attributes", "ome"))):
        try:
            about = json.loads((folder / name).read_bytes())
            for key in keys:
                about = about[key]
        except (OSError, ValueError, RecursionError, LookupError, TypeError):
            continue
        if isinstance(about, dict) and "image-label" not in about:
            return "multiscales" in about or "bioformats2raw.layout" in about
    return False


def open_zarr(path: Path) -> ZarrRecording:
    """Open a zarr folder: an OME-Zarr image at full resolution, or a plain array.

    Raises
    ------
    RecordingError
        If it holds no image or several.
    """
    import zarr

    try:
        node = zarr.open(str(path), mode="r")
        return zarr_recording(node, path.name, path)
    except RecordingError:
        raise
    except Exception as error:
        raise RecordingError(f"{path} is a damaged zarr folder ({error}); write or copy it again.") from error


def zarr_recording(node: Any, name: str, path: Path | None = None) -> ZarrRecording:
    """Recording of an open zarr array, or of a group with OME-Zarr metadata.

    Raises
    ------
    RecordingError
        If it holds no image or several.
    """
    name = name.removesuffix(".zarr").removesuffix(".ome")
    if hasattr(node, "shape"):
        names = getattr(node.metadata, "dimension_names", None)
        axes = _axes_of([{"name": str(text)} for text in names]) if names and all(names) else None
        if axes is not None and not {"Y", "X"} <= set(axes):
            axes = None
        return ZarrRecording(node, name=name, axes=axes, path=path, metadata={"format": "zarr"})
    attributes = dict(node.attrs)
    about = attributes.get("ome", attributes)
    if "multiscales" in about:
        return _from_multiscales(node, about, name, path)
    if "bioformats2raw.layout" in about and "0" in node:
        found = zarr_recording(node["0"], name, path)
        if "1" in node:
            found.notes = (*found.notes, f"{name} holds several images: the first one is used.")
        return found
    arrays = sorted(key for key, _ in node.arrays())
    if len(arrays) == 1:
        return zarr_recording(node[arrays[0]], name, path)
    if arrays:
        raise RecordingError(f"{name} holds the arrays {', '.join(arrays[:5])}; open the folder of one of them.")
    raise RecordingError(f"{name} is a zarr group without an image of its own; open the folder of one image inside it.")


def _from_multiscales(node: Any, about: Mapping[str, Any], name: str, path: Path | None) -> ZarrRecording:
    image = about["multiscales"][0]
    levels = image["datasets"]
    array = node[levels[0]["path"]]
    described = image.get("axes") or [{"name": letter} for letter in "tczyx"[-len(array.shape) :]]
    described = [axis if isinstance(axis, dict) else {"name": axis} for axis in described]
    axes = _axes_of(described)
    factors = [1.0] * len(axes)
    for step in (*levels[0].get("coordinateTransformations", ()), *image.get("coordinateTransformations", ())):
        if step.get("type") == "scale":
            factors = [one * float(other) for one, other in zip(factors, step["scale"], strict=True)]
    notes = []
    if len(levels) > 1:
        notes.append(f"{name} is multiscale with {len(levels)} levels: level 0, the full resolution, is used.")
    if len(about["multiscales"]) > 1:
        notes.append(f"{name} holds {len(about['multiscales'])} images: the first one is used.")
    version = image.get("version") or about.get("version") or "0.4"
    return ZarrRecording(
        array,
        name=str(image.get("name") or "").strip("/") or name,
        axes=axes,
        scale=dict(zip(axes, factors, strict=True)),
        units={letter: plain_unit(axis.get("unit")) for letter, axis in zip(axes, described, strict=True)},
        path=path,
        notes=tuple(notes),
        metadata={"format": "ome-zarr", "version": version},
    )


def _axes_of(described: list[dict[str, Any]]) -> str:
    known = {"time": "T", "channel": "C"}
    letters = []
    for axis in described:
        text = str(axis["name"]).upper()
        letter = text[0] if text[:1].isalpha() and (len(text) == 1 or text[0] in "TZCYX") else "Q"
        letters.append(known.get(str(axis.get("type")), "Q" if letter == "S" else letter))
    return name_unknown("".join(letters))


class ZarrRecording(ArrayRecording):
    """A recording in a zarr array."""

    def _fetch(self, index: tuple[AxisIndex, ...]) -> npt.NDArray[Any]:
        refuse_bombs(self._array, index)
        return super()._fetch(index)

    def _source(self) -> dict[str, Any]:
        place = {"path": str(self.path.absolute())} if self.path is not None else {}
        return place | array_fingerprint(self) | {"kind": "zarr"}


READER = Reader(
    name="OME-Zarr",
    patterns=("*.zarr",),
    matches=lambda head, path: head is None and is_zarr(path),
    open=lambda path, series: open_zarr(path),
)
