"""Estimate what a run will cost on this machine: memory, disk and time, from a measured frame."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_video.engine.memory import POINTERS, SPATIAL
from napari_sam2_video.errors import PromptError
from napari_sam2_video.masks.label_images import CACHE_BYTES
from napari_sam2_video.types import MaskPrompt, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.engine.costs import FrameCosts
    from napari_sam2_video.engine.plan import ObjectState
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import ObjectMask, Prompt


CROWDED = 40
"""Number of windows in a frame above which wider ones are suggested."""


@dataclass(frozen=True)
class Budget:
    """Expected cost of a run.

    Parameters
    ----------
    costs : FrameCosts
        The measured frame.
    steps : int
        Frames to compute, counted for each object and direction.
    frames : int
        Frames to embed, each counted once.
    store_seconds : float
        Measured time to write a frame to disk.
    memory_bytes : int
        Expected memory: the memory of the process after tracking a full batch on one frame, the embeddings and label
        images to keep, and the objects' memories.
    disk_bytes : int
        Expected growth of the session.
    """

    costs: FrameCosts
    steps: int
    frames: int
    store_seconds: float
    memory_bytes: int
    disk_bytes: int

    @property
    def seconds(self) -> float:
        """Expected time."""
        on_frames = self.frames * (self.costs.views * self.costs.embed_seconds + self.store_seconds)
        return on_frames + self.steps * self.costs.step_seconds

    def sentence(self) -> str:
        """The budget as a message."""
        costs = self.costs
        kind, _, place = costs.device.partition(" ")
        threads = f" ({costs.threads} thread{'s'[: costs.threads > 1]})" if kind == "cpu" else ""
        where = f"{kind}{threads} {place}".rstrip()
        gpu = f", {_size(costs.device_bytes)} of GPU memory" if costs.device_bytes else ""
        return (
            f"This run: about {_duration(self.seconds)} on {where} for {self.frames} frames, "
            f"{_size(self.memory_bytes)} of memory{gpu} and {_size(self.disk_bytes)} on disk "
            f"({costs.views * costs.embed_seconds:.2g} s a frame and {costs.step_seconds:.2g} s for each object on it)."
            f"{self._advice()}"
        )

    def _advice(self) -> str:
        """Advice for faster tracking with very many windows, if any."""
        costs = self.costs
        saved = (costs.views - costs.wide_views) * costs.embed_seconds
        if costs.views < CROWDED or not costs.wide_views or self.frames * saved < 0.2 * self.seconds:
            return ""
        return (
            f" With windows of {costs.wide_side} pixels, {costs.wide_views} per frame instead of {costs.views} would "
            f"save about {_duration(self.frames * saved)}; very small objects are then tracked slightly less "
            "accurately."
        )


def measure_budget(
    session: Session, settings: TrackSettings | None = None, *, stop: Callable[[], bool] | None = None
) -> Budget:
    """Embed a few frames, track a full batch of objects on one, and estimate what the whole run will need.

    It is measured where the network runs, possibly on another machine. Nothing is kept except the embedding of the
    prompted frame, in the normal cache.

    Parameters
    ----------
    session : Session
        A session with at least one prompt. Its network is loaded if needed.
    settings : TrackSettings, optional
        The run; by default everything that changed, or all objects if nothing did.
    stop : callable, optional
        Called between measurements; returning True ends them, and those made so far count.

    Raises
    ------
    PromptError
        If no object has a prompt.
    """
    from napari_sam2_video.engine.plan import plan_run

    settings = settings or TrackSettings()
    states = [session.state(entry.id) for entry in session.objects if not entry.locked]
    prompted = [state for state in states if state.prompted]
    if not prompted:
        raise PromptError("Nothing can be measured yet: click, box or paint an object on one frame first.")
    plan = plan_run(states, settings, session.n_frames)
    if not plan.passes:
        names = tuple(state.object_id for state in prompted)
        plan = plan_run(states, replace(settings, objects=names), session.n_frames)
    chosen = [state for state in prompted if state.object_id in plan.object_ids] or prompted
    costs, shown = session.tracker.costs([_first_prompts(session, state) for state in chosen], stop)
    steps = sum(len(one.frames()) for one in plan.passes)
    frames = len({t for one in plan.passes for t in one.frames()})
    record, image = _on_disk(session, shown)
    count = len(plan.object_ids)
    return Budget(
        costs=costs,
        steps=steps,
        frames=frames,
        store_seconds=_store(session.folder, record * costs.batch),
        memory_bytes=costs.memory_bytes
        + min(costs.cache_bytes, costs.embedding_bytes * frames * costs.views)
        + min(CACHE_BYTES, math.prod(session.shape_yx) * frames)
        + count * costs.object_bytes,
        disk_bytes=steps * record + frames * image * count + count * _remembered_on_disk(costs, frames),
    )


def _first_prompts(session: Session, state: ObjectState) -> list[Prompt]:
    frame = min(state.prompted)
    given = session.prompts(state.object_id, frame)
    return list(given) or [MaskPrompt(state.object_id, frame, session.masks.object_mask(frame, state.object_id))]


def _on_disk(session: Session, shown: ObjectMask) -> tuple[int, int]:
    """Bytes of one object in a frame record and in a label image."""
    import zlib

    from napari_sam2_video.masks.codec import encode_masks
    from napari_sam2_video.types import FrameMasks

    record = encode_masks(FrameMasks(0, session.shape_yx, (shown,), "forward"))
    return len(record), len(zlib.compress((shown.levels > 0).tobytes(), 1))


def _remembered_on_disk(costs: FrameCosts, frames: int) -> int:
    """Bytes of an object on disk: its prompt, its start, trails every `TRAIL_EVERY` frames, and the last."""
    from napari_sam2_video.engine.propagate import TRAIL_EVERY

    spatial, pointer = costs.spatial_bytes, costs.pointer_bytes
    rings = 2 + frames // TRAIL_EVERY
    return rings * (SPATIAL * spatial + POINTERS * pointer) + (1 + POINTERS) * (spatial + pointer)


def _store(folder: Path, size: int) -> float:
    """Seconds to write a frame record and its journal line to disk."""
    import os
    import tempfile

    begun = time.perf_counter()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            for data in (bytes(size), b" "):
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
    except OSError:
        return 0.0
    return time.perf_counter() - begun


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"
