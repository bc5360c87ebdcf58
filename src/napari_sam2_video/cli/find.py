"""``napari-sam2-video find`` and ``napari-sam2-video proposals``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.show import note, run_bar, say
from napari_sam2_video.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.session import Session
    from napari_sam2_video.types import FindProgress

ALL = "all"


def find(
    session: shared.SessionFolder,
    detector: Annotated[
        str,
        typer.Argument(
            help='everything, like:1,2 (similar to objects 1 and 2), labels:FILE, or text:"red cell".',
            metavar="DETECTOR",
        ),
    ],
    every: shared.Every = None,
    range_: Annotated[str | None, shared.option("Frames A to B-1; all if not given.", "A:B", name="--range")] = None,
    accept: shared.Accept = None,
    smallest_area: shared.SmallestArea = 0,
) -> None:
    """Find more objects and propose them; accepted ones are tracked.

    Proposals are new objects, divisions, ends, and lost objects found again. Those that --accept does not accept remain
    in the session, for 'napari-sam2-video proposals' or the review in napari.

    Examples
    --------
    napari-sam2-video find cells.sam2v like:1,2,3 --every 5 --accept 0.8

    napari-sam2-video find cells.sam2v labels:cellpose.tif
    """
    from napari_sam2_video import api
    from napari_sam2_video.api.finding import FindRequest

    finding = FindRequest.from_text(detector, every, accept, range_, smallest_area)
    if finding is None:
        raise SettingsError("Name a detector, such as everything.")
    with api.open_session(session) as opened:
        for sentence in opened.notes:
            note(sentence)
        kept = "Finished frames are kept; the same command continues from there."
        if finding.accept is not None and opened.dirty():
            with run_bar("Tracking", kept) as progress:
                api.resume(opened, progress=progress)
        api.find(opened, finding.detector, finding.settings, accept=finding.accept, progress=finding_line())
        if finding.accept is not None and opened.dirty():
            with run_bar("Tracking", kept) as progress:
                api.resume(opened, progress=progress)
        report_proposals(opened)


def proposals(
    session: shared.SessionFolder,
    accept: Annotated[str | None, shared.option("Accept proposals by number, or all.", "NUMBER,...|all")] = None,
    least_score: Annotated[
        str | None, shared.option("Accept only proposals with at least this score.", "SCORE")
    ] = None,
    reject: Annotated[str | None, shared.option("Reject proposals by number, or all.", "NUMBER,...|all")] = None,
) -> None:
    """List open proposals; accept or reject them.

    Proposals named by number are decided before 'all' decides on the others.
    'napari-sam2-video track RECORDING --out SESSION --resume' tracks accepted objects, and 'edit' can undo.

    Examples
    --------
    napari-sam2-video proposals cells.sam2v

    napari-sam2-video proposals cells.sam2v --accept all --least-score 0.8 --reject 4,7
    """
    from napari_sam2_video import api
    from napari_sam2_video.types.finding import score_limit

    limit = None if least_score is None else score_limit(least_score)
    if limit is not None and accept is None:
        raise SettingsError("--least-score only works with --accept; give both.")
    accepted, rejected = ([] if text is None else _numbers(text) for text in (accept, reject))
    both = set(accepted or ()) & set(rejected or ())
    if both:
        raise SettingsError(f"Proposal {min(both)} cannot be accepted and rejected; name it once.")
    changes = accept is not None or reject is not None
    with api.open_session(session, read_only=not changes) as opened:
        reject_first = accepted is None and bool(rejected)
        if reject_first:
            _reject(opened, rejected)
        if accept is not None:
            before = len(opened.proposals)
            made = opened.accept_proposals(accepted, least_score=limit)
            say(f"Accepted {before - len(opened.proposals)} proposals; {len(made)} objects were added.")
        if reject is not None and not reject_first:
            _reject(opened, rejected)
        _list(opened)


def _reject(session: Session, numbers: list[int] | None) -> None:
    say(f"Rejected {session.reject_proposals(numbers)} proposals.")


def finding_line() -> Callable[[FindProgress], None]:
    """A callback that reports the progress of finding."""

    def show(progress: FindProgress) -> None:
        if progress.done == progress.total:
            note(f"Finding: done, {progress.found} proposals.")
        else:
            note(f"Finding: frame {progress.frame}, {progress.found} found ({progress.done} of {progress.total - 1}).")

    return show


def report_proposals(session: Session) -> None:
    """Report the open proposals, if any."""
    count = len(session.proposals)
    if count:
        what = "1 proposal waits" if count == 1 else f"{count} proposals wait"
        say(f"{what} to be accepted or rejected: napari-sam2-video proposals {session.folder}")


def _list(session: Session) -> None:
    left = session.proposals
    say(f"{len(left)} open proposals" + (":" if left else "."))
    for one in left:
        about = "" if one.object_id is None else f" of object {one.object_id}"
        say(f"  {one.id}: {one.kind}{about} on frame {one.frame}, score {one.score:.2f}: {one.reason}")


def _numbers(text: str) -> list[int] | None:
    """Numbers of proposals; None for all."""
    if text.strip().lower() == ALL:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError(f"{text!r} is not a list of proposal numbers; write numbers such as 3,5, or all.")
    return [int(part) for part in parts]
