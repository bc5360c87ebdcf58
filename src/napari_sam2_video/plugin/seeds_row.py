"""Objects from the labels of another layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_sam2_video.plugin.layers import labels_on_frame, level_zero
from napari_sam2_video.plugin.own_layers import own_layers
from napari_sam2_video.plugin.widgets import allow, area_box, button, fill, form, narrow, row
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.session import Session

UNDER_WAY = "Objects are being created."
LARGEST_SHARE_TAKEN = 0.5


class SeedsRow(QWidget):
    """A button that turns every label of the chosen layer on the shown frame into an object, in the background."""

    def __init__(self, controller: Controller, start: Callable[[Callable[[], Any]], None]) -> None:
        super().__init__()
        self._controller = controller
        self._start = start
        self.working = False
        self.box = narrow(QComboBox())
        self.box.setToolTip(
            "The layer whose labels on the shown frame become objects; labels that overlap an object by half are "
            "skipped."
        )
        self.button = button("Objects from labels", self.add, self.box.toolTip())
        self.area_box = area_box("Labels with fewer pixels on the shown frame are skipped.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(self.button, self.box, stretch=1))
        layout.addLayout(form(("Smallest area", self.area_box)))
        events = controller.viewer.layers.events
        for event in (events.inserted, events.removed, events.renamed):
            controller.listen(event, self.update_layers)
        controller.session_changed.connect(self.update_layers)
        self.update_layers()

    def update_layers(self, *_: Any) -> None:
        """Offer the Labels layers that are not the session's own."""
        offered = other_labels(self._controller)
        fill(self.box, offered, self.box.currentData())
        self.setVisible(bool(offered))

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

        smallest = self.area_box.value()

        def made(found: Seeded) -> None:
            numbers = found.objects
            if controller.session is not session:
                return
            controller.perform()
            text = f"{_objects(len(numbers))} made from the labels of {name}."
            if found.taken:
                text = f"{text} {_labels(found.taken)} left out: there is an object already."
            if found.small:
                text = f"{text} {_labels(found.small)} left out: smaller than {smallest} pixels."
            if numbers:
                controller.set_active(numbers[0])
                # It would cover the masks in other colours.
                layer.visible = False
                text = f"{text} That layer is now hidden."
            controller.notified.emit("info", text)

        def ended() -> None:
            self.working = False
            allow(self.button)

        self.working = True
        allow(self.button, UNDER_WAY)
        controller.runner.submit(
            Job(
                "creating objects from labels", lambda _: add_new_seeds(session, np.asarray(read()), frame, smallest),
                done=made, failed=controller.error, finished=ended,
            ),
            "files",
        )  # fmt: skip


@dataclass(frozen=True)
class Seeded:
    """Ids of objects made from labels, and how many labels were skipped, and why.

    Parameters
    ----------
    objects : list of int
        The ids.
    taken : int
        Labels with half or more of their pixels on an existing object.
    small : int
        Other labels that are too small.
    """

    objects: list[int]
    taken: int = 0
    small: int = 0


def add_new_seeds(session: Session, labels_yx: npt.NDArray[Any], frame: int, smallest: int = 0) -> Seeded:
    """Make objects from labels that are large enough and not on an existing object.

    Parameters
    ----------
    session : Session
        The session.
    labels_yx : ndarray of int, shape (Y, X)
        Labels of the frame.
    frame : int
        The frame.
    smallest : int
        Labels with fewer pixels are skipped.
    """
    taken_yx = _taken(session, frame)
    if labels_yx.shape != taken_yx.shape or labels_yx.dtype.kind not in "bui" or not (labels_yx > 0).any():
        return Seeded(session.add_seeds(labels_yx, frame))
    numbers, places = np.unique(labels_yx, return_inverse=True)
    places = places.reshape(labels_yx.shape)
    whole = np.bincount(places.ravel(), minlength=len(numbers))
    covered = np.bincount(places[taken_yx], minlength=len(numbers))
    taken = (covered >= LARGEST_SHARE_TAKEN * whole) & (numbers > 0)
    small = (whole < smallest) & ~taken & (numbers > 0)
    left = np.where((taken | small)[places], 0, labels_yx)
    return Seeded(session.add_seeds(left, frame) if left.any() else [], int(taken.sum()), int(small.sum()))


def _taken(session: Session, frame: int) -> npt.NDArray[np.bool_]:
    """Pixels of a frame that belong to an object, tracked or prompted as a mask."""
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


def other_labels(controller: Controller) -> list[tuple[str, Any]]:
    """Name and layer of each Labels layer that is not the session's own."""
    from napari.layers import Labels

    view = controller.view
    own = () if view is None else (view.masks.masks, view.masks.preview, view.proposals.layer)
    own = (*own, *own_layers(controller.viewer, "disputed"))
    layers = [layer for layer in controller.viewer.layers if isinstance(layer, Labels)]
    return [(layer.name, layer) for layer in layers if not any(layer is mine for mine in own)]
