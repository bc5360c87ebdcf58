"""Take the pictures of the widget that the documentation shows, in the dark and the light theme.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/make_screenshots.py --out docs/images
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (1280, 800)
THEMES = ("dark", "light")
OBJECTS = (1, 2, 3)
COLORS = 255


class Stage:
    """A viewer with the widget, driven as a person would, and its pictures."""

    def __init__(self, out: Path, sessions: Path, model: str, frames: int) -> None:
        import napari

        from napari_sam2_video.plugin import controller as controller_module
        from napari_sam2_video.plugin.settings import PluginSettings
        from napari_sam2_video.synthetic import sample_time_series

        # Sessions of the pictures are thrown away afterwards.
        controller_module.read_settings = lambda: PluginSettings(folder=str(sessions))
        self.out = out
        self.clip = sample_time_series(frames=frames)
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(*SIZE)
        self.viewer.add_image(self.clip.frames, name="cells", axis_labels=("t", "y", "x"))
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam2-video")
        self.widget.model.model_box.setCurrentIndex(self.widget.model.model_box.findData(model))
        self.viewer.dims.set_current_step(0, 0)
        self.settle()

    def settle(self, seconds: float = 0.3, until: Any = None, timeout: float = 900.0) -> None:
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + (seconds if until is None else timeout)
        while time.monotonic() < end and not (until is not None and until()):
            QApplication.processEvents()
            time.sleep(0.005)

    def idle(self) -> None:
        self.settle(until=lambda: not self.widget.controller.runner.busy() and not self.widget.controller.loading)
        self.settle()

    def show(self, *names: str) -> None:
        for name, section in self.widget.sections.items():
            section.set_expanded(name in names)
        self.settle()

    def take(self, name: str) -> None:
        for theme in THEMES:
            self.viewer.theme = theme
            self.settle()
            path = self.out / f"widget-{name}-{theme}.png"
            picture = self.viewer.window.screenshot(size=None, canvas_only=False, flash=False)
            # Colours that few pixels have are kept as they are: those of objects.
            few = Image.fromarray(picture[..., :3]).quantize(
                COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            )
            few.save(path, optimize=True)
            print(path)

    def prompt(self, label: int, *, box: bool) -> None:
        handle = self.widget.handle
        number = handle.new_object(f"cell {label}")
        rows, columns = np.nonzero(self.clip.labels[0] == label)
        if box:
            handle.add_box(number, 0, (rows.min(), columns.min(), rows.max(), columns.max()))
        else:
            handle.add_point(number, 0, float(rows.mean()), float(columns.mean()))
        self.idle()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--frames", type=int, default=40)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as sessions:
        stage = Stage(arguments.out, Path(sessions), arguments.model, arguments.frames)
        stage.take("start")
        for label in OBJECTS:
            stage.prompt(label, box=label != OBJECTS[-1])
        stage.widget.objects.prompting.arm("point")
        stage.show("objects")
        stage.take("prompts")
        stage.show("model")
        stage.widget.model.probe()
        stage.widget.model.estimate()
        stage.idle()
        stage.take("model")
        stage.show("objects", "track")
        stage.widget.run_bar.start()
        run = stage.widget.controller.run
        stage.settle(until=lambda: run.progress.done > arguments.frames // 3)
        stage.widget.controller.go_to(arguments.frames // 4)
        stage.take("running")
        stage.idle()
        stage.widget.controller.go_to(arguments.frames // 2)
        stage.widget.controller.session.accept(1, 0, arguments.frames // 4)
        stage.widget.controller.deliver()
        stage.show("objects", "review")
        stage.widget.review.next_doubtful()
        stage.settle()
        stage.take("tracked")
        stage.widget.export.offer_formats()
        stage.show("export", "session")
        stage.take("export")
        runner = stage.widget.controller.runner
        stage.viewer.close()
        stage.settle()
        runner.join()


if __name__ == "__main__":
    main()
