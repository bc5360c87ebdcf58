"""A run on disk: the one source of truth for scripts, the command line and the viewer."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.session.context import Context
from napari_sam2_video.session.editing import SessionEditing
from napari_sam2_video.session.folder import new_folder, opened_folder
from napari_sam2_video.session.manifest import new_manifest, write_manifest
from napari_sam2_video.types import CheckSettings, FindSettings, ModelSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from os import PathLike
    from types import TracebackType

    from napari_sam2_video.detect.protocol import Detector
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.masks.clean import CleanSettings
    from napari_sam2_video.session.planes.fusing import Fusion
    from napari_sam2_video.session.tracker import TrackerFactory
    from napari_sam2_video.storage.lock import SessionLock
    from napari_sam2_video.types import FindProgress, FrameDone, ViewSettings


class Session(SessionEditing):
    """A recording, how it is viewed, its objects, prompts and masks, in one folder.

    Every change is on disk when the call that makes it returns. Make one with `create` or `open`; close it with `close`
    or use it as a context manager. All methods may be called from any thread. A change raises `SessionError` if the
    session is open for reading only, an object is unknown or locked, or a run is at work on it.

    Attributes
    ----------
    recording, view : Recording and FrameView
        The recording, and how it is viewed.
    """

    def __init__(
        self,
        context: Context,
        lock: SessionLock | None,
        tracker_factory: TrackerFactory | None,
        *,
        owns_recording: bool,
    ) -> None:
        super().__init__(context, tracker_factory)
        self._lock = lock
        self._owns_recording = owns_recording

    @classmethod
    def create(
        cls,
        folder: str | Path,
        recording: Recording,
        view: ViewSettings | None = None,
        model: ModelSettings = ModelSettings(),  # noqa: B008
        *,
        overwrite: bool = False,
        prepare: Callable[[Session], None] | None = None,
        tracker_factory: TrackerFactory | None = None,
    ) -> Self:
        """Make a session.

        Parameters
        ----------
        folder : str or Path
            Where; its name usually ends with ``.sam2v``.
        recording : Recording
            The recording; it stays the caller's to close.
        view : ViewSettings, optional
            How it is viewed; `default_view` if not given.
        model : ModelSettings
            The network.
        overwrite : bool
            Replace a session that is there; refused where its folder holds other files, too.
        prepare : callable, optional
            Called with the new session; if it raises, the new session is removed, and one that was to be replaced is
            kept.
        tracker_factory : callable, optional
            Makes the tracker of model settings, view and memory folder.

        Raises
        ------
        SessionError
            If the folder holds something already, or cannot be written.
        SessionLockedError
            If the session to be replaced is open elsewhere.
        """
        folder = Path(folder)
        frames = FrameView(recording, view if view is not None else default_view(recording))
        with new_folder(folder, overwrite=overwrite) as lock:
            context = Context(folder, frames, read_only=False)
            session = cls(context, lock, tracker_factory, owns_recording=False)
            with ExitStack() as on_failure:
                on_failure.callback(session.close)
                context.state.commit([("model", "settings", model.to_json())])
                write_manifest(folder, new_manifest(folder, frames))
                if prepare is not None:
                    prepare(session)
                on_failure.pop_all()
        return session

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        recording: Recording | None = None,
        read_only: bool = False,
        tracker_factory: TrackerFactory | None = None,
    ) -> Self:
        """Open a session.

        Parameters
        ----------
        folder : str or Path
            The session.
        recording : Recording, optional
            The recording, where it was moved or was made from an array; it stays the caller's to close.
        read_only : bool
            Change nothing on disk; works while another process has the session open.
        tracker_factory : callable, optional
            Makes the tracker of model settings, view and memory folder.

        Raises
        ------
        SessionError
            If it is not a session, or is damaged.
        SessionLockedError
            If it is open elsewhere.
        SessionVersionError
            If a newer version wrote it.
        SourceChangedError
            If the recording is gone or is another one.
        """
        folder = Path(folder)
        with opened_folder(folder, recording, read_only=read_only) as (view, lock):
            context = Context(folder, view, read_only=read_only)
            return cls(context, lock, tracker_factory, owns_recording=recording is None)

    def set_model(self, model: ModelSettings | str | PathLike[str]) -> None:
        """Choose another network by settings, name or path; the next run tracks everything again."""
        self._tracking.set_model(model)

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
            Asked between frames; the run stops when it says True, and `resume` continues.

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
            If it cannot continue; what was yielded is kept, and `resume` continues.
        """
        self.end_stroke()
        return self._tracking.track(settings, stop)

    def resume(self, *, stop: Callable[[], bool] | None = None) -> Generator[FrameDone]:
        """Continue the unfinished run; see `track`."""
        return self._tracking.resume(stop)

    def track_planes(
        self,
        settings: TrackSettings = TrackSettings(),  # noqa: B008
        *,
        axes: Sequence[str] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FrameDone]:
        """Track objects of a volume along several axes, one walk after the other.

        The walk on whose planes most objects are prompted comes first. The others are prompted with the sections that
        it found, besides what a person said of their planes, and go as far as the objects reach.

        Parameters
        ----------
        settings : TrackSettings
            Direction and objects; the range is one of the session's own frames.
        axes : sequence of str, optional
            Axes to walk; all three if not given.
        stop : callable, optional
            As of `track`; the same call continues.

        Yields
        ------
        FrameDone
            One for every plane, with its ``axis`` where that is not the session's own. Raises as `track`.
        """
        self.end_stroke()
        return self._planes.track(settings, self._planes.axes if axes is None else axes, stop)

    def fuse(
        self,
        objects: Sequence[int] | None = None,
        *,
        axes: Sequence[str] | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Fusion]:
        """Fuse what several walks found of objects of a volume, voxel by voxel; one step that can be undone.

        At least two walks must agree on a voxel. What a person painted or accepted stays. The fused masks lie over
        those of the session's own walk until that finds newer ones.

        Parameters
        ----------
        objects : sequence of int, optional
            Objects to fuse; those that were tracked since they were fused last if not given.
        axes : sequence of str, optional
            Walks to fuse; all that there are if not given.
        progress : callable, optional
            Called with the number of planes done and of all.

        Raises
        ------
        PromptError
            If an object was not tracked along two axes.
        SessionError
            If an object is locked, or a run is under way.
        """
        self.end_stroke()
        return self._planes.fuse(objects, axes, progress)

    def check(
        self,
        settings: CheckSettings = CheckSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FrameDone]:
        """Compare masks with those found by tracking back from later ones; no mask changes.

        Each span of frames is tracked against its own direction, from the mask at its far end as the only prompt. What
        `scores` then gives as ``disagreement`` is 1 - IoU of the stored mask and the one found. It is kept in the
        session when the check ends, and counts while the mask is the one that was compared.

        Parameters
        ----------
        settings : CheckSettings
            Objects, range and length of the spans.
        stop : callable, optional
            Asked between frames; what was compared is kept.

        Yields
        ------
        FrameDone
            One for every frame that was tracked back. Raises as `track`; what was compared is kept.
        """
        return self._tracking.check(settings, self.scores, stop)

    def find(
        self,
        detector: Detector | str,
        settings: FindSettings = FindSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FindProgress]:
        """Find objects that nobody clicked, and propose what they mean; nothing else changes.

        What the detector finds is linked from frame to frame and matched with what is tracked, one to one by overlap.
        Proposed are new objects, divisions, ends, and lost objects that are there again; see `proposals`. They take
        the place of those that were still open, as one step of the history.

        Parameters
        ----------
        detector : Detector or str
            What finds, such as ``"everything"``, ``"like:1,2,3"``, ``"labels:FILE"`` or ``'text:"red cell"'``.
        settings : FindSettings
            On which frames it looks.
        stop : callable, optional
            Asked several times a second; what was found up to then is proposed.

        Yields
        ------
        FindProgress
            One for every frame, and one when the proposals are kept.

        Raises
        ------
        SessionError
            If a run is under way.
        DetectorError
            If the detector fails, does not answer, or gives what cannot be used; nothing is proposed then.
        """
        return self._finder.find(detector, settings, stop)

    def clean_up(
        self,
        settings: CleanSettings,
        objects: Sequence[int] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Clean up masks of some objects, or of all that are not locked; the number of masks that changed.

        Painted and accepted frames stay unchanged. `progress` is called with the number of objects done and of all.
        """
        return self._tracking.clean_up(settings, objects, progress)

    def release(self) -> None:
        """Let go of the tracker with its embeddings; the next use makes another one."""
        self._tracking.close()

    def adopt_recording(self) -> None:
        """Close the recording with the session; otherwise one handed in stays the caller's to close."""
        self._owns_recording = True

    def close(self) -> None:
        """Close the files and the lock; a second call does nothing."""
        if self._context.closed:
            return
        try:
            self._planes.close()
            self._tracking.close()
            self._context.close()
        finally:
            if self._lock is not None:
                self._lock.release()
            if self._owns_recording:
                self.recording.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
