"""Results of a session: tables, the check, the review, and files for other programs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.analysis import measure as measuring
from napari_sam2_video.analysis.table import Table
from napari_sam2_video.api.intensities import readers_of
from napari_sam2_video.api.sessions import followed, open_session
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.registry import export as export_result
from napari_sam2_video.session import Session
from napari_sam2_video.types import CheckSettings
from napari_sam2_video.types.calls import public
from napari_sam2_video.types.checks import instance, object_ids, path_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.analysis.review import ReviewItem
    from napari_sam2_video.export.format import ExportReport
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.types import FrameDone


@public
def measure(
    source: str | Path | Session,
    *,
    intensity: bool = True,
    shape: bool = True,
    channels: Iterable[int] | None = None,
    recording: str | Path | Recording | npt.ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Measure every object of a session on every frame.

    Parameters
    ----------
    source : str, Path or Session
        The session, or its folder.
    intensity : bool
        Also read the recording and measure its raw values.
    shape : bool
        Also measure perimeters and shapes, which takes a few milliseconds for each object and frame.
    channels : iterable of int, optional
        Channels to measure raw values in, as columns such as ``intensity_mean_c1``; by default the tracked one.
    recording : str, Path, Recording or array-like, optional
        Another recording of the same size to measure raw values in, instead of the session's own.
    progress : callable, optional
        Called with the number of frames done and the total.

    Returns
    -------
    Table
        One row for each object and frame; `napari_sam2_video.analysis.measure.measure` names the columns.

    Raises
    ------
    Sam2VideoError
        If the session or a recording cannot be read, or the recording is of another size.
    """
    with _opened(source, read_only=True) as session, readers_of(session, channels, recording) as readers:
        result = session.result()
        return measuring.measure(result, intensity=intensity, shape=shape, readers=readers, progress=progress)


@public
def review(
    source: str | Path | Session,
    *,
    objects: tuple[int, ...] | None = None,
    threshold: float = 0.0,
    spacing: int = 0,
    limit: int | None = None,
) -> tuple[ReviewItem, ...]:
    """Frames of a session that need review, the most doubtful first.

    Parameters
    ----------
    source : str, Path or Session
        The session, or its folder.
    objects : tuple of int, optional
        Objects to look at; all if not given.
    threshold : float
        Omit frames that are no more doubtful than this.
    spacing : int
        Omit frames within this distance of a more doubtful one of the same object.
    limit : int, optional
        Largest number of items.

    Returns
    -------
    tuple of ReviewItem
        Ordered by doubt; equal ones by frame and object.

    Raises
    ------
    Sam2VideoError
        If the session cannot be read, or an object is unknown.
    """
    with _opened(source, read_only=True) as session:
        chosen = [session.object(i).id for i in object_ids(objects, "The objects") or [o.id for o in session.objects]]
        return session.review_queue(chosen, threshold=threshold, spacing=spacing, limit=limit)


@public
def check(
    source: str | Path | Session,
    settings: CheckSettings = CheckSettings(),  # noqa: B008
    *,
    progress: Callable[[FrameDone], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Table:
    """Track objects back from later frames and compare the result with the masks of a session; no mask changes.

    Parameters
    ----------
    source : str, Path or Session
        The session, or its folder.
    settings : CheckSettings
        Objects, range and length of the spans.
    progress : callable, optional
        Called after each frame.
    stop : callable, optional
        Called between frames; True stops.

    Returns
    -------
    Table
        ``object_id``, ``frame`` and ``disagreement`` (1 - IoU), one row for each frame compared by this or an earlier
        check and unchanged since, for the range and objects in `settings`.

    Raises
    ------
    Sam2VideoError
        If the check fails; finished comparisons are kept.
    """
    instance(settings, CheckSettings, "The settings")
    with _opened(source) as session:
        followed(session.check(settings, stop=stop), progress)
        chosen = [one.id for one in session.objects if settings.objects is None or one.id in settings.objects]
        found = session.review_table(chosen)
    inside = found["frame"] >= (settings.start or 0)
    if settings.stop is not None:
        inside &= found["frame"] < settings.stop
    kept = found.where(inside & ~np.isnan(found["disagreement"]))
    return Table({name: kept[name] for name in ("object_id", "frame", "disagreement")})


@public
def export(
    source: str | Path | Session,
    target: str | Path,
    *,
    format: str | None = None,
    objects: Iterable[int] | str | None = None,
    frames: range | tuple[int, int] | str | None = None,
    options: Mapping[str, object] | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Write the masks of a session in one of the formats of `napari_sam2_video.export.registry.FORMATS`.

    Parameters
    ----------
    source : str, Path or Session
        The session, or its folder.
    target : str or Path
        File or folder to write.
    format : str, optional
        Name of the format; from the suffix of `target` if not given.
    objects : iterable of int or str, optional
        Objects to write, as ids or text such as ``"1,3-5"``; by default all.
    frames : range, tuple of int or str, optional
        Frames to write: a range, ``(start, stop)`` without the last one, or text: ``"10:40"``, the same,
        ``"tracked"`` or ``"all"``. By default from the first to the last frame with a mask; all frames for formats that
        match their source voxel by voxel.
    options : mapping of str to object, optional
        Options of the format by name, such as ``{"style": "fill"}``.
    overwrite : bool
        Replace an existing file or folder.
    progress : callable, optional
        Called with the number of steps done and the total.

    Returns
    -------
    ExportReport
        Path, notes, and the path of the provenance if the format cannot hold it.

    Raises
    ------
    ExportError, TargetExistsError
        If it cannot be written; an existing target is left unchanged.
    """
    path = path_of(target, "The target")
    given: Any = {} if options is None else options
    if not hasattr(given, "keys"):
        raise ExportError(f'The options of a format are given as {{"name": value}}, not {shown(given)}.')
    with _opened(source, read_only=True) as session:
        return export_result(
            session.result(),
            path,
            format=format,
            overwrite=overwrite,
            progress=progress,
            objects=objects,
            frames=frames,
            options=dict(given),
        )


@contextmanager
def _opened(source: str | Path | Session, *, read_only: bool = False) -> Iterator[Session]:
    """The session itself, or the one in a folder, which is closed afterwards."""
    if isinstance(source, Session):
        yield source
        return
    with open_session(path_of(source, "The session"), read_only=read_only) as session:
        yield session
