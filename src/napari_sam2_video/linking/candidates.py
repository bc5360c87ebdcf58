"""What the labels of a frame may stand for: themselves, parts of one object, or several objects in one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from napari_sam2_video.linking.shapes import Shape, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from napari_sam2_video.linking.settings import LinkSettings

Source: TypeAlias = Literal["label", "joined", "part"]

NEIGHBOURS = (1, -1, 2, -2)
INSIDE = 0.6
SAME = 0.85
SMALLEST_PART = 0.1
MOST_STORIES = 4


@dataclass(frozen=True, eq=False)
class Candidate:
    """What may be an object on a frame.

    Parameters
    ----------
    frame : int
        The frame.
    shape : Shape
        Its pixels.
    labels : tuple of int
        Labels that it is made of.
    source : {"label", "joined", "part"}
        A label as it is, several labels as one, or a part of a label.
    """

    frame: int
    shape: Shape
    labels: tuple[int, ...]
    source: Source


@dataclass(frozen=True, eq=False)
class Story:
    """One way to read some labels of a frame: as these candidates, at a cost."""

    frame: int
    labels: tuple[int, ...]
    candidates: tuple[Candidate, ...]
    cost: float


def stories(frame: int, series: Mapping[int, Mapping[int, Shape]], settings: LinkSettings) -> list[Story]:
    """Ways to read the labels of a frame, given those of the frames around it.

    Labels are joined where most of each lies in one label of a near frame that they resemble together. A label is cut
    where several labels of a near frame lie in it and fill it, or where it is in several pieces.

    Parameters
    ----------
    frame : int
        The frame.
    series : mapping of int to mapping of int to Shape
        Labels of this frame and of those around it.
    settings : LinkSettings
        Costs.
    """
    here = series[frame]
    found = [
        Story(frame, (label,), (Candidate(frame, shape, (label,), "label"),), 0.0) for label, shape in here.items()
    ]
    around = [series[frame + step] for step in NEIGHBOURS if frame + step in series]
    for labels in sorted({labels for near in around for labels in _joined(here, near)}):
        shape = union(here[label] for label in labels)
        cost = settings.split * (len(labels) - 1)
        found.append(Story(frame, labels, (Candidate(frame, shape, labels, "joined"),), cost))
    for label, shape in here.items():
        for parts in _cut(shape, around):
            pieces = tuple(Candidate(frame, part, (label,), "part") for part in parts)
            found.append(Story(frame, (label,), pieces, settings.merged * (len(parts) - 1)))
    return found


def _joined(here: Mapping[int, Shape], near: Mapping[int, Shape]) -> Iterator[tuple[int, ...]]:
    """Labels that together resemble one label of another frame."""
    for other in near.values():
        inside = sorted(label for label, shape in here.items() if shape.overlap(other) >= INSIDE * shape.area)
        for count in (2, 3):
            for labels in combinations(inside[:6], count):
                together = union(here[label] for label in labels)
                if together.iou(other) > max(0.5, *(here[label].iou(other) for label in labels)):
                    yield labels


def _cut(shape: Shape, around: Sequence[Mapping[int, Shape]]) -> list[tuple[Shape, ...]]:
    """Ways to cut a label into objects."""
    ways: list[tuple[Shape, ...]] = []
    models = [tuple(_pieces(shape))]
    models += [chosen for near in around for chosen in _models(shape, near)]
    for model in models:
        parts = _shared_out(shape, model) if len(model) > 1 else ()
        if len(parts) > 1 and not any(_alike(parts, way) for way in ways):
            ways.append(parts)
        if len(ways) == MOST_STORIES:
            break
    return ways


def _pieces(shape: Shape) -> Iterator[Shape]:
    """Connected pieces of a shape that are more than specks."""
    from scipy.ndimage import label

    pieces, count = label(shape.mask)
    for number in range(1, count + 1 if count > 1 else 0):
        piece = Shape.cut(pieces == number, shape.origin_yx)
        if piece is not None and piece.area >= SMALLEST_PART * shape.area:
            yield piece


def _models(shape: Shape, near: Mapping[int, Shape]) -> Iterator[tuple[Shape, ...]]:
    """Labels of another frame that lie in a shape and fill it, the best fit first."""
    inside = {label: one for label, one in near.items() if one.overlap(shape) >= INSIDE * one.area}
    options: dict[tuple[int, ...], Shape] = {(label,): one for label, one in inside.items()}
    options |= {labels: union(inside[i] for i in labels) for labels in combinations(sorted(inside), 2)}
    fits = []
    for count in (2, 3):
        for chosen in combinations(options, count):
            used = [label for labels in chosen for label in labels]
            if len(set(used)) < len(used):
                continue
            area = sum(options[labels].area for labels in chosen)
            covered = sum(options[labels].overlap(shape) for labels in chosen)
            if covered >= INSIDE * shape.area and area <= shape.area / INSIDE:
                fits.append((covered / (shape.area + area - covered), chosen))
        if len(inside) > 4:
            break
    fits.sort(key=lambda fit: -fit[0])
    for _, chosen in fits[:2]:
        yield tuple(options[labels] for labels in chosen)


def _shared_out(shape: Shape, model: Sequence[Shape]) -> tuple[Shape, ...]:
    """Give each pixel of a shape to the nearest of some others."""
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
    """Whether two ways to cut a label are about the same."""
    rest = list(others)
    return len(some) == len(rest) and all(any(one.iou(other) > SAME for other in rest) for one in some)
