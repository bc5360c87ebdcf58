"""What a run will cost on this machine: memory, disk and time, from a measured frame."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.memory import POINTERS, SPATIAL, bytes_per_entry, bytes_per_object
from napari_sam2_video.errors import PromptError
from napari_sam2_video.masks.label_images import CACHE_BYTES
from napari_sam2_video.types import TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_sam2_video.engine.memory import ConditioningEntry
    from napari_sam2_video.engine.networks.outputs import Embedding
    from napari_sam2_video.engine.plan import ObjectState
    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.session import Session
    from napari_sam2_video.types import FrameSource, ObjectMask

_LONG = 1.0


@dataclass(frozen=True)
class Budget:
    """Expected cost of a run.

    Parameters
    ----------
    steps : int
        Frames that are computed, each object and direction counted by itself.
    frames : int
        Frames that are embedded, each counted once.
    embed_seconds, step_seconds, store_seconds : float
        Measured time to embed a frame, to track one object on it beside the others, and to bring a frame to the disk.
    memory_bytes : int
        Expected memory: what the process used when as many objects as go through the network at once were tracked on
        a frame, the embeddings and label images that will be kept, and what the objects remember.
    device_bytes : int
        Peak of the GPU's memory while the frame was measured; 0 on the processor.
    disk_bytes : int
        Expected growth of the session.
    device : str
        Where it was measured.
    threads : int
        Threads of the processor it was measured with.
    views : int
        Different windows of a frame, the whole frame among them, that are embedded.
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

    @property
    def seconds(self) -> float:
        """Expected time."""
        on_frames = self.frames * (self.views * self.embed_seconds + self.store_seconds)
        return on_frames + self.steps * self.step_seconds

    def sentence(self) -> str:
        """The budget as a person reads it."""
        where = self.device if self.device != "cpu" else f"cpu ({self.threads} thread{'s'[: self.threads > 1]})"
        gpu = f", {_size(self.device_bytes)} of GPU memory" if self.device_bytes else ""
        return (
            f"This run: about {_duration(self.seconds)} on {where} for {self.frames} frames, "
            f"{_size(self.memory_bytes)} of memory{gpu} and {_size(self.disk_bytes)} on disk "
            f"({self.views * self.embed_seconds:.2g} s a frame and {self.step_seconds:.2g} s for each object on it)."
        )


def measure_budget(
    session: Session, settings: TrackSettings | None = None, *, stop: Callable[[], bool] | None = None
) -> Budget:
    """Embed a few frames and track as many objects as go at once on one, and reckon what the whole run will need.

    Nothing is kept but the embedding of the prompted frame, among those that are kept anyway.

    Parameters
    ----------
    session : Session
        With at least one prompt. Its network is loaded if it is not.
    settings : TrackSettings, optional
        The run; everything that changed, or all objects where nothing did, if not given.
    stop : callable, optional
        Asked between measurements; what was measured until then counts.

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
    tracker: Any = session.tracker
    first = prompted[0]
    frame = min(first.prompted)
    given = list(session.prompts(first.object_id, frame)) or [_painted(session, first.object_id, frame)]
    scratch = tracker.scratch()
    _reset_peak(tracker.model.device)
    shown = scratch.condition(first.object_id, frame, given)
    entry = scratch.memory.entries(first.object_id)[frame]
    halted = stop or (lambda: False)
    embed_seconds, embedding = _embedding(tracker.model, session.view, frame, session.n_frames, halted)
    views = len({_window(session, tracker, state) for state in prompted if state.object_id in plan.object_ids})
    count = min(-(-len(plan.object_ids) // views), scratch.batch_size)
    step_seconds = _step(tracker.model, session.view, embedding, entry, count, halted) / count
    steps = sum(len(one.frames()) for one in plan.passes)
    frames = len({t for one in plan.passes for t in one.frames()})
    record, image = _on_disk(session, shown)
    return Budget(
        steps=steps,
        frames=frames,
        embed_seconds=embed_seconds,
        step_seconds=step_seconds,
        store_seconds=_store(session.folder, record * count),
        memory_bytes=_memory_now()
        + min(tracker.features.memory_bytes, embedding.nbytes * frames * views)
        + min(CACHE_BYTES, math.prod(session.shape_yx) * frames)
        + len(plan.object_ids) * bytes_per_object(tracker.model.preset, tracker.model.image_size),
        device_bytes=_device_peak(tracker.model.device),
        disk_bytes=steps * record
        + frames * image * len(plan.object_ids)
        + len(plan.object_ids) * _remembered_on_disk(tracker.model, frames),
        device=tracker.model.device,
        threads=tracker.model.threads,
        views=views,
    )


def _window(session: Session, tracker: Any, state: ObjectState) -> Window | None:
    """Window that an object's first prompts are answered in; None for the whole frame."""
    frame = min(state.prompted)
    given = list(session.prompts(state.object_id, frame)) or [_painted(session, state.object_id, frame)]
    window: Window | None = tracker.first_window(state.object_id, frame, given)
    return window


def _painted(session: Session, object_id: int, frame: int) -> Any:
    from napari_sam2_video.types import MaskPrompt

    return MaskPrompt(object_id, frame, session.masks.object_mask(frame, object_id))


def _embedding(
    model: Any, view: FrameSource, frame: int, n_frames: int, halted: Callable[[], bool]
) -> tuple[float, Embedding]:
    """Seconds a frame, and the embedding of `frame`; the first calls may be slower than all others."""
    frames = [(frame + i) % n_frames for i in range(model.embed_batch)]
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
    from napari_sam2_video.engine.memory import fullest

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


def _on_disk(session: Session, shown: ObjectMask) -> tuple[int, int]:
    """Bytes of one object in the record of a frame, and in its label image."""
    import zlib

    from napari_sam2_video.masks.codec import encode_masks
    from napari_sam2_video.types import FrameMasks

    record = encode_masks(FrameMasks(0, session.shape_yx, (shown,), "forward"))
    return len(record), len(zlib.compress((shown.levels > 0).tobytes(), 1))


def _remembered_on_disk(model: Any, frames: int) -> int:
    """Bytes that an object's memories take: its prompt, its start, a ring every `TRAIL_EVERY` frames, and the last."""
    from napari_sam2_video.engine.propagate import TRAIL_EVERY

    spatial, pointer = bytes_per_entry(model.preset, model.image_size)
    rings = 2 + frames // TRAIL_EVERY
    return rings * (SPATIAL * spatial + POINTERS * pointer) + (1 + POINTERS) * (spatial + pointer)


def _store(folder: Path, size: int) -> float:
    """Seconds to bring a frame's record and its line in the journal to the disk."""
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


def _memory_now() -> int:
    """Largest memory of this process so far, 0 where the system does not say."""
    import re
    import sys
    from pathlib import Path

    if sys.platform == "win32":
        return 0
    if sys.platform == "linux":
        # Not by getrusage, which begins with what the process had that started this one.
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


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"
