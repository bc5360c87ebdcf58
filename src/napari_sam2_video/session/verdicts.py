"""Answers to places in the review, in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from napari_sam2_video.session.prompts import split_key

if TYPE_CHECKING:
    from napari_sam2_video.analysis.review import ReviewItem

Verdict: TypeAlias = Literal["right", "wrong", "later", "corrected", "answered"]
Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Judgement:
    """A verdict, and the mask it was about, as from `MaskStore.stamp`."""

    verdict: Verdict
    stamp: Stamp

    def to_json(self) -> list[Any]:
        """Form for the journal."""
        return [self.verdict, *self.stamp]


def key_of_item(item: ReviewItem) -> str:
    """Key of a place: object (0 for none), frame and kind; proposals use their id, as a frame may have many."""
    return f"{item.object_id}:{item.frame}:{item.component if item.kind == 'proposal' else item.kind}"


def place_of(key: str) -> tuple[int, int, str]:
    """Object, frame and kind from a key."""
    where, kind = str(key).rsplit(":", 1)
    if where.startswith("0:"):
        return 0, split_key(f"1:{where[2:]}")[1], kind
    return *split_key(where), kind


def judgement_from_json(key: Any, value: Any, n_frames: int) -> Judgement:
    """Judgement from its journal form; raises ValueError or TypeError for anything else."""
    if place_of(key)[1] >= n_frames:
        raise ValueError("a frame outside the recording")
    verdict, record, crc, stroke = value
    if verdict not in get_args(Verdict):
        raise ValueError("no verdict")
    return Judgement(verdict, (int(record), int(crc), int(stroke)))
