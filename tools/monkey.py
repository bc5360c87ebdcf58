"""Press what a person can press in the widget, in any order, and check after each act that all parts agree.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/monkey.py --seeds 5 --acts 400

An act is a click on any button that can be pressed, a key of the widget, a click or a stroke in the image, a walk to
another frame, something of the review, the timeline, the table or its menus, or something done to the layers. Every act
of a seed can be repeated by giving the seed again. The network is a fake that follows bright spots, so that a run takes
moments.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.fakes import FakeTracker
from tools.acts import in_canvas, in_widget, to_viewer
from tools.acts.hands import Hands, recording
from tools.agreement import alive, disagreements

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS_TO_SETTLE = 60.0
ACTS: list[tuple[int, Callable[[Hands], str]]] = [
    (8, in_widget.press_button), (6, in_canvas.press_key), (6, in_canvas.click), (2, in_canvas.stroke),
    (4, in_canvas.walk), (2, in_canvas.hover), (1, to_viewer.change_layers), (1, to_viewer.change_view),
    (2, in_widget.edit_object), (1, in_widget.choose_entry), (3, in_widget.review),
    (1, in_widget.look_at_timeline), (1, in_widget.arrange_table), (1, in_widget.choose_in_menu),
]  # fmt: skip


class Monkey:
    """A viewer with the widget, and somebody who presses anything.

    Parameters
    ----------
    seed : int
        Decides every act.
    """

    def __init__(self, seed: int, sessions: Path) -> None:
        import napari
        from qtpy.QtCore import QTimer

        from napari_sam2_video.plugin.settings import write_setting

        write_setting("sessions", "folder", str(sessions))
        self.random = random.Random(seed)
        self.faults: list[str] = []
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(1100, 760)
        self.viewer.add_image(recording(), name="spots")
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam2-video")
        self.controller = self.widget.controller
        self.hands = Hands(self.random, self.viewer, self.widget, self.spin)
        self.controller.loader.options = {"tracker_factory": lambda _, view, memory: FakeTracker(view, memory)}
        self.controller.notified.connect(self._on_notified)
        for section in self.widget.sections.values():
            section.set_expanded(True)
        self._answers = QTimer()
        self._answers.timeout.connect(self._answer)
        self._answers.start(30)
        sys.excepthook = self._on_exception
        threading.excepthook = lambda args: self._on_exception(args.exc_type, args.exc_value, args.exc_traceback)
        self.settle()

    def _on_exception(self, kind: Any, error: Any, trace: Any) -> None:
        traceback.print_exception(kind, error, trace)
        where = traceback.extract_tb(trace)[-1]
        self.faults.append(f"{kind.__name__}: {error} ({Path(where.filename).name}:{where.lineno})")

    def _on_notified(self, kind: str, sentence: str) -> None:
        if kind == "error" and "and report it" in sentence:
            self.faults.append(f"an error that nobody foresaw: {sentence}")

    def _answer(self) -> None:
        """Answer a question that came up."""
        from qtpy.QtWidgets import QApplication, QMessageBox

        box: Any = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            self.random.choice(box.buttons()).click()
        elif box is not None:
            self.random.choice((box.accept, box.reject))()

    def spin(self, seconds: float = 0.0) -> None:
        """Let the window go on for a while."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        QApplication.processEvents()
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        end = time.monotonic() + SECONDS_TO_SETTLE
        while self._under_way():
            self.spin(0.01)
            if time.monotonic() > end:
                self.faults.append("something is still under way after a minute")
                return
        self.spin(0.02)

    def _under_way(self) -> bool:
        controller = self.controller
        stale = controller.view is not None and not controller.view.summary.fresh
        return controller.runner.busy() or controller.loading or stale or self.widget.auto_track.waits

    def act(self) -> str:
        """Do something; what it was."""
        (act,) = self.random.choices([act for _, act in ACTS], [weight for weight, _ in ACTS])
        return act(self.hands)

    def check(self) -> None:
        """Compare what widget, layers and session show; call it when nothing is under way."""
        self.faults += disagreements(self.viewer, self.widget)

    def close(self) -> None:
        """Close everything."""
        self._answers.stop()
        runner = self.controller.runner
        self.viewer.close()
        self.spin(0.1)
        if not runner.join(30):
            self.faults.append("a thread is left after closing")


def run(seed: int, acts: int, *, settle_each: bool, verbose: bool) -> list[str]:
    """Do the acts of a seed; what did not agree, with the acts before it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        monkey = Monkey(seed, Path(folder))
        done: list[str] = []
        for _ in range(acts):
            done.append(monkey.act())
            if verbose:
                print(f"  {done[-1]}", flush=True)
            monkey.spin(monkey.random.choice((0.0, 0.0, 0.01, 0.05)))
            if settle_each or monkey.random.random() < 0.4:
                monkey.settle()
                monkey.check()
            if monkey.faults:
                break
        monkey.close()
        return [*(f"{fault}\n    after {' | '.join(done[-8:])}" for fault in monkey.faults)]


def main() -> int:
    """Run the seeds that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--acts", type=int, default=400, help="acts of each seed")
    parser.add_argument("--most-left", type=int, default=2, help="how many closed sessions may still be in memory")
    parser.add_argument("--verbose", action="store_true", help="print each act")
    options = parser.parse_args()
    os.environ["NAPARI_CONFIG"] = os.path.join(tempfile.mkdtemp(), "settings.yaml")
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        faults = run(seed, options.acts, settle_each=False, verbose=options.verbose)
        left = alive()
        if left > options.most_left:
            faults.append(f"growth: {left} sessions are still in memory")
        print(f"seed {seed}: {'all agreed' if not faults else faults[0]}", flush=True)
        bad += bool(faults)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
