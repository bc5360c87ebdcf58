"""The kinds of recordings, and what is prompted in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.quality.seeds import seeds
from napari_sam2_video.demo import boxes_of
from napari_sam2_video.synthetic import STACK_KINDS, TIME_KINDS, SyntheticClip, make_clip, sample_time_series
from napari_sam2_video.synthetic.clicks import error_middle, middle
from napari_sam2_video.types import BoxPrompt, PointPrompt

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SMALLEST = 64
_LONG = 40


@dataclass(frozen=True)
class Kind:
    """Recordings that are alike, and how they are prompted.

    Parameters
    ----------
    about : str
        What is hard about them.
    clips : tuple of str
        Kinds of `napari_sam2_video.synthetic`, taken in turn; ``"sample"`` is the sample that the plugin offers.
    frames, size : int
        Frames of a recording, and the side of a frame in pixels.
    recordings : int
        How many there are.
    most : int
        Most objects that are prompted in one; which ones is drawn by the seed.
    only : tuple of int
        Ids that may be prompted; all if empty.
    middle : bool
        Prompt on the middle frame and track both ways, instead of forward from the first frame.
    prompt : str
        ``"box"`` around the object, or ``"click"`` in its middle.
    corrected : bool
        Click once on the worst frame of each object afterwards, and track again.
    """

    about: str
    clips: tuple[str, ...]
    frames: int
    size: int
    recordings: int
    most: int = 300
    only: tuple[int, ...] = ()
    middle: bool = False
    prompt: str = "box"
    corrected: bool = False

    def quick(self) -> Kind:
        """A version that takes seconds; long recordings stay long, since drift needs length."""
        few = max(len(self.clips), 2) if self.size <= 512 else 1
        frames = self.frames if self.frames > _LONG else min(self.frames, 24)
        return replace(self, recordings=min(self.recordings, few), most=min(self.most, 12), frames=frames)

    def resized(self, recordings: int | None = None, frames: int | None = None) -> Kind:
        """The same with another number of recordings and frames, where given."""
        return replace(self, recordings=recordings or self.recordings, frames=frames or self.frames)


KINDS: dict[str, Kind] = {
    "field": Kind("small cells on a whole camera frame", ("field",), 16, 1024, 4, most=50),
    "field-2048": Kind("the same, on a larger frame", ("field",), 12, 2048, 2, most=50),
    "crowd": Kind("300 cells on one frame", ("crowd",), 6, 1024, 1),
    "fast": Kind("runners in a still field, half their size a frame", ("fast",), 16, 512, 8, only=(1, 2, 3)),
    "cross": Kind("two that look alike cross and touch", ("cross",), 40, 160, 12),
    "dish": Kind("cells divide, enter and leave", ("dish",), 40, 256, 8),
    "phase": Kind("cells hardly brighter than their surroundings", ("phase",), 24, 256, 8, most=6),
    "long": Kind("time series of 64 frames", TIME_KINDS, 64, 256, 6, most=3),
    "long-128": Kind("time series of 128 frames", TIME_KINDS, 128, 256, 3, most=3),
    "deep": Kind("stacks of 64 slices", STACK_KINDS, 64, 256, 6, most=3),
    "stack": Kind("nuclei that begin and end, packed in depth", ("packed",), 32, 256, 6, most=12, middle=True),
    "video": Kind("shapes are hidden and come back", ("hidden",), 40, 256, 8, only=(1, 2)),
    "sample": Kind("the sample recording", ("sample",), 40, 256, 3),
    "series": Kind("time series, plain to see", TIME_KINDS, 16, 256, 30, most=3),
    "series-click": Kind("the same from one click", TIME_KINDS, 16, 256, 30, most=3, prompt="click"),
    "slices": Kind("z-stacks, plain to see", STACK_KINDS, 16, 256, 30, most=3),
    "slices-click": Kind("the same from one click", STACK_KINDS, 16, 256, 30, most=3, prompt="click"),
    "correction": Kind(
        "one click, then a correction", TIME_KINDS + STACK_KINDS, 16, 256, 48, most=1, prompt="click", corrected=True
    ),
}


@dataclass(frozen=True)
class Case:
    """A recording, and the prompts that both sides get.

    Parameters
    ----------
    clip : SyntheticClip
    object_ids : tuple of int
        The prompted objects.
    frame : int
        The prompted frame.
    prompts : tuple of BoxPrompt or PointPrompt
    """

    clip: SyntheticClip
    object_ids: tuple[int, ...]
    frame: int
    prompts: tuple[BoxPrompt | PointPrompt, ...]


def cases(kind: Kind, *, reporting: bool) -> list[tuple[str, int]]:
    """Kind of clip and seed of each recording."""
    return [
        (kind.clips[n % len(kind.clips)], seed) for n, seed in enumerate(seeds(kind.recordings, reporting=reporting))
    ]


def make_case(kind: Kind, clip_kind: str, seed: int) -> Case:
    """Make a recording and prompt the objects that are plain to see on its prompted frame."""
    if clip_kind == "sample":
        clip = sample_time_series(frames=kind.frames, size=(kind.size, kind.size), seed=seed)
    else:
        clip = make_clip(clip_kind, seed, frames=kind.frames, size=(kind.size, kind.size))
    frame = kind.frames // 2 if kind.middle else 0
    labels = clip.labels[frame]
    areas = np.bincount(labels.ravel())
    seen = [int(i) for i in np.flatnonzero(areas >= _SMALLEST) if i and (not kind.only or i in kind.only)]
    ids = sorted(np.random.default_rng(seed).permutation(seen)[: kind.most].tolist())
    prompts: list[BoxPrompt | PointPrompt]
    if kind.prompt == "click":
        prompts = [PointPrompt(i, frame, *middle(labels == i)) for i in ids]
    else:
        prompts = list(boxes_of(np.where(np.isin(labels, ids), labels, 0), frame))
    return Case(clip, tuple(ids), frame, tuple(prompts))


def error_click(object_id: int, frame: int, mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> PointPrompt:
    """The click with which a person corrects a mask: in the middle of its largest error.

    Raises
    ------
    ValueError
        If mask and truth are the same.
    """
    y, x = error_middle(mask != truth)
    return PointPrompt(object_id, frame, y, x, positive=bool(truth[y, x]))
