"""A picture of the kinds of recordings, with the prompted objects outlined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.kinds import KINDS, cases, make_case

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SHOWN = ("field", "fast", "cross", "dish", "phase", "stack", "video")
_COLUMNS = 5


def draw_kinds(target: Path) -> None:
    """Draw five frames of the first recording of each kind on choosing seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(SHOWN), _COLUMNS, figsize=(_COLUMNS * 2, len(SHOWN) * 2))
    for row, name in zip(axes, SHOWN, strict=True):
        kind = KINDS[name]
        case = make_case(kind, *cases(kind, reporting=False)[0])
        shown = _bytes(case.clip.frames)
        for panel, t in zip(row, np.linspace(0, kind.frames - 1, _COLUMNS).astype(int).tolist(), strict=True):
            panel.imshow(shown[t], cmap="gray", vmin=0, vmax=255)
            for n, object_id in enumerate(case.object_ids):
                mask = case.clip.labels[t] == object_id
                if mask.any():
                    panel.contour(mask, [0.5], colors=[f"C{n % 10}"], linewidths=1)
            panel.set(xticks=[], yticks=[])
            panel.set_title(f"{name}, {t}", fontsize=8)
    figure.tight_layout()
    figure.savefig(target, dpi=90, pil_kwargs={"quality": 80})


def _bytes(frames: NDArray[Any]) -> NDArray[np.uint8]:
    if frames.dtype == np.uint8:
        return frames
    low, high = np.percentile(frames, (0.5, 99.8))
    return np.asarray(np.clip((frames - low) * (255 / (high - low)), 0, 255).astype(np.uint8))
