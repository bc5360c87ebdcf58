"""Run things in a session: previews, tracking, tidying, undo and redo."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.session.absence import mark_absent
from napari_sam2_video.session.check import Checker
from napari_sam2_video.session.conditioning import model_tag
from napari_sam2_video.session.objects import check_object
from napari_sam2_video.session.painting import SessionPainter
from napari_sam2_video.session.tidy import tidy
from napari_sam2_video.types import CheckSettings, ModelSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from napari_sam2_video.masks.clean import CleanSettings
    from napari_sam2_video.session.run import TrackerLike
    from napari_sam2_video.storage.tables import Change, Key
    from napari_sam2_video.types import FrameDone, Preview, Prompt

_EVENTS = {
    "objects": "objects",
    "removed": "masks",
    "prompts": "prompts",
    "accepted": "accepted",
    "masks": "masks",
    "paint": "masks",
    "model": "model",
}


class SessionRunner(SessionPainter):
    """A session that can be tracked; one run at a time."""

    def set_model(self, settings: ModelSettings) -> None:
        """Choose another network; everything is tracked anew by the next run.

        Raises
        ------
        SessionError
            If a run is under way.
        """
        self._check_writable()
        with self._run_lock:
            if self._running is not None:
                raise SessionError("A run is under way; stop it before you choose another model.")
            if settings == self.model_settings:
                return
            self._state.commit([("model", "settings", settings.to_json())])
            self._tracker = None
        self.events.announce("model")

    @property
    def tracker(self) -> TrackerLike:
        """The tracker; loading its network takes seconds the first time."""
        with self._tracker_lock:
            if self._tracker is None:
                memory = None if self.read_only else self.folder / "memory"
                self._tracker = self._tracker_factory(self.model_settings, self.view, memory)
            return self._tracker

    def preview(self, object_id: int, frame: int, prompts: Sequence[Prompt] | None = None) -> Preview:
        """Masks that prompts would give, nothing being kept.

        Parameters
        ----------
        object_id, frame : int
            Object and frame.
        prompts : sequence of Prompt, optional
            The prompts; those of the session if not given.
        """
        given = self.prompts(object_id, frame) if prompts is None else prompts
        if not given:
            raise PromptError(f"Object {object_id} has no prompt on frame {frame}; click it first.")
        fitting = [p.fitted(self.n_frames, self.shape_yx) for p in given]
        tracked = self._inputs.walked(object_id, model_tag(self.model_settings))
        return self.tracker.preview(object_id, frame, fitting, tracked=tracked)

    def track(
        self,
        settings: TrackSettings = TrackSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FrameDone]:
        """Track objects; each frame is on disk when it is yielded.

        Parameters
        ----------
        settings : TrackSettings
            Direction, range and objects; by default everything that changed, over all frames.
        stop : callable, optional
            Asked between frames; the run stops when it says True, and `resume` goes on.

        Yields
        ------
        FrameDone
            One for every frame and direction.

        Raises
        ------
        SessionError
            If a run is under way, a locked object is named, or a listener of `events` failed.
        PromptError
            If there is nothing to track.
        EngineError, FrameError, StoreError
            If it cannot go on; what was yielded stands, and `resume` goes on.
        """
        return self._go(lambda tag: self._runner.begin(settings, self._trackable(settings), tag), stop)

    @property
    def unfinished(self) -> bool:
        """True where a run was stopped or cut off, and can be resumed because its prompts are as they were."""
        return self._running is None and self._runner.resumable(model_tag(self.model_settings))

    def resume(self, *, stop: Callable[[], bool] | None = None) -> Generator[FrameDone]:
        """Go on with the unfinished run; see `track`."""
        return self._go(self._runner.again, stop)

    def check(
        self,
        settings: CheckSettings = CheckSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FrameDone]:
        """Compare masks with those found by tracking back from later ones; no mask changes.

        Each span of frames is walked against the direction in which it was tracked, from the mask at its far end as
        the only prompt. What `scores` then gives as ``disagreement`` is 1 - IoU of the stored mask and the one found.
        It is kept in the session when the check ends, and counts as long as the mask is the one that was compared.

        Parameters
        ----------
        settings : CheckSettings
            Objects, range and length of the spans.
        stop : callable, optional
            Asked between frames; what was compared is kept.

        Yields
        ------
        FrameDone
            One for every frame that was walked.

        Raises
        ------
        SessionError
            If a run is under way, an object is unknown, or there is nothing to check.
        PromptError
            If the range does not fit the recording.
        EngineError, FrameError, StoreError
            If it cannot go on; what was compared stands.
        """
        self._check_writable()
        chosen = [o.id for o in self.objects] if settings.objects is None else sorted(set(settings.objects))
        with self._alone("A run is under way; wait for it or stop it first."):
            self._running = frozenset(self.object(i).id for i in chosen)
            checker = Checker(self.masks, self._checks)
            groups = checker.plan(settings, {i: self.scores(i) for i in chosen})
            try:
                with closing(checker.execute(groups, self.tracker, stop=stop)) as frames:
                    yield from frames
            finally:
                self.events.announce("checks")

    def tidy(
        self,
        settings: CleanSettings,
        objects: Sequence[int] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Tidy masks; painted and accepted frames stay as they are. The number of masks that changed.

        Parameters
        ----------
        settings : CleanSettings
            What to tidy.
        objects : sequence of int, optional
            Which objects; all that are not locked, if not given.
        progress : callable, optional
            Told how many objects of how many are done.

        Raises
        ------
        SessionError
            If a run is under way, or an object is unknown or locked.
        """
        self._check_writable()
        free = self._trackable(TrackSettings(objects=None if objects is None else tuple(objects)))
        chosen = free if objects is None else list(objects)
        with self._alone("A run is under way; stop it before you tidy its masks."):
            self._running = frozenset(chosen)
            try:
                return tidy(self._state, self.masks, self._inputs, settings, chosen, progress)
            finally:
                self.events.announce("masks")

    def mark_absent(
        self,
        object_id: int,
        start: int,
        stop: int,
        *,
        parent: int | None = None,
    ) -> None:
        """Say that an object is not on the frames from `start` up to, not including, `stop`.

        Its prompts, masks and paint there are removed, and runs leave these frames as they are. One step of the
        history.

        Parameters
        ----------
        object_id, start, stop : int
            The object and the frames.
        parent : int, optional
            The object that it came from, on frame `stop`; as it was if not given.

        Raises
        ------
        SessionError
            If the frames do not fit the recording, there is no such object, it is locked or being tracked, or the
            parent cannot be one.
        """
        if not 0 <= start < stop <= self.n_frames:
            raise SessionError(
                f"The frames {start} to {stop - 1} do not fit the recording, which has 0 to {self.n_frames - 1}."
            )
        with self._changing():
            info = self._changeable(object_id)
            self._check_idle(object_id)
            name = f"{info.name} absent on frames {start} to {stop - 1}"
            extra: list[Change] = []
            if parent is not None:
                born = replace(info, parent=parent, parent_frame=stop)
                check_object(born, {o.id: o for o in self.objects}, self.n_frames)
                extra.append(("objects", object_id, born.to_json()))
                name = f"{info.name} a daughter of object {parent}"
            mark_absent(self._state, self.masks, self._inputs, object_id, range(start, stop), name=name, extra=extra)
        self.events.announce("objects", "prompts", "masks", "accepted")

    def undo(self) -> str | None:
        """Take the last step back; what it was, None if there is none.

        Raises
        ------
        SessionError
            If a run is under way.
        """
        return self._travel(self._state.undo)

    def redo(self) -> str | None:
        """Do the step taken back last again; what it is, None if there is none."""
        return self._travel(self._state.redo)

    def _go(self, begin: Callable[[str], Any], stop: Callable[[], bool] | None) -> Generator[FrameDone]:
        self._check_writable()
        with self._alone("A run is under way; wait for it or stop it first."):
            run, stale = begin(model_tag(self.model_settings))
            self._running = frozenset(run.plan.object_ids)
            with closing(self._runner.execute(run, stale, self.tracker, stop=stop)) as frames:
                for done in frames:
                    self.events.announce("masks")
                    yield done

    @contextmanager
    def _alone(self, refusal: str) -> Iterator[None]:
        """Keep other runs away; which objects it is about is said by setting `_running`."""
        with self._run_lock:
            if self._running is not None:
                raise SessionError(refusal)
            self._running = frozenset()
        try:
            self.end_stroke()
            yield
        finally:
            self._running = None

    def _trackable(self, settings: TrackSettings) -> list[int]:
        for object_id in settings.objects or ():
            if self.object(object_id).locked:
                raise SessionError(f"Object {object_id} is locked; unlock it to track it.")
        return [o.id for o in self.objects if not o.locked]

    def _travel(self, move: Callable[[], tuple[str, frozenset[tuple[str, Key]]] | None]) -> str | None:
        self._check_writable()
        with self._run_lock:
            if self._running is not None:
                raise SessionError("A run is under way; stop it before you undo or redo.")
            self.end_stroke()
            moved = move()
        if moved is None:
            return None
        name, keys = moved
        self.events.announce(*sorted({_EVENTS[t] for t, _ in keys if t in _EVENTS}))
        return name
