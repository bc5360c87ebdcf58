"""The widget's session for scripts that run inside napari."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import EngineError, SessionError
from napari_sam2_video.types import BoxPrompt, CheckSettings, MaskPrompt, PointPrompt, ScribblePrompt, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from napari.viewer import Viewer

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session

POLL_SECONDS = 0.01
DEFAULT_TIMEOUT = 600.0


class SessionHandle:
    """The widget's functions for scripts: the same session, layers and background runs.

    Get it from the widget; use it on the main thread.

    Examples
    --------
    >>> _, widget = viewer.window.add_plugin_dock_widget("napari-sam2-video")
    >>> handle = widget.handle
    >>> cell = handle.new_object("cell")
    >>> handle.add_point(cell, frame=0, y=120, x=80)
    >>> handle.start()
    >>> handle.wait()
    >>> handle.masks[0].max()
    1
    """

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any] | None], None]) -> None:
        self._controller = controller
        self._start = start
        self._failure = ""
        controller.notified.connect(self._on_notified)

    def _on_notified(self, kind: str, sentence: str) -> None:
        if kind == "error":
            self._failure = sentence

    @property
    def session(self) -> Session:
        """The session; made from the chosen image layer if there is none.

        Raises
        ------
        SessionError
            If none could be made.
        """
        if self._controller.session is None:
            self._failure = ""
            if not self._controller.loading:
                self._start(None)
            self._process(lambda: not self._controller.loading, DEFAULT_TIMEOUT)
        session = self._controller.session
        if session is None:
            raise SessionError(self._failure or "There is no session; open an image with several frames first.")
        return session

    def open(self, folder: str | Path) -> Session:
        """Open a session folder in the viewer."""
        from pathlib import Path

        self._failure = ""
        self._controller.open_session(Path(folder))
        self._process(lambda: not self._controller.loading, DEFAULT_TIMEOUT)
        if self._controller.session is None:
            raise SessionError(self._failure or f"{folder} could not be opened; check that it is a session.")
        return self._controller.session

    def new_object(self, name: str | None = None) -> int:
        """Add an object, make it active, and return its id."""
        object_id = self.session.add_object(name)
        self._controller.deliver()
        self._controller.set_active(object_id)
        return int(object_id)

    def add_point(self, object_id: int, frame: int, y: float, x: float, *, positive: bool = True) -> None:
        """Add a point at pixel ``(y, x)`` of a frame."""
        self.session.add_prompt(PointPrompt(object_id, frame, y, x, positive))
        self._refresh()

    def add_box(self, object_id: int, frame: int, box: tuple[float, float, float, float]) -> None:
        """Add a box ``(y0, x0, y1, x1)`` on a frame."""
        self.session.add_prompt(BoxPrompt(object_id, frame, *box))
        self._refresh()

    def add_scribble(
        self, object_id: int, frame: int, path: Sequence[tuple[float, float]], *, positive: bool = True
    ) -> None:
        """Add a stroke through points ``(y, x)`` of a frame."""
        self.session.add_prompt(ScribblePrompt(object_id, frame, tuple(path), positive))
        self._refresh()

    def add_mask(self, object_id: int, frame: int, mask: npt.NDArray[np.bool_]) -> None:
        """Add a mask prompt ``(Y, X)`` on a frame."""
        self.session.add_prompt(MaskPrompt(object_id, frame, np.asarray(mask, bool)))
        self._refresh()

    def start(self, settings: TrackSettings | None = None) -> None:
        """Track in the background; `wait` for the end."""
        self._begin(lambda: self._controller.actions.track(settings or TrackSettings()))

    def check(self, settings: CheckSettings | None = None) -> None:
        """Compare masks with those found by tracking back, in the background; `wait` for the end."""
        self._begin(lambda: self._controller.actions.check(settings or CheckSettings()))

    def stop(self) -> None:
        """Stop the run within a frame."""
        self._controller.actions.stop()

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        run = self._controller.run
        return run is not None and run.running

    def wait(self, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Process the viewer's events until nothing runs in the background.

        Raises
        ------
        EngineError
            If the run failed, or takes longer than `timeout` seconds.
        """
        if not self._process(lambda: not self._controller.runner.busy(), timeout):
            raise EngineError(f"The run is not done after {timeout:g} s; wait longer, or stop it.")
        if self._failure:
            failure, self._failure = self._failure, ""
            raise EngineError(failure)

    @property
    def masks(self) -> Any:
        """Label images of shape ``(T, Y, X)``, read one frame at a time."""
        return self.session.labels

    def _begin(self, start: Callable[[], None]) -> None:
        self._failure = ""
        start()
        if self.session is not None and self._failure:
            raise EngineError(self._failure)

    def _refresh(self) -> None:
        self._controller.perform()

    @staticmethod
    def _process(until: Callable[[], bool], timeout: float) -> bool:
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + timeout
        while not until():
            if time.monotonic() > end:
                return False
            QApplication.processEvents()
            time.sleep(POLL_SECONDS)
        return True


def add_to_viewer(session: Session, viewer: Viewer) -> SessionHandle:
    """Show a session that a script made, ready to prompt, track and correct.

    The session is closed together with the viewer.

    Parameters
    ----------
    session : Session
        An open session; its recording is shown as an image layer, array or file.
    viewer : Viewer
        A viewer with a window.
    """
    from napari_sam2_video.plugin.widget import find_widget

    widget = find_widget(viewer)
    widget.controller.attach(session)
    return widget.handle
