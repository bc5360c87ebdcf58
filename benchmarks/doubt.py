"""What checking a session adds to the doubt: how the doubt orders frames without and with the check."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.figures import WRONG, compare
from benchmarks.quality.kinds import KINDS, cases, make_case
from benchmarks.quality.ours import label_images
from napari_sam2_video import api
from napari_sam2_video.analysis.review import doubt, review_queue, review_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.quality.kinds import Case
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.session import Session

Row = dict[str, Any]
_TROUBLED = 3


def doubt_and_check(names: list[str], recordings: int) -> list[Row]:
    """Two rows a kind: the doubt of each frame without the check and with it, against the truth.

    A frame is wrong where the IoU of its mask is below 0.5. ``chance`` is how likely a wrong frame is more doubtful
    than a right one, ``top`` the share of wrong ones among as many most doubtful frames as there are wrong ones,
    ``away`` the median distance in frames of a track's most doubtful frame from where it goes wrong.
    """
    rows = []
    for name in names:
        kind = KINDS[name].resized(recordings)
        found = [_measured(make_case(kind, *one)) for one in cases(kind, reporting=False)]
        wrong = np.concatenate([one[0] for one in found])
        for when, with_check in (("without the check", 0), ("with the check", 1)):
            doubts = np.concatenate([one[1][with_check] for one in found])
            looks = [distance for one in found for distance in one[2][with_check]]
            top = np.argsort(-doubts, kind="stable")[: wrong.sum()]
            rows.append(
                {
                    "kind": name,
                    "when": when,
                    "wrong": int(wrong.sum()),
                    "frames": wrong.size,
                    "chance": chance_in_order(doubts, wrong),
                    "top": float(wrong[top].mean()) if top.size else float("nan"),
                    "away": float(np.median(looks)) if looks else float("nan"),
                }
            )
    return rows


def _measured(case: Case) -> tuple[NDArray[np.bool_], list[NDArray[np.float64]], list[list[int]]]:
    """Which frames are wrong, and the doubt of each and the first looks, both without and with the check."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.sam2v"
        with api.track(case.clip.frames, case.prompts, out, axis="T") as session:
            agreement = compare(label_images(session), case.clip.labels, case.object_ids, case.frame)
            tables = [_table(session)]
            list(session.check())
            tables.append(_table(session))
    table = tables[0]
    rows = np.searchsorted(case.object_ids, table["object_id"])
    free = ~table["prompted"].astype(bool)
    wrong = (agreement.iou < WRONG)[rows, table["frame"]] & free
    return wrong[free], [doubt(one)[free] for one in tables], [first_looks(one, wrong) for one in tables]


def _table(session: Session) -> Table:
    return review_table({one.id: session.scores(one.id) for one in session.objects}, session.shape_yx)


def chance_in_order(doubts: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float:
    """Chance that a wrong frame is more doubtful than a right one (area under the ROC curve)."""
    if not wrong.any() or wrong.all():
        return float("nan")
    above = doubts[wrong][:, None] - doubts[~wrong][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def first_looks(table: Table, wrong: NDArray[np.bool_]) -> list[int]:
    """For each object that goes wrong: distance of its most doubtful frame from the first wrong one."""
    found = []
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        if wrong[rows].sum() >= _TROUBLED:
            begin = int(table["frame"][rows][wrong[rows]].min())
            queue = review_queue(table, objects=[object_id], limit=1)
            found.append(abs(queue[0].frame - begin) if queue else len(table))
    return found
