"""What can be asked of an open session, without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.session.acceptance import Acceptance
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
    from napari_sam2_video.results import TrackedObject, TrackingResult
    from napari_sam2_video.session.context import Context
    from napari_sam2_video.session.events import SessionEvents
    from napari_sam2_video.session.finding.proposal import FoundTrack, Proposal
    from napari_sam2_video.session.prompts import PromptSet
    from napari_sam2_video.session.tracker import TrackerFactory, TrackerLike
    from napari_sam2_video.types import ModelSettings, Preview, Prompt


class SessionContent:
    """The parts of an open session, and what they know; see `Session`."""

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
        """Tables and masks, for the parts of a session that has this one below it."""
        return self._context

    @property
    def planes(self) -> Planes:
        """A volume from all sides: prompts on any plane, and what walks along several axes found."""
        return self._planes

    @property
    def folder(self) -> Path:
        """The session's folder."""
        return self._context.folder

    @property
    def read_only(self) -> bool:
        """True where nothing is changed on disk."""
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
        """Label images as one array of shape ``(T, Y, X)``, to be shown and painted on."""
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
        """Sentences about what was found damaged, and what the recording has to say."""
        return (*self.recording.notes, *self._context.notes)

    @property
    def objects(self) -> tuple[TrackedObject, ...]:
        """All objects, by ascending id."""
        return self._objects.all()

    def object(self, object_id: int) -> TrackedObject:
        """One object; raises `SessionError` if there is none of that id."""
        return self._objects.get(object_id)

    def prompts(
        self, object_id: int | None = None, frame: int | None = None, *, masks: bool = True
    ) -> tuple[Prompt, ...]:
        """Prompts, of one object or on one frame if asked for, by ascending frame and object.

        Parameters
        ----------
        object_id, frame : int, optional
            Only of this object, and only on this frame.
        masks : bool
            False leaves mask prompts out: each has to be unpacked to a whole frame.

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
        """What prompts there are, as `prompts`, without unpacking a mask; none of the sets is empty."""
        return self._prompts.sets(object_id, frame)

    def accepted(self, object_id: int) -> frozenset[int]:
        """Frames of an object that are accepted; raises `SessionError` if there is no such object."""
        self.object(object_id)
        return self._context.inputs.accepted(object_id)

    def filled(self, object_id: int) -> frozenset[int]:
        """Frames on which the mask of an object was interpolated; raises `SessionError` if there is no such object."""
        return self._filling.filled(self.object(object_id).id)

    def scores(self, object_id: int) -> dict[str, npt.NDArray[Any]]:
        """Figures of an object by frame, as of `MaskStore.scores`, with ``accepted`` and what a check found.

        ``disagreement`` is that of the last `check` that compared the very mask that is there now, else NaN;
        ``checked_from`` is the frame it was tracked back from, NaN also where the mask there has changed since.

        Raises
        ------
        SessionError
            If there is no such object.
        """
        self.object(object_id)
        return self.scores_of([object_id])[object_id]

    def scores_of(self, object_ids: Collection[int]) -> dict[int, dict[str, npt.NDArray[Any]]]:
        """Figures of several objects at once, each as `scores` gives them."""
        found = self.masks.scores_of(object_ids)
        for object_id, figures in found.items():
            figures["accepted"] = np.isin(figures["frame"], list(self._context.inputs.accepted(object_id)))
            checked = self._context.checks.figures(object_id, figures["frame"])
            figures["disagreement"], figures["checked_from"] = checked
        return found

    def window_at(self, object_id: int, frame: int) -> Window | None:
        """Window in which an object was tracked on a frame; None for the whole frame, or where it is not known.

        It is known of prompted frames, and of those that were tracked since the session was opened.
        """
        return self._tracking.window_at(object_id, frame)

    def review_table(self, objects: Collection[int] | None = None) -> Table:
        """What the doubt of some or all objects is computed from; see `napari_sam2_video.analysis.review`."""
        return self._review.table(objects)

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """What `find` proposes and nobody has accepted or rejected yet, by ascending frame."""
        return self._proposals.all()

    def proposed_tracks(self, proposal: Proposal) -> tuple[FoundTrack, ...]:
        """What a proposal adds, of each object its masks by frame; none where it adds nothing.

        Raises
        ------
        SessionError
            If they cannot be read any more.
        """
        return tuple(self._proposals.tracks(proposal))

    def review_queue(
        self,
        objects: Collection[int] | None = None,
        *,
        threshold: float = LEAST_DOUBT,
        spacing: int = SPACING,
        limit: int | None = None,
        table: Table | None = None,
    ) -> tuple[ReviewItem, ...]:
        """Order what a person should look at: doubtful frames, disagreements and proposals.

        Parameters
        ----------
        objects : collection of int, optional
            Objects to look at; all if not given.
        threshold : float
            Leave out frames that are no more doubtful than this.
        spacing : int
            Leave out frames within this distance of a more doubtful one of the same object.
        limit : int, optional
            Largest number of items.
        table : Table, optional
            That of `review_table`, where it was made already.

        Returns
        -------
        tuple of ReviewItem
            Ordered by doubt; equal ones by frame and object.

        Raises
        ------
        SessionError
            If there is no such object.
        """
        return self._review.queue(objects, threshold=threshold, spacing=spacing, limit=limit, table=table)

    def review_progress(self, queue: Sequence[ReviewItem] | None = None) -> ReviewList:
        """How far the review is: what is left to look at, what was found wrong, and how much was looked at.

        `queue` is that of `review_queue`, where it was made already.
        """
        return self._review.progress(self.review_queue() if queue is None else queue)

    @property
    def model_settings(self) -> ModelSettings:
        """The network that runs use."""
        return self._context.model_settings

    @property
    def model_notes(self) -> tuple[str, ...]:
        """Sentences about the network; none until it is loaded."""
        return self._tracking.notes

    @property
    def tracker(self) -> TrackerLike:
        """The tracker; loading its network takes seconds the first time."""
        return self._tracking.tracker

    def state(self, object_id: int) -> ObjectState:
        """What planning a run knows of an object."""
        self.object(object_id)
        return self._context.inputs.state(object_id, self._tracking.tag)

    def dirty(self) -> tuple[int, ...]:
        """Objects whose prompts or paint changed since they were tracked."""
        tag = self._tracking.tag
        return tuple(o.id for o in self.objects if self._context.inputs.is_dirty(o.id, tag))

    def preview(self, object_id: int, frame: int, prompts: Sequence[Prompt] | None = None) -> Preview:
        """Masks that prompts would give (those of the session if not given); nothing is kept."""
        return self._tracking.preview(object_id, frame, prompts)

    @property
    def running(self) -> bool:
        """True while a run is under way."""
        return self._context.busy.running

    @property
    def unfinished(self) -> bool:
        """True where a run was stopped or cut off, and can be resumed because its prompts are as they were."""
        return self._tracking.unfinished

    @property
    def can_undo(self) -> str | None:
        """The step that `undo` would undo."""
        return self._context.state.undoable

    @property
    def can_redo(self) -> str | None:
        """The step that `redo` would do again."""
        return self._context.state.redoable

    def provenance(self) -> dict[str, Any]:
        """How the masks came to be, JSON-able; see ``schemas/provenance.schema.json``."""
        from napari_sam2_video.session.provenance import provenance_of

        return provenance_of(self, self._context.state)

    def measure(
        self, *, intensity: bool = True, shape: bool = True, progress: Callable[[int, int], None] | None = None
    ) -> Table:
        """Measure every object on every frame; see `napari_sam2_video.analysis.measure.measure`."""
        from napari_sam2_video.analysis.measure import measure

        return measure(self.result(), intensity=intensity, shape=shape, progress=progress)

    def result(self) -> TrackingResult:
        """The masks as an export reads them."""
        from napari_sam2_video.session.provenance import result_of

        return result_of(self)
