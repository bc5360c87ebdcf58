"""Share of a step that goes into bringing masks to the size of a large frame, with the model that ships."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.race import block_median
from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.types import BoxPrompt, ModelSettings

Row = dict[str, Any]
_ROWS = 5


class Grid:
    """Discs on a grid that move a little; a FrameSource. The side of a place is a fifth of the frame."""

    is_volume = False

    def __init__(self, n_frames: int, shape_yx: tuple[int, int]) -> None:
        self.n_frames, self.shape_yx = n_frames, shape_yx
        self.key = f"grid-{n_frames}-{shape_yx}"

    def centres(self, frame: int, count: int) -> list[tuple[float, float]]:
        """Middles in pixels."""
        height, width = self.shape_yx
        places = [divmod(n, _ROWS) for n in range(count)]
        return [((y + 0.5) * height / _ROWS + 3 * frame, (x + 0.5) * width / _ROWS - 2 * frame) for y, x in places]

    def radius(self, number: int) -> float:
        """Radius of a disc in pixels."""
        return min(self.shape_yx) / _ROWS * (0.2 + 0.05 * (number % 4))

    def read(self, frame: int) -> np.ndarray:
        image = np.full(self.shape_yx, 80, np.uint8)
        image += np.random.default_rng(frame).integers(0, 12, self.shape_yx, np.uint8)
        for number, (centre_y, centre_x) in enumerate(self.centres(frame, 20)):
            top, left, reach = int(centre_y), int(centre_x), int(self.radius(number))
            y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
            place = image[top - reach : top + reach + 1, left - reach : left + reach + 1]
            place[np.hypot(y, x) < reach] = 150 + 4 * number
        return np.repeat(image[..., None], 3, axis=2)


def full_size(side: int, size: int, objects: int, frames: int, arithmetic: str) -> Row:
    """Processor time of a step, and of what of it brings masks to full size."""
    grid = Grid(frames, (side, side))
    model: Any = load_model(resolve_model("demo"), ModelSettings(image_size=size, device="cpu", arithmetic=arithmetic))
    tracker = Tracker(model, grid, features=FeatureCache(0), window="off")
    for number, (y, x) in enumerate(grid.centres(0, objects)):
        r = grid.radius(number)
        tracker.condition(number + 1, 0, [BoxPrompt(number + 1, 0, y - r, x - r, y + r, x + r)])
    spent = 0.0
    levels = model.levels

    def timed(*given: Any) -> Any:
        nonlocal spent
        begun = time.thread_time()
        made = levels(*given)
        spent += time.thread_time() - begun
        return made

    model.levels = timed
    steps, parts, pixels = [], [], []
    begun = time.thread_time()
    plan = Plan(tuple(Pass(n + 1, "forward", 0, frames - 1) for n in range(objects)), frames)
    for done in tracker.run(plan):
        now = time.thread_time()
        steps.append(now - begun)
        parts.append(spent)
        pixels.append(sum(int((mask.levels > 0).sum()) for mask in done.objects))
        begun, spent = now, 0.0
    each, part = block_median(steps[1:]), block_median(parts[1:])
    row: Row = {"frame": side, "image_px": size, "objects": objects, "arithmetic": arithmetic}
    return row | {"covered": pixels[-1] / side**2, "step_ms": 1e3 * each, "ms": 1e3 * part, "share": part / each}
