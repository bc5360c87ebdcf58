"""One synthetic recording of any kind, with its truth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.synthetic.abdomen import abdomen
from napari_sam2_video.synthetic.crossing import crossing_cells
from napari_sam2_video.synthetic.dish import dish
from napari_sam2_video.synthetic.field import crowd_of_cells, field_of_cells, field_with_runners
from napari_sam2_video.synthetic.optics import to_counts
from napari_sam2_video.synthetic.packed import packed_nuclei
from napari_sam2_video.synthetic.series import fluorescent_cells, phase_contrast_cells
from napari_sam2_video.synthetic.stacks import nuclei, organs
from napari_sam2_video.synthetic.video import hidden_shapes, shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

TIME_KINDS: tuple[str, ...] = ("cells", "phase", "video")
"""Kinds whose first axis is time."""

STACK_KINDS: tuple[str, ...] = ("nuclei", "organs", "ct")
"""Kinds whose first axis is depth."""

HARD_KINDS: tuple[str, ...] = ("field", "fast", "cross", "dish", "packed", "hidden", "crowd")
"""Kinds that measure tracking: each has one difficulty on purpose."""

KINDS: tuple[str, ...] = TIME_KINDS + STACK_KINDS + HARD_KINDS
"""All kinds of recordings that `make_clip` knows."""


@dataclass(frozen=True)
class SyntheticClip:
    """A recording and its truth.

    Parameters
    ----------
    frames : (T, Y, X) uint16, uint8 or int16 array, or (T, Y, X, 3) uint8 array
        The recording; int16 values are Hounsfield units.
    labels : (T, Y, X) uint16 array
        Id of the object at each pixel, 0 for none; an object keeps its id. When a cell divides, the larger daughter
        keeps the id and the smaller gets a new one.
    kind : str
        One of `KINDS`.
    seed : int
        What the recording was made from.
    mothers : mapping of int to int
        Mother of each cell that is born in the recording, where the kind knows of it; she keeps her id.
    """

    frames: NDArray[np.integer[Any]]
    labels: NDArray[np.uint16]
    kind: str
    seed: int
    mothers: Mapping[int, int] = field(default_factory=dict)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Ids that occur in the truth, in rising order."""
        return tuple(int(i) for i in np.unique(self.labels) if i)

    def mask(self, object_id: int) -> NDArray[np.bool_]:
        """(T, Y, X) truth of one object."""
        return np.asarray(self.labels == object_id)


def make_clip(kind: str, seed: int, *, frames: int = 16, size: tuple[int, int] = (256, 256)) -> SyntheticClip:
    """Make a synthetic recording; the same arguments always give the same one.

    Parameters
    ----------
    kind : str
        ``"cells"``, ``"phase"`` or ``"video"`` for a time series, ``"nuclei"``, ``"organs"`` or ``"ct"`` for a z-stack;
        or one of the hard ones: ``"field"`` and ``"crowd"`` (many small cells), ``"fast"`` (ids 1 to 3 run across still
        cells), ``"cross"`` (two alike cross), ``"dish"`` (cells divide, enter and leave), ``"packed"`` (a z-stack of
        nuclei that begin and end) and ``"hidden"`` (ids 1 and 2 of a video are hidden for a while).
    seed : int
        Decides everything that is random.
    frames : int
        Number of frames or slices, at least 1.
    size : (int, int)
        Height and width in pixels, each at least 32; the objects scale with the smaller one, except in fields.

    Raises
    ------
    ValueError
        If the kind is unknown or the size too small.
    """
    if kind not in KINDS:
        raise ValueError(f"There is no synthetic recording of kind {kind!r}; choose one of {', '.join(KINDS)}.")
    if frames < 1 or min(size) < 32:
        raise ValueError(f"A synthetic recording needs a frame and 32 pixels a side, not {frames} frames of {size}.")
    rng = np.random.default_rng([KINDS.index(kind), seed])
    makers = {
        "cells": fluorescent_cells,
        "phase": phase_contrast_cells,
        "video": shapes,
        "nuclei": nuclei,
        "organs": organs,
        "ct": abdomen,
        "field": field_of_cells,
        "crowd": crowd_of_cells,
        "fast": field_with_runners,
        "cross": crossing_cells,
        "packed": packed_nuclei,
        "hidden": hidden_shapes,
    }
    mothers: dict[int, int] = {}
    if kind == "dish":
        images, labels, mothers = dish(rng, frames, size)
    else:
        images, labels = makers[kind](rng, frames, size)
    counts: NDArray[np.integer[Any]]
    if kind == "ct":
        counts = to_counts(images, np.int16, 0, 1)
    elif kind in ("video", "phase", "hidden"):
        counts = to_counts(images, np.uint8, 0, 255)
    else:
        top = 10 ** rng.uniform(2.7, 4.6)
        counts = to_counts(images, np.uint16, 0.1 * top, top)
    return SyntheticClip(counts, labels, kind, seed, mothers)
