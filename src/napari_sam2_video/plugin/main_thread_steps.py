"""Work that only the main thread can do, one step a turn of the event loop: the window draws and answers between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Turns(QObject):
    """Takes steps, one piece of work at a time."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._step: Callable[[], Any] = _nothing
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(lambda: self._step())

    def take(self, steps: Iterator[None], done: Callable[[], Any], failed: Callable[[Exception], Any]) -> None:
        """Take these steps, in place of what is left of others.

        Parameters
        ----------
        steps : iterator
            Each item is a step.
        done, failed : callable
            Called after the last step, or with what a step raised.
        """

        def step() -> None:
            try:
                next(steps)
            except StopIteration:
                self.stop()
                done()
            except Exception as error:
                self.stop()
                failed(error)
            else:
                self._timer.start(0)

        self._step = step
        self._timer.start(0)

    def stop(self) -> None:
        """Take no more steps."""
        self._timer.stop()
        self._step = _nothing


def _nothing() -> None:
    return None
