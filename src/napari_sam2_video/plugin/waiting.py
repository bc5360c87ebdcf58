"""Wait for slow work where napari needs the result at once, while the window keeps drawing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
POLL_MS = 10


def while_window_draws(work: Callable[[], Result], message: str) -> Result:
    """Run something on another thread and wait for it.

    Until it is done, the window draws but accepts no clicks or keys. Without a window, the work is done on the calling
    thread.

    Parameters
    ----------
    work : callable
        The work; what it raises is raised here.
    message : str
        What the viewer's status bar shows meanwhile.
    """
    viewer = _window()
    if viewer is None:
        return work()
    from qtpy.QtCore import QEventLoop, QTimer

    outcome: dict[str, Any] = {}

    def on_thread() -> None:
        try:
            outcome["result"] = work()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=on_thread, name="napari-sam2-video waiting")
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: None if thread.is_alive() else loop.quit())
    viewer.status = message
    thread.start()
    timer.start(POLL_MS)
    loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
    timer.stop()
    thread.join()
    viewer.status = "Ready"
    if "error" in outcome:
        raise outcome["error"]
    result: Result = outcome["result"]
    return result


def _window() -> Any:
    """The viewer whose window would freeze; None if there is none or another thread waits."""
    if threading.current_thread() is not threading.main_thread():
        return None
    from napari import current_viewer
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QApplication

    viewer = current_viewer()
    return viewer if isinstance(viewer, Viewer) and QApplication.instance() is not None else None
