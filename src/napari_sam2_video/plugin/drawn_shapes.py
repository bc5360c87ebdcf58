"""The shapes layer: boxes and scribbles stay in it, outlines become masks and leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.errors import PromptError
from napari_sam2_video.plugin.held_plane import drop_drags
from napari_sam2_video.regions import ellipse_outline, polygon_mask, simplified_path, upright_box
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ScribblePrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from napari.layers import Points, Shapes

    from napari_sam2_video.plugin.layers import Geometry
    from napari_sam2_video.types import Prompt

    Pixel: TypeAlias = Callable[[Any, str], tuple[int, float, float]]
    Drawn: TypeAlias = BoxPrompt | ScribblePrompt | MaskPrompt
    Rgba: TypeAlias = tuple[float, float, float, float]

SHAPES_NAME = "SAM 2 shapes"
SMALLEST_BOX = 1.0


def shapes_layer(geometry: Geometry, place: dict[str, Any], color: str) -> Shapes:
    """Make an empty layer for boxes, scribbles and outlines."""
    from napari.layers import Shapes

    return Shapes(
        ndim=geometry.ndim, name=SHAPES_NAME,
        features={"object": np.zeros(0, int), "positive": np.zeros(0, bool), "axis": np.zeros(0, "U1")},
        edge_color=color, face_color="transparent", edge_width=max(1.0, max(geometry.shape_yx) / 200), **place,
    )  # fmt: skip


def drawn_prompts(
    layer: Shapes,
    pixel: Pixel,
    planes: Mapping[str, Geometry],
    whose: Callable[[float], int],
    known: Collection[tuple[str, Prompt]],
) -> list[tuple[str, Drawn]]:
    """Prompts from the shapes of a layer, each with the axis across whose planes it was drawn.

    Parameters
    ----------
    layer : Shapes
        The layer.
    pixel : callable
        Returns frame, y and x of a point of the layer on the planes across an axis.
    planes : mapping of str to Geometry
        The planes across each axis.
    whose : callable
        Returns the object of a shape from its features.
    known : collection of (str, Prompt)
        Prompts of the session; scribbles among them stay unchanged, new ones are simplified.

    Raises
    ------
    PromptError
        If a shape cannot be used as a prompt.
    """
    features = layer.features
    found: list[tuple[str, Drawn]] = []
    # napari drops a lasso that is too small but keeps its features.
    for corners, kind, owner, positive, drawn_on in zip(
        layer.data, layer.shape_type, features["object"], features["positive"], features["axis"], strict=False
    ):
        axis = axis_of(drawn_on, planes)
        shape_yx = planes[axis].shape_yx
        pixels = [pixel(corner, axis) for corner in corners]
        if len({frame for frame, _, _ in pixels}) != 1:
            raise PromptError("The outline was discarded because it spans several frames; draw it on one frame.")
        frame = pixels[0][0]
        outline = np.array([(y, x) for _, y, x in pixels])
        if kind in {"line", "path"}:
            made = ScribblePrompt(whose(owner), frame, tuple((y, x) for _, y, x in pixels), bool(positive))
            if (axis, made) not in known:
                path = simplified_path(outline)
                made = ScribblePrompt(made.object_id, frame, path, made.positive).fitted(frame + 1, shape_yx)
            found.append((axis, made))
            continue
        box = upright_box(outline) if kind == "rectangle" else None
        if box is None:
            area = ellipse_outline(outline) if kind == "ellipse" else outline
            found.append((axis, MaskPrompt(whose(owner), frame, polygon_mask(area, shape_yx))))
            continue
        y0, x0, y1, x1 = box
        if max(y1 - y0, x1 - x0) < SMALLEST_BOX:
            continue
        height, width = shape_yx
        if not (y1 < 0 or x1 < 0 or y0 > height - 1 or x0 > width - 1):
            y0, y1 = max(y0, 0.0), min(y1, height - 1.0)
            x0, x1 = max(x0, 0.0), min(x1, width - 1.0)
        found.append((axis, BoxPrompt(whose(owner), frame, y0, x0, y1, x1)))
    return found


def axis_of(drawn_on: Any, planes: Mapping[str, Geometry]) -> str:
    """Axis across which a prompt was drawn; the session's own if the layer names no axis of the volume."""
    return str(drawn_on) if str(drawn_on) in planes else next(iter(planes))


def show_shapes(
    layer: Shapes,
    planes: Mapping[str, Geometry],
    prompts: Sequence[tuple[str, BoxPrompt | ScribblePrompt]],
    colors: Sequence[Rgba],
) -> None:
    """Make a layer show boxes, scribbles and their edge colours; only what differs is set."""
    kinds = ["rectangle" if isinstance(prompt, BoxPrompt) else "path" for _, prompt in prompts]
    outlines = [
        np.array([planes[axis].to_data(prompt.frame, y, x) for y, x in _corners(prompt)]) for axis, prompt in prompts
    ]
    # napari drops outlines that are too short but keeps their colours, and fails on the next switch to 3D.
    same = (
        list(layer.shape_type) == kinds
        and len(layer.edge_color) == len(outlines)
        and all(
            old.shape == new.shape and np.allclose(_ordered(old, kind), _ordered(new, kind))
            for kind, old, new in zip(kinds, layer.data, outlines, strict=True)
        )
    )
    if not same:
        # An outline being drawn would otherwise continue in a shape that no longer exists.
        mode = layer.mode
        drop_drags(layer)
        layer.mode = "pan_zoom"
        layer.selected_data = set()
        layer.data = []
        layer.mode = mode
        if outlines:
            layer.add(outlines, shape_type=kinds)
    set_features(
        layer,
        [prompt.object_id for _, prompt in prompts],
        [isinstance(prompt, BoxPrompt) or prompt.positive for _, prompt in prompts],
        [axis for axis, _ in prompts],
    )
    edges = np.array(colors).reshape(-1, 4)
    if len(edges) and not np.allclose(layer.edge_color, edges, atol=1e-3):
        layer.edge_color = edges


def set_features(layer: Points | Shapes, owners: Sequence[int], signs: Sequence[bool], axes: Sequence[str]) -> None:
    """Set object, sign and planes of every prompt in a layer, where they differ."""
    wanted = {
        "object": np.array(owners, int),
        "positive": np.array(signs, bool),
        "axis": np.array(axes, "U1"),
    }
    known = layer.features
    if any(not np.array_equal(known[name], values) for name, values in wanted.items()):
        layer.features = wanted


def _corners(prompt: BoxPrompt | ScribblePrompt) -> Sequence[tuple[float, float]]:
    if isinstance(prompt, ScribblePrompt):
        return prompt.path
    return (prompt.y0, prompt.x0), (prompt.y1, prompt.x0), (prompt.y1, prompt.x1), (prompt.y0, prompt.x1)


def _ordered(corners: Any, kind: str) -> Any:
    """Corners of a box in a fixed order, for comparison."""
    return np.sort(corners, axis=0) if kind == "rectangle" else corners
