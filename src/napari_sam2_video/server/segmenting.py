"""The network of a server for detectors: requests, and both ends of the responses."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import EngineError
from napari_sam2_video.masks.codec import decode_masks, encode_masks
from napari_sam2_video.server import wire
from napari_sam2_video.types import FrameMasks, ObjectMask, SegmentedMask

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.server.calls import Emit, Work
    from napari_sam2_video.server.client import RemoteTracker

    Square = tuple[int, int, int]

_MOST = 4096


@dataclass(frozen=True)
class Wanted:
    """A client's request about a frame.

    Parameters
    ----------
    frame : int
        The frame.
    square : tuple of int, optional
        The part of it to look at.
    places : ndarray of float32, shape (N, 2) or (N, 4), optional
        Points or boxes; without them, features are requested.
    limits : dict
        Minimum predicted IoU and stability for points.
    """

    frame: int
    square: Square | None
    places: npt.NDArray[np.float32] | None
    limits: dict[str, float]

    @classmethod
    def from_json(cls, value: Any, n_frames: int, shape_yx: tuple[int, int]) -> Wanted:
        """Decode a client's request; raises ValueError, TypeError or KeyError if it is invalid."""
        frame = int(value["frame"])
        if not 0 <= frame < n_frames:
            raise ValueError("there is no such frame")
        square = None if value["square"] is None else tuple(int(n) for n in value["square"])
        if square is not None and (len(square) != 3 or not 16 <= square[2] <= 2 * max(shape_yx) or min(square[:2]) < 0):
            raise ValueError("no square")
        places = None
        if value["places"] is not None:
            places = np.array(value["places"], np.float32).reshape(-1, 4 if value["boxes"] else 2)
            if len(places) > _MOST or not np.isfinite(places).all():
                raise ValueError("too many positions, or invalid ones")
        limits = {name: float(value["limits"].get(name, 0.0)) for name in ("least_iou", "least_stability")}
        return cls(frame, square, places, limits)


def answered(tracker: Tracker, wanted: Wanted) -> Work:
    """Run the network, and send the results."""

    def work(emit: Emit) -> None:
        segmenter = tracker.segmenter()
        if wanted.places is None:
            features = segmenter.features(wanted.frame, wanted.square)
            emit(wire.pack(wire.ENTRY, np.ascontiguousarray(features, "<f4").tobytes()))
            emit(wire.pack_json(wire.RESULT, features.shape))
            return
        if wanted.places.shape[1] == 4:
            found = segmenter.in_boxes(wanted.frame, wanted.places)
        else:
            found = segmenter.at_points(wanted.frame, wanted.places, wanted.square, **wanted.limits)
        masks = [
            ObjectMask(n, m.origin_yx, m.mask.view(np.uint8), m.object_score, m.predicted_iou)
            for n, m in enumerate(found, start=1)
        ]
        emit(wire.pack(wire.MASKS, encode_masks(FrameMasks(wanted.frame, tracker.view.shape_yx, tuple(masks)))))
        emit(wire.pack_json(wire.RESULT, [[m.prompt, m.stability] for m in found]))

    return work


class RemoteSegmenter:
    """The network on a server; see `napari_sam2_video.detect.protocol.Segmenter`."""

    def __init__(self, tracker: RemoteTracker, shape_yx: tuple[int, int]) -> None:
        self._tracker = tracker
        self._shape_yx = shape_yx

    @property
    def image_size(self) -> int:
        """Side of the network's square input in pixels."""
        return self._tracker.model.image_size

    def features(self, frame: int, square: Square | None = None) -> npt.NDArray[np.float32]:
        """Features of a frame, float32 of shape ``(C, S / 8, S / 8)``."""
        found = self._ask(frame, square, None)
        try:
            shape = [int(n) for n in json.loads(found[wire.RESULT])]
            return np.frombuffer(found[wire.ENTRY], "<f4").reshape(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError("The server sent features that are damaged; try again.") from error

    def at_points(
        self,
        frame: int,
        points_yx: npt.NDArray[np.float32],
        square: Square | None = None,
        *,
        least_iou: float = 0.0,
        least_stability: float = 0.0,
    ) -> list[SegmentedMask]:
        """Masks that single clicks select, up to three for each point of ``(N, 2)``."""
        return self._masks(frame, square, points_yx, least_iou=least_iou, least_stability=least_stability)

    def in_boxes(self, frame: int, boxes_yxyx: npt.NDArray[np.float32]) -> list[SegmentedMask]:
        """The mask in each box of ``(N, 4)``."""
        return self._masks(frame, None, boxes_yxyx)

    def _masks(
        self, frame: int, square: Square | None, places: npt.NDArray[np.float32], **limits: float
    ) -> list[SegmentedMask]:
        made: list[SegmentedMask] = []
        for begin in range(0, len(places), _MOST):
            found = self._ask(frame, square, places[begin : begin + _MOST], **limits)
            masks = decode_masks(found[wire.MASKS], self._shape_yx).objects
            prompts = json.loads(found[wire.RESULT])
            made += [
                replace(_segmented(mask), prompt=begin + int(prompt), stability=float(stability))
                for mask, (prompt, stability) in zip(masks, prompts, strict=True)
            ]
        return made

    def _ask(
        self, frame: int, square: Square | None, places: npt.NDArray[np.float32] | None, **limits: float
    ) -> dict[bytes, bytes]:
        asked = {
            "frame": int(frame),
            "square": None if square is None else [int(n) for n in square],
            "places": None if places is None else _numbers(places),
            "boxes": places is not None and places.shape[1] == 4,
            "limits": limits,
        }
        return self._tracker.call("segment", asked)


def _segmented(mask: ObjectMask) -> SegmentedMask:
    return SegmentedMask(0, mask.origin_yx, mask.levels > 0, mask.predicted_iou, 0.0, mask.object_score)


def _numbers(places: npt.NDArray[np.float32]) -> Sequence[Sequence[float]]:
    numbers: list[list[float]] = np.asarray(places, np.float64).tolist()
    return numbers
