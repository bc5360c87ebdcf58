"""Figures of each linker on the same labels."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np

from benchmarks.linking.degrade import detections
from benchmarks.linking.lineage import proper_mothers, true_lineage
from benchmarks.linking.linkers import available
from benchmarks.quality.ctc import METRICS, ctc_figures, divisions
from benchmarks.quality.seeds import seeds
from napari_sam2_video.synthetic import make_clip

Row = dict[str, Any]
LABELS: dict[str, dict[str, float]] = {"perfect": {}, "degraded": {"missing": 0.1, "merged": 0.05, "split": 0.05}}


def link(recordings: int, frames: int, *, reporting: bool = False) -> list[Row]:
    """Rows of each kind of labels and linker, means over the recordings; divisions are counted over all of them."""
    rows = []
    clips = [make_clip("dish", seed, frames=frames) for seed in seeds(recordings, reporting=reporting)]
    truths = [true_lineage(clip.labels, clip.mothers) for clip in clips]
    for name, damage in LABELS.items():
        given = [detections(clip.labels, clip.seed, **damage) for clip in clips]
        for linker, run in available().items():
            begun = time.process_time()
            try:
                linked = [run(labels) for labels in given]
            except Exception as error:  # a peer that is installed may still not run on this machine
                print(f"{linker}: skipped, it does not run here: {error!r}", file=sys.stderr)
                continue
            seconds = time.process_time() - begun
            found = []
            counts = np.zeros(3, int)
            for one, (truth, mothers) in zip(linked, truths, strict=True):
                kept = proper_mothers(one.labels, one.mothers)
                found.append(ctc_figures(one.labels, truth, parents=kept, true_parents=mothers))
                counts += divisions(one.labels, truth, kept, mothers)
            right, extra, lost = counts.tolist()
            row: Row = {"labels": name, "linker": linker}
            row |= {metric: float(np.mean([one[metric] for one in found])) for metric in METRICS}
            row |= {"division F1": 2 * right / max(2 * right + extra + lost, 1), "divisions": right + lost}
            row["cpu_s"] = seconds / recordings
            rows.append(row)
    return rows
