"""A session in the viewer: everything that belongs to it is made, kept and removed together."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.closing import close_all
from napari_sam2_video.plugin.layers import Geometry, level_zero, shown_frame, transform_of
from napari_sam2_video.plugin.mask_layers import MaskLayers
from napari_sam2_video.plugin.plane_views import planes_of, shown_across
from napari_sam2_video.plugin.preview import LivePreview
from napari_sam2_video.plugin.prompt_layers import PromptLayers
from napari_sam2_video.plugin.proposal_layer import ProposalLayer
from napari_sam2_video.plugin.session_summary import SummaryUpdater
from napari_sam2_video.plugin.thumbnails import Thumbnails
from napari_sam2_video.plugin.tracking import TrackRun
from napari_sam2_video.plugin.window_layer import WindowLayer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Image, Layer
    from psygnal import EmissionInfo

    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.session import Session

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units")


class SessionView(QObject):
    """A session, the image layer of its recording, its own layers, its preview, its runs and its summary.

    The session reports a change on the thread that made it; `deliver` passes it on later, on the main thread.

    Signals
    -------
    changed : str
        Something in the session changed: ``"objects"``, ``"prompts"``, ``"masks"``, ``"accepted"``, ``"checks"``,
        ``"model"``, ``"proposals"`` or ``"reviewed"``.
    moved, replaced
        The image layer was moved in the world, or its data replaced.
    """

    changed = Signal(str)
    moved = Signal()
    replaced = Signal()

    def __init__(self, viewer: Any, runner: TaskRunner, session: Session, image: Image) -> None:
        super().__init__()
        view, recording = session.view, session.recording
        self._viewer = viewer
        self.session = session
        self.image = image
        self.geometry = Geometry.of_view(recording.axes, recording.shape, view.plane_axes, view.settings, image.ndim)
        self.masks = MaskLayers(viewer, image, self.geometry, session)
        self.prompts = PromptLayers(viewer, image, self.geometry, session)
        self.proposals = ProposalLayer(viewer, image, self.geometry, session, runner)
        self.window = WindowLayer(viewer, image, self.geometry, session)
        self.preview = LivePreview(runner, session, self.masks)
        self.run = TrackRun(runner, session)
        self.summary = SummaryUpdater(runner, session)
        self.thumbnails = Thumbnails(runner, session)
        self._waiting: set[str] = set()
        self._lock = threading.Lock()
        self._data = level_zero(image)
        session.events.connect(self._note)
        for name in PLACE:
            image.events[name].connect(self._follow)
        image.events.data.connect(self._on_data)

    def restoring(self) -> Iterator[None]:
        """Add the layers that are not in the viewer, one a step."""
        yield from self.masks.restoring()
        yield from self.prompts.restoring()
        self.proposals.update()
        self._stack()

    def deliver(self) -> None:
        """Pass on what changed in the session since the last time."""
        with self._lock:
            # Objects first: listeners must not hear about parts of a removed object while it is still active.
            topics, self._waiting = sorted(self._waiting, key=lambda topic: (topic != "objects", topic)), set()
        for topic in topics:
            if topic == "objects":
                self.masks.show_objects()
                self.prompts.show()
            elif topic == "prompts":
                self.prompts.show()
            elif topic == "proposals":
                self.proposals.update()
            self.changed.emit(topic)
        if topics:
            self.summary.update()

    def shown_plane(self) -> tuple[str, int]:
        """Axis across whose planes the viewer shows the recording, and the plane at the sliders."""
        planes = planes_of(self.geometry, self.session)
        axis = shown_across(self._viewer, self.image, self.geometry, planes)
        return axis, shown_frame(self._viewer, self.image, planes[axis])

    def pixel_at(self, world: Any) -> tuple[int, float, float] | None:
        """Frame, y and x of a point in the viewer's world; None if it is outside the image or off the tracked plane."""
        data = self.image.world_to_data(np.asarray(world, float)[-self.image.ndim :])
        frame, y, x = self.geometry.to_pixel(data)
        height, width = self.geometry.shape_yx
        inside = 0 <= y < height and 0 <= x < width and 0 <= frame < self.session.n_frames
        return (frame, y, x) if inside and self.geometry.elsewhere(data) is None else None

    def shown_pixel_at(self, world: Any) -> tuple[str, int, float, float] | None:
        """Axis and number of the shown plane, and y and x on it, for a point in the viewer's world.

        None where `pixel_at` returns None.
        """
        if self.pixel_at(world) is None:
            return None
        axis, plane = self.shown_plane()
        data = self.image.world_to_data(np.asarray(world, float)[-self.image.ndim :])
        _, y, x = planes_of(self.geometry, self.session)[axis].to_pixel(data)
        return axis, plane, y, x

    def _note(self, info: EmissionInfo) -> None:
        with self._lock:
            self._waiting.add(info.signal.name)

    def _follow(self, event: Any) -> None:
        """Move the layers with the image."""
        value = transform_of(self.image)[event.type]
        for layer in self._own():
            setattr(layer, event.type, value)
        self.moved.emit()

    def _own(self) -> list[Layer]:
        found = (
            self.masks.masks,
            self.masks.preview,
            self.proposals.layer,
            self.window.layer,
            self.prompts.points,
            self.prompts.shapes,
        )
        return [layer for layer in found if layer is not None]

    def _on_data(self) -> None:
        if level_zero(self.image) is not self._data:
            self.replaced.emit()

    def _stack(self) -> None:
        """Put the layers in order, masks below prompts; a layer that was added again is on top."""
        layers = self._viewer.layers
        # A layer may have been removed while the others were added.
        own = [layer for layer in self._own() if layer in layers]
        places = [layers.index(layer) for layer in own]
        if places != sorted(places):
            for layer in own:
                layers.move(layers.index(layer), len(layers))

    def close(self, *, keep_layers: bool = False) -> None:
        """Stop running work, and remove the layers from the viewer unless they should stay."""
        self.session.events.disconnect(self._note)
        for name in PLACE:
            self.image.events[name].disconnect(self._follow)
        self.image.events.data.disconnect(self._on_data)
        stopping = (
            lambda: self.blockSignals(True), self.run.stop, self.run.close, self.preview.clear, self.summary.close,
            self.thumbnails.close,
        )  # fmt: skip
        parts = (self.prompts, self.proposals, self.window, self.masks)
        closing = [partial(one.close, keep_layers=keep_layers) for one in parts]
        # Layers stay if the window is gone.
        close_all([*stopping, *closing], window_gone=keep_layers)
