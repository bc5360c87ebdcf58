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
    steps : int
        Frames to compute, counted for each object and direction.
    frames : int
        Frames to embed, each counted once.
    embed_seconds, step_seconds, store_seconds : float
        Measured time to embed a frame, to track one object of a batch on it, and to write a frame to disk.
    memory_bytes : int
        Expected memory: the memory of the process after tracking a full batch on one frame, the embeddings and label
        images to keep, and the objects' memories.
    device_bytes : int
        Peak GPU memory while the frame was measured; 0 on the CPU.
    disk_bytes : int
        Expected growth of the session.
    device : str
        The device it was measured on.
    threads : int
        CPU threads it was measured with.
    views : int
        Number of different windows of a frame that are embedded, including the whole frame.
    wide_side, wide_views : int
        Side in pixels of windows half as large again as the smallest automatic ones, and how many of those a frame
        would have; 0 if windows are not automatic.
    """

    steps: int
    frames: int
    embed_seconds: float
    step_seconds: float
    store_seconds: float
    memory_bytes: int
    device_bytes: int
    disk_bytes: int
    device: str
    threads: int = 1
    views: int = 1
    wide_side: int = 0
    wide_views: int = 0

    @property
    def seconds(self) -> float:
        """Expected time."""
        on_frames = self.frames * (self.views * self.embed_seconds + self.store_seconds)
        return on_frames + self.steps * self.step_seconds

    def sentence(self) -> str:
        """The budget as a message."""
        kind, _, place = self.device.partition(" ")
        threads = f" ({self.threads} thread{'s'[: self.threads > 1]})" if kind == "cpu" else ""
        where = f"{kind}{threads} {place}".rstrip()
        gpu = f", {_size(self.device_bytes)} of GPU memory" if self.device_bytes else ""
        return (
            f"This run: about {_duration(self.seconds)} on {where} for {self.frames} frames, "
            f"{_size(self.memory_bytes)} of memory{gpu} and {_size(self.disk_bytes)} on disk "
            f"({self.views * self.embed_seconds:.2g} s a frame and {self.step_seconds:.2g} s for each object on it)."
            f"{self._advice()}"
        )

    def _advice(self) -> str:
        """Advice for faster tracking with very many windows, if any."""
        saved = (self.views - self.wide_views) * self.embed_seconds
        if self.views < CROWDED or not self.wide_views or self.frames * saved < 0.2 * self.seconds:
            return ""
        return (
            f" With windows of {self.wide_side} pixels, {self.wide_views} per frame instead of {self.views} would save "
            f"about {_duration(self.frames * saved)}; very small objects are then tracked slightly less accurately."
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
        steps=steps,
        frames=frames,
        embed_seconds=costs.embed_seconds,
        step_seconds=costs.step_seconds,
        store_seconds=_store(session.folder, record * costs.batch),
        memory_bytes=costs.memory_bytes
        + min(costs.cache_bytes, costs.embedding_bytes * frames * costs.views)
        + min(CACHE_BYTES, math.prod(session.shape_yx) * frames)
        + count * costs.object_bytes,
        device_bytes=costs.device_bytes,
        disk_bytes=steps * record + frames * image * count + count * _remembered_on_disk(costs, frames),
        device=costs.device,
        threads=costs.threads,
        views=costs.views,
        wide_side=costs.wide_side,
        wide_views=costs.wide_views,
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
