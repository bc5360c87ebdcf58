"""The points and shapes layers, kept in sync with the prompts of the session in both directions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal  # type: ignore[attr-defined]

from napari_sam2_video.errors import PromptError, Sam2VideoError
from napari_sam2_video.plugin.drawn_shapes import axis_of, drawn_prompts, set_features, shapes_layer, show_shapes
from napari_sam2_video.plugin.held_plane import drop_drags, plane_held
from napari_sam2_video.plugin.layers import Geometry, take_off, transform_of
from napari_sam2_video.plugin.own_layers import mark_own
from napari_sam2_video.plugin.plane_views import FLAT, planes_of, shown_across
from napari_sam2_video.plugin.widgets import single_shot
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt
    from napari.layers import Image, Points, Shapes
    from napari.viewer import Viewer

    from napari_sam2_video.session import Session
    from napari_sam2_video.types import Prompt

Place: TypeAlias = tuple[str, int, int]
POINTS_NAME = "SAM 2 points"
POSITIVE_COLOR = "#56b4e9"
NEGATIVE_COLOR = "#e69f00"
SEEN, NONE_SEEN = (8, 18), (0, 18)
RIM = 0.2
IN_3D = "The prompt was discarded: a click in 3D has no depth; click on a plane in 2D."
DECIMALS = 2  # a Shapes layer keeps its corners as float32


class PromptLayers(QObject):
    """A Points layer and a Shapes layer that show and edit a session's prompts.

    Rectangles are boxes, and lines and paths are scribbles; every other closed shape becomes a mask prompt and is
    removed from the layer.

    Signals
    -------
    edited : int, int
        Object and frame whose prompts the user changed.
    refused : str
        A message: the edit was undone, and why.
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
        self._planes = planes_of(geometry, session)
        self._axis = next(iter(self._planes))
        self._active = 0
        self._positive = True
        self._showing = False
        self._placed_in_3d = False
        self._sign_back: Callable[[], None] | None = None
        self._frame = 0
        self._colors: dict[int, tuple[int, int, int]] = {}
        self._later = single_shot(self, self.take_edits)
        place = transform_of(image)
        self.points = _points_layer(geometry, place)
        self.shapes = shapes_layer(geometry, place, POSITIVE_COLOR)
        for layer in (self.points, self.shapes):
            mark_own(layer, type(layer).__name__.lower())
            # Called before napari's own callback, which adds the point or begins the path.
            layer.mouse_drag_callbacks.insert(0, self._on_press)
            layer.events.data.connect(self._on_data)
        viewer.dims.events.order.connect(self._on_order)

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
        """Stop listening, and remove the layers from the viewer unless they should stay."""
        self._viewer.dims.events.order.disconnect(self._on_order)
        for layer in (self.points, self.shapes):
            layer.events.data.disconnect(self._on_data)
            # napari keeps references to removed layers and their callbacks.
            layer.mouse_drag_callbacks.remove(self._on_press)
            drop_drags(layer)
        if not keep_layers:
            take_off(self._viewer, self.points, self.shapes)
        self._later.stop()

    @property
    def positive(self) -> bool:
        """Whether new points and scribbles are positive (on the object)."""
        return self._positive

    def set_positive(self, positive: bool) -> None:
        """Make new points and scribbles positive or negative."""
        self._positive = positive
        color = POSITIVE_COLOR if positive else NEGATIVE_COLOR
        self.shapes.selected_data = set()
        self.shapes.current_edge_color = color
        # Selected points would get the new colour.
        self.points.selected_data = set()
        self.points.current_face_color = color
        self.points.current_symbol = "disc" if positive else "cross"
        self._set_defaults()

    def _on_press(self, layer: Points | Shapes, event: Any) -> Iterator[None]:
        """With Ctrl, a single click or scribble has the other sign; the plane stays in view while drawing."""
        if "Control" in event.modifiers and str(layer.mode) in {"add", "add_path"}:
            positive = self._positive
            self.set_positive(not positive)
            self._sign_back = lambda: self.set_positive(positive)
        if layer is self.shapes:
            yield from plane_held(self._viewer, layer, event)

    def set_active(self, object_id: int) -> None:
        """Set the object that new prompts belong to."""
        self._active = object_id
        self._set_defaults()

    def _on_order(self) -> None:
        """Put new prompts on the planes that the viewer shows now."""
        self._axis = shown_across(self._viewer, self._image, self._geometry, self._planes)
        self._set_defaults()

    def look_at(self, data: npt.ArrayLike) -> None:
        """Show the prompts on the channel selected by the viewer's sliders, in data coordinates of the image."""
        self._frame = self._geometry.to_pixel(data)[0]
        self._limit_size()
        geometry = self._geometry.spread_at(data)
        if geometry != self._geometry:
            if self._later.isActive():
                self._later.stop()
                self.take_edits()
            self._geometry = geometry
            self._planes = planes_of(geometry, self._session)
            self.show()

    def _set_defaults(self) -> None:
        defaults = {"object": self._active, "positive": self._positive, "axis": self._axis}
        self.points.feature_defaults = defaults
        self.shapes.feature_defaults = defaults

    def _on_data(self, event: Any) -> None:
        if self._sign_back is not None and str(event.action) == "added":
            QTimer.singleShot(0, self._turn_sign_back)
        if not self._showing and str(event.action) in {"added", "changed", "removed"}:
            in_3d = self._viewer.dims.ndisplay > FLAT and str(event.action) != "removed"
            self._placed_in_3d = self._placed_in_3d or in_3d
            # napari has not finished its own drawing at this point.
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
        """Update the session's prompts from the layers; refuse what does not fit."""
        in_3d, self._placed_in_3d = self._placed_in_3d, False
        try:
            if in_3d:
                raise PromptError(IN_3D)
            wanted, masks = self._collect()
            present = self._present()
            changed = [key for key in {**present, **wanted} if _differ(present.get(key, []), wanted.get(key, []))]
            planes = self._session.planes
            for key in changed:
                kept = [prompt for prompt in planes.prompts(*key) if isinstance(prompt, MaskPrompt)]
                planes.set_prompts(*key, [*kept, *wanted.get(key, ())])
            for axis, mask in masks:
                planes.set_prompts(axis, mask.object_id, mask.frame, [mask])
                changed.append((axis, mask.object_id, mask.frame))
        except Sam2VideoError as error:
            self.show()
            self.refused.emit(str(error))
            return
        self.show()
        for _, object_id, frame in dict.fromkeys(changed):
            self.edited.emit(object_id, frame)

    def _known(self) -> list[tuple[str, Prompt]]:
        """The session's prompts without masks, each with the axis across whose planes it is."""
        return [(axis, prompt) for axis in self._planes for prompt in self._session.planes.prompts(axis, masks=False)]

    def _present(self) -> dict[Place, list[Prompt]]:
        found: dict[Place, list[Prompt]] = {}
        for axis, prompt in self._known():
            found.setdefault((axis, prompt.object_id, prompt.frame), []).append(prompt)
        return found

    def _collect(self) -> tuple[dict[Place, list[Prompt]], list[tuple[str, MaskPrompt]]]:
        wanted: dict[Place, list[Prompt]] = {}
        features = self.points.features
        rows = zip(self.points.data, features["object"], features["positive"], features["axis"], strict=True)
        for data, owner, positive, drawn_on in rows:
            axis = axis_of(drawn_on, self._planes)
            frame, y, x = self._pixel(data, axis)
            point = PointPrompt(self._whose(owner), frame, y, x, bool(positive))
            wanted.setdefault((axis, point.object_id, frame), []).append(point)
        masks: list[tuple[str, MaskPrompt]] = []
        known = [(axis, _rounded(prompt)) for axis, prompt in self._known()]
        for axis, prompt in drawn_prompts(self.shapes, self._pixel, self._planes, self._whose, known):
            if isinstance(prompt, MaskPrompt):
                masks.append((axis, prompt))
            else:
                wanted.setdefault((axis, prompt.object_id, prompt.frame), []).append(prompt)
        return wanted, masks

    def _pixel(self, data: Any, axis: str) -> tuple[int, float, float]:
        elsewhere = self._geometry.elsewhere(data)
        if elsewhere is not None:
            raise PromptError(f"The prompt was discarded: {elsewhere}; move the slider there.")
        frame, y, x = self._planes[axis].to_pixel(data)
        if not 0 <= frame < self._planes[axis].n_frames:
            raise PromptError("The prompt was discarded: it is not on a frame of the recording.")
        return frame, round(y, DECIMALS), round(x, DECIMALS)

    def show(self) -> None:
        """Update the layers from the session."""
        self._colors = {entry.id: entry.color for entry in self._session.objects}
        known = self._known()
        points = [(axis, prompt) for axis, prompt in known if isinstance(prompt, PointPrompt)]
        drawn = [(axis, prompt) for axis, prompt in known if isinstance(prompt, BoxPrompt | ScribblePrompt)]
        self._showing = True
        try:
            self._show_points(points)
            show_shapes(self.shapes, self._planes, drawn, [self._edge(prompt) for _, prompt in drawn])
        finally:
            self._showing = False
        self._set_defaults()

    def _show_points(self, points: list[tuple[str, PointPrompt]]) -> None:
        """Show these points; properties of the layer are only set if they differ, because setting them is slow."""
        places = [self._planes[axis].to_data(p.frame, p.y, p.x) for axis, p in points]
        data = np.array(places).reshape(-1, self._geometry.ndim)
        owners = [p.object_id for _, p in points]
        positive = [p.positive for _, p in points]
        layer = self.points
        # The clicked position is not rounded; the session's prompt is.
        if len(layer.data) != len(data) or not np.allclose(layer.data, data, rtol=0, atol=10.0**-DECIMALS):
            layer.selected_data = set()
            layer.data = data
            if not layer.visible:
                # napari looks up the colours of the points it showed last, some of which may be gone.
                layer.set_view_slice()
        set_features(layer, owners, positive, [axis for axis, _ in points])
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
            # napari gives the point added last a border in its own colour.
            layer.selected_data = set()
        self._limit_size()

    def _limit_size(self) -> None:
        """Keep points large enough to see; without points, hide the dot that napari draws at the origin."""
        data = self.points.data
        walk = self._geometry.walk
        some = len(data) > 0 and (walk is None or bool((np.round(data[:, walk]) == self._frame).any()))
        limits = SEEN if some else NONE_SEEN
        if tuple(self.points.canvas_size_limits) != limits:
            self.points.canvas_size_limits = limits

    def _rim(self, object_id: int) -> npt.NDArray[np.float64]:
        """Colour of an object, used as the border of its prompts."""
        found = self._colors.get(int(object_id))
        return np.ones(4) if found is None else np.array([*(part / 255 for part in found), 1.0])

    def _edge(self, prompt: BoxPrompt | ScribblePrompt) -> Any:
        """Edge colour: a box has that of its object, a scribble that of its sign."""
        if isinstance(prompt, BoxPrompt):
            return self._rim(prompt.object_id)
        return _rgba(POSITIVE_COLOR if prompt.positive else NEGATIVE_COLOR)


def _points_layer(geometry: Geometry, place: dict[str, Any]) -> Points:
    from napari.layers import Points

    return Points(
        np.zeros((0, geometry.ndim)), ndim=geometry.ndim, name=POINTS_NAME,
        features={"object": np.zeros(0, int), "positive": np.zeros(0, bool), "axis": np.zeros(0, "U1")},
        size=max(4.0, max(geometry.shape_yx) / 40), border_color="white", border_width=RIM,
        canvas_size_limits=NONE_SEEN, **place,
    )  # fmt: skip


def _rgba(color: str) -> tuple[float, float, float, float]:
    red, green, blue = (int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return red, green, blue, 1.0


def _differ(present: list[Prompt], wanted: list[Prompt]) -> bool:
    return {_rounded(prompt) for prompt in present} != {_rounded(prompt) for prompt in wanted}


def _rounded(prompt: Prompt) -> Prompt:
    """A prompt as it comes back from the layers, which do not keep all digits."""
    if isinstance(prompt, PointPrompt):
        return replace(prompt, y=round(prompt.y, DECIMALS), x=round(prompt.x, DECIMALS))
    if isinstance(prompt, BoxPrompt):
        edges = {name: round(getattr(prompt, name), DECIMALS) for name in ("y0", "x0", "y1", "x1")}
        return replace(prompt, **edges)
    if isinstance(prompt, ScribblePrompt):
        return replace(prompt, path=tuple((round(y, DECIMALS), round(x, DECIMALS)) for y, x in prompt.path))
    return prompt
