"""``napari-sam2-video export``, ``measure``, ``formats`` and ``info``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import Annotated, Any

import typer

from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.show import frames_bar, note, say
from napari_sam2_video.errors import ExportError


def export(
    session: shared.SessionFolder,
    target: Annotated[Path, typer.Argument(help="File or folder to write.", metavar="TARGET")],
    format: Annotated[
        str | None,
        shared.option("A name from 'napari-sam2-video formats'; guessed from the target's suffix if not given."),
    ] = None,
    objects: Annotated[str | None, shared.option("Objects to write, such as 1,3-5; all if not given.")] = None,
    frames: Annotated[
        str | None,
        shared.option("Frames A to B-1, or tracked, or all; tracked if not given, all for NIfTI and DICOM.", "A:B"),
    ] = None,
    option: Annotated[list[str] | None, shared.option("Option of the format; repeatable.", "NAME=VALUE")] = None,
    overwrite: Annotated[bool, shared.option("Replace what exists.", name="--overwrite")] = False,
) -> None:
    """Export the masks of a session as labels, videos, tables or plots.

    Examples
    --------
    napari-sam2-video export cells.sam2v cells_labels.ome.tif

    napari-sam2-video export cells.sam2v overlay.mp4 --option style=fill --overwrite

    napari-sam2-video export cells.sam2v ctc_folder --format ctc

    napari-sam2-video export cells.sam2v matte.mov --objects 1,3 --frames 10:40
    """
    from napari_sam2_video import api

    options: dict[str, str] = {}
    for text in option or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise ExportError(f"{text!r} is not an option; write NAME=VALUE.")
        options[name.strip()] = value
    with frames_bar("Exporting") as progress:
        report = api.export(
            session,
            target,
            format=format,
            overwrite=overwrite,
            progress=progress,
            objects=objects,
            frames=frames,
            options=options,
        )
    for sentence in report.notes:
        note(sentence)
    say(f"Wrote {report.path}")


def measure(
    session: shared.SessionFolder,
    target: Annotated[Path, typer.Argument(help="CSV or Parquet file to write.", metavar="TARGET")],
    channels: Annotated[str | None, shared.option("Channels to measure raw values in.", "INDEX,INDEX,...")] = None,
    recording: Annotated[
        Path | None, shared.option("Another recording of the same size to measure raw values in.", "RECORDING")
    ] = None,
    intensity: Annotated[bool, shared.option("Measure raw values; this reads the recording.")] = True,
    shape: Annotated[bool, shared.option("Measure perimeters and shapes; this takes longer.")] = True,
    overwrite: Annotated[bool, shared.option("Replace what exists.", name="--overwrite")] = False,
) -> None:
    """Measure every object on every frame into a table.

    Examples
    --------
    napari-sam2-video measure cells.sam2v cells.csv

    napari-sam2-video measure cells.sam2v marker.parquet --channels 1,2 --no-shape
    """
    from napari_sam2_video import api
    from napari_sam2_video.api.options import number_from_text
    from napari_sam2_video.export.csv_tables import check_table_name, save_table

    chosen = None if channels is None else [number_from_text(one.strip(), "A channel") for one in channels.split(",")]
    check_table_name(target, overwrite=overwrite)
    with frames_bar("Measuring") as progress:
        table = api.measure(
            session, intensity=intensity, shape=shape, channels=chosen, recording=recording, progress=progress
        )
    save_table(table, target, overwrite=overwrite)
    say(f"Wrote {target}: {len(table)} rows, {len(table.names)} columns")


def formats() -> None:
    """List the export formats and their options."""
    from napari_sam2_video.export.registry import FORMATS

    for name, entry in FORMATS.items():
        say(f"{name:22} {entry.title}  ({entry.kind}{', ' + ' '.join(entry.suffixes) if entry.suffixes else ''})")
        for option in entry.options:
            say(f"{'':24}{option.name}={option.default}")


def info(
    recording: shared.RecordingPath,
    axis: shared.Axis = None,
    at: shared.At = None,
    channel: shared.Channel = None,
    channels: shared.Channels = None,
    contrast: shared.Contrast = None,
    axes: shared.Axes = None,
    pixel_size: shared.PixelSize = None,
    interval: shared.Interval = None,
    series: shared.Series = None,
) -> None:
    """Show the axes, sizes, times and contrast window of a recording.

    Examples
    --------
    napari-sam2-video info cells.tif

    napari-sam2-video info stack.tif --axes ZYX --pixel-size "2,0.5,0.5 um"
    """
    from napari_sam2_video.api.options import SessionOptions
    from napari_sam2_video.api.recordings import describe

    options = {
        "axes": axes,
        "pixel_size": pixel_size,
        "interval": interval,
        "series": series,
        "axis": axis,
        "at": shared.joined(at),
        "channel": channel,
        "channels": channels,
        "contrast": contrast,
    }
    about = describe(recording, SessionOptions.from_text(options))
    view = about["view"]
    low, high, source = view["window"]
    shape = " x ".join(str(n) for n in about["shape"])
    say(f"{about['name']}: {shape} ({about['axes']}), {about['dtype']}, {about['bytes'] / 1e6:,.1f} MB")
    say(f"Pixel size: {', '.join(_size(about, letter) for letter in about['scale'] if letter not in 'CS')}")
    height, width = view["shape_yx"]
    say(f"Frames along {view['axis']}: {view['n_frames']} of {height} x {width} pixels")
    alone = view["channel"] is not None and not view["channels"]
    places = {**view["at"], **({"C": view["channel"]} if alone else {})}
    if places:
        say(f"Other axes: {', '.join(f'{letter}={place}' for letter, place in places.items())}")
    if view["channels"]:
        say(f"Channels in colour, with their contrast windows: {', '.join(view['channels'])}")
    else:
        say(f"Contrast window: {low:g} to {high:g} ({source})")
    for sentence in about["notes"]:
        say(sentence)


def _size(about: dict[str, Any], letter: str) -> str:
    times = about["times"]
    if letter == "T" and times is not None:
        return f"T {times['shortest']:.4g} to {times['longest']:.4g} s (uneven), {times['duration']:.4g} s in total"
    size, unit = about["scale"][letter], about["units"].get(letter)
    if size is None:
        return f"{letter} unknown"
    source = " (as given)" if about["calibration_source"].get(letter) == "person" else ""
    return f"{letter} {size:g} {unit or '(no unit)'}{source}"
