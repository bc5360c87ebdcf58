"""Plan which objects are tracked, over which frames, in which direction, and where they stop."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from napari_sam2_video.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.types import CheckSettings, TrackSettings

PassDirection: TypeAlias = Literal["forward", "backward"]
FORWARD, BACKWARD, UNTRACKED = 1, -1, 0
REACH = 15


def step_of(direction: PassDirection) -> int:
    """Step from one frame of a pass to the next: 1 or -1."""
    return 1 if direction == "forward" else -1


@dataclass(frozen=True)
class ObjectState:
    """What the plan needs to know about an object.

    Parameters
    ----------
    object_id : int
        The object.
    prompted : frozenset of int
        Frames with its prompts or paint.
    dirty : frozenset of int
        Those of `prompted` that changed since the object was last tracked.
    fences : frozenset of int
        Accepted or painted frames, which stay unchanged.
    tracked : ndarray of int8, shape (n_frames,)
        Direction in which each frame was last computed: 1 forward, -1 backward, 0 not yet.
    """

    object_id: int
    prompted: frozenset[int]
    dirty: frozenset[int]
    fences: frozenset[int]
    tracked: npt.NDArray[np.int8] = field(repr=False)


@dataclass(frozen=True)
class Pass:
    """One object tracked in one direction.

    Parameters
    ----------
    object_id : int
        The object.
    direction : {"forward", "backward"}
        Direction of the pass.
    start, stop : int
        First and last frame, both included; `start` is a prompted frame, or the frame after `resume_after`.
    preceding : tuple of int
        Directions (1, -1, 0) in which the frames before `start` were tracked earlier, the nearest first, at most
        `REACH`; their memories are used again.
    resume_after : int, optional
        Last frame of this pass that is already done; the pass continues after it.
    """

    object_id: int
    direction: PassDirection
    start: int
    stop: int
    preceding: tuple[int, ...] = ()
    resume_after: int | None = None

    @property
    def step(self) -> int:
        """1 forward, -1 backward."""
        return step_of(self.direction)

    @property
    def first(self) -> int:
        """The first frame that is still to be done."""
        return self.start if self.resume_after is None else self.resume_after + self.step

    def preceding_first(self) -> tuple[int, ...]:
        """Directions in which the frames before `first` were tracked, as in `preceding`."""
        done = 0 if self.resume_after is None else (self.resume_after - self.start) * self.step
        start = (UNTRACKED,) if self.resume_after is not None else ()
        return ((self.step,) * min(done, REACH) + start + self.preceding)[:REACH]

    def frames(self) -> range:
        """Frames still to be done, in tracking order."""
        return range(self.first, self.stop + self.step, self.step)


def _pass_from_json(value: Mapping[str, Any]) -> Pass:
    resume = value["resume_after"]
    return Pass(
        int(value["object_id"]),
        value["direction"],
        int(value["start"]),
        int(value["stop"]),
        tuple(int(d) for d in value["preceding"]),
        None if resume is None else int(resume),
    )


@dataclass(frozen=True)
class Plan:
    """All passes of a run: first those forward, then those backward.

    Parameters
    ----------
    passes : tuple of Pass
        The passes.
    n_frames : int
        Number of frames of the recording.
    begun : Plan, optional
        The whole plan, if this is the rest of one.
    """

    passes: tuple[Pass, ...]
    n_frames: int
    begun: Plan | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Plan:
        """Plan from the result of `to_json`; raises ValueError, TypeError or KeyError for anything else."""
        n_frames = int(value["n_frames"])
        passes = tuple(_pass_from_json(one) for one in value["passes"])
        for one in passes:
            if one.direction not in ("forward", "backward"):
                raise ValueError("a pass in no direction")
            if not (0 <= one.start < n_frames and 0 <= one.stop < n_frames):
                raise ValueError("a pass outside the recording")
        return cls(passes, n_frames)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {"n_frames": self.n_frames, "passes": [asdict(one) for one in self.passes]}

    def rebuilt(self) -> Plan:
        """The plan to follow if no memory of the finished part is left, so that the rest comes out the same.

        Objects are tracked together with the same others as before. If all forward passes are done, only those of their
        frames that the backward passes need are left.
        """
        if self.begun is None:
            return self
        passes = self.begun.passes
        if not self.sweep("forward") and self.begun.sweep("forward"):
            last = max(one.start for one in self.begun.sweep("forward")) + REACH
            passes = tuple(
                replace(one, stop=min(one.stop, last)) if one.direction == "forward" else one for one in passes
            )
        return Plan(passes, self.n_frames)

    def sweep(self, direction: PassDirection) -> tuple[Pass, ...]:
        """Passes in one direction."""
        return tuple(p for p in self.passes if p.direction == direction)

    def frames(self, direction: PassDirection) -> list[int]:
        """Frames that a sweep visits, in tracking order."""
        visited = {t for p in self.sweep(direction) for t in p.frames()}
        return sorted(visited, reverse=direction == "backward")

    @property
    def total(self) -> int:
        """Number of frames that the run will announce."""
        return len(self.frames("forward")) + len(self.frames("backward"))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Objects that take part, in ascending order."""
        return tuple(sorted({p.object_id for p in self.passes}))


def plan_run(states: Sequence[ObjectState], settings: TrackSettings, n_frames: int) -> Plan:
    """Decide what a run has to do.

    An object that was never tracked, or that is named in `settings.objects`, is tracked from its first prompted frame
    in each stretch between fences. An object whose prompts changed is tracked from the changed frame up to the nearest
    fences: accepted frames, painted frames, and prompted frames that did not change. Frames of the range that were not
    reached yet are then tracked from where the object stopped.

    Parameters
    ----------
    states : sequence of ObjectState
        The objects of the session.
    settings : TrackSettings
        Direction, range and objects of the run.
    n_frames : int
        Number of frames of the recording.

    Returns
    -------
    Plan
        Without passes if there is nothing to do.

    Raises
    ------
    PromptError
        If the range is empty, or an object named in the settings is unknown or has no prompt.
    """
    first, last = fitting_range(settings, n_frames)
    known = {s.object_id: s for s in states}
    if settings.objects is not None:
        for object_id in settings.objects:
            if object_id not in known:
                raise PromptError(f"There is no object {object_id} to track.")
            if not known[object_id].prompted:
                raise PromptError(f"Object {object_id} has no prompt yet: click it, box it or paint it on one frame.")
    chosen = [s for s in states if s.prompted and (settings.objects is None or s.object_id in settings.objects)]
    passes: list[Pass] = []
    for state in chosen:
        passes.extend(_passes(state, settings, first, last, named=settings.objects is not None))
    passes.sort(key=lambda p: (p.direction == "backward", p.object_id, p.start))
    return Plan(tuple(passes), n_frames)


def fitting_range(settings: TrackSettings | CheckSettings, n_frames: int) -> tuple[int, int]:
    """First and last frame that a run covers.

    Raises
    ------
    PromptError
        If the range is empty or does not fit the recording.
    """
    first = 0 if settings.start is None else settings.start
    last = n_frames - 1 if settings.stop is None else settings.stop - 1
    if not 0 <= first <= last < n_frames:
        raise PromptError(
            f"The range {first}:{last + 1} does not fit the recording, which has frames 0 to {n_frames - 1}."
        )
    return first, last


def _passes(state: ObjectState, settings: TrackSettings, first: int, last: int, *, named: bool) -> Iterator[Pass]:
    tracked = state.tracked
    never = not tracked.any()
    if never or (named and not state.dirty):
        changed = state.prompted
    elif state.dirty:
        changed = state.dirty & state.prompted
    else:
        yield from _continuations(state, tracked, settings, first, last)
        return
    fences = (state.fences | state.prompted) - changed
    planned: set[int] = set()
    for origin, low, high in _stretches(changed, fences, first, last):
        planned.update(range(low if settings.direction != "forward" else origin, high + 1))
        if settings.direction != "backward":
            yield Pass(state.object_id, "forward", origin, high, preceding=preceding(tracked, origin, "forward"))
            tracked = tracked.copy()
            tracked[origin : high + 1] = FORWARD
            if settings.direction == "both" and low < origin:
                past = preceding(tracked, origin, "backward")
                yield Pass(state.object_id, "backward", origin, low, preceding=past, resume_after=origin)
                tracked[low:origin] = BACKWARD
        else:
            yield Pass(state.object_id, "backward", origin, low, preceding=preceding(tracked, origin, "backward"))
            tracked = tracked.copy()
            tracked[low : origin + 1] = BACKWARD
    if not never and not named:
        around = replace(state, fences=state.fences | planned)
        yield from _continuations(around, tracked, settings, first, last)


def preceding(tracked: npt.NDArray[np.int8], frame: int, direction: PassDirection) -> tuple[int, ...]:
    """Directions in which the frames before `frame` were tracked, the nearest first.

    Parameters
    ----------
    tracked : ndarray of int8, shape (n_frames,)
        Direction by frame.
    frame : int
        The frame.
    direction : {"forward", "backward"}
        Direction of the pass that reaches `frame`.
    """
    if direction == "forward":
        return tuple(tracked[max(frame - REACH, 0) : frame][::-1].tolist())
    return tuple(tracked[frame + 1 : frame + 1 + REACH].tolist())


def _stretches(changed: Iterable[int], fences: frozenset[int], first: int, last: int) -> Iterator[tuple[int, int, int]]:
    """Yield (origin, lowest, highest) for each stretch between fences that holds changed frames."""
    rest = sorted(changed)
    inside = [t for t in rest if first <= t <= last]
    if not inside:
        nearest = [t for t in rest if t < first][-1:] or rest[:1]
        inside = nearest
    while inside:
        origin = inside[0]
        high = min((f - 1 for f in fences if f > origin), default=max(last, origin))
        low = max((f + 1 for f in fences if f < origin), default=min(first, origin))
        yield origin, max(low, min(first, origin)), min(high, max(last, origin))
        inside = [t for t in inside if t > high]


def _continuations(
    state: ObjectState, tracked: npt.NDArray[np.int8], settings: TrackSettings, first: int, last: int
) -> Iterator[Pass]:
    done = np.flatnonzero(tracked)
    low, high = int(done[0]), int(done[-1])
    origin = min(state.prompted)
    if settings.direction != "backward":
        gap = next((t for t in range(origin, high + 1) if not tracked[t]), high + 1)
        fence = min((f for f in state.fences if f >= gap), default=last + 1)
        if gap > origin and gap <= min(last, fence - 1):
            yield Pass(state.object_id, "forward", origin, min(last, fence - 1), resume_after=gap - 1)
    if settings.direction != "forward":
        gap = next((t for t in range(origin, low - 1, -1) if not tracked[t]), low - 1)
        fence = max((f for f in state.fences if f <= gap), default=first - 1)
        if gap < origin and gap >= max(first, fence + 1):
            past = preceding(tracked, origin, "backward")
            yield Pass(state.object_id, "backward", origin, max(first, fence + 1), preceding=past, resume_after=gap + 1)
