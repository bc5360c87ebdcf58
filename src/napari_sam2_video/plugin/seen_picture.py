"""A small picture of the shown frame as the model sees it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QLabel

from napari_sam2_video.plugin.layer_source import LayerSource, view_of
from napari_sam2_video.plugin.layers import shown_point
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.plugin.worker import Job

if TYPE_CHECKING:
    import numpy.typing as npt
    from napari.layers import Image

    from napari_sam2_video.errors import Sam2VideoError
    from napari_sam2_video.plugin.controller import Controller
    from napari_sam2_video.plugin.layer_source import Choices
    from napari_sam2_video.session import Session

LANE = KEY = "seen"
SIDE = 110
QUIET_MS = 250


class SeenPicture(QLabel):
    """The shown frame as the model sees it, in a session or with the choices for one; made in the background."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._controller = controller
        self._choices: tuple[Image, Choices] | None = None
        self._done: Any = None
        self.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.setToolTip("This is what the model sees of the shown frame.")
        self._quiet = single_shot(self, self._make, QUIET_MS)
        controller.frame_changed.connect(self._soon)
        controller.session_changed.connect(self._soon)
        controller.listen(controller.viewer.dims.events.point, self._soon)
        controller.at_close(self._quiet.stop)

    def look_at(self, image: Image | None, choices: Choices | None) -> None:
        """Show an image with these choices while no session is open."""
        self._choices = None if image is None or choices is None else (image, choices)
        self._soon()

    def showEvent(self, event: Any) -> None:
        """Make the picture when the section is opened."""
        super().showEvent(event)
        self._soon()

    def _soon(self, *_: Any) -> None:
        if self.isVisible():
            self._quiet.start()

    def _make(self) -> None:
        controller = self._controller
        session = controller.session
        if controller.viewer is None or controller.loading or controller.running or not self.isVisible():
            return
        if session is not None:
            wanted: Any = (session.folder, controller.frame)
            work = partial(_of_session, session, controller.frame)
        elif self._choices is not None:
            image, choices = self._choices
            letters = choices.axes[-image.ndim :]
            at = letters.find(choices.axis)
            frame = 0 if at < 0 else max(0, round(float(shown_point(controller.viewer, image)[at])))
            wanted = (image, choices, frame)
            source = LayerSource.of(image, choices.axes, axes_known=choices.axes_known, opening=choices.opening)
            work = partial(_of_choices, source, choices, frame)
        else:
            self.clear()
            self._done = None
            return
        if wanted != self._done:
            self._done = wanted
            controller.runner.submit(
                Job("making a picture", lambda _: work(), done=self._show, failed=self._on_failed, key=KEY), LANE
            )

    def _show(self, pixels_yxc: npt.NDArray[np.uint8]) -> None:
        height, width = pixels_yxc.shape[:2]
        image = QImage(pixels_yxc.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        picture = QPixmap.fromImage(image.copy())
        mode = Qt.TransformationMode.SmoothTransformation
        self.setPixmap(picture.scaled(2 * SIDE, SIDE, Qt.AspectRatioMode.KeepAspectRatio, mode))

    def _on_failed(self, error: Sam2VideoError) -> None:
        self.clear()
        self.setText(str(error))


def _of_session(session: Session, frame: int) -> npt.NDArray[np.uint8]:
    return _small(session.view.read(frame))


def _of_choices(source: LayerSource, choices: Choices, frame: int) -> npt.NDArray[np.uint8]:
    from napari_sam2_video.frames.view import FrameView

    recording = source.open()
    try:
        view = FrameView(recording, view_of(recording, choices))
        return _small(view.read(min(frame, view.n_frames - 1)))
    finally:
        source.release(recording)


def _small(frame_yxc: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """A frame reduced to the pixels of a small picture."""
    step = max(1, max(frame_yxc.shape[:2]) // (4 * SIDE))
    return np.ascontiguousarray(frame_yxc[::step, ::step])
