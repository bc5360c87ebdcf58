"""Plan which parts of a track are tracked back, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.plan import Pass
from napari_sam2_video.spans import frame_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from napari_sam2_video.engine.plan import PassDirection


@dataclass(frozen=True)
class Span:
    """Frames of an object to compare with a pass from one of its masks.

    Parameters
    ----------
    object_id : int
        The object.
    origin : int
        Frame whose mask the pass starts from.
    direction : {"forward", "backward"}
        Direction of the pass, opposite to the one in which the frames were tracked.
    frames : range
        Frames to compare, in the order of the pass; the last one ends it.
    """

    object_id: int
    origin: int
    direction: PassDirection
    frames: range

    def walk(self, object_id: int) -> Pass:
        """The pass, for a tracker that uses another object id."""
        return Pass(object_id, self.direction, self.origin, self.frames[-1])


def plan_spans(
    object_id: int, scores: Mapping[str, npt.NDArray[Any]], length: int, first: int, last: int
) -> Iterator[Span]:
    """Cut the track of an object into spans to track back.

    Neighbouring frames that were tracked in one direction, and that the user did not settle, are cut into spans of at
    most `length` frames, as equal as possible. Each is tracked back from the frame beyond it. Beyond the last one is a
    frame that the user settled, one that was tracked from the other side, or nothing; in the last case its own last
    frame is the origin, and is not compared. If the object is absent on the origin, the pass starts from the last frame
    of the span that shows it, and frames beyond that are not compared.

    Parameters
    ----------
    object_id : int
        The object.
    scores : mapping of str to ndarray
        Its ``frame``, ``area``, ``walk``, ``prompted``, ``painted`` and ``accepted``, as of `Session.scores`.
    length : int
        Maximum number of frames in a span.
    first, last : int
        Frames to compare, both included; the spans themselves do not depend on them.
    """
    known = scores["frame"].tolist()
    shown = {frame for frame, area in zip(known, scores["area"].tolist(), strict=True) if area > 0}
    settled = scores["prompted"] | scores["painted"] | scores["accepted"]
    for step in (1, -1):
        wanted = scores["frame"][(scores["walk"] == step) & ~settled]
        for run in frame_runs(wanted.tolist()):
            path = list(run)[::step]
            if path and path[-1] + step in shown:
                path.append(path[-1] + step)
            for part in _parts(path, length):
                while part[-1] not in shown and len(part) > 1:
                    part.pop()
                compared = [t for t in part[:-1] if first <= t <= last]
                if compared:
                    frames = range(compared[-1], compared[0] - step, -step)
                    yield Span(object_id, part[-1], "backward" if step == 1 else "forward", frames)


def _parts(path: list[int], length: int) -> Iterator[list[int]]:
    """Equal parts of all frames of a path except the last, each followed by the frame beyond it."""
    count = -(-(len(path) - 1) // length)
    bounds = [round(i * (len(path) - 1) / count) for i in range(count + 1)] if count > 0 else []
    for low, high in pairwise(bounds):
        yield path[low : high + 1]
