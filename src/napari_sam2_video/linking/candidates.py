"""Interpretations of the labels of a frame: an object each, parts of one object, or several objects in one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from napari_sam2_video.linking.shapes import Shape, overlaps, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


Source: TypeAlias = Literal["label", "joined", "part"]

NEIGHBOURS = (1, -1, 2, -2)
INSIDE = 0.6
SAME = 0.85
SMALLEST_PART = 0.1
MOST_WAYS = 4
MOST_INSIDE = 4


@dataclass(frozen=True, eq=False)
class Candidate:
    """A possible object on a frame.

    Parameters
    ----------
    frame : int
        The frame.
    shape : Shape
        Its pixels.
    labels : tuple of int
        Labels it is made of.
    source : {"label", "joined", "part"}
        A label itself, several joined labels, or a part of a label.
    """

    frame: int
    shape: Shape
    labels: tuple[int, ...]
    source: Source


@dataclass(frozen=True, eq=False)
class Story:
    """One interpretation of some labels of a frame.

    Parameters
    ----------
    frame : int
        The frame.
    labels : tuple of int
        The labels.
    candidates : tuple of Candidate
        The objects they represent: one, or the parts of one label.
    """

    frame: int
    labels: tuple[int, ...]
    candidates: tuple[Candidate, ...]

    @property
    def wrong(self) -> bool:
        """Whether a label is not exactly one object."""
        return len(self.labels) > 1 or len(self.candidates) > 1


def stories(frame: int, series: Mapping[int, Mapping[int, Shape]]) -> list[Story]:
    """Interpretations of the labels of a frame, given those of neighbouring frames.

    Labels are joined if most of each lies in one label of a nearby frame that they resemble together. A label is cut if
    several labels of a nearby frame lie in it and fill it, or if it is in several pieces.

    Parameters
    ----------
    frame : int
        The frame.
    series : mapping of int to mapping of int to Shape
        Labels of this frame and its neighbours.
    """
    here = series[frame]
    found = [Story(frame, (label,), (Candidate(frame, shape, (label,), "label"),)) for label, shape in here.items()]
    near = [series[frame + step] for step in NEIGHBOURS if frame + step in series]
    around = [(there, overlaps(here, there)) for there in near]
    joined = sorted({labels for there, shared in around for labels in _joined(here, there, shared)})
    wholes = (Candidate(frame, union(here[i] for i in labels), labels, "joined") for labels in joined)
    found += [Story(frame, whole.labels, (whole,)) for whole in wholes]
    for label, shape in here.items():
        inside = [_inside(there, shared.get(label, {})) for there, shared in around]
        ways = ([Candidate(frame, part, (label,), "part") for part in parts] for parts in _cut(shape, inside))
        found += [Story(frame, (label,), tuple(way)) for way in ways]
    return found


def _joined(
    here: Mapping[int, Shape], there: Mapping[int, Shape], shared: Mapping[int, Mapping[int, int]]
) -> Iterator[tuple[int, ...]]:
    """Labels that together resemble one label of another frame."""
    within: dict[int, list[int]] = {}
    for label, pixels in shared.items():
        for other, count in pixels.items():
            if count >= INSIDE * here[label].area:
                within.setdefault(other, []).append(label)
    for other, inside in within.items():
        for count in (2, 3):
            for labels in combinations(sorted(inside, key=lambda i: -here[i].area)[:MOST_INSIDE], count):
                together = union(here[label] for label in labels)
                best = max(here[label].iou(there[other]) for label in labels)
                if together.iou(there[other]) > max(0.5, best):
                    yield tuple(sorted(labels))


def _inside(there: Mapping[int, Shape], pixels: Mapping[int, int]) -> list[Shape]:
    """Labels of another frame that lie mostly in a label, the largest first."""
    found = [there[other] for other, count in pixels.items() if count >= INSIDE * there[other].area]
    return sorted(found, key=lambda shape: -shape.area)[:MOST_INSIDE]


def _cut(shape: Shape, around: Sequence[Sequence[Shape]]) -> list[tuple[Shape, ...]]:
    """Ways to cut a label into objects, given the labels of other frames that lie in it."""
    ways: list[tuple[Shape, ...]] = []
    models = [tuple(_pieces(shape))]
    models += [chosen for inside in around for chosen in _models(shape, inside)]
    for model in models:
        parts = _shared_out(shape, model) if len(model) > 1 else ()
        if len(parts) > 1 and not any(_alike(parts, way) for way in ways):
            ways.append(parts)
        if len(ways) == MOST_WAYS:
            break
    return ways


def _pieces(shape: Shape) -> Iterator[Shape]:
    """Connected pieces of a shape, without specks."""
    from scipy.ndimage import label

    pieces, count = label(shape.mask)
    for number in range(1, count + 1 if count > 1 else 0):
        piece = Shape.cut(pieces == number, shape.origin_yx)
        if piece is not None and piece.area >= SMALLEST_PART * shape.area:
            yield piece


def _models(shape: Shape, inside: Sequence[Shape]) -> Iterator[tuple[Shape, ...]]:
    """Labels of another frame, some of them joined, that fill a shape, the best fit first."""
    if len(inside) < 2:
        return
    singles = range(len(inside))
    options: dict[tuple[int, ...], Shape] = {(n,): inside[n] for n in singles}
    options |= {pair: union(inside[n] for n in pair) for pair in combinations(singles, 2)}
    covers = {used: one.overlap(shape) for used, one in options.items()}
    fits = []
    for count in (2, 3):
        for chosen in combinations(options, count):
            used = [n for each in chosen for n in each]
            if len(set(used)) < len(used):
                continue
            area = sum(options[each].area for each in chosen)
            covered = sum(covers[each] for each in chosen)
            if covered >= INSIDE * shape.area and area <= shape.area / INSIDE:
                fits.append((covered / (shape.area + area - covered), chosen))
    fits.sort(key=lambda fit: -fit[0])
    for _, chosen in fits[:2]:
        yield tuple(options[each] for each in chosen)


def _shared_out(shape: Shape, model: Sequence[Shape]) -> tuple[Shape, ...]:
    """Assign each pixel of a shape to the nearest of several others."""
    from scipy.ndimage import distance_transform_edt

    frame = union([shape, *model])
    away = []
    for one in model:
        outside = np.ones(frame.mask.shape, bool)
        y, x = (one.origin_yx[0] - frame.origin_yx[0], one.origin_yx[1] - frame.origin_yx[1])
        outside[y : y + one.mask.shape[0], x : x + one.mask.shape[1]] = ~one.mask
        away.append(distance_transform_edt(outside))
    y, x = (shape.origin_yx[0] - frame.origin_yx[0], shape.origin_yx[1] - frame.origin_yx[1])
    nearest = np.stack(away)[:, y : y + shape.mask.shape[0], x : x + shape.mask.shape[1]].argmin(0)
    parts = [Shape.cut(shape.mask & (nearest == number), shape.origin_yx) for number in range(len(model))]
    kept = [part for part in parts if part is not None and part.area >= SMALLEST_PART * shape.area]
    return tuple(kept) if len(kept) == len(model) else ()


def _alike(some: Sequence[Shape], others: Iterable[Shape]) -> bool:
    """Whether two ways to cut a label are nearly the same."""
    rest = list(others)
    return len(some) == len(rest) and all(any(one.iou(other) > SAME for other in rest) for one in some)
