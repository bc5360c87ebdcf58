"""The user's next step, in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Place: TypeAlias = Literal["", "recording", "model", "objects", "find", "track", "review", "export"]
Emphasis: TypeAlias = Literal["", "open", "continue", "new", "click", "track", "review", "export"]

TOOL_SENTENCES = {
    "point": "Click on the object in the image.",
    "not": "Click on what is not the object, or switch back with Q.",
    "scribble": "Draw a stroke along the object in the image.",
    "not_scribble": "Draw a stroke along what is not the object, or switch back with Q.",
    "box": "Drag a box around the object in the image.",
    "lasso": "Draw around the object in the image.",
    "paint": "Paint the object in the image.",
    "erase": "Erase what is not the object.",
}


@dataclass(frozen=True)
class Situation:
    """Everything that the next step depends on.

    Parameters
    ----------
    images : bool
        Whether there is an image layer.
    loading, open : bool
        Whether a session is being prepared, and whether one is open.
    problem, model_problem : str
        Why no session can start, and why nothing can be tracked; empty if possible.
    earlier : bool
        Whether the image has an earlier session.
    objects : int
        How many objects there are.
    armed : str, optional
        The armed tool.
    prompted, locked : bool
        Whether the active object has a prompt or paint, and whether it is locked.
    changed : bool
        Whether any object changed since it was tracked.
    outlined : bool
        Whether an outline may show the active object: not on a plane across another axis without prompts.
    running, unfinished : bool
        Whether a run is under way, and whether one was stopped.
    tracked, exported : bool
        Whether there are masks, and whether they were exported.
    proposed, doubtful : int
        How many proposals are open, and how many places deserve a look.
    """

    images: bool = False
    loading: bool = False
    open: bool = False
    problem: str = ""
    earlier: bool = False
    model_problem: str = ""
    objects: int = 0
    armed: str | None = None
    prompted: bool = False
    locked: bool = False
    changed: bool = False
    outlined: bool = True
    running: bool = False
    unfinished: bool = False
    tracked: bool = False
    exported: bool = False
    proposed: int = 0
    doubtful: int = 0


@dataclass(frozen=True)
class NextStep:
    """A step: a sentence, the button that takes it, and the section where that button is."""

    text: str
    button: Emphasis = ""
    section: Place = ""


def next_step(now: Situation) -> NextStep:
    """The next step in a situation."""
    if now.loading:
        return NextStep("Preparing the recording. You can already click the object.")
    if not now.open:
        return _before_a_session(now)
    if now.running:
        return NextStep("Tracking. You can look at finished frames; Stop keeps them.")
    if not now.objects:
        return NextStep("Press New object.", "new", "objects")
    if not now.prompted and not now.locked:
        if now.armed is None:
            return NextStep("Press Point + and click on the object in the image.", "click", "objects")
        return NextStep(TOOL_SENTENCES[now.armed], "", "objects")
    if now.model_problem:
        return NextStep(now.model_problem, "", "model")
    if now.unfinished:
        return NextStep("The run was stopped. Press Continue, or correct what you see first.", "track", "track")
    if now.changed and now.tracked:
        return NextStep(
            "Press Track to apply the change to other frames; only what changed is tracked.", "track", "track"
        )
    if now.changed and not now.outlined:
        return NextStep("Press Track, or click the object on this plane as well.", "track", "track")
    if now.changed:
        text = "If the outline fits, press Track. If not, click what is missing, or Ctrl+click what does not belong."
        return NextStep(text, "track", "track")
    if now.proposed:
        proposals = "One proposal" if now.proposed == 1 else f"{now.proposed} proposals"
        return NextStep(f"{proposals} to decide on: accept what is right, reject the rest.", "", "find")
    if now.doubtful:
        places = "One place is" if now.doubtful == 1 else f"{now.doubtful} places are"
        return NextStep(f"{places} doubtful: check, then accept or correct.", "review", "review")
    if now.tracked and not now.exported:
        return NextStep("Nothing is doubtful. Correct what you see, or export the masks.", "export", "export")
    if now.tracked:
        return NextStep("Exported. Add objects, correct, or open another image.")
    return NextStep("Press Track.", "track", "track")


def _before_a_session(now: Situation) -> NextStep:
    if not now.images:
        return NextStep(
            "Open a recording: drop it onto the viewer, press Open…, or start with the sample.", "open", "recording"
        )
    if now.problem:
        return NextStep(now.problem, "", "recording")
    if now.earlier:
        text = "This image already has a session: continue it, or press New object to start another one."
        return NextStep(text, "continue", "recording")
    text = "Adjust the contrast until you see the object well: the model sees what you see. Then press New object."
    return NextStep(text, "new", "objects")
