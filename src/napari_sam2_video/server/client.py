"""A tracker on another machine, which a session uses like a local one. torch is not needed here."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from napari_sam2_video.errors import EngineError, Sam2VideoError
from napari_sam2_video.masks.codec import decode_masks, encode_masks
from napari_sam2_video.server import wire
from napari_sam2_video.server.connection import Connection, TrackerGoneError
from napari_sam2_video.server.frame_sender import FrameSender
from napari_sam2_video.server.kept_memory import KeptMemory
from napari_sam2_video.server.segmenting import RemoteSegmenter
from napari_sam2_video.types import FrameMasks, Preview

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.engine.costs import FrameCosts
    from napari_sam2_video.engine.neighbours import Neighbours
    from napari_sam2_video.engine.plan import Plan
    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.types import FrameSource, ModelSettings, ObjectMask, Prompt

_POLL_SECONDS = 0.1
_LOADING_SECONDS = 600.0


@dataclass(frozen=True)
class RemoteModel:
    """What is known about the network on the server, with the names of `engine.networks.protocol.Network`."""

    name: str
    sha256: str
    image_size: int
    device: str
    precision: str
    arithmetic: str
    threads: int
    key: str


class RemoteTracker:
    """Segments and tracks on a server; see `engine.tracker.Tracker` for the methods.

    If the server was restarted or has dropped the tracker, a new one is opened; the objects' memories of prompted
    frames are kept here, in the engine's format, and sent to it.

    Parameters
    ----------
    connection : Connection
        The server.
    settings : ModelSettings
        The network.
    view : FrameSource
        The view of the recording.
    memory : Path, optional
        Folder for memories; in memory if not given.
    """

    def __init__(
        self, connection: Connection, settings: ModelSettings, view: FrameSource, memory: Path | None = None
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._view = view
        self._lease: str | None = None
        self._forgot = True
        self._windows: dict[tuple[int, int], Window | None] = {}
        self._neighbours: Neighbours | None = None
        self._sender = FrameSender(connection, view)
        self.notes: tuple[str, ...] = ()
        self.model = self._open()
        self.memory = RemoteMemory(self, KeptMemory(memory))
        self.memory.kept.bind(f"{self.model.key}/{view.key}")
        self._restore()

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> Preview:
        """Show what prompts select; nothing is kept."""
        asked = _asked(object_id, frame, prompts, tracked)
        found = self.call("preview", asked)
        masks = decode_masks(found[wire.MASKS], self._view.shape_yx)
        return Preview(object_id, frame, self._view.shape_yx, masks.objects, int(json.loads(found[wire.RESULT])))

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> ObjectMask:
        """Make prompts a permanent part of an object's memory."""
        found = self.call("condition", _asked(object_id, frame, prompts, tracked))
        self.memory.kept.put(object_id, frame, found[wire.ENTRY])
        if wire.WINDOWS in found:
            self._note_windows(found[wire.WINDOWS])
        (mask,) = decode_masks(found[wire.MASKS], self._view.shape_yx).objects
        return mask

    def run(self, plan: Plan, *, stop: Callable[[], bool] | None = None) -> Generator[FrameMasks]:
        """Compute the frames of a plan."""
        yield from self.track(plan, stop, scratch=False)

    def see_neighbours(self, stored: Neighbours | None) -> None:
        """See `Tracker.see_neighbours`; the masks are sent when the server needs them."""
        self._neighbours = stored

    def segmenter(self) -> RemoteSegmenter:
        """The network for detectors."""
        return RemoteSegmenter(self, self._view.shape_yx)

    def scratch(self) -> RemoteScratch:
        """A tracker with the same network and an empty memory that is not kept."""
        self.request("POST", "scratch")
        return RemoteScratch(self)

    def costs(
        self, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
    ) -> tuple[FrameCosts, ObjectMask]:
        """Measure the cost of a frame on the server, including the time until a frame arrives."""
        from napari_sam2_video.engine.costs import FrameCosts

        asked = {"objects": [_asked(some[0].object_id, some[0].frame, some, None) for some in objects]}
        found = self.call("costs", asked)
        (shown,) = decode_masks(found[wire.MASKS], self._view.shape_yx).objects
        costs = FrameCosts(**json.loads(found[wire.RESULT]))
        seconds = max(costs.embed_seconds, self._sender.seconds)
        return replace(costs, embed_seconds=seconds, device=self._where(costs.device)), shown

    def window_at(self, object_id: int, frame: int) -> Window | None:
        """Window in which the network saw an object on a frame; see `Tracker.window_at`. The server is not asked."""
        return self._windows.get((object_id, frame))

    def _note_windows(self, payload: bytes) -> None:
        from napari_sam2_video.engine.windows import Window

        record = json.loads(payload)
        for number, place in record["windows"].items():
            self._windows[int(number), record["frame"]] = None if place is None else Window(*place)

    def call(self, name: str, asked: dict[str, Any]) -> dict[bytes, bytes]:
        """Records of a call that is answered at once, by kind; uses a new tracker if the old one is gone."""
        for attempt in (1, 2):
            try:
                asked |= self._beside()
                stream = self._connection.stream(f"/trackers/{self._lease}/{name}", asked, self._sender.send)
                found: dict[bytes, bytes] = {}
                while (record := _next(stream)) is not None:
                    if record[0] == wire.NEIGHBOURS:
                        self._send_neighbours(int(record[1]))
                    found[record[0]] = record[1]
                if wire.MASKS not in found and wire.RESULT not in found:
                    raise self._connection.cut_off()
                return found
            except TrackerGoneError:
                if attempt == 2 or asked.get("scratch"):
                    raise
                self._renew()
            except Sam2VideoError:
                self._sender.check()
                raise
        raise AssertionError("unreachable")

    def track(self, plan: Plan, stop: Callable[[], bool] | None, *, scratch: bool) -> Generator[FrameMasks]:
        """Masks of the frames of a plan; a run that is interrupted here is stopped on the server.

        If the server has no memory of a run, its rest is tracked from the beginning, because rounding differs between
        an object tracked alone and one in a batch.
        """
        if not scratch:
            self._alive()
        whole = plan.rebuilt() if self._forgot and not scratch else plan
        self._forgot = self._forgot and scratch
        wanted = {way: set(plan.frames(way)) for way in ("forward", "backward")}
        asked = {"plan": whole.to_json(), "scratch": scratch, **self._beside()}
        self._sender.expect(t for one in whole.passes for t in one.frames())
        stream = self._connection.stream(f"/trackers/{self._lease}/run", asked, self._sender.send)
        ended = stopped = complete = False
        try:
            while True:
                if stop is not None and not stopped and stop():
                    stopped = True
                    self.request("POST", "stop")
                try:
                    record = stream.get(_POLL_SECONDS)
                except TimeoutError:
                    continue
                if record is None:
                    ended = True
                    if not complete and not stopped:
                        raise self._connection.cut_off()
                    return
                complete = record[0] == wire.RESULT
                if record[0] == wire.NEIGHBOURS:
                    # Earlier frames are stored by now, because each is stored before the next is requested.
                    self._send_neighbours(int(record[1]))
                if record[0] == wire.WINDOWS and not scratch:
                    self._note_windows(record[1])
                if record[0] == wire.MASKS:
                    masks = decode_masks(record[1], self._view.shape_yx)
                    if masks.frame in wanted[masks.direction]:
                        yield masks
        except Sam2VideoError:
            ended = True
            if stopped:
                return
            self._sender.check()
            raise
        finally:
            self._sender.expect(())
            if not ended:
                with suppress(Sam2VideoError):
                    self.request("POST", "stop")
            stream.close()

    def _beside(self) -> dict[str, Any]:
        """The session's objects, for a request."""
        return {} if self._neighbours is None else {"beside": sorted(self._neighbours.ids())}

    def _send_neighbours(self, frame: int) -> None:
        masks = () if self._neighbours is None else tuple(self._neighbours.masks(frame))
        self.request("PUT", f"neighbours/{frame}", content=encode_masks(FrameMasks(frame, self._view.shape_yx, masks)))

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request to the tracker on the server."""
        return self._connection.request(method, f"/trackers/{self._lease}/{path}", **options)

    def close(self) -> None:
        """Release the tracker on the server, in the background."""

        def let_go() -> None:
            self._sender.close()
            with suppress(Sam2VideoError):
                self._connection.request("DELETE", f"/trackers/{self._lease}", timeout=5.0)
            self._connection.close()

        threading.Thread(target=let_go, name="sam2-video-server-close").start()

    def _open(self) -> RemoteModel:
        asked = {
            "protocol": wire.PROTOCOL,
            "settings": self._settings.to_json(),
            "n_frames": self._view.n_frames,
            "shape_yx": list(self._view.shape_yx),
            "key": self._view.key,
            "is_volume": self._view.is_volume,
            "machine": wire.machine(),
        }
        answer = self._connection.request("POST", "/trackers", json=asked, timeout=_LOADING_SECONDS)
        self._lease = answer["id"]
        self._forgot = True
        self._sender.begin(f"/trackers/{self._lease}/frames", compress=answer["machine"] != wire.machine())
        self.notes = tuple(answer["notes"])
        facts = answer["model"]
        return RemoteModel(**facts | {"device": self._where(facts["device"])})

    def _where(self, device: str) -> str:
        return f"{device} at {self._connection.url}"

    def _restore(self) -> None:
        for object_id, frame, data in self.memory.kept.everything():
            self.request("PUT", f"memory/{object_id}/{frame}", content=data)

    def _renew(self) -> None:
        model = self._open()
        if model.key != self.model.key:
            raise EngineError("The server now has another version of the model; open the session again.")
        self._restore()

    def _alive(self) -> None:
        """Make sure that the server holds the tracker before a call that cannot be repeated."""
        try:
            self.request("GET", "alive")
        except TrackerGoneError:
            self._renew()


class RemoteScratch:
    """A tracker on the server with an empty memory; see `RemoteTracker.scratch`."""

    def __init__(self, tracker: RemoteTracker) -> None:
        self._tracker = tracker
        self.notes: tuple[str, ...] = ()
        self.model = tracker.model
        self.memory = tracker.memory

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> ObjectMask:
        """Make prompts part of an object's memory."""
        found = self._tracker.call("condition", _asked(object_id, frame, prompts, tracked) | {"scratch": True})
        (mask,) = decode_masks(found[wire.MASKS], self._tracker._view.shape_yx).objects
        return mask

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> Preview:
        """Show what prompts select; with an empty memory, this is the tracker's answer to a first prompt."""
        return self._tracker.preview(object_id, frame, prompts, tracked=None)

    def run(self, plan: Plan, *, stop: Callable[[], bool] | None = None) -> Generator[FrameMasks]:
        """Compute the frames of a plan."""
        yield from self._tracker.track(plan, stop, scratch=True)

    def costs(
        self, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
    ) -> tuple[FrameCosts, ObjectMask]:
        """Measure the cost of a frame."""
        return self._tracker.costs(objects, stop)

    def scratch(self) -> Self:
        """Forget everything."""
        self._tracker.request("POST", "scratch")
        return self


class RemoteMemory:
    """The objects' memories on the server, as far as a session controls them."""

    def __init__(self, tracker: RemoteTracker, kept: KeptMemory) -> None:
        self._tracker = tracker
        self.kept = kept

    def entries(self, object_id: int) -> dict[int, Any]:
        """Prompted frames that an object remembers."""
        return dict.fromkeys(self.kept.frames(object_id))

    def forget_entry(self, object_id: int, frame: int) -> None:
        """Drop one of them."""
        self.kept.drop(object_id, frame)
        self._forget(f"memory/{object_id}/{frame}")

    def forget_trails(self, object_id: int) -> None:
        """Drop the trails that a pass could be resumed from."""
        self._forget(f"trails/{object_id}")

    def _forget(self, path: str) -> None:
        # A tracker that is gone has no memory; the next one is sent the copies kept here.
        with suppress(TrackerGoneError):
            self._tracker.request("DELETE", path)


def open_remote(url: str, settings: ModelSettings, view: FrameSource, memory: Path | None) -> RemoteTracker:
    """Tracker on the server at an address.

    Raises
    ------
    SettingsError
        If the address is invalid, or there is no token for it.
    EngineError, ModelError
        If the server cannot be reached, is full, or does not have the model.
    """
    connection = Connection(url)
    try:
        return RemoteTracker(connection, settings, view, memory)
    except BaseException:
        connection.close()
        raise


def _asked(
    object_id: int, frame: int, prompts: Sequence[Prompt], tracked: npt.NDArray[np.int8] | None
) -> dict[str, Any]:
    return {
        "object_id": object_id,
        "frame": frame,
        "prompts": [prompt.to_json() for prompt in prompts],
        "tracked": wire.tracked_to_text(tracked),
    }


def _next(stream: Any) -> Any:
    while True:
        with suppress(TimeoutError):
            return stream.get(1.0)
