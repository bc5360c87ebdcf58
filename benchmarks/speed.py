"""Tracking speed: ours against Meta's predictor, parity checked in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from benchmarks.race import race, race_many
from benchmarks.sides import Ours, Scene, Theirs, disagreement, our_model, their_model

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]


def _sides(
    preset: str, size: int, frames: int, device: str, arithmetic: str
) -> tuple[Ours, Theirs, Callable[[], None]]:
    model = our_model(preset, size, device=device, arithmetic=arithmetic)
    scene = Scene(frames, size)
    theirs = Theirs(their_model(preset, size, device=device), model, scene)
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None
    return Ours(model, scene), theirs, wait


def _named(row: Row, preset: str, size: int, objects: int, device: str, off: float, limit: float) -> Row:
    agrees = "equal" if off == 0 else f"within {off:.1e}"
    if off > limit:
        agrees += " TOO FAR"
    return {"model": preset, "size": size, "objects": objects, "device": device, **row, "logits": agrees}


def first_pass(
    preset: str, size: int, objects: int, frames: int, device: str = "cpu", arithmetic: str = "exact"
) -> Row:
    """First pass over all frames, nothing cached."""
    ours, theirs, wait = _sides(preset, size, frames, device, arithmetic)
    result = race(ours.first_pass(objects), theirs.first_pass(objects), wait)
    exact = objects == 1 and device == "cpu" and arithmetic == "exact"
    row = _named(result.figures(), preset, size, objects, device, disagreement(ours, theirs), 0.0 if exact else 1e-4)
    return row | {"arithmetic": arithmetic}


def arithmetics(preset: str, size: int, frames: int) -> list[Row]:
    """First pass of one object, then a correction tracked again, by quick arithmetic in fp32 and in bf16."""
    scene = Scene(frames, size)
    ways: dict[str, dict[str, str]] = {"fast": {"arithmetic": "fast"}, "bf16": {"precision": "bf16"}}
    ours = {name: Ours(our_model(preset, size, **chosen), scene) for name, chosen in ways.items()}
    theirs = Theirs(their_model(preset, size), ours["fast"].model, scene)
    rows = []
    for again in (False, True):
        steps = [side.correct(frames // 2) if again else side.first_pass(1) for side in ours.values()]
        raced = race_many(steps, theirs.correct(frames // 2) if again else theirs.first_pass(1))
        for (name, side), result in zip(ours.items(), raced, strict=True):
            row = {"model": preset, "size": size, "pass": "again" if again else "first", "arithmetic": name}
            rows.append(row | result.figures(skip=1 if again else 2) | {"logits_off": disagreement(side, theirs)})
            side.logits.clear()
    return rows


def corrected(preset: str, size: int, objects: int, frames: int, device: str = "cpu", arithmetic: str = "exact") -> Row:
    """One of `objects` is corrected on the middle frame and tracked on from there, our embeddings cached."""
    ours, theirs, wait = _sides(preset, size, frames, device, arithmetic)
    race(ours.first_pass(objects), theirs.first_pass(objects), wait)
    ours.logits.clear()
    middle = frames // 2
    result = race(ours.correct(middle), theirs.correct(middle), wait)
    exact = objects == 1 and device == "cpu" and arithmetic == "exact"
    row = _named(result.figures(), preset, size, objects, device, disagreement(ours, theirs), 0.0 if exact else 1e-4)
    return row | {"arithmetic": arithmetic}
