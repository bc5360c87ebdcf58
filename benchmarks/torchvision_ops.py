"""torchvision where its compiled part does not fit the installed torch: what is needed of it, in torch."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import torch

_held: list[torch.library.Library] = []


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Boxes (N, 4) that are kept, best first, where none overlaps a better one by more than the threshold."""
    order = scores.argsort(descending=True)
    low, high = boxes[order, :2], boxes[order, 2:]
    areas = (high - low).clamp(min=0).prod(1)
    alive = torch.ones(len(order), dtype=torch.bool)
    for i in range(len(order)):
        if alive[i]:
            common = (torch.minimum(high[i], high[i + 1 :]) - torch.maximum(low[i], low[i + 1 :])).clamp(min=0).prod(1)
            alive[i + 1 :] &= common <= iou_threshold * (areas[i] + areas[i + 1 :] - common)
    return order[alive]


def ensure_torchvision() -> None:
    """Make ``import torchvision`` work; does nothing where it does already."""
    try:
        import torchvision  # noqa: F401

        return
    except RuntimeError:
        pass
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    spec = find_spec("torchvision")
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).with_name("_meta_registrations.py").read_text()
    library = torch.library.Library("torchvision", "DEF")
    _held.append(library)
    for name in {*re.findall(r'register_meta\("(\w+)"', source), *re.findall(r'"torchvision::(\w+)"', source)} - {
        "nms"
    }:
        library.define(f"{name}(Tensor boxes) -> Tensor")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.impl("nms", nms, "CPU")
    from torchvision import extension

    extension._has_ops = lambda: True
