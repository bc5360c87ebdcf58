"""Settings of linking: the costs of events."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LinkSettings:
    """Costs of events, as negative logarithms of their probability; the cheapest explanation is chosen.

    Parameters
    ----------
    missing : float
        A mask is missing on a frame.
    merged : float
        One label holds two objects; every further one costs it again.
    split : float
        Two labels are one object.
    appears, appears_at_edge : float
        A track begins, or ends, in the middle or at the edge of the frame.
    divides : float
        An object divides.
    shape : float
        Weight of 1 - IoU of two masks with aligned centres.
    size : float
        Weight of the logarithm of the ratio of two areas.
    reach : float
        Distance that a centre moves from one frame to the next, in radii of the object; one standard deviation.
    gap : int
        Maximum number of consecutive frames on which an object may be missing.
    """

    missing: float = 2.3
    merged: float = 3.0
    split: float = 3.0
    appears: float = 8.0
    appears_at_edge: float = 4.5
    divides: float = 5.0
    shape: float = 6.0
    size: float = 3.0
    reach: float = 0.3
    gap: int = 3

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)
