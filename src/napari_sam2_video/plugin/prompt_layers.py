"""The points and boxes layers, kept equal to the prompts of the session in both directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.errors import PromptError, Sam2VideoError
from napari_sam2_video.plugin.layers import Geometry, take_off, transform_of
from napari_sam2_video.regions import ellipse_outline, polygon_mask, upright_box
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    from napari.layers import Image, Points, Shapes
    from napari.viewer import Viewer

    from napari_sam2_video.session import Session
    from napari_sam2_video.types import Prompt

Place: TypeAlias = tuple[int, int]
POINTS_NAME = "SAM 2 points"
SHAPES_NAME = "SAM 2 boxes and outlines"
POSITIVE_COLOR = "#56b4e9"
NEGATIVE_COLOR = "#e69f00"
SMALLEST_BOX = 1.0
SEEN, NONE_SEEN = (8, 18), (0, 18)
RIM = 0.2
DECIMALS = 2  # a Shapes layer keeps its corners as float32


class PromptLayers(QObject):
    """A Points layer and a Shapes layer that show and edit a session's prompts.

    Rectangles are box prompts and stay; every other closed shape becomes a mask prompt and is removed from the layer.

    Signals
    -------
    edited : int, int
        Object and frame whose prompts the person changed.
    refused : str
        A sentence: the edit was undone, and why.
    needs_object
        A prompt was placed while no object is active; connect directly and make one active.
    """

    edited = Signal(int, int)
    refused = Signal(str)
    needs_object = Signal()

    def __init__(self, viewer: Viewer, image: Image, geometry: Geometry, session: Session) -> None:
        super().__init__()
        self._viewer = viewer
        self._image = image
        self._geometry = geometry
        self._session = session
        self._active = 0
        self._positive = True
        self._showing = False
        self._sign_back: Callable[[], None] | None = None
        self._frame = 0
        self._colors: dict[int, tuple[int, int, int]] = {}
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self.take_edits)
        place = transform_of(image)
        self.points = _points_layer(geometry, place)
        self.shapes = _shapes_layer(geometry, place)
        # Before napari's own, which adds the point.
        self.points.mouse_drag_callbacks.insert(0, self._on_press)
        for layer in (self.points, self.shapes):
            layer.events.data.connect(self._on_data)

    def restoring(self) -> Iterator[None]:
        """Add the layers that are not in the viewer, one a step."""
        for layer in (self.points, self.shapes):
            if layer not in self._viewer.layers:
                self._viewer.add_layer(layer)
                yield
        self.set_active(self._active)
        self.set_positive(self._positive)
        self.show()

    def close(self, *, keep_layers: bool = False) -> None:
        """Stop listening and, unless they are to stay, remove the layers from the viewer."""
        self._later.stop()
        for layer in (self.points, self.shapes):
            layer.events.data.disconnect(self._on_data)
        if not keep_layers:
            take_off(self._viewer, self.points, self.shapes)

    @property
    def positive(self) -> bool:
        """Whether new points lie on the object."""
        return self._positive

    def set_positive(self, positive: bool) -> None:
        """New points lie on the object, or beside it."""
        self._positive = positive
        color = POSITIVE_COLOR if positive else NEGATIVE_COLOR
        # Selected points would be repainted in the new colour.
        self.points.selected_data = set()
        self.points.current_face_color = color
        self.points.current_symbol = "disc" if positive else "cross"
        self._set_defaults()

    def _on_press(self, layer: Points, event: Any) -> None:
        """With Ctrl, a click has the other sign for once."""
        if "Control" in event.modifiers and str(layer.mode) == "add":
            positive = self._positive
            self.set_positive(not positive)
            self._sign_back = lambda: self.set_positive(positive)

    def set_active(self, object_id: int) -> None:
        """New prompts belong to this object."""
        self._active = object_id
        self._set_defaults()

    def look_at(self, data: npt.ArrayLike) -> None:
        """Show the prompts on the channel at which the viewer's sliders stand, in data coordinates of the image."""
        self._frame = self._geometry.to_pixel(data)[0]
        self._limit_size()
        geometry = self._geometry.spread_at(data)
        if geometry != self._geometry:
            if self._later.isActive():
                self._later.stop()
                self.take_edits()
            self._geometry = geometry
            self.show()

    def _set_defaults(self) -> None:
        self.points.feature_defaults = {"object": self._active, "positive": self._positive}
        self.shapes.feature_defaults = {"object": self._active}

    def _on_data(self, event: Any) -> None:
        if self._sign_back is not None and str(event.action) == "added":
            QTimer.singleShot(0, self._turn_sign_back)
        if not self._showing and str(event.action) in {"added", "changed", "removed"}:
            # napari is still in the middle of its own drawing here.
            self._later.start(0)

    def _turn_sign_back(self) -> None:
        back, self._sign_back = self._sign_back, None
        if back is not None:
            back()

    def _whose(self, object_id: float) -> int:
        if int(object_id) > 0 and int(object_id) in {entry.id for entry in self._session.objects}:
            return int(object_id)
        if not self._active:
            self.needs_object.emit()
        return self._active

    def take_edits(self) -> None:
        """Bring the session's prompts to what the layers show; refuse what does not fit."""
        try:
            wanted, masks = self._collect()
            present = self._present()
            changed = [key for key in {**present, **wanted} if _differ(present.get(key, []), wanted.get(key, []))]
            for key in changed:
                kept = [prompt for prompt in self._session.prompts(*key) if isinstance(prompt, MaskPrompt)]
                self._session.set_prompts(*key, [*kept, *wanted.get(key, ())])
            for mask in masks:
                self._session.set_prompts(mask.object_id, mask.frame, [mask])
                changed.append((mask.object_id, mask.frame))
        except Sam2VideoError as error:
            self.show()
            self.refused.emit(str(error))
            return
        self.show()
        for key in dict.fromkeys(changed):
            self.edited.emit(*key)

    def _present(self) -> dict[Place, list[Prompt]]:
        found: dict[Place, list[Prompt]] = {}
        for prompt in self._session.prompts(masks=False):
            found.setdefault((prompt.object_id, prompt.frame), []).append(prompt)
        return found

    def _collect(self) -> tuple[dict[Place, list[Prompt]], list[MaskPrompt]]:
        wanted: dict[Place, list[Prompt]] = {}
        features = self.points.features
        for data, owner, positive in zip(self.points.data, features["object"], features["positive"], strict=True):
            frame, y, x = self._pixel(data)
            point = PointPrompt(self._whose(owner), frame, y, x, bool(positive))
            wanted.setdefault((point.object_id, frame), []).append(point)
        masks: list[MaskPrompt] = []
        # napari keeps the features of a lasso that it drops because it is too small.
        shapes = zip(self.shapes.data, self.shapes.shape_type, self.shapes.features["object"], strict=False)
        for corners, kind, owner in shapes:
            prompt = self._shape_prompt(corners, kind, owner)
            if isinstance(prompt, MaskPrompt):
                masks.append(prompt)
            elif prompt is not None:
                wanted.setdefault((prompt.object_id, prompt.frame), []).append(prompt)
        return wanted, masks

    def _pixel(self, data: Any) -> tuple[int, float, float]:
        elsewhere = self._geometry.elsewhere(data)
        if elsewhere is not None:
            raise PromptError(f"The prompt was not kept: {elsewhere}; move the slider there.")
        frame, y, x = self._geometry.to_pixel(data)
        return frame, round(y, DECIMALS), round(x, DECIMALS)

    def _shape_prompt(self, corners: Any, kind: str, owner: float) -> BoxPrompt | MaskPrompt | None:
        pixels = [self._pixel(corner) for corner in corners]
        if len({frame for frame, _, _ in pixels}) != 1:
            raise PromptError("The outline was not kept, because it spans several frames; draw it on one frame.")
        frame = pixels[0][0]
        outline = np.array([(y, x) for _, y, x in pixels])
        if kind in {"line", "path"}:
            raise PromptError("The line was not kept: draw a box, or an outline that is closed.")
        height, width = self._geometry.shape_yx
        box = upright_box(outline) if kind == "rectangle" else None
        if box is not None:
            y0, x0, y1, x1 = box
            if max(y1 - y0, x1 - x0) < SMALLEST_BOX:
                return None
            if not (y1 < 0 or x1 < 0 or y0 > height - 1 or x0 > width - 1):
                y0, y1 = max(y0, 0.0), min(y1, height - 1.0)
                x0, x1 = max(x0, 0.0), min(x1, width - 1.0)
            return BoxPrompt(self._whose(owner), frame, y0, x0, y1, x1)
        if kind == "ellipse":
            outline = ellipse_outline(outline)
        return MaskPrompt(self._whose(owner), frame, polygon_mask(outline, self._geometry.shape_yx))

    def show(self) -> None:
        """Bring the layers to what the session holds."""
        self._colors = {entry.id: entry.color for entry in self._session.objects}
        prompts = self._session.prompts(masks=False)
        points = [prompt for prompt in prompts if isinstance(prompt, PointPrompt)]
        boxes = [prompt for prompt in prompts if isinstance(prompt, BoxPrompt)]
        self._showing = True
        try:
            self._show_points(points)
            self._show_boxes(boxes)
        finally:
            self._showing = False
        self._set_defaults()

    def _show_points(self, points: list[PointPrompt]) -> None:
        """Show these points; each part of the layer is only set where it differs, for setting it takes a while."""
        data = np.array([self._geometry.to_data(p.frame, p.y, p.x) for p in points]).reshape(-1, self._geometry.ndim)
        owners = np.array([p.object_id for p in points], int)
        positive = np.array([p.positive for p in points], bool)
        layer = self.points
        # Where the person clicked is not rounded; the session's prompt is.
        if len(layer.data) != len(data) or not np.allclose(layer.data, data, rtol=0, atol=10.0**-DECIMALS):
            layer.selected_data = set()
            layer.data = data
        known = layer.features
        if not (np.array_equal(known["object"], owners) and np.array_equal(known["positive"], positive)):
            layer.features = {"object": owners, "positive": positive}
        face = np.array([_rgba(POSITIVE_COLOR if sign else NEGATIVE_COLOR) for sign in positive]).reshape(-1, 4)
        if not np.allclose(layer.face_color, face, atol=1e-3):
            layer.face_color = face
        rim = np.array([self._rim(number) for number in owners]).reshape(-1, 4)
        if not np.allclose(layer.border_color, rim, atol=1e-3):
            layer.border_color = rim
        symbols = ["disc" if sign else "cross" for sign in positive]
        if [str(symbol) for symbol in layer.symbol] != symbols and symbols:
            layer.symbol = symbols
        if str(layer.mode) == "add" and layer.selected_data:
            # napari frames the point that was added last in its own colour.
            layer.selected_data = set()
        self._limit_size()

    def _limit_size(self) -> None:
        """Keep points large enough to be seen; napari draws a dot at the origin, which has to vanish, for none."""
        data = self.points.data
        walk = self._geometry.walk
        some = len(data) > 0 and (walk is None or bool((np.round(data[:, walk]) == self._frame).any()))
        limits = SEEN if some else NONE_SEEN
        if tuple(self.points.canvas_size_limits) != limits:
            self.points.canvas_size_limits = limits

    def _rim(self, object_id: int) -> npt.NDArray[np.float64]:
        """Colour of an object, in which its prompts are edged."""
        found = self._colors.get(int(object_id))
        return np.ones(4) if found is None else np.array([*(part / 255 for part in found), 1.0])

    def _show_boxes(self, boxes: list[BoxPrompt]) -> None:
        corners = [
            np.array(
                [
                    self._geometry.to_data(b.frame, y, x)
                    for y, x in ((b.y0, b.x0), (b.y1, b.x0), (b.y1, b.x1), (b.y0, b.x1))
                ]
            )
            for b in boxes
        ]
        layer = self.shapes
        same = len(layer.data) == len(corners) and all(
            kind == "rectangle" and old.shape == new.shape and np.allclose(np.sort(old, axis=0), np.sort(new, axis=0))
            for kind, old, new in zip(layer.shape_type, layer.data, corners, strict=True)
        )
        if not same:
            # An outline that is being drawn would be continued in a shape that is no more.
            mode = layer.mode
            layer.mode = "pan_zoom"
            layer.selected_data = set()
            layer.data = []
            layer.mode = mode
            if corners:
                layer.add_rectangles(corners)
        owners = np.array([b.object_id for b in boxes], int)
        if not np.array_equal(layer.features["object"], owners):
            layer.features = {"object": owners}
        edges = np.array([self._rim(number) for number in owners]).reshape(-1, 4)
        if len(edges) and not np.allclose(layer.edge_color, edges, atol=1e-3):
            layer.edge_color = edges


def _points_layer(geometry: Geometry, place: dict[str, Any]) -> Points:
    from napari.layers import Points

    return Points(
        np.zeros((0, geometry.ndim)), ndim=geometry.ndim, name=POINTS_NAME,
        features={"object": np.zeros(0, int), "positive": np.zeros(0, bool)},
        size=max(4.0, max(geometry.shape_yx) / 40), border_color="white", border_width=RIM,
        canvas_size_limits=NONE_SEEN, **place,
    )  # fmt: skip


def _shapes_layer(geometry: Geometry, place: dict[str, Any]) -> Shapes:
    from napari.layers import Shapes

    return Shapes(
        ndim=geometry.ndim, name=SHAPES_NAME, features={"object": np.zeros(0, int)}, edge_color=POSITIVE_COLOR,
        face_color="transparent", edge_width=max(1.0, max(geometry.shape_yx) / 200), **place,
    )  # fmt: skip


def _rgba(color: str) -> tuple[float, float, float, float]:
    red, green, blue = (int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue, 1.0


def _differ(present: list[Prompt], wanted: list[Prompt]) -> bool:
    return {_rounded(prompt) for prompt in present} != {_rounded(prompt) for prompt in wanted}


def _rounded(prompt: Prompt) -> tuple[Any, ...]:
    if isinstance(prompt, PointPrompt):
        return round(prompt.y, DECIMALS), round(prompt.x, DECIMALS), prompt.positive
    if isinstance(prompt, BoxPrompt):
        return tuple(round(edge, DECIMALS) for edge in (prompt.y0, prompt.x0, prompt.y1, prompt.x1))
    return (prompt,)
