"""Queries of an open session, which change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.session.acceptance import Acceptance
from napari_sam2_video.session.figure_watch import FigureWatch
from napari_sam2_video.session.filling import Filling
from napari_sam2_video.session.finding.find import Finder
from napari_sam2_video.session.finding.proposals import Proposals
from napari_sam2_video.session.life import Life
from napari_sam2_video.session.objects import Objects
from napari_sam2_video.session.paint import Paint
from napari_sam2_video.session.planes.planes import Planes
from napari_sam2_video.session.prompt_table import PromptTable
from napari_sam2_video.session.review import LEAST_DOUBT, SPACING, Review, ReviewList
from napari_sam2_video.session.tracking import Tracking
from napari_sam2_video.session.two_walks import WalkChoices

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.engine.plan import ObjectState
    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.masks.label_array import LabelArray
    from napari_sam2_video.masks.store import MaskStore
    from napari_sam2_video.results import TrackingResult
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.events import SessionEvents
    from napari_sam2_video.session.finding.proposal import FoundTrack, Proposal
    from napari_sam2_video.session.prompts import PromptSet
    from napari_sam2_video.session.tracker import TrackerFactory, TrackerLike
    from napari_sam2_video.types import ModelSettings, Preview, Prompt
    from napari_sam2_video.types.tracked_object import TrackedObject


class SessionContent:
    """The parts of an open session, and queries of them; see `Session`."""

    def __init__(self, context: Context, tracker_factory: TrackerFactory | None) -> None:
        self.view = context.view
        self.recording: Recording = context.view.recording
        self._context = context
        self._objects = Objects(context)
        self._prompts = PromptTable(context, self._objects)
        self._paint = Paint(context, self._objects)
        self._acceptance = Acceptance(context, self._objects, self._prompts)
        self._tracking = Tracking(context, self._objects, self._prompts, tracker_factory)
        self._life = Life(context, self._objects, self._prompts, lambda: self._tracking.tag)
        self._filling = Filling(context, self._objects, self._prompts)
        self._planes = Planes(context, self._objects, self._prompts, self._tracking, tracker_factory)
        self._proposals = Proposals(context, self._objects, self._prompts, self._acceptance, lambda: self._tracking.tag)
        self._finder = Finder(context, self._objects, self._prompts, self._tracking, self._proposals)
        sources = (self._planes, self._proposals, WalkChoices(context, self._objects))
        self._review = Review(context, self._objects, self._acceptance, self.scores_of, sources=sources)

    @property
    def context(self) -> Context:
        """Tables and masks, for a session that has this one below it."""
        return self._context

    @property
    def planes(self) -> Planes:
        """A volume from all sides: prompts on any plane, and the masks of walks along several axes."""
        return self._planes

    @property
    def folder(self) -> Path:
        """The session's folder."""
        return self._context.folder

    @property
    def read_only(self) -> bool:
        """True if nothing is changed on disk."""
        return self._context.read_only

    @property
    def events(self) -> SessionEvents:
        """Signals that are emitted after each change."""
        return self._context.events

    @property
    def masks(self) -> MaskStore:
        """Masks and paint."""
        return self._context.masks

    @property
    def labels(self) -> LabelArray:
        """Label images as one array of shape ``(T, Y, X)``, to show and paint on."""
        return self._paint.labels

    def mask(self, object_id: int, frame: int) -> npt.NDArray[np.bool_]:
        """One object's own pixels on a frame, shape ``(Y, X)``, even where others cover them.

        Raises
        ------
        SessionError
            If there is no such object.
        StoreError
            If there is no such frame, or its masks cannot be read.
        """
        return self.masks.object_mask(frame, self.object(object_id).id)

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.view.n_frames

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of a frame in pixels."""
        return self.view.shape_yx

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about damaged data and about the recording."""
        return (*self.recording.notes, *self._context.notes)

    @property
    def objects(self) -> tuple[TrackedObject, ...]:
        """All objects, by ascending id."""
        return self._objects.all()

    def object(self, object_id: int) -> TrackedObject:
        """One object; raises `SessionError` if there is none with that id."""
        return self._objects.get(object_id)

    def prompts(
        self, object_id: int | None = None, frame: int | None = None, *, masks: bool = True
    ) -> tuple[Prompt, ...]:
        """Prompts, optionally of one object or on one frame, by ascending frame and object.

        Parameters
        ----------
        object_id, frame : int, optional
            Only of this object, and only on this frame.
        masks : bool
            False omits mask prompts, each of which has to be unpacked to a whole frame.

        Raises
        ------
        PromptError
            If a mask is damaged; `set_prompts` and `add_prompt` replace it.
        SessionError
            If there is no such object.
        """
        if object_id is not None:
            self.object(object_id)
        return self._prompts.get(object_id, frame, masks=masks)

    def prompt_sets(self, object_id: int | None = None, frame: int | None = None) -> tuple[PromptSet, ...]:
        """The same prompts as sets, without unpacking masks; no set is empty."""
        return self._prompts.sets(object_id, frame)

    def accepted(self, object_id: int) -> frozenset[int]:
        """Frames of an object that are accepted; raises `SessionError` if there is no such object."""
        self.object(object_id)
        return self._context.inputs.accepted(object_id)

    def filled(self, object_id: int) -> frozenset[int]:
        """Frames on which the mask of an object was interpolated; raises `SessionError` if there is no such object."""
        return self._filling.filled(self.object(object_id).id)

    def scores(self, object_id: int) -> dict[str, npt.NDArray[Any]]:
        """Figures of an object by frame, as in `MaskStore.scores`, with ``accepted`` and the results of a check.

        ``disagreement`` is from the last `check` of the current mask, else NaN; ``checked_from`` is the frame it was
        tracked back from, NaN also if the mask there has changed since.

        Raises
        ------
        SessionError
            If there is no such object.
        """
        self.object(object_id)
        return self.scores_of([object_id])[object_id]

    def scores_of(self, object_ids: Collection[int]) -> dict[int, dict[str, npt.NDArray[Any]]]:
        """Figures of several objects at once, each as from `scores`."""
        found = self.masks.scores_of(object_ids)
        for object_id, figures in found.items():
            figures["accepted"] = np.isin(figures["frame"], list(self._context.inputs.accepted(object_id)))
            checked = self._context.checks.figures(object_id, figures["frame"])
            figures["disagreement"], figures["checked_from"] = checked
        return found

    def watch_figures(self) -> FigureWatch:
        """Find out, again and again, for which objects `scores_of` and their marks changed."""
        return FigureWatch(self._context)

    def window_at(self, object_id: int, frame: int) -> Window | None:
        """Window in which an object was tracked on a frame; None for the whole frame, or if unknown.

        It is known for prompted frames, and for those tracked since the session was opened.
        """
        return self._tracking.window_at(object_id, frame)

    def review_table(self, objects: Collection[int] | None = None) -> Table:
        """Figures from which the doubt of some or all objects follows; see `napari_sam2_video.analysis.review`."""
        return self._review.table(objects)

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """Open proposals of `find`, by ascending frame."""
        return self._proposals.all()

    def proposed_tracks(self, proposal: Proposal) -> tuple[FoundTrack, ...]:
        """The objects that a proposal adds, each as masks by frame; empty if it adds none.

        Raises
        ------
        SessionError
            If they can no longer be read.
        """
        return tuple(self._proposals.tracks(proposal))

    def review_queue(
        self,
        objects: Collection[int] | None = None,
        *,
        threshold: float = LEAST_DOUBT,
        spacing: int = SPACING,
        limit: int | None = None,
        doubtful: Sequence[ReviewItem] | None = None,
    ) -> tuple[ReviewItem, ...]:
        """Places to review, in order: doubtful frames, disagreements and proposals.

        Parameters
        ----------
        objects : collection of int, optional
            Objects to look at; all if not given.
        threshold : float
            Omit frames that are no more doubtful than this.
        spacing : int
            Omit frames within this distance of a more doubtful one of the same object.
        limit : int, optional
            Largest number of items.
        doubtful : sequence of ReviewItem, optional
            The doubtful frames of the objects, if already found with `napari_sam2_video.analysis.review.review_queue`.

        Returns
        -------
        tuple of ReviewItem
            Ordered by doubt; equal ones by frame and object.

        Raises
        ------
        SessionError
            If there is no such object.
        SettingsError
            If the limit is below 0.
        """
        return self._review.queue(objects, threshold=threshold, spacing=spacing, limit=limit, doubtful=doubtful)

    def review_progress(self, queue: Sequence[ReviewItem] | None = None) -> ReviewList:
        """State of the review: what is left, what was found wrong, and how much was reviewed.

        `queue` is the result of `review_queue`, if already computed.
        """
        return self._review.progress(self.review_queue() if queue is None else queue)

    @property
    def model_settings(self) -> ModelSettings:
        """The network that runs use."""
        return self._context.model_settings

    @property
    def model_notes(self) -> tuple[str, ...]:
        """Notes about the network; empty until it is loaded."""
        return self._tracking.notes

    @property
    def tracker(self) -> TrackerLike:
        """The tracker; loading its network takes seconds the first time."""
        return self._tracking.tracker

    def state(self, object_id: int) -> ObjectState:
        """The state of an object for planning a run."""
        self.object(object_id)
        return self._context.inputs.state(object_id, self._tracking.tag)

    def dirty(self, object_ids: Collection[int] | None = None) -> tuple[int, ...]:
        """Objects, of some or of all, whose prompts or paint changed since they were tracked."""
        tag = self._tracking.tag
        chosen = [entry.id for entry in self.objects] if object_ids is None else object_ids
        return tuple(object_id for object_id in chosen if self._context.inputs.is_dirty(object_id, tag))

    def preview(self, object_id: int, frame: int, prompts: Sequence[Prompt] | None = None) -> Preview:
        """Masks that prompts would select (by default the session's own); nothing is kept."""
        return self._tracking.preview(object_id, frame, prompts)

    @property
    def running(self) -> bool:
        """True while a run is under way."""
        return self._context.busy.running

    @property
    def unfinished(self) -> bool:
        """True if a run was stopped or interrupted and can be resumed, because its prompts are unchanged."""
        return self._tracking.unfinished

    @property
    def can_undo(self) -> str | None:
        """The step that `undo` would undo."""
        return self._context.state.undoable

    @property
    def can_redo(self) -> str | None:
        """The step that `redo` would repeat."""
        return self._context.state.redoable

    def provenance(self) -> dict[str, Any]:
        """How the masks were made, JSON-serializable; see ``schemas/provenance.schema.json``."""
        from napari_sam2_video.session.provenance import provenance_of

        return provenance_of(self, self._context.state)

    def measure(
        self, *, intensity: bool = True, shape: bool = True, progress: Callable[[int, int], None] | None = None
    ) -> Table:
        """Measure every object on every frame; see `napari_sam2_video.analysis.measure.measure`."""
        from napari_sam2_video.analysis.measure import measure

        return measure(self.result(), intensity=intensity, shape=shape, progress=progress)

    def result(self) -> TrackingResult:
        """The masks in the form that measurements and exports read."""
        from napari_sam2_video.session.provenance import result_of

        return result_of(self)
