"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FILE = "What the file does not say, or says wrongly"
VIEW = "How the recording is looked at"
PROMPTS = "Prompts: what to track"
RUN = "What the run covers"
NETWORK = "The network"
FINDING = "Finding: what nobody prompted"
SESSION = "The session"

Axes = Annotated[
    str | None,
    typer.Option(help="A letter for each axis, such as ZYX or TCYX.", metavar="LETTERS", rich_help_panel=FILE),
]
PixelSize = Annotated[
    str | None,
    typer.Option(
        help="Pixel size with its unit: '0.25 um', '0.3,0.25 um' (Y, X) or '2,0.5,0.5 mm' (Z, Y, X).",
        metavar="SIZE",
        rich_help_panel=FILE,
    ),
]
Interval = Annotated[
    str | None,
    typer.Option(help="Time from one frame to the next: '2.5 s' or '5 min'.", metavar="TIME", rich_help_panel=FILE),
]
Series = Annotated[
    str | None,
    typer.Option(
        help="Which image series of a file or folder with several, by index or name.",
        metavar="SERIES",
        rich_help_panel=FILE,
    ),
]
Axis = Annotated[
    str | None,
    typer.Option(
        help="Axis to walk along, by letter or index: T, else Z, if not given.", metavar="LETTER", rich_help_panel=VIEW
    ),
]
Planes = Annotated[
    str | None,
    typer.Option(
        help="Axes that a volume is tracked along, such as zyx; what the walks agree on is the result.",
        metavar="LETTERS",
        rich_help_panel=RUN,
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        help="Position along another axis, such as Z=5; repeatable. If not given, 0 along T and the middle elsewhere.",
        metavar="AXIS=INDEX",
        rich_help_panel=VIEW,
    ),
]
Channel = Annotated[
    str | None,
    typer.Option(help="Channel to look at; 0 if not given.", metavar="INDEX", rich_help_panel=VIEW),
]
Channels = Annotated[
    str | None,
    typer.Option(
        help="Channels that the model sees together in colour: '0=green,1=magenta', or with contrast windows "
        "'0=green:100:4000,1=magenta:50:900'.",
        metavar="INDEX=COLOUR,...",
        rich_help_panel=VIEW,
    ),
]
Contrast = Annotated[
    str | None,
    typer.Option(
        help="Contrast window LO,HI for all frames, or lung, bone, brain, abdomen or mediastinum. If not given, 8-bit "
        "values are shown as they are, others by percentiles of the whole recording.",
        metavar="LO,HI",
        rich_help_panel=VIEW,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="A name of 'napari-sam2-video models list' or a checkpoint file; demo if not given.",
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
        help="exact (if not given): on a processor, one object has the numbers of Meta's predictor, bit for bit; fast: "
        "up to rounding, in less time.",
        metavar="exact|fast",
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
        help="auto (small objects are tracked in windows that follow them), off, or the windows' side in pixels.",
        metavar="auto|off|PIXELS",
        rich_help_panel=NETWORK,
    ),
]
Find = Annotated[
    str | None,
    typer.Option(
        help="Find more objects, after the prompted ones are tracked: everything, like:1,2 (such as the objects 1 and "
        '2), labels:FILE, or text:"red cell".',
        metavar="DETECTOR",
        rich_help_panel=FINDING,
    ),
]
Every = Annotated[
    str | None,
    typer.Option(
        help="Look on every so many frames; if not given, 1 for labels, whose masks are then kept, and 5 for others.",
        metavar="FRAMES",
        rich_help_panel=FINDING,
    ),
]
Accept = Annotated[
    str | None,
    typer.Option(
        help="Accept what is proposed with this score (0 to 1) at least, and track it; the rest waits for a person.",
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
