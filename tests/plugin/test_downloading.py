"""Downloads from the model panel: seen, stopped, and taken up again where they were."""

from __future__ import annotations

import dataclasses

import pytest

from napari_sam2_video.models import catalogue, transfer
from tests.plugin.conftest import make_frames
from tests.plugin.probe import Probe

BLOCK = 4096
BLOCKS = 120
HELD_AT = 20


@pytest.fixture
def entry(published, monkeypatch):
    """A model of the catalogue that a server on this machine publishes."""
    published.content = b"PK\x03\x04" + bytes(range(256)) * (BLOCK * BLOCKS // 256)
    made = dataclasses.replace(
        catalogue.CATALOGUE["tiny"],
        url=f"{published.base_url}/model.pt",
        file_name="model.pt",
        size=len(published.content),
        sha256=published.sha256,
    )
    monkeypatch.setitem(catalogue.CATALOGUE, "tiny", made)
    return made


@pytest.fixture
def trickling(bench, entry, monkeypatch):
    """A bench at the model panel; what the server sends arrives a few KB at a time, as its gate lets it through."""
    here = bench(make_frames())
    # Once the download was stopped, the block that it waits for comes at once.
    monkeypatch.setattr(transfer, "_read", lambda response: _pass(here, response))
    panel = here.widget.model
    here.widget.sections["model"].set_expanded(True)
    here.idle()
    panel.model_box.setCurrentIndex(panel.model_box.findData("tiny"))
    here.spin()
    return here


def _pass(here, response):
    job = here.widget.model._job
    while not here.gate.acquire(timeout=0.01) and not job.stopping():
        pass
    return response.read1(BLOCK)


def test_a_download_is_stopped_and_resumes_where_it_was(trickling, entry, published, own_model_folder):
    panel = trickling.widget.model
    trickling.gate.hold(HELD_AT)
    with Probe() as probe:
        trickling.press(panel.download_button)
        trickling.spin(lambda: panel.bar.value() > 0)
        assert panel.bar.isVisible()
        assert not panel.download_button.isEnabled()
        assert panel.bar.format().endswith("MB")
        trickling.press(panel.cancel_button)
        trickling.idle()
    print(probe.told("a download"))
    assert trickling.errors() == []
    assert any("kept" in sentence for _, sentence in trickling.told)
    assert panel.download_button.isVisible()
    assert panel.download_button.isEnabled()
    assert not panel.bar.isVisible()
    assert not panel.cancel_button.isVisible()
    assert not (own_model_folder / "model.pt").exists()
    kept = (own_model_folder / "model.pt.part").stat().st_size
    assert HELD_AT * BLOCK <= kept < entry.size
    assert "to download" in panel.model_box.currentText()
    trickling.gate.release()
    trickling.press(panel.download_button)
    trickling.idle()
    assert published.requests[-1]["Range"] == f"bytes={kept}-"
    assert (own_model_folder / "model.pt").read_bytes() == published.content
    assert not list(own_model_folder.glob("*.part*"))
    assert "ready" in panel.model_box.currentText()
    assert not panel._download_row.isVisible()
    assert trickling.errors() == []


def test_the_viewer_closes_in_a_download(trickling, own_model_folder):
    panel = trickling.widget.model
    trickling.gate.hold(HELD_AT)
    trickling.press(panel.download_button)
    trickling.spin(lambda: panel.bar.value() > 0)
    trickling.widget.close_down()
    assert trickling.controller.runner.join(10)
    assert not (own_model_folder / "model.pt").exists()
    assert (own_model_folder / "model.pt.part").exists()


def test_a_model_is_downloaded_and_is_ready_then(bench, entry, own_model_folder):
    here = bench(make_frames())
    panel = here.widget.model
    here.widget.sections["model"].set_expanded(True)
    here.idle()
    panel.model_box.setCurrentIndex(panel.model_box.findData("tiny"))
    assert "to download" in panel.model_box.currentText()
    assert "not downloaded" in panel.missing() or here.controller.loader.options
    with Probe() as probe:
        here.press(panel.download_button)
        here.idle()
    print(probe.told("a download at full speed"))
    assert (own_model_folder / "model.pt").stat().st_size == entry.size
    assert "ready" in panel.model_box.currentText()
    assert panel.download_button.isHidden() or not panel._download_row.isVisible()
    assert here.errors() == []


def test_a_download_that_fails_says_so_and_can_be_tried_again(bench, entry, published):
    here = bench(make_frames())
    panel = here.widget.model
    here.widget.sections["model"].set_expanded(True)
    here.idle()
    panel.model_box.setCurrentIndex(panel.model_box.findData("tiny"))
    published.status = 404
    here.press(panel.download_button)
    here.idle()
    assert len(here.errors()) == 1
    assert panel.download_button.isEnabled()
