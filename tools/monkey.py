"""Press what a person can press in the widget, in any order, and check after each act that all parts agree.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/monkey.py --seeds 5 --acts 400

An act is a click on any button, list, field or cell that is in sight, a key, a click or a stroke in the image, a walk
to another frame, something of the review, the proposals, the timeline or the menus, or something done to the layers,
the view or the dock. Every third seed walks a volume. A seed gives the same acts again, but not to the millisecond. The
network is a fake that follows bright spots, so that a run takes moments. At the end the session is opened again from
its folder and compared with what was shown.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import sys
import tempfile
import threading
import time
import traceback
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.fakes import FakeTracker
from tools.acts import in_canvas, in_widget, to_viewer
from tools.acts.answers import Answers
from tools.acts.hands import Hands, recording
from tools.agreement import alive, disagreements, opened_again

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_TO_SETTLE = 60.0
SETTLED, DRAWN = 0.4, 0.15
"""After how many of the acts everything is settled, and before how many of these checks the window is drawn."""
ACTS: list[tuple[int, Callable[[Hands], str]]] = [
    (8, in_widget.press_button), (7, in_canvas.press_key), (7, in_canvas.click), (2, in_canvas.stroke),
    (4, in_canvas.walk), (1, in_canvas.hover), (2, to_viewer.change_layers), (1, to_viewer.change_view),
    (2, in_widget.edit_object), (2, in_widget.choose_entry), (1, in_widget.write), (3, in_widget.review),
    (1, in_widget.look_at_timeline), (1, in_widget.arrange_table), (1, in_widget.choose_in_menu),
    (2, in_widget.decide), (1, in_widget.fold),
]  # fmt: skip


class _ErrorLog(logging.Handler):
    """Counts errors that only the log is told of."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        error = record.exc_info[1] if record.exc_info else None
        traceback.print_exception(error)
        self._faults.append(f"logged: {record.getMessage()} ({error!r})")


def _pass_on(known: weakref.WeakMethod[Any], error: Any) -> None:
    """Give what was raised to a monkey that is still there."""
    told = known()
    if told is not None:
        told(*error)


class Monkey:
    """A viewer with the widget, and somebody who presses anything.

    Parameters
    ----------
    seed : int
        Decides every act.
    folder : Path
        Where sessions are kept, and files are written.
    """

    def __init__(self, seed: int, folder: Path) -> None:
        import napari

        from napari_sam2_video.plugin.settings import write_setting

        write_setting("sessions", "folder", str(folder))
        self.random = random.Random(seed)
        self.faults: list[str] = []
        self.closing: list[Any] = []
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(900, 640)
        names = ("Z", "Y", "X") if seed % 3 == 2 else ("T", "Y", "X")
        self.viewer.add_image(recording(), name="spots", axis_labels=names)
        self.answers = Answers(random.Random(seed + 1), folder)
        self.hands = Hands(self.random, self.viewer, folder, self.spin, self._on_opened)
        self._hooks = sys.excepthook, threading.excepthook
        # A thread keeps the hooks that there are when it starts, and dask's threads are never done.
        known = weakref.WeakMethod(self._on_exception)
        sys.excepthook = lambda *error: _pass_on(known, error)
        threading.excepthook = lambda args: _pass_on(known, args[:3])
        self._log = _ErrorLog(self.faults)
        logging.getLogger("napari_sam2_video").addHandler(self._log)
        self.settle()
        self.viewer.window._qt_window.setUpdatesEnabled(False)

    @property
    def controller(self) -> Any:
        """The controller of the widget that is open."""
        return self.hands.controller

    def _on_opened(self, widget: Any) -> None:
        controller = widget.controller
        controller.loader.options = {"tracker_factory": lambda _, view, memory: FakeTracker(view, memory)}
        controller.notified.connect(self._on_notified)
        self.closing.append(controller.runner)

    def _on_exception(self, kind: Any, error: Any, trace: Any) -> None:
        traceback.print_exception(kind, error, trace)
        where = traceback.extract_tb(trace)[-1]
        self.faults.append(f"{kind.__name__}: {error} ({Path(where.filename).name}:{where.lineno})")

    def _on_notified(self, kind: str, sentence: str) -> None:
        if kind == "error" and "and report it" in sentence:
            self.faults.append(f"an error that nobody foresaw: {sentence}")

    def spin(self, seconds: float = 0.0) -> None:
        """Let the window go on for a while."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        QApplication.processEvents()
        while time.monotonic() < end:
            time.sleep(0.004)
            QApplication.processEvents()

    def look(self) -> None:
        """Let the window draw everything once; drawing each time would be most of the work."""
        window = self.viewer.window._qt_window
        window.setUpdatesEnabled(True)
        self.spin()
        window.setUpdatesEnabled(False)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        end = time.monotonic() + SECONDS_TO_SETTLE
        while self.under_way():
            self.spin(0.008)
            if time.monotonic() > end:
                self.faults.append("something is still under way after a minute")
                return
        self.spin(0.01)

    def under_way(self) -> bool:
        """Whether the widget is busy, or will begin something by itself."""
        controller = self.controller
        stale = controller.view is not None and not controller.view.summary.fresh
        return controller.runner.busy() or controller.loading or stale or self.hands.widget.auto_track.waits

    def act(self) -> str:
        """Do something; what it was."""
        (act,) = self.random.choices([act for _, act in ACTS], [weight for weight, _ in ACTS])
        return act(self.hands)

    def check(self) -> None:
        """Compare what widget, layers and session show; call it when nothing is under way."""
        self.faults += disagreements(self.viewer, self.hands.widget)

    def close(self) -> None:
        """Close everything, and open the session again."""
        if not self.faults:
            self.settle()
            self.faults += opened_again(self.hands.widget, self.settle)
        self.answers.stop()
        logging.getLogger("napari_sam2_video").removeHandler(self._log)
        sys.excepthook, threading.excepthook = self._hooks
        self.viewer.close()
        self.spin(0.1)
        if not all(runner.join(30) for runner in self.closing):
            self.faults.append("a thread is left after closing")
        # What the threads reported last is still on its way.
        self.spin(0.1)


def run(seed: int, acts: int, *, verbose: bool = False) -> list[str]:
    """Do the acts of a seed; what did not agree, with the acts before it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monkey = Monkey(seed, Path(folder))
        done: list[str] = []
        for number in range(acts):
            done.append(monkey.act())
            if verbose:
                print(f"  {number} {done[-1]}", flush=True)
            monkey.spin(monkey.random.choice((0.0, 0.0, 0.01, 0.04)))
            if monkey.random.random() < SETTLED:
                monkey.settle()
                if monkey.random.random() < DRAWN:
                    monkey.look()
                monkey.check()
            if monkey.faults:
                break
        monkey.close()
        return [*(f"{fault}\n    after {len(done)} acts: {' | '.join(done[-8:])}" for fault in monkey.faults)]


def collect_seldom() -> None:
    """Let napari collect no garbage for each layer that is taken off, which takes longer than the acts."""
    import napari._vispy.canvas

    napari._vispy.canvas.gc = type("Never", (), {"collect": staticmethod(lambda *_: 0)})


def main() -> int:
    """Run the seeds that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--acts", type=int, default=400, help="acts of each seed")
    parser.add_argument("--most-left", type=int, default=0, help="how many closed sessions may still be in memory")
    parser.add_argument("--verbose", action="store_true", help="print each act")
    options = parser.parse_args()
    os.environ["NAPARI_CONFIG"] = os.path.join(tempfile.mkdtemp(), "settings.yaml")
    collect_seldom()
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        faults = run(seed, options.acts, verbose=options.verbose)
        left = alive()
        if left > options.most_left:
            faults.append(f"growth: {left} sessions are still in memory")
        print(f"seed {seed}: {'all agreed' if not faults else faults[0]}", flush=True)
        bad += bool(faults)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
