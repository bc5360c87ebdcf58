"""A tracker that segments each plane of a walk separately, guided by another walk of the volume."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.plan import Plan
from napari_sam2_video.session.planes.plane_masks import PlaneMasks
from napari_sam2_video.session.tracker import close_tracker
from napari_sam2_video.types import FrameMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.engine.costs import FrameCosts
    from napari_sam2_video.session.planes.sections import Sections
    from napari_sam2_video.session.tracker import TrackerLike, TrackerMemory
    from napari_sam2_video.types import ObjectMask, Preview, Prompt


class GuidedTracker:
    """A tracker for planes across another axis, where the sections of most objects are roughly known.

    An object is not followed from plane to plane by memory, but segmented from its section on each. Memory goes wrong
    if sections are flat and change fast, and without it errors do not add up.

    Parameters
    ----------
    tracker : TrackerLike
        The tracker for the planes. It answers prompts, and tracks objects without sections.
    guides : callable
        Returns the sections on its planes, by object.
    asked : callable
        Returns the user's prompts for an object on a plane, which refine its section.
    spacing : tuple of float
        Distance of the planes, of their rows and of their columns, in one unit. Planes much denser than the coarser of
        their own axes are not all segmented: see `PlaneMasks`.
    """

    def __init__(
        self,
        tracker: TrackerLike,
        guides: Callable[[], Mapping[int, Sections]],
        asked: Callable[[int, int], Sequence[Prompt]],
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        self._tracker = tracker
        self._guides = guides
        self._asked = asked
        self._spacing = spacing
        self.model: Any = getattr(tracker, "model", None)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the network for the user."""
        return self._tracker.notes

    @property
    def memory(self) -> TrackerMemory:
        """What the tracker remembers."""
        return self._tracker.memory

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> Preview:
        """Candidates of prompts."""
        return self._tracker.preview(object_id, frame, prompts, tracked=tracked)

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> ObjectMask:
        """Make prompts part of an object's memory."""
        return self._tracker.condition(object_id, frame, prompts, tracked=tracked)

    def run(self, plan: Plan, *, stop: Callable[[], bool] | None = None) -> Generator[FrameMasks]:
        """Masks of the planes of a plan."""
        guides = self._guides()
        followed = _without(plan, guides)
        if len(followed.passes) == len(plan.passes):
            yield from self._tracker.run(plan, stop=stop)
            return
        with closing(self._tracker.run(followed, stop=stop)) as frames:
            yield from self._merged(plan, followed, guides, frames, stop or (lambda: False))

    def costs(
        self, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
    ) -> tuple[FrameCosts, ObjectMask]:
        """The cost of a frame on the device in use, and the first object; see `engine.costs.measure_costs`."""
        return self._tracker.costs(objects, stop)

    def scratch(self) -> TrackerLike:
        """A tracker with the same network and an empty memory, which follows every object."""
        return self._tracker.scratch()

    def close(self) -> None:
        """Release what the tracker holds on a server."""
        close_tracker(self._tracker)

    def _merged(
        self,
        plan: Plan,
        followed: Plan,
        guides: Mapping[int, Sections],
        frames: Generator[FrameMasks],
        halted: Callable[[], bool],
    ) -> Iterator[FrameMasks]:
        """Planes in the order of the plan, with both the followed and the guided objects."""
        found_on = PlaneMasks(self._tracker, guides, self._asked, self._spacing)
        for direction in ("forward", "backward"):
            visited = set(followed.frames(direction))
            for plane in plan.frames(direction):
                if halted():
                    return
                masks = next(frames, None) if plane in visited else None
                if masks is None and plane in visited:
                    return
                here = {one.object_id for one in plan.sweep(direction) if plane in one.frames()}
                found = [found_on.mask(i, plane) for i in sorted(here & guides.keys())]
                found += [] if masks is None else masks.objects
                found.sort(key=lambda mask: mask.object_id)
                shape_yx = next(iter(guides.values())).plane_shape
                yield FrameMasks(plane, shape_yx, tuple(found), direction)


def _without(plan: Plan, object_ids: Container[int]) -> Plan:
    """A plan without some objects, nor what was begun of them."""
    begun = None if plan.begun is None else _without(plan.begun, object_ids)
    return Plan(tuple(one for one in plan.passes if one.object_id not in object_ids), plan.n_frames, begun)
