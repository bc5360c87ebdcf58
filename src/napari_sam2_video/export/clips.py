"""A clip of each object, cut out of the recording so that the object stays in the middle."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.export import ome_tiff
from napari_sam2_video.export.clip_path import POSITIONS, find_clips, write_positions
from napari_sam2_video.export.ffmpeg import encode_frames
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.matte import blended, need_pictures
from napari_sam2_video.export.overlay import Picture, picture_of
from napari_sam2_video.export.soft_edge import FEATHER, alpha_of
from napari_sam2_video.export.surfaces import file_name
from napari_sam2_video.export.video import CRF, FPS, mp4_arguments
from napari_sam2_video.units import length_unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.export.clip_path import Clip
    from napari_sam2_video.results import Array

GROUP = "Clips of each object"
CLIP_OPTIONS = (
    ExportOption("margin", "int", 16, "pixels around the object where it is largest", limits=(0, 10_000)),
    ExportOption(
        "size",
        "int",
        None,
        "side of every clip in pixels, made even; by default as large as the object needs",
        limits=(2, 10_000),
    ),
    ExportOption(
        "smooth",
        "float",
        0.0,
        "frames over which the path of the clip is smoothed (sigma of a Gaussian); 0 keeps the object in the middle",
        limits=(0, 10_000),
    ),
    ExportOption("background", "bool", True, "keep the background around the object"),
)


def write_films(job: ExportJob) -> None:
    """Encode one MP4 per object."""
    need_pictures(job)
    for part in clip_jobs(job, ".mp4"):
        encode_frames(part, film(part), "rgb24", mp4_arguments(part))


def film(job: ExportJob) -> Iterator[Picture]:
    """Images of one clip, uint8 ``(Y, X, 3)``."""
    for frame in job.frames():
        picture_yxc = np.array(picture_of(job.result, frame), np.uint8)
        if not job.options["background"]:
            picture_yxc = blended(picture_yxc, job.options["color"], alpha_of(job, frame))
        yield picture_yxc


def write_stacks(job: ExportJob) -> None:
    """Write one OME-TIFF of raw values per object, and its mask beside it if requested."""
    import tifffile

    ome_tiff.note_geometry(job)
    if job.result.read_raw is None:
        need_pictures(job)
        job = replace(job, result=replace(job.result, read_raw=job.result.read_frame))
    for part, clip in zip(clip_jobs(job, ".ome.tif", found := find_clips(job)), found, strict=True):
        first = next((raw for frame in clip.frames if (raw := part.result.raw(frame)) is not None), None)
        blank = np.zeros(clip.shape_yx, np.uint8) if first is None else np.zeros(first.shape, stored_type(first))
        metadata = stack_metadata(part, clip)
        with tifffile.TiffWriter(part.path, bigtiff=True, ome=True) as writer:
            writer.write(
                raw_pages(part, blank),
                shape=(len(clip.frames), *blank.shape),
                dtype=blank.dtype,
                photometric="rgb" if blank.ndim == 3 else "minisblack",
                compression="zlib",
                buffersize=ome_tiff.BUFFER_BYTES,
                software="napari-sam2-video",
                metadata={**metadata, "axes": metadata["axes"] + "S" * (blank.ndim == 3)},
            )
        if job.options["masks"]:
            name = part.path.name.replace(".ome.tif", "_mask.ome.tif")
            options = {"compressed": True, "level": 5}
            mask = replace(part, path=job.path / name, target=job.target / name, options=options)
            mask.progress = lambda done, total: None
            ome_tiff.write(mask)


def stored_type(values: Array) -> np.dtype[Any]:
    """Pixel type in the file; TIFF has none for booleans."""
    return np.dtype(np.uint8) if values.dtype == bool else values.dtype


def raw_pages(job: ExportJob, blank: Array) -> Iterator[Array]:
    """Raw values of one clip; `blank` replaces frames that cannot be read."""
    for done, frame in enumerate(job.result.frames, start=1):
        values = job.result.raw(frame)
        page = np.array(blank if values is None else values, blank.dtype)
        if not job.options["background"]:
            page[job.result.labels(frame) == 0] = 0
        job.progress(done, len(job.result.frames))
        yield page


def stack_metadata(job: ExportJob, clip: Clip) -> dict[str, Any]:
    """OME metadata of a clip; each plane has its own position in the recording."""
    metadata = ome_tiff.ome_metadata(job)
    metadata["Description"] = f"Raw values around object {clip.entry.id}, which stays in the middle."
    calibration = job.result.calibration
    unit = length_unit(calibration.length_unit) or "reference frame"
    plane = dict(metadata.get("Plane", {}))
    for axis, size, corners in zip("YX", calibration.pixel_size, clip.corners_yx.T, strict=True):
        plane[f"Position{axis}"] = (corners * size).tolist()
        plane[f"Position{axis}Unit"] = [unit] * len(corners)
    return {**metadata, "Plane": plane}


def clip_jobs(job: ExportJob, suffix: str, found: list[Clip] | None = None) -> Iterator[ExportJob]:
    """The export job of each clip, after writing the table of positions; progress counts the frames of all."""
    clips = find_clips(job) if found is None else found
    before, total = len(job.result.frames), len(job.result.frames) + sum(len(clip.frames) for clip in clips)
    write_positions(job, clips)
    for clip in clips:
        name = file_name(clip.entry) + suffix
        part = replace(job, result=clip.of(job.result), path=job.path / name, target=job.target / name)
        part.progress = lambda done, _, before=before: job.progress(before + done, total)  # type: ignore[misc]
        before += len(clip.frames)
        yield part


FILMS = ExportFormat(
    name="clips-mp4",
    title="Clip of each object (MP4)",
    kind="folder",
    write=write_films,
    about=(
        "Folder with one H.264 video per object, from its first frame to its last; the view follows the object in "
        f"whole pixels, and `{POSITIONS}` gives the position of each frame in the recording."
    ),
    options=(
        FPS,
        CRF,
        *CLIP_OPTIONS,
        ExportOption("color", "color", "black", "colour around the object if the background is removed"),
        FEATHER,
    ),
    overlaps=True,
    group=GROUP,
)
STACKS = ExportFormat(
    name="clips-tiff",
    title="Clip of each object (OME-TIFF)",
    kind="folder",
    write=write_stacks,
    about=(
        "The same as OME-TIFF: raw values of the tracked channel, exact, with pixel size, times and the position of "
        "each frame; without the background, pixels outside the object are 0."
    ),
    options=(*CLIP_OPTIONS, ExportOption("masks", "bool", False, "also write the object's mask beside each clip")),
    overlaps=True,
    group=GROUP,
)
