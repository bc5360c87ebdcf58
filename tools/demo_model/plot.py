"""The curves of a training's log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def plot_log(log: Path, target: Path) -> None:
    """Draw the mean IoU of the first and last frame, by prompt, over the steps of all stages."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    entries = [json.loads(line) for line in log.read_text().splitlines()]
    figure, axes = pyplot.subplots(figsize=(8, 4))
    total, previous, place, seen = 0, 0, [], ""
    for entry in entries:
        if entry["stage"] != seen:
            if seen:
                axes.axvline(total, color="0.8", zorder=0)
            seen, previous = entry["stage"], 0
            axes.text(total + 20, 0.96, seen, color="0.4", fontsize="small")
        total += entry["step"] - previous
        previous = entry["step"]
        place.append(total)
    for key, name in (("box", "a box"), ("point", "a click"), ("last", "last frame of the clip")):
        known = [(x, entry[key]) for x, entry in zip(place, entries, strict=True) if entry.get(key) is not None]
        axes.plot(*zip(*known, strict=True), label=name)
    axes.set(xlabel="steps", ylabel="mean IoU in training", ylim=(0, 1))
    axes.legend(loc="lower center")
    figure.tight_layout()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=110)
