"""Turn drawings into prompts: outlines into masks, strokes into short paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.errors import PromptError

if TYPE_CHECKING:
    import numpy.typing as npt

_ELLIPSE_POINTS = 96


def polygon_mask(outline_yx: npt.ArrayLike, shape_yx: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels whose centres lie inside a closed outline.

    Parameters
    ----------
    outline_yx : array of shape (N, 2)
        Corners ``(y, x)`` in pixels; parts outside the frame are ignored.
    shape_yx : tuple of int
        Shape of the frame.

    Raises
    ------
    PromptError
        If no pixel of the frame is inside.
    """
    from skimage.draw import polygon2mask

    corners = np.asarray(outline_yx, float)
    mask: npt.NDArray[np.bool_] = np.asarray(polygon2mask(shape_yx, corners), np.bool_)  # type: ignore[no-untyped-call]
    if not mask.any():
        raise PromptError("The outline holds no pixel of the frame; draw it larger, or on the image.")
    return mask


def ellipse_outline(corners_yx: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Outline of the ellipse that touches the sides of a parallelogram.

    Parameters
    ----------
    corners_yx : array of shape (4, 2)
        Corners of the parallelogram, in order.
    """
    corners = np.asarray(corners_yx, float)
    centre = corners.mean(axis=0)
    first = (corners[1] - corners[0]) / 2
    second = (corners[3] - corners[0]) / 2
    turn = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)[:, None]
    outline: npt.NDArray[np.float64] = centre + np.cos(turn) * first + np.sin(turn) * second
    return outline


def upright_box(corners_yx: npt.ArrayLike) -> tuple[float, float, float, float] | None:
    """Box ``(y0, x0, y1, x1)`` of a rectangle with sides along the axes; None for a rotated one.

    Parameters
    ----------
    corners_yx : array of shape (4, 2)
        Corners, in order; each may be off by half a pixel.
    """
    corners = np.asarray(corners_yx, float)
    y0, x0 = corners.min(axis=0)
    y1, x1 = corners.max(axis=0)
    for y, x in corners:
        if min(abs(y - y0), abs(y - y1)) > 0.5 or min(abs(x - x0), abs(x - x1)) > 0.5:
            return None
    return float(y0), float(x0), float(y1), float(x1)


def simplified_path(path_yx: npt.ArrayLike) -> tuple[tuple[float, float], ...]:
    """The path of a mouse without superfluous points (Douglas and Peucker).

    Parameters
    ----------
    path_yx : array of shape (N, 2)
        Its points ``(y, x)``; the path moves by half a pixel at most.
    """
    from skimage.measure import approximate_polygon

    found = approximate_polygon(np.asarray(path_yx, float), 0.5)  # type: ignore[no-untyped-call]
    return tuple((float(y), float(x)) for y, x in found)


def contour(inside: npt.NDArray[np.bool_], width: int = 1) -> npt.NDArray[np.bool_]:
    """Pixels of a mask along its border.

    Parameters
    ----------
    inside : ndarray of bool, shape (h, w)
        The mask; everything beyond the array counts as outside.
    width : int
        Width in pixels, counted in steps along the axes, at least 1.

    Returns
    -------
    ndarray of bool, shape (h, w)
        The contour.
    """
    from scipy.ndimage import binary_erosion

    line: npt.NDArray[np.bool_] = inside & ~binary_erosion(inside, iterations=width)
    return line
