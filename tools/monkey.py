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

import numpy as np
from tests.fakes import FakeTracker
from tools.agreement import alive, disagreements

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (8, 64, 80)
SECONDS_TO_SETTLE = 60.0
ASKS_FOR_A_FILE = ("…", "Get ", "Download", "Keys", "Larger", "Estimate")


def recording() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Two bright spots that move on a dark ground, uint8 (T, Y, X)."""
    rows, columns = np.indices(SHAPE[1:])
    frames = np.full(SHAPE, 10, np.uint8)
    for t in range(SHAPE[0]):
        for y, x in ((20 + t, 20 + t), (44 - t, 60 - t)):
            frames[t][np.hypot(rows - y, columns - x) < 6] = 200
    return frames


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
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        QApplication.processEvents()
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        end = time.monotonic() + SECONDS_TO_SETTLE
        view = self.controller.view
        while self.controller.runner.busy() or self.controller.loading or (view is not None and not view.summary.fresh):
            self.spin(0.01)
            view = self.controller.view
            if time.monotonic() > end:
                self.faults.append("something is still under way after a minute")
                return
        self.spin(0.02)

    # What a person can do

    def act(self) -> str:
        """Do something; what it was."""
        acts: list[tuple[int, Callable[[], str]]] = [
            (8, self.press_button), (6, self.press_key), (6, self.click), (2, self.stroke), (4, self.walk),
            (2, self.hover), (1, self.change_layers), (1, self.change_view), (2, self.edit_object),
            (1, self.choose_entry), (3, self.review), (1, self.look_at_timeline), (1, self.arrange_table),
            (1, self.choose_in_menu),
        ]  # fmt: skip
        (act,) = self.random.choices([act for _, act in acts], [weight for weight, _ in acts])
        return act()

    def press_button(self) -> str:
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QCheckBox, QPushButton

        buttons = [
            button
            for kind in (QPushButton, QCheckBox)
            for button in self.widget.findChildren(kind)
            if button.isVisible() and button.isEnabled() and not any(text in button.text() for text in ASKS_FOR_A_FILE)
        ]
        button = self.random.choice(buttons)
        text = button.text()
        if self.random.random() < 0.1:
            button = self.widget.objects.new_button
            text = button.text()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        return f"press {text}"

    def press_key(self) -> str:
        from app_model.types import KeyBinding

        keys = [key.key for key in self.widget.keys.keys if key.title != "Keys"]
        name = self.random.choice([*keys, "Left", "Right", "[", "]", "V", "Delete", "Enter"])
        text = name.replace("Control", "Ctrl").replace("-", "+") if len(name) > 1 else name
        handler = self.viewer.window._qt_viewer.canvas._key_map_handler
        handler.press_key(KeyBinding.from_str(text.title() if len(text) > 1 else text.upper()))
        return f"key {text}"

    def _point(self) -> Any:
        from qtpy.QtCore import QPoint

        native = self.viewer.window._qt_viewer.canvas.native
        return native, QPoint(
            self.random.randrange(5, native.width() - 5), self.random.randrange(5, native.height() - 5)
        )

    def click(self) -> str:
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        native, point = self._point()
        modifier = self.random.choice((Qt.KeyboardModifier.NoModifier,) * 4 + (Qt.KeyboardModifier.ControlModifier,))
        QTest.mouseMove(native, point)
        QTest.mouseClick(native, Qt.MouseButton.LeftButton, modifier, point)
        return f"click {point.x()}, {point.y()}"

    def hover(self) -> str:
        """Move the mouse over the image, and turn its wheel with Shift."""
        from qtpy.QtCore import QPoint, QPointF, Qt
        from qtpy.QtGui import QWheelEvent
        from qtpy.QtTest import QTest
        from qtpy.QtWidgets import QApplication

        for _ in range(4):
            native, point = self._point()
            QTest.mouseMove(native, point)
            self.spin(0.05)
        wheel = QWheelEvent(
            QPointF(point), QPointF(native.mapToGlobal(point)), QPoint(), QPoint(0, self.random.choice((-120, 120))),
            Qt.MouseButton.NoButton, Qt.KeyboardModifier.ShiftModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(native, wheel)
        return f"hover {point.x()}, {point.y()}"

    def stroke(self) -> str:
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        native, start = self._point()
        _, end = self._point()
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        steps = [start + (end - start) * part / 6 for part in range(7)]
        kinds = [(QEvent.Type.MouseButtonPress, left, left), *[(QEvent.Type.MouseMove, none, left)] * 5]
        for point, (kind, button, buttons) in zip(
            steps, [*kinds, (QEvent.Type.MouseButtonRelease, left, none)], strict=True
        ):
            at, place = QPointF(point), QPointF(native.mapToGlobal(point))
            QApplication.sendEvent(
                native, QMouseEvent(kind, at, place, button, buttons, Qt.KeyboardModifier.NoModifier)
            )
            self.spin()
        return "stroke"

    def walk(self) -> str:
        frame = self.random.randrange(SHAPE[0])
        self.viewer.dims.set_current_step(0, frame)
        return f"frame {frame}"

    def change_layers(self) -> str:
        layers = self.viewer.layers
        what = self.random.choice(("hide", "select", "labels", "remove", "image", "move", "rename", "delete selected"))
        layer = self.random.choice(list(layers)) if layers else None
        if what == "labels":
            labels = np.zeros(SHAPE[1:], np.uint8)
            for number in range(1, 4):
                y, x = self.random.randrange(50), self.random.randrange(60)
                labels[y : y + 10, x : x + 10] = number
            self.viewer.add_labels(labels, name="found")
        elif what == "image" or layer is None:
            if not any(type(one).__name__ == "Image" for one in layers):
                self.viewer.add_image(recording(), name="spots")
        elif what == "hide":
            layer.visible = not layer.visible
        elif what == "select":
            layers.selection.active = layer
        elif what == "rename":
            layer.name = f"{layer.name[:12]} {self.random.randrange(99)}"
        elif what == "delete selected":
            layers.remove_selected()
        elif what == "move":
            layers.move(layers.index(layer), self.random.randrange(len(layers)))
        elif layer is not self.controller.image or self.random.random() < 0.2:
            layers.remove(layer)
        return f"layers: {what} {layer}"

    def change_view(self) -> str:
        what = self.random.choice(("3D", "theme", "contrast", "close", "grid", "size"))
        if what == "3D":
            self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay
        elif what == "theme":
            self.viewer.theme = self.random.choice(("dark", "light"))
        elif what == "contrast" and "spots" in self.viewer.layers:
            self.viewer.layers["spots"].contrast_limits = (0, self.random.randrange(50, 255))
        elif what == "grid":
            grid = self.viewer.canvas.grid if hasattr(self.viewer, "canvas") else self.viewer.grid
            grid.enabled = not grid.enabled
        elif what == "size":
            self.viewer.window.resize(*self.random.choice(((1100, 760), (1024, 768), (1280, 800), (800, 600))))
        elif what == "close":
            self.controller.close_session()
        return f"view: {what}"

    def edit_object(self) -> str:
        from qtpy.QtCore import Qt

        from napari_sam2_video.plugin.objects_model import LOCK, NAME

        model = self.widget.objects.table.objects
        if not model.rows:
            return "no object to edit"
        row = self.random.randrange(len(model.rows))
        if self.random.random() < 0.5:
            state = Qt.CheckState.Unchecked if model.rows[row].locked else Qt.CheckState.Checked
            model.setData(model.index(row, LOCK), state, Qt.ItemDataRole.CheckStateRole)
            return f"lock row {row}"
        if self.random.random() < 0.5:
            model.setData(model.index(row, NAME), f"name {self.random.randrange(99)}")
            return f"name row {row}"
        self.widget.objects.table.selectRow(row)
        return f"select row {row}"

    def review(self) -> str:
        """Click a place of the review list, or say what is true of the one that is looked at."""
        panel = self.widget.review
        items = panel.list.places.items
        if items and self.random.random() < 0.5:
            row = self.random.randrange(len(items))
            panel.list.clicked.emit(panel.list.places.index(row))
            return f"review place {row}"
        made = self.random.choice((panel.next_button, panel.accept_next_button, panel.wrong_button, panel.later_button))
        made.click()
        return f"review {made.text()}"

    def look_at_timeline(self) -> str:
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        panel = self.widget.review.timeline_panel
        timeline = panel.timeline
        what = self.random.choice(("click", "zoom", "group", "move"))
        if what == "click":
            place = QPoint(self.random.randrange(timeline.width()), self.random.randrange(timeline.height()))
            QTest.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=place)
        elif what == "zoom":
            timeline.zoom(self.random.choice((0.5, 1.25, 2.0)), self.random.randrange(SHAPE[0]))
        elif what == "move":
            panel.bar.setValue(self.random.randrange(SHAPE[0]))
        else:
            panel.group_box.setCurrentIndex(self.random.randrange(panel.group_box.count()))
        return f"timeline: {what}"

    def arrange_table(self) -> str:
        from qtpy.QtCore import QItemSelectionModel, Qt

        table = self.widget.objects.table
        what = self.random.choice(("search", "sort", "several"))
        if what == "search":
            self.widget.objects.search_field.setText(
                self.random.choice(("", "", "1", "object", "tracked", "none such"))
            )
        elif what == "sort":
            order = self.random.choice((Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder))
            table.sortByColumn(self.random.randrange(table.model().columnCount()), order)
        else:
            flags = QItemSelectionModel.SelectionFlag
            for row in range(table.model().rowCount()):
                if self.random.random() < 0.4:
                    table.selectionModel().setCurrentIndex(table.model().index(row, 2), flags.Select | flags.Rows)
        return f"table: {what}"

    def choose_in_menu(self) -> str:
        """Choose something in the menu of an object or of several."""
        from napari_sam2_video.plugin.object_menu import object_menu, objects_menu

        controller = self.controller
        if len(controller.selected) > 1:
            menu = objects_menu(self.widget, controller, controller.selected)
        else:
            menu = object_menu(self.widget, controller, controller.active) if controller.active else None
        if menu is None:
            return "no menu"
        actions = [action for one in (menu, *menu.findChildren(type(menu))) for action in one.actions()]
        actions = [action for action in actions if action.isEnabled() and action.menu() is None and action.text()]
        if not menu.isEnabled() or not actions:
            return "a menu with nothing to choose"
        action = self.random.choice(actions)
        action.trigger()
        return f"menu: {action.text()}"

    def choose_entry(self) -> str:
        panel = self.widget.track
        box = self.random.choice((panel.range_box, panel.direction_box, panel.objects_box))
        box.setCurrentIndex(self.random.randrange(box.count()))
        return f"choose {box.currentText()}"

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
