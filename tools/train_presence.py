"""Train the demo model's score of presence: ``python tools/train_presence.py``; see `docs/demo-model.md`.

Starts from the weights that ship (or ``--weights``) and writes ``training/presence.pt``, and with ``--export`` the file
that ships as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from demo_model.data import Dealer, build_cache
from demo_model.export import PACKAGE_FOLDER, export_weights
from demo_model.presence import collect, fit, start_fresh
from demo_model.recordings import COLLECTIONS
from demo_model.unroll import Unroller, lean_attention
from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.models.presets import DEMO

_ROOT = Path(__file__).resolve().parents[1]
_FRAMES = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=_ROOT / "training")
    parser.add_argument("--weights", type=Path, default=PACKAGE_FOLDER / "sam2.1_demo.pt")
    parser.add_argument("--rounds", type=int, default=2, help="each tracks with the score of the one before")
    parser.add_argument("--clips", type=int, default=150, help="clips of the first round; later ones take half as many")
    parser.add_argument("--keep", type=float, default=0.985, help="share of right masks that keep a score above 0")
    parser.add_argument("--export", action="store_true", help="write the weights into the package as well")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in ("hard", "plain"):
        build_cache(chosen.folder / "cache" / name, COLLECTIONS[name])
    network = build_network(DEMO)
    network.load_state_dict(torch.load(chosen.weights, weights_only=True)["model"])
    unroller = Unroller(network)
    head = network.sam_mask_decoder.pred_obj_score_head
    data = None
    for number in range(chosen.rounds):
        for place, (name, share) in enumerate((("hard", 2 / 3), ("plain", 1 / 3))):
            dealer = Dealer(chosen.folder / "cache" / name, 10 * number + place)
            count = int(chosen.clips * share / (1 + (number > 0)))
            with lean_attention(), torch.autocast("cpu", torch.bfloat16):
                more = collect(unroller, dealer, count, _FRAMES)
            data = more if data is None else data + more
        start_fresh(head)
        figures = fit(head, data, keep=chosen.keep)
        print(f"round {number + 1}:", ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
    trained = chosen.folder / "presence.pt"
    torch.save({"average": network.state_dict()}, trained)
    if chosen.export:
        print(export_weights(trained))


if __name__ == "__main__":
    main()
