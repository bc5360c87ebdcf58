"""The device is another machine, as a person chooses and uses it in the widget."""

from __future__ import annotations

import os

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2_video.api import create_session
from napari_sam2_video.plugin.model_panel import ANOTHER
from napari_sam2_video.server.known import known_servers
from napari_sam2_video.types import ModelSettings
from tests.plugin.conftest import make_frames
from tests.server.conftest import TOKEN, network, start  # noqa: F401 - fixtures

N_FRAMES = 60


@pytest.fixture
def frames():
    return make_frames(N_FRAMES, (64, 120))


def choose_server(here, url: str, token: str) -> None:
    """Device, Another machine…, the address and the token typed, Test connection."""
    panel = here.widget.model
    here.widget.sections["model"].set_expanded(True)
    here.spin()
    panel.device_box.setCurrentIndex(panel.device_box.findData(ANOTHER))
    fields = panel.server
    assert fields.isVisible()
    for field, text in ((fields.address_field, url), (fields.token_field, token)):
        field.setFocus()
        field.selectAll()
        QTest.keyClicks(field, text)
        QTest.keyClick(field, Qt.Key.Key_Return)
    here.press(fields.test_button)
    here.idle()


def masks_of(session) -> np.ndarray:
    return np.stack([session.masks.read_labels(t) for t in range(session.n_frames)])


def test_a_recording_is_tracked_on_a_server_that_goes_away_and_comes_back(bench, frames, start, tmp_path):  # noqa: F811
    server = start()
    here = bench(frames, image={"name": "spots"}, fake=False)
    choose_server(here, server.url, TOKEN)
    fields = here.widget.model.server
    assert fields.answer.text().startswith("Connected: napari-sam2-video ")
    assert "on cpu with demo; 0 of 8 places are in use." in fields.answer.text()
    assert here.widget.model.model_box.itemText(0).count("(") == 0
    here.start()
    here.controller.go_to(0)
    here.spin()
    here.click(20, 20)
    here.idle()
    assert here.errors() == []
    assert len(server.leases) == 1
    here.press(here.widget.model.estimating.button)
    here.idle()
    assert f"on cpu (1 thread) at {server.url} for {N_FRAMES} frames" in here.widget.model.estimating.sentence.text()
    run, (lease,) = here.widget.run_bar, server.leases._leases.values()
    here.press(run.track_button)
    here.spin(lambda: here.controller.run.progress.done > 4)
    port = int(server.url.rpartition(":")[2])
    lease.stop.set()
    server.stop()
    here.idle()
    assert 4 < here.controller.run.progress.done < N_FRAMES
    assert "finished frames are kept" in run.outcome
    start(port)
    assert run.track_button.text().startswith("Continue")
    here.press(run.track_button)
    here.idle()
    assert run.outcome.endswith("frames tracked.")
    with create_session(frames, tmp_path / "here.sam2v", model=ModelSettings("demo", device="cpu")) as alone:
        alone.add_object()
        alone.set_prompts(1, 0, here.session.prompts(1, 0))
        list(alone.track())
        np.testing.assert_array_equal(masks_of(here.session), masks_of(alone))


def test_a_server_and_its_token_are_remembered(bench, frames, start, own_settings_folder, monkeypatch):  # noqa: F811
    monkeypatch.delenv("NAPARI_SAM2_VIDEO_TOKEN", raising=False)
    server = start()
    here = bench(frames)
    choose_server(here, server.url, "not-the-token")
    fields = here.widget.model.server
    assert fields.answer.text() == (f"The server at {server.url} rejected the token; use the one that it printed.")
    choose_server(here, server.url, TOKEN)
    assert fields.answer.text().startswith("Connected")
    assert fields.token_field.text() == ""
    assert known_servers() == (server.url,)
    kept = own_settings_folder / "token"
    assert kept.read_text().strip() == TOKEN
    assert os.name == "nt" or kept.stat().st_mode & 0o077 == 0
    another = bench(frames)
    box = another.widget.model.device_box
    assert [box.itemData(n) for n in range(box.count())][-2:] == [server.url, ANOTHER]
    assert another.widget.model.server.address_field.text() == server.url


def test_an_invalid_address_is_reported(bench, frames):
    here = bench(frames)
    choose_server(here, "workstation", "token")
    assert here.widget.model.server.answer.text() == (
        "workstation is not the address of a server; write it as https://HOST:PORT."
    )
    assert here.controller.model_settings.device == "auto"


def test_a_connection_that_others_can_read_is_reported(bench, frames):
    here = bench(frames)
    fields = here.widget.model.server
    fields.show_server("http://gpu.example.org:7860")
    assert fields.answer.text().startswith("The connection is not encrypted")
    fields.show_server("https://gpu.example.org:7860")
    assert fields.answer.text() == ""
