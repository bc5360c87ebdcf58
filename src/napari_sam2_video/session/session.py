"""A session on disk: the single source of truth for scripts, the command line and the viewer."""

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
    session is read-only, an object is unknown or locked, or a run is working on it.

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
            Its folder; the name usually ends with ``.sam2v``.
        recording : Recording
            The recording; it stays the caller's to close.
        view : ViewSettings, optional
            How it is viewed; `default_view` if not given.
        model : ModelSettings
            The network.
        overwrite : bool
            Replace an existing session; refused if its folder also holds other files.
        prepare : callable, optional
            Called with the new session; if it raises, the new session is removed and the old one kept.
        tracker_factory : callable, optional
            Makes the tracker of model settings, view and memory folder.

        Raises
        ------
        SessionError
            If the folder is not empty, or cannot be written.
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
            The recording, if it was moved or is an array; it stays the caller's to close.
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
            If the recording is gone or is a different one.
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
            Called between frames; the run stops when it returns True, and `resume` continues.

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
        it found, besides their own prompts, and go as far as the objects reach.

        Parameters
        ----------
        settings : TrackSettings
            Objects; the direction and the range are those of the session's own frames. Other walks go both ways.
        axes : sequence of str, optional
            Axes to walk; by default all three.
        stop : callable, optional
            As for `track`; the same call continues.

        Yields
        ------
        FrameDone
            One for every plane, with its ``axis`` if that is not the session's own. Raises as `track`.
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
        """Fuse the masks of several walks of a volume, voxel by voxel; one step that can be undone.

        Painted and accepted masks stay. The fused masks replace those of the session's own walk until that finds newer
        ones.

        Parameters
        ----------
        objects : sequence of int, optional
            Objects to fuse; by default those tracked since they were last fused.
        axes : sequence of str, optional
            Walks to fuse; by default all.
        progress : callable, optional
            Called with the number of planes done and the total.

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

        Each span of frames is tracked against its own direction, with the mask at its far end as the only prompt. The
        ``disagreement`` in `scores` is then 1 - IoU of the stored mask and the one found. It is stored when the check
        ends, and valid while the mask is the one that was compared.

        Parameters
        ----------
        settings : CheckSettings
            Objects, range and length of the spans.
        stop : callable, optional
            Called between frames; True stops, and finished comparisons are kept.

        Yields
        ------
        FrameDone
            One for every frame that was tracked back. Raises as `track`; finished comparisons are kept.
        """
        return self._tracking.check(settings, self.scores, stop)

    def find(
        self,
        detector: Detector | str,
        settings: FindSettings = FindSettings(),  # noqa: B008
        *,
        stop: Callable[[], bool] | None = None,
    ) -> Generator[FindProgress]:
        """Find objects without clicks, and propose what they mean; nothing else changes.

        Detections are linked from frame to frame and matched with tracked objects, one to one by overlap. Proposals are
        new objects, divisions, ends, and lost objects that reappear; see `proposals`. They replace those that were
        still open, as one step in the history.

        Parameters
        ----------
        detector : Detector or str
            The detector, such as ``"everything"``, ``"like:1,2,3"``, ``"labels:FILE"`` or ``'text:"red cell"'``.
        settings : FindSettings
            The frames to look at.
        stop : callable, optional
            Called several times a second; True stops, and what was found by then is proposed.

        Yields
        ------
        FindProgress
            One for every frame, and one when the proposals are kept.

        Raises
        ------
        SessionError
            If a run is under way.
        DetectorError
            If the detector fails, does not answer, or returns invalid detections; nothing is proposed then.
        """
        return self._finder.find(detector, settings, stop)

    def check_detector(self, detector: str) -> None:
        """Refuse a detector that `find` cannot use: unknown, incomplete, or for objects or files that do not exist.

        Raises
        ------
        Sam2VideoError
            If it cannot be used.
        """
        self._finder.check(detector)

    def clean_up(
        self,
        settings: CleanSettings,
        objects: Sequence[int] | None = None,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Clean up masks of some objects, or of all unlocked ones; returns the number of changed masks.

        Painted and accepted frames stay unchanged. `progress` is called with the number of objects done and the total.
        """
        return self._tracking.clean_up(settings, objects, progress)

    def release(self) -> None:
        """Release the tracker and its embeddings; the next use makes another one."""
        self._tracking.close()

    def adopt_recording(self) -> None:
        """Close the recording together with the session; otherwise one passed in stays the caller's to close."""
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
