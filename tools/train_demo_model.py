"""Train the demo model: ``python tools/train_demo_model.py``; after a stop, continue with ``--resume``.

Recordings, state and log go to ``training/``. Every 25 steps the log has a new line; the plot of the
curves is drawn from it with ``--plot``, and the weights are written for the package with ``--export``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as processes

from demo_model.data import Batch, Dealer, build_cache
from demo_model.export import export_weights
from demo_model.plot import plot_log
from demo_model.recordings import COLLECTIONS
from demo_model.schedule import SINGLE_MODES, STAGES, Stage
from demo_model.start import prepare_start
from demo_model.unroll import Unroller, Weights, lean_attention
from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.models.presets import DEMO

_ROOT = Path(__file__).resolve().parents[1]
_AVERAGE_OVER = 250
_STRETCH = 25


class Trainer:
    """Weights, their running mean, the optimiser and the place in the schedule; can be saved and resumed."""

    def __init__(
        self, folder: Path, seed: int, worker: int = 0, workers: int = 1, device: str = "cpu", more: int = 1
    ) -> None:
        torch.manual_seed(seed)
        self._worker = worker
        self._workers = workers
        self._device = device
        self._more = more
        self._chance = np.random.default_rng(seed + worker)
        self._folder = folder
        self._state = folder / "state.pt"
        self._log = folder / "log.jsonl"
        network = build_network(DEMO, STAGES[0].side)
        prepare_start(network)
        self.unroller = Unroller(network.to(device), seed + worker)
        self.optimiser = self._new_optimiser()
        self.average = {key: value.detach().clone() for key, value in network.state_dict().items()}
        self.stage = 0
        self.step = 0
        self.seconds = 0.0

    def _new_optimiser(self) -> torch.optim.Optimizer:
        wide = [p for p in self.unroller.parameters() if p.ndim >= 2]
        narrow = [p for p in self.unroller.parameters() if p.ndim < 2]
        groups = [{"params": wide, "weight_decay": 0.02}, {"params": narrow, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.98))

    def _resize(self, side: int) -> None:
        network = self.unroller.network
        if network.image_size == side:
            return
        larger = build_network(DEMO, side)
        larger.load_state_dict(network.state_dict())
        unroller = Unroller(larger.to(self._device), side + self._worker)
        unroller.where.load_state_dict(self.unroller.where.state_dict())
        unroller.scenery.load_state_dict(self.unroller.scenery.state_dict())
        old = self.optimiser.state_dict()
        self.unroller = unroller
        self.optimiser = self._new_optimiser()
        self.optimiser.load_state_dict(old)

    def save(self) -> None:
        """Keep everything that a later run needs, replacing the last state only when the new one is whole."""
        if self._worker:
            return
        state = {
            "side": self.unroller.network.image_size,
            "unroller": self.unroller.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "place": (self.stage, self.step, self.seconds),
        }
        part = self._state.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self._state)

    def load(self) -> None:
        """Restore the state of an earlier run."""
        state = torch.load(self._state, map_location=self._device, weights_only=True)
        self._resize(state["side"])
        self.unroller.load_state_dict(state["unroller"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average = state["average"]
        self.stage, self.step, self.seconds = state["place"]

    def start_from(self, weights: Path, stage: str) -> None:
        """Begin `stage` with weights that a file of ``{"model": state_dict}`` holds."""
        self.stage = next(n for n, one in enumerate(STAGES) if one.name == stage)
        self._resize(STAGES[self.stage].side)
        network = self.unroller.network
        network.load_state_dict(torch.load(weights, weights_only=True)["model"])
        self.average = {key: value.detach().clone() for key, value in network.state_dict().items()}

    def run(self, cache: Path, until: float) -> None:
        """Train to the end of the schedule, or until the clock reads `until`."""
        if self.stage == len(STAGES):
            return
        seed = 1 + 1000 * self.stage + self.step + 100_000 * self._worker
        dealers = {name: Dealer(cache / name, seed) for name in _needed(STAGES[self.stage].name)}
        while self.stage < len(STAGES):
            stage = STAGES[self.stage]
            self._resize(stage.side)
            while self.step < stage.steps:
                self._stretch(stage, dealers)
                self.save()
                if self._shared(torch.tensor(float(time.time() > until))) > 0:
                    return
            self.stage, self.step = self.stage + 1, 0
            self.save()

    def _stretch(self, stage: Stage, dealers: dict[str, Dealer]) -> None:
        begun = time.time()
        lines: list[dict[str, float]] = []
        for _ in range(min(_STRETCH, stage.steps - self.step)):
            weights = stage.weights
            if self._chance.random() < stage.crowded:
                batch = dealers["crowded"].batch(2 * self._more, 8, 1, stage.side, SINGLE_MODES)
                weights = replace(weights, unwatched=0, lost=0.0)
            else:
                dealer = dealers[stage.recordings]
                clips = stage.clips * self._more
                batch = dealer.batch(clips, stage.objects, stage.frames, stage.side, stage.modes)
            for group in self.optimiser.param_groups:
                group["lr"] = stage.rate_at(self.step)
            self.optimiser.zero_grad()
            figures = self._gradients(batch, weights)
            self._share_gradients()
            norm = float(torch.nn.utils.clip_grad_norm_(self.unroller.parameters(), 1.0))
            if np.isfinite(norm):
                self.optimiser.step()
            self._average(self.step + 100 * (self.stage > 0))
            self.step += 1
            lines.append({**figures, batch.mode: figures.get("first", np.nan), "norm": norm})
        self.seconds += time.time() - begun
        if self._worker:
            return
        keys = sorted({key for line in lines for key in line})
        means = {key: _mean([line[key] for line in lines if key in line]) for key in keys}
        entry: dict[str, Any] = {"stage": stage.name, "step": self.step, "seconds": round(self.seconds), **means}
        with self._log.open("a") as log:
            log.write(json.dumps(entry) + "\n")
        print(" ".join(f"{key} {value}" for key, value in entry.items()), flush=True)

    def _gradients(self, batch: Batch, weights: Weights) -> dict[str, float]:
        """Add up the gradients of all stretches of the clips; the mean of each figure over them."""
        found: list[dict[str, float]] = []
        with torch.autocast(self._device, torch.bfloat16):
            for stretch in self.unroller(batch, weights):
                if stretch.loss.requires_grad:
                    stretch.loss.backward()
                found.append(stretch.figures)
        figures = {key: [one[key] for one in found if key in one] for key in {key for one in found for key in one}}
        return {key: values[-1] if key == "last" else _finite_mean(values) for key, values in figures.items()}

    def _shared(self, value: torch.Tensor) -> torch.Tensor:
        if self._workers > 1:
            dist.all_reduce(value)
        return value / self._workers

    def _share_gradients(self) -> None:
        if self._workers == 1:
            return
        parameters = list(self.unroller.parameters())
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        mean = self._shared(torch.cat([gradient.flatten() for gradient in gradients]))
        for parameter, part in zip(parameters, mean.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def _average(self, step: int) -> None:
        keep = min(1 - 1 / _AVERAGE_OVER, (1 + step) / (10 + step))
        with torch.no_grad():
            for key, value in self.unroller.network.state_dict().items():
                if value.is_floating_point():
                    self.average[key].lerp_(value, 1 - keep)


def _finite_mean(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def _mean(values: list[float]) -> float | None:
    mean = _finite_mean(values)
    return round(mean, 4) if np.isfinite(mean) else None


def work(worker: int, workers: int, chosen: argparse.Namespace, until: float) -> None:
    """One of the processes that share a batch, each with one thread."""
    torch.set_num_threads(1)
    if workers > 1:
        store = f"file://{(chosen.folder / 'workers').resolve()}"
        dist.init_process_group("gloo", store, datetime.timedelta(hours=1), workers, worker)
    trainer = Trainer(chosen.folder, chosen.seed, worker, workers, chosen.device, chosen.more)
    if chosen.resume:
        trainer.load()
    elif chosen.weights:
        trainer.start_from(chosen.weights, chosen.stage)
    with lean_attention(chosen.device):
        trainer.run(chosen.folder / "cache", until)


def _needed(stage: str) -> set[str]:
    """Caches that a stage and those after it take clips from."""
    first = next(n for n, one in enumerate(STAGES) if one.name == stage)
    crowded = any(one.crowded for one in STAGES[first:])
    return {one.recordings for one in STAGES[first:]} | ({"crowded"} if crowded else set())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=_ROOT / "training")
    parser.add_argument("--minutes", type=float, default=600, help="stop after this many minutes; resume later")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--workers", type=int, help="processes, each with a share of the batch; 2, or 1 on CUDA")
    parser.add_argument("--more", type=int, help="times as many clips in a worker's share; 1, or 8 on CUDA")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--weights", type=Path, help="start from this file, such as the one that ships")
    parser.add_argument("--stage", help="with --weights: the stage to start with, the last one if not given")
    parser.add_argument("--plot", type=Path, help="only draw the log's curves to this file")
    parser.add_argument("--export", action="store_true", help="only write the weights into the package")
    chosen = parser.parse_args()
    if chosen.plot:
        plot_log(chosen.folder / "log.jsonl", chosen.plot)
        return
    if chosen.export:
        print(export_weights(chosen.folder / "state.pt"))
        return
    chosen.workers = chosen.workers or (1 if chosen.device == "cuda" else 2)
    chosen.more = chosen.more or (8 if chosen.device == "cuda" else 1)
    if chosen.device == "cuda" and chosen.workers > 1:
        parser.error("A CUDA device takes one worker; --more gives it more clips a step.")
    until = time.time() + 60 * chosen.minutes
    chosen.stage = chosen.stage or STAGES[-1 if chosen.weights else 0].name
    for name in sorted(_needed(chosen.stage)):
        build_cache(chosen.folder / "cache" / name, COLLECTIONS[name], os.cpu_count() or 1)
    (chosen.folder / "workers").unlink(missing_ok=True)
    processes.spawn(work, (chosen.workers, chosen, until), nprocs=chosen.workers)


if __name__ == "__main__":
    main()
