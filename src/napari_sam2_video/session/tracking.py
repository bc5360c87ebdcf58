"""Runs of a session: previews, tracking, checking and cleaning up."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.neighbours import Neighbours
from napari_sam2_video.errors import PromptError
from napari_sam2_video.session.check import Checker
from napari_sam2_video.session.clean_up import clean_up
from napari_sam2_video.session.conditioning import model_tag
from napari_sam2_video.session.part import SessionPart
from napari_sam2_video.session.run import Runner
from napari_sam2_video.session.tracker import close_tracker, default_tracker, remember_choice, show_neighbours
from napari_sam2_video.types import CheckSettings, MaskPrompt, ModelSettings, TrackSettings
from napari_sam2_video.types.checks import instance

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from os import PathLike

    import numpy.typing as npt

    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.masks.clean import CleanSettings
    from napari_sam2_video.session.conditioning import Mark
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.objects import Objects
    from napari_sam2_video.session.prompt_table import PromptTable
    from napari_sam2_video.session.tracker import TrackerFactory, TrackerLike
    from napari_sam2_video.types import FrameDone, Preview, Prompt

BUSY = "A run is under way; wait for it or stop it first."


class Tracking(SessionPart):
    """Runs of a session, one at a time, and their tracker.

    Parameters
    ----------
    context, objects, prompts
        As `SessionPart`.
    factory : callable, optional
        Makes the tracker of model settings, view and memory folder.
    """

    def __init__(
        self, context: Context, objects: Objects, prompts: PromptTable, factory: TrackerFactory | None
    ) -> None:
        super().__init__(context, objects, prompts)
        self._factory = factory or default_tracker
        self._tracker: TrackerLike | None = None
        self._loading = threading.Lock()
        self._runner = Runner(context.state, context.masks, context.inputs, self._conditioning_prompts)

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the network; empty until it is loaded."""
        tracker = self._tracker
        return () if tracker is None else tracker.notes

    @property
    def tag(self) -> str:
        """Short name of the model for runs."""
        return model_tag(self._context.model_settings)

    @property
    def tracker(self) -> TrackerLike:
        """The tracker; loading its network takes seconds the first time."""
        context = self._context
        with self._loading:
            if self._tracker is None:
                memory = None if context.read_only else context.folder / "memory"
                self._tracker = self._factory(context.model_settings, context.view, memory)
                show_neighbours(self._tracker, Neighbours(self._ids, context.masks.object_masks))
            return self._tracker

    def _ids(self) -> list[int]:
        return [entry.id for entry in self._objects.all()]

    def window_at(self, object_id: int, frame: int) -> Window | None:
        """See `Session.window_at`."""
        find: Callable[[int, int], Window | None] | None = getattr(self._tracker, "window_at", None)
        return None if find is None else find(object_id, frame)

    def close(self) -> None:
        """Release the tracker; the next use makes another one."""
        tracker, self._tracker = self._tracker, None
        close_tracker(tracker)

    def set_model(self, model: ModelSettings | str | PathLike[str]) -> None:
        """See `Session.set_model`."""
        settings = ModelSettings.of(model)
        context = self._context
        context.check_writable()
        with context.busy.idle("A run is under way; stop it before you choose another model."):
            if settings == context.model_settings:
                return
            if settings.device != context.model_settings.device:
                remember_choice(settings)
            context.state.commit([("model", "settings", settings.to_json())])
            self.close()
        context.events.announce("model")

    def preview(self, object_id: int, frame: int, prompts: Sequence[Prompt] | None) -> Preview:
        """See `Session.preview`."""
        given = self._prompts.get(object_id, frame) if prompts is None else prompts
        if not given:
            raise PromptError(f"Object {object_id} has no prompt on frame {frame}; click it first.")
        tracked = self._context.inputs.walked(object_id, self.tag)
        return self.tracker.preview(object_id, frame, given, tracked=tracked)

    @property
    def unfinished(self) -> bool:
        """See `Session.unfinished`."""
        return not self._context.busy.running and self._runner.resumable(self.tag)

    def track(self, settings: TrackSettings, stop: Callable[[], bool] | None) -> Generator[FrameDone]:
        """See `Session.track`."""
        instance(settings, TrackSettings, "The settings")
        return self._go(lambda tag: self._runner.begin(settings, self._trackable(settings.objects), tag), stop)

    def resume(self, stop: Callable[[], bool] | None) -> Generator[FrameDone]:
        """See `Session.resume`."""
        return self._go(self._runner.again, stop)

    def check(
        self,
        settings: CheckSettings,
        scores: Callable[[int], Mapping[str, npt.NDArray[Any]]],
        stop: Callable[[], bool] | None,
    ) -> Generator[FrameDone]:
        """Check objects with the figures in `scores`; see `Session.check`."""
        instance(settings, CheckSettings, "The settings")
        context = self._context
        context.check_writable()
        chosen = [o.id for o in self._objects.all()] if settings.objects is None else sorted(set(settings.objects))
        with context.busy.alone(BUSY):
            context.busy.work_on(frozenset(self._objects.get(i).id for i in chosen))
            checker = Checker(context.masks, context.checks)
            groups = checker.plan(settings, {i: scores(i) for i in chosen})
            try:
                with closing(checker.execute(groups, self.tracker, stop=stop)) as frames:
                    yield from frames
            finally:
                context.events.announce("checks")

    def clean_up(
        self, settings: CleanSettings, objects: Sequence[int] | None, progress: Callable[[int, int], None] | None
    ) -> int:
        """See `Session.clean_up`."""
        context = self._context
        context.check_writable()
        free = self._trackable(objects)
        chosen = free if objects is None else list(objects)
        with context.busy.alone("A run is under way; stop it before you clean up its masks."):
            context.busy.work_on(frozenset(chosen))
            try:
                return clean_up(context.state, context.masks, context.inputs, settings, chosen, progress)
            finally:
                context.events.announce("masks")

    def _go(self, begin: Callable[[str], Any], stop: Callable[[], bool] | None) -> Generator[FrameDone]:
        context = self._context
        context.check_writable()
        with context.busy.alone(BUSY):
            run, stale = begin(self.tag)
            context.busy.work_on(frozenset(run.plan.object_ids))
            with closing(self._runner.execute(run, stale, self.tracker, stop=stop)) as frames:
                for done in frames:
                    context.events.announce("masks")
                    yield done

    def _trackable(self, objects: Iterable[int] | None) -> list[int]:
        """Objects that are not locked; raises `SessionError` if one of `objects` is."""
        for object_id in objects or ():
            self._objects.changeable(object_id, "track")
        return [info.id for info in self._objects.all() if not info.locked]

    def _conditioning_prompts(self, object_id: int, frame: int, mark: Mark) -> list[Prompt]:
        """Prompts for the tracker: paint, and clicks made after it."""
        revision, stroke, _ = mark
        prompts: list[Prompt] = list(self._prompts.get(object_id, frame)) if revision > stroke or not stroke else []
        if not stroke:
            return prompts
        painted = MaskPrompt(object_id, frame, self._context.masks.object_mask(frame, object_id))
        return [painted, *(p for p in prompts if not isinstance(p, MaskPrompt))]
