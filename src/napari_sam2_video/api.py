"""The few functions a script needs.

>>> from napari_sam2_video import api
>>> with api.track("cells.tif", [api.PointPrompt(1, 0, 120, 88)], "cells.sam2v") as session:  # doctest: +SKIP
...     api.export(session, "cells_labels.ome.tif")
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.analysis.review import review_table
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.engine.plan import plan_run
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.export.registry import export as export_result
from napari_sam2_video.frames.axes import axis_named
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import default_view
from napari_sam2_video.prompt_text import read_prompts
from napari_sam2_video.session import Session
from napari_sam2_video.session.import_prompts import add_prompts
from napari_sam2_video.types import (
    BoxPrompt,
    CheckSettings,
    ContrastWindow,
    FrameDone,
    MaskPrompt,
    ModelSettings,
    PointPrompt,
    TrackSettings,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy.typing as npt

    from napari_sam2_video.export.format import ExportReport
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.types import Prompt

__all__ = [
    "BoxPrompt",
    "CheckSettings",
    "ContrastWindow",
    "FrameDone",
    "MaskPrompt",
    "ModelSettings",
    "PointPrompt",
    "Session",
    "TrackSettings",
    "add_prompts",
    "check",
    "create_session",
    "export",
    "go_on",
    "info",
    "open_recording",
    "open_session",
    "read_prompts",
    "track",
]


def create_session(
    recording: str | Path | Recording | npt.ArrayLike,
    out: str | Path,
    *,
    axis: str | None = None,
    at: Mapping[str, int] | None = None,
    channel: int | None = None,
    contrast: str | tuple[float, float] | ContrastWindow | None = None,
    model: ModelSettings = ModelSettings(),  # noqa: B008
    overwrite: bool = False,
) -> Session:
    """Make a session for a recording.

    Parameters
    ----------
    recording : str, Path, Recording or array-like
        What `open_recording` takes. A recording opened here is closed with the session.
    out : str or Path
        The session's folder, by custom ``*.sam2v``.
    axis : str, optional
        Name of the axis to walk, or its index as text; ``T``, else ``Z``, if not given.
    at : mapping of str to int, optional
        Where the other axes stand.
    channel : int, optional
        Index along ``C``.
    contrast : str, tuple of float or ContrastWindow, optional
        ``(low, high)``, ``"low,high"`` or the name of a CT window; bytes are shown as they are and other types by a
        percentile of the whole recording if not given.
    model : ModelSettings
        The network.
    overwrite : bool
        Replace a session that is there.

    Raises
    ------
    RecordingError, SessionError
        If the recording cannot be opened, or the session cannot be made.
    """

    def create(source: Recording) -> Session:
        window = ContrastWindow.from_text(contrast) if isinstance(contrast, str) else contrast
        view = default_view(source, axis=axis_named(source.axes, axis), at=at, channel=channel, window=window)
        return Session.create(out, source, view, model, overwrite=overwrite)

    return _with_recording(recording, create)


def open_session(
    folder: str | Path, *, recording: str | Path | Recording | npt.ArrayLike | None = None, read_only: bool = False
) -> Session:
    """Open a session that was made before.

    Parameters
    ----------
    folder : str or Path
        The session.
    recording : str, Path, Recording or array-like, optional
        The recording, where it was moved or was made from an array.
    read_only : bool
        Change nothing on disk.

    Raises
    ------
    SessionError, SourceChangedError
        If it is not a session, or the recording is another one.
    """
    if recording is None:
        return Session.open(folder, read_only=read_only)
    return _with_recording(recording, lambda source: Session.open(folder, recording=source, read_only=read_only))


def _with_recording(recording: str | Path | Recording | npt.ArrayLike, make: Callable[[Recording], Session]) -> Session:
    """A session of a recording, which it closes unless the caller opened it."""
    source = open_recording(recording)
    try:
        session = make(source)
    except BaseException:
        if source is not recording:
            source.close()
        raise
    if source is not recording:
        session.adopt_recording()
    return session


def track(
    recording: str | Path | Recording | npt.ArrayLike,
    prompts: Iterable[Prompt],
    out: str | Path,
    *,
    seeds: Iterable[tuple[npt.NDArray[Any], int]] = (),
    settings: TrackSettings = TrackSettings(),  # noqa: B008
    progress: Callable[[FrameDone], None] | None = None,
    stop: Callable[[], bool] | None = None,
    **session_options: Any,
) -> Session:
    """Track prompted objects through a recording.

    Parameters
    ----------
    recording : str, Path, Recording or array-like
        What `open_recording` takes.
    prompts : iterable of PointPrompt, BoxPrompt or MaskPrompt
        Prompts of any objects on any frames.
    out : str or Path
        Folder of the session to make.
    seeds : iterable of (ndarray of integers of shape (Y, X), int)
        Label images and their frames; every label in them becomes an object.
    settings : TrackSettings
        Direction, range and objects.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Asked between frames.
    **session_options
        Options of `create_session`.

    Returns
    -------
    Session
        The session, to be closed by the caller.

    Raises
    ------
    Sam2VideoError
        Whatever goes wrong, in one sentence. Finished frames are kept; `open_session` and `go_on` go on from there. A
        session that was to be replaced is kept where the prompts, the range or the model do not fit.
    """
    prompts, seeds = list(prompts), list(seeds)
    if session_options.get("overwrite") and Path(out).exists():
        rehearse(recording, prompts, seeds, settings=settings, **session_options)
    session = create_session(recording, out, **session_options)
    try:
        add_prompts(session, prompts, seeds)
        go_on(session, settings, progress=progress, stop=stop)
    except BaseException:
        session.close()
        raise
    return session


def rehearse(
    recording: str | Path | Recording | npt.ArrayLike,
    prompts: Iterable[Prompt],
    seeds: Iterable[tuple[npt.NDArray[Any], int]] = (),
    *,
    settings: TrackSettings = TrackSettings(),  # noqa: B008
    **session_options: Any,
) -> None:
    """Find out whether a session can be made and tracked, in one that is thrown away; no network is loaded.

    See `track` for the parameters.

    Raises
    ------
    Sam2VideoError
        What making or tracking the session would raise at its beginning.
    """
    from tempfile import TemporaryDirectory

    from napari_sam2_video.engine.networks.load import choose
    from napari_sam2_video.models.resolve import resolve_model

    with (
        TemporaryDirectory(prefix="napari-sam2-video-") as folder,
        create_session(recording, Path(folder) / "rehearsal.sam2v", **session_options) as session,
    ):
        add_prompts(session, prompts, seeds)
        _prompted(session)
        _planned(session, settings)
        choose(resolve_model(session.model_settings.model), session.model_settings)


def go_on(
    session: Session,
    settings: TrackSettings = TrackSettings(),  # noqa: B008
    *,
    progress: Callable[[FrameDone], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> int:
    """Finish a run that was cut off, then track what changed or was not reached yet.

    Parameters
    ----------
    session : Session
        The session.
    settings : TrackSettings
        Direction, range and objects of what is tracked beyond the unfinished run.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Asked between frames.

    Returns
    -------
    int
        Number of frames that were computed.

    Raises
    ------
    PromptError
        If no object has a prompt.
    """
    _prompted(session)
    count = 0
    if session.unfinished:
        count += _followed(session.resume(stop=stop), progress)
        if session.unfinished:
            return count
    if not _planned(session, settings):
        return count
    return count + _followed(session.track(settings, stop=stop), progress)


def _prompted(session: Session) -> None:
    """Raise `PromptError` where no object has a prompt."""
    if not any(session.state(one.id).prompted for one in session.objects):
        raise PromptError("No object has a prompt: give at least one point, box, mask or label image.")


def _planned(session: Session, settings: TrackSettings) -> bool:
    """Whether there is anything to track; raises `PromptError` where the settings do not fit."""
    states = [session.state(one.id) for one in session.objects if not one.locked]
    return bool(plan_run(states, settings, session.n_frames).passes)


def _followed(run: Iterable[FrameDone], progress: Callable[[FrameDone], None] | None) -> int:
    """Go through a run, telling of each frame; the number of frames."""
    count = 0
    for done in run:
        count += 1
        if progress is not None:
            progress(done)
    return count


def check(
    source: str | Path | Session,
    settings: CheckSettings = CheckSettings(),  # noqa: B008
    *,
    progress: Callable[[FrameDone], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Table:
    """Compare the masks of a session with those found by tracking back from later ones; no mask changes.

    Parameters
    ----------
    source : str, Path or Session
        The session, or its folder.
    settings : CheckSettings
        Objects, range and length of the spans.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Asked between frames.

    Returns
    -------
    Table
        ``object_id``, ``frame`` and ``disagreement`` (1 - IoU), a row for each frame that was compared by this check or
        an earlier one and has not changed since, in the range and of the objects that `settings` name.

    Raises
    ------
    Sam2VideoError
        Whatever goes wrong, in one sentence; what was compared is kept.
    """
    if not isinstance(source, Session):
        with open_session(source) as session:
            return check(session, settings, progress=progress, stop=stop)
    _followed(source.check(settings, stop=stop), progress)
    chosen = [one.id for one in source.objects if settings.objects is None or one.id in settings.objects]
    found = review_table({i: source.scores(i) for i in chosen}, source.shape_yx)
    inside = found["frame"] >= (settings.start or 0)
    if settings.stop is not None:
        inside &= found["frame"] < settings.stop
    kept = found.where(inside & ~np.isnan(found["disagreement"]))
    return Table({name: kept[name] for name in ("object_id", "frame", "disagreement")})


def export(
    source: str | Path | Session,
    target: str | Path,
    *,
    format: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    **options: Any,
) -> ExportReport:
    """Write the masks of a session in one of the formats of `napari_sam2_video.export.registry.FORMATS`.

    Parameters
    ----------
    source : str, Path or Session
        The session, or its folder.
    target : str or Path
        File or folder to write.
    format : str, optional
        Name of the format; from the suffix of `target` if not given.
    overwrite : bool
        Replace what is there.
    progress : callable, optional
        Called with the steps done and their number.
    **options
        Options of the format.

    Raises
    ------
    ExportError, TargetExistsError
        If it cannot be written; what is there stays as it was.
    """
    if isinstance(source, Session):
        return export_result(source.result(), target, format=format, overwrite=overwrite, progress=progress, **options)
    if not Path(source).is_dir():
        raise SessionError(f"There is no session {source}.")
    with open_session(source, read_only=True) as session:
        return export(session, target, format=format, overwrite=overwrite, progress=progress, **options)


def info(recording: str | Path | Recording | npt.ArrayLike) -> dict[str, Any]:
    """What a recording is, and how it would be looked at, without reading more than a few frames.

    Returns
    -------
    dict
        ``name``, ``axes``, ``shape``, ``dtype``, ``scale``, ``units``, ``bytes``, ``notes``, and ``view`` with the
        walked axis, the number of frames, the shape of a frame and the contrast window.

    Raises
    ------
    RecordingError
        If it cannot be opened.
    """
    import math

    from napari_sam2_video.frames.view import FrameView

    source = open_recording(recording)
    try:
        settings = default_view(source)
        view = FrameView(source, settings)
        return {
            "name": source.name,
            "axes": source.axes,
            "shape": tuple(source.shape),
            "dtype": str(source.dtype),
            "bytes": math.prod(source.shape) * source.dtype.itemsize,
            "scale": dict(source.scale),
            "units": dict(source.units),
            "notes": tuple(source.notes),
            "view": {
                "axis": settings.axis,
                "n_frames": view.n_frames,
                "shape_yx": view.shape_yx,
                "channel": settings.channel,
                "at": dict(settings.at),
                "window": (settings.window.low, settings.window.high, settings.window.source),
            },
        }
    finally:
        if source is not recording:
            source.close()
