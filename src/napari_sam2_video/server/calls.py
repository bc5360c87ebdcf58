"""A client's call to its tracker, run in its own thread and answered as a stream of records."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from napari_sam2_video.errors import EngineError, Sam2VideoError
from napari_sam2_video.server import wire
from napari_sam2_video.types import FrameMasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari_sam2_video.engine.plan import Plan
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.server.leases import Lease
    from napari_sam2_video.types import Prompt

Emit: TypeAlias = "Callable[[bytes], None]"
Work: TypeAlias = "Callable[[Emit], None]"
_ALIVE_SECONDS = 5.0
_AHEAD = 8
_TURN_SECONDS = 60.0


def answer(lease: Lease, work: Work) -> Iterator[bytes]:
    """Do `work` for a client and yield the records it emits; the work stops if the client is gone.

    Parameters
    ----------
    lease : Lease
        The client; its calls run one after the other.
    work : callable
        Called with a function that takes records.
    """
    # A stopped call ends after its current frame.
    if not lease.busy.acquire(timeout=_TURN_SECONDS):
        yield wire.pack_json(
            wire.FAILED, wire.error_to_json(EngineError("The tracker is still busy with another call; try again."))
        )
        return
    records: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
    lease.stop.clear()

    def emit(record: bytes | None) -> None:
        while True:
            try:
                records.put(record, timeout=0.2)
                return
            except queue.Full:
                if lease.stop.is_set():
                    return

    def run() -> None:
        frames = lease.frames
        frames.halted = lease.stop.is_set
        neighbours = lease.neighbours
        neighbours.halted = lease.stop.is_set
        neighbours.ask = lambda frame, _: emit(wire.pack_json(wire.NEIGHBOURS, frame))
        frames.ask = lambda frame, here: emit(wire.pack_json(wire.TAKEN if here else wire.WANTED, frame))
        try:
            work(emit)
        except Exception as error:
            emit(wire.pack_json(wire.FAILED, wire.error_to_json(error)))
            if not isinstance(error, Sam2VideoError):
                raise
        finally:
            frames.ask = neighbours.ask = None
            lease.busy.release()
            emit(None)

    threading.Thread(target=run, name=f"call of {lease.id[:6]}", daemon=True).start()
    last = time.monotonic()
    try:
        while True:
            try:
                record = records.get(timeout=1.0)
            except queue.Empty:
                if time.monotonic() - last > _ALIVE_SECONDS:
                    last = time.monotonic()
                    # Sending this reveals whether the client still listens.
                    yield wire.pack(wire.ALIVE)
                continue
            if record is None:
                return
            yield record
    finally:
        lease.stop.set()


def preview(tracker: Tracker, request: Prompted, lease: Lease) -> Work:
    """Show what prompts select."""

    def work(emit: Emit) -> None:
        lease.neighbours.objects = request.beside
        shown = tracker.preview(request.object_id, request.frame, request.prompts, tracked=request.tracked)
        masks = FrameMasks(shown.frame, shown.shape_yx, shown.candidates)
        emit(lease.record(masks))
        emit(wire.pack_json(wire.RESULT, shown.best))

    return work


def condition(tracker: Tracker, request: Prompted, lease: Lease, *, entry: bool) -> Work:
    """Make prompts part of an object's memory; the client gets a copy of it if it wants one."""

    def work(emit: Emit) -> None:
        lease.neighbours.objects = request.beside
        shown = tracker.condition(request.object_id, request.frame, request.prompts, tracked=request.tracked)
        masks = FrameMasks(request.frame, tracker.view.shape_yx, (shown,))
        if entry:
            _emit_windows(tracker, masks, emit)
        emit(lease.record(masks))
        if entry:
            emit(wire.pack(wire.ENTRY, tracker.memory.entry_bytes(request.object_id, request.frame)))

    return work


def run(tracker: Tracker, plan: Plan, lease: Lease, beside: frozenset[int] = frozenset()) -> Work:
    """Track the frames of a plan, in a session with the objects `beside`."""

    def work(emit: Emit) -> None:
        lease.neighbours.objects = beside
        for masks in tracker.run(plan, stop=lease.stop.is_set):
            _emit_windows(tracker, masks, emit)
            emit(lease.record(masks))
        if not lease.stop.is_set():
            emit(wire.pack_json(wire.RESULT, None))

    return work


def _emit_windows(tracker: Tracker, masks: FrameMasks, emit: Emit) -> None:
    """Send the window in which each object on a frame was seen, if windows are on."""
    if tracker.framing is None:
        return
    windows = {mask.object_id: tracker.window_at(mask.object_id, masks.frame) for mask in masks.objects}
    places = {number: None if one is None else one.numbers for number, one in windows.items()}
    emit(wire.pack_json(wire.WINDOWS, {"frame": masks.frame, "windows": places}))


def costs(tracker: Tracker, requests: Sequence[Prompted], lease: Lease) -> Work:
    """Measure the cost of a frame."""

    def work(emit: Emit) -> None:
        found, shown = tracker.costs([request.prompts for request in requests], lease.stop.is_set)
        emit(lease.record(FrameMasks(requests[0].frame, tracker.view.shape_yx, (shown,))))
        emit(wire.pack_json(wire.RESULT, asdict(found)))

    return work


class Prompted:
    """Prompts of one object on one frame, decoded from a client's request.

    Raises
    ------
    ValueError, TypeError, KeyError, PromptError
        If they are invalid.
    """

    def __init__(self, value: Any, n_frames: int, shape_yx: tuple[int, int]) -> None:
        from napari_sam2_video.types.prompts import prompt_from_json

        self.object_id = int(value["object_id"])
        self.frame = int(value["frame"])
        if self.object_id < 1 or not 0 <= self.frame < n_frames:
            raise ValueError("an invalid object or frame")
        self.prompts: list[Prompt] = [prompt_from_json(one).fitted(n_frames, shape_yx) for one in value["prompts"]]
        self.tracked = wire.tracked_from_text(value.get("tracked"), n_frames)
        self.beside = beside_from(value)


def beside_from(value: Any) -> frozenset[int]:
    """Ids of all objects of the session that a request comes from; raises ValueError or TypeError for other things."""
    return frozenset(int(one) for one in value.get("beside", ()))
