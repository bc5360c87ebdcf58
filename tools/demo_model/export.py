"""From a training's state to the file that ships."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

PACKAGE_FOLDER = Path(__file__).resolve().parents[2] / "src" / "napari_sam2_video" / "models" / "demo"

_MODULE = '''"""The demonstration model that ships with the package: a small SAM 2.1 trained on synthetic recordings."""

from __future__ import annotations

DEMO_FILE = "sam2.1_demo.pt"
DEMO_BYTES = {bytes}
DEMO_SHA256 = "{sha256}"
'''


def export_weights(state: Path, folder: Path = PACKAGE_FOLDER) -> str:
    """Write the running mean of the weights in half precision, and its size and SHA-256; returns the SHA-256."""
    average = torch.load(state, weights_only=True)["average"]
    small = {key: value.half() if value.is_floating_point() else value for key, value in average.items()}
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "sam2.1_demo.pt"
    torch.save({"model": small}, target)
    content = target.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    (folder / "__init__.py").write_text(_MODULE.format(bytes=len(content), sha256=sha256))
    return sha256
