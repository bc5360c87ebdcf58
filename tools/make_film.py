"""Make the film of the whole way, from opening a recording to the exported file, as a person goes it in napari.

Run it where there is a screen, or on a virtual one::

    xvfb-run -a -s "-screen 0 1600x1200x24" python tools/make_film.py docs/images/whole-way.webp
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tools.make_screenshots import Stage

from napari_sam2_video.synthetic import sample_time_series

WIDTH = 800
LINE = 26
FRAMES = 20
LONG, SHORT = 1800, 260


class Film:
    """Pictures of a stage with a line below each, and how long each is shown, in milliseconds."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.pictures: list[Image.Image] = []
        self.durations: list[int] = []

    def take(self, line: str, milliseconds: int = LONG) -> None:
        """Take a picture."""
        shown = Image.fromarray(
            self._stage.viewer.window.screenshot(size=None, canvas_only=False, flash=False)[..., :3]
        )
        height = round(shown.height * WIDTH / shown.width)
        picture = Image.new("RGB", (WIDTH, height + LINE), "#111318")
        picture.paste(shown.resize((WIDTH, height), Image.Resampling.LANCZOS), (0, 0))
        ImageDraw.Draw(picture).text((10, height + 5), line, fill="white", font=ImageFont.load_default(14))
        self.pictures.append(picture)
        self.durations.append(milliseconds)

    def save(self, path: Path) -> None:
        """Write the film."""
        first, *others = self.pictures
        first.save(path, save_all=True, append_images=others, duration=self.durations, loop=0, quality=60, method=4)
        print(f"{path}: {len(self.pictures)} pictures, {sum(self.durations) / 1000:.0f} s, {path.stat().st_size} bytes")


def centre_of(stage: Stage, label: int, frame: int) -> tuple[float, float]:
    """Centre of an object of the clip, ``(y, x)``."""
    rows, columns = np.nonzero(stage.clip.labels[frame] == label)
    return float(rows.mean()), float(columns.mean())


def play(stage: Stage, film: Film, target: Path) -> None:
    """Go the whole way."""
    widget: Any = stage.widget
    controller = widget.controller
    stage.show("recording", "objects")
    stage.settle(1.5)
    film.take("Open a recording: a time series, a volume or a video.")
    for number, label in enumerate((1, 2, 3), start=1):
        object_id = widget.handle.new_object(f"cell {number}")
        widget.handle.add_point(object_id, 0, *centre_of(stage, label, 0))
        stage.idle()
        film.take(f"New object (N), and a click on it: object {number}." if number < 3 else "A third one.", LONG // 2)
    stage.show("objects")
    widget.run_bar.start()
    seen = -1
    while controller.running:
        done = controller.run.progress.done
        if done > seen + 2:
            seen = done
            controller.go_to(min(done // 2, FRAMES - 1))
            stage.settle(0.1)
            film.take("Track (G): frames appear as they are done.", SHORT)
        stage.settle(0.05)
    stage.idle()
    for frame in range(0, FRAMES, 2):
        controller.go_to(frame)
        stage.settle(0.1)
        film.take("All frames are tracked, forward and backward from each click.", SHORT)
    stage.show("review")
    widget.panels.ensureWidgetVisible(widget.review.later_button)
    for _ in range(2):
        widget.review.next_doubtful()
        stage.settle(0.6)
        film.take("Review (J): places that deserve a look, with the reason.")
        widget.review.accept_and_next()
        stage.idle()
        film.take("Right: accept it and go on (Shift+J). Wrong: correct it, and only that object is tracked again.")
    stage.show("export")
    stage.idle()
    widget.export.export(target)
    stage.idle()
    film.take("Export to the file that the next program reads.")


def main() -> None:
    """Make the film."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(options.out.parent, Path(folder), "demo", sample_time_series(frames=FRAMES), "cells", "tyx")
        film = Film(stage)
        play(stage, film, Path(folder) / "masks.ome.tif")
        stage.close()
    film.save(options.out)


if __name__ == "__main__":
    main()
