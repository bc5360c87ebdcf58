"""Fast modes against the exact one, with the model that ships: speed, and how far the masks agree."""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
import torch

from benchmarks.race import block_median
from benchmarks.sides import Scene
from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.geometry import mask_iou, whole_mask
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.types import ModelSettings

Row = dict[str, Any]


def fast_modes(size: int, objects: int, frames: int, device: str, *, compiled: bool) -> list[Row]:
    """Each mode on the same scene, and the mean IoU of its masks with those of fp32."""
    scene = Scene(frames, size)
    file = resolve_model("demo")
    modes: list[tuple[str, dict[str, Any]]] = [("fp32", {}), ("bf16", {"precision": "bf16"})]
    if device.startswith("cuda"):
        modes.append(("fp16", {"precision": "fp16"}))
    if compiled:
        modes.append(("fp32 compiled", {"compile": True}))
    expected: dict[tuple[int, int], np.ndarray] = {}
    rows: list[Row] = []
    for name, chosen in modes:
        settings = ModelSettings(image_size=size, device=device, **{"precision": "fp32", **chosen})
        masks, first, each = _track(load_model(file, settings), scene, objects)
        if not expected:
            expected = masks
        agreed = [mask_iou(expected[key], masks[key]) for key in expected]
        row = {"mode": name, "size": size, "objects": objects, "device": device}
        row |= {"first_s": first, "ms": 1e3 * each, "iou": statistics.fmean(agreed), "worst_iou": min(agreed)}
        row["faster"] = rows[0]["ms"] / row["ms"] if rows else 1.0
        rows.append(row)
    return rows


def _track(model: Any, scene: Scene, objects: int) -> tuple[dict[tuple[int, int], np.ndarray], float, float]:
    tracker = Tracker(model, scene, features=FeatureCache(0))
    clock = time.thread_time if model.device == "cpu" else time.perf_counter
    begun = clock()
    for click in scene.clicks(objects):
        tracker.condition(click.object_id, 0, [click])
    passes = tuple(Pass(i, "forward", 0, scene.n_frames - 1) for i in range(1, objects + 1))
    masks: dict[tuple[int, int], np.ndarray] = {}
    steps = []
    for done in tracker.run(Plan(passes, scene.n_frames)):
        if model.device != "cpu":
            torch.cuda.synchronize()
        steps.append(clock() - begun)
        for mask in done.objects:
            masks[mask.object_id, done.frame] = whole_mask(mask.origin_yx, mask.levels > 0, scene.shape_yx)
    return masks, steps[1], block_median(np.diff(steps[1:]).tolist())
