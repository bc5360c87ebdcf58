"""Refine the section of an object on a plane with the user's prompts there, which win where they contradict it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.prompts import scribble_points
from napari_sam2_video.geometry import cut_to_box, whole_mask
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from napari_sam2_video.session.planes.sections import Sections
    from napari_sam2_video.types import ObjectMask, Preview, Prompt

SIDE = 0.5
"""A click on the object may be this far from its section, as a fraction of the side of the section's box."""
CLEAR = 2.0
"""Minimum distance in pixels of a click beside the object from the centre of its section, if that is to be kept."""
SPOT = 2.5
"""Radius, in pixels along the finer axis, of what a click changes for certain."""
SURE = 255


def refined(
    answer: Callable[[Sequence[Prompt]], Preview],
    asked: Sequence[Prompt],
    sections: Sections,
    spacing_yx: tuple[float, float],
) -> Preview:
    """Masks of an object on a plane with prompts of the user.

    Parameters
    ----------
    answer : callable
        Returns the network's masks for prompts on the plane.
    asked : sequence of Prompt
        The user's prompts there, at least one.
    sections : Sections
        Sections of the object.
    spacing_yx : tuple of float
        Distance of pixels along the rows and the columns, in one unit.
    """
    section = sections.prompts(asked[0].object_id, asked[0].frame)
    found = answer(refining_prompts(asked, section))
    if not section:
        return found
    masks = (obeying(mask, asked, sections.plane_shape, spacing_yx) for mask in found.candidates)
    return replace(found, candidates=tuple(masks))


def refining_prompts(asked: Sequence[Prompt], section: Sequence[Prompt]) -> tuple[Prompt, ...]:
    """The user's prompts on a plane together with the section there.

    The prompts replace the section if they include a mask, or if all clicks on the object are far from it.

    Parameters
    ----------
    asked : sequence of Prompt
        The user's prompts.
    section : sequence of Prompt
        Mask, box and centre of the section, as from `Sections.prompts`; empty if there is none.
    """
    if not asked or not section or any(isinstance(one, MaskPrompt) for one in asked):
        return tuple(asked or section)
    mask, box, centre = section
    assert isinstance(mask, MaskPrompt)
    assert isinstance(box, BoxPrompt)
    assert isinstance(centre, PointPrompt)
    drawn = next((one for one in asked if isinstance(one, BoxPrompt)), None)
    inside, beside = _clicks(asked, positive=True), _clicks(asked, positive=False)
    low, high = np.array([box.y0, box.x0]), np.array([box.y1, box.x1])
    room = SIDE * (high - low)
    near = ((inside >= low - room) & (inside <= high + room)).all(axis=1)
    if inside.size and not near.any():
        return tuple(asked)
    kept = mask.mask
    if drawn is not None:
        rows, columns = np.ogrid[: kept.shape[0], : kept.shape[1]]
        within = (rows >= drawn.y0) & (rows <= drawn.y1) & (columns >= drawn.x0) & (columns <= drawn.x1)
        kept = kept & within
        if 2 * np.count_nonzero(kept) < np.count_nonzero(mask.mask):
            return tuple(asked)
    at = np.array([centre.y, centre.x])
    on_object = any(kept[_pixel(place, kept.shape)] for place in inside)
    clear = not beside.size or np.hypot(*(beside - at).T).min() >= CLEAR
    grown = (np.vstack([low, *(inside - 0.5)]).min(axis=0), np.vstack([high, *(inside + 0.5)]).max(axis=0))
    return (
        replace(mask, mask=kept),
        *([] if drawn is not None else [BoxPrompt(box.object_id, box.frame, *grown[0].tolist(), *grown[1].tolist())]),
        *([centre] if clear and not on_object and kept[int(centre.y), int(centre.x)] else []),
        *asked,
    )


def obeying(
    mask: ObjectMask, asked: Sequence[Prompt], shape_yx: tuple[int, int], spacing_yx: tuple[float, float]
) -> ObjectMask:
    """A mask with the spots of clicks that it does not follow.

    Parameters
    ----------
    mask : ObjectMask
        What the network made of the user's prompts and of the section.
    asked : sequence of Prompt
        The user's prompts.
    shape_yx : tuple of int
        Rows and columns of the plane.
    spacing_yx : tuple of float
        Distance of pixels along the rows and the columns, in one unit.
    """
    levels = whole_mask(mask.origin_yx, mask.levels, shape_yx)
    rows, columns = np.ogrid[: shape_yx[0], : shape_yx[1]]
    scale_y, scale_x = (length / min(spacing_yx) for length in spacing_yx)
    ignored = [
        (place, positive)
        for positive in (True, False)
        for place in _clicks(asked, positive=positive)
        if bool(levels[_pixel(place, shape_yx)]) != positive
    ]
    for (y, x), positive in ignored:
        spot = ((rows - y) * scale_y) ** 2 + ((columns - x) * scale_x) ** 2 <= SPOT**2
        spot[_pixel((y, x), shape_yx)] = True
        levels[spot] = np.maximum(levels[spot], SURE) if positive else 0
    if not ignored:
        return mask
    for positive in (False, True):
        for place in _clicks(asked, positive=positive):
            levels[_pixel(place, shape_yx)] = SURE if positive else 0
    origin, levels = cut_to_box(levels)
    return replace(mask, origin_yx=origin, levels=levels)


def _clicks(asked: Sequence[Prompt], *, positive: bool) -> npt.NDArray[np.float64]:
    """Clicks on or beside the object, those on scribbles included, float64 of shape ``(N, 2)``."""
    places: list[tuple[float, float]] = []
    for one in asked:
        if isinstance(one, PointPrompt) and one.positive == positive:
            places.append((one.y, one.x))
        elif isinstance(one, ScribblePrompt) and one.positive == positive:
            places += [(float(y), float(x)) for y, x in scribble_points(one.path)]
    return np.array(places, np.float64).reshape(-1, 2)


def _pixel(place_yx: Sequence[float] | npt.NDArray[np.float64], shape_yx: tuple[int, ...]) -> tuple[int, int]:
    """The pixel of a plane that a place is in."""
    y, x = (min(max(round(float(at)), 0), length - 1) for at, length in zip(place_yx, shape_yx, strict=True))
    return y, x
