"""Link the labels of a series into tracks."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.linking.candidates import NEIGHBOURS, stories
from napari_sam2_video.linking.costs import LinkCosts
from napari_sam2_video.linking.settings import LinkSettings
from napari_sam2_video.linking.solve import Reading, cheapest
from napari_sam2_video.linking.tracks import Track

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from napari_sam2_video.linking.candidates import Candidate, Story
    from napari_sam2_video.linking.shapes import Shape

AT_ONCE = 4000
LOOK_AHEAD = 6
MOST_OFTEN, SELDOM = 1.5, 6.0
PRIOR = 20
"""Weight of the prior costs, as a number of labels."""


def link(
    series: Sequence[Mapping[int, Shape]],
    shape_yx: tuple[int, int],
    settings: LinkSettings = LinkSettings(),  # noqa: B008
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[Track]:
    """Link labels that are independent on each frame into tracks with divisions.

    Every event has a cost: labels may be parts of one object, hold several, or be missing; objects may move, divide,
    appear and disappear. The cheapest explanation of all frames is found by integer programming, as in joint
    segmentation and tracking (Schiegg et al. 2013; Türetken et al. 2017; Bragantini et al. 2024); here, the
    alternatives of a frame come from the frames around it. Long series are solved in overlapping stretches. In a second
    pass, the costs of wrong labels follow from how often they were wrong in the first.

    Parameters
    ----------
    series : sequence of mapping of int to Shape
        The labels of each frame, from `shapes_of`.
    shape_yx : tuple of int
        Shape of the frames.
    settings : LinkSettings
        What is likely.
    progress : callable, optional
        Called with the number of steps done and the total. Any exception from it ends the linking.

    Returns
    -------
    list of Track
        By ascending first frame.
    """
    labels = [shape for here in series for shape in here.values()]
    if not labels:
        return []
    radius = float(np.median([shape.radius for shape in labels]))
    report = progress or (lambda done, total: None)
    costs = LinkCosts(settings, shape_yx, len(series), radius)
    every = dict(enumerate(series))
    by_frame = {}
    for frame in every:
        report(frame, 3 * len(series))
        by_frame[frame] = stories(frame, {t: every[t] for t in (frame, *(frame + s for s in NEIGHBOURS)) if t in every})
    first = _read(by_frame, costs, lambda done: report(len(series) + done, 3 * len(series)))
    _learn(costs, first, _tracks(first, costs), len(labels))
    tracks = _tracks(_read(by_frame, costs, lambda done: report(2 * len(series) + done, 3 * len(series))), costs)
    report(1, 1)
    return tracks


def _read(by_frame: Mapping[int, Sequence[Story]], costs: LinkCosts, report: Callable[[int], None]) -> Reading:
    """Solve a series in overlapping stretches."""
    gap = costs.settings.gap
    whole = Reading()
    start = 0
    while start < len(by_frame):
        report(start)
        stop, candidates = start, 0
        part: dict[int, Sequence[Story]] = {frame: whole.used[frame] for frame in range(max(start - gap - 1, 0), start)}
        while stop < len(by_frame) and (candidates < AT_ONCE or stop < start + 2 * LOOK_AHEAD):
            part[stop] = by_frame[stop]
            candidates += sum(len(story.candidates) for story in by_frame[stop])
            stop += 1
        reading = cheapest(part, costs, gap, whole)
        sure = stop if stop == len(by_frame) else stop - LOOK_AHEAD
        _settle(whole, reading, start, sure)
        start = sure
    return whole


def _learn(costs: LinkCosts, reading: Reading, tracks: Sequence[Track], labels: int) -> None:
    """Set the costs of wrong labels by how often they were wrong."""
    wrong = [story for here in reading.used.values() for story in here if story.wrong]
    merged = sum(len(story.candidates) > 1 for story in wrong)
    gaps = sum(track.first_found < frame < max(track.shapes) for track in tracks for frame in track.missing)
    before = costs.settings

    def cost(count: int, expected: float) -> float:
        share = (count + PRIOR * exp(-expected)) / (labels + PRIOR)
        return min(max(-log(share), MOST_OFTEN), SELDOM)

    costs.learn(
        missing=cost(gaps, before.missing),
        merged=cost(merged, before.merged),
        split=cost(len(wrong) - merged, before.split),
    )


def _settle(whole: Reading, reading: Reading, start: int, stop: int) -> None:
    """Keep the solution for the frames from `start` up to `stop`, and the links to them."""
    whole.used |= {frame: reading.used[frame] for frame in range(start, stop)}
    for one, after in reading.following.items():
        if one.frame < stop and all(other.frame < stop for other in after):
            whole.following[one] = after


def _tracks(reading: Reading, costs: LinkCosts) -> list[Track]:
    before = {after[0]: one for one, after in reading.following.items() if len(after) == 1}
    mothers = {daughter: one for one, after in reading.following.items() if len(after) == 2 for daughter in after}
    chains: list[list[Candidate]] = []
    chain_of: dict[Candidate, int] = {}
    for frame in sorted(reading.used):
        for one in (one for story in reading.used[frame] for one in story.candidates):
            if one in before:
                chain_of[one] = chain_of[before[one]]
                chains[chain_of[one]].append(one)
            else:
                chain_of[one] = len(chains)
                chains.append([one])
    tracks = []
    for number, chain in enumerate(chains, start=1):
        mother = mothers.get(chain[0])
        gaps = [t for a, b in pairwise(chain) for t in range(a.frame + 1, b.frame)]
        if mother is not None:
            gaps += range(mother.frame + 1, chain[0].frame)
        elif costs.is_missed(chain[0].shape, chain[0].frame):
            gaps += range(chain[0].frame)
        left = costs.n_frames - 1 - chain[-1].frame
        if chain[-1] not in reading.following and costs.is_missed(chain[-1].shape, left):
            gaps += range(chain[-1].frame + 1, costs.n_frames)
        tracks.append(
            Track(
                number,
                {one.frame: one.shape for one in chain},
                {one.frame: one.source for one in chain},
                tuple(sorted(gaps)),
                None if mother is None else chain_of[mother] + 1,
            )
        )
    return tracks
