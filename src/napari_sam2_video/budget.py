"""What a run will cost on this machine: memory, disk and time, from a measured frame."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import PromptError
from napari_sam2_video.types import TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.engine.plan import Plan
    from napari_sam2_video.session import Session

PROBED_FRAMES = 3


@dataclass(frozen=True)
class Budget:
    """Expected cost of a run.

    Parameters
    ----------
    steps : int
        Frames that are computed, each object and direction counted by itself.
    frames : int
        Frames that are embedded, each counted once.
    embed_seconds, step_seconds : float
        Measured time to embed a frame, and to track one object on it.
    memory_bytes : int
        Expected memory: what the process uses now, the embeddings that will be kept, and what the objects remember.
    device_bytes : int
        Peak of the GPU's memory while the frame was measured; 0 on the processor.
    disk_bytes : int
        Expected growth of the session.
    device : str
        Where it was measured.
    """

    steps: int
    frames: int
    embed_seconds: float
    step_seconds: float
    memory_bytes: int
    device_bytes: int
    disk_bytes: int
    device: str

    @property
    def seconds(self) -> float:
        """Expected time; objects that go through the network together take less."""
        return self.frames * self.embed_seconds + self.steps * self.step_seconds

    def sentence(self) -> str:
        """The budget as a person reads it."""
        gpu = f", {_size(self.device_bytes)} of GPU memory" if self.device_bytes else ""
        return (
            f"This run: about {_duration(self.seconds)} on {self.device} for {self.frames} frames, "
            f"{_size(self.memory_bytes)} of memory{gpu} and {_size(self.disk_bytes)} on disk "
            f"({self.embed_seconds:.2g} s a frame and {self.step_seconds:.2g} s for each object on it)."
        )


def measure_budget(
    session: Session, settings: TrackSettings | None = None, *, stop: Callable[[], bool] | None = None
) -> Budget:
    """Track a few frames beside the session, keeping nothing, and reckon what the whole run will need.

    Parameters
    ----------
    session : Session
        With at least one prompt. Its network is loaded if it is not.
    settings : TrackSettings, optional
        The run; everything that changed, or all objects where nothing did, if not given.
    stop : callable, optional
        Asked between frames; what was measured until then counts.

    Raises
    ------
    PromptError
        If no object has a prompt.
    """
    from napari_sam2_video.engine.features import FeatureCache
    from napari_sam2_video.engine.plan import plan_run
    from napari_sam2_video.engine.shelf import MemoryFolder

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
    cache = FeatureCache()
    probe = type(tracker)(tracker.model, session.view, MemoryFolder(), features=cache)
    _reset_peak(tracker.model.device)
    first = prompted[0]
    frame = min(first.prompted)
    given = list(session.prompts(first.object_id, frame)) or [_painted(session, first.object_id, frame)]
    probe.condition(first.object_id, frame, given)
    cold, masks = _timed(probe, _short(first.object_id, frame, session.n_frames), stop)
    warm, _ = _timed(probe, _short(first.object_id, frame, session.n_frames), stop)
    from napari_sam2_video.masks.records import encode_masks

    steps = sum(len(one.frames()) for one in plan.passes)
    frames = len({t for one in plan.passes for t in one.frames()})
    embeddings = min(tracker.features.memory_bytes, cache.nbytes // max(1, len(masks)) * frames)
    remembered = _remembered(tracker, plan)
    record = max((len(encode_masks(one)) for one in masks), default=0)
    return Budget(
        steps=steps,
        frames=frames,
        embed_seconds=max(cold - warm, 0.0),
        step_seconds=warm,
        memory_bytes=_memory_now() + embeddings + remembered,
        device_bytes=_device_peak(tracker.model.device),
        disk_bytes=record * steps + remembered,
        device=tracker.model.device,
    )


def _painted(session: Session, object_id: int, frame: int) -> Any:
    from napari_sam2_video.types import MaskPrompt

    return MaskPrompt(object_id, frame, session.masks.object_mask(frame, object_id))


def _short(object_id: int, frame: int, n_frames: int) -> Plan:
    from napari_sam2_video.engine.plan import Pass, Plan

    if frame + PROBED_FRAMES < n_frames:
        one = Pass(object_id, "forward", frame, frame + PROBED_FRAMES)
    else:
        one = Pass(object_id, "backward", frame, max(0, frame - PROBED_FRAMES))
    return Plan((one,), n_frames)


def _timed(probe: Any, plan: Plan, stop: Callable[[], bool] | None) -> tuple[float, list[Any]]:
    """Seconds of the quickest frame behind the prompted one, and the masks."""
    masks: list[Any] = []
    times: list[float] = []
    before = time.perf_counter()
    for one in probe.run(plan, stop=stop):
        now = time.perf_counter()
        masks.append(one)
        times.append(now - before)
        before = now
    # The prompted frame itself costs next to nothing.
    return min(times[1:], default=times[0] if times else 0.0), masks


def _remembered(tracker: Any, plan: Plan) -> int:
    from napari_sam2_video.engine.memory import bytes_per_object

    return len(plan.object_ids) * bytes_per_object(tracker.model.preset, tracker.model.image_size)


def _memory_now() -> int:
    """Largest memory of this process so far, as far as the system tells."""
    import sys

    if sys.platform == "win32":
        return 0
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
