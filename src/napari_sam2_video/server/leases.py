"""Clients of a server: each has a tracker with its received frames until it is gone."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from napari_sam2_video.errors import EngineError, ModelError
from napari_sam2_video.masks.codec import encode_masks
from napari_sam2_video.server import wire
from napari_sam2_video.server.served_neighbours import ServedNeighbours

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.engine.networks.protocol import Network
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.server.served_frames import ServedFrames
    from napari_sam2_video.types import FrameMasks, ModelSettings

_SMALL = 6


@dataclass(frozen=True)
class Limits:
    """What clients may ask for.

    Parameters
    ----------
    sessions : int
        Maximum number of clients.
    frame_pixels : int
        Maximum number of pixels in a frame.
    memory_bytes : int
        Maximum bytes of image embeddings, over all clients.
    idle_seconds : float
        How long a silent client's tracker is kept.
    frame_seconds : float
        How long a call waits for a frame.
    """

    sessions: int = 8
    frame_pixels: int = 64_000_000
    memory_bytes: int = 4 << 30
    idle_seconds: float = 1800.0
    frame_seconds: float = 120.0


@dataclass(eq=False)
class Lease:
    """A client's tracker, and the scratch tracker for its checks."""

    id: str
    tracker: Tracker
    frames: ServedFrames
    neighbours: ServedNeighbours
    folder: TemporaryDirectory[str]
    used: float = 0.0
    scratch: Tracker | None = None
    same_machine: bool = False

    def __post_init__(self) -> None:
        """Make the lock with which calls of a client take turns."""
        self.busy = threading.Lock()
        self.stop = threading.Event()

    def record(self, masks: FrameMasks) -> bytes:
        """Masks as a record of a stream, compressed if they go to another machine."""
        return wire.pack(wire.MASKS, encode_masks(masks, 1 if self.same_machine else _SMALL))


class Leases:
    """Trackers of all clients, which share networks.

    Parameters
    ----------
    limits : Limits
        What clients may ask for.
    device : str
        Device of the networks.
    load : callable, optional
        Loads a network from model settings; by default those of the catalogue that are on this computer.
    clock : callable
        Returns seconds.
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

    def chosen_device(self) -> str:
        """Device that networks run on."""
        from napari_sam2_video.engine.networks.load import choose_device

        return choose_device(self.device)

    def open(self, settings: ModelSettings, frames: ServedFrames) -> Lease:
        """Open a tracker for a client.

        Raises
        ------
        EngineError
            If there are too many clients.
        ModelError
            If the model is not on this computer.
        """
        from napari_sam2_video.engine.features import FeatureCache
        from napari_sam2_video.engine.memory_store import MemoryStore
        from napari_sam2_video.engine.neighbours import Neighbours
        from napari_sam2_video.engine.tracker import Tracker

        self.expire()
        if len(self._leases) >= self.limits.sessions:
            raise EngineError(f"The server has {len(self._leases)} clients, its maximum; try again later.")
        network = self._network(settings)
        folder = TemporaryDirectory(prefix="napari-sam2-video-server-", ignore_cleanup_errors=True)
        try:
            memory = MemoryStore(Path(folder.name) / "memory")
            features = FeatureCache(self.limits.memory_bytes // self.limits.sessions)
            tracker = Tracker(network, frames, memory, features=features, window=settings.window)
            neighbours = ServedNeighbours(self.limits.frame_seconds)
            tracker.see_neighbours(Neighbours(lambda: neighbours.objects, neighbours.read))
            lease = Lease(secrets.token_urlsafe(16), tracker, frames, neighbours, folder, used=self._clock())
        except BaseException:
            folder.cleanup()
            raise
        with self._lock:
            self._leases[lease.id] = lease
        return lease

    def find(self, lease_id: str) -> Lease | None:
        """The tracker of a client, if it is still held; this also keeps it alive."""
        with self._lock:
            lease = self._leases.get(lease_id)
            if lease is not None:
                lease.used = self._clock()
            return lease

    def close(self, lease_id: str) -> None:
        """Release a client's tracker."""
        with self._lock:
            lease = self._leases.pop(lease_id, None)
        if lease is not None:
            lease.stop.set()
            with lease.busy:
                lease.folder.cleanup()

    def expire(self) -> None:
        """Release the trackers of clients that were silent for too long."""
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
        """Release everything."""
        for lease_id in list(self._leases):
            self.close(lease_id)

    def _network(self, settings: ModelSettings) -> Network:
        from dataclasses import replace

        here = replace(settings, device=self.device)
        key = (here.model, here.precision, here.arithmetic, here.image_size, here.compile)
        with self._lock:
            if key not in self._networks:
                self._networks[key] = cast("Network", SharedNetwork(self._load(here)))
            return self._networks[key]


class SharedNetwork:
    """A network shared by the trackers of several clients: one call at a time, without waiting for another's frames."""

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
    """Network of a model in the catalogue; paths from clients are never opened."""
    from napari_sam2_video.engine.networks.load import load_model
    from napari_sam2_video.models.catalogue import CATALOGUE, is_downloaded
    from napari_sam2_video.models.resolve import resolve_model

    name = settings.model
    if name not in CATALOGUE:
        raise ModelError(
            f"A server only offers models of the catalogue, not {name}; choose one of {', '.join(CATALOGUE)}."
        )
    if not is_downloaded(CATALOGUE[name]):
        raise ModelError(
            f'The server does not have the model "{name}": run `napari-sam2-video models download {name}` there, or '
            f"choose one that it has: {', '.join(models_here())}."
        )
    return load_model(resolve_model(settings.model), settings)


def models_here() -> list[str]:
    """Names of the models in the catalogue that are on this computer."""
    from napari_sam2_video.models.catalogue import CATALOGUE, is_downloaded

    return [entry.name for entry in CATALOGUE.values() if is_downloaded(entry)]
