"""Clean up masks: fill holes, drop small parts, keep the largest part, smooth along the walked axis."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from napari_sam2_video.errors import SessionError
from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.spans import frame_runs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

Mask = npt.NDArray[np.bool_]
EIGHT_NEIGHBOURS = np.ones((3, 3), bool)
WINDOWS = (1, 3, 5)


@dataclass(frozen=True)
class CleanSettings:
    """What to clean up; applied in the order smooth, fill, drop, keep. The default changes nothing.

    Parameters
    ----------
    smooth_frames : {1, 3, 5}
        Take the majority over this many frames around each one; 1 does nothing.
    fill_holes : bool
        Fill background that is enclosed by the object.
    largest_hole : int, optional
        Keep holes with more pixels than this; by default fill all.
    smallest_part : int
        Drop connected parts with fewer pixels than this.
    keep_largest : bool
        Drop all connected parts except the largest.

    Raises
    ------
    SessionError
        If a number is out of range.
    """

    smooth_frames: Literal[1, 3, 5] = 1
    fill_holes: bool = False
    largest_hole: int | None = None
    smallest_part: int = 0
    keep_largest: bool = False

    def __post_init__(self) -> None:
        if self.smooth_frames not in WINDOWS:
            raise SessionError(f"Masks are smoothed over 1, 3 or 5 frames, not {self.smooth_frames}.")
        if self.smallest_part < 0 or (self.largest_hole is not None and self.largest_hole < 0):
            raise SessionError("The size of a part or hole is a number of pixels, 0 or more.")

    @property
    def does_nothing(self) -> bool:
        """True if no step is chosen."""
        return self.smooth_frames == 1 and not (self.fill_holes or self.smallest_part > 1 or self.keep_largest)


@dataclass(frozen=True)
class CleanedMask:
    """A mask that cleaning up changed, bool of shape ``(Y, X)``."""

    frame: int
    object_id: int
    mask: Mask = field(repr=False)


def fill_holes(mask: Mask, largest: int | None = None) -> Mask:
    """Fill background that the object encloses (four-connected, as `scipy.ndimage.binary_fill_holes`).

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        The object.
    largest : int, optional
        Keep holes with more pixels than this.
    """
    from scipy.ndimage import label

    background, _ = label(np.pad(~mask, 1, constant_values=True))
    sizes = np.bincount(background.reshape(-1))
    fillable = np.ones(sizes.size, bool) if largest is None else sizes <= largest
    fillable[[0, background[0, 0]]] = False
    filled: Mask = mask | fillable[background[1:-1, 1:-1]]
    return filled


def drop_small_parts(mask: Mask, smallest: int) -> Mask:
    """Drop eight-connected parts of fewer than `smallest` pixels."""
    parts, sizes = _parts(mask)
    kept = sizes >= smallest
    kept[0] = False
    result: Mask = kept[parts]
    return result


def keep_largest_part(mask: Mask) -> Mask:
    """Keep the largest eight-connected part; among equal ones, the one that begins in the upper row."""
    parts, sizes = _parts(mask)
    sizes[0] = 0
    result: Mask = mask & (parts == sizes.argmax())
    return result


def _parts(mask: Mask) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
    from scipy.ndimage import label

    parts, count = label(mask, structure=EIGHT_NEIGHBOURS)
    return parts, np.bincount(parts.reshape(-1), minlength=count + 1)


def majority(masks: Sequence[Mask]) -> Mask:
    """The binary median of an odd number of masks: True where more than half are True."""
    votes = np.zeros(masks[0].shape, np.uint8)
    for mask in masks:
        votes += mask
    result: Mask = votes > len(masks) // 2
    return result


def clean_mask(mask: Mask, settings: CleanSettings) -> Mask:
    """Apply the steps that only look at one frame.

    Parameters
    ----------
    mask : ndarray of bool, shape (Y, X)
        The object; not changed.
    settings : CleanSettings
        Which steps.
    """
    window = bounding_box(mask)
    if window is None:
        return mask.copy()
    part = mask[window]
    if settings.fill_holes:
        part = fill_holes(part, settings.largest_hole)
    if settings.smallest_part > 1:
        part = drop_small_parts(part, settings.smallest_part)
    if settings.keep_largest:
        part = keep_largest_part(part)
    cleaned = np.zeros_like(mask)
    cleaned[window] = part
    return cleaned


def clean(
    read_mask: Callable[[int, int], Mask],
    frames: Mapping[int, Iterable[int]],
    settings: CleanSettings,
    *,
    untouched: Mapping[int, Collection[int]] | None = None,
) -> Iterator[CleanedMask]:
    """Clean up the masks of some objects, and yield those that change.

    Each mask is read once, before any result that depends on it is yielded, and at most `smooth_frames` are held, so
    the caller may write a mask as soon as it is yielded. At the ends of an unbroken run of frames, the last mask is
    repeated to fill the window.

    Parameters
    ----------
    read_mask : callable
        Frame and object id to its mask, bool of shape ``(Y, X)``.
    frames : mapping of int to iterable of int
        For each object, the frames on which it was tracked; others are left alone.
    settings : CleanSettings
        What to do.
    untouched : mapping of int to collection of int, optional
        For each object, the painted or accepted frames. They count for their neighbours, but stay unchanged.

    Yields
    ------
    CleanedMask
        Only masks that differ from those read, objects and frames ascending.
    """
    if settings.does_nothing:
        return
    kept = untouched or {}
    for object_id in sorted(frames):
        fixed = frozenset(kept.get(object_id, ()))
        for run in frame_runs(frames[object_id]):
            yield from _clean_run(read_mask, object_id, run, settings, fixed)


def _clean_run(
    read_mask: Callable[[int, int], Mask], object_id: int, run: range, settings: CleanSettings, fixed: frozenset[int]
) -> Iterator[CleanedMask]:
    reach = settings.smooth_frames // 2
    first = read_mask(run[0], object_id)
    window: deque[Mask] = deque([first] * (reach + 1), maxlen=settings.smooth_frames)
    for frame in range(run[0] + 1, run[0] + 1 + reach):
        window.append(read_mask(frame, object_id) if frame in run else window[-1])
    for frame in run:
        if frame > run[0]:
            ahead = frame + reach
            window.append(read_mask(ahead, object_id) if ahead in run else window[-1])
        if frame in fixed:
            continue
        cleaned = clean_mask(majority(window), settings)
        if not np.array_equal(cleaned, window[reach]):
            yield CleanedMask(frame, object_id, cleaned)
