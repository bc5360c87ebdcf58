"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

FILE = "Missing or wrong metadata"
VIEW = "View of the recording"
PROMPTS = "Prompts"
RUN = "Extent of the run"
NETWORK = "Model"
FINDING = "Finding objects"
SESSION = "Session"


def option(
    help: str, metavar: str | None = None, panel: str | None = None, *, name: str | None = None, **more: Any
) -> Any:
    """Option of a command, listed in a panel of its help; `more` are arguments of `typer.Option`."""
    return typer.Option(*([name] if name else []), help=help, metavar=metavar, rich_help_panel=panel, **more)


Axes = Annotated[str | None, option("One letter per axis, such as ZYX or TCYX.", "LETTERS", FILE)]
PixelSize = Annotated[
    str | None,
    option("Pixel size with unit: '0.25 um', '0.3,0.25 um' (Y, X) or '2,0.5,0.5 mm' (Z, Y, X).", "SIZE", FILE),
]
Interval = Annotated[str | None, option("Time between frames: '2.5 s' or '5 min'.", "TIME", FILE)]
Series = Annotated[
    str | None, option("Index or name of the image series, if a file or folder has several.", "SERIES", FILE)
]
Axis = Annotated[
    str | None, option("Axis to track along, by letter or index; T, else Z, if not given.", "LETTER", VIEW)
]
Planes = Annotated[
    str | None,
    option("Track a volume along several axes, such as zyx, and keep what the walks agree on.", "LETTERS", RUN),
]
At = Annotated[
    list[str] | None,
    option(
        "Position along another axis, such as Z=5; repeatable. If not given, 0 along T and the middle of other axes.",
        "AXIS=INDEX",
        VIEW,
    ),
]
Channel = Annotated[str | None, option("Channel that the model sees; 0 if not given.", "INDEX", VIEW)]
Channels = Annotated[
    str | None,
    option(
        "Channels to combine in colour: '0=green,1=magenta', or with contrast windows "
        "'0=green:200:4000,1=magenta:50:900'.",
        "INDEX=COLOUR,...",
        VIEW,
    ),
]
Contrast = Annotated[
    str | None,
    option(
        "Contrast window LO,HI for all frames, a CT preset (lung, bone, brain, abdomen or mediastinum), or percentile. "
        "If not given, 8-bit values are used unchanged, DICOM CT scans are seen in the window abdomen, and others "
        "are scaled by percentiles of the whole recording.",
        "LO,HI",
        VIEW,
    ),
]
Model = Annotated[
    str | None,
    option("A name from 'napari-sam2-video models list', or a checkpoint file; demo if not given.", "NAME", NETWORK),
]
Device = Annotated[
    str | None,
    option("auto (if not given), cpu, cuda, cuda:1, mps, or http://HOST:PORT of a server.", "DEVICE", NETWORK),
]
Precision = Annotated[str | None, option("auto (if not given), fp32, bf16 or fp16.", "TYPE", NETWORK)]
Arithmetic = Annotated[
    str | None,
    option(
        "exact (if not given): on a CPU, a single object gets the same numbers as Meta's predictor, bit for bit; "
        "fast: equal up to rounding, in less time; auto: fast, with bf16 where this CPU is faster with it and a check "
        "finds the same masks.",
        "exact|fast|auto",
        NETWORK,
    ),
]
ImageSize = Annotated[
    str | None,
    option("Side of the network's square input in pixels, a multiple of 32; smaller is faster.", "PIXELS", NETWORK),
]
Window = Annotated[
    str | None,
    option(
        "auto (small objects are tracked in a window that follows them), off, or the side of the window in pixels.",
        "auto|off|PIXELS",
        NETWORK,
    ),
]
Find = Annotated[
    str | None,
    option(
        "Find more objects once the prompted ones are tracked: everything, like:1,2 (similar to objects 1 and "
        '2), labels:FILE, or text:"red cell".',
        "DETECTOR",
        FINDING,
    ),
]
SmallestArea = Annotated[
    int, option("Leave out labels of --seeds, and what is found, with fewer pixels.", "PIXELS", FINDING, min=0)
]
Every = Annotated[
    str | None,
    option(
        "Look on every Nth frame; if not given, 1 for labels, whose masks are then kept, and 5 otherwise.",
        "FRAMES",
        FINDING,
    ),
]
Accept = Annotated[
    str | None,
    option("Accept and track proposals with at least this score (0 to 1); the others wait for you.", "SCORE", FINDING),
]
SessionFolder = Annotated[Path, typer.Argument(help="Session folder, *.sam2v.", metavar="SESSION")]
RecordingPath = Annotated[
    str,
    typer.Argument(help="File or folder: TIFF, images, OME-Zarr, video, NIfTI, DICOM and more.", metavar="RECORDING"),
]


def joined(places: list[str] | None) -> str | None:
    """Repeated ``--at`` as one text."""
    return None if places is None else ",".join(places)
