"""The state of an object, which the table and the timeline show with a sign and a colour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ObjectState:
    """A state: its sign, which works without colours, its colour and its title."""

    sign: str
    color: str
    title: str


# In the order of what needs attention first; colours of Okabe and Ito, safe for colour blindness.
STATES: dict[str, ObjectState] = {
    "review": ObjectState("!", "#e69f00", "To look at"),
    "changed": ObjectState("▲", "#56b4e9", "Changed, to track"),
    "empty": ObjectState("○", "#8a8f98", "No prompt yet"),
    "tracked": ObjectState("●", "#009e73", "Tracked"),
    "accepted": ObjectState("✓", "#009e73", "Accepted"),
    "locked": ObjectState("■", "#cc79a7", "Locked"),
}


def state_of(*, locked: bool, ready: bool, dirty: bool, doubtful: int, accepted: bool) -> str:
    """The state of an object, a key of `STATES`.

    Parameters
    ----------
    locked, ready, dirty : bool
        Whether it is locked, has a prompt or paint, and changed since it was tracked.
    doubtful : int
        Number of its places left to review.
    accepted : bool
        Whether all of its tracked frames are accepted.
    """
    if locked:
        return "locked"
    if not ready:
        return "empty"
    if dirty:
        return "changed"
    if doubtful:
        return "review"
    return "accepted" if accepted else "tracked"
