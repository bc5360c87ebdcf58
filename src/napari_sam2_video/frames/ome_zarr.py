"""OME-Zarr images (0.4 and 0.5) and plain zarr arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import RecordingError, SeveralSeriesError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.array_like import DescribedArray, with_coordinate
from napari_sam2_video.frames.axes import axes_named, name_unknown
from napari_sam2_video.frames.fingerprint import array_fingerprint
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.zarr_chunks import refuse_bombs

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
    """Whether the metadata of a folder describe an OME-Zarr image that is not a label image."""
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


def open_zarr(path: Path, series: int | str | None = None) -> ZarrRecording:
    """Open a zarr folder: an OME-Zarr image at full resolution, or a plain array.

    Parameters
    ----------
    path : Path
        The folder.
    series : int or str, optional
        Which image, by its index or its path inside, of a folder that holds several.

    Raises
    ------
    RecordingError
        If it holds no image, or several and none was chosen.
    """
    import zarr

    try:
        return zarr_recording(zarr.open(str(path), mode="r"), path.name, path, series)
    except RecordingError:
        raise
    except Exception as error:
        raise RecordingError(f"{path} is a damaged zarr folder ({error}); write or copy it again.") from error


def zarr_recording(node: Any, name: str, path: Path | None = None, series: int | str | None = None) -> ZarrRecording:
    """Recording of an open zarr array, or of a group with OME-Zarr metadata.

    Raises
    ------
    RecordingError
        If it holds no image, or several and none was chosen.
    """
    name = name.removesuffix(".zarr").removesuffix(".ome")
    if hasattr(node, "shape"):
        return _from_array(node, node, name, path)
    about = _ome(node)
    images = _images_inside(node, about)
    if images:
        chosen = _chosen(name, images, series)
        return zarr_recording(node[chosen], name, path)
    if "multiscales" in about:
        return _from_multiscales(node, about, name, path, series)
    arrays = dict(sorted(node.arrays()))
    planes = [key for key, array in arrays.items() if array.ndim > 1]
    if not planes:
        raise RecordingError(
            f"{name} is a zarr group without an image of its own; open the folder of one image inside it."
        )
    return _from_array(arrays[_chosen(name, planes, series)], node, name, path)


def _ome(node: Any) -> Mapping[str, Any]:
    attributes = dict(node.attrs)
    found: Mapping[str, Any] = attributes.get("ome", attributes)
    return found


def _images_inside(node: Any, about: Mapping[str, Any]) -> list[str]:
    """Paths of the images in a converted file, a plate or a well."""
    if "bioformats2raw.layout" in about:
        listed = _ome(node["OME"]).get("series") if "OME" in node else None
        return [str(path) for path in listed] if listed else sorted((key for key in node if key.isdecimal()), key=int)
    if "plate" in about:
        wells = [str(well["path"]) for well in about["plate"]["wells"]]
        return [f"{well}/{path}" for well in wells for path in _images_inside(node[well], _ome(node[well]))]
    if "well" in about:
        return [str(image["path"]) for image in about["well"]["images"]]
    return []


def _chosen(name: str, found: list[str], series: int | str | None) -> str:
    """The image asked for, or the only one."""
    if series is None and len(found) == 1:
        return found[0]
    named = ", ".join(f"{n}: {one}" for n, one in enumerate(found[:8])) + (", …" if len(found) > 8 else "")
    if series is None:
        raise SeveralSeriesError(
            f"{name} holds {len(found)} images ({named}); choose one with series, for instance --series 0.",
            range(len(found)),
        )
    fitting = [one for n, one in enumerate(found) if series in (n, one)]
    if not fitting:
        raise RecordingError(f"{name} has no series {series!r}; choose one of {named}.")
    return fitting[0]


def _from_array(array: Any, group: Any, name: str, path: Path | None) -> ZarrRecording:
    """Recording of an array that may have named dimensions and coordinate arrays, as xarray writes them."""
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS") or ()
    axes = axes_named([str(one) for one in names], array.shape) if len(names) == array.ndim and all(names) else None
    found = DescribedArray(array, axes)
    for dimension, letter, length in zip(names, axes or "", array.shape, strict=False):
        if group is not array and dimension in group and group[dimension].shape == (length,):
            places = group[dimension]
            found = with_coordinate(found, letter, places[:], places.attrs.get("units"))
    return ZarrRecording(
        array,
        name=name,
        axes=axes,
        scale=found.scale,
        units=found.units,
        times=found.times,
        path=path,
        notes=found.notes,
        metadata={"format": "zarr"},
    )


def _from_multiscales(
    node: Any, about: Mapping[str, Any], name: str, path: Path | None, series: int | str | None
) -> ZarrRecording:
    images = about["multiscales"]
    called = [str(image.get("name") or number) for number, image in enumerate(images)]
    image = images[called.index(_chosen(name, called, series))] if len(images) > 1 else images[0]
    levels = image["datasets"]
    array = node[levels[0]["path"]]
    described = image.get("axes") or [{"name": letter} for letter in "tczyx"[-len(array.shape) :]]
    described = [axis if isinstance(axis, dict) else {"name": axis} for axis in described]
    axes = _axes_of(described)
    factors = [1.0] * len(axes)
    for step in (*levels[0].get("coordinateTransformations", ()), *image.get("coordinateTransformations", ())):
        scale = step.get("scale") if step.get("type") == "scale" else None
        if isinstance(scale, list):
            factors = [one * float(other) for one, other in zip(factors, scale, strict=True)]
    notes = []
    if len(levels) > 1:
        notes.append(f"{name} is multiscale with {len(levels)} levels: level 0, the full resolution, is used.")
    version = image.get("version") or about.get("version") or "0.4"
    channels = [str(one.get("label") or "") for one in (about.get("omero") or {}).get("channels", ())]
    return ZarrRecording(
        array,
        name=str(image.get("name") or "").strip("/") or name,
        axes=axes,
        scale={letter: abs(size) if letter in "ZYX" else size for letter, size in zip(axes, factors, strict=True)},
        units={letter: axis.get("unit") for letter, axis in zip(axes, described, strict=True)},
        path=path,
        notes=tuple(notes),
        metadata={"format": "ome-zarr", "version": version} | ({"channels": channels} if all(channels) else {}),
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
    open=open_zarr,
    has_series=True,
)
