"""Fields for a server on another machine: address, token and a connection test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.plugin.widgets import button, form, note, set_note
from napari_sam2_video.plugin.worker import Job
from napari_sam2_video.server.known import is_readable_by_others, known_servers, remember_server
from napari_sam2_video.server.token import VARIABLE

if TYPE_CHECKING:
    from napari_sam2_video.plugin.worker import TaskRunner
    from napari_sam2_video.server.connection import ServerFacts

LANE = "server"
KEPT = "kept"
UNKNOWN = "as printed by the server"


class ServerFields(QWidget):
    """Address and token of a server, which are remembered, and a connection test.

    Signals
    -------
    chosen : str
        Use the server at this address; emitted again whenever it is confirmed.
    answered
        The server has answered.

    Attributes
    ----------
    facts : ServerFacts, optional
        Answer of the server at the last test.
    """

    chosen = Signal(str)
    answered = Signal()

    def __init__(self, runner: TaskRunner) -> None:
        super().__init__()
        self._runner = runner
        self.url = ""
        self.facts: ServerFacts | None = None
        self.address_field = QLineEdit()
        self.address_field.setPlaceholderText("http://127.0.0.1:7860")
        self.address_field.setToolTip("The address that the server printed, or this machine's end of a tunnel.")
        self.token_field = QLineEdit()
        self.token_field.setEchoMode(QLineEdit.EchoMode.Password)
        self.token_field.setToolTip("Stored in this computer's keyring or, if it has none, in a private file.")
        self.test_button = button("Test connection", self.test, "Ask the server for its version, device and models.")
        self.answer = note()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        fields = (("Address", self.address_field), ("Token", self.token_field))
        layout.addLayout(form(*fields, like="Small objects"))
        layout.addWidget(self.test_button)
        layout.addWidget(self.answer)
        self.address_field.editingFinished.connect(self._on_address)
        self.token_field.editingFinished.connect(self._on_token)
        self.show_server(next(iter(known_servers()), ""))

    def show_server(self, url: str) -> None:
        """Show a server without choosing it."""
        if url != self.url:
            self.url, self.facts = url, None
            self.token_field.clear()
            set_note(self.answer, self._warning())
        self.address_field.setText(url)
        from_outside = bool(os.environ.get(VARIABLE, "").strip())
        self.token_field.setEnabled(not from_outside)
        self.token_field.setPlaceholderText(f"from {VARIABLE}" if from_outside else UNKNOWN)

    def test(self) -> None:
        """Test the connection in the background."""
        if not self._on_address():
            return
        url = self.url

        def work(_: Job) -> ServerFacts:
            from napari_sam2_video.server.connection import Connection

            return Connection(url).check()

        self.test_button.setEnabled(False)
        set_note(self.answer, "Asking the server…")
        job = Job(
            "asking the server", work, done=self._on_facts, failed=self._on_failed,
            finished=lambda: self.test_button.setEnabled(True), key="test",
        )  # fmt: skip
        self._runner.submit(job, LANE)

    def _on_address(self) -> bool:
        """Use the typed address; returns whether it is valid."""
        from napari_sam2_video.server.connection import check_address

        try:
            url = check_address(self.address_field.text().strip())
        except Sam2VideoError as error:
            set_note(self.answer, str(error))
            return False
        remember_server(url)
        self.show_server(url)
        self.chosen.emit(url)
        return True

    def _on_token(self) -> None:
        """Store the typed token in the background: a keyring may ask for a password first."""
        token = self.token_field.text().strip()
        if not token or not self._on_address():
            return
        url = self.url

        def work(_: Job) -> str:
            from napari_sam2_video.server.token import keep_token

            return keep_token(url, token)

        self.token_field.clear()
        self._runner.submit(Job("keeping the token", work, done=self._on_kept, failed=self._on_failed, key=KEPT), LANE)

    def _on_kept(self, where: str) -> None:
        self.token_field.setPlaceholderText(f"in {where}")

    def _on_facts(self, facts: ServerFacts) -> None:
        if facts.url != self.url:
            return
        self.facts = facts
        set_note(self.answer, " ".join(filter(None, (facts.sentence(), self._warning()))))
        self.answered.emit()

    def _on_failed(self, error: Sam2VideoError) -> None:
        set_note(self.answer, str(error))

    def _warning(self) -> str:
        if not is_readable_by_others(self.url):
            return ""
        return "The connection is not encrypted: use a tunnel, or an address that begins with https."
