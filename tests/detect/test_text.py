"""*text* finds boxes with networks of transformers; weights are downloaded only when asked."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from napari_sam2_video.detect.registry import detector_from_text
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.detect.text import Text, _detections
from napari_sam2_video.errors import CheckpointError, DetectorError, DownloadError, ModelError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.models import text_detectors
from napari_sam2_video.models.text_detectors import DEFAULT, TEXT_DETECTORS, fetch_text_detector, find_text_detector
from tests.detect.tiny_text import save_grounding_dino, save_owlv2
from tests.web import Published, serve

pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=[save_grounding_dino, save_owlv2])
def folder(request, tmp_path_factory):
    made = tmp_path_factory.mktemp("text") / "network"
    request.param(made)
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_phrase_becomes_boxes_and_the_network_makes_masks_of_them(folder, segmenter):
    planes = np.random.default_rng(2).integers(0, 255, (1, 64, 64)).astype(np.uint8)
    recording = ArrayRecording(planes, axes="TYX")
    view = FrameView(recording, default_view(recording))
    detector = Text("red cell, nucleus", str(folder), least_score=0.0, device="cpu")
    boxes = run_detector(detector, view, 0)
    assert boxes
    assert [one.score for one in boxes] == sorted((one.score for one in boxes), reverse=True)
    assert all(one.mask is None for one in boxes)
    masks = run_detector(detector, view, 0, segmenter=segmenter)
    assert [one.score for one in masks] == [one.score for one in boxes]
    for mask, box in zip(masks, boxes, strict=True):
        y0, x0, _, _ = box.box_yxyx
        assert mask.origin_yx == (int(y0), int(x0))
    assert len(detector.settings["sha256"]) == 64
    assert run_detector(replace_score(detector, 1.0), view, 0) == []


def replace_score(detector, least_score):
    detector._least_score = least_score
    return detector


def test_of_boxes_that_are_nearly_the_same_the_best_is_kept():
    boxes = np.array([[2, 2, 12, 12], [2, 3, 12, 13], [20, 20, 60, 30], [0, 0, 39, 59], [8, 8, 8, 20]], np.float32)
    scores = np.array([0.5, 0.9, 0.4, 0.95, 0.99], np.float32)
    found = _detections(boxes, scores, ["a", "b", "c", "d", "e"], (40, 60))
    assert [one.label for one in found] == ["b", "c"]
    assert found[1].box_yxyx == (20, 20, 39, 30)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("text", DetectorError, "needs a phrase"),
        ('text:" , "', DetectorError, "needs a phrase"),
        ('text:"red cell', DetectorError, "not downloaded|is no phrase"),
        ('text:"red cell"@nothing', ModelError, 'no text detector "nothing"'),
        ('text:"red cell"', ModelError, "not downloaded yet; run `napari-sam2-video models download grounding-dino"),
        ("text:red cell@owlv2-base", ModelError, "models download owlv2-base"),
    ],
)
def test_what_is_missing_is_reported(text, error, said, tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_MODELS", str(tmp_path))
    with pytest.raises((error, ModelError), match=said):
        detector_from_text(text)


def test_a_folder_that_is_not_a_text_detector_is_refused(tmp_path, view):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DetectorError, match="is no text detector that can be used"):
        run_detector(Text("cell", str(tmp_path), device="cpu"), view, 0)


def test_without_transformers_it_says_what_to_install(folder, view, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(DetectorError, match=r"pip install napari-sam2-video\[text\]"):
        run_detector(Text("cell", str(folder), device="cpu"), view, 0)


@pytest.fixture
def published(monkeypatch):
    """A server with the files of the usual text detector."""
    entry = TEXT_DETECTORS[DEFAULT]
    names = (*entry.files, text_detectors.CONFIG, text_detectors.WEIGHTS)
    with serve(Published(files={name: name.encode() * 1000 for name in names})) as server:
        monkeypatch.setitem(TEXT_DETECTORS, DEFAULT, replace(entry, url=server.base_url))
        yield server


def test_it_is_downloaded_when_asked_with_progress(published, tmp_path):
    steps = []
    with pytest.raises(ModelError, match="not downloaded yet"):
        find_text_detector(DEFAULT, folder=tmp_path)
    place = fetch_text_detector(DEFAULT, folder=tmp_path, progress=lambda *step: steps.append(step))
    assert (place / "model.safetensors").read_bytes() == published.files["model.safetensors"]
    size = len(published.files["model.safetensors"])
    assert steps[-1] == (size, size)
    assert find_text_detector(DEFAULT, folder=tmp_path) == place
    asked = len(published.requests)
    fetch_text_detector(DEFAULT, folder=tmp_path)
    assert len(published.requests) == asked, "what is there is not fetched again"


def test_a_file_that_was_changed_is_not_loaded(published, tmp_path):
    place = fetch_text_detector(DEFAULT, folder=tmp_path)
    (place / "tokenizer.json").write_bytes(b"changed")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json is not the file that was downloaded"):
        find_text_detector(DEFAULT, folder=tmp_path)


def test_a_web_page_is_not_taken_for_a_file(published, tmp_path):
    published.files["config.json"] = b"<!DOCTYPE html><title>sign in</title>"
    with pytest.raises(DownloadError, match="web page"):
        fetch_text_detector(DEFAULT, folder=tmp_path)
    assert not TEXT_DETECTORS[DEFAULT].is_downloaded(tmp_path)
