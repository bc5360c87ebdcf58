"""The other walks of a session of a volume: sessions of their own below it, with its objects and prompts.

The user's prompts on any plane are in the session's own journal; a walk below it holds what follows from them, and is
updated before use. So undo, crash recovery and copying involve one folder and one history.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from napari_sam2_video.engine.isotropic import Fit, FittedFrames, FittedTracker
from napari_sam2_video.errors import SessionError
from napari_sam2_video.frames.crossing import VOLUME_AXES, PlaneStack, crossing_axes, crossing_view, spacing_of
from napari_sam2_video.frames.view import FrameView
from napari_sam2_video.session.manifest import NAME
from napari_sam2_video.session.planes.guided import GuidedTracker
from napari_sam2_video.session.prompt_table import PromptTable
from napari_sam2_video.session.prompts import key_of, prompts_table
from napari_sam2_video.session.tracker import default_tracker, tracker_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.planes.sections import Sections
    from napari_sam2_video.session.session import Session
    from napari_sam2_video.session.tracker import TrackerFactory, TrackerLike
    from napari_sam2_video.types import FrameSource, ModelSettings, Prompt

FOLDER = "walks"
SHARED = "shared"
"""Table: the removal count of its id with which each walk got an object."""


class PlaneWalks:
    """The walks of a session along the other axes of its volume.

    Parameters
    ----------
    context : Context
        The open session.
    objects : Objects
        Its objects.
    own_prompts : PromptTable
        Its prompts on its own frames.
    factory : callable, optional
        Makes trackers.
    own_tracker : callable
        Returns the session's own tracker, whose network the walks share.

    Attributes
    ----------
    own : str
        The axis that the session walks itself.
    others : tuple of str
        The other axes of the volume; empty if the frames are not slices of a volume.
    views : dict of str to FrameView
        The planes across each axis.
    tables : dict of str to PromptTable
        The user's prompts on the planes across each axis.
    guides : dict of str to dict of int to Sections
        For each axis, the sections on its planes that guide the walk while it is tracked.
    """

    def __init__(
        self,
        context: Context,
        objects: Objects,
        own_prompts: PromptTable,
        factory: TrackerFactory | None,
        own_tracker: Callable[[], TrackerLike],
    ) -> None:
        self.own = context.view.walk_axis
        self.others = crossing_axes(context.view)
        self.views: dict[str, FrameView] = {self.own: context.view}
        self.views.update({axis: crossing_view(context.view, axis) for axis in self.others})
        self.tables = {self.own: own_prompts}
        for axis in self.others:
            self.tables[axis] = PromptTable(context, objects, self.views[axis], prompts_table(axis))
        self.guides: dict[str, Mapping[int, Sections]] = {}
        self._context = context
        self._objects = objects
        self._factory = factory or default_tracker
        self._own_tracker = own_tracker
        self._open: dict[str, Session] = {}
        self._closed = False
        self._lock = threading.RLock()

    def stack(self, axis: str) -> PlaneStack:
        """The planes across an axis."""
        return PlaneStack.of(self.views[axis])

    def spacing(self, axis: str) -> tuple[float, float, float]:
        """Distance of the planes across an axis, of their rows and of their columns, in one unit."""
        known = dict(zip(self.stack(self.own).axes, spacing_of(self._context.view).tolist(), strict=True))
        between, rows, columns = (known[letter] for letter in self.stack(axis).axes)
        return between, rows, columns

    def checked(self, axis: str) -> str:
        """An axis of the volume as a capital letter.

        Raises
        ------
        SessionError
            If the session cannot be walked along it.
        """
        letter = str(axis).strip().upper()
        if letter not in self.views:
            known = ", ".join(self.views)
            hint = "" if self.others else "; its frames are not the slices of a volume with the axes Z, Y and X"
            if not self.others and set(VOLUME_AXES) <= set(self._context.view.recording.axes):
                hint += ", so start one along Z (--axis Z)"
            raise SessionError(f"The session has no planes across {letter!r}, only {known}{hint}.")
        return letter

    def exists(self, axis: str) -> bool:
        """Whether the walk along an axis exists."""
        return axis in self._open or (self._folder(axis) / NAME).is_file()

    def find(self, axis: str) -> Session | None:
        """The walk along another axis in its current state; None if there is none yet."""
        from napari_sam2_video.session.session import Session

        known = self._open.get(axis)
        if known is not None:
            # Reading need not wait until another walk is ready.
            return known
        with self._lock:
            if axis not in self._open and self.exists(axis) and not self._closed:
                self._open[axis] = Session.open(
                    self._folder(axis),
                    recording=self._context.view.recording,
                    read_only=self._context.read_only,
                    tracker_factory=self._fitted,
                )
            return self._open.get(axis)

    def ready(
        self,
        axis: str,
        prompts: Mapping[int, Mapping[int, Sequence[Prompt]]],
        free: Collection[int] | None = None,
    ) -> Session:
        """The walk along another axis, updated to the session's objects and model and exactly these prompts.

        Parameters
        ----------
        axis : str
            The axis.
        prompts : mapping of int to mapping of int to sequence of Prompt
            Prompts by object and plane.
        free : collection of int, optional
            The objects that may be tracked, by default all unlocked ones; the others are locked in the walk.
        """
        from napari_sam2_video.session.session import Session

        self._context.check_writable()
        with self._lock:
            if self._closed:
                raise SessionError(f"{self._context.folder} is closed; open it again to change it.")
            walk = self.find(axis)
            if walk is None:
                view = self.views[axis]
                settings = self._context.model_settings
                walk = Session.create(
                    self._folder(axis), view.recording, view.settings, settings, tracker_factory=self._fitted
                )
                self._open[axis] = walk
            walk.set_model(self._context.model_settings)
            self._share_objects(walk)
            for info in walk.objects:
                wanted = prompts.get(info.id, {})
                there = {found.frame for found in walk.prompt_sets(info.id)}
                for plane in sorted(there - wanted.keys()):
                    walk.set_prompts(info.id, plane, ())
                for plane, given in sorted(wanted.items()):
                    walk.set_prompts(info.id, plane, given)
                if self._objects.get(info.id).locked or (free is not None and info.id not in free):
                    walk.edit_object(info.id, locked=True)
            return walk

    def release(self, axis: str) -> None:
        """Release the tracker of a walk and its guides; the next use makes a new one."""
        self.guides.pop(axis, None)
        walk = self._open.get(axis)
        if walk is not None:
            walk.release()

    def close(self) -> None:
        """Close open walks; no others can be opened afterwards."""
        with self._lock:
            self._closed = True
            while self._open:
                self._open.popitem()[1].close()

    def _folder(self, axis: str) -> Path:
        return self._context.folder / FOLDER / axis.lower()

    def _share_objects(self, walk: Session) -> None:
        """Give a walk the objects of the session; one that was removed and added again starts empty."""
        state = self._context.state
        with state.lock:
            removed = {int(i): int(n) for i, n in state.table("removed").items()}
        ours = {info.id: info for info in self._objects.all()}
        axis = walk.view.walk_axis
        for info in walk.objects:
            if info.locked:
                walk.edit_object(info.id, locked=False)
            since = state.get(SHARED, key_of(info.id, VOLUME_AXES.index(axis)), 0)
            if info.id not in ours or removed.get(info.id, 0) != since:
                walk.remove_object(info.id)
        known = {info.id for info in walk.objects}
        for object_id, info in ours.items():
            if object_id not in known:
                walk.add_object(info.name, info.color, object_id)
                key = key_of(object_id, VOLUME_AXES.index(axis))
                state.commit([(SHARED, key, removed.get(object_id, 0))])

    def _fitted(self, settings: ModelSettings, source: FrameSource, memory: Path | None) -> TrackerLike:
        assert isinstance(source, FrameView)
        axis = source.walk_axis
        spacing = self.spacing(axis)
        fit = Fit.of(source.shape_yx, spacing[1:])
        frames: FrameSource = source if fit.is_plain() else FittedFrames(source, fit)
        tracker = tracker_beside(self._own_tracker(), frames, memory) or self._factory(settings, frames, memory)
        answering = tracker if fit.is_plain() else FittedTracker(tracker, fit)
        return GuidedTracker(answering, lambda: self.guides.get(axis, {}), self.tables[axis].get, spacing)
