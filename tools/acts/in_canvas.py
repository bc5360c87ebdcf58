"""What a person does in the canvas: keys, clicks, strokes, the wheel, another frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.acts.hands import SHAPE

if TYPE_CHECKING:
    from tools.acts.hands import Hands


def press_key(hands: Hands) -> str:
    """Press a key of the widget or of napari."""
    from app_model.types import KeyBinding

    keys = [key.key for key in hands.widget.keys.keys]
    name = hands.random.choice([*keys, "Left", "Right", "[", "]", "V", "Delete", "Enter"])
    text = name.replace("Control", "Ctrl").replace("-", "+") if len(name) > 1 else name
    handler = hands.viewer.window._qt_viewer.canvas._key_map_handler
    handler.press_key(KeyBinding.from_str(text.title() if len(text) > 1 else text.upper()))
    return f"key {text}"


def _point(hands: Hands) -> Any:
    from qtpy.QtCore import QPoint

    native = hands.viewer.window._qt_viewer.canvas.native
    return native, QPoint(hands.random.randrange(5, native.width() - 5), hands.random.randrange(5, native.height() - 5))


def click(hands: Hands) -> str:
    """Click anywhere, now and then with Ctrl."""
    from qtpy.QtCore import Qt
    from qtpy.QtTest import QTest

    native, point = _point(hands)
    modifier = hands.random.choice((Qt.KeyboardModifier.NoModifier,) * 4 + (Qt.KeyboardModifier.ControlModifier,))
    QTest.mouseMove(native, point)
    QTest.mouseClick(native, Qt.MouseButton.LeftButton, modifier, point)
    return f"click {point.x()}, {point.y()}"


def hover(hands: Hands) -> str:
    """Move the mouse over the image, and turn its wheel with Shift."""
    from qtpy.QtCore import QPoint, QPointF, Qt
    from qtpy.QtGui import QWheelEvent
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    for _ in range(4):
        native, point = _point(hands)
        QTest.mouseMove(native, point)
        hands.spin(0.05)
    wheel = QWheelEvent(
        QPointF(point), QPointF(native.mapToGlobal(point)), QPoint(), QPoint(0, hands.random.choice((-120, 120))),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.ShiftModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(native, wheel)
    return f"hover {point.x()}, {point.y()}"


def stroke(hands: Hands) -> str:
    """Drag the mouse across the image."""
    if hands.grid.enabled and hands.viewer.dims.ndisplay == 3:
        # napari makes new cameras for a layer that is added meanwhile, and raises when the drag continues.
        return "no stroke in a grid in 3D"
    from qtpy.QtCore import QEvent, QPointF, Qt
    from qtpy.QtGui import QMouseEvent
    from qtpy.QtWidgets import QApplication

    native, start = _point(hands)
    _, end = _point(hands)
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    steps = [start + (end - start) * part / 6 for part in range(7)]
    kinds = [(QEvent.Type.MouseButtonPress, left, left), *[(QEvent.Type.MouseMove, none, left)] * 5]
    for point, (kind, button, buttons) in zip(
        steps, [*kinds, (QEvent.Type.MouseButtonRelease, left, none)], strict=True
    ):
        at, place = QPointF(point), QPointF(native.mapToGlobal(point))
        QApplication.sendEvent(native, QMouseEvent(kind, at, place, button, buttons, Qt.KeyboardModifier.NoModifier))
        hands.spin()
    return "stroke"


def walk(hands: Hands) -> str:
    """Go to a frame."""
    frame = hands.random.randrange(SHAPE[0])
    hands.viewer.dims.set_current_step(0, frame)
    return f"frame {frame}"
