"""Sources of intensities: the session's recording, other channels of it, or another recording."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.frames.voxel_order import lies_alike, place_of
from napari_sam2_video.types.checks import shown, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_sam2_video.analysis.measure import Reader
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.session import Session


@contextmanager
def readers_of(session: Session, channels: Any, recording: Any) -> Iterator[dict[str, Reader] | None]:
    """Readers for `napari_sam2_video.analysis.measure.measure`, None for those of the session.

    Parameters
    ----------
    session : Session
        The session.
    channels : iterable of int, optional
        Channels to measure, each in columns whose names end in ``_c`` and its index.
    recording : str, Path, Recording or array-like, optional
        What to measure instead of the session's recording; recordings opened here are closed afterwards.

    Raises
    ------
    SettingsError
        If it differs in frames, pixels or place, or the channels are not a list of indices.
    """
    if channels is None and recording is None:
        yield None
        return
    source = session.recording if recording is None else open_recording(recording)
    try:
        yield _readers(session, source, channels)
    finally:
        if source is not session.recording and source is not recording:
            source.close()


def _readers(session: Session, source: Recording, channels: Any) -> dict[str, Reader]:
    kept = session.view.settings
    at = {letter: place for letter, place in kept.at.items() if letter in source.axes}
    # the window is not applied to raw values, and sampling one would read the recording
    settings = default_view(source, axis=_axis(session, source), at=at, window=kept.window)
    if channels is None:
        chosen = {"": settings.channel if kept.channel is None or "C" not in source.axes else kept.channel}
    else:
        chosen = {f"_c{channel}": channel for channel in _indices(channels)}
    views = {suffix: FrameView(source, replace(settings, channel=channel)) for suffix, channel in chosen.items()}
    for view in views.values():
        if (view.n_frames, view.shape_yx) != (session.n_frames, session.shape_yx):
            raise SettingsError(
                f"{source.name} has {view.n_frames} frames of {view.shape_yx} pixels where the session has "
                f"{session.n_frames} of {session.shape_yx}; measure a recording of the same size."
            )
    own, affine = place_of(source), place_of(session.recording)
    if session.view.is_volume and not lies_alike(own, affine, tuple(map(source.length, "XYZ"))):
        raise SettingsError(
            f"{source.name} lies elsewhere than the recording of the session, or its voxels are in another order; "
            "resample it to the voxels of that recording."
        )
    return {suffix: view.raw for suffix, view in views.items()}


def _axis(session: Session, source: Recording) -> str | None:
    walked = session.view.walk_axis
    return walked if walked in source.axes else None


def _indices(channels: Any) -> list[int]:
    try:
        given = [] if isinstance(channels, str) else list(channels)
    except TypeError:
        given = []
    if not given:
        raise SettingsError(f"The channels must be a list of indices such as (0, 1), not {shown(channels)}.")
    return [whole(one, "A channel", at_least=0) for one in given]
