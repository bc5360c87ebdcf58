"""Small widgets that the panels share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtCore import QObject

PRIMARY = "QPushButton { background: #1f6fb2; color: white; font-weight: bold; padding: 6px 10px; border-radius: 3px; }\
QPushButton:hover { background: #2b82c9; } QPushButton:disabled { background: #5b6570; color: #c3c7cc; }"
DANGER = "QPushButton { background: #b5432a; color: white; font-weight: bold; padding: 6px 10px; border-radius: 3px; }\
QPushButton:hover { background: #c9543a; } QPushButton:disabled { background: #5b6570; color: #c3c7cc; }"
TIP = "tip"
LARGEST_AREA = 1_000_000
LEAST_SPIN = 80
NO_SESSION = "There is no session yet; it starts with the first object."
IN_A_RUN = "Stop the run first."
CHECKED = "QPushButton:checked { background: #1f6fb2; color: white; }"


class Section(QFrame):
    """A titled section of the widget that can be folded.

    Signals
    -------
    toggled : bool
        Whether it is now open.
    """

    toggled = Signal(bool)

    def __init__(self, title: str, content: QWidget, tip: str, *, expanded: bool = True) -> None:
        super().__init__()
        self.title = title
        self.content = content
        self.header = QToolButton()
        self.header.setText(title)
        self.header.setToolTip(tip)
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.header.setStyleSheet("QToolButton { border: none; font-weight: bold; padding: 3px; text-align: left; }")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.header)
        layout.addWidget(content)
        self.header.toggled.connect(self._on_toggled)
        self.set_expanded(expanded)

    @property
    def expanded(self) -> bool:
        """Whether it is open."""
        return bool(self.header.isChecked())

    def set_expanded(self, expanded: bool) -> None:
        """Open or fold it."""
        self.header.setChecked(expanded)
        self._on_toggled(expanded)

    def _on_toggled(self, expanded: bool) -> None:
        self.header.setArrowType(Qt.ArrowType.DownArrow if expanded else Qt.ArrowType.RightArrow)
        self.content.setVisible(expanded)
        self.toggled.emit(expanded)


class Panels(QScrollArea):
    """A vertical scroll area that is never narrower than its content."""

    def eventFilter(self, watched: Any, event: Any) -> bool:  # noqa: D102
        inside, bar = self.widget(), self.verticalScrollBar()
        if event.type() == QEvent.Type.LayoutRequest and watched is inside and inside is not None and bar is not None:
            self.setMinimumWidth(inside.minimumSizeHint().width() + bar.sizeHint().width())
        return super().eventFilter(watched, event)


def single_shot(parent: QObject, slot: Callable[[], Any], ms: int = 0) -> QTimer:
    """A timer that calls `slot` once each time it is started, `ms` milliseconds later."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(ms)
    timer.timeout.connect(slot)
    return timer


def button(text: str, action: Callable[[], Any], tip: str = "", *, checkable: bool = False) -> QPushButton:
    """A push button that calls `action` without arguments."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.setProperty(TIP, tip)
    made.setCheckable(checkable)
    # Keys stay with the viewer: Space moves the view instead of pressing a button.
    made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    if checkable:
        made.setStyleSheet(CHECKED)
    made.clicked.connect(lambda *_: action())
    return made


def set_emphasis(made: QPushButton, *, on: bool) -> None:
    """Highlight a button, or make it look like any other; its text and position stay."""
    plain = CHECKED if made.isCheckable() else ""
    wanted = PRIMARY if on else plain
    if made.styleSheet() != wanted:
        made.setStyleSheet(wanted)


def allow(made: QPushButton, reason: str = "") -> None:
    """Enable a button, or disable it with a reason, which is added to its tooltip."""
    made.setEnabled(not reason)
    tip = made.property(TIP)
    made.setToolTip(f"{tip}\n{reason}" if reason else tip)


def progress_bar() -> QProgressBar:
    """A thin progress bar without text."""
    made = QProgressBar()
    made.setTextVisible(False)
    made.setMaximumHeight(8)
    return made


def note(text: str = "") -> QLabel:
    """A label for messages, which wrap and can be copied."""
    made = QLabel(text)
    made.setWordWrap(True)
    made.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    policy.setHeightForWidth(True)
    made.setSizePolicy(policy)
    made.setVisible(bool(text))
    return made


def set_note(label: QLabel, text: str) -> None:
    """Show a message, or hide the label if it is empty."""
    if label.text() != text:
        label.setText(text)
    label.setVisible(bool(text))


def row(*widgets: QWidget, stretch: int | None = None) -> QWidget:
    """Widgets side by side; the one at `stretch` takes the remaining space."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if number == stretch else 0)
    return holder


class _Name(QLabel):
    """The name of a field, as wide as a longer one."""

    def __init__(self, name: str, like: str) -> None:
        super().__init__(name)
        self._like = like

    def sizeHint(self) -> QSize:
        letters, hint = self.fontMetrics(), super().sizeHint()
        wider = letters.horizontalAdvance(self._like) - letters.horizontalAdvance(self.text())
        return QSize(hint.width() + max(0, wider), hint.height())

    minimumSizeHint = sizeHint


def form(*rows: tuple[str, QWidget], like: str = "") -> QFormLayout:
    """Named fields in rows, aligned with a form whose longest name is `like`."""
    made = QFormLayout()
    made.setContentsMargins(0, 0, 0, 0)
    for name, field in rows:
        made.addRow(_Name(name, like), field)
    return made


def stack(panel: QWidget, *parts: QWidget | QLayout) -> None:
    """Lay out a panel with its parts below each other."""
    layout = QVBoxLayout(panel)
    layout.setContentsMargins(6, 0, 2, 6)
    layout.setSpacing(4)
    for part in parts:
        if isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)


def narrow(box: QComboBox) -> QComboBox:
    """A combo box that may be narrower than its longest entry."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box


def narrow_spin(box: QAbstractSpinBox) -> QAbstractSpinBox:
    """A spin box that may be narrower than its largest number."""
    box.setMinimumWidth(LEAST_SPIN)
    policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    # It takes the space that the buttons beside it leave.
    policy.setHorizontalStretch(1)
    box.setSizePolicy(policy)
    return box


def area_box(tip: str) -> QSpinBox:
    """A field for the smallest area of an object in pixels; 0 for any."""
    made = QSpinBox()
    made.setRange(0, LARGEST_AREA)
    made.setSuffix(" px")
    made.setSpecialValueText("any")
    made.setToolTip(tip)
    return made


def fill(box: QComboBox, entries: list[tuple[str, Any]], chosen: Any = None) -> None:
    """Replace the entries of a combo box without signals, and choose the one whose data is `chosen`."""
    blocked = box.blockSignals(True)
    box.clear()
    for text, data in entries:
        box.addItem(text, data)
    number = next((n for n, (_, data) in enumerate(entries) if data == chosen), 0)
    if entries:
        box.setCurrentIndex(number)
    box.blockSignals(blocked)


def fill_grouped(box: QComboBox, groups: list[tuple[str, list[tuple[str, Any]]]]) -> None:
    """Replace the entries of a combo box with groups under titles that cannot be chosen; choose the first."""
    blocked = box.blockSignals(True)
    box.clear()
    model: Any = box.model()
    for title, entries in groups:
        box.addItem(title)
        head = model.item(box.count() - 1)
        head.setEnabled(False)
        font = head.font()
        font.setBold(True)
        head.setFont(font)
        for text, data in entries:
            box.addItem(f"   {text}", data)
    box.setCurrentIndex(1 if box.count() > 1 else -1)
    box.blockSignals(blocked)


def choose(box: QComboBox, data: Any) -> None:
    """Choose the entry with this data; Qt's own search only handles plain values."""
    for number in range(box.count()):
        if box.itemData(number) == data:
            box.setCurrentIndex(number)
            return
