"""``python -m benchmarks quality [KIND ...]``: how well tracking holds, ours beside Meta's predictor.

Settings of a run are compared by naming values: ``--window auto off`` runs both. Settings are chosen on some seeds,
with ``--save-choice FILE``, and reported on others, with ``--report FILE``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from benchmarks.quality.choice import chosen_settings, note_report, save_choice
from benchmarks.quality.kinds import KINDS
from benchmarks.quality.picture import draw_kinds
from benchmarks.quality.run import META, Job, Row, run_apart
from napari_sam2_video.types import ModelSettings, TrackSettings

COVERAGE = ("direction", "start", "stop", "objects", "model", "image_size")
COLUMNS = {
    "side": "side",
    "iou": "IoU",
    "boundary": "boundary F",
    "wrong": "wrong frames",
    "switches": "switches",
    "presence": "presence",
    "absence": "absence",
    "drift": "drift",
    "SEG": "SEG",
    "TRA": "TRA",
    "CHOTA": "CHOTA",
    "first_ms": "first, ms",
    "each_ms": "each, ms",
    "each_cpu_ms": "each, CPU ms",
    "fps": "frames/s",
    "peak_mb": "peak MB",
    "raised": "raised",
    "lowered": "lowered",
    "gain": "gain",
}


def main(arguments: list[str] | None = None) -> None:
    """Measure what was asked for, print a table for each kind and write JSON."""
    options = tracking_options()
    parser = _parser(options)
    given = parser.parse_args(arguments)
    if given.picture:
        draw_kinds(given.picture)
        return
    unknown = set(given.kind) - set(KINDS)
    if unknown:
        parser.error(f"There is no kind {', '.join(sorted(unknown))}; there are {', '.join(KINDS)}.")
    values = {name: getattr(given, name) for name in options if getattr(given, name) is not None}
    try:
        variants = [chosen_settings(given.report)] if given.report else combinations(values)
    except ValueError as error:
        parser.error(str(error))
    if given.report and (values or given.save_choice):
        parser.error("--report takes its settings from the file; name none, and save none.")
    if given.save_choice and len(variants) != 1:
        parser.error("--save-choice saves one setting; name one value for each option.")
    names = given.kind or list(KINDS)
    if given.report:
        note_report(given.report, names)
    figures = measure(names, variants, given)
    if given.save_choice:
        save_choice(given.save_choice, variants[0], figures)


def _parser(options: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks quality", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", nargs="*", help="of " + ", ".join(KINDS) + "; all if none is named")
    parser.add_argument("--quick", action="store_true", help="few and short recordings with few objects")
    parser.add_argument("--recordings", type=int, help="recordings of each kind")
    parser.add_argument("--frames", type=int, help="frames of each recording")
    parser.add_argument("--model", default="demo", help="a model's name or a checkpoint (default: demo)")
    parser.add_argument("--image-size", type=int, help="side in pixels of the network's input")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch, on both sides (default: 1)")
    parser.add_argument("--side", choices=("both", "ours", "meta"), default="both")
    parser.add_argument("--out", type=Path, help="also write the figures as JSON")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="only draw the kinds of recordings")
    parser.add_argument("--save-choice", type=Path, metavar="FILE", help="write the settings as those that were chosen")
    parser.add_argument("--report", type=Path, metavar="FILE", help="use the reporting seeds and the settings of FILE")
    group = parser.add_argument_group("settings to compare, each with one value or several")
    for name in options:
        group.add_argument("--" + name.replace("_", "-"), dest=name, nargs="+", type=value_of)
    return parser


def tracking_options() -> list[str]:
    """Fields of `ModelSettings` and `TrackSettings` that say how to track, not what or with which weights."""
    return [
        one.name for settings in (ModelSettings, TrackSettings) for one in fields(settings) if one.name not in COVERAGE
    ]


def value_of(text: str) -> Any:
    """A number, True, False, None or the text itself."""
    known = {"true": True, "false": False, "none": None}
    if text.lower() in known:
        return known[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def combinations(values: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """All combinations of the values of each option; one empty combination if there is no option."""
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def measure(names: list[str], variants: list[dict[str, Any]], given: argparse.Namespace) -> dict[str, list[Row]]:
    """Rows of each kind: Meta's, then one for each of our settings."""
    from benchmarks.__main__ import about

    figures: dict[str, list[Row]] = {}
    for name in names:
        kind = KINDS[name].quick() if given.quick else KINDS[name]
        kind = kind.resized(given.recordings, given.frames)
        model = ModelSettings(given.model, image_size=given.image_size)
        sides = [] if given.side == "ours" else [(META, dict[str, Any]())]
        sides += [] if given.side == "meta" else [(label(chosen), chosen) for chosen in variants]
        print(f"\n## {name}: {kind.about}\n", flush=True)
        figures[name] = []
        for side, settings in sides:
            print(f"{side} ...", end="\r", file=sys.stderr, flush=True)
            job = Job(kind, side, model, settings, given.threads, bool(given.report))
            figures[name].append(run_apart(job))
        print(table(figures[name]), flush=True)
        if given.out:
            content = {"about": about(given.threads), "model": given.model, "figures": figures}
            given.out.write_text(json.dumps(content, indent=1) + "\n")
    return figures


def label(settings: dict[str, Any]) -> str:
    """Name of our side with these settings."""
    return "ours" + "".join(f", {name} {value}" for name, value in settings.items())


def table(rows: list[Row]) -> str:
    """Markdown table of rows."""
    columns = [name for name in COLUMNS if any(name in row for row in rows)]
    lines = ["| " + " | ".join(COLUMNS[name] for name in columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join(cell(name, row[name]) for name in columns) + " |" for row in rows]
    return "\n".join(lines)


def cell(name: str, value: Any) -> str:
    """A figure as text: shares as per cent, others with as many digits as mean something."""
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "–"
    if name in ("wrong", "presence", "absence"):
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if abs(value) < 2 and not name.endswith(("_ms", "_mb")) else f"{value:.1f}"
