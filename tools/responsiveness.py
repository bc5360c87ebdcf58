"""Measure how long the viewer makes a person wait, with few and with many objects.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/responsiveness.py --objects 1 50 500 --frames 5000

For each number of objects it makes a session whose frames are all tracked, opens it in napari, and does what a person
does twenty times each. It reports the time from the act to the last picture that follows from it, and the longest time
for which the main thread answered to nothing meanwhile; then two figures that do not depend on what else the machine
does: the most that the main thread worked at a stretch, and the processor time of Python's other threads. Of each it
gives the median and the worst. The network is a fake, so the figures are those of the widget, the layers and the
session.

``--slow 100`` says of each block in which the main thread worked for longer than that what it was at.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from tests.fakes import FakeTracker
from tests.plugin.probe import Probe

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.masks import records
from napari_sam2_video.masks.figures import figures_of
from napari_sam2_video.session import Session
from napari_sam2_video.types import FrameMasks, ObjectMask, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.frames.recording import Recording

    Acts = dict[str, Callable[[int], Callable[[], bool]]]

SIDE = 512
CELL, RADIUS = 20, 6
WHAT = {"shown": "shown", "block": "longest block", "work": "own work", "others": "other threads"}
DOUBTFUL = 40  # of an object's frames, one in so many is doubtful
Row = dict[str, Any]


def frames_of(n_frames: int) -> npt.NDArray[np.uint8]:
    """Spots on a grid, uint8 (T, Y, X): one frame that is shown again and again, which takes no memory."""
    rows, columns = np.indices((SIDE, SIDE))
    spots = np.hypot(rows % CELL - CELL / 2, columns % CELL - CELL / 2) < RADIUS
    return np.broadcast_to(np.where(spots, 180, 20).astype(np.uint8), (n_frames, SIDE, SIDE))


def place_of(number: int) -> tuple[int, int]:
    """Centre of an object, ``(y, x)``."""
    per_row = SIDE // CELL
    return CELL // 2 + CELL * ((number - 1) // per_row), CELL // 2 + CELL * ((number - 1) % per_row)


def make_session(folder: Path, recording: Recording, objects: int) -> None:
    """A session in which every object has a mask on every frame; some frames of each are doubtful."""
    rows, columns = np.indices((2 * RADIUS + 1, 2 * RADIUS + 1))
    disc = np.where(np.hypot(rows - RADIUS, columns - RADIUS) <= RADIUS, 200, 0).astype(np.uint8)
    with Session.create(
        folder, recording, tracker_factory=lambda _, view, memory: FakeTracker(view, memory)
    ) as session:
        for number in range(1, objects + 1):
            session.add_object()
            session.add_prompt(PointPrompt(number, 0, *place_of(number)))
        step = session.masks._state.last_step
        measured: list[npt.NDArray[Any]] = []

        def figures(given: FrameMasks) -> npt.NDArray[Any]:
            """The masks are the same on every frame, and measured once."""
            if not measured:
                measured.append(figures_of(given))
            rows = measured[0].copy()
            for name in ("object_score", "predicted_iou", "prompted"):
                rows[name] = [getattr(mask, name) for mask in given.objects]
            return rows

        records.figures_of = figures
        for frame in range(session.n_frames):
            masks = []
            for number in range(1, objects + 1):
                y, x = place_of(number)
                doubtful = (frame + 7 * number) % (DOUBTFUL * 7) == 3
                score, iou = (0.1, 0.4) if doubtful else (8.0, 0.95)
                masks.append(ObjectMask(number, (y - RADIUS, x - RADIUS), disc, score, iou, prompted=frame == 0))
            session.masks.write(FrameMasks(frame, session.shape_yx, tuple(masks), "forward"), generation=step)
        records.figures_of = figures_of


class Watch:
    """Looks every 10 ms at what the main thread is at, and notes when Python collects its garbage."""

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._seen: list[tuple[float, tuple[str, ...]]] = []
        self._collected: list[tuple[float, float, int]] = []
        self._begin = 0.0
        self._over = threading.Event()
        gc.callbacks.append(self._on_garbage)
        threading.Thread(target=self._look, daemon=True).start()

    def _on_garbage(self, phase: str, found: dict[str, int]) -> None:
        if threading.get_ident() == self._main:
            if phase == "start":
                self._begin = time.perf_counter()
            else:
                self._collected.append((self._begin, time.perf_counter() - self._begin, found["generation"]))

    def _look(self) -> None:
        # A frame that is held here would let the objects of the main thread die on this one.
        mine = f"Thread 0x{self._main:016x}"
        with tempfile.TemporaryFile("w+") as dump:
            while not self._over.wait(0.01):
                dump.seek(0)
                dump.truncate()
                faulthandler.dump_traceback(dump, all_threads=True)
                dump.seek(0)
                lines = dump.read().partition(mine)[2].partition("\n\n")[0].splitlines()[1:]
                own = [re.sub(r'.*/([^/]+)", line (\d+) in (.*)', r"\1:\2 \3", line) for line in lines]
                self._seen.append((time.perf_counter(), tuple(own[:12])))

    def forget(self) -> None:
        """Begin anew."""
        self._seen.clear()
        self._collected.clear()

    def told(self, begin: float, end: float) -> str:
        """What the main thread was at between two times of `time.perf_counter`, the most frequent first."""
        garbage = [
            f"garbage of generation {n}: {1000 * took:.0f} ms" for at, took, n in self._collected if begin <= at <= end
        ]
        seen = Counter(stack for at, stack in self._seen if begin <= at <= end)
        stacks = [f"{count} x {' < '.join(stack)}" for stack, count in seen.most_common(6)]
        return "\n".join(f"       {line}" for line in garbage + stacks)

    def close(self) -> None:
        """Look no more."""
        self._over.set()
        gc.callbacks.remove(self._on_garbage)


class Desk:
    """A viewer with the session, and a person at it."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        import napari
        from qtpy.QtWidgets import QApplication

        self.app: Any = QApplication
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(1280, 800)
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam2-video")
        self.controller = self.widget.controller
        session = Session.open(
            folder, recording=recording, tracker_factory=lambda _, view, memory: FakeTracker(view, memory)
        )
        self.controller.attach(session)
        for name in ("objects", "review"):
            self.widget.sections[name].set_expanded(True)
        self.settle()

    def spin(self, seconds: float = 0.0) -> None:
        """Let the viewer live."""
        end = time.perf_counter() + seconds
        self.app.processEvents()
        while time.perf_counter() < end:
            self.app.processEvents()
            time.sleep(0.001)

    def until(self, done: Callable[[], bool], seconds: float = 600.0) -> None:
        """Let the viewer live until something holds."""
        end = time.perf_counter() + seconds
        while not done():
            self.app.processEvents()
            time.sleep(0.001)
            if time.perf_counter() > end:
                raise TimeoutError("it did not happen")
        self.app.processEvents()

    def settle(self) -> None:
        """Wait until nothing is under way."""
        controller = self.controller
        self.until(lambda: not controller.runner.busy() and controller.view.summary.fresh)

    def close(self) -> None:
        """Close everything."""
        self.viewer.close()
        self.controller.runner.join(60)


def acts_of(desk: Desk, objects: int) -> Acts:
    """What a person does, by name: each does it for the n-th time and gives what tells that it is shown."""
    controller, widget = desk.controller, desk.widget
    n_frames = controller.session.n_frames
    table, timeline = widget.objects.table, widget.review.timeline

    def next_frame(n: int) -> Callable[[], bool]:
        frame = (1 + 17 * n) % n_frames
        controller.go_to(frame)
        return lambda: controller.frame == frame

    def click(n: int) -> Callable[[], bool]:
        number = 1 + n % objects
        controller.set_active(number)
        y, x = place_of(number)
        prompt = PointPrompt(number, controller.frame, y, x + 0.01 * n)
        controller.perform(lambda: controller.session.add_prompt(prompt))
        return lambda: controller.preview.preview is not None and controller.preview.preview.object_id == number

    def choose(n: int) -> Callable[[], bool]:
        number = 1 + (37 * n) % objects
        controller.set_active(number)
        return lambda: number in table.selected()

    def next_place(n: int) -> Callable[[], bool]:
        widget.review.next_doubtful()
        return lambda: True

    def accept(n: int) -> Callable[[], bool]:
        widget.review.accept_and_next()
        return lambda: controller.view.summary.fresh

    def accept_all(n: int) -> Callable[[], bool]:
        (controller.actions.accept_all if n % 2 == 0 else controller.actions.undo)()
        return lambda: controller.view.summary.fresh

    def search(n: int) -> Callable[[], bool]:
        table.search(("", "1", "object 2")[n % 3])
        return lambda: True

    def sort(n: int) -> Callable[[], bool]:
        from qtpy.QtCore import Qt

        table.sortByColumn(n % 6, Qt.SortOrder.DescendingOrder if n % 2 else Qt.SortOrder.AscendingOrder)
        return lambda: True

    def zoom(n: int) -> Callable[[], bool]:
        timeline.zoom(2.0 if n % 6 < 3 else 0.5)
        return lambda: True

    def group(n: int) -> Callable[[], bool]:
        timeline.set_grouping(("state", "family", "")[n % 3])
        return lambda: True

    def undo(n: int) -> Callable[[], bool]:
        (controller.actions.undo if n % 2 == 0 else controller.actions.redo)()
        return lambda: controller.view.summary.fresh

    return {
        "another frame, to the screen": next_frame, "another object": choose, "a click, to its preview": click,
        "next place of the review": next_place, "accept, next place": accept, "undo or redo": undo,
        "accept all on a frame, or undo it": accept_all,
        "search in the table": search, "sort the table": sort, "zoom the timeline": zoom, "group the timeline": group,
    }  # fmt: skip


def elsewhere() -> float:
    """Processor time of all Python threads but the main one, in seconds; those of the graphics driver do not count."""
    threads = [one.ident for one in threading.enumerate() if one is not threading.main_thread() and one.ident]
    return sum(time.clock_gettime(time.pthread_getcpuclockid(ident)) for ident in threads)


def measure(desk: Desk, objects: int, acts: Acts, repeats: int, watch: Watch | None, slow: float) -> list[Row]:
    """Do each act some times; a row of figures in milliseconds for each."""
    found = []
    for name, act in acts.items():
        taken: dict[str, list[float]] = {what: [] for what in WHAT}
        for n in range(repeats):
            desk.settle()
            if watch is not None:
                watch.forget()
            with Probe() as probe:
                before = elsewhere()
                begin = time.perf_counter()
                done = act(n)
                desk.until(done)
                desk.spin()
                taken["shown"].append(1000 * (time.perf_counter() - begin))
                desk.settle()
                taken["others"].append(1000 * (elsewhere() - before))
            taken["block"].append(1000 * probe.longest)
            taken["work"].append(1000 * probe.busiest)
            if watch is not None:
                for begin, end in probe.worked_longer(slow / 1000):
                    print(f"{objects:4} {name}, time {n}: {1000 * (end - begin):.0f} ms\n{watch.told(begin, end)}")
        row: Row = {"objects": objects, "act": name}
        for what, values in taken.items():
            row[f"{what}_median_ms"], row[f"{what}_worst_ms"] = statistics.median(values), max(values)
        found.append(row)
        figures = "   ".join(
            f"{title} {row[f'{what}_median_ms']:5.0f} {row[f'{what}_worst_ms']:5.0f}" for what, title in WHAT.items()
        )
        print(f"{objects:4} {name:33} {figures}   ms, median and worst", flush=True)
    return found


def tables_of(rows: list[Row]) -> str:
    """The figures as the tables of ``docs/gui.md``."""
    numbers = sorted({row["objects"] for row in rows})
    by = {(row["objects"], row["act"]): row for row in rows}
    parts = []
    for what in ("block", "work", "shown"):
        lines = [f"{WHAT[what]}:", "", "| Action | " + " | ".join(f"{n} object{'s' * (n > 1)}" for n in numbers) + " |"]
        lines.append("|---" * (1 + len(numbers)) + "|")
        for act in dict.fromkeys(row["act"] for row in rows):
            cells = [f"{by[n, act][f'{what}_median_ms']:.0f}, {by[n, act][f'{what}_worst_ms']:.0f}" for n in numbers]
            lines.append(f"| {act} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 50, 500])
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the sessions here, and use those that are there")
    parser.add_argument("--slow", type=float, help="say what the main thread was at where it worked for so many ms")
    parser.add_argument("--acts", nargs="+", help="only acts whose names hold one of these words")
    parser.add_argument("--tables", action="store_true", help="print the tables of docs/gui.md at the end")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
    folder = options.folder or Path(tempfile.mkdtemp())
    plain, os.fsync = os.fsync, lambda _: None
    recording = open_recording(frames_of(options.frames), axes="TYX", name="grid")
    watch = Watch() if options.slow else None
    rows = []
    for objects in options.objects:
        session = folder / f"{objects}x{options.frames}.sam2v"
        if not session.exists():
            begin = time.perf_counter()
            make_session(session, recording, objects)
            print(f"{objects:4} session made in {time.perf_counter() - begin:.0f} s", flush=True)
        begin = time.perf_counter()
        desk = Desk(session, recording)
        print(f"{objects:4} opened and summarized in {time.perf_counter() - begin:.1f} s", flush=True)
        acts = {
            name: act
            for name, act in acts_of(desk, objects).items()
            if not options.acts or any(word in name for word in options.acts)
        }
        rows += measure(desk, objects, acts, options.repeats, watch, options.slow or 0.0)
        desk.close()
    os.fsync = plain
    if watch is not None:
        watch.close()
    if options.tables:
        print(tables_of(rows))
    if options.out is not None:
        options.out.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
