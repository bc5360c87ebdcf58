"""All formats, and the function that writes any of them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import ExportError
from napari_sam2_video.export import (
    clips,
    coco,
    csv_tables,
    ctc,
    cutout,
    davis,
    dicom_seg,
    geff_graph,
    imagej,
    label_video,
    matte,
    nifti,
    ome_tiff,
    ome_zarr,
    plots,
    preview,
    roi,
    rtstruct,
    surfaces,
    tiff_folder,
    trackmate_xml,
    video,
)
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportReport, Progress
from napari_sam2_video.export.output import (
    PROVENANCE_NAME,
    absolute_target,
    files_below,
    leftovers,
    spare_recording,
    stood_aside,
    write_json,
    written_aside,
)
from napari_sam2_video.export.selection import noting_overlaps, select
from napari_sam2_video.export.unreadable import Unreadable
from napari_sam2_video.types.calls import public

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from napari_sam2_video.export.selection import Frames, Objects
    from napari_sam2_video.results import TrackingResult

FORMATS: Mapping[str, ExportFormat] = {
    chosen.name: chosen
    for chosen in (
        ome_tiff.FORMAT,
        imagej.FORMAT,
        tiff_folder.FORMAT,
        ome_zarr.FORMAT,
        nifti.FORMAT,
        dicom_seg.FORMAT,
        rtstruct.FORMAT,
        roi.FORMAT,
        label_video.FORMAT,
        csv_tables.MEASUREMENTS,
        csv_tables.VOLUMES,
        csv_tables.DISPLACEMENTS,
        *plots.FORMATS,
        trackmate_xml.FORMAT,
        csv_tables.TRACKMATE,
        ctc.FORMAT,
        geff_graph.FORMAT,
        csv_tables.NAPARI,
        *video.FORMATS,
        preview.FORMAT,
        matte.PRORES,
        matte.VP9,
        matte.PICTURES,
        *cutout.FORMATS,
        clips.FILMS,
        clips.STACKS,
        *surfaces.FORMATS,
        coco.FORMAT,
        davis.FORMAT,
    )
}


@public
def export(
    result: TrackingResult,
    target: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    objects: Objects = None,
    frames: Frames = None,
    options: Mapping[str, Any] | None = None,
) -> ExportReport:
    """Write a result in one of the formats of `FORMATS`.

    The export is written beside the target under a hidden name and renamed when complete, so a target is always either
    unchanged or complete. Memory is bounded by a few frames in most formats. A frame that cannot be read keeps its
    place, black or without intensities, and is listed in a note and in the provenance.

    The parameters are those of `napari_sam2_video.api.export`. An exception from `progress` ends the export and leaves
    nothing behind.

    Raises
    ------
    ExportError
        If the result does not fit the format or cannot be written, or no frame can be read; the target is then
        unchanged.
    TargetExistsError
        If the target exists and `overwrite` is False.
    """
    target = absolute_target(target)
    chosen = find_format(target, format)
    target = with_suffix_of(chosen, target)
    register = None if chosen.enter is None else chosen.enter(target)
    if register is None:
        spare_recording(target, result.source_path)
    if chosen.max_id is not None and result.max_id > chosen.max_id:
        raise ExportError(
            f"The format {chosen.name} holds object ids up to {chosen.max_id}, but this result has id {result.max_id}; "
            "choose ome-tiff, which holds any id."
        )
    if result.n_frames < 1 or min(result.shape_yx) < 1:
        raise ExportError("The result has no frames, so there is nothing to export.")
    folder = chosen.kind == "folder"
    suffix = "" if folder else matching_suffix(chosen, target)
    beside = chosen.sidecar if folder else not chosen.embeds_provenance
    aside = target.with_name(f"{target.name}.{PROVENANCE_NAME}") if beside and register is None else None
    abandoned, older = (leftovers(target), stood_aside(target)) if target.parent.is_dir() else ([], [])
    lost = Unreadable(result.source_path)
    result = select(result, objects, frames, whole=chosen.whole or register is not None)
    result = replace(result, read_frame=lost.around(result.read_frame), read_raw=lost.around(result.read_raw))
    result, overlapping = noting_overlaps(result)
    with ExitStack() as stack:
        statement_part = None if aside is None else stack.enter_context(written_aside(aside, overwrite=True))
        part = stack.enter_context(written_aside(target, folder=folder, overwrite=overwrite, suffix=suffix))
        job = ExportJob(result, part, target, settle_options(chosen, options or {}), unreadable=lost.frames)
        if progress is not None:
            job.progress = progress
        for path in abandoned:
            job.note(
                f"{path.name} is left over from an export that was killed; delete it if no other export is running."
            )
        for path in older:
            job.note(
                f"{path.name} is the previous file from an export that was killed; keep it under another name, or "
                "delete it."
            )
        chosen.write(job)
        lost.settle(job)
        if overlapping and not chosen.overlaps:
            job.note(
                f"Objects overlap on {len(overlapping)} frames, first on frame {min(overlapping)}, and this format "
                "gives each pixel to one of them; choose coco, roi-zip, dicom-seg or geff, or one object at a time."
            )
        if register is None:
            _state(job, chosen, part, statement_part)
    if register is not None:
        register()
    return ExportReport(target, tuple(job.notes), aside)


def _state(job: ExportJob, chosen: ExportFormat, part: Path, statement: Path | None) -> None:
    """Write the provenance and the list of written files: inside a folder, or to `statement` beside it."""
    result = job.result
    written = {"objects": [o.id for o in result.objects], "frames": [result.frames.start, result.frames.stop]}
    made = {"format": chosen.name, "options": dict(job.options), "notes": job.notes, "written": written}
    content = {**made, **job.stated()}
    if chosen.kind == "folder":
        content["files"] = files_below(part)
        statement = statement or part / PROVENANCE_NAME
    if statement is not None:
        write_json(statement, content)


def find_format(target: Path, name: str | None = None) -> ExportFormat:
    """Format with that name, or the one for the suffix of `target`.

    Raises
    ------
    ExportError
        If there is no such format, or the suffix belongs to none.
    """
    if name is not None:
        if name not in FORMATS:
            raise ExportError(f"There is no export format {name!r}; choose one of {', '.join(FORMATS)}.")
        return FORMATS[name]
    fitting = [entry for entry in FORMATS.values() if entry.guess and matching_suffix(entry, target)]
    if not fitting:
        raise ExportError(
            f"The name {target.name} has no suffix of an export format; choose one of {', '.join(FORMATS)}."
        )
    return max(fitting, key=lambda entry: len(matching_suffix(entry, target)))


def matching_suffix(chosen: ExportFormat, target: Path) -> str:
    """Suffix of the format that `target` ends with; empty if none."""
    name = target.name.lower()
    return max((suffix for suffix in chosen.suffixes if name.endswith(suffix)), key=len, default="")


def with_suffix_of(chosen: ExportFormat, target: Path) -> Path:
    """`target`, with the format's default suffix added if a file has none.

    Raises
    ------
    ExportError
        If the target has a suffix that the format's readers would not know.
    """
    if chosen.kind == "folder" or not chosen.suffixes or matching_suffix(chosen, target):
        return target
    if target.suffix:
        raise ExportError(
            f"Files of the format {chosen.name} end in {' or '.join(chosen.suffixes)}, not in {target.suffix}; "
            f"choose a name such as {target.stem}{chosen.suffixes[0]}."
        )
    return target.with_name(target.name + chosen.suffixes[0])


def settle_options(chosen: ExportFormat, given: Mapping[str, Any]) -> dict[str, Any]:
    """All options of the format, with the given value or the default.

    Raises
    ------
    ExportError
        If an option is unknown or its value does not fit.
    """
    known = {option.name: option for option in chosen.options}
    for name in given:
        if name not in known:
            choices = f"it has {', '.join(known)}" if known else "it has none"
            raise ExportError(f"The format {chosen.name} has no option {name}; {choices}.")
    return {name: option.convert(given.get(name, option.default)) for name, option in known.items()}
