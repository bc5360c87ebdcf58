"""Proposals, which the user accepts or rejects: a finding of a detector and what it means for tracked objects."""

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
    """An object that a detector found on one or more frames.

    Parameters
    ----------
    shapes : mapping of int to Shape
        Its masks by frame, ascending; at least one.
    sure : frozenset of int
        Frames whose mask is the detector's own, not cut from a larger one.
    missing : tuple of int
        Frames on which it is present but was not found.
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
        """Track from the result of `pack`; raises ValueError, TypeError or KeyError for anything else."""
        try:
            head, _, bits = zlib.decompress(data).partition(b"\n")
        except zlib.error as error:
            raise ValueError(str(error)) from error
        header = json.loads(head)
        shapes, sure, at = {}, set(), 0
        for frame, top, left, height, width, is_sure in header["masks"]:
            size = -(-height * width // 8)
            part = np.frombuffer(bits, np.uint8, size, at)
            mask = np.unpackbits(part, count=height * width).astype(bool).reshape(height, width)
            shapes[int(frame)] = Shape(mask, (int(top), int(left)))
            at += size
            if is_sure:
                sure.add(int(frame))
        if not shapes:
            raise ValueError("a track without a mask")
        return cls(shapes, frozenset(sure), tuple(int(f) for f in header["missing"]))


@dataclass(frozen=True)
class Proposal:
    """A change that the user may accept or reject.

    Parameters
    ----------
    id : int
        Its number.
    kind : {"new object", "division", "end", "found again"}
        An object that is not tracked yet; a tracked one that becomes two; one that is gone; a lost one that reappears.
    frame : int
        Frame from which it applies.
    score : float
        Confidence, 0 to 1.
    reason : str
        The reason in words.
    box_yxyx : tuple of int
        The region it is about, ``(y0, x0, y1, x1)``.
    find : int
        Number of the finding it comes from.
    object_id : int, optional
        The tracked object it is about; None if it is not tracked yet.
    mother : int, optional
        The proposal whose object divides, if that is not tracked yet.
    daughter : int
        Index of the dividing object in `mother`.
    tracks : tuple of str
        Names of the stored masks to add: of one object, or of two daughters.
    decision : {"open", "accepted", "rejected"}
        The decision.
    by : str, optional
        What decided: ``"person"``, or ``"rule: score >= 0.8"``.
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
        """Form in the journal, under its id as key."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "id"}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def proposal_from_json(key: Any, value: Any) -> Proposal:
    """Proposal from its journal form; raises ValueError, TypeError or KeyError for anything else."""
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
        The tracks to add.
    mother : Draft, optional
        The draft that adds the dividing object.
    daughter : int
        Index of the dividing object in it.
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
