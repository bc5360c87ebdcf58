"""Tables as CSV: tracks for TrackMate and napari, and measurements."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.motion import mean_squared_displacement
from napari_sam2_video.analysis.volume import measure_volumes
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption
from napari_sam2_video.export.ome_tiff import note_geometry
from napari_sam2_video.export.output import check_target, written_aside
from napari_sam2_video.export.spots import axis_positions, spots_of

if TYPE_CHECKING:
    from pathlib import Path

    from napari_sam2_video.analysis.table import Table

TRACKMATE_COLUMNS = (
    "LABEL",
    "ID",
    "TRACK_ID",
    "QUALITY",
    "POSITION_X",
    "POSITION_Y",
    "POSITION_Z",
    "POSITION_T",
    "FRAME",
    "RADIUS",
    "VISIBILITY",
    "AREA",
)


def write_trackmate(job: ExportJob) -> None:
    """Write one row per spot, ordered by frame."""
    result = job.result
    note_geometry(job)
    dy, dx = result.calibration.pixel_size
    number = 0
    if result.walk_axis != "T":
        job.note(f"FRAME counts along the axis {result.walk_axis}; TrackMate will treat it as time.")
    with job.path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(TRACKMATE_COLUMNS)
        for frame in job.frames():
            spots = spots_of(result, frame)
            positions = {letter: values.tolist() for letter, values in axis_positions(result, spots).items()}
            for row, object_id in enumerate(spots.ids.tolist()):
                places = [positions[letter][row] if letter in positions else 0.0 for letter in "XYZT"]
                area = float(spots.areas[row]) * dy * dx
                name, radius = result.entry(object_id).name, (area / math.pi) ** 0.5
                table.writerow([name, number, object_id, 1.0, *places, frame, radius, 1, area])
                number += 1


def write_napari(job: ExportJob) -> None:
    """Write one row per vertex in pixels, ordered by track and frame as a Tracks layer requires."""
    result = job.result
    note_geometry(job)
    plane = result.at.get("Z")
    rows: list[tuple[int, int, float, float]] = []
    for frame in job.frames():
        spots = spots_of(result, frame)
        rows.extend(zip(spots.ids.tolist(), [frame] * len(spots.ids), spots.y.tolist(), spots.x.tolist(), strict=True))
    rows.sort()
    if result.walk_axis != "T":
        job.note(f"The column T counts along the walked axis {result.walk_axis}.")
    with job.path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["ID", "T", *([] if plane is None else ["Z"]), *result.plane_axes])
        for object_id, frame, y, x in rows:
            table.writerow([object_id, frame, *([] if plane is None else [plane]), y, x])


def write_measurements(job: ExportJob) -> None:
    """Write every measurement, as CSV or as Parquet by the suffix."""
    note_geometry(job)
    chosen = {name: job.options[name] for name in ("intensity", "shape")}
    _write_file(job.path, measure(job.result, **chosen, progress=job.progress))


def write_displacements(job: ExportJob) -> None:
    """Write the mean squared displacement of every object for every lag."""
    note_geometry(job)
    table = measure(job.result, intensity=False, shape=False, progress=job.progress)
    _write_file(job.path, mean_squared_displacement(table, max_lag=job.options["max_lag"] or None))


def write_volumes(job: ExportJob) -> None:
    """Write volume and surface of every object of a recording tracked through space."""
    note_geometry(job)
    _write_file(job.path, measure_volumes(job.result, intensity=job.options["intensity"], progress=job.progress))


def save_table(table: Table, target: Path, *, overwrite: bool = False) -> Path:
    """Write a table as CSV or Parquet, by the suffix of `target`; the target is either unchanged or complete.

    Raises
    ------
    ExportError
        If the suffix is a different one, or the file cannot be written.
    TargetExistsError
        If the target exists and `overwrite` is False.
    """
    check_table_name(target, overwrite=overwrite)
    with written_aside(target, overwrite=overwrite, suffix=target.suffix.lower()) as part:
        _write_file(part, table)
    return target


def check_table_name(target: Path, *, overwrite: bool) -> None:
    """Refuse a target that `save_table` would refuse, before measuring anything."""
    if target.suffix.lower() not in (".csv", ".parquet"):
        raise ExportError(f"Tables are written as .csv or .parquet, not {target.name}; choose another name.")
    check_target(target, folder=False, overwrite=overwrite)


def _write_file(path: Path, table: Table) -> None:
    if path.suffix.lower() == ".parquet":
        table.to_parquet(path)
        return
    with path.open("w", newline="", encoding="utf-8") as stream:
        table.to_csv(stream)


TRACKMATE = ExportFormat(
    name="trackmate-csv",
    title="TrackMate spots (CSV)",
    suffixes=(".csv",),
    write=write_trackmate,
    about=(
        "One row per spot with the columns of TrackMate's own spot table: LABEL, ID, TRACK_ID, QUALITY, POSITION_X "
        "to T in the recording's units, FRAME, RADIUS, VISIBILITY, AREA; one header row."
    ),
    overlaps=True,
    guess=False,
    group="Tracks and lineages",
)
NAPARI = ExportFormat(
    name="tracks-csv",
    title="napari tracks (CSV)",
    suffixes=(".csv",),
    write=write_napari,
    about="ID, T, (Z), Y, X in pixels, ordered by track and frame, as for a napari Tracks layer.",
    overlaps=True,
    guess=False,
    group="Tracks and lineages",
)
MEASUREMENTS = ExportFormat(
    name="measurements-csv",
    title="Measurements (CSV)",
    suffixes=(".csv", ".parquet"),
    write=write_measurements,
    about="Area, centroid, shape, intensity, motion and scores of every object on every frame, a tidy table.",
    options=(
        ExportOption("intensity", "bool", True, "also measure the recording's raw values"),
        ExportOption("shape", "bool", True, "also measure perimeters and shapes, which takes longer"),
    ),
    overlaps=True,
    group="Tables and plots",
)
DISPLACEMENTS = ExportFormat(
    name="msd-csv",
    title="Mean squared displacement (CSV)",
    suffixes=(".csv", ".parquet"),
    write=write_displacements,
    about="How far objects move in a given time: lag, mean squared displacement and number of pairs for each object.",
    options=(ExportOption("max_lag", "int", 0, "longest lag in frames; 0: a quarter of a track", limits=(0, 100_000)),),
    overlaps=True,
    guess=False,
    group="Tables and plots",
)
VOLUMES = ExportFormat(
    name="volumes-csv",
    title="Volumes (CSV)",
    suffixes=(".csv", ".parquet"),
    write=write_volumes,
    about=(
        "Volume, surface, sphericity, extents, position, mean and deviation of raw values of every object in a "
        "recording tracked through space."
    ),
    options=(ExportOption("intensity", "bool", True, "also measure the recording's raw values"),),
    overlaps=True,
    guess=False,
    group="Tables and plots",
)
