"""The figures of the Cell Tracking Challenge, by py-ctcmetrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.quality.figures import overlaps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

METRICS = ("SEG", "DET", "TRA", "CHOTA")


def ctc_figures(
    labels: NDArray[np.uint16],
    truth: NDArray[np.uint16],
    *,
    parents: Mapping[int, int] | None = None,
    true_parents: Mapping[int, int] | None = None,
) -> dict[str, float]:
    """SEG, DET, TRA and CHOTA of label images (T, Y, X), each label being a track.

    Parameters
    ----------
    labels, truth : (T, Y, X) array
        What was found and what is true; the ids need not agree.
    parents, true_parents : mapping of int to int
        Mother of each track that begins with a division; a mother's track ends there.
    """
    from ctc_metrics.metrics import chota, det, seg, tra
    from ctc_metrics.utils.representations import count_acyclic_graph_correction_operations

    if not truth.any() or not labels.any():
        return dict.fromkeys(METRICS, 0.0 if truth.any() else float("nan"))
    matches = [_match(true, found) for true, found in zip(truth, labels, strict=True)]
    true_ids, found_ids, matched_true, matched_found, ious = (list(each) for each in zip(*matches, strict=True))
    tracks = _tracks(true_ids, true_parents or {}), _tracks(found_ids, parents or {})
    pairs = true_ids, found_ids, matched_true, matched_found
    operations = count_acyclic_graph_correction_operations(*tracks, *pairs)
    return {
        "SEG": float(seg(true_ids, ious)),
        "DET": float(det(**operations)),
        "TRA": float(tra(**operations)[0]),
        "CHOTA": float(chota(*tracks, *pairs)["CHOTA"]),
    }


def divisions(
    labels: NDArray[np.uint16], truth: NDArray[np.uint16], parents: Mapping[int, int], true_parents: Mapping[int, int]
) -> tuple[int, int, int]:
    """Divisions that were found, that are none, and that were missed, at most one frame early or late."""
    from ctc_metrics.metrics import raw_division_metrics

    if not labels.any() or not truth.any():
        return 0, 0, len(set(true_parents.values()))
    matches = [_match(true, found) for true, found in zip(truth, labels, strict=True)]
    true_ids, found_ids, *matched = (list(each) for each in zip(*matches, strict=True))
    tracks = _tracks(found_ids, parents), _tracks(true_ids, true_parents)
    matched_true, matched_found = ([pairs.tolist() for pairs in each] for each in matched[:2])
    right, extra, lost = raw_division_metrics(*tracks, matched_true, matched_found, i=1)
    return int(right), int(extra), int(lost)


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
    return true_ids, found_ids, columns, rows, ious


def _tracks(labels: list[NDArray[np.int64]], parents: Mapping[int, int]) -> NDArray[np.int64]:
    """(N, 4) rows of label, first frame, last frame and parent, 0 for none."""
    ends: dict[int, list[int]] = {}
    for frame, seen in enumerate(labels):
        for label in seen.tolist():
            ends.setdefault(label, [frame, frame])[1] = frame
    return np.array([(label, *both, parents.get(label, 0)) for label, both in sorted(ends.items())], np.int64)
