"""Take the pictures of the widget that the documentation shows, in the dark and the light theme.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/make_screenshots.py --out docs/images
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.remote import serving

from napari_sam2_video.api import export
from napari_sam2_video.plugin.detector_fields import LIKE
from napari_sam2_video.plugin.model_panel import ANOTHER
from napari_sam2_video.plugin.sample_data import SAMPLE
from napari_sam2_video.plugin.widgets import choose
from napari_sam2_video.synthetic import SyntheticClip, make_clip, sample_ct_volume, sample_time_series, sample_video

if TYPE_CHECKING:
    import numpy.typing as npt

SIZE = (1280, 800)
THEMES = ("dark", "light")
OBJECTS = (1, 2, 3)
COLORS = 255
KIDNEY = 3


def few_colors(picture: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture, uint8 (Y, X, 3), with a palette, in which areas of one colour keep it exactly."""
    # Colours that few pixels have get an entry too: those of objects.
    few = Image.fromarray(picture).quantize(COLORS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    entries, codes = np.asarray(few).ravel(), picture.reshape(-1, 3).astype(np.int64) @ (1 << 16, 1 << 8, 1)
    pairs, counts = np.unique(entries.astype(np.int64) << 24 | codes, return_counts=True)
    palette = np.zeros((COLORS, 3), np.uint8)
    # The most frequent colour of each entry comes last, and stays.
    for pair in pairs[np.argsort(counts)].tolist():
        palette[pair >> 24] = (pair >> 16 & 255, pair >> 8 & 255, pair & 255)
    few.putpalette(palette.tobytes())
    return few


class Stage:
    """A viewer with the widget, driven as a person would, and its pictures."""

    def __init__(
        self, out: Path, sessions: Path, model: str, clip: SyntheticClip | None = None, name: str = "", axes: str = ""
    ) -> None:
        # Preferences and sessions of the pictures are thrown away afterwards.
        os.environ["NAPARI_CONFIG"] = str(sessions / "settings.yaml")
        import napari

        from napari_sam2_video.plugin.settings import PluginSettings, write_setting

        write_setting("sessions", "folder", str(sessions))
        write_setting("sessions", "device", PluginSettings.device)
        write_setting("interface", "tour_seen", True)
        self.out = out
        self.viewer = napari.Viewer(show=True, show_welcome_screen=False)
        self.viewer.window.resize(*SIZE)
        if clip is not None:
            self.add(clip, name, axes)
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-sam2-video")
        self.widget.model.model_box.setCurrentIndex(self.widget.model.model_box.findData(model))
        self.viewer.dims.set_current_step(0, 0)
        self.settle()

    def add(self, clip: SyntheticClip, name: str, axes: str) -> None:
        """Open a recording."""
        self.clip = clip
        rgb = clip.frames.shape[-1] == 3
        self.viewer.add_image(clip.frames, name=name, axis_labels=tuple(axes), rgb=rgb, metadata={SAMPLE: name})
        self.settle()

    def click(self, number: int, label: int, frame: int = 0) -> None:
        """Click an object of the clip for an object of the session."""
        rows, columns = np.nonzero(self.clip.labels[frame] == label)
        self.widget.handle.add_point(number, frame, float(rows.mean()), float(columns.mean()))
        self.idle()

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
            self.save(f"widget-{name}-{theme}.png")

    def save(self, name: str) -> None:
        path = self.out / name
        picture = self.viewer.window.screenshot(size=None, canvas_only=False, flash=False)
        few_colors(picture[..., :3]).save(path, optimize=True)
        print(path)

    def prompt(self, label: int, name: str, *, box: bool, frame: int = 0) -> None:
        handle = self.widget.handle
        number = handle.new_object(name)
        if not box:
            self.click(number, label, frame)
            return
        rows, columns = np.nonzero(self.clip.labels[frame] == label)
        handle.add_box(number, frame, (rows.min(), columns.min(), rows.max(), columns.max()))
        self.idle()

    def close(self) -> None:
        runner = self.widget.controller.runner
        self.viewer.close()
        self.settle()
        runner.join()


def organ(out: Path, sessions: Path, model: str) -> None:
    """The states of the tutorial on an organ in a CT volume."""
    clip = sample_ct_volume()
    middle = len(clip.frames) // 2
    stage = Stage(out, sessions, model, clip, "abdomen", "zyx")
    stage.viewer.layers[0].contrast_limits = (-160, 240)
    stage.viewer.dims.set_current_step(0, middle)
    box = stage.widget.recording.window_box
    box.setCurrentIndex(next(i for i in range(box.count()) if "abdomen" in box.itemText(i).lower()))
    stage.show("recording")
    stage.idle()
    stage.save("tutorial-organ-start.png")
    sizes = np.bincount(clip.labels[middle].ravel())[1:]
    stage.prompt(int(sizes.argmax()) + 1, "liver", box=True, frame=middle)
    stage.show("objects")
    stage.save("tutorial-organ-prompt.png")
    stage.widget.run_bar.start()
    stage.settle(until=lambda: stage.widget.controller.run.progress.done > 0)
    stage.idle()
    stage.widget.controller.go_to(middle + 4)
    stage.show("objects", "review")
    stage.idle()
    stage.save("tutorial-organ-tracked.png")
    stage.close()


def volume(out: Path, sessions: Path, model: str) -> None:
    """A kidney tracked along three axes, fused, on a coronal plane."""
    clip = sample_ct_volume()
    stage = Stage(out, sessions, model, clip, "abdomen", "zyx")
    image = stage.viewer.layers[0]
    image.scale = (5, 1, 1)
    image.contrast_limits = (-160, 240)
    frame = int((clip.labels == KIDNEY).sum(axis=(1, 2)).argmax())
    stage.viewer.dims.set_current_step(0, frame)
    stage.prompt(KIDNEY, "kidney", box=True, frame=frame)
    panel = stage.widget.planes
    for axis in "YX":
        panel.walk_boxes[axis].setChecked(True)
    stage.widget.run_bar.start()
    stage.settle(until=lambda: stage.widget.controller.running)
    stage.idle()
    panel.disputed_box.setChecked(True)
    panel.crosshair_box.setChecked(True)
    y, x = (int(np.median(places)) for places in np.nonzero(clip.labels[frame] == KIDNEY))
    stage.viewer.dims.set_current_step((1, 2), (y, x))
    panel.volume.show_across("Y")
    stage.show("planes")
    stage.save("volume-planes.png")
    stage.close()


def matte(out: Path, sessions: Path, model: str) -> None:
    """The states of the tutorial on a video matte."""
    clip = sample_video()
    stage = Stage(out, sessions, model, clip, "shapes", "tyx")
    stage.prompt(1, "shape", box=False)
    stage.show("objects", "track")
    stage.widget.run_bar.start()
    run = stage.widget.controller.run
    stage.settle(until=lambda: run.progress.done > 12)
    stage.widget.controller.go_to(10)
    stage.save("tutorial-matte-running.png")
    stage.idle()
    session = stage.widget.controller.session
    with tempfile.TemporaryDirectory() as folder:
        export(session, Path(folder) / "overlay.gif", frames="10:12")
        export(session, Path(folder) / "matte", format="cutout-png", frames="10:12")
        overlay = Image.open(Path(folder) / "overlay.gif").convert("RGB")
        cut = Image.open(min((Path(folder) / "matte").rglob("*.png"))).convert("RGBA")
    both = Image.new("RGB", (2 * overlay.width + 8, overlay.height), "white")
    both.paste(overlay, (0, 0))
    both.paste(cut, (overlay.width + 8, 0), cut)
    both.resize((2 * both.width, 2 * both.height)).save(out / "tutorial-matte-result.png", optimize=True)
    stage.close()


def finding(out: Path, sessions: Path, model: str) -> None:
    """From three clicks to all cells, with their lineage."""
    clip = make_clip("dish", 2, frames=16)
    stage = Stage(out, sessions, model, clip, "dish", "tyx")
    panel = stage.widget.finding
    for label in (2, 3, 4):
        stage.prompt(label, f"cell {label}", box=False)
    stage.widget.run_bar.start()
    stage.idle()
    stage.show("find")
    choose(panel.fields.box, LIKE)
    panel.fields.argument.setText("1,2,3")
    panel.every_box.setValue(3)
    panel.look()
    stage.idle()
    item = panel.list.topLevelItem(panel.list.topLevelItemCount() - 1)
    for number in range(panel.list.topLevelItemCount()):
        if panel.list.topLevelItem(number).text(0).startswith("division"):
            item = panel.list.topLevelItem(number)
    panel.list.setCurrentItem(item)
    stage.settle()
    stage.save("widget-find.png")
    panel.score_box.setValue(0.5)
    panel.accept_all()
    stage.idle()
    stage.widget.run_bar.start()
    stage.idle()
    stage.show("find", "objects")
    stage.widget.controller.go_to(13)
    stage.settle()
    stage.save("widget-found.png")
    stage.close()


def server(out: Path, sessions: Path, model: str) -> None:
    """A run on a server in another process."""
    with serving() as served:
        stage = Stage(out, sessions, model, sample_time_series(frames=24), "cells", "tyx")
        panel = stage.widget.model
        stage.show("model")
        panel.device_box.setCurrentIndex(panel.device_box.findData(ANOTHER))
        panel.server.address_field.setText(served.url)
        panel.server.test()
        stage.idle()
        for label in OBJECTS:
            stage.prompt(label, f"cell {label}", box=True)
        panel.estimating.measure()
        stage.idle()
        stage.widget.run_bar.start()
        stage.idle()
        stage.widget.controller.go_to(12)
        stage.settle()
        stage.save("widget-server.png")
        stage.close()


def cells(out: Path, sessions: Path, model: str, frames: int = 40) -> None:
    """A time series of cells, from the first prompt to the export."""
    clip = sample_time_series(frames=frames)
    stage = Stage(out, sessions, model, clip, "cells", "tyx")
    stage.idle()
    stage.take("start")
    for label in OBJECTS:
        stage.prompt(label, f"cell {label}", box=label != OBJECTS[-1])
    stage.widget.objects.prompting.arm("point")
    stage.show("objects")
    stage.take("prompts")
    stage.show("model")
    stage.widget.model.probe()
    stage.widget.model.estimating.measure()
    stage.idle()
    stage.take("model")
    stage.show("objects", "track")
    stage.widget.run_bar.start()
    run = stage.widget.controller.run
    stage.settle(until=lambda: run.progress.done > frames // 3)
    stage.widget.controller.go_to(frames // 4)
    stage.take("running")
    stage.idle()
    stage.widget.controller.go_to(frames // 2)
    stage.widget.controller.session.accept(1, 0, frames // 4)
    stage.widget.controller.deliver()
    stage.show("review")
    stage.widget.review.next_doubtful()
    stage.settle()
    stage.take("tracked")
    stage.widget.export.offer_formats()
    stage.show("export", "session")
    stage.take("export")
    stage.close()


PARTS = {"cells": cells, "organ": organ, "volume": volume, "matte": matte, "server": server, "finding": finding}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--model", default="demo")
    parser.add_argument("--only", choices=tuple(PARTS), nargs="+", help="take the pictures of some parts alone")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as sessions:
        for name in arguments.only or PARTS:
            PARTS[name](arguments.out, Path(sessions), arguments.model)


if __name__ == "__main__":
    main()
