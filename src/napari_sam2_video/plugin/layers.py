"""All conversions between coordinates of layers, of the viewer's world and of a session's pixels.

A session knows frames along one axis and ``(y, x)`` pixels of a plane. A layer knows data coordinates, one for each of
its axes, and the viewer knows world coordinates. The layers that the plugin adds carry the transform of the image
layer, so that one `Geometry` serves all of them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy.typing as npt
    from napari.layers import Image, Labels, Layer
    from napari.viewer import Viewer

    from napari_sam2_video.types import ViewSettings

AXIS_NAMES = {
    "t": "T", "time": "T", "frame": "T", "frames": "T",
    "z": "Z", "slice": "Z", "plane": "Z", "depth": "Z",
    "c": "C", "ch": "C", "channel": "C", "channels": "C",
    "y": "Y", "row": "Y", "rows": "Y", "height": "Y",
    "x": "X", "col": "X", "column": "X", "columns": "X", "width": "X",
}  # fmt: skip
AXES_BY_NUMBER = {2: "YX", 3: "TYX", 4: "TZYX", 5: "TCZYX"}
SPARE_LETTERS = "QPUVW"
FEW_TIMES = 4
BEYOND = "the viewer shows none of the recording's frames; move the slider to one of them"
_removing = False


def unwrap(thing: Any) -> Any:
    """The object behind napari's proxy for plugins, which breaks ``is`` and slows every event."""
    return getattr(thing, "__wrapped__", thing)


def axes_of(layer: Image) -> str:
    """One letter for each data axis of an image layer, without RGB samples.

    The layer's axis labels decide if all are distinct known names; else the number of axes does
    (``TYX``, ``TZYX``, ``TCZYX``).
    """
    if axes_are_labelled(layer):
        return "".join(_labelled(layer))
    if layer.ndim in AXES_BY_NUMBER:
        return AXES_BY_NUMBER[layer.ndim]
    return SPARE_LETTERS[: layer.ndim - 5] + AXES_BY_NUMBER[5]


def axes_are_labelled(layer: Image) -> bool:
    """Whether the layer's axis labels identify each axis."""
    letters = _labelled(layer)
    return all(letters) and len(set(letters)) == layer.ndim and {"Y", "X"} <= set(letters)


def _labelled(layer: Image) -> list[str]:
    return [AXIS_NAMES.get(str(label).strip().lower(), "") for label in layer.axis_labels]


def put_on(viewer: Viewer, layer: Layer) -> None:
    """Add a layer without changing the active one."""
    active = viewer.layers.selection.active
    viewer.add_layer(layer)
    viewer.layers.selection.active = active


@contextmanager
def while_removing() -> Iterator[None]:
    """Mark that napari is removing a layer by its index, so that `take_off` waits until it is done."""
    global _removing
    before, _removing = _removing, True
    try:
        yield
    finally:
        _removing = before


def take_off(viewer: Viewer, *layers: Layer | None) -> None:
    """Remove these layers, if they are in the viewer."""
    if _removing:
        from qtpy.QtCore import QTimer

        QTimer.singleShot(0, lambda: take_off(viewer, *layers))
        return
    for layer in layers:
        if layer is not None and layer in viewer.layers:
            make_canvas_current(viewer)
            viewer.layers.remove(layer)


def make_canvas_current(viewer: Viewer) -> None:
    """Make the canvas's OpenGL context current; call this before any layer is removed.

    napari frees a layer's OpenGL objects at once. If another context is current, objects with the same numbers in it
    are freed instead, and the next drawing may crash.
    """
    from qtpy.QtOpenGLWidgets import QOpenGLWidget

    for canvas in viewer.window._qt_window.findChildren(QOpenGLWidget):
        canvas.makeCurrent()


def level_zero(layer: Image | Labels) -> Any:
    """The layer's array in full resolution."""
    return layer.data[0] if layer.multiscale else layer.data


def transform_of(layer: Layer) -> dict[str, Any]:
    """Arguments that place another layer with as many axes at the same place in the world."""
    return {
        "scale": np.array(layer.scale),
        "translate": np.array(layer.translate),
        "rotate": np.array(layer.rotate),
        "shear": np.array(layer.shear),
        "affine": np.array(layer.affine.affine_matrix),
        "axis_labels": tuple(layer.axis_labels),
        "units": tuple(layer.units),
    }


@dataclass(frozen=True)
class Geometry:
    """How the data axes of a layer map to the frames and pixels of a session.

    Parameters
    ----------
    axes : str
        One letter for each data axis, without RGB samples.
    shape : tuple of int
        Length of each data axis.
    walk : int or None
        The walked data axis; None if the layer is a single image, which is a recording of one frame.
    plane : tuple of int
        Data axes of the plane, ``(y, x)``.
    fixed : mapping of int to int
        Data axes at a fixed position, and that position.
    spread : mapping of int to int
        Data axes along which nothing differs, such as channels, and the position for prompts.
    """

    axes: str
    shape: tuple[int, ...]
    walk: int | None
    plane: tuple[int, int]
    fixed: Mapping[int, int]
    spread: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of_view(
        cls,
        axes: str,
        shape: Sequence[int],
        plane_axes: tuple[str, str],
        settings: ViewSettings,
        ndim: int | None = None,
    ) -> Geometry:
        """Build from a session's frame view; `axes` and `shape` may include the RGB samples.

        `ndim` is the layer's number of data axes; one less than the recording has for a single image.
        """
        letters = axes[:-1] if axes.endswith("S") else axes
        if ndim == 2 and len(letters) == 3:
            y, x = sorted(letters.index(letter) for letter in plane_axes)
            return cls(letters[y] + letters[x], (int(shape[y]), int(shape[x])), None, (0, 1), {})
        channel = letters.find("C") if settings.channel is not None else -1
        return cls(
            axes=letters,
            shape=tuple(int(n) for n in shape[: len(letters)]),
            walk=letters.index(settings.axis),
            plane=(letters.index(plane_axes[0]), letters.index(plane_axes[1])),
            fixed={letters.index(name): int(place) for name, place in settings.at.items() if name in letters},
            spread={} if channel < 0 else {channel: int(settings.channel or 0)},
        )

    @property
    def ndim(self) -> int:
        """Number of data axes."""
        return len(self.axes)

    @property
    def n_frames(self) -> int:
        """Length of the walked axis."""
        return 1 if self.walk is None else self.shape[self.walk]

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Shape of the plane in pixels."""
        return self.shape[self.plane[0]], self.shape[self.plane[1]]

    def to_pixel(self, data: npt.ArrayLike) -> tuple[int, float, float]:
        """Frame and ``(y, x)`` pixel of data coordinates."""
        point = np.asarray(data, float)
        frame = 0 if self.walk is None else int(np.round(point[self.walk]))
        return frame, float(point[self.plane[0]]), float(point[self.plane[1]])

    def to_data(self, frame: int, y: float, x: float) -> npt.NDArray[np.float64]:
        """Data coordinates of a pixel of a frame."""
        point = np.zeros(self.ndim)
        for axis, at in (*self.fixed.items(), *self.spread.items()):
            point[axis] = at
        if self.walk is not None:
            point[self.walk] = frame
        point[self.plane[0]] = y
        point[self.plane[1]] = x
        return point

    def spread_at(self, data: npt.ArrayLike) -> Geometry:
        """The same geometry, with prompts at the position of the data coordinates along the axes of `spread`."""
        point = np.round(np.asarray(data, float)).astype(int)
        return replace(self, spread={axis: int(np.clip(point[axis], 0, self.shape[axis] - 1)) for axis in self.spread})

    def elsewhere(self, data: npt.ArrayLike) -> str | None:
        """What is wrong with data coordinates off the tracked plane; None if they lie on it."""
        point = np.round(np.asarray(data, float)).astype(int)
        for axis, at in self.fixed.items():
            if point[axis] != at:
                return f"{self.axes[axis]} = {point[axis]} is shown, but this session tracks {self.axes[axis]} = {at}"
        return None


def shown_point(viewer: Viewer, layer: Layer) -> npt.NDArray[np.float64]:
    """Data coordinates of `layer` at the position of the viewer's sliders."""
    return np.asarray(layer.world_to_data(np.asarray(viewer.dims.point, float)[-layer.ndim :]), float)


def is_beyond(viewer: Viewer, layer: Image | Labels) -> bool:
    """Whether the viewer's sliders stand where a layer has no data, because other layers go on there."""
    first, point = viewer.dims.ndim - layer.ndim, np.round(shown_point(viewer, layer))
    shape = level_zero(layer).shape
    return any(
        not 0 <= point[axis - first] < shape[axis - first] for axis in viewer.dims.not_displayed if axis >= first
    )


def shown_frame(viewer: Viewer, layer: Layer, geometry: Geometry) -> int:
    """Frame at the position of the viewer's sliders, clipped to the recording."""
    frame, _, _ = geometry.to_pixel(shown_point(viewer, layer))
    return min(max(frame, 0), geometry.n_frames - 1)


def show_frame(viewer: Viewer, layer: Layer, geometry: Geometry, frame: int) -> None:
    """Move the viewer's sliders to a frame of the session, and to its plane."""
    if geometry.walk is None:
        return
    point = shown_point(viewer, layer)
    point[geometry.walk] = frame
    for axis, at in geometry.fixed.items():
        point[axis] = at
    world = layer.data_to_world(point)
    first = viewer.dims.ndim - layer.ndim
    axes = [axis for axis in range(layer.ndim) if axis not in geometry.plane]
    viewer.dims.set_point([first + axis for axis in axes], [float(world[axis]) for axis in axes])


def show_plane(viewer: Viewer, layer: Layer, geometry: Geometry) -> None:
    """Show the session's plane if the viewer shows another one, so that a slider moves through the frames."""
    first = viewer.dims.ndim - layer.ndim
    if geometry.walk is not None and first + geometry.walk in viewer.dims.displayed[-2:]:
        plane = [first + axis for axis in geometry.plane]
        viewer.dims.order = (*(axis for axis in range(viewer.dims.ndim) if axis not in plane), *plane)
        viewer.reset_view()


def show_position(viewer: Viewer, layer: Layer, axis: int, position: int) -> None:
    """Move the slider of one data axis of a layer."""
    point = shown_point(viewer, layer)
    point[axis] = position
    viewer.dims.set_point(viewer.dims.ndim - layer.ndim + axis, float(layer.data_to_world(point)[axis]))


def walked_axis_shown(viewer: Viewer, layer: Layer, axes: str, shape: Sequence[int]) -> str:
    """Letter of the axis that the viewer's sliders move along.

    Time comes before depth before any other, except that a scan of a few time points is walked along its depth.
    """
    first = viewer.dims.ndim - layer.ndim
    hidden = [axis - first for axis in viewer.dims.not_displayed if axis >= first]
    candidates = [axes[axis] for axis in hidden if axes[axis] != "C" and shape[axis] > 1]
    lengths = dict(zip(axes, shape, strict=True))
    if {"T", "Z"} <= set(candidates) and lengths["T"] <= FEW_TIMES and lengths["Z"] > lengths["T"]:
        return "Z"
    for letter in "TZ":
        if letter in candidates:
            return letter
    return candidates[0] if candidates else axes[0]


def labels_on_frame(data: Any, name: str, geometry: Geometry, frame: int) -> npt.NDArray[Any]:
    """Label image ``(Y, X)`` of a layer on a frame.

    Parameters
    ----------
    data : array-like
        The layer's array, with all axes of the image or only those of its plane.
    name : str
        The layer's name.
    geometry : Geometry
        Axes of the image layer.
    frame : int
        Frame of the session.

    Raises
    ------
    PromptError
        If the layer's shape does not fit the image.
    """
    shape = tuple(data.shape)
    if shape == geometry.shape:
        index: list[Any] = [geometry.fixed.get(axis, 0) for axis in range(geometry.ndim)]
        if geometry.walk is not None:
            index[geometry.walk] = frame
        for axis in geometry.plane:
            index[axis] = slice(None)
        plane = np.asarray(data[tuple(index)])
        return plane.T if geometry.plane[0] > geometry.plane[1] else plane
    if shape == geometry.shape_yx:
        return np.asarray(data)
    if shape == (geometry.n_frames, *geometry.shape_yx):
        return np.asarray(data[frame])
    raise PromptError(
        f"The labels of {name} have the shape {shape} where the image has {geometry.shape}; give labels of the "
        f"same shape, or of one frame {geometry.shape_yx}."
    )
