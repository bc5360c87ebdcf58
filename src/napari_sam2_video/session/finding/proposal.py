"""What a person may accept or reject: something that a detector found, and what it means for the tracked objects."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np

from napari_sam2_video.linking.shapes import Shape
from napari_sam2_video.types.checks import from_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ProposalKind: TypeAlias = Literal["new object", "division", "end", "found again"]
Decision: TypeAlias = Literal["open", "accepted", "rejected"]

KINDS: tuple[ProposalKind, ...] = get_args(ProposalKind)
DECISIONS: tuple[Decision, ...] = get_args(Decision)
ACCEPT, REJECT = "accept", "reject"


@dataclass(frozen=True, eq=False)
class FoundTrack:
    """An object that a detector found, on one frame or more.

    Parameters
    ----------
    shapes : mapping of int to Shape
        Its masks by frame, ascending; at least one.
    sure : frozenset of int
        Frames whose mask is the detector's own, not one that was cut out of a larger one.
    missing : tuple of int
        Frames on which it is there and was not found.
    """

    shapes: Mapping[int, Shape] = field(repr=False)
    sure: frozenset[int]
    missing: tuple[int, ...] = ()

    @property
    def first(self) -> int:
        """The first frame on which it was found."""
        return next(iter(self.shapes))

    def pack(self) -> bytes:
        """The track as bytes."""
        head = {
            "masks": [[f, *s.origin_yx, *s.mask.shape, f in self.sure] for f, s in self.shapes.items()],
            "missing": list(self.missing),
        }
        bits = b"".join(np.packbits(shape.mask).tobytes() for shape in self.shapes.values())
        return zlib.compress(json.dumps(head).encode() + b"\n" + bits, 1)

    @classmethod
    def unpack(cls, data: bytes) -> FoundTrack:
        """The track of what `pack` gave; raises ValueError, TypeError or KeyError for anything else."""
        try:
            head, _, bits = zlib.decompress(data).partition(b"\n")
        except zlib.error as error:
            raise ValueError(str(error)) from error
        said = json.loads(head)
        shapes, sure, at = {}, set(), 0
        for frame, top, left, height, width, is_sure in said["masks"]:
            size = -(-height * width // 8)
            part = np.frombuffer(bits, np.uint8, size, at)
            mask = np.unpackbits(part, count=height * width).astype(bool).reshape(height, width)
            shapes[int(frame)] = Shape(mask, (int(top), int(left)))
            at += size
            if is_sure:
                sure.add(int(frame))
        if not shapes:
            raise ValueError("a track without a mask")
        return cls(shapes, frozenset(sure), tuple(int(f) for f in said["missing"]))


@dataclass(frozen=True)
class Proposal:
    """A change that a person may accept or reject.

    Parameters
    ----------
    id : int
        Its number.
    kind : {"new object", "division", "end", "found again"}
        An object that is not tracked yet; a tracked one that becomes two; one that is no longer there; one that was
        lost and is there again.
    frame : int
        From which frame on.
    score : float
        How sure it is, 0 to 1.
    reason : str
        Why, in words.
    box_yxyx : tuple of int
        The pixels that it is about, ``(y0, x0, y1, x1)``.
    find : int
        Number of the finding that it comes from.
    object_id : int, optional
        The tracked object that it is about; None if that is not tracked yet.
    mother : int, optional
        The proposal whose object divides, where it is not tracked yet.
    daughter : int
        Which of the objects of `mother` divides.
    tracks : tuple of str
        Names of the masks of what is added: of one object, or of two daughters.
    decision : {"open", "accepted", "rejected"}
        What became of it.
    by : str, optional
        Who decided: ``"person"``, or ``"rule: score >= 0.8"``.
    made : tuple of int
        Objects that accepting it added.
    """

    id: int
    kind: ProposalKind
    frame: int
    score: float
    reason: str
    box_yxyx: tuple[int, int, int, int]
    find: int
    object_id: int | None = None
    mother: int | None = None
    daughter: int = 0
    tracks: tuple[str, ...] = ()
    decision: Decision = "open"
    by: str | None = None
    made: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Form in the journal; its number is the key."""
        said = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "id"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items()}


def proposal_from_json(key: Any, value: Any) -> Proposal:
    """Proposal of its form in the journal; raises ValueError, TypeError or KeyError for anything else."""
    lists = {name: tuple(value[name]) for name in ("box_yxyx", "tracks", "made")}
    found: Proposal = from_file(Proposal, {**value, **lists, "id": int(key)})
    if found.kind not in KINDS or found.decision not in DECISIONS or not 0 <= found.score <= 1 or found.frame < 0:
        raise ValueError("no proposal")
    return found


@dataclass(frozen=True, eq=False)
class Draft:
    """A proposal before it is kept.

    Parameters
    ----------
    kind, frame, score, reason, object_id
        As of `Proposal`.
    tracks : tuple of FoundTrack
        What is added.
    mother : Draft, optional
        What makes the object that divides.
    daughter : int
        Which of its objects divides.
    box_yxyx : tuple of int
        The pixels that it is about.
    """

    kind: ProposalKind
    frame: int
    score: float
    reason: str
    box_yxyx: tuple[int, int, int, int]
    object_id: int | None = None
    tracks: Sequence[FoundTrack] = ()
    mother: Draft | None = None
    daughter: int = 0
