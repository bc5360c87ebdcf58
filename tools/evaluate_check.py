"""Measure what the check adds to the doubt: ``python tools/evaluate_check.py``.

Tracks cells from a box on the first frame, in recordings in which two of them cross and in samples of a dish, and
looks at how the doubt orders the frames without and with the check. A frame is wrong where the IoU of its mask with the
visible cell is below 0.5.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_sam2_video import api
from napari_sam2_video.analysis.review import doubt, review_queue, review_table
from napari_sam2_video.demo import boxes_of
from napari_sam2_video.masks.agreement import iou_of_objects
from napari_sam2_video.synthetic import sample_time_series

SIZE = 160


def crossing(seed, n_frames):
    """Two cells of like brightness that cross; uint8 (T, Y, X), and which cell is seen where (T, Y, X)."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(11, 16, 2)
    angle = rng.uniform(0, np.pi)
    between = rng.uniform(0.6, 1.4) * np.pi / 2
    reach = rng.uniform(48, 58)
    level = 0.55 + rng.uniform(-0.12, 0.12, 2)
    texture = [gaussian_filter(rng.normal(0, 1, (SIZE, SIZE)), 3) for _ in range(2)]
    y, x = np.mgrid[:SIZE, :SIZE]
    along = np.linspace(-1, 1, n_frames)
    frames = np.zeros((n_frames, SIZE, SIZE), np.uint8)
    truth = np.zeros((n_frames, SIZE, SIZE), np.uint8)
    aside = rng.uniform(-0.4, 0.4) * radius[0]
    sway = gaussian_filter(rng.normal(0, 1, (n_frames, 2, 2)), (4, 0, 0)) * 6
    for t in range(n_frames):
        picture = np.full((SIZE, SIZE), 0.18)
        for cell, turned in enumerate((angle, angle + between)):
            centre = SIZE / 2 + reach * along[t] * np.array([np.sin(turned), np.cos(turned)]) + sway[t, cell]
            centre = centre + (aside * np.array([np.cos(turned), -np.sin(turned)]) if cell else 0)
            inside = np.hypot(y - centre[0], x - centre[1]) < radius[cell]
            moved = np.roll(texture[cell], np.round(centre).astype(int), axis=(0, 1))
            picture[inside] = (level[cell] + 0.25 * moved)[inside]
            truth[t][inside] = cell + 1
        picture = gaussian_filter(picture, 1.0) + rng.normal(0, 0.03, picture.shape)
        frames[t] = np.clip(picture * 255, 0, 255).astype(np.uint8)
    return frames, truth


def dish(seed, n_frames):
    """Several cells that move, touch and divide."""
    clip = sample_time_series(frames=n_frames, seed=seed)
    return clip.frames, clip.labels


def chance_in_order(doubts, wrong):
    """Chance that a wrong frame is more doubtful than a right one (area under the ROC curve)."""
    if not wrong.any() or wrong.all():
        return float("nan")
    above = doubts[wrong][:, None] - doubts[~wrong][None]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def judged(session, truth):
    """The review table of a session, and which of its rows are wrong."""
    ids = [one.id for one in session.objects]
    table = review_table({i: session.scores(i) for i in ids}, session.shape_yx)
    ious = np.array([iou_of_objects(session.masks.read_labels(t), truth[t], ids) for t in range(len(truth))])
    wrong = np.array(
        [ious[t, ids.index(i)] < 0.5 for i, t in zip(table["object_id"].tolist(), table["frame"].tolist(), strict=True)]
    )
    return table, wrong & ~table["prompted"].astype(bool)


def first_looks(table, wrong):
    """For each object that goes wrong: distance in frames of its most doubtful frame from the first wrong one."""
    found = []
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        if wrong[rows].sum() >= 3:
            begin = int(table["frame"][rows][wrong[rows]].min())
            queue = review_queue(table, objects=[object_id], limit=1)
            found.append(abs(queue[0].frame - begin) if queue else len(table))
    return found


def evaluate(make, seeds, n_frames, span, model):
    """Doubts without and with the check, what is wrong, and the first looks without and with it."""
    doubts, wrongs, looks = ([], []), [], ([], [])
    for seed in seeds:
        frames, truth = make(seed, n_frames)
        with tempfile.TemporaryDirectory() as folder:
            prompts = boxes_of(truth[0], 0)
            with api.track(frames, prompts, Path(folder) / "run.sam2v", axis="T", model=model) as session:
                before, wrong = judged(session, truth)
                list(session.check(api.CheckSettings(span=span)))
                after, _ = judged(session, truth)
        free = ~before["prompted"].astype(bool)
        wrongs.append(wrong[free])
        for kept, near, table in zip(doubts, looks, (before, after), strict=True):
            kept.append(doubt(table)[free])
            near.extend(first_looks(table, wrong))
    return [np.concatenate(kept) for kept in doubts], np.concatenate(wrongs), looks


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=12, help="recordings of each kind")
    parser.add_argument("--first", type=int, default=100, help="first seed")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--span", type=int, default=api.CheckSettings().span)
    parser.add_argument("--model", default="demo")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    model = api.ModelSettings(chosen.model)
    for name, make in (("two cells cross", crossing), ("a dish", dish)):
        doubts, wrong, looks = evaluate(make, seeds, chosen.frames, chosen.span, model)
        print(f"{name}: {wrong.sum()} of {wrong.size} frames are wrong, {len(looks[0])} tracks go wrong")
        for when, kept, found in zip(("without the check", "with the check"), doubts, looks, strict=True):
            top = np.argsort(-kept, kind="stable")[: wrong.sum()]
            print(f"  {when:17}  a wrong frame before a right one {chance_in_order(kept, wrong):.2f}", end="; ")
            print(f"{wrong[top].mean():.2f} of the {len(top)} most doubtful frames wrong", end="; ")
            print(f"first look {np.median(found):.0f} frames from where a track goes wrong")


if __name__ == "__main__":
    main()
