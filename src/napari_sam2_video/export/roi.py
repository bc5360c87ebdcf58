"""ImageJ regions of interest: a zip with one outline per object and frame."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob, need
from napari_sam2_video.export.ome_tiff import note_geometry, stack_axis
from napari_sam2_video.export.outline import outlines
from napari_sam2_video.export.spots import object_bounds

if TYPE_CHECKING:
    import numpy.typing as npt

    from napari_sam2_video.results import TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject

LIMIT_SIDE = 32767
MOVE_TO, LINE_TO, CLOSE = 0.0, 1.0, 4.0


def write(job: ExportJob) -> None:
    """Write the zip for ImageJ's ROI Manager."""
    roifile = need("roifile", "roi-zip")
    result = job.result
    note_geometry(job)
    if max(result.shape_yx) > LIMIT_SIDE:
        raise ExportError(
            f"ImageJ regions hold coordinates up to {LIMIT_SIDE} and these frames are {result.shape_yx[1]} x "
            f"{result.shape_yx[0]} pixels; choose ome-tiff."
        )
    with zipfile.ZipFile(job.path, "w", zipfile.ZIP_DEFLATED) as archive:
        for frame in job.frames():
            found = [(i, box, labels_yx) for labels_yx in result.layers(frame) for i, box in object_bounds(labels_yx)]
            for object_id, box, labels_yx in sorted(found, key=lambda one: one[0]):
                # ImageJ reads the slice from names of this form if a stack has no channels, slices and frames.
                name = f"{frame + 1:05d}-{object_id:05d}-object"
                corner_xy = np.array([box[1].start, box[0].start])
                loops = [loop + corner_xy for loop in outlines(labels_yx[box] == object_id)]
                roi = region(roifile, loops, name, frame, result.entry(object_id))
                roi.c_position, roi.z_position, roi.t_position = hyperstack_position(result, frame)
                archive.writestr(f"{name}.roi", roi.tobytes())


def hyperstack_position(result: TrackingResult, frame: int) -> tuple[int, int, int]:
    """Channel, slice and frame in a hyperstack of the recording, one-based; 0 means any."""
    places = {"Z": 0, "T": 0} | {axis: place + 1 for axis, place in result.at.items() if axis in "ZT"}
    places[stack_axis(result)] = frame + 1
    return 0, places["Z"], places["T"]


def region(roifile: Any, loops: list[npt.NDArray[np.int64]], name: str, frame: int, entry: TrackedObject) -> Any:
    """Region of one object on one frame: a traced polygon, or a composite if it has parts or holes."""
    if len(loops) == 1:
        roi = roifile.ImagejRoi.frompoints(loops[0].astype(np.int32), name=name, position=frame)
        roi.roitype = roifile.ROI_TYPE.TRACED
        low, high = loops[0].min(axis=0), loops[0].max(axis=0)
    else:
        corners = np.concatenate(loops)
        low, high = corners.min(axis=0), corners.max(axis=0)
        roi = roifile.ImagejRoi(roitype=roifile.ROI_TYPE.RECT, name=name, position=frame + 1)
        roi.multi_coordinates = shape_path(loops)
        roi.shape_roi_size = len(roi.multi_coordinates)
    (roi.left, roi.top), (roi.right, roi.bottom) = low.tolist(), high.tolist()
    roi.stroke_color = bytes((255, *entry.color))
    roi.props = f"object: {entry.id}\nlabel: {entry.name}\n"
    return roi


def shape_path(loops: list[npt.NDArray[np.int64]]) -> npt.NDArray[np.float32]:
    """ImageJ's path of a composite region."""
    path: list[float] = []
    for loop in loops:
        for number, (x, y) in enumerate(loop.tolist()):
            path += [LINE_TO if number else MOVE_TO, x, y]
        path.append(CLOSE)
    return np.array(path, np.float32)


FORMAT = ExportFormat(
    name="roi-zip",
    title="ImageJ regions (ROI zip)",
    suffixes=(".zip",),
    write=write,
    about=(
        "One region per object and frame, outlines along the pixel borders (exact), complete even where objects "
        "overlap; positions in the stack and in the hyperstack, named frame-object, coloured; composite regions for "
        "objects with parts or holes."
    ),
    overlaps=True,
)
