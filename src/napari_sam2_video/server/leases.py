"""What a server holds for its clients: a tracker each, with the frames it was sent, until the client is gone."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_sam2_video.errors import EngineError, FrameError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.types import ModelSettings


@dataclass(frozen=True)
class Limits:
    """What clients may ask for.

    Parameters
    ----------
    sessions : int
        Most clients at a time.
    frame_pixels : int
        Most pixels of a frame.
    memory_bytes : int
        Most bytes that image embeddings take, over all clients.
    idle_seconds : float
        How long the memory of a client is kept that is not heard of.
    frame_seconds : float
        How long a call waits for a frame.
    """

    sessions: int = 8
    frame_pixels: int = 64_000_000
    memory_bytes: int = 4 << 30
    idle_seconds: float = 1800.0
    frame_seconds: float = 120.0


class ServedFrames:
    """The frames of a client's recording, asked for when the network needs them; a `FrameSource`.

    The few that were sent last are kept: what is needed for longer is their embeddings, which the tracker keeps.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    shape_yx : tuple of int
        Shape of a frame in pixels.
    key : str
        Changes whenever the pixels change; the client's.
    seconds : float
        How long `read` waits.
    """

    KEPT = 32

    def __init__(self, n_frames: int, shape_yx: tuple[int, int], key: str, seconds: float) -> None:
        self.n_frames = n_frames
        self.shape_yx = shape_yx
        self.key = key
        self.ask: Callable[[int], None] | None = None
        self.halted: Callable[[], bool] = lambda: False
        self._seconds = seconds
        self._arrived: OrderedDict[int, npt.NDArray[np.uint8] | str] = OrderedDict()
        self._change = threading.Condition()

    def read(self, frame: int) -> npt.NDArray[np.uint8]:
        """Frame as the model sees it, uint8 of shape ``(Y, X, 3)``, once the client has sent it."""
        with self._change:
            if frame not in self._arrived and self.ask is not None:
                self.ask(frame)
            end = time.monotonic() + self._seconds
            while frame not in self._arrived:
                if self.ask is None or self.halted():
                    raise EngineError("The call was stopped.")
                if time.monotonic() > end:
                    raise EngineError(f"Frame {frame} did not arrive in {self._seconds:g} s; check the connection.")
                self._change.wait(0.2)
            self._arrived.move_to_end(frame)
            found = self._arrived[frame]
            if isinstance(found, str):
                del self._arrived[frame]
                raise FrameError(found)
            return np.array(found)

    def put(self, frame: int, pixels: npt.NDArray[np.uint8] | str) -> None:
        """Take a frame that was sent, or the sentence that says why it cannot be read."""
        with self._change:
            self._arrived[frame] = pixels
            while len(self._arrived) > self.KEPT:
                self._arrived.popitem(last=False)
            self._change.notify_all()


@dataclass(eq=False)
class Lease:
    """A client's tracker, and the one of its check, which remembers nothing else."""

    id: str
    tracker: Tracker
    frames: ServedFrames
    folder: TemporaryDirectory[str]
    used: float = 0.0
    scratch: Tracker | None = None

    def __post_init__(self) -> None:
        """Make what the calls of a client take turns with."""
        self.busy = threading.Lock()
        self.stop = threading.Event()


class Leases:
    """Trackers of all clients, over networks that they share.

    Parameters
    ----------
    limits : Limits
        What clients may ask for.
    device : str
        Device of the networks.
    load : callable, optional
        Model settings to a network; the ones of the catalogue that are on this computer if not given.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        limits: Limits,
        device: str = "auto",
        load: Callable[[ModelSettings], Network] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.device = device
        self._load = load or load_named
        self._clock = clock
        self._lock = threading.Lock()
        self._networks: dict[tuple[Any, ...], Network] = {}
        self._leases: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def open(self, settings: ModelSettings, frames: ServedFrames) -> Lease:
        """Give a client a tracker.

        Raises
        ------
        EngineError
            If there are too many clients.
        ModelError
            If the model is not on this computer.
        """
        from napari_sam2_video.engine.features import FeatureCache
        from napari_sam2_video.engine.memory_store import MemoryStore
        from napari_sam2_video.engine.tracker import Tracker

        self.expire()
        if len(self._leases) >= self.limits.sessions:
            raise EngineError(f"The server has {len(self._leases)} clients, as many as it takes; try again later.")
        network = self._network(settings)
        folder = TemporaryDirectory(prefix="napari-sam2-video-server-", ignore_cleanup_errors=True)
        try:
            memory = MemoryStore(Path(folder.name) / "memory")
            features = FeatureCache(self.limits.memory_bytes // self.limits.sessions)
            tracker = Tracker(network, frames, memory, features=features, window=settings.window)
            lease = Lease(secrets.token_urlsafe(16), tracker, frames, folder, used=self._clock())
        except BaseException:
            folder.cleanup()
            raise
        with self._lock:
            self._leases[lease.id] = lease
        return lease

    def find(self, lease_id: str) -> Lease | None:
        """The tracker of a client, if it is still held; asking for it keeps it."""
        with self._lock:
            lease = self._leases.get(lease_id)
            if lease is not None:
                lease.used = self._clock()
            return lease

    def close(self, lease_id: str) -> None:
        """Let go of a client's tracker."""
        with self._lock:
            lease = self._leases.pop(lease_id, None)
        if lease is not None:
            lease.stop.set()
            with lease.busy:
                lease.folder.cleanup()

    def expire(self) -> None:
        """Let go of the trackers of clients that were not heard of for too long."""
        now = self._clock()
        with self._lock:
            late = [
                lease.id
                for lease in self._leases.values()
                if now - lease.used > self.limits.idle_seconds and not lease.busy.locked()
            ]
        for lease_id in late:
            self.close(lease_id)

    def close_all(self) -> None:
        """Let go of everything."""
        for lease_id in list(self._leases):
            self.close(lease_id)

    def _network(self, settings: ModelSettings) -> Network:
        from dataclasses import replace

        here = replace(settings, device=self.device)
        key = (here.model, here.precision, here.image_size, here.compile)
        with self._lock:
            if key not in self._networks:
                self._networks[key] = cast("Network", SharedNetwork(self._load(here)))
            return self._networks[key]


class SharedNetwork:
    """A network that the trackers of several clients use: one call at a time, and none waits for another's frames."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._turn = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._network, name)
        if not callable(found) or name == "prepare":
            return found

        def alone(*args: Any, **options: Any) -> Any:
            with self._turn:
                return found(*args, **options)

        return alone


def load_named(settings: ModelSettings) -> Network:
    """Network of a model of the catalogue; a path that a client names is never opened."""
    from napari_sam2_video.engine.networks.load import load_model
    from napari_sam2_video.models.catalogue import CATALOGUE
    from napari_sam2_video.models.resolve import resolve_model

    if settings.model not in CATALOGUE:
        raise ModelError(
            f"A server only has models of the catalogue, not {settings.model}; choose one of {', '.join(CATALOGUE)}."
        )
    return load_model(resolve_model(settings.model), settings)
