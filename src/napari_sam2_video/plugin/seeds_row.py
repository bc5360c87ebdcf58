"""Objects from the labels of another layer."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QWidget

from napari_sam2_video.plugin.layers import labels_on_frame, level_zero
from napari_sam2_video.plugin.widgets import allow, button, fill, narrow
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session

UNDER_WAY = "Objects are being made."
LARGEST_SHARE_TAKEN = 0.5


class SeedsRow(QWidget):
    """A button that makes every label of the chosen layer on the shown frame an object, in the background."""

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        self.working = False
        self.box = narrow(QComboBox())
        self.box.setToolTip(
            "The layer whose labels on the shown frame become objects; what overlaps an object by half is left out."
        )
        self.button = button("Objects from labels", self.add, self.box.toolTip())
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.button)
        layout.addWidget(self.box, 1)
        events = controller.viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            controller.listen(event, self.update_layers)
        controller.session_changed.connect(self.update_layers)
        self.update_layers()

    def update_layers(self, *_: Any) -> None:
        """Offer the Labels layers that are not the session's own."""
        from napari.layers import Labels

        view = self._controller.view
        own = () if view is None else (view.masks.masks, view.masks.preview, view.proposals.layer)
        layers = [
            layer
            for layer in self._controller.viewer.layers
            if isinstance(layer, Labels) and not any(layer is mine for mine in own)
        ]
        fill(self.box, [(layer.name, layer) for layer in layers], self.box.currentData())
        self.setVisible(bool(layers))

    def add(self) -> None:
        """Make the objects, starting a session first if there is none."""
        controller = self._controller
        if controller.session is None:
            self._start(self.add)
            return
        session, geometry, frame = controller.session, controller.geometry, controller.frame
        layer = self.box.currentData()
        if layer is None or geometry is None or self.working:
            return
        name, read = layer.name, partial(labels_on_frame, level_zero(layer), layer.name, geometry, frame)

        def made(found: tuple[list[int], int]) -> None:
            numbers, left_out = found
            if controller.session is not session:
                return
            controller.perform()
            text = f"{_objects(len(numbers))} made of the labels of {name}."
            if left_out:
                text = f"{text} {_labels(left_out)} left out: there is an object already."
            if numbers:
                controller.set_active(numbers[0])
                # It would lie over the masks, in other colours.
                layer.visible = False
                text = f"{text} That layer is hidden now."
            controller.notified.emit("info", text)

        def ended() -> None:
            self.working = False
            allow(self.button)

        self.working = True
        allow(self.button, UNDER_WAY)
        controller.runner.submit(
            Job(
                "making objects of the labels", lambda _: add_new_seeds(session, np.asarray(read()), frame),
                done=made, failed=controller.error, finished=ended,
            ),
            "files",
        )  # fmt: skip


def add_new_seeds(session: Session, labels_yx: npt.NDArray[Any], frame: int) -> tuple[list[int], int]:
    """Make objects of those labels that do not lie on an object already.

    Parameters
    ----------
    session : Session
        The session.
    labels_yx : ndarray of int, shape (Y, X)
        Labels of the frame.
    frame : int
        The frame.

    Returns
    -------
    tuple of (list of int, int)
        Ids of the new objects, and how many labels were left out because half of their pixels or more are an object's.
    """
    taken = _taken(session, frame)
    if labels_yx.shape != taken.shape or not taken.any() or labels_yx.dtype.kind not in "bui":
        return session.add_seeds(labels_yx, frame), 0
    numbers, places = np.unique(labels_yx, return_inverse=True)
    places = places.reshape(labels_yx.shape)
    whole = np.bincount(places.ravel(), minlength=len(numbers))
    covered = np.bincount(places[taken], minlength=len(numbers))
    old = (covered >= LARGEST_SHARE_TAKEN * whole) & (numbers > 0)
    if not old.any():
        return session.add_seeds(labels_yx, frame), 0
    left = np.where(old[places], 0, labels_yx)
    return (session.add_seeds(left, frame) if left.any() else []), int(old.sum())


def _taken(session: Session, frame: int) -> npt.NDArray[np.bool_]:
    """Pixels of a frame that are an object's, tracked or given as a mask."""
    from napari_sam2_video.types import MaskPrompt

    taken = np.asarray(session.labels[frame]) > 0
    for prompt in session.prompts(frame=frame):
        if isinstance(prompt, MaskPrompt):
            taken |= prompt.mask
    return taken


def _objects(count: int) -> str:
    return {0: "No object was", 1: "1 object was"}.get(count, f"{count} objects were")


def _labels(count: int) -> str:
    return "1 label was" if count == 1 else f"{count} labels were"
