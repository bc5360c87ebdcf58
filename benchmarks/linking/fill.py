"""Masks for the frames on which a track has none, from its masks around them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.geometry import region_of
from napari_sam2_video.linking.shapes import Shape, union

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from napari_sam2_video.linking.tracks import Track

LEAST_LEFT = 0.3


def fill_gaps(tracks: Sequence[Track], shape_yx: tuple[int, int]) -> dict[int, dict[int, Shape]]:
    """Guess the masks that are missing.

    Between two masks the outline goes from the one to the other, and so does the centre; before the first and after
    the last one it stays unchanged. Pixels of other tracks are left to them.

    Parameters
    ----------
    tracks : sequence of Track
        The tracks.
    shape_yx : tuple of int
        Shape of the frames.

    Returns
    -------
    dict of int to dict of int to Shape
        By track number and frame.
    """
    guesses = [(track.number, frame, shape) for track in tracks for frame, shape in _guesses(track)]
    taken: dict[int, npt.NDArray[np.bool_]] = {frame: np.zeros(shape_yx, bool) for _, frame, _ in guesses}
    for track in tracks:
        for frame, shape in track.shapes.items():
            if frame in taken:
                taken[frame][shape.region] |= shape.mask
    found: dict[int, dict[int, Shape]] = {}
    for number, frame, guess in guesses:
        inside = guess.moved((0, 0), shape_yx)
        if inside is None:
            continue
        left = Shape.cut(inside.mask & ~taken[frame][inside.region], inside.origin_yx)
        if left is not None and left.area >= LEAST_LEFT * inside.area:
            taken[frame][left.region] |= left.mask
            found.setdefault(number, {})[frame] = left
    return found


def _guesses(track: Track) -> Iterator[tuple[int, Shape]]:
    for before, after in pairwise(sorted(track.shapes)):
        for frame in range(before + 1, after):
            part = (frame - before) / (after - before)
            yield frame, between(track.shapes[before], track.shapes[after], part)
    for frame in track.missing:
        if not min(track.shapes) < frame < max(track.shapes):
            yield frame, track.shapes[min(track.shapes, key=lambda known: abs(known - frame))]


def between(first: Shape, second: Shape, part: float) -> Shape:
    """Shape on the way from one to another; `part` is 0 at the first and 1 at the second."""
    from scipy.ndimage import distance_transform_edt

    centre = [(1 - part) * a + part * b for a, b in zip(first.centre, second.centre, strict=True)]
    moved = [
        Shape(one.mask, tuple(o + round(c - own) for o, c, own in zip(one.origin_yx, centre, one.centre, strict=True)))  # type: ignore[arg-type]
        for one in (first, second)
    ]
    frame = union(moved)
    # The rim of one pixel outside makes every distance finite.
    depth = np.zeros(np.add(frame.mask.shape, 2))
    for one, weight in zip(moved, (1 - part, part), strict=True):
        inside = np.zeros(depth.shape, bool)
        offset = (one.origin_yx[0] - frame.origin_yx[0] + 1, one.origin_yx[1] - frame.origin_yx[1] + 1)
        inside[region_of(offset, one.mask.shape)] = one.mask
        depth += weight * (distance_transform_edt(inside) - distance_transform_edt(~inside))
    return Shape.cut(depth[1:-1, 1:-1] > 0, frame.origin_yx) or moved[0]
