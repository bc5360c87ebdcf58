"""Take a picture of each state of the widget, at two sizes of the window and in both themes, to be looked at.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/picture_states.py --out FOLDER
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from tests.fakes import FakeTracker
from tools.make_screenshots import KIDNEY, THEMES, Stage
from tools.responsiveness import frames_of, make_session

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.plugin.model_panel import ANOTHER
from napari_sam2_video.session import Session
from napari_sam2_video.synthetic import sample_ct_volume, sample_time_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = ((1280, 800), (1024, 768))
FRAMES = 16
MANY, MANY_FRAMES = 200, 60


class Gallery:
    """Takes pictures of a stage.

    Parameters
    ----------
    out : Path
        Folder of the pictures.
    sizes : sequence of tuple of int
        Width and height of the window.
    """

    def __init__(self, out: Path, sizes: tuple[tuple[int, int], ...] = SIZES) -> None:
        self.out = out
        self.sizes = sizes

    def take(self, stage: Stage, name: str) -> None:
        """Take the window at every size in every theme."""
        for theme in THEMES:
            stage.viewer.theme = theme
            for size in self.sizes:
                stage.viewer.window.resize(*size)
                stage.settle()
                stage.save(f"{name}-{size[0]}-{theme}.png")
                shown = stage.viewer.window.geometry()[2:]
                if tuple(shown) != size:
                    print(f"{name}: the window is {shown[0]} x {shown[1]} where {size[0]} x {size[1]} was asked for")

    def take_window(self, stage: Stage, name: str, window: Any) -> None:
        """Take another window, in every theme."""
        for theme in THEMES:
            stage.viewer.theme = theme
            stage.settle()
            path = self.out / f"{name}-{theme}.png"
            window.grab().save(str(path))
            print(path)


def opening(stage: Stage, gallery: Gallery) -> Iterator[str]:
    """Before there is a session."""
    stage.show("recording", "objects")
    yield "01-nothing-open"
    stage.widget.tour.offer()
    yield "02-walk-through"
    stage.widget.tour.end()
    stage.add(sample_time_series(frames=FRAMES), "cells", "tyx")
    stage.widget.model.model_box.setCurrentIndex(stage.widget.model.model_box.findData("demo"))
    stage.show("recording", "objects")
    yield "03-no-session"


def one_object(stage: Stage, gallery: Gallery) -> Iterator[str]:
    """From the first click to the first run, and an error."""
    widget = stage.widget
    controller = widget.controller
    stage.show("objects")
    widget.objects.new_object()
    stage.idle()
    controller.go_to(0)
    stage.settle()
    yield "04-new-object"
    stage.click(1, 1)
    stage.prompt(2, "cell 2", box=True)
    stage.prompt(3, "cell 3", box=False)
    yield "05-preview"
    stage.show("objects", "track")
    widget.run_bar.start()
    stage.settle(until=lambda: controller.run.progress.done > 3 or not controller.running)
    controller.go_to(2)
    yield "06-running"
    stage.idle()
    stage.show("objects", "review")
    yield "07-after-a-run"
    widget.review.next_doubtful()
    stage.show("review")
    yield "08-review"
    for name in ("export", "find", "measurements", "clean_up", "session"):
        stage.show(name)
        stage.idle()
        yield f"09-{name}"
    stage.show("model")
    stage.idle()
    yield "10-model"
    box = widget.model.device_box
    box.setCurrentIndex(box.findData(ANOTHER))
    stage.settle()
    yield "11-another-machine"
    widget.model.server.address_field.setText("http://127.0.0.1:9")
    widget.model.server.test()
    stage.idle()
    yield "12-another-machine-error"
    box.setCurrentIndex(0)
    stage.show("objects")
    controller.error("The model could not be loaded: there is not enough memory. Close other programs.")
    yield "13-error"
    gallery.take_window(stage, "14-keys", open_keys(stage))
    controller.close_session()
    stage.idle()
    stage.show("recording", "objects")
    yield "15-continue-or-new"


def open_keys(stage: Stage) -> Any:
    """The sheet of keys."""
    from qtpy.QtWidgets import QMessageBox

    stage.widget.show_keys()
    stage.settle()
    return stage.widget.findChild(QMessageBox)


def volume(stage: Stage, gallery: Gallery) -> Iterator[str]:
    """An organ of a CT volume."""
    stage.viewer.layers[0].contrast_limits = (-160, 240)
    frame = int((stage.clip.labels == KIDNEY).sum(axis=(1, 2)).argmax())
    stage.viewer.dims.set_current_step(0, frame)
    stage.show("recording")
    yield "16-volume-recording"
    stage.prompt(KIDNEY, "kidney", box=True, frame=frame)
    stage.show("planes")
    stage.widget.planes.volume.show_across("Y")
    yield "17-volume"


def many(stage: Stage, gallery: Gallery) -> Iterator[str]:
    """Hundreds of objects."""
    stage.show("objects")
    stage.settle(until=lambda: stage.widget.controller.view.summary.fresh)
    yield "18-many-objects"
    stage.show("review")
    stage.widget.review.next_doubtful()
    yield "19-many-places"


def settings(stage: Stage, gallery: Gallery) -> Iterator[str]:
    """The plugin's page of the preferences."""
    from napari._qt.dialogs.preferences_dialog import PreferencesDialog

    dialog = PreferencesDialog(parent=stage.viewer.window._qt_window)
    items = [dialog._list.item(number).text() for number in range(dialog._list.count())]
    page = next(number for number, text in enumerate(items) if "sam2" in text.lower() or "SAM 2" in text)
    dialog._list.setCurrentRow(page)
    dialog.show()
    stage.settle()
    gallery.take_window(stage, "20-preferences", dialog)
    dialog.close()
    return
    yield


def main() -> None:
    """Take what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=("cells", "volume", "many"), default=("cells", "volume", "many"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    gallery = Gallery(options.out)
    with tempfile.TemporaryDirectory() as folder:
        sessions = Path(folder)

        def play(stage: Stage, *parts: Callable[[Stage, Gallery], Iterator[str]]) -> None:
            for part in parts:
                for name in part(stage, gallery):
                    gallery.take(stage, name)
            stage.close()

        if "cells" in options.only:
            play(Stage(options.out, sessions, "demo"), opening, one_object, settings)
        if "volume" in options.only:
            play(Stage(options.out, sessions, "demo", sample_ct_volume(), "abdomen", "zyx"), volume)
        if "many" in options.only:
            recording = open_recording(np.ascontiguousarray(frames_of(MANY_FRAMES)), axes="TYX", name="grid")
            plain, os.fsync = os.fsync, lambda _: None
            make_session(sessions / "grid.sam2v", recording, MANY)
            os.fsync = plain
            stage = Stage(options.out, sessions, "demo")
            fake = {"tracker_factory": lambda _, view, memory: FakeTracker(view, memory)}
            stage.widget.controller.attach(Session.open(sessions / "grid.sam2v", recording=recording, **fake))
            stage.idle()
            play(stage, many)


if __name__ == "__main__":
    main()
