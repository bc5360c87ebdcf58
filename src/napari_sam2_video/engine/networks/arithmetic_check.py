"""Check whether bf16 is worth it for a network on this CPU: track the same short clip in both precisions.

The result is kept in the user's cache, so that each network is measured once per CPU.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.errors import StoreError
from napari_sam2_video.geometry import mask_iou, whole_mask
from napari_sam2_video.storage.atomic import make_folder, replace_file
from napari_sam2_video.storage.user_cache import user_cache
from napari_sam2_video.types import PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    from napari_sam2_video.engine.networks.protocol import Network

LARGEST = 512
"""Largest input in pixels to try: larger ones gain more and lose less, but are not worth the wait."""
LEAST_IOU = 0.999
_FRAMES, _OBJECTS = 6, 4


@dataclass(frozen=True)
class Comparison:
    """What was measured.

    Parameters
    ----------
    faster : float
        CPU time of a frame in fp32 divided by that in bf16.
    iou : float
        Mean IoU of the masks with those of fp32.
    """

    faster: float
    iou: float

    @property
    def bf16(self) -> bool:
        """Whether bf16 is the choice."""
        return self.faster > 1 and self.iou >= LEAST_IOU


def compared(load: Callable[[str], Network], sha256: str, image_size: int) -> Comparison:
    """Compare fast arithmetic in fp32 and in bf16, or read an earlier result.

    Parameters
    ----------
    load : callable
        Loads the network for an input of `image_size` pixels and a precision.
    sha256 : str
        Hash of the weights.
    image_size : int
        Side of the input to try.
    """
    import torch

    about = [sha256, image_size, torch.__version__, cpu_name(), torch.get_num_threads()]
    path = user_cache("arithmetic") / f"{hashlib.sha256(json.dumps(about).encode()).hexdigest()[:24]}.json"
    try:
        return Comparison(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        found = compare(load("fp32"), load("bf16"))
    try:
        make_folder(path.parent, parents=True)
        replace_file(path, json.dumps(asdict(found)).encode())
    except StoreError:
        pass  # measured again the next time
    return found


def compare(fp32: Network, bf16: Network) -> Comparison:
    """Track discs with both networks, alternating frame by frame."""
    clip = _Discs(fp32.image_size)
    runs = [_run(network, clip) for network in (fp32, bf16)]
    seconds, ious = np.zeros((2, _FRAMES)), []
    for frame in range(_FRAMES):
        masks = []
        for way, run in enumerate(runs):
            begun = time.process_time()
            masks.append(next(run))
            seconds[way, frame] = time.process_time() - begun
        ious += [mask_iou(*pair) for pair in zip(*masks, strict=True)]
    slow, quick = seconds[:, 1:].min(axis=1)
    return Comparison(float(slow / quick), float(np.mean(ious)))


class _Discs:
    """Discs that move over a textured background; a FrameSource."""

    n_frames = _FRAMES
    is_volume = False

    def __init__(self, side: int) -> None:
        self.shape_yx = (side, side)
        self.key = f"discs-{side}"

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        side = self.shape_yx[0]
        y, x = np.mgrid[:side, :side] / side
        image = 70 + 20 * np.sin(x * 20) * np.cos(y * 14) + np.random.default_rng(frame).normal(0, 4, y.shape)
        for number, (centre_y, centre_x) in enumerate(self.centres(frame)):
            image[np.hypot(y - centre_y, x - centre_x) < 0.05 + 0.02 * number] = 150 + 20 * number
        return np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)

    @staticmethod
    def centres(frame: int) -> list[tuple[float, float]]:
        """Centres as fractions of the frame."""
        step = 0.012 * frame
        return [(0.25 + step, 0.25), (0.25, 0.72 - step), (0.72 - step, 0.28 + step), (0.72, 0.7 + step / 2)]


def _run(network: Network, clip: _Discs) -> Iterator[list[npt.NDArray[np.bool_]]]:
    """Masks of all objects, frame by frame."""
    side = clip.shape_yx[0]
    tracker = Tracker(network, clip, window="off")
    for number, (y, x) in enumerate(clip.centres(0), 1):
        tracker.condition(number, 0, [PointPrompt(number, 0, y * side, x * side)])
    passes = tuple(Pass(number, "forward", 0, _FRAMES - 1) for number in range(1, _OBJECTS + 1))
    for done in tracker.run(Plan(passes, _FRAMES)):
        whole = np.zeros((_OBJECTS, side, side), bool)
        for mask in done.objects:
            whole[mask.object_id - 1] = whole_mask(mask.origin_yx, mask.levels > 0, clip.shape_yx)
        yield list(whole)


def cpu_name() -> str:
    """Name of the CPU; empty if unknown."""
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor())
