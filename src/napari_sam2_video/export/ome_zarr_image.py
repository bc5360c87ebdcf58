"""Labels inside an OME-Zarr image that exists, with its axes and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import ExportError
from napari_sam2_video.frames.omezarr import is_ome_image
from napari_sam2_video.results import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.export.format import ExportJob
    from napari_sam2_video.results import TrackingResult


def check_name(name: str) -> None:
    """Refuse what is no name of one group inside a zarr.

    Raises
    ------
    ExportError
        If it is empty, has slashes or line breaks, or is a name that zarr keeps for itself.
    """
    if not name or name != printable(name) or set(name) & set("/\\") or name.startswith((".", "__", "zarr.json")):
        raise ExportError(f"The option name cannot be {name!r}; give the labels a plain name such as objects.")


def image_around(target: Path) -> Path | None:
    """The OME-Zarr image that labels at `target` belong to, None where they are on their own."""
    labels = target.parent
    return labels.parent if labels.name == "labels" and is_ome_image(labels.parent) else None


def enter(target: Path) -> Callable[[], None] | None:
    """Make the group of labels of the image around a target; what lists the target there once it is complete."""
    image_path = image_around(target)
    if image_path is None:
        return None
    import zarr

    check_name(target.name)
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
    """Write labels with the axes of an image: its channels become one, and what was not shown stays 0.

    Raises
    ------
    ExportError
        If the image has other sizes than the result.
    """
    import zarr

    image = zarr.open_group(image_path, mode="r")
    zarr_format = image.metadata.zarr_format
    about: Any = image.attrs["ome"] if zarr_format == 3 else image.attrs
    shown = about["multiscales"][0]
    stored: Any = image[shown["datasets"][0]["path"]]
    letters = "".join(_letter(axis) for axis in shown["axes"])
    shape = _shape_of(job.result, letters, stored.shape, image_path)
    group = zarr.open_group(job.path, mode="w", zarr_format=zarr_format)
    dataset = {key: value for key, value in shown["datasets"][0].items() if key != "path"}
    scale: dict[str, Any] = {"name": job.target.name, "axes": shown["axes"], "datasets": [{"path": "0", **dataset}]}
    transformations = shown.get("coordinateTransformations")
    if transformations is not None:
        scale["coordinateTransformations"] = transformations
    described.pop("version", None)
    if zarr_format == 3:
        group.attrs["ome"] = {"version": about["version"], "multiscales": [scale], "image-label": described}
    else:
        version = shown.get("version", "0.4")
        label = {"version": version, **described}
        group.attrs.update({"multiscales": [{"version": version, **scale}], "image-label": label})
    array = group.create_array(
        "0",
        shape=shape,
        chunks=_chunks(job.result, letters, shape),
        dtype=job.result.dtype,
        chunk_key_encoding={"name": "default" if zarr_format == 3 else "v2", "separator": "/"},
        dimension_names=[str(axis["name"]) for axis in shown["axes"]] if zarr_format == 3 else None,
    )
    for frame in job.frames():
        places: dict[str, Any] = dict.fromkeys(letters, 0)
        places.update({**job.result.at, "C": 0, job.result.walk_axis: frame})
        places.update({letter: slice(None) for letter in job.result.plane_axes})
        array[tuple(places[letter] for letter in letters)] = np.asarray(job.result.labels(frame))
    group.attrs["provenance"] = job.provenance()


def _letter(axis: Any) -> str:
    return str(axis["name"] if isinstance(axis, dict) else axis)[:1].upper()


def _chunks(result: TrackingResult, letters: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunks of one frame, in tiles where it is large."""
    return tuple(min(n, 1024) if letter in result.plane_axes else 1 for letter, n in zip(letters, shape, strict=True))


def _shape_of(result: TrackingResult, letters: str, stored: tuple[int, ...], image_path: Path) -> tuple[int, ...]:
    lengths = dict(zip(letters, stored, strict=True))
    expected = dict(zip((result.walk_axis, *result.plane_axes), (result.n_frames, *result.shape_yx), strict=True))
    if any(lengths.get(letter) != length for letter, length in expected.items()):
        raise ExportError(
            f"{image_path} is {' x '.join(map(str, stored))} ({letters}) and these labels do not fit it; choose the "
            "image that was tracked."
        )
    return tuple(1 if letter == "C" else length for letter, length in lengths.items())
