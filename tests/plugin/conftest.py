from __future__ import annotations

import gc
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.fakes import FakeTracker
from tests.plugin.viewers import SharedViewer, close_viewer

# napari reads and writes no settings of the person who runs the tests; before anything imports it.
os.environ["NAPARI_CONFIG"] = ""

SHAPE_YX = (64, 80)
N_FRAMES = 8


@pytest.fixture(autouse=True)
def _nothing_left_behind():
    """Fail a test that leaves a thread or an open file behind."""
    psutil = pytest.importorskip("psutil")
    process = psutil.Process()
    threads = set(threading.enumerate())
    files = {file.path for file in process.open_files()}
    children = set(process.children(recursive=True))
    yield
    end = time.monotonic() + 60
    while time.monotonic() < end:
        left = [t for t in threading.enumerate() if t not in threads and "napari-sam2-video" in t.name]
        opened = [f.path for f in process.open_files() if f.path not in files and ".sam2v" in f.path]
        born = [c for c in process.children(recursive=True) if c not in children]
        if not left and not opened and not born:
            return
        # Collecting takes as long as a short test, so it waits until something is left.
        gc.collect()
        time.sleep(0.05)
    pytest.fail(f"left behind: threads {left}, files {opened}, processes {born}")


@pytest.fixture(autouse=True)
def _quick_removal(monkeypatch):
    """napari collects garbage for each layer that is taken off, which is most of the time of a test."""
    import napari._vispy.canvas

    class Lazy:
        collect = staticmethod(lambda *_: 0)

    monkeypatch.setattr(napari._vispy.canvas, "gc", Lazy)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Preferences of the test alone, as napari holds them; sessions go to a folder of its own."""
    chosen = SimpleNamespace(
        sessions=SimpleNamespace(folder=str(tmp_path / "sessions"), model="demo", device="auto"),
        interface=SimpleNamespace(
            live_preview=True,
            follow_run=False,
            sections="recording,objects",
            demo_noted=True,
            tour_seen=True,
            keys="",
            hover_preview="off",
            auto_track=False,
        ),
    )
    monkeypatch.setattr("napari.settings.get_plugin_settings", lambda _: chosen)
    monkeypatch.setattr("napari_sam2_video.plugin.recent_sessions._file", lambda: tmp_path / "recent.json")
    # Where a test makes a second session of an image, nobody is there to answer.
    monkeypatch.setattr("napari_sam2_video.plugin.widget.ask_to_continue", lambda *_: "new")
    return chosen


def make_frames(n_frames: int = N_FRAMES, shape_yx: tuple[int, int] = SHAPE_YX) -> np.ndarray:
    """Two bright spots that move on a dark ground, uint8 (T, Y, X); spot 0 starts at (20, 20), spot 1 at (44, 60)."""
    rows, columns = np.indices(shape_yx)
    frames = np.full((n_frames, *shape_yx), 10, np.uint8)
    for t in range(n_frames):
        for y, x in spots(t):
            frames[t][np.hypot(rows - y, columns - x) < 6] = 200
    return frames


def spots(t: int) -> tuple[tuple[float, float], tuple[float, float]]:
    return (20.0 + t, 20.0 + t), (44.0 - t, 60.0 - t)


class GatedTracker(FakeTracker):
    """A fake that computes as many frames as it is allowed to, and waits then."""

    def __init__(self, gate, view, memory, **options):
        super().__init__(view, memory, **options)
        self._gate = gate

    def run(self, plan, *, stop=None):
        halted = stop or (lambda: False)
        for masks in super().run(plan, stop=stop):
            while not self._gate.acquire(timeout=0.01) and not halted():
                pass
            yield masks


class Gate:
    """Open, or open for a number of frames."""

    def __init__(self):
        self._allowed = None
        self._changed = threading.Condition()

    def hold(self, frames: int) -> None:
        with self._changed:
            self._allowed = frames

    def release(self) -> None:
        with self._changed:
            self._allowed = None
            self._changed.notify_all()

    def acquire(self, timeout: float) -> bool:
        with self._changed:
            if self._allowed == 0:
                self._changed.wait(timeout)
            if self._allowed == 0:
                return False
            if self._allowed is not None:
                self._allowed -= 1
            return True


@dataclass
class Bench:
    """A viewer with the widget, and what a person does with it."""

    viewer: Any
    widget: Any
    trackers: list[FakeTracker] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    tracker_options: dict[str, Any] = field(default_factory=dict)
    gate: Gate = field(default_factory=Gate)

    @property
    def controller(self):
        return self.widget.controller

    @property
    def session(self):
        return self.controller.session

    @property
    def tracker(self) -> FakeTracker:
        return self.trackers[-1]

    def spin(self, until=None, timeout: float = 120.0) -> None:
        """Let the viewer live until something holds."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + timeout
        QApplication.processEvents()
        while until is not None and not until():
            assert time.monotonic() < end, "it did not happen"
            QApplication.processEvents()
            time.sleep(0.002)
        QApplication.processEvents()

    def idle(self) -> None:
        self.spin(lambda: not self.controller.runner.busy() and not self.controller.loading)

    def settle(self) -> None:
        """Wait until the figures that buttons depend on are known."""
        view = self.controller.view
        self.spin(lambda: view is None or view.summary.fresh)

    def press(self, button) -> None:
        """Click a button as a person does: it must be there and enabled."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        self.settle()
        assert button.isEnabled(), f"{button.text()} is disabled"
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        self.spin()

    def key(self, name: str) -> None:
        """Press a key in the canvas."""
        from vispy.util import keys  # noqa: F401

        canvas = self.viewer.window._qt_viewer.canvas
        from app_model.types import KeyBinding

        canvas._key_map_handler.press_key(KeyBinding.from_str(name))
        self.spin()

    def errors(self) -> list[str]:
        return [sentence for kind, sentence in self.told if kind == "error"]

    def canvas_point(self, world):
        """Position in the canvas of a world point that is shown."""
        from qtpy.QtCore import QPoint

        camera, dims = self.viewer.camera, self.viewer.dims
        native = self.viewer.window._qt_viewer.canvas.native
        shown = list(dims.displayed)
        y, x = (world[axis] for axis in shown)
        middle_y, middle_x = camera.center[-2:]
        column = (x - middle_x) * camera.zoom + native.width() / 2
        row = (y - middle_y) * camera.zoom + native.height() / 2
        return QPoint(round(column), round(row))

    def drag(self, *worlds, meanwhile=None) -> None:
        """Press the mouse in the canvas at the first world point, move it through the others, let go.

        `meanwhile` is called once the mouse is at the second point.
        """
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        native = self.viewer.window._qt_viewer.canvas.native
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        kinds = QEvent.Type

        def send(kind, world, button, buttons):
            at = QPointF(self.canvas_point(world))
            place = QPointF(native.mapToGlobal(at.toPoint()))
            event = QMouseEvent(kind, at, place, button, buttons, Qt.KeyboardModifier.NoModifier)
            QApplication.sendEvent(native, event)
            self.spin()

        send(kinds.MouseMove, worlds[0], none, none)
        send(kinds.MouseButtonPress, worlds[0], left, left)
        for number, world in enumerate(worlds[1:]):
            send(kinds.MouseMove, world, none, left)
            if meanwhile is not None and number == 0:
                meanwhile()
                self.spin()
        send(kinds.MouseButtonRelease, worlds[-1], left, none)
        self.spin()

    def move(self, y: float, x: float) -> None:
        """Move the mouse over a pixel of the shown frame."""
        self.move_to(self.world(self.controller.frame, y, x))

    def move_to(self, world) -> None:
        """Move the mouse over a world point that is shown."""
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent
        from qtpy.QtWidgets import QApplication

        native = self.viewer.window._qt_viewer.canvas.native
        at = QPointF(self.canvas_point(world))
        none = Qt.MouseButton.NoButton
        place = QPointF(native.mapToGlobal(at.toPoint()))
        event = QMouseEvent(QEvent.Type.MouseMove, at, place, none, none, Qt.KeyboardModifier.NoModifier)
        QApplication.sendEvent(native, event)
        self.spin()

    def world(self, frame: int, y: float, x: float):
        """World point of a pixel, by the image layer's own transform."""
        geometry, image = self.controller.geometry, self.controller.image
        return image.data_to_world(geometry.to_data(frame, y, x))

    def click(self, y: float, x: float) -> None:
        """Click a pixel of the shown frame."""
        self.drag(self.world(self.controller.frame, y, x))

    def start(self) -> int:
        """Make a session with an object by the New object button."""
        self.press(self.widget.objects.new_button)
        self.idle()
        assert self.session is not None, self.told
        return self.controller.active

    def track(self) -> None:
        self.press(self.widget.run_bar.track_button)
        self.idle()


@pytest.fixture(autouse=True)
def _drawn_where_it_matters(request, monkeypatch):
    """Draw the canvas for tests that are marked so; for the others napari does all but the drawing itself."""
    if request.node.get_closest_marker("drawn") is None:
        monkeypatch.setattr("vispy.scene.canvas.SceneCanvas._draw_scene", lambda *_, **__: None)


@pytest.fixture(scope="session")
def shared_viewer(qapp):
    """The viewer of this process."""
    shared = SharedViewer()
    # What napari makes once is never garbage, and is not searched for any again.
    gc.disable()
    shared.take()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    yield shared
    shared.close()


@pytest.fixture
def new_viewer(request, shared_viewer, settings, monkeypatch):
    """Make an empty viewer; the first of a test is the one that the tests share."""
    monkeypatch.setenv("NAPARI_ENSURE_PLUGIN_MAIN_THREAD", "1")
    own: list[Any] = []

    def make():
        if not own:
            own.append(shared_viewer.take())
        else:
            own.append(shared_viewer.make())
        return own[-1]

    yield make
    for viewer in own[1:]:
        close_viewer(viewer)
    own.clear()
    shared_viewer.give_back(failed=request.node.rep_call.failed)


@pytest.fixture
def bench(new_viewer, qtbot, quick_disk):
    """Make a bench around an image layer."""
    made: list[Bench] = []

    def build(data=None, *, image: dict[str, Any] | None = None, fake: bool = True, **tracker_options) -> Bench:
        viewer = new_viewer()
        viewer.window.resize(760, 520)
        if data is not None:
            viewer.add_image(data, **(image or {}))
        _, widget = viewer.window.add_plugin_dock_widget("napari-sam2-video")
        here = Bench(viewer, widget, tracker_options=tracker_options)
        widget.controller.notified.connect(lambda kind, sentence: here.told.append((kind, sentence)))

        def factory(_settings, view, memory):
            here.trackers.append(GatedTracker(here.gate, view, Path(memory), **here.tracker_options))
            return here.trackers[-1]

        if fake:
            widget.controller.loader.options = {"tracker_factory": factory}
        here.spin()
        made.append(here)
        return here

    yield build
    for here in made:
        here.widget.close_down()
        here.controller.runner.join()
        here.viewer = here.widget = None


@pytest.fixture
def at_work(bench):
    """A bench with a session of two moving spots and one object."""
    here = bench(make_frames(), image={"name": "spots"})
    here.start()
    here.controller.go_to(0)
    here.spin()
    return here
