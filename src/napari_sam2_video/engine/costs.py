"""The cost of a frame on the device in use: time and memory, measured on one frame."""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.memory import bytes_per_entry, bytes_per_object, fullest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_sam2_video.engine.memory import ConditioningEntry
    from napari_sam2_video.engine.networks.outputs import Embedding
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.types import FrameSource, ObjectMask, Prompt

_LONG = 1.0


@dataclass(frozen=True)
class FrameCosts:
    """The measurement.

    Parameters
    ----------
    embed_seconds, step_seconds : float
        Time to embed a frame, and to track one object of a batch on it.
    views : int
        Number of different windows of a frame that are embedded, including the whole frame.
    wide_side, wide_views : int
        Side in pixels of windows half as large again as the smallest automatic ones, and how many of those a frame
        would have; 0 where windows are not automatic.
    batch : int
        Number of objects per batch.
    embedding_bytes, cache_bytes : int
        Size of an embedding, and maximum memory for embeddings.
    object_bytes, spatial_bytes, pointer_bytes : int
        Memory per tracked object, and for the two parts of a memory entry.
    memory_bytes, device_bytes : int
        Peak memory of the process so far, and of the GPU while the frame was measured; 0 if unknown.
    device : str
        The device it was measured on.
    threads : int
        CPU threads it was measured with.
    """

    embed_seconds: float
    step_seconds: float
    views: int
    wide_side: int
    wide_views: int
    batch: int
    embedding_bytes: int
    cache_bytes: int
    object_bytes: int
    spatial_bytes: int
    pointer_bytes: int
    memory_bytes: int
    device_bytes: int
    device: str
    threads: int


def measure_costs(
    tracker: Tracker, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
) -> tuple[FrameCosts, ObjectMask]:
    """Embed a few frames, and track a full batch of objects on one.

    Nothing is kept except the embedding of the prompted frame, in the normal cache.

    Parameters
    ----------
    tracker : Tracker
        The tracker.
    objects : sequence of sequences of Prompt
        The first prompts of each object that will be tracked; at least one prompt per object, all on one frame.
    stop : callable, optional
        Called between measurements; returning True ends them, and those made so far count.

    Returns
    -------
    FrameCosts
        The measurement.
    ObjectMask
        The first object on its prompted frame.
    """
    given = objects[0]
    object_id, frame = given[0].object_id, given[0].frame
    model: Any = tracker.model
    halted = stop or (lambda: False)
    scratch = tracker.scratch()
    _reset_peak(model.device)
    shown = scratch.condition(object_id, frame, given)
    entry = scratch.memory.entries(object_id)[frame]
    embed_seconds, embedding = _embedding(model, tracker.view, frame, halted)
    views = len({tracker.first_window(some[0].object_id, some[0].frame, some) for some in objects})
    wide = None if tracker.framing is None else tracker.framing.wide()
    in_wide = {tracker.first_window(some[0].object_id, some[0].frame, some, wide) for some in objects} if wide else ()
    batch = min(len(objects), scratch.batch_size)
    step_seconds = _step(model, tracker.view, embedding, entry, batch, halted) / batch
    spatial_bytes, pointer_bytes = bytes_per_entry(model.preset, model.image_size)
    costs = FrameCosts(
        embed_seconds=embed_seconds,
        step_seconds=step_seconds,
        views=views,
        wide_side=int(wide.setting) if wide else 0,
        wide_views=len(in_wide),
        batch=batch,
        embedding_bytes=embedding.nbytes,
        cache_bytes=tracker.features.memory_bytes,
        object_bytes=bytes_per_object(model.preset, model.image_size),
        spatial_bytes=spatial_bytes,
        pointer_bytes=pointer_bytes,
        memory_bytes=_memory_now(),
        device_bytes=_device_peak(model.device),
        device=model.device,
        threads=model.threads,
    )
    return costs, shown


def _embedding(model: Any, view: FrameSource, frame: int, halted: Callable[[], bool]) -> tuple[float, Embedding]:
    """Seconds per frame, and the embedding of `frame`; the first calls may be slower than all others."""
    frames = [(frame + i) % view.n_frames for i in range(model.embed_batch)]
    prepared = [model.prepare(view.read(t)) for t in frames]
    seconds = 0.0
    for _ in range(3):
        begun = time.perf_counter()
        made = model.embed_many(prepared)
        seconds = (time.perf_counter() - begun) / len(frames)
        if halted() or seconds > _LONG:
            break
    return seconds, made[0]


def _step(
    model: Any,
    view: FrameSource,
    embedding: Embedding,
    entry: ConditioningEntry,
    count: int,
    halted: Callable[[], bool],
) -> float:
    """Seconds that `count` objects take on a frame once they remember all they can."""
    seconds = 0.0
    for _ in range(2):
        begun = time.perf_counter()
        decoded = model.decode_tracked(embedding, [fullest(entry, view.n_frames)] * count, view.n_frames)
        model.remember(embedding, decoded, prompted=False)
        window = None if entry.memory.place is None else entry.memory.place.window
        model.levels(decoded, view.shape_yx if window is None else window.shape_yx)
        seconds = time.perf_counter() - begun
        if halted() or seconds > _LONG:
            break
    return seconds


def _memory_now() -> int:
    """Peak memory of this process so far; 0 if the system does not report it."""
    if sys.platform == "win32":
        return 0
    if sys.platform == "linux":
        # Not from getrusage, whose value starts at that of the parent process.
        try:
            found = re.search(r"^VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
        except OSError:
            found = None
        if found is not None:
            return int(found[1]) << 10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * (1 if sys.platform == "darwin" else 1024)


def _reset_peak(device: str) -> None:
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)


def _device_peak(device: str) -> int:
    if not device.startswith("cuda"):
        return 0
    import torch

    return int(torch.cuda.max_memory_allocated(device))
