"""Outlines that move and deform, and the painter that puts them on a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_ANGLES = np.linspace(-np.pi, np.pi, 97)
_MARGIN = 8


@dataclass
class Actor:
    """One object: where its outline is on each frame, and what it is filled with.

    Parameters
    ----------
    identity : int
        Its id in the truth, at least 1; 0 for scenery that the truth leaves out.
    centres : (T, 2) array
        (y, x) in pixels.
    radii : (T,) array
        Mean radius in pixels; 0 where the object is absent.
    aspects : (T,) array
        Long over short axis, at least 1.
    turns : (T,) array
        Direction of the long axis in radians.
    waves : (T, K, 2) array
        Cosine and sine weights of the outline's harmonics 2 … K+1, relative to the radius.
    level : float
        Brightness of the fill, in the scene's units.
    edge : float
        Softness of the edge in pixels.
    depth : float
        Actors of greater depth are painted first.
    texture : (Y, X) array, optional
        Pattern that the fill is multiplied with (1 + texture), moving with the object.
    colour : (3,) array
        Colour factors; ones in a grey scene.
    ring : float
        Brightness added along the inside of the edge.
    halo : float
        Brightness added along the outside of the edge.
    core : float
        Brightness added in the middle (a nucleolus, a vessel), a blob of a third of the radius.
    """

    identity: int
    centres: NDArray[np.float64]
    radii: NDArray[np.float64]
    aspects: NDArray[np.float64]
    turns: NDArray[np.float64]
    waves: NDArray[np.float64]
    level: float
    edge: float = 1.0
    depth: float = 0.0
    texture: NDArray[np.float32] | None = None
    colour: NDArray[np.float64] = field(default_factory=lambda: np.ones(3))
    ring: float = 0.0
    halo: float = 0.0
    core: float = 0.0

    def inside(self, t: int, shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.float64]] | None:
        """Window of the frame that the object touches, and how many pixels inside the outline each pixel lies.

        Returns None if the object is absent or out of the field.
        """
        radius = float(self.radii[t])
        if radius < 1.0:
            return None
        cy, cx = self.centres[t]
        reach = radius * np.sqrt(self.aspects[t]) * (1 + np.abs(self.waves[t]).sum()) + _MARGIN
        y0, y1 = max(int(cy - reach), 0), min(int(cy + reach) + 2, shape[0])
        x0, x1 = max(int(cx - reach), 0), min(int(cx + reach) + 2, shape[1])
        if y0 >= y1 or x0 >= x1:
            return None
        dy = np.arange(y0, y1)[:, None] - cy
        dx = np.arange(x0, x1)[None, :] - cx
        cos, sin, stretch = np.cos(self.turns[t]), np.sin(self.turns[t]), np.sqrt(self.aspects[t])
        along = (dx * cos + dy * sin) / stretch
        across = (dy * cos - dx * sin) * stretch
        outline = np.ones_like(_ANGLES)
        for k, (a, b) in enumerate(self.waves[t], start=2):
            outline += a * np.cos(k * _ANGLES) + b * np.sin(k * _ANGLES)
        limit = np.interp(np.arctan2(across, along), _ANGLES, radius * outline)
        distance = np.hypot(dy, dx)
        scaled = np.hypot(along, across)
        stretchiness = np.divide(distance, scaled, out=np.ones_like(distance), where=scaled > 1e-9)
        return (slice(y0, y1), slice(x0, x1)), (limit - scaled) * stretchiness


def paint(
    actors: Sequence[Actor],
    t: int,
    background: NDArray[np.float64],
    *,
    blend: Callable[[NDArray[np.float64], Actor], NDArray[np.float64]] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Paint frame `t` onto a copy of `background`.

    Parameters
    ----------
    background : (Y, X) or (Y, X, 3) array
    blend : callable, optional
        Turns what lies under an object into what the fill starts from; nothing shines through by default.

    Returns
    -------
    image : as `background`
    labels : (Y, X) uint16 array
        The id of the topmost object at each pixel.
    """
    image = background.copy()
    shape = image.shape[:2]
    labels = np.zeros(shape, np.uint16)
    for actor in sorted(actors, key=lambda a: -a.depth):
        found = actor.inside(t, shape)
        if found is None:
            continue
        window, depth = found
        cover = 1 / (1 + np.exp(-np.clip(depth / (0.5 * actor.edge), -30, 30)))
        fill = np.full(depth.shape, actor.level)
        if actor.core:
            fill += actor.core * np.clip(depth / (0.5 * actor.radii[t]) - 1, 0, 1)
        if actor.texture is not None:
            fill *= 1 + _moved(actor.texture, actor.centres[t], window)
        if actor.ring:
            fill += actor.ring * np.exp(-(((depth - 2.0) / 1.8) ** 2))
        under = image[window]
        if actor.halo:
            glow = actor.halo * np.exp(-(((depth + 2.5) / 2.0) ** 2))
            under = under + (glow if image.ndim == 2 else glow[..., None])
        start = blend(under, actor) if blend else 0.0
        if image.ndim == 3:
            cover, fill = cover[..., None], fill[..., None] * actor.colour
        image[window] = under * (1 - cover) + (fill + start) * cover
        if actor.identity:
            labels[window][depth > 0] = actor.identity
        else:
            labels[window][depth > 0] = 0
    return image, labels


def _moved(
    texture: NDArray[np.float32], centre: NDArray[np.float64], window: tuple[slice, slice]
) -> NDArray[np.float32]:
    """The part of `texture` under `window`, its middle carried along with the object's centre."""
    oy, ox = np.round(centre).astype(int)
    height, width = texture.shape
    rows = (np.arange(window[0].start, window[0].stop) - oy + height // 2) % height
    columns = (np.arange(window[1].start, window[1].stop) - ox + width // 2) % width
    return texture[np.ix_(rows, columns)]
