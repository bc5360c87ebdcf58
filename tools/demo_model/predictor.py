"""The demo model in the predictor that Meta's package offers, for measuring."""

from __future__ import annotations

import contextlib
import io
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.models.presets import DEMO

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PREDICTOR = "sam2.sam2_video_predictor.SAM2VideoPredictor"
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
_DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


class Follower:
    """Follows objects through recordings that are already in memory.

    Parameters
    ----------
    weights : path
        File of ``{"model": state_dict}``.
    """

    def __init__(self, weights: Path, side: int = DEMO.image_size) -> None:
        predictor: Any = build_network(DEMO, side, target=_PREDICTOR)
        predictor.load_state_dict(torch.load(weights, weights_only=True)["model"])
        predictor.add_all_frames_to_correct_as_cond = True
        self._predictor = predictor
        self._side = side
        self._state: dict[str, Any] = {}

    def open(self, shown: NDArray[np.uint8]) -> None:
        """Take up a recording of (T, Y, X) or (T, Y, X, 3) bytes; forgets the one before."""
        if shown.ndim == 3:
            shown = np.repeat(shown[..., None], 3, -1)
        images = torch.from_numpy(shown).permute(0, 3, 1, 2).float().div(255)
        height, width = shown.shape[1:3]
        if (height, width) != (self._side, self._side):
            images = torch.nn.functional.interpolate(
                images, (self._side, self._side), mode="bilinear", align_corners=False, antialias=True
            )
        self._state = {
            "images": (images - _MEAN) / _DEVIATION,
            "num_frames": len(shown),
            "offload_video_to_cpu": False,
            "offload_state_to_cpu": False,
            "video_height": height,
            "video_width": width,
            "device": torch.device("cpu"),
            "storage_device": torch.device("cpu"),
            "obj_id_to_idx": OrderedDict(),
            "obj_idx_to_id": OrderedDict(),
            "obj_ids": [],
        }
        for name in (
            "point_inputs_per_obj",
            "mask_inputs_per_obj",
            "cached_features",
            "constants",
            "output_dict_per_obj",
            "temp_output_dict_per_obj",
            "frames_tracked_per_obj",
        ):
            self._state[name] = {}

    def box(self, frame: int, object_id: int, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Draw the mask's bounding box on the frame; returns the answer (Y, X) there."""
        rows, columns = np.nonzero(mask)
        return self._add(frame, object_id, box=[columns.min(), rows.min(), columns.max(), rows.max()])

    def click(self, frame: int, object_id: int, xy: NDArray[np.int64], positive: bool = True) -> NDArray[np.bool_]:
        """Click on the frame; returns the answer (Y, X) there."""
        return self._add(
            frame, object_id, points=[[float(v) for v in xy]], labels=[int(positive)], clear_old_points=False
        )

    def _add(self, frame: int, object_id: int, **prompt: Any) -> NDArray[np.bool_]:
        _, ids, logits = self._predictor.add_new_points_or_box(self._state, frame, object_id, **prompt)
        return np.asarray(logits[ids.index(object_id), 0].numpy() > 0)

    def follow(self, first: int = 0) -> dict[int, NDArray[np.bool_]]:
        """(T, Y, X) masks of each object from the frame `first` on; empty before it."""
        shape = (self._state["num_frames"], self._state["video_height"], self._state["video_width"])
        masks = {object_id: np.zeros(shape, bool) for object_id in self._state["obj_ids"]}
        with contextlib.redirect_stderr(io.StringIO()):
            for t, ids, logits in self._predictor.propagate_in_video(self._state, start_frame_idx=first):
                for row, object_id in enumerate(ids):
                    masks[object_id][t] = logits[row, 0].numpy() > 0
        return masks
