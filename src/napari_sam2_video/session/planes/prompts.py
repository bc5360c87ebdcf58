"""Prompts for each walk of a volume: the user's, and sections that other walks found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.masks.records import RUN, newest_records
from napari_sam2_video.session.planes.sections import LEAST_PIXELS, sections_of
from napari_sam2_video.session.prompts import accepted_table
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import MaskPrompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt

    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.planes.sections import Sections
    from napari_sam2_video.session.planes.walks import PlaneWalks
    from napari_sam2_video.storage.tables import Change
    from napari_sam2_video.types import Prompt

MARGIN = 2
"""Number of planes that a walk goes beyond where the object was found."""
SECTIONS = 3
"""Sections that prompt a walk which follows the object between them."""


class PlanePrompts:
    """Prompts of the walks of a session.

    Parameters
    ----------
    context : Context
        The open session.
    objects : Objects
        Its objects.
    walks : PlaneWalks
        Its walks.
    """

    def __init__(self, context: Context, objects: Objects, walks: PlaneWalks) -> None:
        self._context = context
        self._objects = objects
        self._walks = walks

    def count(self, axis: str) -> int:
        """Number of objects with prompts on the planes across an axis."""
        return len({one.object_id for one in self._walks.tables[axis].sets()})

    def accept(self, axis: str, masks: Sequence[MaskPrompt]) -> None:
        """Make masks of a plane the only prompts of their objects there, and the plane accepted for these."""
        context = self._context
        with context.changing():
            number = context.state.next_number
            changes: list[Change] = []
            for mask in masks:
                info = self._objects.changeable(mask.object_id)
                changes += self._walks.tables[axis].changes(number, info.id, mask.frame, [mask])
                planes = {*self._accepted(axis, info.id), mask.frame}
                changes.append((accepted_table(axis), info.id, bounds_of(planes)))
            who = info.name if len(masks) == 1 else f"{len(masks)} objects"
            context.state.commit(changes, name=f"accept {who} on plane {axis} {masks[0].frame}", number=number)
        context.events.announce("prompts", "accepted")

    def unaccept(self, axis: str, object_id: int, plane: int) -> None:
        """Withdraw acceptance of a plane."""
        context = self._context
        with context.changing():
            info = self._objects.changeable(object_id)
            planes = self._accepted(axis, info.id) - {plane}
            name = f"undo acceptance of {info.name} on plane {axis} {plane}"
            context.state.commit([(accepted_table(axis), info.id, bounds_of(planes) or None)], name=name)
        context.events.announce("accepted")

    def accepted_masks(self, axis: str, object_id: int) -> list[tuple[int, npt.NDArray[np.bool_]]]:
        """Accepted planes of an object across another axis with its mask on each, in ascending order."""
        found = []
        for plane in sorted(self._accepted(axis, object_id)):
            given = self._walks.tables[axis].get(object_id, plane)
            mask = next((one.mask for one in given if isinstance(one, MaskPrompt)), None)
            if mask is not None:
                found.append((plane, mask))
        return found

    def wanted(
        self, axis: str, object_ids: Sequence[int], sections: Mapping[int, Sections]
    ) -> dict[int, dict[int, list[Prompt]]]:
        """Prompts of a walk: the user's, and `sections` of the objects, by object and plane.

        Objects without an id in `object_ids` keep their prompts in the walk.
        """
        prompts: dict[int, dict[int, list[Prompt]]] = {}
        for info in self._objects.all():
            given = prompts.setdefault(info.id, {})
            for one in self._walks.tables[axis].sets(info.id):
                given[one.frame] = list(self._walks.tables[axis].get(info.id, one.frame))
        for object_id, masks in self._masks(axis, sections).items():
            for mask in masks:
                prompts[object_id].setdefault(mask.frame, [mask])
        walk = self._walks.find(axis)
        kept = {info.id for info in walk.objects} - set(object_ids) if walk is not None else set()
        for object_id in kept & prompts.keys():
            assert walk is not None
            prompts[object_id] = {}
            for one in walk.prompt_sets(object_id):
                prompts[object_id][one.frame] = list(walk.prompts(object_id, one.frame))
        return prompts

    def prompt_own(self, axes: Sequence[str]) -> None:
        """Prompt objects that have no prompt on the session's own frames with sections from other walks; one step."""
        own = self._walks.own
        lacking = [
            info.id
            for info in self._objects.all()
            if not info.locked
            and not self._walks.tables[own].sets(info.id)
            and not self._context.masks.painted(info.id)
        ]
        found = self._masks(own, self.sections(own, lacking, axes))
        if not found:
            return
        context = self._context
        with context.changing():
            number = context.state.next_number
            table = self._walks.tables[own]
            changes = [
                change
                for object_id, masks in found.items()
                for mask in masks
                for change in table.changes(number, object_id, mask.frame, [mask])
            ]
            context.state.commit(changes, name=f"prompts of {len(found)} objects from crossing planes", number=number)
        context.events.announce("prompts")

    def span(
        self, axis: str, prompts: Mapping[int, Mapping[int, Sequence[Prompt]]], axes: Sequence[str]
    ) -> tuple[int, int] | None:
        """First plane that a walk has to cover, and the one after the last; None if it has no prompt."""
        planes = [plane for given in prompts.values() for plane in given]
        if not planes:
            return None
        low, high = min(planes), max(planes)
        for object_id in prompts:
            for other in axes:
                reach = None if other == axis else self._reach(other, object_id, axis)
                if reach is not None:
                    low, high = min(low, reach[0]), max(high, reach[1])
        return max(0, low - MARGIN), min(self._walks.views[axis].n_frames, high + 1 + MARGIN)

    def _accepted(self, axis: str, object_id: int) -> frozenset[int]:
        spans = self._context.state.get(accepted_table(axis), object_id, ())
        return frozenset(plane for start, stop in spans for plane in range(start, stop))

    def _masks_of(self, axis: str) -> Context | None:
        """Where the masks of a walk are; None if there is no walk yet."""
        if axis == self._walks.own:
            return self._context
        walk = self._walks.find(axis)
        return None if walk is None else walk.context

    def begins_along(self, object_id: int) -> str:
        """Axis of the walk in which an object starts: the session's own unless only other planes were prompted.

        Only masks on the session's own frames may be sections from another walk.
        """
        own = self._walks.own
        elsewhere = next((axis for axis in self._walks.others if self._walks.tables[axis].sets(object_id)), None)
        given = self._walks.tables[own].sets(object_id)
        return own if elsewhere is None or any(one.kinds != ("mask",) for one in given) else elsewhere

    def sections(self, axis: str, object_ids: Sequence[int], axes: Sequence[str]) -> dict[int, Sections]:
        """Sections on the planes across an axis of objects that another walk of `axes` found.

        This reads all of its masks.
        """
        found: dict[int, Sections] = {}
        for other, source, settled in self._origins(axis, object_ids, axes):
            shape = (source.masks.n_frames, *source.masks.shape_yx)
            stacks = self._walks.stack(other), self._walks.stack(axis)
            found |= sections_of(source.masks.run_masks, shape, *stacks, settled)
        return found

    def guides(self, axis: str, sections: Mapping[int, Sections]) -> dict[int, Sections]:
        """Those of the sections that guide the walk along an axis: of objects that start in another one."""
        return {i: one for i, one in sections.items() if axis not in (self._walks.own, self.begins_along(i))}

    def newest(self, axis: str, object_id: int, axes: Sequence[str]) -> str | None:
        """A key that changes whenever the sections of `guides` may have changed; None if there are none."""
        for other, source, _ in self._origins(axis, [object_id], axes):
            rows = newest_records(source.state, object_id, (RUN,))
            return f"{other} {max(number for number, _ in rows.values())}"
        return None

    def _masks(self, axis: str, sections: Mapping[int, Sections]) -> dict[int, list[MaskPrompt]]:
        """Sections that prompt the walk on planes across an axis, by object.

        One is enough if the walk segments every plane separately; if it follows the object, they are spread evenly.
        """
        prompts: dict[int, list[MaskPrompt]] = {}
        for object_id, found in sections.items():
            follows = axis in (self._walks.own, self.begins_along(object_id))
            for plane in found.crossing(SECTIONS if follows else 1):
                section = found.on(plane)
                if int(np.count_nonzero(section)) >= LEAST_PIXELS:
                    prompts.setdefault(object_id, []).append(MaskPrompt(object_id, plane, section))
        return prompts

    def _origins(
        self, axis: str, object_ids: Sequence[int], axes: Sequence[str]
    ) -> Iterator[tuple[str, Context, dict[int, int]]]:
        """Other walks with the objects whose sections they provide, and the settled plane that shows most of each."""
        left = list(object_ids)
        for other in self._walks.views:
            source = self._masks_of(other) if other != axis and other in axes else None
            if source is None:
                continue
            settled = {i: largest for i in left if (largest := self._largest(other, source, i)) is not None}
            left = [i for i in left if i not in settled]
            if settled:
                yield other, source, settled

    def _largest(self, axis: str, source: Context, object_id: int) -> int | None:
        """The settled plane on which the walk found most of an object; None if it found it on none."""
        planes = {one.frame for one in self._walks.tables[axis].sets(object_id)}
        if axis == self._walks.own:
            planes |= {*source.masks.painted(object_id), *source.inputs.accepted(object_id)}
        areas = {
            plane: int(np.count_nonzero(mask.levels))
            for plane in sorted(planes)
            for mask in source.masks.run_masks(plane)
            if mask.object_id == object_id
        }
        best = max(areas, key=lambda plane: areas[plane], default=None)
        return best if best is not None and areas[best] else None

    def _reach(self, other: str, object_id: int, axis: str) -> tuple[int, int] | None:
        """First and last plane across an axis on which another walk found an object."""
        source = self._masks_of(other)
        rows = newest_records(source.state, object_id, (RUN,)) if source is not None else {}
        figures = [info.figures_of(object_id) for _, info in rows.values()]
        here = [row for row in figures if row["area"] > 0]
        if not here:
            return None
        low, high = (("y0", "y1"), ("x0", "x1"))[self._walks.stack(other).axes.index(axis) - 1]
        return min(int(row[low]) for row in here), max(int(row[high]) for row in here) - 1
