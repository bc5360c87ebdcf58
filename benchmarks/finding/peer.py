"""Meta's generator of masks for everything, with the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from benchmarks.torchvision_ops import ensure_torchvision
from napari_sam2_video.detect.everything import GridSettings
from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.geometry import bounding_box
from napari_sam2_video.models.checkpoint import load_state
from napari_sam2_video.models.resolve import resolve_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmarks.finding.frames import Found


@dataclass(frozen=True)
class Generator:
    """``SAM2AutomaticMaskGenerator`` with the demo model.

    Parameters
    ----------
    image_size : int
        Side of the network's input.
    points : int
        Points of the grid along a side.
    crops : int
        Layers of crops, each of twice as many along a side.
    """

    image_size: int = 256
    points: int = 32
    crops: int = 0

    def __call__(self, frame_yxc: NDArray[np.uint8]) -> list[Found]:
        """Masks of a frame. Its thresholds are ours: with its own, the demo model finds next to nothing."""
        ensure_torchvision()
        from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator

        file = resolve_model("demo")
        network = build_network(file.preset, self.image_size)
        network.load_state_dict(load_state(file.path, known=True))
        network.eval()
        find = GridSettings()
        generator = SAM2AutomaticMaskGenerator(
            network,
            points_per_side=self.points,
            pred_iou_thresh=find.least_iou,
            stability_score_thresh=find.least_stability,
            crop_n_layers=self.crops,
            crop_n_points_downscale_factor=2,
        )
        # it takes every network for one of 1024 px
        generator.predictor._bb_feat_sizes = [(self.image_size // n,) * 2 for n in (4, 8, 16)]
        with torch.inference_mode():
            made = generator.generate(frame_yxc)
        found = []
        for one in made:
            box = bounding_box(one["segmentation"])
            if box is not None:
                found.append(((box[0].start, box[1].start), one["segmentation"][box]))
        return found
