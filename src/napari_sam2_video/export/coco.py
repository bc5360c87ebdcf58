"""COCO annotations with run-length encoded masks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob, json_text, need
from napari_sam2_video.export.ome_tiff import note_geometry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.results import Array, TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject


def run_lengths(labels_yx: Array) -> Iterator[tuple[int, list[int]]]:
    """Uncompressed COCO run lengths (column-major, background first) of every object, ids ascending."""
    flat = labels_yx.T.reshape(-1)
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    stops = np.r_[starts[1:], flat.size]
    values = flat[starts]
    order = np.argsort(values, kind="stable")
    order = order[values[order] > 0]
    for runs in np.split(order, np.flatnonzero(np.diff(values[order].astype(np.int64))) + 1):
        if runs.size:
            edges = np.stack([starts[runs], stops[runs]], axis=1).reshape(-1)
            counts = np.diff(np.r_[0, edges, flat.size]).tolist()
            yield int(values[runs[0]]), counts if counts[-1] else counts[:-1]


def annotation(rle: Any, mask_api: Any) -> dict[str, Any]:
    """Fields of one mask: compressed run lengths, area and box ``[x, y, width, height]``."""
    return {
        "segmentation": {"size": list(rle["size"]), "counts": rle["counts"].decode("ascii")},
        "area": int(mask_api.area(rle)),
        "bbox": [float(side) for side in mask_api.toBbox(rle)],
        "iscrowd": 0,
    }


def category_of(entry: TrackedObject) -> str:
    """Category of an object: its name without the number at the end, so that cell 1 and cell 2 are both cells."""
    return re.sub(r"[\s_#-]*\d+$", "", entry.name).strip() or entry.name.strip() or "object"


def file_name(result: TrackingResult, frame: int) -> str:
    """Name of a frame's own file, or of the file or stack that contains it, with its index."""
    own = None if result.read_name is None else result.read_name(frame)
    if own is not None:
        return own
    source = "recording" if result.source_path is None else result.source_path.name
    return f"{source}#{frame:05d}"


def write(job: ExportJob) -> None:
    """Write images, annotations and categories, the annotations one frame at a time."""
    mask_api = need("pycocotools.mask", "coco")
    result = job.result
    note_geometry(job)
    height, width = result.shape_yx
    names = sorted({category_of(entry) for entry in result.objects})
    categories = {name: number for number, name in enumerate(names, start=1)}
    source = None if result.source_path is None else result.source_path.name
    head = {
        "info": {"description": "Tracked objects", "provenance": result.provenance},
        "videos": [{"id": 1, "name": source or "recording", "width": width, "height": height}],
        "images": [
            {
                "id": frame + 1,
                "file_name": file_name(result, frame),
                "width": width,
                "height": height,
                "video_id": 1,
                "frame_index": frame,
            }
            for frame in result.frames
        ],
        "categories": [{"id": number, "name": name, "supercategory": "object"} for name, number in categories.items()],
        "tracks": [
            {"id": entry.id, "name": entry.name, "category_id": categories[category_of(entry)], "parent": entry.parent}
            for entry in result.objects
        ],
    }
    number = 0
    with job.path.open("w", encoding="utf-8") as stream:
        stream.write(json_text(head)[:-1] + ', "annotations": [')
        for frame in job.frames():
            found = [pair for labels_yx in result.layers(frame) for pair in run_lengths(labels_yx)]
            for object_id, counts in sorted(found):
                rle = mask_api.frPyObjects({"size": [height, width], "counts": counts}, height, width)
                number += 1
                entry = result.entry(object_id)
                row: dict[str, Any] = {"id": number, "image_id": frame + 1, "video_id": 1, "track_id": object_id}
                row |= {"category_id": categories[category_of(entry)], "name": entry.name}
                stream.write(("" if number == 1 else ",") + "\n" + json_text(row | annotation(rle, mask_api)))
        stream.write("\n]}\n")


FORMAT = ExportFormat(
    name="coco",
    title="COCO annotations (JSON)",
    suffixes=(".json",),
    write=write,
    about=(
        "One image per frame, with its file's name in a folder of images and `FILE#00000` in a stack or video; one "
        "annotation per object and frame, compressed RLE (column-major), complete even where objects overlap; "
        "`track_id` is the object's id. Categories are the object names without trailing numbers."
    ),
    embeds_provenance=True,
    overlaps=True,
    group="Training data",
)
