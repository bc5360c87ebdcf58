"""The commands, and the one place where errors become a sentence and an exit code."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam2_video import __version__
from napari_sam2_video.cli import check, models, track
from napari_sam2_video.cli.show import Stopped, debugging, fail, frames_bar, note, say
from napari_sam2_video.errors import ExportError, Sam2VideoError

app = typer.Typer(
    name="napari-sam2-video",
    help="Segment and track any object through volumes, time series and video with SAM 2.1.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
INTERRUPTED = 130
# typer brings a copy of click or uses click itself: what both call this is found by way of what typer exports.
_Refusal: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app.command("track")(track.track)
app.command("check")(check.check)
app.add_typer(models.app, name="models")


def _version(asked: bool) -> None:
    if asked:
        say(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="Session folder, *.sam2v.")],
    target: Annotated[Path, typer.Argument(help="File or folder to write.")],
    format: Annotated[str | None, typer.Option(help="Format; from the target's suffix if not given.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    option: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, an option of the format; repeatable.")] = None,
) -> None:
    """Write the masks of a session as labels, video, tables or figures."""
    from napari_sam2_video import api

    options: dict[str, Any] = {}
    for text in option or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise ExportError(f"{text!r} is not an option: write NAME=VALUE.")
        options[name.strip()] = value
    with frames_bar("Exporting") as progress:
        report = api.export(run, target, format=format, overwrite=overwrite, progress=progress, **options)
    for sentence in report.notes:
        note(sentence)
    say(f"Wrote {report.path}")


@app.command()
def formats() -> None:
    """List the export formats and their options."""
    from napari_sam2_video.export.registry import FORMATS

    for name, entry in FORMATS.items():
        say(f"{name:22} {entry.title}  ({entry.kind}{', ' + ' '.join(entry.suffixes) if entry.suffixes else ''})")
        for option in entry.options:
            say(f"{'':24}{option.name}={option.default}")


@app.command()
def info(recording: Annotated[str, typer.Argument(help="File or folder.")]) -> None:
    """Tell what a recording is and how it would be looked at."""
    from napari_sam2_video import api

    about = api.info(recording)
    view = about["view"]
    low, high, source = view["window"]
    shape = " x ".join(str(n) for n in about["shape"])
    say(f"{about['name']}: {shape} ({about['axes']}), {about['dtype']}, {about['bytes'] / 1e6:,.1f} MB")
    pixels = [
        f"{axis} unknown" if size is None else f"{axis} {size:g} {about['units'][axis] or '(no unit)'}"
        for axis, size in about["scale"].items()
        if axis not in "CS"
    ]
    say(f"Pixel size: {', '.join(pixels)}")
    height, width = view["shape_yx"]
    say(f"Walked along {view['axis']}: {view['n_frames']} frames of {height} x {width} pixels")
    at = {**view["at"], **({"C": view["channel"]} if view["channel"] is not None else {})}
    if at:
        say(f"Other axes: {', '.join(f'{axis}={place}' for axis, place in at.items())}")
    say(f"Contrast window: {low:g} to {high:g} ({source})")
    for sentence in about["notes"]:
        say(sentence)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("napari-sam2-video-demo"),
    model: Annotated[str, typer.Option(help="Model name or checkpoint.")] = "demo",
    frames: Annotated[int, typer.Option(min=2, max=2000, help="Length of the recording.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Which synthetic recording.")] = 0,
) -> None:
    """Track cells in a synthetic recording, export the result, and compare it with the truth."""
    from napari_sam2_video.demo import run_demo
    from napari_sam2_video.types import ModelSettings

    note(f"Making a synthetic time series of {frames} frames and tracking its cells with the model {model!r} ...")
    with frames_bar("Tracking") as bar:
        result = run_demo(
            out,
            ModelSettings(model=model),
            n_frames=frames,
            seed=seed,
            progress=lambda done: bar(done.done, done.total),
        )
    for sentence in result.notes:
        note(sentence)
    for what, path in result.files.items():
        say(f"{what:10} {path}")
    say("")
    say("Agreement with the truth (mean IoU over the frames, from one box on the first frame):")
    for object_id, iou in result.iou.items():
        say(f"  object {object_id}: {iou:.3f}")
    say(f"  all objects: {result.mean_iou:.3f}")


@app.command()
def batch(
    table: Annotated[Path, typer.Argument(help="CSV or JSON table of recordings; see the documentation.")],
    report: Annotated[Path | None, typer.Option(help="Where the report goes; beside the table if not given.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Recordings at a time.")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="Address of a dask cluster.")] = None,
) -> None:
    """Track many recordings from one table; a bad one does not stop the others."""
    from napari_sam2_video.batch import read_table, run_batch

    items = read_table(table)
    target = report or table.with_name(f"{table.stem}_report.csv")
    with frames_bar("Recordings") as progress:
        result = run_batch(
            items,
            target,
            workers=workers,
            scheduler=scheduler,
            on_result=lambda _, done, total: progress(done, total),
        )
    for item in result.failed:
        note(f"{item.name}: {item.sentence}")
    say(f"{len(items) - len(result.failed)} of {len(items)} recordings done; report in {target}")
    if result.failed:
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; gives the exit code.

    Parameters
    ----------
    arguments : list of str, optional
        What stands behind the program's name; ``sys.argv`` if not given.
    """
    command = typer.main.get_command(app)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # as sys.stderr does: the name of a file may hold what the terminal cannot show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        result = command.main(args=arguments, prog_name="napari-sam2-video", standalone_mode=False)
        code = result if isinstance(result, int) else 0
        if code == INTERRUPTED:
            # Some versions of typer make this of Ctrl-C themselves, and say nothing.
            raise KeyboardInterrupt
    except _Refusal as error:
        code = _refused(error)
    except (KeyboardInterrupt, typer.Abort):
        fail("Stopped. What was finished is kept.")
        code = INTERRUPTED
    except Stopped as stopped:
        fail(f"Stopped. {stopped}")
        code = INTERRUPTED
    except BrokenPipeError:
        code = 1
    except Sam2VideoError as error:
        if debugging():
            raise
        code = fail(str(error))
    except (OSError, MemoryError) as error:
        if debugging():
            raise
        code = fail(_system_sentence(error))
    except Exception as error:
        if debugging():
            raise
        code = fail(
            f"Something went wrong that should not have: {type(error).__name__}: {error}. "
            "Set NAPARI_SAM2_VIDEO_DEBUG=1 to see where, and please report it."
        )
    sys.exit(code)


def _refused(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        say(error.format_message())
        return 0
    return fail(error.format_message())


def _system_sentence(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "The computer ran out of memory: choose a smaller model or image size, or close other programs."
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}."
