"""The figures of the Cell Tracking Challenge, by py-ctcmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.quality.figures import overlaps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

METRICS = ("SEG", "TRA", "CHOTA")


def ctc_figures(
    labels: NDArray[np.uint16],
    truth: NDArray[np.uint16],
    *,
    parents: Mapping[int, int] | None = None,
    true_parents: Mapping[int, int] | None = None,
    metrics: Sequence[str] = METRICS,
) -> dict[str, float]:
    """Figures of label images (T, Y, X), each label being a track.

    Parameters
    ----------
    labels, truth : (T, Y, X) array
        What was found and what is true; the ids need not agree.
    parents, true_parents : mapping of int to int
        Mother of each track that begins with a division.
    metrics : sequence of str
        Names that py-ctcmetrics knows.
    """
    from ctc_metrics.scripts.evaluate import calculate_metrics

    if not truth.any() or not labels.any():
        return {name: float("nan") if not truth.any() else 0.0 for name in metrics}
    matches = [_match(true, found) for true, found in zip(truth, labels, strict=True)]
    keys = ("labels_ref", "labels_comp", "mapped_ref", "mapped_comp", "ious")
    matched = dict(zip(keys, (list(each) for each in zip(*matches, strict=True)), strict=True))
    tracks = (_tracks(matched["labels_comp"], parents or {}), _tracks(matched["labels_ref"], true_parents or {}))
    found = calculate_metrics(*tracks, matched, matched, list(metrics), is_valid=True)
    return {name: float(found[name]) for name in metrics}


def _match(
    true: NDArray[np.uint16], found: NDArray[np.uint16]
) -> tuple[list[int], list[int], list[int], list[int], list[float]]:
    """Labels of both images, and the pairs in which more than half of the true one is covered, with their IoU."""
    both, area, found_area = overlaps(found, true)
    rows, columns = np.nonzero(2 * both[1:, 1:] > area[None, 1:])
    rows, columns = rows + 1, columns + 1
    order = np.argsort(columns, kind="stable")
    rows, columns = rows[order], columns[order]
    ious = both[rows, columns] / (area[columns] + found_area[rows] - both[rows, columns])
    true_ids, found_ids = (np.flatnonzero(pixels[1:]) + 1 for pixels in (area, found_area))
    return true_ids.tolist(), found_ids.tolist(), columns.tolist(), rows.tolist(), ious.tolist()


def _tracks(labels: list[list[int]], parents: Mapping[int, int]) -> NDArray[np.int64]:
    """(N, 4) rows of label, first frame, last frame and parent, 0 for none."""
    ends: dict[int, list[int]] = {}
    for frame, seen in enumerate(labels):
        for label in seen:
            ends.setdefault(label, [frame, frame])[1] = frame
    return np.array([(label, *both, parents.get(label, 0)) for label, both in sorted(ends.items())], np.int64)
