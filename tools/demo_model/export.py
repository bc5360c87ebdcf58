"""From a training's state to the file that ships."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import torch

PACKAGE_FOLDER = Path(__file__).resolve().parents[2] / "src" / "napari_sam2_video" / "models" / "demo"


def export_weights(state: Path, folder: Path = PACKAGE_FOLDER) -> str:
    """Write the running mean of the weights in half precision, and its size and SHA-256; returns the SHA-256."""
    average = torch.load(state, map_location="cpu", weights_only=True)["average"]
    small = {key: value.half() if value.is_floating_point() else value for key, value in average.items()}
    target = folder / "sam2.1_demo.pt"
    torch.save({"model": small}, target)
    content = target.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    module = folder / "__init__.py"
    text = re.sub(r"DEMO_BYTES = .*", f"DEMO_BYTES = {len(content)}", module.read_text())
    module.write_text(re.sub(r"DEMO_SHA256 = .*", f'DEMO_SHA256 = "{sha256}"', text))
    return sha256
