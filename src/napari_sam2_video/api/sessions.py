"""Make, open and track sessions."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from napari_sam2_video.api.options import SessionOptions
from napari_sam2_video.api.start import is_anything_left, make, reopen, require_prompts, start
from napari_sam2_video.errors import PromptError, SettingsError
from napari_sam2_video.session import Session, import_prompts
from napari_sam2_video.types import ContrastWindow, ModelSettings, OpenSettings, TrackSettings
from napari_sam2_video.types.calls import public
from napari_sam2_video.types.checks import instance, path_of, shown
from napari_sam2_video.types.contrast import checked_channels, contrast_from_text
from napari_sam2_video.types.prompts import prompt_list, seed_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.types import ChannelColor, FrameDone, PixelSize, Prompt
    from napari_sam2_video.types.prompts import Seeds


@public
def create_session(
    recording: str | Path | Recording | npt.ArrayLike,
    out: str | Path,
    *,
    axes: str | None = None,
    pixel_size: str | PixelSize | None = None,
    interval: str | float | None = None,
    series: int | str | None = None,
    axis: str | None = None,
    at: Mapping[str, int] | None = None,
    channel: int | None = None,
    channels: str | Sequence[ChannelColor] = (),
    contrast: str | tuple[float, float] | ContrastWindow | None = None,
    model: ModelSettings | str | PathLike[str] = ModelSettings(),  # noqa: B008
    overwrite: bool = False,
    keep_source: bool = False,
) -> Session:
    """Make a session for a recording.

    Parameters
    ----------
    recording : str, Path, Recording or array-like
        What `open_recording` takes. A recording opened here is closed with the session.
    out : str or Path
        The session's folder, usually ``*.sam2v``.
    axes, pixel_size, interval, series
        Missing or wrong metadata; see `open_recording`.
    axis : str, optional
        Name of the axis to walk, or its index as text; by default ``T``, else ``Z``.
    at : mapping of str to int, optional
        Positions along the other axes, such as ``{"Z": 5}``; by default 0 along ``T`` and the middle along others.
    channel : int, optional
        Index along ``C``; the first one if not given.
    channels : str or sequence of ChannelColor
        Two or more channels that the model sees together in colour, each with its own contrast window:
        ``"0=green,1=magenta"``, or with windows ``"0=green:200:4000,1=magenta:50:900"``. Those without a window use
        `contrast`, or the default for that channel alone.
    contrast : str, tuple of float or ContrastWindow, optional
        ``(low, high)``, ``"low,high"``, the name of a CT window such as ``"lung"``, or ``"percentile"``; by default,
        8-bit values are used unchanged, DICOM CT scans are seen in the soft-tissue window, and others are scaled by
        percentiles of the whole recording.
    model : ModelSettings, str or path
        The network: its settings, its name in the catalogue, or the path of its checkpoint.
    overwrite : bool
        Replace an existing session.
    keep_source : bool
        Copy an array in memory into the session, so that it can be opened without the array later.

    Returns
    -------
    Session
        The session, to be closed by the caller.

    Raises
    ------
    Sam2VideoError
        If an option is wrong, the recording cannot be opened, or the session cannot be made.
    """
    options = _options(axes, pixel_size, interval, series, axis, at, channel, channels, contrast, model)
    return make(recording, path_of(out, "The session's folder"), options, overwrite=overwrite, keep_source=keep_source)


@public
def open_session(
    folder: str | Path, *, recording: str | Path | Recording | npt.ArrayLike | None = None, read_only: bool = False
) -> Session:
    """Open an existing session.

    Parameters
    ----------
    folder : str or Path
        The session.
    recording : str, Path, Recording or array-like, optional
        The recording, if it was moved or is an array. A recording opened here gets the axes and pixel sizes of the
        session, and is closed with it.
    read_only : bool
        Change nothing on disk; works while another process has the session open, and without the session's array, whose
        pixels then cannot be read.

    Returns
    -------
    Session
        The session, to be closed by the caller.

    Raises
    ------
    SessionError, SourceChangedError
        If it is not a session, or the recording is a different one.
    """
    return reopen(path_of(folder, "The session's folder"), recording, read_only=read_only)


@public
def track(
    recording: str | Path | Recording | npt.ArrayLike,
    prompts: Iterable[Prompt],
    out: str | Path,
    *,
    seeds: Iterable[Seeds] = (),
    smallest_area: int = 0,
    settings: TrackSettings = TrackSettings(),  # noqa: B008
    axes: str | None = None,
    pixel_size: str | PixelSize | None = None,
    interval: str | float | None = None,
    series: int | str | None = None,
    axis: str | None = None,
    at: Mapping[str, int] | None = None,
    channel: int | None = None,
    channels: str | Sequence[ChannelColor] = (),
    contrast: str | tuple[float, float] | ContrastWindow | None = None,
    model: ModelSettings | str | PathLike[str] = ModelSettings(),  # noqa: B008
    overwrite: bool = False,
    keep_source: bool = False,
    planes: Sequence[str] | None = None,
    progress: Callable[[FrameDone], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Session:
    """Track prompted objects through a recording.

    Parameters
    ----------
    recording : str, Path, Recording or array-like
        What `open_recording` takes.
    prompts : iterable of PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt
        Prompts of any objects on any frames.
    out : str or Path
        Folder of the session to make.
    seeds : iterable of (ndarray of integers of shape (Y, X), int) or (ndarray of shape (Z, Y, X), str)
        Label images and their frames, or label volumes and ``"all"`` or ``"middle"`` for every slice of a label or its
        middle one; every label in them becomes an object.
    smallest_area : int
        Labels of `seeds` with fewer pixels (voxels in a volume) are skipped.
    settings : TrackSettings
        Direction, range and objects.
    axes, pixel_size, interval, series, axis, at, channel, channels, contrast, model, overwrite, keep_source
        As for `create_session`.
    planes : str or sequence of str, optional
        Axes along which to walk a volume, such as ``"zyx"``; the masks of the walks are fused.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Called between frames; the run ends when it returns True, and `resume` continues it.

    Returns
    -------
    Session
        The session, to be closed by the caller.

    Raises
    ------
    Sam2VideoError
        If anything fails. If options, prompts, range or model do not fit, no session is made, and one to be replaced is
        kept. If the run fails later, finished frames are kept, and `open_session` and `resume` continue from there.
    """
    options = _options(axes, pixel_size, interval, series, axis, at, channel, channels, contrast, model)
    session = start(
        recording,
        path_of(out, "The session's folder"),
        options,
        prompt_list(prompts),
        seed_list(seeds, smallest_area),
        instance(settings, TrackSettings, "The settings"),
        if_there="overwrite" if overwrite else "refuse",
        keep_source=keep_source,
        planes=() if planes is None else planes,
    )
    try:
        resume(session, settings, planes=planes, progress=progress, stop=stop)
    except BaseException:
        session.close()
        raise
    return session


@public
def add_prompts(
    session: Session, prompts: Iterable[Prompt], seeds: Iterable[Seeds] = (), *, smallest_area: int = 0
) -> None:
    """Add new prompts to a session, and the objects they name.

    Parameters
    ----------
    session : Session
        The session.
    prompts : iterable of PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt
        Prompts of any objects on any frames, and on the planes of a volume across any axis.
    seeds : iterable of (ndarray of integers of shape (Y, X), int) or (ndarray of shape (Z, Y, X), str)
        Label images and their frames, or label volumes and ``"all"`` or ``"middle"`` for every slice of a label or its
        middle one; every label in them becomes an object.
    smallest_area : int
        Labels of `seeds` with fewer pixels (voxels in a volume) are skipped.

    Raises
    ------
    PromptError
        If one does not fit the recording.
    """
    labels = seed_list(seeds, smallest_area)
    import_prompts.add_prompts(instance(session, Session, "The session"), prompt_list(prompts), labels)


@public
def resume(
    session: Session,
    settings: TrackSettings = TrackSettings(),  # noqa: B008
    *,
    planes: Sequence[str] | None = None,
    progress: Callable[[FrameDone], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> int:
    """Finish an interrupted run, then track what changed or was not reached yet.

    Parameters
    ----------
    session : Session
        The session.
    settings : TrackSettings
        Direction, range and objects of the run that follows.
    planes : str or sequence of str, optional
        Axes along which to walk a volume, such as ``"zyx"``; the masks of the walks are fused at the end. None or an
        empty one walks along the session's own axis.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Called between frames; the run ends when it returns True.

    Returns
    -------
    int
        Number of computed frames.

    Raises
    ------
    PromptError
        If no object has a prompt, or the range does not fit the recording.
    """
    instance(session, Session, "The session")
    instance(settings, TrackSettings, "The settings")
    require_prompts(session)
    count = 0
    if session.unfinished:
        count += followed(session.resume(stop=stop), progress)
        if session.unfinished:
            return count
    if planes:
        count += followed(session.track_planes(settings, axes=planes, stop=stop), progress)
        if len(session.planes.checked(planes)) > 1 and not (stop is not None and stop()):
            # Where no object was found on the planes across another axis, there is nothing to fuse.
            with suppress(PromptError):
                session.fuse(axes=planes)
        return count
    if not is_anything_left(session, settings):
        return count
    return count + followed(session.track(settings, stop=stop), progress)


def followed(run: Iterable[FrameDone], progress: Callable[[FrameDone], None] | None) -> int:
    """Go through a run and report each frame; returns the number of frames."""
    count = 0
    for done in run:
        count += 1
        if progress is not None:
            progress(done)
    return count


def _options(
    axes: str | None,
    pixel_size: str | PixelSize | None,
    interval: str | float | None,
    series: int | str | None,
    axis: str | None,
    at: Mapping[str, int] | None,
    channel: int | None,
    channels: str | Sequence[ChannelColor],
    contrast: str | tuple[float, float] | ContrastWindow | None,
    model: ModelSettings | str | PathLike[str],
) -> SessionOptions:
    return SessionOptions(
        OpenSettings.of(axes=axes, pixel_size=pixel_size, interval=interval, series=series),
        axis,
        {} if at is None else at,
        channel,
        window_of(contrast),
        ModelSettings.of(model).to_json(),
        checked_channels(channels),
    )


def window_of(contrast: Any) -> ContrastWindow | Literal["percentile"] | None:
    """Contrast window from text, a pair of numbers, or a window; ``"percentile"`` stays as it is.

    Raises
    ------
    SettingsError
        If it is something else.
    """
    if contrast is None or isinstance(contrast, ContrastWindow):
        return contrast
    if isinstance(contrast, str):
        return contrast_from_text(contrast)
    if isinstance(contrast, tuple | list) and len(contrast) == 2:
        return ContrastWindow(*contrast)
    raise SettingsError(
        f'The contrast must be (low, high), "low,high" or a name such as "lung", not {shown(contrast)}.'
    )
