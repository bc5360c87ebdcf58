"""Find objects without clicks, and track accepted ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from napari_sam2_video.api.sessions import resume
from napari_sam2_video.errors import SettingsError
from napari_sam2_video.session import Session
from napari_sam2_video.types import FindSettings, TrackSettings
from napari_sam2_video.types.calls import public
from napari_sam2_video.types.checks import instance
from napari_sam2_video.types.finding import score_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.detect.protocol import Detector
    from napari_sam2_video.session.finding.proposal import Proposal
    from napari_sam2_video.types import FindProgress, FrameDone

USUAL_STEP = 5


@dataclass(frozen=True)
class FindRequest:
    """What to find in a run, and which proposals to accept.

    Parameters
    ----------
    detector : str
        The detector, as text.
    settings : FindSettings
        The frames to look at.
    accept : float, optional
        Accept proposals with at least this score; the others wait for the user.
    """

    detector: str
    settings: FindSettings = field(default_factory=FindSettings)
    accept: float | None = None

    @classmethod
    def from_text(
        cls,
        find: str | None,
        every: str | None = None,
        accept: str | None = None,
        range: str | None = None,
        smallest_area: str | int | None = None,
    ) -> Self | None:
        """Request from options of the command line and tables; None if there is nothing to find.

        By default, labels are read on every frame, and other detectors look at every fifth one.

        Raises
        ------
        SettingsError
            If one is invalid, or given without a detector.
        """
        find, every, accept = (text.strip() if text and text.strip() else None for text in (find, every, accept))
        if find is None:
            given = "every" if every is not None else "accept"
            if every is not None or accept is not None:
                raise SettingsError(f"{given!r} only works with a detector; name one with find.")
            return None
        usual = 1 if find.lower().startswith("labels") else USUAL_STEP
        settings = FindSettings.from_text(every or str(usual), range, smallest_area)
        return cls(find, settings, None if accept is None else score_limit(accept))


@public
def find(
    session: Session,
    detector: str | Detector,
    settings: FindSettings = FindSettings(),  # noqa: B008
    *,
    accept: float | None = None,
    progress: Callable[[FindProgress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> tuple[Proposal, ...]:
    """Find objects in a session, and propose new objects, divisions, ends and reappearances.

    Parameters
    ----------
    session : Session
        The session.
    detector : str or Detector
        The detector, such as ``"everything"``, ``"like:1,2,3"``, ``"labels:FILE"`` or ``'text:"red cell"'``.
    settings : FindSettings
        The frames to look at, and the smallest area.
    accept : float, optional
        Accept proposals with at least this score at once.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Called several times a second; True stops, and what was found by then is proposed.

    Returns
    -------
    tuple of Proposal
        Those still open; decide on them with ``session.accept_proposals`` and ``session.reject_proposals``, then
        `resume` tracks the added objects.

    Raises
    ------
    DetectorError
        If the detector fails, does not respond, or returns invalid detections; nothing is proposed then.
    """
    for progressed in instance(session, Session, "The session").find(detector, settings, stop=stop):
        if progress is not None:
            progress(progressed)
    if accept is not None:
        session.accept_proposals(least_score=score_limit(accept))
    return session.proposals


def find_and_track(
    session: Session,
    finding: FindRequest | None,
    settings: TrackSettings,
    *,
    planes: Sequence[str] | None = None,
    progress: Callable[[FrameDone], None] | None = None,
    looked: Callable[[FindProgress], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> int:
    """Track prompted objects, find more, and track accepted ones; returns the number of computed frames.

    Finished work is not repeated, so the same call continues an interrupted one.
    """
    if finding is None:
        return resume(session, settings, planes=planes, progress=progress, stop=stop)
    count = 0
    halted = stop or (lambda: False)
    if _is_prompted(session):
        count += resume(session, settings, planes=planes, progress=progress, stop=stop)
    if halted() or session.unfinished:
        return count
    if not _was_found(session, finding):
        find(session, finding.detector, finding.settings, progress=looked, stop=stop)
    if halted():
        return count
    if finding.accept is not None:
        session.accept_proposals(least_score=finding.accept)
    if session.dirty():
        count += resume(session, settings, planes=planes, progress=progress, stop=stop)
    return count


def _is_prompted(session: Session) -> bool:
    return any(session.state(one.id).prompted for one in session.objects)


def _was_found(session: Session, finding: FindRequest) -> bool:
    """Whether a finding has already been completed."""
    frames = finding.settings.frames(session.n_frames)
    return any(
        search.get("asked") == finding.detector
        and search["every"] == frames.step
        and search.get("smallest_area", 0) == finding.settings.smallest_area
        and search.get("looked") == [frames.start, frames[-1] + 1]
        for search in session.provenance()["finds"]
    )
