"""Make the session of a run, or continue an existing one, for scripts, the command line and batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from napari_sam2_video.engine.plan import plan_run
from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.frames.reopen import open_described
from napari_sam2_video.session import Session, kept_source
from napari_sam2_video.session.import_prompts import add_prompts
from napari_sam2_video.session.manifest import NAME as MANIFEST
from napari_sam2_video.session.manifest import read_manifest
from napari_sam2_video.session.tracker import check_model, remember_choice
from napari_sam2_video.types import OpenSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from napari_sam2_video.api.options import SessionOptions
    from napari_sam2_video.frames.recording import Recording
    from napari_sam2_video.types import Prompt
    from napari_sam2_video.types.prompts import Seeds

IfThere = Literal["refuse", "resume", "overwrite"]


def start(
    recording: Any,
    out: Path,
    options: SessionOptions,
    prompts: Sequence[Prompt] = (),
    seeds: Sequence[Seeds] = (),
    settings: TrackSettings = TrackSettings(),  # noqa: B008
    *,
    if_there: IfThere = "refuse",
    keep_source: bool = False,
    planes: Sequence[str] = (),
    detector: str | None = None,
) -> Session:
    """Open a session with prompts, ready to be tracked; no network is loaded.

    Parameters
    ----------
    recording : str, Path, Recording or array-like
        What `open_recording` takes. A recording opened here is closed with the session.
    out : Path
        The session's folder.
    options : SessionOptions
        How the recording is opened, viewed and tracked.
    prompts, seeds
        Prompts, and label images with their frames; those that an existing session already has are not added again.
    settings : TrackSettings
        What to track.
    if_there : {"refuse", "resume", "overwrite"}
        What to do with an existing session; one to be replaced is kept unless the new one can be tracked.
    keep_source : bool
        Copy an array in memory into the session.
    planes : sequence of str
        Axes along which to walk the volume.
    detector : str, optional
        The detector that will find objects, so that none has to be prompted.

    Raises
    ------
    Sam2VideoError
        If the session cannot be made, opened or tracked; a new one is then removed.
    """

    def add(session: Session) -> None:
        require_walks(session, prompts, planes)
        add_prompts(session, prompts, seeds)
        require_prompts(session, detector)

    if if_there == "resume" and (out / MANIFEST).exists():
        session = reopen(out, recording, options)
        try:
            options.settle(session)
            add(session)
        except BaseException:
            session.close()
            raise
        return session

    def prepare(session: Session) -> None:
        add(session)
        is_anything_left(session, settings)
        check_model(session.model_settings)

    overwrite = if_there == "overwrite"
    return make(recording, out, options, overwrite=overwrite, keep_source=keep_source, prepare=prepare)


def make(
    recording: Any,
    out: Path,
    options: SessionOptions,
    *,
    overwrite: bool,
    keep_source: bool = False,
    prepare: Callable[[Session], None] | None = None,
) -> Session:
    """Make a session, which closes the recording unless the caller opened it."""

    def ready(session: Session) -> None:
        if keep_source:
            kept_source.keep_source(session.folder, session.recording)
        if prepare is not None:
            prepare(session)

    remember_choice(options.model_settings())
    return _with_recording(
        recording,
        options.open(recording),
        lambda source: Session.create(
            out, source, options.view_of(source), options.model_settings(), overwrite=overwrite, prepare=ready
        ),
    )


def reopen(out: Path, recording: Any, options: SessionOptions | None = None, *, read_only: bool = False) -> Session:
    """Open a session; its recording is opened as before unless the options say otherwise."""
    if out.is_file():
        raise SessionError(f"{out} is a file, not a session; name a folder that ends with .sam2v.")
    if not out.is_dir():
        raise SessionError(f"There is no session {out}; check the path.")
    if recording is None:
        return Session.open(out, read_only=read_only)
    has_opening = options is not None and options.opening != OpenSettings()
    source = (
        options.open(recording)
        if options is not None and has_opening
        else open_described(recording, read_manifest(out)["source"])
    )
    return _with_recording(recording, source, lambda one: Session.open(out, recording=one, read_only=read_only))


def require_prompts(session: Session, detector: str | None = None) -> None:
    """Refuse a session in which no object has a prompt and no detector can find any.

    Raises
    ------
    Sam2VideoError
        If there is no prompt, or the detector cannot be used.
    """
    if detector is not None:
        session.check_detector(detector)
        return
    elsewhere = any(session.planes.prompt_sets(axis) for axis in session.planes.axes[1:])
    if not elsewhere and not any(session.state(one.id).prompted for one in session.objects):
        raise PromptError("No object has a prompt; give at least one point, box, scribble, mask or label image.")


def require_walks(session: Session, prompts: Sequence[Prompt], planes: Sequence[str]) -> None:
    """Refuse prompts on planes across an axis that is not walked.

    Raises
    ------
    PromptError, SessionError
        If there is one, or the session cannot be walked along one of the axes.
    """
    walked = session.planes.checked(planes)
    for axis in session.planes.checked([one.axis for one in prompts if one.axis is not None]):
        if axis not in walked and axis != session.planes.axes[0]:
            raise PromptError(
                f"A prompt lies on a plane across {axis}, along which nothing is tracked; name the axes to track "
                f"along, such as planes={session.planes.axes[0]}{axis}."
            )


def is_anything_left(session: Session, settings: TrackSettings) -> bool:
    """Whether there is anything to track.

    Raises
    ------
    PromptError, SessionError
        If the settings do not fit the session.
    """
    states = [session.state(one.id) for one in session.objects if not one.locked]
    return bool(plan_run(states, settings, session.n_frames).passes)


def range_notes(session: Session, settings: TrackSettings) -> tuple[str, ...]:
    """Notes about objects that are tracked beyond the range because they have prompts outside it."""
    first, stop = settings.start or 0, session.n_frames if settings.stop is None else settings.stop
    notes = []
    for one in session.objects:
        prompted = session.state(one.id).prompted
        outside = [frame for frame in prompted if not first <= frame < stop]
        if outside and (settings.objects is None or one.id in settings.objects):
            frames = ", ".join(map(str, sorted(outside)[:5])) + (" ..." if len(outside) > 5 else "")
            notes.append(
                f"Object {one.id} has prompts outside the range {first}:{stop}, on frame {frames}; frames in between "
                "are tracked and kept too."
            )
    return tuple(notes)


def _with_recording(given: Any, source: Recording, make: Callable[[Recording], Session]) -> Session:
    try:
        session = make(source)
    except BaseException:
        if source is not given:
            source.close()
        raise
    if source is not given:
        session.adopt_recording()
    return session
