"""Track and judge all recordings of a kind with one side, in its own process so that its memory is its own."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.ctc import METRICS, ctc_figures
from benchmarks.quality.figures import VISIBLE, Agreement, compare, summary
from benchmarks.quality.kinds import Kind, cases, error_click, make_case
from napari_sam2_video.types import ModelSettings, TrackSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.quality.kinds import Case
    from benchmarks.quality.tracked import Tracked
    from napari_sam2_video.types import PointPrompt

Row = dict[str, Any]
META = "Meta"


@dataclass(frozen=True)
class Job:
    """A kind, a side, and what that side is set to.

    Parameters
    ----------
    kind : Kind
    side : str
        ``"Meta"``, or a name of our settings.
    model : ModelSettings
        The network of both sides.
    settings : dict
        Fields of `ModelSettings` and `TrackSettings` for our side.
    threads : int
    reporting : bool
        Take the seeds for reporting.
    """

    kind: Kind
    side: str
    model: ModelSettings
    settings: dict[str, Any] = field(default_factory=dict)
    threads: int = 1
    reporting: bool = False


def run_apart(job: Job) -> Row:
    """Figures of a job, measured in its own process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, job).result()


def run(job: Job) -> Row:
    """Figures of a job: those of `figures.summary` and `ctc.ctc_figures`, and the cost."""
    import torch

    torch.set_num_threads(job.threads)
    judged = []
    for clip_kind, seed in cases(job.kind, reporting=job.reporting):
        case = make_case(job.kind, clip_kind, seed)
        if case.object_ids:
            judged.append(_judge(job, case))
    agreements = [one.agreement for one in judged]
    row: Row = {"side": job.side, "recordings": len(judged), **summary(agreements)}
    for name in METRICS:
        row[name] = float(np.mean([one.challenge[name] for one in judged]))
    costs = [one.tracked.cost for one in judged]
    for name in ("first", "each", "each_cpu"):
        row[f"{name}_ms"] = 1e3 * float(np.mean([getattr(cost, name) for cost in costs]))
    row["fps"] = 1e3 / row["each_ms"]
    row["peak_mb"] = judged[0].tracked.peak_mb
    if job.kind.corrected:
        gains = np.concatenate([one.gain for one in judged])
        row |= {"raised": int((gains > 0).sum()), "lowered": int((gains < 0).sum()), "gain": float(gains.mean())}
    return row


@dataclass(frozen=True)
class _Judged:
    agreement: Agreement
    challenge: dict[str, float]
    tracked: Tracked
    gain: NDArray[np.float64]


def _judge(job: Job, case: Case) -> _Judged:
    tracked = _track(job, case)
    agreement = compare(tracked.labels, case.clip.labels, case.object_ids, case.frame)
    truth = np.where(np.isin(case.clip.labels, case.object_ids), case.clip.labels, 0)
    gain = np.zeros(0)
    if tracked.corrected is not None:
        after = compare(tracked.corrected, case.clip.labels, case.object_ids, case.frame)
        gain = _object_means(after) - _object_means(agreement)
    return _Judged(agreement, ctc_figures(tracked.labels, truth), tracked, gain)


def _track(job: Job, case: Case) -> Tracked:
    def correct(labels: NDArray[np.uint16]) -> list[PointPrompt]:
        return corrections(labels, case)

    chosen = correct if job.kind.corrected else None
    if job.side == META:
        from benchmarks.quality.meta import track_meta

        return track_meta(case, job.model, chosen)
    from benchmarks.quality.ours import track_ours

    model, settings = with_settings(job.model, job.settings)
    return track_ours(case, model, settings, chosen)


def with_settings(model: ModelSettings, settings: dict[str, Any]) -> tuple[ModelSettings, TrackSettings]:
    """The network's settings and those of the run with the values that `settings` names."""
    of_run = {one.name for one in fields(TrackSettings)}
    given = {name: value for name, value in settings.items() if name in of_run}
    return replace(model, **{n: v for n, v in settings.items() if n not in of_run}), TrackSettings(**given)


def corrections(labels: NDArray[np.uint16], case: Case) -> list[PointPrompt]:
    """One click for each object, where its IoU is lowest among the frames that show it; never on the prompted one."""
    agreement = compare(labels, case.clip.labels, case.object_ids, case.frame)
    clicks = []
    for row, object_id in enumerate(case.object_ids):
        iou = np.where(agreement.area[row] >= VISIBLE, agreement.iou[row], np.inf)
        iou[case.frame] = np.inf
        worst = int(np.argmin(iou))
        if iou[worst] < 1:
            truth = case.clip.labels[worst] == object_id
            clicks.append(error_click(object_id, worst, labels[worst] == object_id, truth))
    return clicks


def _object_means(agreement: Agreement) -> NDArray[np.float64]:
    seen = np.where(agreement.area >= VISIBLE, agreement.iou, np.nan)
    return np.asarray(np.nanmean(seen, axis=1))
