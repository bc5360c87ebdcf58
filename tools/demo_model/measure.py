"""The figures of the model card, each measured on recordings whose seeds training never saw."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from demo_model.clicks import error_middle, middle
from demo_model.data import to_display
from napari_sam2_video.synthetic import SyntheticClip, make_clip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from demo_model.predictor import Follower

PROMPTED_AREA = 150
COUNTED_AREA = 64
OBJECTS_A_RECORDING = 3


@dataclass
class Tally:
    """IoU and presence, object by object and frame by frame."""

    ious: list[float] = field(default_factory=list)
    present_right: list[bool] = field(default_factory=list)
    by_kind: dict[str, list[float]] = field(default_factory=dict)

    def add(self, kind: str, mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> None:
        """Count one object's (T, Y, X) mask against its truth, the prompted frame included."""
        each = frame_ious(mask, truth)
        seen = np.isfinite(each)
        self.ious += each[seen].tolist()
        self.by_kind.setdefault(kind, []).extend(each[seen].tolist())
        area = truth.sum((1, 2))
        decided = (area == 0) | (area >= COUNTED_AREA)
        self.present_right += (mask.any((1, 2)) == (area > 0))[decided].tolist()

    def figures(self) -> dict[str, Any]:
        """Means over everything counted."""
        return {
            "mean IoU": _mean(self.ious),
            "presence right": _mean(self.present_right),
            "by kind": {kind: _mean(values) for kind, values in self.by_kind.items()},
            "frames counted": len(self.ious),
        }


def frame_ious(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T,) IoU of each frame; NaN where less than 64 pixels of the object are to be seen."""
    both, either = (mask & truth).sum((1, 2)), (mask | truth).sum((1, 2))
    return np.where(truth.sum((1, 2)) >= COUNTED_AREA, both / np.maximum(either, 1), np.nan)


def chosen_objects(clip: SyntheticClip) -> list[int]:
    """Up to three objects that are plain to see on the first frame, drawn by the recording's seed."""
    ids = [i for i in clip.object_ids if (clip.labels[0] == i).sum() >= PROMPTED_AREA]
    return [int(i) for i in np.random.default_rng(clip.seed).permutation(ids)[:OBJECTS_A_RECORDING]]


def recordings(kinds: Iterable[str], number: int, frames: int, first_seed: int) -> Iterable[SyntheticClip]:
    """`number` recordings, the kinds in turn, that show at least one object on the first frame."""
    order = list(kinds)
    made, seed = 0, first_seed
    while made < number:
        clip = make_clip(order[made % len(order)], seed, frames=frames)
        seed += 1
        if chosen_objects(clip):
            made += 1
            yield clip


def tracking(follower: Follower, clips: Iterable[SyntheticClip], prompt: str) -> dict[str, Any]:
    """Follow the chosen objects from one ``"box"`` or ``"click"`` on the first frame."""
    tally = Tally()
    for clip in clips:
        for object_id, mask in _tracked(follower, clip, prompt).items():
            tally.add(clip.kind, mask, clip.mask(object_id))
    return tally.figures()


def _tracked(follower: Follower, clip: SyntheticClip, prompt: str) -> dict[int, NDArray[np.bool_]]:
    follower.open(to_display(clip.frames))
    for object_id in chosen_objects(clip):
        first = clip.labels[0] == object_id
        if prompt == "box":
            follower.box(0, object_id, first)
        else:
            follower.click(0, object_id, middle(first))
    return follower.follow()


def correction(follower: Follower, clips: Iterable[SyntheticClip]) -> dict[str, Any]:
    """What one click on the worst frame does to an object's mean IoU, followed anew from there on."""
    before, after = [], []
    for clip in clips:
        for object_id in chosen_objects(clip)[:1]:
            truth = clip.mask(object_id)
            follower.open(to_display(clip.frames))
            follower.click(0, object_id, middle(truth[0]))
            mask = follower.follow()[object_id]
            each = frame_ious(mask, truth)
            each[0] = np.nan
            if not np.isfinite(each).any():
                continue
            worst = int(np.nanargmin(each))
            follower.click(worst, object_id, *error_click(mask[worst], truth[worst]))
            before.append(float(np.nanmean(frame_ious(mask, truth))))
            mask[worst:] = follower.follow(worst)[object_id][worst:]
            after.append(float(np.nanmean(frame_ious(mask, truth))))
    gain = np.subtract(after, before)
    weak = np.array(before) < 0.8
    return {
        "before": _mean(before),
        "after": _mean(after),
        "objects": len(before),
        "objects raised": int((gain > 0).sum()),
        "before, of those below 0.8": _mean(np.array(before)[weak]),
        "after, of those below 0.8": _mean(np.array(after)[weak]),
        "objects below 0.8": int(weak.sum()),
    }


def error_click(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[NDArray[np.int64], bool]:
    """A click (x, y) in the middle of the largest error, and whether the object is there."""
    wrong = mask != truth
    if not wrong.any():
        return middle(truth), True
    x, y = error_middle(wrong)
    return np.array([x, y]), bool(truth[y, x])


def length(follower: Follower, clips: Iterable[SyntheticClip]) -> dict[str, Any]:
    """Mean IoU of the first and of the last quarter of long recordings, for objects that are seen in both."""
    first: list[float] = []
    last: list[float] = []
    for clip in clips:
        quarter = len(clip.frames) // 4
        for object_id, mask in _tracked(follower, clip, "box").items():
            each = frame_ious(mask, clip.mask(object_id))
            early, late = each[:quarter], each[-quarter:]
            if np.isfinite(early).any() and np.isfinite(late).any():
                first += early[np.isfinite(early)].tolist()
                last += late[np.isfinite(late)].tolist()
    return {"first quarter": _mean(first), "last quarter": _mean(last), "loss": round(_mean(first) - _mean(last), 4)}


def speed(follower: Follower, clip: SyntheticClip, clock: Callable[[], float] = time.perf_counter) -> dict[str, Any]:
    """Frames a second for one object, encoding included."""
    follower.open(to_display(clip.frames))
    object_id = chosen_objects(clip)[0]
    follower.box(0, object_id, clip.labels[0] == object_id)
    begun = clock()
    follower.follow()
    return {"frames a second": round(len(clip.frames) / (clock() - begun), 1)}


def boxes_on_image(follower: Follower, image: NDArray[Any], labels: NDArray[Any]) -> dict[str, Any]:
    """Mean IoU over all labelled objects of an image from a box on each."""
    low, high = np.percentile(image, (0.5, 99.8))
    shown = np.clip((image.astype(float) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    ious = []
    follower.open(shown[None])
    for object_id in np.unique(labels)[1:].tolist():
        truth = labels == object_id
        mask = follower.box(0, object_id, truth)
        ious.append((mask & truth).sum() / (mask | truth).sum())
        follower.open(shown[None])
    return {"mean IoU": _mean(ious), "median IoU": round(float(np.median(ious)), 4), "objects": len(ious)}


def _mean(values: Any) -> float:
    return round(float(np.mean(values)), 4) if len(values) else float("nan")
