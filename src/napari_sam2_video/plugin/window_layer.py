"""The layer that shows the window in which the active object was tracked as a thin rectangle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_sam2_video.plugin.layers import Geometry, put_on, take_off, transform_of
from napari_sam2_video.plugin.widgets import single_shot

if TYPE_CHECKING:
    from napari.layers import Image, Shapes

    from napari_sam2_video.engine.windows import Window
    from napari_sam2_video.session import Session

NAME = "SAM 2 window"
COLOR = "#ffffff"
OPACITY = 0.35


class WindowLayer(QObject):
    """The window around one object, if it is known and is not the whole frame."""

    def __init__(self, viewer: Any, image: Image, geometry: Geometry, session: Session) -> None:
        super().__init__()
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._session = session
        self._wanted: tuple[int, Window] | None = None
        self._shown: tuple[int, Window] | None = None
        # napari may just be showing another frame.
        self._later = single_shot(self, self._draw)
        self.layer: Shapes | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    def show(self, object_id: int, frame: int) -> None:
        """Show the window of an object on a frame; 0 hides it."""
        window = self._session.window_at(object_id, frame) if object_id else None
        self._wanted = None if window is None else (frame, window)
        if self._wanted != self._shown:
            self._later.start(0)

    def _draw(self) -> None:
        if self._wanted is None:
            take_off(self._viewer, self.layer)
            return
        layer = self._add() if self.layer is None else self.layer
        layer.data = []
        layer.add_rectangles(
            self._corners(*self._wanted), edge_width=self._line_width(), edge_color=COLOR, face_color="#00000000"
        )
        # napari makes a layer editable again when it is added.
        layer.editable = False
        self._shown = self._wanted

    def _add(self) -> Shapes:
        from napari.layers import Shapes

        layer = Shapes(ndim=len(self._geometry.axes), name=NAME, opacity=OPACITY, **transform_of(self._image))
        put_on(self._viewer, layer)
        self.layer = layer
        return layer

    def _corners(self, frame: int, window: Window) -> Any:
        height, width = self._geometry.shape_yx
        low = max(window.top, 0) - 0.5, max(window.left, 0) - 0.5
        rows, columns = window.shape_yx
        high = min(window.top + rows, height) - 0.5, min(window.left + columns, width) - 0.5
        corners = [(low[0], low[1]), (low[0], high[1]), (high[0], high[1]), (high[0], low[1])]
        return np.stack([self._geometry.to_data(frame, y, x) for y, x in corners])

    def _line_width(self) -> float:
        return max(self._geometry.shape_yx) / 400

    def _on_removed(self, event: Any) -> None:
        if event.value is self.layer:
            self.layer = None
            self._shown = None

    def close(self, *, keep_layers: bool = False) -> None:
        """Stop listening, and remove the layer unless it should stay."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        if not keep_layers:
            take_off(self._viewer, self.layer)
        self.layer = None
        self._later.stop()
