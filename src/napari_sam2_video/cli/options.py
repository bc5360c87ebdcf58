"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FILE = "Missing or wrong metadata"
VIEW = "View of the recording"
PROMPTS = "Prompts"
RUN = "Extent of the run"
NETWORK = "Model"
FINDING = "Finding objects"
SESSION = "Session"

Axes = Annotated[
    str | None,
    typer.Option(help="One letter per axis, such as ZYX or TCYX.", metavar="LETTERS", rich_help_panel=FILE),
]
PixelSize = Annotated[
    str | None,
    typer.Option(
        help="Pixel size with unit: '0.25 um', '0.3,0.25 um' (Y, X) or '2,0.5,0.5 mm' (Z, Y, X).",
        metavar="SIZE",
        rich_help_panel=FILE,
    ),
]
Interval = Annotated[
    str | None,
    typer.Option(help="Time between frames: '2.5 s' or '5 min'.", metavar="TIME", rich_help_panel=FILE),
]
Series = Annotated[
    str | None,
    typer.Option(
        help="Index or name of the image series, if a file or folder has several.",
        metavar="SERIES",
        rich_help_panel=FILE,
    ),
]
Axis = Annotated[
    str | None,
    typer.Option(
        help="Axis to track along, by letter or index; T, else Z, if not given.", metavar="LETTER", rich_help_panel=VIEW
    ),
]
Planes = Annotated[
    str | None,
    typer.Option(
        help="Track a volume along several axes, such as zyx, and keep what the walks agree on.",
        metavar="LETTERS",
        rich_help_panel=RUN,
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        help="Position along another axis, such as Z=5; repeatable. If not given, 0 along T and the middle of other "
        "axes.",
        metavar="AXIS=INDEX",
        rich_help_panel=VIEW,
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(help="Channel that the model sees; 0 if not given.", metavar="INDEX", rich_help_panel=VIEW),
]
Channels = Annotated[
    str | None,
    typer.Option(
        help="Channels to combine in colour: '0=green,1=magenta', or with contrast windows "
        "'0=green:100:4000,1=magenta:50:900'.",
        metavar="INDEX=COLOUR,...",
        rich_help_panel=VIEW,
    ),
]
Contrast = Annotated[
    str | None,
    typer.Option(
        help="Contrast window LO,HI for all frames, or a CT preset: lung, bone, brain, abdomen or mediastinum. If not "
        "given, 8-bit values are used unchanged, and others are scaled by percentiles of the whole recording.",
        metavar="LO,HI",
        rich_help_panel=VIEW,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="A name from 'napari-sam2-video models list', or a checkpoint file; demo if not given.",
        metavar="NAME",
        rich_help_panel=NETWORK,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto (if not given), cpu, cuda, cuda:1, mps, or http://HOST:PORT of a server.",
        metavar="DEVICE",
        rich_help_panel=NETWORK,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(help="auto (if not given), fp32, bf16 or fp16.", metavar="TYPE", rich_help_panel=NETWORK),
]
Arithmetic = Annotated[
    str | None,
    typer.Option(
        help="exact (if not given): on a CPU, a single object gets the same numbers as Meta's predictor, bit for bit; "
        "fast: equal up to rounding, in less time; auto: fast, with bf16 where this CPU is faster with it and a check "
        "finds the same masks.",
        metavar="exact|fast|auto",
        rich_help_panel=NETWORK,
    ),
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        help="Side of the network's square input in pixels, a multiple of 32; smaller is faster.",
        metavar="PIXELS",
        rich_help_panel=NETWORK,
    ),
]
Window = Annotated[
    str | None,
    typer.Option(
        help="auto (small objects are tracked in a window that follows them), off, or the side of the window in "
        "pixels.",
        metavar="auto|off|PIXELS",
        rich_help_panel=NETWORK,
    ),
]
Find = Annotated[
    str | None,
    typer.Option(
        help="Find more objects once the prompted ones are tracked: everything, like:1,2 (similar to objects 1 and "
        '2), labels:FILE, or text:"red cell".',
        metavar="DETECTOR",
        rich_help_panel=FINDING,
    ),
]
SmallestArea = Annotated[
    int,
    typer.Option(
        help="Leave out labels of --seeds, and what is found, with fewer pixels.",
        metavar="PIXELS",
        min=0,
        rich_help_panel=FINDING,
    ),
]
Every = Annotated[
    str | None,
    typer.Option(
        help="Look on every Nth frame; if not given, 1 for labels, whose masks are then kept, and 5 otherwise.",
        metavar="FRAMES",
        rich_help_panel=FINDING,
    ),
]
Accept = Annotated[
    str | None,
    typer.Option(
        help="Accept and track proposals with at least this score (0 to 1); the others wait for you.",
        metavar="SCORE",
        rich_help_panel=FINDING,
    ),
]
SessionFolder = Annotated[Path, typer.Argument(help="Session folder, *.sam2v.", metavar="SESSION")]
RecordingPath = Annotated[
    str,
    typer.Argument(help="File or folder: TIFF, images, OME-Zarr, video, NIfTI, DICOM and more.", metavar="RECORDING"),
]


def joined(places: list[str] | None) -> str | None:
    """Repeated ``--at`` as one text."""
    return None if places is None else ",".join(places)
