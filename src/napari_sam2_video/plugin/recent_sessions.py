"""Sessions recently open in napari, and the existing session of a recording."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam2_video.plugin.summarizer import SessionSummary
    from napari_sam2_video.session import Session

FILE = "napari-sam2-video-recent.json"
MOST = 20


@dataclass(frozen=True)
class RecentSession:
    """A session as it was when last open.

    Parameters
    ----------
    folder : str
        The session's folder.
    source : str
        Path of the recording, or the name of the layer if it was an array.
    is_file : bool
        Whether `source` is a path.
    shape : tuple of int
        Shape of the recording.
    objects, frames : int
        Objects, and frames on which any of them is tracked.
    when : float
        Seconds since 1970.
    """

    folder: str
    source: str
    is_file: bool
    shape: tuple[int, ...]
    objects: int
    frames: int
    when: float

    @classmethod
    def of(cls, session: Session, summary: SessionSummary) -> RecentSession:
        """Describe the current state of a session."""
        recording = session.recording
        is_file = recording.path is not None
        source = str(recording.path) if is_file else recording.name
        frames = max((found.frames for found in summary.objects.values()), default=0)
        folder, shape = str(session.folder.absolute()), tuple(int(n) for n in recording.shape)
        return cls(folder, source, is_file, shape, len(session.objects), frames, time.time())

    def text(self) -> str:
        """Its contents in words."""
        objects = "1 object" if self.objects == 1 else f"{self.objects} objects"
        frames = "1 frame" if self.frames == 1 else f"{self.frames} frames"
        return f"{objects}, {frames} tracked, {_day(self.when)}"


def recent_sessions() -> tuple[RecentSession, ...]:
    """Sessions whose folders still exist, the newest first."""
    file = _file()
    if file is None:
        return ()
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        found = [RecentSession(**{**entry, "shape": tuple(entry["shape"])}) for entry in stored]
    except (OSError, ValueError, TypeError, KeyError):
        return ()
    return tuple(entry for entry in found if (Path(entry.folder) / "session.json").is_file())


def remember(entry: RecentSession) -> None:
    """Put a session first among the recent ones; errors are ignored."""
    file = _file()
    if file is None:
        return
    kept = [other for other in recent_sessions() if other.folder != entry.folder][: MOST - 1]
    part = file.with_suffix(".part")
    try:
        part.write_text(json.dumps([asdict(one) for one in (entry, *kept)]), encoding="utf-8")
        part.replace(file)
    except OSError:
        return


def session_of(layer: Image) -> RecentSession | None:
    """The newest session of the data in a layer; None if there is none or its folder is gone."""
    path = str(Path(layer.source.path).absolute()) if layer.source.path else None
    data = layer.data[0] if layer.multiscale else layer.data
    shape = tuple(int(n) for n in data.shape)
    for entry in recent_sessions():
        source = str(Path(entry.source).absolute()) if entry.is_file else entry.source
        same = source == (path if entry.is_file else layer.name)
        # Axes of length 1 may have been added for a single image, and RGB samples may have lost their alpha.
        if same and [n for n in entry.shape if n not in (1, 3)] == [n for n in shape if n not in (1, 3, 4)]:
            return entry
    return None


def _file() -> Path | None:
    from napari.settings import get_settings

    config: Any = get_settings().config_path
    return None if config is None else Path(config).with_name(FILE)


def _day(when: float) -> str:
    days = (datetime.now().date() - datetime.fromtimestamp(when).date()).days
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")
