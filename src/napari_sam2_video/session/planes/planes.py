"""A volume from all sides: prompts on any plane, walks along three axes, and their fused masks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.plan import plan_run
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.frames.crossing import VOLUME_AXES
from napari_sam2_video.session.planes.disputes import Disputes
from napari_sam2_video.session.planes.fusing import LEAST_WALKS, Fusing
from napari_sam2_video.session.planes.prompts import PlanePrompts
from napari_sam2_video.session.planes.refining import refined
from napari_sam2_video.session.planes.walks import PlaneWalks
from napari_sam2_video.session.prompts import key_of
from napari_sam2_video.session.run import unfinished_run
from napari_sam2_video.types import FrameMasks, MaskPrompt, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from typing import Any

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.frames.view import FrameView
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.planes.fusing import Fusion
    from napari_sam2_video.session.prompt_table import PromptTable
    from napari_sam2_video.session.prompts import PromptSet
    from napari_sam2_video.session.session import Session
    from napari_sam2_video.session.tracker import TrackerFactory
    from napari_sam2_video.session.tracking import Tracking
    from napari_sam2_video.types import FrameDone, Preview, Prompt

GUIDED = "guided"
"""Table: the newest masks that the sections were taken from in which a walk looked for an object."""


class Planes:
    """The planes of a volume across all of its axes.

    Parameters
    ----------
    context : Context
        The open session.
    objects, prompts, tracking
        Its parts.
    factory : callable, optional
        Makes trackers.
    """

    def __init__(
        self,
        context: Context,
        objects: Objects,
        prompts: PromptTable,
        tracking: Tracking,
        factory: TrackerFactory | None,
    ) -> None:
        self._context = context
        self._objects = objects
        self._tracking = tracking
        self._walks = PlaneWalks(context, objects, prompts, factory, lambda: tracking.tracker)
        self._asked = PlanePrompts(context, objects, self._walks)
        self._fusing = Fusing(context, self._walks, self._asked)
        self._disputes = Disputes(context, objects, self._fusing)

    @property
    def axes(self) -> tuple[str, ...]:
        """Axes that the session can be walked along, its own first; only that if it is not a volume."""
        return tuple(self._walks.views)

    def checked(self, axes: Sequence[str]) -> tuple[str, ...]:
        """Axes of the volume as distinct capital letters, from a sequence or a text such as ``"zyx"``.

        Raises
        ------
        SessionError
            If the session cannot be walked along one of them.
        """
        return tuple(dict.fromkeys(self._walks.checked(axis) for axis in axes))

    def view(self, axis: str) -> FrameView:
        """The planes across an axis: their number, their shape, and the letters of their rows and columns."""
        return self._walks.views[self._walks.checked(axis)]

    def prompts(
        self, axis: str, object_id: int | None = None, plane: int | None = None, *, masks: bool = True
    ) -> tuple[Prompt, ...]:
        """Prompts on the planes across an axis, optionally of one object, on one plane or without masks."""
        return self._walks.tables[self._walks.checked(axis)].get(object_id, plane, masks=masks)

    def all_prompts(self) -> tuple[Prompt, ...]:
        """Prompts on all planes; those across other axes than the session's own have their `axis` set."""
        own, *others = self.axes
        elsewhere = [replace(prompt, axis=axis) for axis in others for prompt in self.prompts(axis)]
        return (*self.prompts(own), *elsewhere)

    def prompt_sets(self, axis: str) -> tuple[PromptSet, ...]:
        """The same prompts as sets, without unpacking masks."""
        return self._walks.tables[self._walks.checked(axis)].sets()

    @property
    def prompted(self) -> tuple[str, ...]:
        """Axes with prompts on planes across them, the session's own first."""
        return tuple(axis for axis in self.axes if self._walks.tables[axis].sets())

    def changed(self) -> frozenset[int]:
        """Objects with prompts on planes across other axes that their walks have not been tracked with."""
        asked = ((axis, one) for axis in self.axes[1:] for one in self._walks.tables[axis].sets())
        return frozenset(one.object_id for axis, one in asked if self.is_new(axis, one.object_id, one.frame))

    def set_prompts(self, axis: str, object_id: int, plane: int, prompts: Sequence[Prompt]) -> None:
        """Replace the prompts of an object on a plane; an empty sequence removes them.

        The ``frame`` of a prompt is the plane, its ``y`` and ``x`` are the row and the column on it: the axes ``ZX`` of
        a plane across ``Y``, ``ZY`` of one across ``X``.
        """
        self._walks.tables[self._walks.checked(axis)].set(object_id, plane, prompts)

    def add_prompt(self, axis: str, prompt: Prompt) -> None:
        """Add a prompt on a plane across an axis; see `set_prompts`."""
        self._walks.tables[self._walks.checked(axis)].add(prompt)

    def preview(self, axis: str, object_id: int, plane: int) -> Preview:
        """Masks that the prompts of a plane would select; nothing is kept."""
        letter = self._walks.checked(axis)
        given = self.prompts(letter, object_id, plane)
        if letter == self._walks.own:
            return self._tracking.preview(object_id, plane, given)
        sections = self._asked.sections(letter, [object_id], self.axes)
        walk = self._walks.ready(letter, self._asked.wanted(letter, [object_id], sections))
        guide = self._asked.guides(letter, sections).get(object_id)
        if guide is None or not given:
            return walk.preview(object_id, plane, given)
        spacing_yx = self._walks.spacing(letter)[1:]
        return refined(lambda prompts: walk.tracker.preview(object_id, plane, prompts), given, guide, spacing_yx)

    def is_new(self, axis: str, object_id: int, plane: int) -> bool:
        """Whether an object has prompts on a plane that its walk has not been tracked with."""
        letter = self._walks.checked(axis)
        given = self.prompts(letter, object_id, plane)
        if letter == self._walks.own:
            return bool(given) and plane in self._context.inputs.state(object_id, self._tracking.tag).dirty
        walk = self._walks.find(letter) if given else None
        # An object made since the walk was last used is not in it yet.
        known = walk is not None and object_id in {info.id for info in walk.objects}
        if walk is None or not known or walk.prompts(object_id, plane) != given:
            return bool(given)
        return plane in walk.state(object_id).dirty

    def prepare(self, axis: str) -> Session:
        """The walk along another axis, with the session's objects and the prompts of its planes, ready to be tracked.

        It is a separate session; changes in it do not reach this one.
        """
        letter = self._walks.checked(axis)
        if letter == self._walks.own:
            raise SessionError(f"The session itself is tracked along {letter}.")
        known = [info.id for info in self._objects.all()]
        return self._walks.ready(
            letter, self._asked.wanted(letter, known, self._asked.sections(letter, known, self.axes))
        )

    def section(self, axis: str, object_id: int, plane: int) -> npt.NDArray[np.bool_]:
        """The object's mask on a plane across an axis, as displayed."""
        letter = self._walks.checked(axis)
        own, other = self._walks.stack(self._walks.own), self._walks.stack(letter)
        masks = self._context.masks
        if letter == self._walks.own:
            return masks.object_mask(plane, object_id)
        position, swapped = own.axis_of(other)
        lines = [masks.object_mask(f, object_id).take(plane, position - 1) for f in range(masks.n_frames)]
        section = np.stack(lines)
        return np.ascontiguousarray(section.T) if swapped else section

    def accept(self, axis: str, object_id: int, plane: int) -> None:
        """Accept the object's displayed mask on a plane: it prompts the walk, and fusing does not change it.

        Accepting planes of the session's own walk is `Session.accept`.
        """
        self.accept_objects(axis, (object_id,), plane)

    def accept_objects(self, axis: str, object_ids: Sequence[int], plane: int) -> None:
        """Accept several objects on a plane, as `accept`, in one step."""
        letter = self._walks.checked(axis)
        if letter == self._walks.own:
            raise SessionError(f"Planes across {letter} are the frames of the session; accept them with accept().")
        masks = [MaskPrompt(number, plane, self.section(letter, number, plane)) for number in object_ids]
        for one in masks:
            if not one.mask.any():
                raise SessionError(
                    f"Object {one.object_id} is not on plane {plane} across {letter}; accept one that shows it."
                )
        self._asked.accept(letter, masks)

    def unaccept(self, axis: str, object_id: int, plane: int) -> None:
        """Withdraw acceptance of a plane; its prompt stays."""
        self._asked.unaccept(self._walks.checked(axis), object_id, plane)

    def accepted(self, axis: str, object_id: int) -> tuple[int, ...]:
        """Planes across an axis on which an object is accepted, in ascending order."""
        letter = self._walks.checked(axis)
        if letter == self._walks.own:
            return tuple(sorted(self._context.inputs.accepted(object_id)))
        return tuple(plane for plane, _ in self._asked.accepted_masks(letter, object_id))

    def track(
        self, settings: TrackSettings, axes: Sequence[str], stop: Callable[[], bool] | None
    ) -> Generator[FrameDone]:
        """Track along several axes, one walk after the other; see `Session.track_planes`."""
        chosen = self.checked(axes)
        halted = stop or (lambda: False)
        order = sorted(self.axes, key=lambda axis: (-self._asked.count(axis), self.axes.index(axis)))
        for axis in (one for one in order if one in chosen):
            if halted():
                return
            if axis == self._walks.own:
                yield from self._track_own(settings, chosen, stop)
                continue
            try:
                yield from self._track_other(axis, settings, chosen, stop)
            finally:
                # Its embeddings would only take up memory while the others are walked.
                self._walks.release(axis)
        if self._walks.own in chosen and order[0] != self._walks.own and not halted():
            yield from self._track_own(settings, chosen, stop)

    def fuse(
        self,
        objects: Sequence[int] | None,
        axes: Sequence[str] | None,
        progress: Callable[[int, int], None] | None,
    ) -> list[Fusion]:
        """Fuse the walks; see `Session.fuse`."""
        chosen = self.axes if axes is None else self.checked(axes)
        self._context.check_writable()
        if objects is None:
            known = [o for o in self._objects.all() if len(self._fusing.sources(o.id, chosen)) >= LEAST_WALKS]
            if not known:
                raise PromptError("There is nothing to fuse: track along at least two axes first.")
            named = [o.id for o in known if not o.locked and self._fusing.is_outdated(o.id, axes and chosen)]
        else:
            named = sorted({self._objects.changeable(i).id for i in objects})
            lacking = [i for i in named if len(self._fusing.sources(i, chosen)) < LEAST_WALKS]
            if lacking:
                raise PromptError(f"Object {lacking[0]} was tracked along at most one axis; track it along two first.")
        if not named:
            return []
        with self._context.busy.alone("A run is under way; wait for it or stop it before you fuse its masks."):
            self._context.busy.work_on(frozenset(named))
            return self._fusing.fuse(named, chosen, self._disputes.made(), progress)

    def outdated(self) -> tuple[int, ...]:
        """Objects tracked along several axes since they were last fused."""
        return tuple(o.id for o in self._objects.all() if self._fusing.is_outdated(o.id))

    @property
    def begun(self) -> tuple[str, ...]:
        """Axes that the session walks itself or that were tracked along."""
        return tuple(axis for axis in self.axes if axis == self._walks.own or self._was_walked(axis))

    def walked(self, object_id: int) -> tuple[str, ...]:
        """Axes of the walks that have masks of an object."""
        return tuple(source.axis for source in self._fusing.sources(object_id, self.axes))

    def fused(self, object_id: int) -> tuple[str, ...]:
        """Axes of the walks from which an object's masks were fused; empty if they were not."""
        return self._fusing.axes_of(object_id)

    def fused_on(self, object_id: int) -> dict[str, Any] | None:
        """How an object was last fused, for provenance: the walks and the settings; None if it was not."""
        return self._fusing.said(object_id)

    def disputed(self, frame: int) -> npt.NDArray[Any]:
        """Voxels of a frame on which the walks disagreed, as a label image of object ids, shape ``(Y, X)``."""
        return self._disputes.labels(frame)

    def review_items(self) -> list[ReviewItem]:
        """Planes on which the walks disagree, those with the most disputed voxels first."""
        return self._disputes.review_items()

    def answer_review(self, item: ReviewItem, answer: str) -> None:
        """Restore the mask of the session's own walk on the plane of an item."""
        context = self._context
        with context.changing():
            info = self._objects.changeable(item.object_id)
            masks = tuple(m for m in context.masks.run_masks(item.frame) if m.object_id == info.id)
            step = context.state.commit([], name=f"{info.name} as tracked along {self._walks.own} on {item.frame}")
            own = FrameMasks(item.frame, context.view.shape_yx, masks)
            context.masks.write(own, generation=step)
        context.events.announce("masks")

    def close(self) -> None:
        """Close the walks."""
        self._walks.close()
        self._disputes.close()

    def _was_walked(self, axis: str) -> bool:
        walk = self._walks.find(axis)
        return walk is not None and any(len(walk.masks.frames_done(info.id)) for info in walk.objects)

    def _track_own(
        self, settings: TrackSettings, axes: Sequence[str], stop: Callable[[], bool] | None
    ) -> Generator[FrameDone]:
        self._asked.prompt_own(axes)
        states = [self._context.inputs.state(i, self._tracking.tag) for i in self._free(settings)]
        own = tuple(state.object_id for state in states if state.prompted)
        if not own:
            return
        wanted = settings if settings.objects is None else replace(settings, objects=own)
        if plan_run(states, wanted, self._context.view.n_frames).passes:
            yield from self._tracking.track(wanted, stop)

    def _track_other(
        self, axis: str, settings: TrackSettings, axes: Sequence[str], stop: Callable[[], bool] | None
    ) -> Generator[FrameDone]:
        free = self._free(settings)
        sections = self._asked.sections(axis, free, axes)
        prompts = self._asked.wanted(axis, free, sections)
        walk = self._walks.ready(axis, prompts, free)
        guides = self._walks.guides[axis] = self._asked.guides(axis, sections)
        begun = unfinished_run(walk.context.state)
        cut_off: frozenset[int] = frozenset() if begun is None else frozenset(begun.plan.object_ids)
        if walk.unfinished and cut_off <= set(free):
            with closing(walk.resume(stop=stop)) as frames:
                yield from (replace(done, axis=axis) for done in frames)
            cut_off = frozenset()
        span = self._asked.span(axis, prompts, axes)
        if span is None:
            return
        newest = {i: self._asked.newest(axis, i, axes) for i in guides}
        outdated = [
            i for i in sorted(guides) if walk.state(i).prompted and (i in cut_off or self._guided(axis, i) != newest[i])
        ]
        wanted = [TrackSettings("both", *span, tuple(outdated))] if outdated else []
        for one in (*wanted, TrackSettings("both", *span)):
            if stop is not None and stop():
                return
            if plan_run([walk.state(i) for i in free], one, walk.n_frames).passes:
                # A new run replaces one that was cut off, so its other objects begin again next time.
                noted = [
                    (GUIDED, key_of(i, VOLUME_AXES.index(axis)), newest[i] if i in (one.objects or ()) else None)
                    for i in sorted(cut_off.union(one.objects or ()))
                ]
                cut_off = frozenset()
                with closing(walk.track(one, stop=stop)) as frames:
                    for done in frames:
                        if noted:
                            # From here on the run is resumed, should it be cut off.
                            self._context.state.commit(noted)
                            noted = []
                        yield replace(done, axis=axis)

    def _guided(self, axis: str, object_id: int) -> str | None:
        """Which sections an object was looked for in when its walk along an axis was tracked last."""
        found: str | None = self._context.state.get(GUIDED, key_of(object_id, VOLUME_AXES.index(axis)))
        return found

    def _free(self, settings: TrackSettings) -> list[int]:
        """Objects of a run: those named, or all unlocked ones."""
        if settings.objects is not None:
            return sorted({self._objects.changeable(i, "track").id for i in settings.objects})
        return [info.id for info in self._objects.all() if not info.locked]
