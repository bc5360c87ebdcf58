"""Tracks as a GEFF graph: one node per object and frame, with edges to the next frame and from parents to daughters."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_sam2_video.export.format import ExportFormat, ExportJob, need
from napari_sam2_video.export.ome_tiff import note_geometry
from napari_sam2_video.export.spots import Spots, spots_of
from napari_sam2_video.units import ngff_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.results import TrackingResult
    from napari_sam2_video.types.tracked_object import TrackedObject


def write(job: ExportJob) -> None:
    """Write the graph with GEFF's own library, which creates and checks the folder."""
    core = need("geff.core_io._base_write", "geff")
    spec = need("geff_spec", "geff")
    result = job.result
    note_geometry(job)
    spots = [spots_of(result, frame) for frame in job.frames()]
    frames = np.concatenate([np.full(len(found.ids), found.frame, np.int64) for found in spots])
    ids = joined(spots, "ids")
    properties = {
        result.walk_axis.lower(): frames,
        result.plane_axes[0].lower(): joined(spots, "y"),
        result.plane_axes[1].lower(): joined(spots, "x"),
        "area": joined(spots, "areas"),
        "track_id": ids,
    }
    described = {}
    if result.times is not None:
        job.note("The frame rate of the recording varies: the nodes have the time of their frame as the property time.")
        properties["time"] = result.times[frames]
        described["time"] = spec.PropMetadata(identifier="time", dtype="float64", unit="second")
    metadata = spec.GeffMetadata(
        directed=True,
        axes=[spec.Axis(**axis) for axis in axes(result)],
        node_props_metadata=described,
        edge_props_metadata={},
        track_node_props={"tracklet": "track_id"} if len(ids) else None,
        extra={"provenance": job.provenance(), "names": {str(e.id): e.name for e in result.objects}},
    )
    job.path.rmdir()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="geff|zarr")
        core.write_arrays(
            job.path,
            np.arange(len(ids), dtype=np.uint64),
            {name: {"values": values, "missing": None} for name, values in properties.items()},
            edges(ids, frames, result.objects).astype(np.uint64),
            {},
            metadata,
        )


def joined(spots: Sequence[Spots], name: str) -> npt.NDArray[Any]:
    """One column of all spots."""
    return np.concatenate([getattr(found, name) for found in spots])


def edges(
    ids: npt.NDArray[np.int64], frames: npt.NDArray[np.int64], objects: Sequence[TrackedObject]
) -> npt.NDArray[np.int64]:
    """Pairs of nodes: each object's consecutive spots, and a parent's last spot before its daughter's first."""
    order = np.lexsort((frames, ids))
    same = ids[order[1:]] == ids[order[:-1]]
    pairs = [np.stack([order[:-1][same], order[1:][same]], axis=1)]
    nodes = {int(ids[group[0]]): group for group in np.split(order, np.flatnonzero(~same) + 1) if group.size}
    for entry in objects:
        if entry.parent in nodes and entry.id in nodes:
            first = nodes[entry.id][0]
            earlier = nodes[entry.parent][frames[nodes[entry.parent]] < frames[first]]
            if earlier.size:
                pairs.append(np.array([[earlier[-1], first]]))
    return np.concatenate(pairs).reshape(-1, 2)


def axes(result: TrackingResult) -> list[dict[str, Any]]:
    """Axes in frames and pixels, with the scale to the recording's units.

    The frame axis has no scale if the interval varies; the time is then a property of the nodes.
    """
    described = []
    letters = [letter.lower() for letter in (result.walk_axis, *result.plane_axes)]
    step = result.step if result.times is None else None
    for letter, size, unit in zip(letters, (step, *result.pixel_size), result.units, strict=True):
        name = None if size is None else ngff_unit(unit)
        kind = "space" if letter in "zyx" else "time"
        axis: dict[str, Any] = {"name": letter, "type": kind, "unit": "pixel" if kind == "space" else "frame"}
        described.append({**axis, "scale": 1.0 if size is None else size, **({"scaled_unit": name} if name else {})})
    return described


FORMAT = ExportFormat(
    name="geff",
    title="Track graph (GEFF)",
    suffixes=(".geff",),
    kind="folder",
    write=write,
    about=(
        "Zarr graph: one node per object and frame (position in frames and pixels, with scale and unit; area; "
        "track_id), with edges to the object's next frame and from parents to daughters."
    ),
    embeds_provenance=True,
    sidecar=True,
    overlaps=True,
    group="Tracks and lineages",
)
