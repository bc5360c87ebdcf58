"""Preview the mask under the mouse before a click."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.preview import Outline
from napari_sam2_video.plugin.settings import read_settings
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.plugin.worker import Job
from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.prompt_tools import PromptTools

KEY = "hover"
QUICK_SECONDS = 0.25
"""If a preview takes longer, none is shown under the mouse unless the user asks for it."""
REST_MS = 80


@dataclass(frozen=True)
class Spot:
    """Where the mouse is: a pixel of a frame, and the object to find there."""

    object_id: int
    frame: int
    y: float
    x: float


class HoverPreview(QObject):
    """Shows what a click would select while the point tool is over a frame without a mask of the object.

    One preview is computed at a time, in the background; results that arrive after a click, or for another frame or
    object, are dropped.

    Signals
    -------
    changed
        It is now known whether previews are fast on this machine, or no longer known.

    Attributes
    ----------
    seconds : float or None
        Time for a preview on a frame that is already embedded; None until measured.
    """

    changed = Signal()

    def __init__(self, controller: Controller, prompting: PromptTools) -> None:
        super().__init__()
        self._controller = controller
        self._prompting = prompting
        self._wanted: Spot | None = None
        self._asked: Spot | None = None
        self._outlines: tuple[Outline, ...] = ()
        self._best = 0
        self._free: tuple[int, int, bool] | None = None
        self._carried: tuple[int, int, int] | None = None
        self.offset = 0
        self.seconds: float | None = None
        self._rest = single_shot(self, self._ask)
        viewer = controller.viewer
        viewer.mouse_move_callbacks.append(self._on_move)
        viewer.mouse_wheel_callbacks.append(self._on_wheel)
        controller.at_close(self._let_go)
        for signal in (controller.session_changed, controller.frame_changed, controller.active_changed):
            signal.connect(self.clear)
        controller.run_changed.connect(self.clear)
        controller.changed.connect(self._on_changed)
        controller.preview_changed.connect(self._on_preview)
        prompting.armed_changed.connect(self.clear)
        controller.model_changed.connect(self._forget_speed)
        controller.session_changed.connect(self._forget_speed)

    @property
    def shown(self) -> bool:
        """Whether a mask under the mouse is visible."""
        return bool(self._outlines)

    @property
    def on(self) -> bool:
        """Whether the feature is on: by the user's choice, or else if the machine is fast enough."""
        setting = read_settings().hover_preview
        return setting == "on" or (setting == "auto" and (self.seconds is None or self.seconds <= QUICK_SECONDS))

    def cycle(self, step: int = 1) -> None:
        """Show another candidate."""
        if self._outlines:
            self.offset = (self.offset + step) % len(self._outlines)
            self._show()

    def clear(self, *_: Any) -> None:
        """Hide the preview, and drop any computation and the chosen candidate."""
        self._carried = None
        self._hide()

    def _hide(self) -> None:
        self._rest.stop()
        self._wanted, self._free = None, None
        if self._asked is not None:
            self._asked = None
            self._controller.runner.forget(KEY)
        if self._outlines:
            self._outlines = ()
            # The preview of a click has replaced it by now, or there is none.
            preview, masks = self._controller.preview, self._controller.masks
            if masks is not None and (preview is None or preview.preview is None):
                masks.set_preview(None)
        self.offset = 0

    def _on_move(self, _: Any, event: Any) -> None:
        spot = self._spot(event.position) if self._may() else None
        if spot is None:
            self._hide()
        elif spot != self._wanted:
            self._wanted = spot
            if self._asked is None and not self._rest.isActive():
                self._rest.start(0 if self._outlines else REST_MS)

    def _may(self) -> bool:
        """Whether a click would be the object's first on this frame, and previews under the mouse are on."""
        controller = self._controller
        view, preview, active, frame = controller.view, controller.preview, controller.active, controller.frame
        if view is None or not active or self._prompting.armed != "point" or not self.on:
            return False
        if controller.running or controller.viewer.dims.ndisplay != 2 or controller.model_missing():
            return False
        if self._controller.shown_elsewhere() is not None:
            return False
        if preview is None or preview.waiting or preview.preview is not None:
            return False
        if self._free is None or self._free[:2] != (active, frame):
            session = view.session
            there = session.prompt_sets(active, frame) or frame in session.masks.frames_done(active)
            painted = frame in session.masks.painted(active)
            self._free = (active, frame, not there and not painted and not session.object(active).locked)
        return self._free[2]

    def _spot(self, position: Any) -> Spot | None:
        view = self._controller.view
        found = None if view is None else view.pixel_at(position)
        if found is None or found[0] != self._controller.frame:
            return None
        frame, y, x = found
        return Spot(self._controller.active, frame, round(y, 1), round(x, 1))

    def _ask(self) -> None:
        spot, view = self._wanted, self._controller.view
        if spot is None or view is None or not self._may():
            return
        session, measure = view.session, self.seconds is None
        prompt = PointPrompt(spot.object_id, spot.frame, spot.y, spot.x)

        def work(job: Job) -> tuple[Spot, int, tuple[Outline, ...], float | None] | None:
            if job.stopping():
                return None
            from napari_sam2_video.preload import preload_torch

            preload_torch()
            if measure:
                # The first preview on a frame also embeds it, and loads the network.
                session.preview(spot.object_id, spot.frame, [prompt])
            start = perf_counter()
            preview = session.preview(spot.object_id, spot.frame, [prompt])
            seconds = perf_counter() - start if measure else None
            nothing = np.zeros(preview.shape_yx, bool)
            outlines = tuple(Outline.of(preview, candidate, nothing) for candidate in preview.candidates)
            return spot, preview.best, outlines, seconds

        self._asked = spot
        self._controller.runner.submit(
            Job("computing the preview under the mouse", work, done=self._on_done, failed=self._on_failed, key=KEY)
        )

    def _on_done(self, found: tuple[Spot, int, tuple[Outline, ...], float | None] | None) -> None:
        self._asked = None
        if found is None:
            return
        spot, self._best, outlines, seconds = found
        if seconds is not None:
            self.seconds = seconds
            self.changed.emit()
        if self._wanted is None or not self._may():
            return
        self._outlines = outlines
        self._show()
        if self._wanted != spot:
            self._rest.start(0)

    def _on_failed(self, error: Sam2VideoError) -> None:
        """Stay silent: the click itself reports the error."""
        self._asked = None

    def _show(self) -> None:
        masks = self._controller.masks
        if masks is not None and self._outlines:
            masks.set_preview(self._outlines[(self._best + self.offset) % len(self._outlines)])

    def _on_changed(self, topic: str) -> None:
        """After a click, keep the candidate that was chosen before it."""
        if topic == "prompts":
            chosen = (self._best + self.offset) % len(self._outlines) if self._outlines and self.offset else None
            self._carried = None if chosen is None else (self._controller.active, self._controller.frame, chosen)
        self._hide()

    def _on_preview(self) -> None:
        """Start the preview of a click with the candidate chosen under the mouse."""
        self._hide()
        preview, carried = self._controller.preview, self._carried
        if preview is None or carried is None or preview.waiting:
            return
        self._carried = None
        if preview.place is not None and preview.place[1:] == carried[:2]:
            preview.cycle(carried[2] - preview.chosen)

    def _on_wheel(self, _: Any, event: Any) -> None:
        """Shift+wheel steps through the candidates of the preview under the mouse or of the click."""
        if "Shift" not in event.modifiers:
            return
        step = 1 if sum(event.delta) < 0 else -1
        if self._outlines:
            self.cycle(step)
        elif self._controller.preview is not None:
            self._controller.preview.cycle(step)
        event.handled = True

    def _forget_speed(self) -> None:
        if self.seconds is not None:
            self.seconds = None
            self.changed.emit()

    def _let_go(self) -> None:
        viewer = self._controller.viewer
        viewer.mouse_move_callbacks.remove(self._on_move)
        viewer.mouse_wheel_callbacks.remove(self._on_wheel)
        self._rest.stop()
