"""Write labels into an existing OME-Zarr image, with its axes and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import ExportError, TargetExistsError
from napari_sam2_video.frames.ome_zarr import is_ome_image
from napari_sam2_video.types.tracked_object import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.results import Array, TrackingResult

TILE = 1024


def check_name(name: str) -> None:
    """Refuse a name that is not valid for a zarr group.

    Raises
    ------
    ExportError
        If it is empty, has slashes or line breaks, or is reserved by zarr.
    """
    if not name or name != printable(name) or set(name) & set("/\\") or name.startswith((".", "__", "zarr.json")):
        raise ExportError(f"The option name cannot be {name!r}; give the labels a plain name such as objects.")


def image_around(target: Path) -> Path | None:
    """The OME-Zarr image that labels at `target` belong to; None if there is none."""
    labels = target.parent
    return labels.parent if labels.name == "labels" and is_ome_image(labels.parent) else None


def enter(target: Path) -> Callable[[], None] | None:
    """Create the labels group of the image around a target; returns a function that lists the target in it."""
    image_path = image_around(target)
    if image_path is None:
        return None
    import zarr

    check_name(target.name)
    if target.exists():
        raise TargetExistsError(f"{image_path} has labels {target.name} already; delete them or choose another name.")
    image = zarr.open_group(image_path, mode="r+")
    labels = image.require_group("labels")

    def register() -> None:
        old: Any = dict(labels.attrs)
        about: Any = dict(old.get("ome", {})) if image.metadata.zarr_format == 3 else old
        about["labels"] = sorted({*about.get("labels", ()), target.name})
        if image.metadata.zarr_format == 3:
            about.setdefault("version", "0.5")
            labels.attrs["ome"] = about
        else:
            labels.attrs.update(about)

    return register


def write_into(job: ExportJob, image_path: Path, described: dict[str, Any]) -> None:
    """Write labels with the axes and levels of an image: channels become one, and untracked positions stay 0.

    Raises
    ------
    ExportError
        If the sizes of the image and the result differ.
    """
    import zarr

    image = zarr.open_group(image_path, mode="r")
    zarr_format = image.metadata.zarr_format
    about: Any = image.attrs["ome"] if zarr_format == 3 else image.attrs
    shown = about["multiscales"][0]
    letters = "".join(_letter(axis) for axis in shown["axes"])
    stored: list[Any] = [image[dataset["path"]] for dataset in shown["datasets"]]
    check_fit(job.result, dict(zip(letters, stored[0].shape, strict=True)), image_path)
    group = zarr.open_group(job.path, mode="w", zarr_format=zarr_format)
    datasets = [{**dataset, "path": str(level)} for level, dataset in enumerate(shown["datasets"])]
    scale = {"name": job.target.name, "axes": shown["axes"], "datasets": datasets}
    if "coordinateTransformations" in shown:
        scale["coordinateTransformations"] = shown["coordinateTransformations"]
    described.pop("version", None)
    if zarr_format == 3:
        group.attrs["ome"] = {"version": about["version"], "multiscales": [scale], "image-label": described}
    else:
        version = {"version": shown.get("version", "0.4")}
        group.attrs.update({"multiscales": [version | scale], "image-label": version | described})
    levels = []
    for level, array in enumerate(stored):
        lengths = dict(zip(letters, array.shape, strict=True)) | {"C": 1}
        shape = [lengths[letter] for letter in letters]
        made = group.create_array(
            str(level),
            shape=shape,
            chunks=tuple(min(lengths[a], TILE) if a in job.result.plane_axes else 1 for a in letters),
            dtype=job.result.dtype,
            chunk_key_encoding={"name": "default" if zarr_format == 3 else "v2", "separator": "/"},
            dimension_names=[str(axis["name"]) for axis in shown["axes"]] if zarr_format == 3 else None,
        )
        levels.append((made, lengths))
    full = dict(zip(letters, stored[0].shape, strict=True)) | {"C": 1}
    for frame in job.frames():
        labels_yx = job.result.labels(frame)
        for array, lengths in levels:
            _write_frame(array, labels_yx, frame, job.result, full, lengths)
    group.attrs["provenance"] = job.provenance()


def _write_frame(
    array: Any, labels_yx: Array, frame: int, result: TrackingResult, full: dict[str, int], lengths: dict[str, int]
) -> None:
    """Write a frame into one level, if the level has it: pixels are selected, never averaged."""
    index = frame * lengths[result.walk_axis] // full[result.walk_axis]
    if -(-index * full[result.walk_axis] // lengths[result.walk_axis]) != frame:
        return
    places: dict[str, Any] = {a: result.at.get(a, 0) * n // full[a] for a, n in lengths.items()}
    places |= {result.walk_axis: index, **{letter: slice(None) for letter in result.plane_axes}}
    rows, columns = (np.arange(lengths[a]) * full[a] // lengths[a] for a in result.plane_axes)
    array[tuple(places.values())] = labels_yx[np.ix_(rows, columns)]


def check_fit(result: TrackingResult, lengths: dict[str, int], image_path: Path) -> None:
    """Refuse an image whose sizes along the tracked axes differ.

    Raises
    ------
    ExportError
        If it has.
    """
    expected = dict(zip((result.walk_axis, *result.plane_axes), (result.n_frames, *result.shape_yx), strict=True))
    if any(lengths.get(letter) != length for letter, length in expected.items()):
        sizes = ", ".join(f"{letter} {length}" for letter, length in lengths.items())
        raise ExportError(
            f"{image_path} has {sizes}, which these labels do not fit; choose the image that was tracked."
        )


def _letter(axis: Any) -> str:
    return str(axis["name"] if isinstance(axis, dict) else axis)[:1].upper()
