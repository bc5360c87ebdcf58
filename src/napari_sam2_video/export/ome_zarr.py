"""Label images as an OME-Zarr: ``labels/<name>`` with image-label metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.ome_tiff import note_geometry
from napari_sam2_video.export.ome_zarr_image import check_name, enter, image_around, write_into
from napari_sam2_video.export.timing import single_interval
from napari_sam2_video.units import ngff_unit

if TYPE_CHECKING:
    from napari_sam2_video.results import Array, TrackingResult

TILE = 1024


def write(job: ExportJob) -> None:
    """Write one chunk per frame (tiles for large frames) at every level, and the recording too if asked."""
    import zarr

    result, options = job.result, job.options
    note_geometry(job)
    image_path = image_around(job.target)
    if image_path is not None:
        write_into(job, image_path, label_metadata(job))
        return
    name, version = options["name"], options["version"]
    check_name(name)
    root = zarr.open_group(job.path, mode="w", zarr_format=2 if version == "0.4" else 3)
    levels = level_count(result.shape_yx)
    labels = root.create_group("labels")
    set_attributes(labels, {"labels": [name]}, version)
    group = labels.create_group(name)
    described = {"multiscales": [multiscale(job, name, levels, version)], "image-label": label_metadata(job)}
    set_attributes(group, described, version)
    arrays = [make_level(group, result, level, result.dtype) for level in range(levels)]
    image = None
    if options["image"] and result.read_raw is not None:
        sample = first_values(result)
        shown = multiscale(job, "image", 1, version, sample.ndim == 3)
        image = make_level(root, result, 0, sample.dtype, sample.shape[2] if sample.ndim == 3 else 0)
    else:
        # Readers treat a group without an image as empty, so the labels are also the image.
        shown = multiscale(job, name, levels, version)
        for dataset in shown["datasets"]:
            dataset["path"] = f"labels/{name}/{dataset['path']}"
    set_attributes(root, {"multiscales": [shown]}, version)
    for index, frame in enumerate(job.frames()):
        labels_yx = result.labels(frame)
        for level, array in enumerate(arrays):
            array[index] = labels_yx[:: 2**level, :: 2**level]
        if image is not None:
            raw = result.raw(frame)
            if raw is not None:
                image[index] = np.moveaxis(raw, -1, 0) if raw.ndim == 3 else raw
    group.attrs["provenance"] = job.provenance()


def first_values(result: TrackingResult) -> Array:
    """Values of the first frame that can be read; zeros if none can."""
    found = (raw for raw in map(result.raw, result.frames) if raw is not None)
    return np.asarray(next(found, np.zeros(result.shape_yx, np.uint8)))


def set_attributes(group: Any, content: dict[str, Any], version: str) -> None:
    """Store metadata where the version of the format expects them."""
    if version == "0.4":
        group.attrs.update(content)
    else:
        group.attrs["ome"] = {"version": version, **content}


def level_count(shape_yx: tuple[int, int]) -> int:
    """Levels until a frame fits in one tile."""
    levels = 1
    while max(shape_yx) / 2 ** (levels - 1) > TILE:
        levels += 1
    return levels


def make_level(group: Any, result: TrackingResult, level: int, dtype: Any, channels: int = 0) -> Any:
    """Create one empty level."""
    shape = tuple(-(-side // 2**level) for side in result.shape_yx)
    tile = tuple(min(side, TILE) for side in shape)
    middle = (channels,) if channels else ()
    zarr_2 = group.metadata.zarr_format == 2
    return group.create_array(
        str(level),
        shape=(len(result.frames), *middle, *shape),
        chunks=(1, *middle, *tile),
        dtype=dtype,
        chunk_key_encoding={"name": "v2" if zarr_2 else "default", "separator": "/"},
        dimension_names=None if zarr_2 else [axis["name"] for axis in axes(result, channels > 0)],
    )


def axes(result: TrackingResult, channels: bool = False) -> list[dict[str, str]]:
    """Axes in array order."""
    walk = result.walk_axis.lower() if result.walk_axis in "TZ" else "t" if result.plane_axes == ("Y", "X") else "z"
    letters = [walk, *(["c"] if channels else []), "y", "x"]
    units = dict(zip((walk, "y", "x"), result.units, strict=True))
    described = []
    for letter in letters:
        kind = {"t": "time", "c": "channel"}.get(letter, "space")
        unit = ngff_unit(units.get(letter))
        described.append({"name": letter, "type": kind, **({"unit": unit} if unit else {})})
    return described


def multiscale(job: ExportJob, name: str, levels: int, version: str, channels: bool = False) -> dict[str, Any]:
    """Datasets with the size of their pixels; level n is every 2**n-th pixel, so the origin stays."""
    sizes = (single_interval(job), *job.result.pixel_size)
    step, dy, dx = (1.0 if size is None else size for size in sizes)
    middle = [1.0] if channels else []
    datasets = [
        {
            "path": str(level),
            "coordinateTransformations": [{"type": "scale", "scale": [step, *middle, dy * 2**level, dx * 2**level]}],
        }
        for level in range(levels)
    ]
    described = {"name": name, "axes": axes(job.result, channels), "datasets": datasets}
    return {"version": version, **described} if version == "0.4" else described


def label_metadata(job: ExportJob) -> dict[str, Any]:
    """Colours and names of the ids."""
    result = job.result
    described: dict[str, Any] = {
        "colors": [{"label-value": entry.id, "rgba": [*entry.color, 255]} for entry in result.objects],
        "properties": [
            {"label-value": entry.id, "name": entry.name, **({"parent": entry.parent} if entry.parent else {})}
            for entry in result.objects
        ],
    }
    if job.options["version"] == "0.4":
        described["version"] = "0.4"
    described["source"] = {"image": "../../"}
    return described


FORMAT = ExportFormat(
    name="ome-zarr",
    title="OME-Zarr labels",
    suffixes=(".ome.zarr", ".zarr"),
    kind="folder",
    write=write,
    about=(
        "`labels/<name>` with image-label metadata (colours, names), one chunk per frame, a pyramid for frames above "
        "1024 pixels; pixel size, frame interval and units in the axes. Without the image, readers show the labels "
        "instead. A target such as `IMAGE.zarr/labels/cells` adds the labels to an existing OME-Zarr image."
    ),
    options=(
        ExportOption("name", "str", "objects", "name of the labels"),
        ExportOption("version", "str", "0.4", "version of the format", ("0.4", "0.5")),
        ExportOption("image", "bool", False, "also write the recording's values as the image"),
    ),
    embeds_provenance=True,
    sidecar=True,
    enter=enter,
)
