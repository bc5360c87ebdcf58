"""``napari-sam2-video edit``: edit the objects of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.show import say
from napari_sam2_video.errors import SettingsError
from napari_sam2_video.types.checks import frame_span_from_text, line_from_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.session import Session

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")

Id = Annotated[int, typer.Argument(help="Object.", metavar="ID")]
Frame = Annotated[int, shared.option("Frame, from 0.", "FRAME")]
Range = Annotated[str, shared.option("Frames A to B-1; 'A:' for A to the end, ':' for all.", "A:B", name="--range")]


@app.callback()
def edit(context: typer.Context, session: shared.SessionFolder) -> None:
    """Merge, split, renumber, swap or delete objects of a session; each edit is one step that can be undone.

    Examples
    --------
    napari-sam2-video edit cells.sam2v merge 1 4

    napari-sam2-video edit cells.sam2v swap 1 2 --range 30:

    napari-sam2-video edit cells.sam2v split 3 --frame 12 --line "40,10 40,60"

    napari-sam2-video edit cells.sam2v undo
    """
    context.obj = session


@app.command()
def merge(context: typer.Context, object_id: Id, other_id: Annotated[int, typer.Argument(metavar="OTHER")]) -> None:
    """Add the masks and prompts of OTHER to object ID, and remove OTHER."""
    _edit(context, lambda session: session.merge_objects(object_id, other_id))


@app.command()
def split(
    context: typer.Context,
    object_id: Id,
    frame: Frame,
    line: Annotated[
        str | None,
        shared.option(
            "Points of a line to cut along; without it, each connected part becomes an object.", "'Y,X Y,X ...'"
        ),
    ] = None,
) -> None:
    """Make an object of every part of a mask but the largest; the next run tracks the new objects."""
    corners = None if line is None else _corners(line)
    new = _edit(context, lambda session: session.split_object(object_id, frame, corners))
    say(f"New: {', '.join(f'object {one}' for one in new)}")


@app.command()
def renumber(context: typer.Context, object_id: Id, new_id: Annotated[int, typer.Argument(metavar="NEW")]) -> None:
    """Give object ID an unused id."""
    _edit(context, lambda session: session.renumber_object(object_id, new_id))


@app.command()
def swap(
    context: typer.Context, first_id: Id, second_id: Annotated[int, typer.Argument(metavar="OTHER")], range_: Range
) -> None:
    """Swap two objects, from a frame on or on some frames."""
    start, stop = frame_span_from_text(range_)
    _edit(context, lambda session: session.swap_objects(first_id, second_id, start or 0, stop))


@app.command()
def absent(context: typer.Context, object_id: Id, range_: Range) -> None:
    """Mark an object as absent on some frames; runs do not change them."""
    _edit(context, lambda session: session.mark_absent(object_id, *_span(range_, session)))


@app.command()
def delete(context: typer.Context, object_id: Id, range_: Range) -> None:
    """Delete masks and prompts of an object on some frames; the next run tracks them again."""
    _edit(context, lambda session: session.delete_masks(object_id, *_span(range_, session)))


@app.command()
def copy(
    context: typer.Context,
    object_id: Id,
    frame: Frame,
    to: Annotated[int | None, shared.option("Frame to copy to; the next if not given.", "FRAME")] = None,
) -> None:
    """Make the mask of a frame a prompt on another frame."""
    _edit(context, lambda session: session.copy_mask(object_id, frame, to))


@app.command()
def remove(context: typer.Context, object_id: Id) -> None:
    """Remove an object, with its prompts and masks."""
    _edit(context, lambda session: session.remove_object(object_id))


@app.command()
def undo(context: typer.Context) -> None:
    """Undo the last step of the session."""
    _travel(context, lambda session: session.undo(), "Undone", "Nothing to undo.")


@app.command()
def redo(context: typer.Context) -> None:
    """Redo the last undone step."""
    _travel(context, lambda session: session.redo(), "Redone", "Nothing to redo.")


def _edit(context: typer.Context, change: Callable[[Session], Any]) -> Any:
    from napari_sam2_video import api

    with api.open_session(context.obj) as session:
        result = change(session)
        say(f"Done: {session.can_undo}")
    return result


def _travel(context: typer.Context, move: Callable[[Session], str | None], what: str, nothing: str) -> None:
    from napari_sam2_video import api

    with api.open_session(context.obj) as session:
        name = move(session)
    say(nothing if name is None else f"{what}: {name}")


def _span(text: str, session: Session) -> tuple[int, int]:
    start, stop = frame_span_from_text(text)
    return start or 0, session.n_frames if stop is None else stop


def _corners(text: str) -> list[tuple[float, float]]:
    corners = line_from_text(text)
    if corners is None:
        raise SettingsError(f"{text!r} is not a line; write two or more points as 'Y,X Y,X'.")
    return corners
