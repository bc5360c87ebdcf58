"""``napari-sam2-video check``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np

from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.show import note, run_bar, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.session import Session

DISAGREES = 0.5
SHOWN = 10


def check(
    session: shared.SessionFolder,
    objects: Annotated[str | None, shared.option("Objects to check; all if not given.", "ID,ID,...")] = None,
    range_: Annotated[str | None, shared.option("Frames A to B-1; all if not given.", "A:B", name="--range")] = None,
    span: Annotated[int, shared.option("Most frames to track back from one mask.")] = 16,
) -> None:
    """Track objects back from later frames and compare the result with the masks of a session; no mask changes.

    Example:

    napari-sam2-video check cells.sam2v --objects 1,4 --range 0:200
    """
    from napari_sam2_video import api

    settings = api.CheckSettings.from_text(range_, objects, span)
    with api.open_session(session) as opened:
        for sentence in (*opened.notes, *opened.tracker.notes):
            note(sentence)
        with run_bar("Checking", "Finished comparisons are kept.") as progress:
            table = api.check(opened, settings, progress=progress)
        _report(opened, table)


def _report(session: Session, table: Table) -> None:
    found = table["disagreement"]
    count, objects = int((found > DISAGREES).sum()), len(table.object_ids())
    whose = f"{objects} object{'s' if objects != 1 else ''}"
    say(f"Compared {len(table)} frames of {whose}; {count} disagree by more than {DISAGREES}.")
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
