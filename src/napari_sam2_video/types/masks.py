"""Masks from the engine, and what the engine needs of a recording."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.types.settings import Direction

LEVEL_STEP = 0.25


@dataclass(frozen=True)
class ObjectMask:
    """One object on one frame, as computed by the engine.

    Parameters
    ----------
    object_id : int
        The object.
    origin_yx : tuple of int
        Pixel of the frame at which `levels` begins.
    levels : ndarray of uint8, shape (h, w)
        0 outside the object; inside, ``min(255, 1 + floor(logit / LEVEL_STEP))`` of the logit at frame resolution.
        Shape ``(0, 0)`` where the object is absent.
    object_score : float
        The network's logit that the object is on this frame.
    predicted_iou : float
        The network's own estimate of the mask's IoU, 0 to 1.
    prompted : bool
        True if the frame has prompts of this object.
    """

    object_id: int
    origin_yx: tuple[int, int]
    levels: npt.NDArray[np.uint8] = field(repr=False)
    object_score: float = 0.0
    predicted_iou: float = 0.0
    prompted: bool = False


@dataclass(frozen=True)
class FrameMasks:
    """All objects that a run computed on one frame; `shape_yx` is the frame's shape."""

    frame: int
    shape_yx: tuple[int, int]
    objects: tuple[ObjectMask, ...]
    direction: Direction = "forward"


@dataclass(frozen=True)
class FrameDone:
    """Progress after a frame is on disk; `axis` names the walk if it is not the session's own."""

    frame: int
    objects: tuple[int, ...]
    done: int
    total: int
    axis: str | None = None


@dataclass(frozen=True)
class Preview:
    """Candidate masks of one object on one frame.

    `candidates` holds up to three; `best` is the index of the one that the tracker would choose.
    """

    object_id: int
    frame: int
    shape_yx: tuple[int, int]
    candidates: tuple[ObjectMask, ...]
    best: int


@dataclass(frozen=True)
class SegmentedMask:
    """What a click or a box selects on a frame.

    Parameters
    ----------
    prompt : int
        Which of the points or boxes it belongs to.
    origin_yx : tuple of int
        Pixel of the frame at which `mask` begins.
    mask : ndarray of bool, shape (h, w)
        The object, cropped to its bounding box; of shape ``(0, 0)`` if there is none.
    predicted_iou : float
        The network's own estimate of the mask's IoU, 0 to 1.
    stability : float
        IoU of the masks at a higher and at a lower threshold, 0 to 1.
    object_score : float
        The network's logit that there is an object.
    """

    prompt: int
    origin_yx: tuple[int, int]
    mask: npt.NDArray[np.bool_] = field(repr=False)
    predicted_iou: float
    stability: float
    object_score: float


class FrameSource(Protocol):
    """What the engine needs of a recording."""

    @property
    def n_frames(self) -> int:
        """Number of frames along the walked axis."""
        ...

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of a frame in pixels."""
        ...

    @property
    def is_volume(self) -> bool:
        """Whether frames are planes of a volume, where an object that has ended does not reappear."""
        ...

    @property
    def key(self) -> str:
        """Changes whenever the pixels from `read` would change."""
        ...

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        """Frame as the model sees it, uint8 of shape ``(Y, X, 3)``."""
        ...
