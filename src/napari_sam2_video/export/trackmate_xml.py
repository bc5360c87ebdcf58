"""A TrackMate file: spots with their outlines, links, and tracks that divide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np

from napari_sam2_video.export.format import ExportFormat, ExportJob
from napari_sam2_video.export.geff_graph import edges
from napari_sam2_video.export.ome_tiff import note_geometry
from napari_sam2_video.export.outline import outlines
from napari_sam2_video.export.spots import Spots, axis_positions, object_bounds, spots_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from napari_sam2_video.results import Array, TrackingResult

VERSION = "7.11.1"
SPOT_FEATURES = {
    "QUALITY": ("Quality", "QUALITY", False),
    "POSITION_X": ("X", "POSITION", False),
    "POSITION_Y": ("Y", "POSITION", False),
    "POSITION_Z": ("Z", "POSITION", False),
    "POSITION_T": ("T", "TIME", False),
    "FRAME": ("Frame", "NONE", True),
    "RADIUS": ("Radius", "LENGTH", False),
    "VISIBILITY": ("Visibility", "NONE", True),
    "MANUAL_SPOT_COLOR": ("Manual spot color", "NONE", True),
    "AREA": ("Area", "AREA", False),
}
EDGE_FEATURES = {
    "SPOT_SOURCE_ID": ("Source spot ID", "NONE", True),
    "SPOT_TARGET_ID": ("Target spot ID", "NONE", True),
    "DISPLACEMENT": ("Displacement", "LENGTH", False),
    "EDGE_TIME": ("Edge time", "TIME", False),
}
TRACK_FEATURES = {
    "TRACK_INDEX": ("Track index", "NONE", True),
    "TRACK_ID": ("Track ID", "NONE", True),
    "NUMBER_SPOTS": ("Number of spots in track", "NONE", True),
    "NUMBER_SPLITS": ("Number of split events", "NONE", True),
    "TRACK_START": ("Track start", "TIME", False),
    "TRACK_STOP": ("Track stop", "TIME", False),
    "TRACK_DURATION": ("Duration of track", "TIME", False),
}


def write(job: ExportJob) -> None:
    """Write the model and the path of the recording; spots are held in memory."""
    result = job.result
    note_geometry(job)
    if result.walk_axis != "T":
        job.note(f"FRAME counts along the axis {result.walk_axis}; TrackMate will treat it as time.")
    calibration = result.calibration
    root = ElementTree.Element("TrackMate", version=VERSION)
    ElementTree.SubElement(root, "Log").text = job.provenance_text()
    units = {
        "spatialunits": "pixel" if calibration.length_unit in ("px", "unit") else calibration.length_unit,
        "timeunits": calibration.walk_unit if result.walk_axis == "T" else "frame",
    }
    model = ElementTree.SubElement(root, "Model", units)
    declarations = ElementTree.SubElement(model, "FeatureDeclarations")
    kinds = {"SpotFeatures": SPOT_FEATURES, "EdgeFeatures": EDGE_FEATURES, "TrackFeatures": TRACK_FEATURES}
    for kind, features in kinds.items():
        parent = ElementTree.SubElement(declarations, kind)
        for name, (title, dimension, whole) in features.items():
            described = {"feature": name, "name": title, "shortname": title, "dimension": dimension}
            ElementTree.SubElement(parent, "Feature", described | {"isint": str(whole).lower()})
    _add_graph(model, job)
    _add_settings(root, result)
    ElementTree.ElementTree(root).write(job.path, encoding="UTF-8", xml_declaration=True)


def _add_graph(model: ElementTree.Element, job: ExportJob) -> None:
    """Add the spots of every frame, and the tracks that link them."""
    result = job.result
    all_spots = ElementTree.SubElement(model, "AllSpots")
    found: list[Spots] = []
    places: list[npt.NDArray[np.float64]] = []
    count = 0
    for frame in job.frames():
        spots = spots_of(result, frame)
        found.append(spots)
        if not spots.ids.size:
            continue
        shapes = {i: (labels_yx, box) for labels_yx in result.layers(frame) for i, box in object_bounds(labels_yx)}
        positions = axis_positions(result, spots)
        nowhere = np.zeros(spots.ids.size)
        places.append(np.stack([positions.get(letter, nowhere) for letter in "XYZ"], axis=1))
        parent = ElementTree.SubElement(all_spots, "SpotsInFrame", frame=str(frame))
        for row, object_id in enumerate(spots.ids.tolist()):
            labels_yx, box = shapes[object_id]
            outline = _outline(labels_yx[box] == object_id) + np.array([box[1].start, box[0].start])
            _add_spot(parent, result, spots, row, count, places[-1][row], outline)
            count += 1
    all_spots.set("nspots", str(count))
    ids = np.concatenate([np.zeros(0, np.int64), *(spots.ids for spots in found)])
    frames = np.concatenate([np.zeros(0, np.int64), *(np.full(len(s.ids), s.frame, np.int64) for s in found)])
    _add_tracks(model, result, ids, frames, np.concatenate([np.zeros((0, 3)), *places]))


def _add_spot(
    parent: ElementTree.Element,
    result: TrackingResult,
    spots: Spots,
    row: int,
    number: int,
    place_xyz: npt.NDArray[np.float64],
    outline_xy: npt.NDArray[np.int64],
) -> None:
    entry = result.entry(int(spots.ids[row]))
    dy, dx = result.calibration.pixel_size
    area = float(spots.areas[row]) * dy * dx
    red, green, blue = entry.color
    corners = (outline_xy - 0.5 - (spots.x[row], spots.y[row])) * (dx, dy)
    described = {
        "ID": str(number),
        "name": entry.name,
        "QUALITY": "1.0",
        **{f"POSITION_{letter}": repr(float(value)) for letter, value in zip("XYZ", place_xyz, strict=True)},
        "POSITION_T": repr(float(result.calibration.position(spots.frame))),
        "FRAME": str(spots.frame),
        "RADIUS": repr((area / np.pi) ** 0.5),
        "VISIBILITY": "1",
        "MANUAL_SPOT_COLOR": str((red << 16 | green << 8 | blue) - (1 << 24)),
        "AREA": repr(area),
        "ROI_N_POINTS": str(len(corners)),
    }
    spot = ElementTree.SubElement(parent, "Spot", described)
    spot.text = " ".join(f"{value:.6g}" for value in corners.reshape(-1))


def _outline(mask_yx: Array) -> npt.NDArray[np.int64]:
    """Corners ``(x, y)`` of the outline of the largest part of a mask."""

    def enclosed(loop: npt.NDArray[np.int64]) -> float:
        following = np.roll(loop, -1, axis=0)
        return float(np.sum(loop[:, 0] * following[:, 1] - following[:, 0] * loop[:, 1]))

    return max(outlines(mask_yx), key=enclosed)


def _add_tracks(
    model: ElementTree.Element,
    result: TrackingResult,
    ids: npt.NDArray[np.int64],
    frames: npt.NDArray[np.int64],
    places: npt.NDArray[np.float64],
) -> None:
    """Add a track with its links for each family; spots without a link are in no track."""
    all_tracks = ElementTree.SubElement(model, "AllTracks")
    filtered = ElementTree.SubElement(model, "FilteredTracks")
    times = result.calibration.position(frames) if len(frames) else np.zeros(0)
    links = edges(ids, frames, result.objects) if len(ids) else np.zeros((0, 2), np.int64)
    families = _families(result, ids, links)
    by_family: dict[int, list[tuple[int, int]]] = {}
    for source, target in links.tolist():
        by_family.setdefault(families[int(ids[source])], []).append((source, target))
    for index, (founder, pairs) in enumerate(sorted(by_family.items())):
        nodes = sorted({node for pair in pairs for node in pair})
        begin, end = float(times[nodes].min()), float(times[nodes].max())
        sources = [source for source, _ in pairs]
        track = ElementTree.SubElement(
            all_tracks,
            "Track",
            name=result.entry(founder).name,
            TRACK_INDEX=str(index),
            TRACK_ID=str(index),
            NUMBER_SPOTS=str(len(nodes)),
            NUMBER_SPLITS=str(sum(sources.count(source) > 1 for source in set(sources))),
            TRACK_START=repr(begin),
            TRACK_STOP=repr(end),
            TRACK_DURATION=repr(end - begin),
        )
        for source, target in sorted(pairs, key=lambda pair: (frames[pair[0]], pair)):
            ElementTree.SubElement(
                track,
                "Edge",
                SPOT_SOURCE_ID=str(source),
                SPOT_TARGET_ID=str(target),
                DISPLACEMENT=repr(float(np.linalg.norm(places[target] - places[source]))),
                EDGE_TIME=repr(float(times[source] + times[target]) / 2),
            )
        ElementTree.SubElement(filtered, "TrackID", TRACK_ID=str(index))


def _families(result: TrackingResult, ids: npt.NDArray[np.int64], links: npt.NDArray[np.int64]) -> Mapping[int, int]:
    """For each object, the founder of its family: the ancestor that links lead back to."""
    parents = {int(ids[target]): int(ids[source]) for source, target in links.tolist() if ids[source] != ids[target]}

    def founder(object_id: int) -> int:
        seen = {object_id}
        while (parent := parents.get(object_id)) is not None and parent not in seen:
            seen.add(parent)
            object_id = parent
        return object_id

    return {entry.id: founder(entry.id) for entry in result.objects}


def _add_settings(root: ElementTree.Element, result: TrackingResult) -> None:
    """Add the path and the sizes of the recording."""
    calibration = result.calibration
    dy, dx = calibration.pixel_size
    height, width = result.shape_yx
    path = "" if result.source_path is None else os.fspath(result.source_path.absolute())
    folder, name = os.path.split(path)
    settings = ElementTree.SubElement(root, "Settings")
    ElementTree.SubElement(
        settings,
        "ImageData",
        filename=name,
        folder=f"{folder}{os.sep}" if folder else "",
        width=str(width),
        height=str(height),
        nslices="1",
        nframes=str(result.n_frames),
        pixelwidth=repr(dx),
        pixelheight=repr(dy),
        voxeldepth="1.0",
        timeinterval=repr(calibration.step if result.walk_axis == "T" else 1.0),
    )
    ends = {"xstart": 0, "xend": width - 1, "ystart": 0, "yend": height - 1, "zstart": 0, "zend": 0}
    ends |= {"tstart": 0, "tend": result.n_frames - 1}
    ElementTree.SubElement(settings, "BasicSettings", {key: str(value) for key, value in ends.items()})
    for name in ("InitialSpotFilter", "DetectorSettings", "TrackerSettings", "SpotFilterCollection"):
        every = {"feature": "QUALITY", "value": "0.0", "isabove": "true"} if name == "InitialSpotFilter" else {}
        ElementTree.SubElement(settings, name, every)
    ElementTree.SubElement(settings, "TrackFilterCollection")
    ElementTree.SubElement(root, "GUIState", state="ConfigureViews")


FORMAT = ExportFormat(
    name="trackmate-xml",
    title="TrackMate (XML)",
    suffixes=(".xml",),
    write=write,
    about=(
        "A TrackMate 7 file: one spot per object and frame with its outline, area and colour in the recording's units, "
        "links across gaps, and divisions from a parent to its daughters as splits of one track."
    ),
    embeds_provenance=True,
    overlaps=True,
    group="Tracks and lineages",
)
