"""Find the cheapest interpretation of a stretch of labelled frames with an integer program."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.linking.candidates import Candidate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.linking.candidates import Story
    from napari_sam2_video.linking.costs import LinkCosts

Event: TypeAlias = tuple[Candidate, tuple[Candidate, ...], float]
"""The successors of an object, one or two daughters, and their cost."""

MOST_LINKS = 6
NEAR = 6.0
DAUGHTERS = ((1, 1), (1, 2), (2, 1), (2, 2))
"""Number of frames after which each daughter is first seen."""


@dataclass
class Reading:
    """A solution for labelled frames.

    Attributes
    ----------
    used : dict of int to list of Story
        The chosen interpretations of each frame.
    following : dict of Candidate to tuple of Candidate
        Successors of each: one, or two if it divides.
    """

    used: dict[int, list[Story]] = field(default_factory=dict)
    following: dict[Candidate, tuple[Candidate, ...]] = field(default_factory=dict)


class _Program:
    """Binary variables with costs, and sums of them with required values."""

    def __init__(self) -> None:
        self.costs: list[float] = []
        self._terms: list[tuple[int, int, float]] = []
        self._sums: list[float] = []

    def variable(self, cost: float) -> int:
        self.costs.append(cost)
        return len(self.costs) - 1

    def equation(self, ones: Sequence[int], minus: Sequence[int], value: float) -> None:
        row = len(self._sums)
        self._sums.append(value)
        self._terms += [(row, column, 1.0) for column in ones]
        self._terms += [(row, column, -1.0) for column in minus]

    def solve(self) -> npt.NDArray[np.bool_]:
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csr_array

        rows, columns, values = zip(*self._terms, strict=True)
        # Older versions of scipy pass row and column indices to a solver that only takes 32 bits.
        places = np.array(rows, np.int32), np.array(columns, np.int32)
        matrix = csr_array((values, places), shape=(len(self._sums), len(self.costs)))
        found: Any = milp(
            np.array(self.costs),
            integrality=np.ones(len(self.costs)),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(matrix, self._sums, self._sums),
            options={"mip_rel_gap": 1e-6},
        )
        if found.x is None:
            raise Sam2VideoError(f"The labels cannot be linked ({found.message}); link fewer frames at a time.")
        return np.asarray(found.x) > 0.5


def cheapest(
    stories: Mapping[int, Sequence[Story]], costs: LinkCosts, gap: int, settled: Reading | None = None
) -> Reading:
    """Choose the interpretations of the labels of some frames, and their links.

    Every label has one interpretation. Every object begins or follows another one, and ends, continues or divides into
    two; the sum of all costs is minimal.

    Parameters
    ----------
    stories : mapping of int to sequence of Story
        Interpretations of the labels of each frame, by ascending frame.
    costs : LinkCosts
        Costs of links, divisions, beginnings and ends.
    gap : int
        Maximum number of consecutive frames on which an object may be missing.
    settled : Reading, optional
        Frames solved before; links within them stay.
    """
    known = settled or Reading()
    considered = {frame: known.used.get(frame) or here for frame, here in stories.items()}
    frames = {frame: [one for story in here for one in story.candidates] for frame, here in considered.items()}
    program = _Program()
    into: dict[Candidate, list[int]] = {one: [] for here in frames.values() for one in here}
    out: dict[Candidate, list[int]] = {one: [] for one in into}
    present: dict[Candidate, int] = {}
    chosen: dict[int, Story] = {}
    for here in considered.values():
        ways: dict[int, list[int]] = {}
        for story in here:
            variable = program.variable(costs.story(story))
            chosen[variable] = story
            present |= dict.fromkeys(story.candidates, variable)
            for label in story.labels:
                ways.setdefault(label, []).append(variable)
        for variables in ways.values():
            program.equation(variables, (), 1.0)
    begun = {one for after in known.following.values() for one in after}
    meant: dict[int, Event] = {}
    for event in _events(frames, costs, gap, known):
        first, after, cost = event
        variable = program.variable(cost)
        meant[variable] = event
        out[first].append(variable)
        for one in after:
            into[one].append(variable)
    for one, variable in present.items():
        free = one in begun and one.frame in known.used
        into[one].append(program.variable(0.0 if free else costs.begin(one.shape, one.frame)))
        out[one].append(program.variable(costs.end(one.shape, one.frame)))
        program.equation(into[one], (variable,), 0.0)
        program.equation(out[one], (variable,), 0.0)
    if not program.costs:
        return Reading({frame: [] for frame in considered})
    true = program.solve()
    reading = Reading({frame: [] for frame in considered})
    for variable, story in chosen.items():
        if true[variable]:
            reading.used[story.frame].append(story)
    reading.following = {event[0]: event[1] for variable, event in meant.items() if true[variable]}
    return reading


def _events(frames: Mapping[int, Sequence[Candidate]], costs: LinkCosts, gap: int, known: Reading) -> Iterator[Event]:
    """Every plausible link and division; between settled frames, only the chosen ones."""
    centres = {t: np.array([one.shape.centre for one in here]).reshape(-1, 2) for t, here in frames.items()}
    for frame, here in frames.items():
        for row, one in enumerate(here):
            if one in known.following and all(after.frame in known.used for after in known.following[one]):
                if all(after.frame in frames for after in known.following[one]):
                    yield one, known.following[one], 0.0
                continue
            near: dict[int, list[Candidate]] = {}
            for step in range(1, gap + 2):
                there = frames.get(frame + step)
                if there and frame + step not in known.used:
                    away = np.hypot(*(centres[frame + step] - centres[frame][row]).T)
                    order = np.argsort(away, kind="stable")
                    near[step] = [there[n] for n in order if away[n] <= max(NEAR * one.shape.radius, NEAR)]
            worst = costs.end(one.shape, frame)
            yield from _links(one, near, costs, worst)
            yield from _divisions(one, near, costs, worst)


def _links(one: Candidate, near: Mapping[int, Sequence[Candidate]], costs: LinkCosts, worst: float) -> Iterator[Event]:
    for step, others in near.items():
        count = 0
        for other in others:
            cost = costs.link(one.shape, other.shape, step)
            if cost < worst + costs.begin(other.shape, other.frame):
                yield one, (other,), cost
                count += 1
                if count == MOST_LINKS:
                    break


def _divisions(
    one: Candidate, near: Mapping[int, Sequence[Candidate]], costs: LinkCosts, worst: float
) -> Iterator[Event]:
    close = {
        step: [other for other in there if costs.may_be_daughter(one.shape, other.shape)]
        for step, there in near.items()
    }
    for first, second in DAUGHTERS:
        for index, daughter in enumerate(close.get(first, ())):
            others = close.get(second, ())
            for other in others[index + 1 :] if first == second else others:
                apart = not set(daughter.labels) & set(other.labels) or daughter.source == other.source == "part"
                if first == second and not apart:
                    continue
                cost = costs.division(one.shape, (daughter.shape, other.shape), first + second - 2)
                if cost < worst + sum(costs.begin(each.shape, each.frame) for each in (daughter, other)):
                    yield one, (daughter, other), cost
