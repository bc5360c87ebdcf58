"""A tracker without a network: deterministic, quick, and as forgetful as it is told to be."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_sam2_video.engine.costs import FrameCosts
from napari_sam2_video.engine.prompts import settle_prompts
from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.types import BoxPrompt, FrameMasks, MaskPrompt, ObjectMask, Preview, SegmentedMask

REACH = 6.0


class FakeMemory:
    """Prompted frames of each object, in files where there is a folder."""

    def __init__(self, folder=None):
        self.folder = None if folder is None else Path(folder)
        self.held = {}
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in self.folder.glob("*.json"):
                object_id, frame = path.stem.split("-")
                self.held.setdefault(int(object_id), {})[int(frame)] = json.loads(path.read_text())

    def entries(self, object_id):
        return dict(self.held.get(object_id, {}))

    def put(self, object_id, frame, entry):
        self.held.setdefault(object_id, {})[frame] = entry
        if self.folder is not None:
            part = self.folder / f"{object_id}-{frame}.part"
            part.write_text(json.dumps(entry))
            part.replace(self.folder / f"{object_id}-{frame}.json")

    def forget_entry(self, object_id, frame):
        self.held.get(object_id, {}).pop(frame, None)
        if self.folder is not None:
            (self.folder / f"{object_id}-{frame}.json").unlink(missing_ok=True)

    def forget_trails(self, object_id, frames=None):
        pass

    def forget(self, object_id):
        for frame in list(self.held.get(object_id, {})):
            self.forget_entry(object_id, frame)


class FakeModel:
    name = "fake"
    sha256 = hashlib.sha256(b"fake").hexdigest()
    image_size = 64
    device = "cpu"
    precision = "fp32"
    key = "fake"


class FakeSegmenter:
    """Connected bright spots are objects, and features are grey values."""

    image_size = 64

    def __init__(self, view):
        self.view = view

    def features(self, frame, square=None):
        grey = self.view.read(frame)[..., 0].astype(np.float32)
        top, left, height, width = (0, 0, *grey.shape) if square is None else (*square[:2], square[2], square[2])
        cells = (np.arange(self.image_size // 8) + 0.5) / (self.image_size // 8)
        rows = (top + cells * height).astype(int).clip(0, grey.shape[0] - 1)
        columns = (left + cells * width).astype(int).clip(0, grey.shape[1] - 1)
        seen = grey[np.ix_(rows, columns)] / 255
        return np.stack([seen, 1 - seen])

    def at_points(self, frame, points_yx, square=None, *, least_iou=0.0, least_stability=0.0):
        spots = self._spots(frame)
        found = []
        for number, (y, x) in enumerate(points_yx):
            inside = 0 <= y < spots.shape[0] and 0 <= x < spots.shape[1]
            if inside and spots[int(y), int(x)]:
                found.append(self._mask(number, spots == spots[int(y), int(x)]))
        return found

    def in_boxes(self, frame, boxes_yxyx):
        spots = self._spots(frame) > 0
        found = []
        for number, (y0, x0, y1, x1) in enumerate(boxes_yxyx):
            inside = np.zeros_like(spots)
            inside[max(0, int(y0)) : int(y1) + 1, max(0, int(x0)) : int(x1) + 1] = True
            found.append(self._mask(number, spots & inside))
        return found

    def _spots(self, frame):
        from scipy.ndimage import label

        grey = self.view.read(frame)[..., 0].astype(float)
        return label(grey > (grey.min() + grey.max()) / 2)[0]

    def _mask(self, number, mask):
        box = bounding_box(mask)
        if box is None:
            return SegmentedMask(number, (0, 0), np.zeros((0, 0), bool), 0.2, 0.2, -3.0)
        return SegmentedMask(number, (box[0].start, box[1].start), mask[box], 0.95, 0.95, 5.0)


class FakeTracker:
    """Discs that follow the brightest spot near where they were.

    A walk depends on every frame since the prompted frame it began at, so a run that is not resumed exactly is seen.

    Parameters
    ----------
    lost : set of (object, frame)
        Where an object is absent.
    fail_at : dict of int to exception
        Raised before the frame is computed.
    delay : float
        Seconds that each frame takes.
    """

    def __init__(self, view, memory=None, *, lost=(), fail_at=None, delay=0.0):
        self.view = view
        self.notes = ()
        self.model = FakeModel()
        self.memory = FakeMemory(memory)
        self.lost = set(lost)
        self.fail_at = dict(fail_at or {})
        self.delay = delay
        self.computed = []
        self.conditioned = []
        self.open_runs = 0

    def preview(self, object_id, frame, prompts, *, tracked=None):
        entry = self._entry(frame, prompts)
        masks = []
        for factor in (1.0, 0.6, 1.5):
            mask = self._disc(object_id, entry["y"], entry["x"], entry["r"] * factor, 0.9 / factor)
            masks.append(mask)
        return Preview(object_id, frame, self.view.shape_yx, tuple(masks), 0)

    def condition(self, object_id, frame, prompts, *, tracked=None):
        self.conditioned.append((object_id, frame))
        entry = self._entry(frame, prompts)
        self.memory.put(object_id, frame, entry)
        return self._shown(object_id, entry)

    def segmenter(self):
        return FakeSegmenter(self.view)

    def costs(self, objects, stop=None):
        first = objects[0]
        entry = self._entry(first[0].frame, first)
        spent = FrameCosts(0.01, 0.001, 1, 0, 0, 8, 1000, 8000, 100, 80, 20, 10**8, 0, self.model.device, 1)
        return spent, self._shown(first[0].object_id, entry)

    def scratch(self):
        made = copy.copy(self)
        made.memory, made.computed, made.conditioned = FakeMemory(), [], []
        return made

    def missing(self, object_id, frames):
        return [f for f in frames if f not in self.memory.entries(object_id)]

    def run(self, plan, *, stop=None):
        self.open_runs += 1
        try:
            for direction in ("forward", "backward"):
                passes = plan.sweep(direction)
                walks = {}
                for frame in plan.frames(direction):
                    if stop is not None and stop():
                        return
                    if self.delay:
                        time.sleep(self.delay)
                    if frame in self.fail_at:
                        raise self.fail_at[frame]
                    masks = []
                    for one in passes:
                        if frame not in one.frames():
                            continue
                        key = (one.object_id, one.start)
                        if key not in walks:
                            walks[key] = self._catch_up(one)
                        masks.append(self._step(one, frame, walks, key))
                    self.computed += [(m.object_id, frame, direction) for m in masks]
                    masks.sort(key=lambda m: m.object_id)
                    yield FrameMasks(frame, self.view.shape_yx, tuple(masks), direction)
        finally:
            self.open_runs -= 1

    def _catch_up(self, one):
        entries = self.memory.entries(one.object_id)
        start = min(entries, key=lambda f: (abs(f - one.start), f))
        state = dict(entries[start])
        step = 1 if one.first >= start else -1
        for frame in range(start, one.first, step):
            state = self._follow(entries, frame, state)
        return state

    def _step(self, one, frame, walks, key):
        entries = self.memory.entries(one.object_id)
        walks[key] = self._follow(entries, frame, walks[key])
        if (one.object_id, frame) in self.lost:
            return ObjectMask(one.object_id, (0, 0), np.zeros((0, 0), np.uint8), -5.0, 0.1, False)
        if frame in entries:
            return self._shown(one.object_id, entries[frame])
        state = walks[key]
        return self._disc(one.object_id, state["y"], state["x"], state["r"], 0.8)

    def _follow(self, entries, frame, state):
        if frame in entries:
            return dict(entries[frame])
        grey = self.view.read(frame)[..., 0].astype(float)
        y, x = round(state["y"]), round(state["x"])
        top, left = max(0, y - 6), max(0, x - 6)
        window = grey[top : y + 7, left : x + 7]
        if window.size == 0 or window.sum() == 0:
            return dict(state)
        weight = window**2
        rows, columns = np.indices(window.shape)
        new_y = top + float((rows * weight).sum() / weight.sum())
        new_x = left + float((columns * weight).sum() / weight.sum())
        return {**state, "y": 0.25 * state["y"] + 0.75 * new_y, "x": 0.25 * state["x"] + 0.75 * new_x}

    def _entry(self, frame, prompts):
        height, width = self.view.shape_yx
        for prompt in prompts:
            if isinstance(prompt, MaskPrompt):
                rows, columns = np.nonzero(prompt.mask)
                runs = np.flatnonzero(np.diff(np.concatenate([[0], prompt.mask.ravel(), [0]]).astype(int)))
                radius = max(1.0, float(np.sqrt(rows.size / np.pi)))
                y, x = (float(rows.mean()), float(columns.mean())) if rows.size else (height / 2, width / 2)
                return {"y": y, "x": x, "r": radius, "runs": runs.tolist()}
        for prompt in prompts:
            if isinstance(prompt, BoxPrompt):
                radius = max(1.0, (prompt.y1 - prompt.y0 + prompt.x1 - prompt.x0) / 4)
                return {"y": (prompt.y0 + prompt.y1) / 2, "x": (prompt.x0 + prompt.x1) / 2, "r": radius}
        given = settle_prompts(1, frame, [replace(p, object_id=1, frame=frame) for p in prompts], self.view)
        good, bad = (given.points_yx[given.labels == sign] for sign in (1, 0))
        y, x = good.mean(axis=0).tolist() if len(good) else (height / 2, width / 2)
        return {"y": y, "x": x, "r": max(1.0, min(REACH, min(self.view.shape_yx) / 4) - len(bad))}

    def _shown(self, object_id, entry):
        if "runs" not in entry:
            return self._disc(object_id, entry["y"], entry["x"], entry["r"], 0.95, prompted=True)
        height, width = self.view.shape_yx
        flat = np.zeros(height * width, np.uint8)
        for begin, end in zip(entry["runs"][::2], entry["runs"][1::2], strict=True):
            flat[begin:end] = 255
        return ObjectMask(object_id, (0, 0), flat.reshape(height, width), 9.0, 1.0, True)

    def _disc(self, object_id, y, x, radius, iou, *, prompted=False):
        height, width = self.view.shape_yx
        top, left = max(0, int(y - radius)), max(0, int(x - radius))
        bottom, right = min(height, int(y + radius) + 2), min(width, int(x + radius) + 2)
        rows, columns = np.mgrid[top:bottom, left:right]
        inside = radius - np.hypot(rows - y, columns - x)
        levels = np.clip(1 + np.floor(inside * 8), 0, 255).astype(np.uint8)
        levels[inside < 0] = 0
        if not levels.any():
            return ObjectMask(object_id, (0, 0), np.zeros((0, 0), np.uint8), -3.0, 0.2, prompted)
        return ObjectMask(object_id, (top, left), levels, 5.0, min(1.0, iou), prompted)


def fake_factory(**options):
    """Tracker factory for `Session.create` and `Session.open`; the last tracker made stands in its `made` list."""

    def factory(settings, view, memory):
        tracker = FakeTracker(view, memory, **options)
        factory.made.append(tracker)
        return tracker

    factory.made = []
    return factory


def blob_movie(n_frames=12, shape=(48, 64), count=2, seed=0):
    """Bright blobs that drift on a dark ground, uint8 of shape (T, Y, X), and their centres (T, count, 2)."""
    rng = np.random.default_rng(seed)
    height, width = shape
    start = np.stack([np.linspace(height * 0.3, height * 0.7, count), np.linspace(width * 0.2, width * 0.75, count)], 1)
    speed = rng.uniform(-0.6, 0.6, (count, 2))
    centres = start[None] + speed[None] * np.arange(n_frames)[:, None, None]
    rows, columns = np.indices(shape)
    movie = np.zeros((n_frames, *shape), np.float64)
    for frame in range(n_frames):
        for y, x in centres[frame]:
            movie[frame] += 200 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18)
    movie += rng.uniform(0, 12, movie.shape)
    return np.clip(movie, 0, 255).astype(np.uint8), centres
