"""From a painted scene to a recording: uneven light, blur, bleaching, noise and the camera's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.ndimage import gaussian_filter

from napari_sam2_video.synthetic.scene import paint
from napari_sam2_video.synthetic.texture import smooth_field

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam2_video.synthetic.scene import Actor


@dataclass(frozen=True)
class Optics:
    """How a scene (brightness about 0 to 1) is recorded.

    Parameters
    ----------
    blur : float
        Deviation in pixels of the Gaussian blur; 0 for none.
    noise : float
        Deviation of the noise, in the scene's units.
    bleaching : float
        Part of the brightness lost from the first to the last frame.
    uneven : float
        Strength of the uneven background.
    """

    blur: float = 0.0
    noise: float = 0.01
    bleaching: float = 0.0
    uneven: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator, contrast: float) -> Optics:
        """Conditions under which an object of this `contrast` is still plain to see."""
        return cls(
            blur=rng.uniform(0.4, 1.6) * (rng.random() < 0.6),
            noise=contrast * rng.uniform(0.01, 0.18),
            bleaching=rng.uniform(0.05, 0.4) * (rng.random() < 0.3),
            uneven=contrast * rng.uniform(0.0, 0.5) * (rng.random() < 0.6),
        )

    def background(self, rng: np.random.Generator, level: float, size: tuple[int, int]) -> NDArray[np.float64]:
        """(Y, X) background of mean brightness `level`."""
        field = smooth_field(rng, size, rng.uniform(0.15, 0.5) * min(size))
        fine = smooth_field(rng, size, rng.uniform(2, 12)) * self.uneven * rng.uniform(0, 0.25)
        return np.asarray(level + self.uneven * field * 0.5 + fine, np.float64)

    def record(self, rng: np.random.Generator, scene: NDArray[np.float64], progress: float) -> NDArray[np.float64]:
        """The scene (Y, X) or (Y, X, 3) as the camera sees it, `progress` (0 to 1) of the way through."""
        image = scene
        if self.blur:
            image = gaussian_filter(image, (self.blur, self.blur, 0)[: image.ndim])
        image = image * (1 - self.bleaching * progress)
        return image + self.noise * rng.standard_normal(image.shape, np.float32)


def film(
    rng: np.random.Generator,
    actors: Sequence[Actor],
    optics: Optics,
    ground: NDArray[np.float64],
    frames: int,
    *,
    fades: bool = True,
) -> tuple[NDArray[np.float64], NDArray[np.uint16]]:
    """Record all frames of a scene; `fades` is False for a z-stack, which does not bleach from slice to slice.

    Parameters
    ----------
    ground : (Y, X) or (Y, X, 3) array
        The background.

    Returns
    -------
    images : (T, Y, X) or (T, Y, X, 3) array
        Brightness, about 0 to 1.
    labels : (T, Y, X) uint16 array
        The id of the topmost object at each pixel.
    """
    images = np.empty((frames, *ground.shape))
    labels = np.empty((frames, *ground.shape[:2]), np.uint16)
    for t in range(frames):
        scene, labels[t] = paint(actors, t, ground)
        images[t] = optics.record(rng, scene, t / max(frames - 1, 1) if fades else 0.0)
    return images, labels


def to_counts(
    frames: NDArray[np.float64], dtype: type[np.integer[Any]], low: float, high: float
) -> NDArray[np.integer[Any]]:
    """Map brightness 0 … 1 to the camera's counts `low` … `high`, clipped to the dtype."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(low + frames * (high - low)), limits.min, limits.max).astype(dtype)
