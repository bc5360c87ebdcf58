"""Measure the demo model on unseen synthetic recordings: ``python tools/evaluate_demo_model.py`` (or with ``--quick``).

Prints a table and writes the same figures as JSON. With ``--image`` and ``--labels`` it also puts a box on every
labelled object of an image of your own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from demo_model.export import PACKAGE_FOLDER
from demo_model.measure import boxes_on_image, correction, length, recordings, speed, tracking
from demo_model.predictor import Follower
from napari_sam2_video.synthetic import STACK_KINDS, TIME_KINDS

_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=PACKAGE_FOLDER / "sam2.1_demo.pt")
    parser.add_argument("--recordings", type=int, default=100, help="of each: time series, z-stacks")
    parser.add_argument("--long", type=int, default=24, help="recordings of 64 frames")
    parser.add_argument("--quick", action="store_true", help="a tenth of the recordings")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("time series", "z-stacks", "the rest"), help="add a part to the figures")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--output", type=Path, default=_ROOT / "training" / "figures.json")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    part = 10 if chosen.quick else 1
    number, long = chosen.recordings // part, max(chosen.long // (2 * part), 1)
    follower = Follower(chosen.weights)
    figures: dict[str, Any] = {}
    if chosen.only and chosen.output.exists():
        figures = json.loads(chosen.output.read_text())

    def note(name: str, value: dict[str, Any]) -> None:
        figures[name] = value
        print(f"{name:28}", "  ".join(f"{key} {each}" for key, each in value.items()), flush=True)

    kinds = {"time series": TIME_KINDS, "z-stacks": STACK_KINDS}
    for name, group in kinds.items():
        if chosen.only not in (None, name):
            continue
        for prompt in ("box", "click"):
            note(f"{name}, {prompt}", tracking(follower, recordings(group, number, 16, 0), prompt))
        note(f"correction, {name}", correction(follower, recordings(group, max(number // 4, 3), 16, 5000)))
        note(f"64 frames, {name}", length(follower, recordings(group, long, 64, 7000)))
    if chosen.only in (None, "the rest"):
        note("speed", speed(follower, next(iter(recordings(("cells",), 1, 64, 9000)))))
        if chosen.image and chosen.labels:
            import tifffile

            note(
                "boxes on an image",
                boxes_on_image(follower, tifffile.imread(chosen.image), tifffile.imread(chosen.labels)),
            )
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
