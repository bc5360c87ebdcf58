"""Signals about changes of a session, for viewers and scripts."""

from __future__ import annotations

import traceback

from psygnal import EmitLoopError, Signal, SignalGroup

from napari_sam2_video.errors import SessionError


class SessionEvents(SignalGroup):
    """Signals of a session, emitted without arguments after a change, on the thread that made it.

    ``session.events.masks.connect(callback)`` listens to one of them. ``session.events.connect(callback)`` listens to
    all: the callback gets a `psygnal.EmissionInfo`, whose ``signal.name`` says which it was. If a listener fails, those
    connected after it are not called, the call that made the change raises `SessionError`, and the change is kept.

    Signals
    -------
    objects
        Objects were added, edited or removed.
    prompts
        Prompts were set or removed.
    masks
        Masks or paint changed.
    accepted
        Frames were accepted, or acceptance was withdrawn.
    checks
        A check ended.
    model
        Another model was chosen.
    proposals
        New proposals were made, or some were accepted or rejected.
    reviewed
        A place in the review was answered.
    """

    objects = Signal()
    prompts = Signal()
    masks = Signal()
    accepted = Signal()
    checks = Signal()
    model = Signal()
    proposals = Signal()
    reviewed = Signal()

    def announce(self, *names: str) -> None:
        """Emit the signals with these names, all of them even if a listener fails.

        Raises
        ------
        SessionError
            If a listener failed.
        """
        failures: list[EmitLoopError] = []
        for name in names:
            try:
                self[name].emit()
            except EmitLoopError as error:
                failures.append(error)
        if failures:
            cause = failures[0].__cause__ or failures[0]
            frames = traceback.extract_tb(cause.__traceback__)
            listener = next((frame.name for frame in frames if "psygnal" not in frame.filename), "A callback")
            raise SessionError(
                f"{listener}, which listens to the session, failed ({type(cause).__name__}: {cause}); the change is "
                "kept: correct the callback or disconnect it."
            ) from cause
