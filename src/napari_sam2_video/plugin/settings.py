"""The plugin's settings in napari's preferences."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam2_video.frames.recording import Recording

PLUGIN = "napari-sam2-video"
SESSION_SUFFIX = ".sam2v"
LONGEST_NAME = 160


@dataclass(frozen=True)
class PluginSettings:
    """A snapshot of the preferences; the fields are those in the manifest under ``configurations``."""

    folder: str = ""
    model: str = "demo"
    device: str = "auto"
    live_preview: bool = True
    follow_run: bool = False
    sections: str = "recording,objects"
    demo_noted: bool = False
    tour_seen: bool = False
    keys: str = ""
    hover_preview: str = "auto"
    auto_track: bool = False


def read_settings() -> PluginSettings:
    """The current preferences; the defaults if napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    try:
        stored: Any = get_plugin_settings(PLUGIN)
    except KeyError:
        return PluginSettings()
    return PluginSettings(
        folder=stored.sessions.folder,
        model=stored.sessions.model.strip() or PluginSettings.model,
        device=stored.sessions.device.strip() or PluginSettings.device,
        live_preview=stored.interface.live_preview,
        follow_run=stored.interface.follow_run,
        sections=stored.interface.sections,
        demo_noted=stored.interface.demo_noted,
        tour_seen=stored.interface.tour_seen,
        keys=stored.interface.keys,
        hover_preview=stored.interface.hover_preview,
        auto_track=stored.interface.auto_track,
    )


def write_setting(section: str, name: str, value: Any) -> None:
    """Change one of the preferences in napari; does nothing if napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    try:
        setattr(getattr(get_plugin_settings(PLUGIN), section), name, value)
    except KeyError:
        return


def new_session_folder(recording: Recording, settings: PluginSettings) -> Path:
    """Path for a new session: in the folder from the settings, beside the recording, or in the user's documents."""
    if settings.folder:
        parent = Path(settings.folder).expanduser()
    elif recording.path is not None and os.access(recording.path.parent, os.W_OK):
        parent = recording.path.parent
    else:
        from platformdirs import user_documents_path

        parent = user_documents_path() / PLUGIN
    stem = recording.path.stem if recording.path is not None else recording.name
    stem = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in stem).strip(" .")
    stem = _shortened(stem) or "recording"
    number = 1
    while True:
        folder = parent / f"{stem}{'' if number == 1 else f'-{number}'}{SESSION_SUFFIX}"
        if not folder.exists():
            return folder
        number += 1


def _shortened(stem: str) -> str:
    """A name shortened to the bytes that any file system allows for a folder."""
    return stem.encode()[:LONGEST_NAME].decode(errors="ignore").strip(" .")
