"""COCO annotations with run-length encoded masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob, json_text, need

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.results import Array


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


def write(job: ExportJob) -> None:
    """Write images, annotations and categories, the annotations a frame at a time."""
    mask_api = need("pycocotools.mask", "coco")
    result = job.result
    height, width = result.shape_yx
    head = {
        "info": {"description": "Tracked objects", "provenance": result.provenance},
        "images": [
            {"id": frame + 1, "file_name": f"{frame:05d}.png", "width": width, "height": height, "frame_index": frame}
            for frame in range(result.n_frames)
        ],
        "categories": [{"id": 1, "name": "object", "supercategory": "object"}],
        "tracks": [{"id": entry.id, "name": entry.name, "parent": entry.parent} for entry in result.objects],
    }
    number = 0
    with job.path.open("w", encoding="utf-8") as stream:
        stream.write(json_text(head)[:-1] + ', "annotations": [')
        for frame in job.frames():
            for object_id, counts in run_lengths(result.labels(frame)):
                rle = mask_api.frPyObjects({"size": [height, width], "counts": counts}, height, width)
                number += 1
                row: dict[str, Any] = {"id": number, "image_id": frame + 1, "category_id": 1, "track_id": object_id}
                row |= {"name": result.entry(object_id).name, **annotation(rle, mask_api)}
                stream.write(("" if number == 1 else ",") + "\n" + json_text(row))
        stream.write("\n]}\n")


FORMAT = ExportFormat(
    name="coco",
    title="COCO annotations (JSON)",
    suffixes=(".json",),
    kind="file",
    write=write,
    about=(
        "One image a frame and one annotation an object and frame, compressed RLE (column-major); "
        "`track_id` is the object's id. One category, `object`."
    ),
    embeds_provenance=True,
)
