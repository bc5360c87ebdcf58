"""Track corrections automatically, if the user wants that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.types import TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.plugin.controller import Controller

QUIET_MS = 400


class AutoTrack(QObject):
    """Tracks an object after each correction; a new prompt stops the run, and tracking restarts from there.

    A correction is a prompt or paint of an object that has been tracked. It is tracked as far as by any run: up to the
    next frame that is accepted, painted or prompted.
    """

    def __init__(self, controller: Controller, settings: Callable[[], TrackSettings]) -> None:
        super().__init__()
        self._controller = controller
        self._settings = settings
        self._wanted: set[int] = set()
        self.running = False
        self._quiet = single_shot(self, self._begin, QUIET_MS)
        controller.changed.connect(self._on_changed)
        controller.session_changed.connect(self._forget)
        controller.run_changed.connect(self._on_run)
        controller.at_close(self._quiet.stop)

    @property
    def waits(self) -> bool:
        """Whether a run starts automatically once the user pauses."""
        return self._quiet.isActive()

    def _forget(self) -> None:
        self._quiet.stop()
        self._wanted.clear()
        self.running = False

    def _on_changed(self, topic: str) -> None:
        """Wait until the user pauses: a correction is often two clicks."""
        controller = self._controller
        session, active = controller.session, controller.active
        if topic not in ("prompts", "masks") or session is None or not active or not read_settings().auto_track:
            return
        if topic == "masks" and controller.running:
            # Changes made by the run itself.
            return
        if not session.state(active).dirty or not len(session.masks.frames_done(active)):
            return
        self._wanted.add(active)
        if self.running:
            controller.actions.stop()
        self._quiet.start()

    def _on_run(self) -> None:
        if not self._controller.running:
            self.running = False
            if self._wanted:
                self._quiet.start()

    def _begin(self) -> None:
        controller = self._controller
        session = controller.session
        if session is None or controller.running or controller.model_missing():
            return
        there = {entry.id for entry in session.objects if not entry.locked}
        objects = tuple(sorted(number for number in self._wanted & there if session.state(number).dirty))
        self._wanted.clear()
        if objects:
            chosen = self._settings()
            self.running = True
            controller.actions.track(TrackSettings(chosen.direction, chosen.start, chosen.stop, objects))
