"""The commands, and the one place that turns errors into a sentence and an exit code."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam2_video import __version__
from napari_sam2_video.cli import check, edit, find, models, results, serve, track
from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.show import Stopped, debugging, fail, frames_bar, note, say
from napari_sam2_video.errors import Sam2VideoError, SettingsError

WORK = "Work"
LOOK = "Look things up"
app = typer.Typer(
    name="napari-sam2-video",
    help="Segment and track any object through volumes, time series and video with SAM 2.1.\n\nStart with "
    "'napari-sam2-video demo'. A command exits with 0 when it is done, 1 after an error, 2 if it is called with wrong "
    "options, and 130 after Ctrl-C.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
INTERRUPTED = 130
# typer brings a copy of click or uses click itself: what both call this is found by way of what typer exports.
_Refusal: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")

app.command("track", rich_help_panel=WORK)(track.track)
app.command("check", rich_help_panel=WORK)(check.check)
app.command("find", rich_help_panel=WORK)(find.find)
app.command("proposals", rich_help_panel=WORK)(find.proposals)
app.add_typer(edit.app, name="edit", rich_help_panel=WORK)
app.command("serve", rich_help_panel=WORK)(serve.serve)
app.command("export", rich_help_panel=WORK)(results.export)
app.command("measure", rich_help_panel=WORK)(results.measure)
app.command("info", rich_help_panel=LOOK)(results.info)
app.command("formats", rich_help_panel=LOOK)(results.formats)
app.add_typer(models.app, name="models", rich_help_panel=LOOK)


def _version(asked: bool) -> None:
    if asked:
        say(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, shared.option("Print the version.", name="--version", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command(rich_help_panel=LOOK)
def demo(
    out: Annotated[Path, shared.option("Folder for the results.")] = Path("napari-sam2-video-demo"),
    model: Annotated[str, shared.option("Model name or checkpoint.")] = "demo",
    frames: Annotated[int, shared.option("Length of the recording.", min=2, max=2000)] = 40,
    seed: Annotated[int, shared.option("Which synthetic recording.", min=0)] = 0,
) -> None:
    """Track cells in a synthetic recording, export the result, and compare it with the truth.

    Example:

    napari-sam2-video demo --model tiny --frames 100
    """
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


@app.command(rich_help_panel=WORK)
def batch(
    table: Annotated[Path, typer.Argument(help="CSV or JSON table with one recording a row.", metavar="TABLE")],
    report: Annotated[Path | None, shared.option("File for the report; beside the table if not given.", "FILE")] = None,
    workers: Annotated[int, shared.option("Number of recordings processed at the same time.", min=1)] = 1,
    scheduler: Annotated[str | None, shared.option("Address of a dask cluster.", "ADDRESS")] = None,
    model: Annotated[str | None, shared.option("Model for rows that name none; demo if not given.", "NAME")] = None,
    default: Annotated[
        list[str] | None, shared.option("Value for empty cells of a column; repeatable.", "COLUMN=VALUE")
    ] = None,
) -> None:
    """Track many recordings listed in a table; one that fails does not stop the others.

    The table has the columns recording and out, and prompts or seeds; other columns are named after the options of
    'track', such as model, axis or pixel_size. Run the same command again to continue an interrupted batch.

    Examples
    --------
    napari-sam2-video batch table.csv --workers 2

    napari-sam2-video batch table.csv --model small --default device=cuda
    """
    from napari_sam2_video.batch import read_table, run_batch

    defaults = {} if model is None else {"model": model}
    for text in default or []:
        column, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"{text!r} is not a default; write COLUMN=VALUE.")
        defaults[column.strip()] = value.strip()
    items = read_table(table, defaults=defaults)
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
    """Run a command, and exit with its code.

    Parameters
    ----------
    arguments : list of str, optional
        Arguments after the program's name; ``sys.argv`` if not given.
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
        fail("Stopped. Finished work is kept.")
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
            f"Unexpected error: {type(error).__name__}: {error}. "
            "Set NAPARI_SAM2_VIDEO_DEBUG=1 for a traceback, and please report this."
        )
    sys.exit(code)


def _refused(error: Any) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        say(error.format_message())
        return 0
    fail(error.format_message())
    return int(error.exit_code)


def _system_sentence(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "The computer ran out of memory: choose a smaller model or image size, or close other programs."
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}."
