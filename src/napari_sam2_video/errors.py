"""Errors, each with one plain sentence for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Sam2VideoError(Exception):
    """Base of every error this package raises on purpose.

    The message is one sentence: what is wrong, in which file or frame, and what to do.
    """


class RecordingError(Sam2VideoError):
    """A recording cannot be opened, or is not what it claims to be."""


class SeveralSeriesError(RecordingError):
    """A file or folder holds several recordings, and none was chosen.

    Parameters
    ----------
    message : str
        The sentence.
    series : iterable of int or str
        Value of ``series`` for each of them.
    """

    def __init__(self, message: str, series: Iterable[int | str] = ()) -> None:
        super().__init__(message)
        self.series = tuple(series)


class FrameError(RecordingError):
    """One frame cannot be read."""


class SourceChangedError(RecordingError):
    """The recording is no longer the one the session was made from."""


class ModelError(Sam2VideoError):
    """A model is unknown or cannot be used."""


class CheckpointError(ModelError):
    """A file is not a checkpoint this package can load."""


class DownloadError(ModelError):
    """A checkpoint could not be downloaded."""


class EngineError(Sam2VideoError):
    """The network failed while it was running."""


class DeviceMemoryError(EngineError):
    """The device has too little memory for this model, size or number of objects."""


class SettingsError(Sam2VideoError):
    """A setting or an option has an invalid value."""


class PromptError(Sam2VideoError):
    """A prompt is invalid, lies outside the recording or does not fit it."""


class DetectorError(Sam2VideoError):
    """A detector is unknown, failed, or returned unusable output."""


class DetectionStoppedError(DetectorError):
    """A detector was stopped."""


class StoreError(Sam2VideoError):
    """Masks cannot be written or read."""


class PositionError(StoreError, IndexError):
    """An index lies outside the label images."""


class MissingError(StoreError):
    """Masks are not where the journal says, though their folder can be reached; they may be restored."""


class UnreachableError(Sam2VideoError):
    """A file of a session cannot be reached now; its content may be intact."""


class SessionError(Sam2VideoError):
    """A session folder cannot be created, opened or changed."""


class SessionLockedError(SessionError):
    """Another process holds the session."""


class SessionVersionError(SessionError):
    """The session was written by a newer version."""


class ExportError(Sam2VideoError):
    """A result cannot be written in the requested format."""


class TargetExistsError(ExportError):
    """The target exists, and replacing it was not allowed."""


def first_line(error: BaseException) -> str:
    """The first line of another library's error, or the first two if the first only introduces the second."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1]).rstrip(".")
