"""What a person answers: to questions, to dialogs, and to those that ask for a file or a colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from tools.acts.hands import recording

if TYPE_CHECKING:
    import random
    from pathlib import Path

PARTS = "qtpy.QtWidgets.QFileDialog", "qtpy.QtWidgets.QColorDialog", "qtpy.QtGui.QDesktopServices"


class Answers:
    """Answers whatever is asked, by chance; Qt's dialogs for files, which belong to the system, are never shown.

    Parameters
    ----------
    chance : random.Random
        Decides.
    folder : Path
        Where there are files to open, and where files are written.
    """

    def __init__(self, chance: random.Random, folder: Path) -> None:
        import tifffile
        from qtpy.QtCore import QTimer

        self._chance = chance
        self._folder = folder
        self._count = 0
        tifffile.imwrite(folder / "recording.tif", recording())
        tifffile.imwrite(folder / "labels.tif", (recording() > 100).astype("uint8"))
        self._patches = [
            mock.patch(f"{PARTS[0]}.getSaveFileName", self._to_save),
            mock.patch(f"{PARTS[0]}.getOpenFileName", self._to_open),
            mock.patch(f"{PARTS[0]}.getOpenFileNames", self._several_to_open),
            mock.patch(f"{PARTS[0]}.getExistingDirectory", self._session),
            mock.patch(f"{PARTS[1]}.getColor", self._color),
            mock.patch(f"{PARTS[2]}.openUrl", return_value=True),
        ]
        for patch in self._patches:
            patch.start()
        self._timer = QTimer()
        self._timer.timeout.connect(self._answer)
        self._timer.start(20)

    def stop(self) -> None:
        """Answer no more."""
        self._timer.stop()
        for patch in self._patches:
            patch.stop()

    def _to_save(self, _: Any = None, title: str = "", proposal: str = "", *__: Any, **___: Any) -> tuple[str, str]:
        from pathlib import Path

        if self._chance.random() < 0.2:
            return "", ""
        self._count += self._chance.random() < 0.8
        return str(self._folder / f"written {self._count}{Path(proposal).suffix}"), ""

    def _to_open(self, *_: Any, **__: Any) -> tuple[str, str]:
        return self._chance.choice((str(self._folder / "labels.tif"), str(self._folder / "recording.tif"), "")), ""

    def _several_to_open(self, *_: Any, **__: Any) -> tuple[list[str], str]:
        path, _ = self._to_open()
        return [path] if path else [], ""

    def _session(self, *_: Any, **__: Any) -> str:
        sessions = sorted(str(found) for found in self._folder.glob("*.sam2v"))
        return self._chance.choice([*sessions, ""])

    def _color(self, *_: Any, **__: Any) -> Any:
        from qtpy.QtGui import QColor

        return QColor(*(self._chance.randrange(256) for _ in range(3)))

    def _answer(self) -> None:
        """Answer a question or a menu that came up."""
        from qtpy.QtWidgets import QApplication, QCheckBox, QComboBox, QInputDialog, QMessageBox

        menu, box = QApplication.activePopupWidget(), QApplication.activeModalWidget()
        if menu is not None:
            menu.close()
        elif isinstance(box, QMessageBox):
            self._chance.choice(box.buttons()).click()
        elif isinstance(box, QInputDialog):
            if box.inputMode() == QInputDialog.InputMode.IntInput:
                box.setIntValue(self._chance.randrange(1, 12))
            else:
                box.setTextValue(self._chance.choice(("", "2:5", ":3", "4:", "nonsense")))
            self._chance.choice((box.accept, box.reject))()
        elif box is not None:
            for choice in box.findChildren(QComboBox):
                choice.setCurrentIndex(self._chance.randrange(max(1, choice.count())))
            for tick in box.findChildren(QCheckBox):
                tick.setChecked(self._chance.random() < 0.5)
            self._chance.choice((box.accept, box.reject))()
