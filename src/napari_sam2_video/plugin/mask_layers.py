"""The layer that shows and takes painted masks, and the layer of the live preview."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_sam2_video.plugin.layers import BEYOND, Geometry, is_beyond, take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own
from napari_sam2_video.plugin.plane_stack import LabelStack, SinglePlane, shown_stack
from napari_sam2_video.plugin.plane_views import planes_of
from napari_sam2_video.plugin.preview import ADDED, DARK, LIGHT, REMOVED
from napari_sam2_video.plugin.widgets import single_shot

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt
    from napari.layers import Image, Labels
    from napari.utils.colormaps import DirectLabelColormap
    from napari.viewer import Viewer

    from napari_sam2_video.plugin.preview import Outline
    from napari_sam2_video.session import Session

Color: TypeAlias = tuple[int, int, int]
MASKS_NAME = "SAM 2 masks"
PREVIEW_NAME = "SAM 2 preview"
HARMLESS = ("pan_zoom", "transform", "pick")
LARGEST_IN_TABLE = 2**16


class MaskLayers(QObject):
    """The Labels layer of a session's masks and the one of the preview.

    The masks layer shows the session's own label store. A stroke goes to the session at once. napari's own undo history
    is cleared after each stroke, because it would restore pixels that a run has changed since; the session has its own
    undo.

    Signals
    -------
    painted
        The user completed a stroke.
    refused : str
        A message: the stroke was not kept, and why.
    selected : int
        The user selected this label.
    lost : str
        A message: the masks layer was removed, or its data replaced.
    """

    painted = Signal()
    refused = Signal(str)
    selected = Signal(int)
    lost = Signal(str)

    def __init__(self, viewer: Viewer, image: Image, geometry: Geometry, session: Session) -> None:
        super().__init__()
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._session = session
        self._planes = planes_of(geometry, session)
        self._across = next(iter(self._planes))
        self._candidate = _Candidate(geometry.n_frames, geometry.shape_yx)
        self._setting = False
        self._painting = self._refusing = False
        self._colors: dict[int, Color] = {}
        self.masks: Labels | None = None
        self.preview: Labels | None = None
        self._later = single_shot(self, self._end_stroke)
        viewer.layers.events.removed.connect(self._on_removed)

    def restoring(self) -> Iterator[None]:
        """Add the layers that are not in the viewer, one a step."""
        from napari.layers import Labels

        place = transform_of(self._image)
        if self.masks is None:
            self._stack = self._new_stack()
            self.masks = Labels(self._stack, name=MASKS_NAME, opacity=0.55, **place)
            mark_own(self.masks, "masks")
            self.masks.events.data.connect(self._on_data)
            self.masks.events.selected_label.connect(self._on_selected)
            self.masks.events.paint.connect(self._on_paint)
            # Called before napari's own callback, which paints.
            self.masks.mouse_drag_callbacks.insert(0, self._on_press)
            self._colors = {}
            self.show_objects()
            self._viewer.add_layer(self.masks)
            yield
        if self.preview is None:
            stack = shown_stack(self._planes[self._across], self._candidate)
            self.preview = Labels(stack, name=PREVIEW_NAME, opacity=1.0, **place)
            mark_own(self.preview, "preview")
            self.preview.editable = False
            self.preview.colormap = _preview_colormap()
            self._viewer.add_layer(self.preview)
            yield

    def close(self, *, keep_layers: bool = False) -> None:
        """Stop listening, and remove the layers from the viewer unless they should stay."""
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        if not keep_layers:
            take_off(self._viewer, self.masks, self.preview)
        self._let_go()
        self.preview = None
        self._later.stop()

    def _new_stack(self) -> LabelStack | SinglePlane:
        return shown_stack(self._geometry, self._session.labels, self._refuse)

    def _refuse(self, sentence: str) -> None:
        """Report once per stroke that it was not kept, and show the session's masks."""
        if not self._refusing:
            self._refusing = True
            self.refused.emit(sentence)
        self._later.start(0)

    def _let_go(self) -> None:
        if self.masks is not None:
            self.masks.events.data.disconnect(self._on_data)
            self.masks.events.selected_label.disconnect(self._on_selected)
            self.masks.events.paint.disconnect(self._on_paint)
            # napari keeps references to removed layers and their callbacks.
            self.masks.mouse_drag_callbacks.remove(self._on_press)
            self.masks = None

    def _on_removed(self, event: Any) -> None:
        if event.value is self.masks:
            self._let_go()
            self.lost.emit("The masks layer was removed; everything tracked so far is safe in the session.")
        elif event.value is self.preview:
            self.preview = None

    def _on_data(self) -> None:
        if self.masks is not None and not self._setting and self.masks.data is not self._stack:
            self._let_go()
            self.lost.emit(
                "The data of the masks layer was replaced, so this layer no longer belongs to the session; everything "
                "tracked so far is safe in the session."
            )

    def _on_press(self, layer: Labels, _: Any) -> None:
        """Put the brush away beyond the recording, where napari fails or paints a frame counted from the end."""
        if str(layer.mode) not in HARMLESS and is_beyond(self._viewer, layer):
            layer.mode = "pan_zoom"
            self.refused.emit(f"Nothing was painted: {BEYOND}.")

    def _on_paint(self) -> None:
        """After a stroke, clear napari's undo history, which would restore stale pixels."""
        layer = self.masks
        if layer is None:
            return
        self._painting = True
        mode = layer.mode
        layer.editable = False
        layer.editable = True
        layer.mode = mode
        # napari reports a polygon before it writes it.
        self._later.start(0)

    def _end_stroke(self) -> None:
        self.refresh()
        if self._painting:
            self._painting = self._refusing = False
            self._session.end_stroke()
            self.painted.emit()

    def _on_selected(self) -> None:
        if self.masks is not None and not self._setting:
            self.selected.emit(int(self.masks.selected_label))

    def set_active(self, object_id: int) -> None:
        """Paint as this object."""
        if self.masks is not None:
            self._setting = True
            self.masks.selected_label = object_id
            self._setting = False

    def show_objects(self) -> None:
        """Update the colours, and the data type if ids have grown, to the session's objects."""
        layer = self.masks
        if layer is None:
            return
        colors = {entry.id: entry.color for entry in self._session.objects}
        if colors != self._colors:
            self._colors = colors
            layer.colormap = _colormap(colors)
        if np.dtype(layer.data.dtype) != self._session.labels.dtype:
            self._stack = self._new_stack()
            self._setting = True
            layer.data = self._stack
            self._setting = False

    def refresh(self) -> None:
        """Read the shown frame again."""
        if self.masks is not None:
            self.masks.refresh(extent=False, thumbnail=False)

    def set_preview(self, outline: Outline | None, across: str | None = None) -> None:
        """Show the outline of a candidate mask on its frame, or on its plane across another axis, or none."""
        across = across or next(iter(self._planes))
        if outline is self._candidate.outline:
            return
        if outline is not None and across != self._across:
            self._across, geometry = across, self._planes[across]
            self._candidate = _Candidate(geometry.n_frames, geometry.shape_yx)
            if self.preview is not None:
                self.preview.data = shown_stack(geometry, self._candidate)
        self._candidate.outline = outline
        if self.preview is not None:
            self.preview.refresh(extent=False, thumbnail=False)


def _colormap(colors: dict[int, Color]) -> DirectLabelColormap:
    from napari.utils.colormaps import DirectLabelColormap

    shown: dict[int | None, Any] = {None: (0.0, 0.0, 0.0, 0.0)}
    for number, color in colors.items():
        shown[number] = (*(part / 255 for part in color), 1.0)
    kind = _sparse_colormap() if max(colors, default=0) > LARGEST_IN_TABLE else DirectLabelColormap
    return kind(color_dict=shown)


def _preview_colormap() -> DirectLabelColormap:
    from napari.utils.colormaps import DirectLabelColormap

    drawn: dict[int | None, Any] = {
        None: (0.0, 0.0, 0.0, 0.0),
        LIGHT: (1.0, 1.0, 1.0, 1.0),
        DARK: (0.0, 0.0, 0.0, 1.0),
        ADDED: (0.1, 0.9, 0.3, 0.45),
        REMOVED: (0.95, 0.1, 0.6, 0.55),
    }
    return DirectLabelColormap(color_dict=drawn)


@cache
def _sparse_colormap() -> type[DirectLabelColormap]:
    from napari.utils.colormaps import DirectLabelColormap
    from napari.utils.colormaps._accelerated_cmap import minimum_dtype_for_labels

    class SparseColormap(DirectLabelColormap):  # type: ignore[misc]
        """Colours for any ids: without numba, napari uses a table from 0 to the largest id, and refuses large ids."""

        @cached_property
        def _array_map(self) -> _SparseTable:
            dtype = minimum_dtype_for_labels(self._num_unique_colors + 2)
            return _SparseTable(self._values_mapping_to_minimum_values_set()[0], dtype)

    return SparseColormap


class _SparseTable:
    """Maps each id to the value that napari draws; used like an array indexed by ids."""

    def __init__(self, mapping: dict[int | None, int], dtype: npt.DTypeLike) -> None:
        drawn = sorted((number, value) for number, value in mapping.items() if number is not None)
        numbers, values = zip(*drawn, strict=True)
        self._numbers = np.array(numbers, np.int64)
        self._values = np.array(values, dtype)
        self.shape = (numbers[-1] + 2,)

    def __getitem__(self, ids: Any) -> npt.NDArray[Any]:
        places = np.minimum(np.searchsorted(self._numbers, ids), len(self._numbers) - 1)
        return np.where(self._numbers[places] == ids, self._values[places], 0).astype(self._values.dtype)


class _Candidate:
    """Label images of all frames, of which one shows the outline of a candidate mask."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n_frames: int, shape_yx: tuple[int, int]) -> None:
        self.shape = (n_frames, *shape_yx)
        self.outline: Outline | None = None

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        frame, *within = index
        plane: npt.NDArray[Any] = np.zeros(self.shape[1:], np.uint8)
        if self.outline is not None and frame == self.outline.frame:
            y, x = self.outline.origin_yx
            height, width = self.outline.pixels.shape
            plane[y : y + height, x : x + width] = self.outline.pixels
        part: npt.NDArray[Any] = plane[tuple(within)]
        return part
