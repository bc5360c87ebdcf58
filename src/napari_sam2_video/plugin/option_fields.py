"""A field of the right kind for each option of an export format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QLineEdit

from napari_sam2_video.plugin.widgets import fill, narrow

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtpy.QtWidgets import QWidget

    from napari_sam2_video.export.format import ExportOption


def option_name(option: ExportOption) -> str:
    """Label of an option in the form; short names are abbreviations."""
    return option.name.upper() if len(option.name) <= 3 else option.name.replace("_", " ").capitalize()


def option_field(option: ExportOption) -> tuple[QWidget, Callable[[], Any]]:
    """A field with the option's default, and a function that returns its value; empty text is None."""
    field, value = _field(option)
    field.setToolTip(f"{option.help[:1].upper()}{option.help[1:]}.")
    return field, value


def _field(option: ExportOption) -> tuple[QWidget, Callable[[], Any]]:
    if option.kind == "bool":
        check = QCheckBox()
        check.setChecked(bool(option.default))
        return check, check.isChecked
    if option.choices:
        box = narrow(QComboBox())
        fill(box, [(choice, choice) for choice in option.choices], option.default)
        return box, box.currentData
    line = QLineEdit("" if option.default is None else str(option.default))
    line.setPlaceholderText("chosen automatically")
    return line, lambda: line.text().strip() or None
