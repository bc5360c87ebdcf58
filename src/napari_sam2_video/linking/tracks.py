"""Tracks of a labelled series."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.linking.candidates import Source
    from napari_sam2_video.linking.shapes import Shape


@dataclass(frozen=True, eq=False)
class Track:
    """An object through time.

    Parameters
    ----------
    number : int
        Its number, from 1.
    shapes : mapping of int to Shape
        Its pixels by frame, in ascending order.
    sources : mapping of int to {"label", "joined", "part"}
        Their origin: a label itself, several joined labels, or a part of a label.
    missing : tuple of int
        Frames on which it is present without a label.
    parent : int, optional
        Number of the track that divided into this one and another.
    """

    number: int
    shapes: Mapping[int, Shape] = field(repr=False)
    sources: Mapping[int, Source] = field(repr=False)
    missing: tuple[int, ...] = ()
    parent: int | None = None

    @property
    def first(self) -> int:
        """The first frame on which it is present."""
        return min((*self.shapes, *self.missing))

    @property
    def first_found(self) -> int:
        """The first frame on which it has a label."""
        return min(self.shapes)

    @property
    def last(self) -> int:
        """The last frame on which it is present."""
        return max((*self.shapes, *self.missing))
