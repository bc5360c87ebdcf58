"""``napari-sam2-video check``."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from napari_sam2_video.cli.show import note, run_bar, say
from napari_sam2_video.errors import SessionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.session import Session

DISAGREES = 0.5
SHOWN = 10


def check(
    run: Annotated[Path, typer.Argument(help="Session folder, *.sam2v.")],
    objects: Annotated[str | None, typer.Option(help="ID,ID,...; all if not given.")] = None,
    frames: Annotated[str | None, typer.Option(help="A:B, frames A to B-1; all if not given.")] = None,
    span: Annotated[int, typer.Option(help="Most frames that are walked back from one mask.")] = 16,
) -> None:
    """Compare the masks of a session with those found by tracking back from later ones; no mask changes."""
    from napari_sam2_video import api

    settings = api.CheckSettings.from_text(frames, objects, span)
    if not run.is_dir():
        raise SessionError(f"There is no session {run}.")
    with api.open_session(run) as session:
        for sentence in (*session.notes, *session.tracker.notes):
            note(sentence)
        with run_bar("Checking", "What was compared is kept.") as progress:
            table = api.check(session, settings, progress=progress)
        _report(session, table)


def _report(session: Session, table: Table) -> None:
    found = table["disagreement"]
    count, objects = int((found > DISAGREES).sum()), len(table.object_ids())
    say(f"Compared {len(table)} frames of {objects} objects; {count} disagree by more than {DISAGREES}.")
    worst = sorted(_stretches(table), key=lambda stretch: -stretch[3])
    for object_id, first, last, highest in worst[:SHOWN]:
        where = f"frame {first}" if first == last else f"frames {first} to {last}"
        say(f"  object {object_id} ({session.object(object_id).name}), {where}: up to {highest:.2f}")
    if len(worst) > SHOWN:
        say(f"  and {len(worst) - SHOWN} more")


def _stretches(table: Table) -> Iterator[tuple[int, int, int, float]]:
    """Object, first and last frame and highest figure of neighbouring frames that disagree."""
    wrong = table.where(table["disagreement"] > DISAGREES)
    ids, frames = wrong["object_id"], wrong["frame"]
    cuts = np.flatnonzero((np.diff(ids) != 0) | (np.diff(frames) != 1)) + 1
    for rows in np.split(np.arange(len(wrong)), cuts):
        if rows.size:
            highest = wrong["disagreement"][rows].max()
            yield int(ids[rows[0]]), int(frames[rows[0]]), int(frames[rows[-1]]), float(highest)
