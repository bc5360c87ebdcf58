"""What a session needs of a tracker, and the default tracker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from napari_sam2_video.engine.costs import FrameCosts
    from napari_sam2_video.engine.neighbours import Neighbours
    from napari_sam2_video.engine.plan import Plan
    from napari_sam2_video.types import FrameMasks, FrameSource, ModelSettings, ObjectMask, Preview, Prompt

TrackerFactory: TypeAlias = "Callable[[ModelSettings, FrameSource, Path | None], TrackerLike]"


class TrackerMemory(Protocol):
    """What a run needs of the tracker's memory."""

    def entries(self, object_id: int) -> Mapping[int, Any]:
        """Prompted frames that an object remembers."""
        ...

    def forget_entry(self, object_id: int, frame: int) -> None:
        """Drop one of them."""
        ...

    def forget_trails(self, object_id: int) -> None:
        """Drop the trails that a pass could be resumed from."""
        ...


class TrackerLike(Protocol):
    """What a session needs of a tracker."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes about the network for the user."""
        ...

    @property
    def memory(self) -> TrackerMemory:
        """What the tracker remembers."""
        ...

    def preview(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> Preview:
        """Candidates of prompts."""
        ...

    def condition(
        self, object_id: int, frame: int, prompts: Sequence[Prompt], *, tracked: npt.NDArray[np.int8] | None = None
    ) -> ObjectMask:
        """Make prompts part of what an object remembers."""
        ...

    def run(self, plan: Plan, *, stop: Callable[[], bool] | None = None) -> Generator[FrameMasks]:
        """Masks of the frames of a plan; closing it ends the run."""
        ...

    def costs(
        self, objects: Sequence[Sequence[Prompt]], stop: Callable[[], bool] | None = None
    ) -> tuple[FrameCosts, ObjectMask]:
        """The cost of a frame on the device in use, and the first object; see `engine.costs.measure_costs`."""
        ...

    def scratch(self) -> TrackerLike:
        """A tracker with the same network and an empty memory that is not kept."""
        ...


def default_tracker(settings: ModelSettings, view: FrameSource, memory: Path | None) -> TrackerLike:
    """Tracker with the network in the settings, on this machine or on a server."""
    if settings.is_remote:
        from napari_sam2_video.server.client import open_remote
        from napari_sam2_video.server.known import check_known

        check_known(settings.device)
        return open_remote(settings.device, settings, view, memory)
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.networks.load import load_model
    from napari_sam2_video.engine.tracker import Tracker
    from napari_sam2_video.models.resolve import resolve_model

    model = load_model(resolve_model(settings.model), settings)
    return Tracker(model, view, MemoryStore(memory), window=settings.window)


def tracker_beside(tracker: TrackerLike, view: FrameSource, memory: Path | None) -> TrackerLike | None:
    """Tracker for other frames that shares the network of a tracker on this machine; None for a remote one."""
    from napari_sam2_video.engine.memory_store import MemoryStore
    from napari_sam2_video.engine.tracker import Tracker

    return tracker.beside(view, MemoryStore(memory)) if isinstance(tracker, Tracker) else None


def remember_choice(settings: ModelSettings) -> None:
    """Remember the server in the settings as chosen by the user, if it is on another machine."""
    if settings.is_remote:
        from napari_sam2_video.server.known import is_known, remember_server

        if not is_known(settings.device):
            remember_server(settings.device)


def check_model(settings: ModelSettings) -> None:
    """Check, without loading anything, that the network in the settings can run.

    Raises
    ------
    ModelError, EngineError, SettingsError
        If the model, the device or the server cannot be used.
    """
    if settings.is_remote:
        from napari_sam2_video.server.connection import Connection

        Connection(settings.device).check()
        return
    from napari_sam2_video.engine.networks.load import choose
    from napari_sam2_video.models.resolve import resolve_model

    choose(resolve_model(settings.model), settings)


def show_neighbours(tracker: TrackerLike, stored: Neighbours) -> None:
    """Give a tracker access to the stored masks of other objects, if it supports that."""
    see = getattr(tracker, "see_neighbours", None)
    if see is not None:
        see(stored)


def close_tracker(tracker: TrackerLike | None) -> None:
    """Release what a tracker holds on a server; does nothing for one on this machine."""
    close = getattr(tracker, "close", None)
    if close is not None:
        close()


def describe_model(tracker: object) -> dict[str, Any]:
    """What is known about a tracker's network, JSON-serializable."""
    model = getattr(tracker, "model", None)
    names = ("name", "sha256", "image_size", "device", "precision", "arithmetic", "threads")
    return {n: getattr(model, n) for n in names if isinstance(getattr(model, n, None), str | int)}
