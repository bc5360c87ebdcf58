"""What is compared: each linker turns labels (T, Y, X) into tracks and mothers."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.figures import overlaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Linker = Callable[[NDArray[np.uint16]], "Linked"]


@dataclass(frozen=True)
class Linked:
    """Tracks (T, Y, X), and the mother of each track that begins with a division, whose own track ends there."""

    labels: NDArray[np.uint16]
    mothers: dict[int, int] = field(default_factory=dict)


def by_overlap(labels: NDArray[np.uint16]) -> Linked:
    """The simplest linker: a mask continues the track that it overlaps most, and two that overlap one divide it."""
    out = np.zeros_like(labels)
    mothers: dict[int, int] = {}
    count = 0
    for t, frame in enumerate(labels):
        ids = [int(i) for i in np.unique(frame) if i]
        both = overlaps(out[t - 1], frame)[0] if t else np.zeros((1, int(frame.max()) + 1), np.int64)
        both[0] = 0
        before = {i: int(both[:, i].argmax()) if both[:, i].any() else 0 for i in ids}
        for i in ids:
            alone = list(before.values()).count(before[i]) == 1
            if before[i] and alone:
                out[t][frame == i] = before[i]
                continue
            count += 1
            out[t][frame == i] = count
            if before[i]:
                mothers[count] = before[i]
    return Linked(out, mothers)


def by_ours(labels: NDArray[np.uint16]) -> Linked:
    """Our linker; masks that are missing are guessed from those around them, without the network."""
    from benchmarks.linking.fill import fill_gaps
    from napari_sam2_video.linking.link import link
    from napari_sam2_video.linking.shapes import shapes_of

    tracks = link([shapes_of(frame) for frame in labels], labels.shape[1:])
    guesses = fill_gaps(tracks, labels.shape[1:])
    out = np.zeros_like(labels)
    for track in tracks:
        for t, shape in [*guesses.get(track.number, {}).items(), *track.shapes.items()]:
            out[t][shape.region][shape.mask] = track.number
    return Linked(out, {track.number: track.parent for track in tracks if track.parent is not None})


def by_laptrack(labels: NDArray[np.uint16]) -> Linked:
    """laptrack's linear assignment by distance, with gap closing and splitting."""
    import pandas as pd
    from laptrack import LapTrack

    frame = pd.DataFrame(_places(labels), columns=["t", "label", "y", "x"])
    linker = LapTrack(cutoff=25**2, gap_closing_cutoff=25**2, gap_closing_max_frame_count=2, splitting_cutoff=30**2)
    tracks, splits, _ = linker.predict_dataframe(frame, ["y", "x"], frame_col="t", only_coordinate_cols=False)
    out = np.zeros_like(labels)
    for t, label, track in zip(frame["t"], frame["label"], tracks["track_id"], strict=True):
        out[t][labels[t] == label] = track + 1
    mothers = {}
    if len(splits):
        pairs = zip(splits["child_track_id"], splits["parent_track_id"], strict=True)
        mothers = {int(child) + 1: int(parent) + 1 for child, parent in pairs}
    return Linked(out, mothers)


def by_btrack(labels: NDArray[np.uint16]) -> Linked:
    """btrack with the motion and hypothesis models that its documentation gives for cells."""
    import btrack
    from btrack.config import TrackerConfig
    from btrack.models import HypothesisModel, MotionModel

    steady = np.eye(6)
    steady[:3, 3:] = np.eye(3)
    motion = MotionModel(
        name="cells", measurements=3, states=6, A=steady, H=np.eye(3, 6), R=5 * np.eye(3), accuracy=7.5, max_lost=5,
        P=150 * np.diag([0.1, 0.1, 0.1, 1, 1, 1]), G=15 * np.array([[0.5, 0.5, 0.5, 1, 1, 1]]), prob_not_assign=0.1,
    )  # fmt: skip
    hypotheses = HypothesisModel(
        name="cells", hypotheses=["P_FP", "P_init", "P_term", "P_link", "P_branch", "P_dead"], lambda_time=5,
        lambda_dist=3, lambda_link=10, lambda_branch=50, eta=1e-10, theta_dist=20, theta_time=5, dist_thresh=40,
        time_thresh=2, apop_thresh=5, segmentation_miss_rate=0.1, apoptosis_rate=0.001, relax=True,
    )  # fmt: skip
    places = _places(labels)
    objects = [
        btrack.btypes.PyTrackObject.from_dict({"ID": n, "t": t, "x": x, "y": y, "z": 0.0})
        for n, (t, _, y, x) in enumerate(places)
    ]
    with btrack.BayesianTracker(verbose=False) as tracker:
        tracker.configure(TrackerConfig(motion_model=motion, hypothesis_model=hypotheses, max_search_radius=40))
        tracker.append(objects)
        tracker.volume = ((0, labels.shape[2]), (0, labels.shape[1]))
        tracker.track(step_size=100)
        tracker.optimize()
        tracks = tracker.tracks
        out = np.zeros_like(labels)
        for one in tracks:
            for ref in one.refs:
                if ref >= 0:
                    t, label, _, _ = places[ref]
                    out[t][labels[t] == label] = one.ID
        mothers = {int(one.ID): int(one.parent) for one in tracks if not one.is_root and one.parent != one.ID}
    return Linked(out, mothers)


def available() -> dict[str, Linker]:
    """The linkers that can be run; those of packages that are not installed are left out."""
    peers: dict[str, Linker] = {"laptrack": by_laptrack, "btrack": by_btrack}
    return {"ours": by_ours, "overlap": by_overlap} | {
        package: one for package, one in peers.items() if find_spec(package)
    }


def _places(labels: NDArray[np.uint16]) -> list[tuple[int, int, float, float]]:
    """Frame, label and middle (y, x) of each mask."""
    from scipy.ndimage import center_of_mass

    found: list[tuple[int, int, float, float]] = []
    for t, frame in enumerate(labels):
        ids = [int(i) for i in np.unique(frame) if i]
        middles: Any = center_of_mass(frame > 0, frame, ids)
        found += [(t, i, float(y), float(x)) for i, (y, x) in zip(ids, middles, strict=True)]
    return found
