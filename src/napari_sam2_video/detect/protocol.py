"""The interface of detectors: what they receive and return."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.types import SegmentedMask


@dataclass(frozen=True)
class Detection:
    """An object that a detector found on a frame: a mask, or a box without a mask.

    Parameters
    ----------
    score : float
        Confidence, 0 to 1.
    mask : ndarray of bool, shape (h, w), optional
        The object, as a part of the frame that begins at `origin_yx`.
    origin_yx : tuple of int
        Pixel of the frame at which `mask` begins.
    box_yxyx : tuple of float, optional
        First y and x and last y and x of a box around the object, in pixels, from which the network makes a mask.
    label : str, optional
        The detector's name for the object.
    """

    score: float
    mask: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    origin_yx: tuple[int, int] = (0, 0)
    box_yxyx: tuple[float, float, float, float] | None = None
    label: str | None = None


class Segmenter(Protocol):
    """The network of a session for detectors, which may use all frames of the recording."""

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        ...

    def features(self, frame: int, square: tuple[int, int, int] | None = None) -> npt.NDArray[np.float32]:
        """Features of a frame, float32 of shape ``(C, S / 8, S / 8)``.

        Parameters
        ----------
        frame : int
            The frame; a cached embedding is used if there is one.
        square : tuple of int, optional
            First row, first column and side in pixels of a square part of the frame to show to the network instead; the
            whole frame if not given.
        """
        ...

    def at_points(
        self,
        frame: int,
        points_yx: npt.NDArray[np.float32],
        square: tuple[int, int, int] | None = None,
        *,
        least_iou: float = 0.0,
        least_stability: float = 0.0,
    ) -> list[SegmentedMask]:
        """Masks that single clicks select, up to three for each point of ``(N, 2)``.

        Parameters
        ----------
        frame, square
            As in `features`.
        points_yx : ndarray of float32, shape (N, 2)
            Points in pixels of the frame.
        least_iou, least_stability : float
            Masks with less of either are dropped before they are resized to the frame.
        """
        ...

    def in_boxes(self, frame: int, boxes_yxyx: npt.NDArray[np.float32]) -> list[SegmentedMask]:
        """The mask in each box of ``(N, 4)``, corners in pixels of the frame; empty if there is none."""
        ...


@dataclass(frozen=True)
class DetectorFrame:
    """A frame as passed to a detector.

    Parameters
    ----------
    index : int
        Its index along the walked axis.
    rgb_yxc : ndarray of uint8, shape (Y, X, 3)
        What the model sees.
    raw_yx : ndarray, shape (Y, X), optional
        Raw values of the shown channel; None for colour recordings.
    segmenter : Segmenter, optional
        The network of the session, if there is one.
    n_frames : int
        How many frames the recording has.
    axis : str
        The walked axis.
    affine : ndarray, shape (4, 4), optional
        From ``(x, y, z)`` voxels of the recording to the world, if it says so.
    progress : callable
        Called with the number of steps done and the total. It raises an exception if the user pressed Stop, which must
        pass through the detector.
    """

    index: int
    rgb_yxc: npt.NDArray[np.uint8] = field(repr=False)
    raw_yx: npt.NDArray[Any] | None = field(default=None, repr=False)
    segmenter: Segmenter | None = field(default=None, repr=False)
    n_frames: int = 1
    axis: str = "T"
    affine: npt.NDArray[np.float64] | None = field(default=None, repr=False)
    progress: Callable[[int, int], None] = field(default=lambda done, total: None, repr=False)

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.rgb_yxc.shape[0], self.rgb_yxc.shape[1]


class Detector(Protocol):
    """Finds objects on a frame."""

    @property
    def name(self) -> str:
        """Its name in lists and provenance."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """What its results depend on, as JSON values; stored in the provenance."""
        ...

    def detect(self, frame: DetectorFrame) -> Sequence[Detection]:
        """Objects on a frame, in any order."""
        ...


@dataclass(frozen=True)
class Example:
    """An object on one of its prompted frames; the mask covers the whole frame ``(Y, X)``."""

    object_id: int
    frame: int
    mask_yx: npt.NDArray[np.bool_] = field(repr=False)


Examples: TypeAlias = Callable[[Sequence[int]], Sequence[Example]]
"""Returns examples of the objects with the given ids."""
