from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch

from napari_sam2_video.errors import CheckpointError, ModelError
from napari_sam2_video.models import catalogue
from napari_sam2_video.models.catalogue import CATALOGUE, checkpoint_path, is_downloaded
from napari_sam2_video.models.checksum_record import record_sha256
from napari_sam2_video.models.folder import file_sha256, model_folder
from napari_sam2_video.models.presets import DEMO, TINY
from napari_sam2_video.models.resolve import resolve_model, verify
from napari_sam2_video.models.tensor_shapes import expected_shapes


@pytest.fixture
def own_checkpoint(tmp_path):
    path = tmp_path / "mine.pt"
    state = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in expected_shapes(DEMO).items()}
    torch.save({"model": state}, path)
    return path


@pytest.fixture
def put(own_model_folder, monkeypatch):
    """Publish `content` as an entry of the catalogue, already downloaded."""

    def add(name, content, **changes):
        own_model_folder.mkdir(exist_ok=True)
        changes = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)} | changes
        entry = replace(CATALOGUE[name], **changes)
        monkeypatch.setitem(catalogue.CATALOGUE, name, entry)
        path = checkpoint_path(entry)
        path.write_bytes(content)
        return path

    return add


def test_every_entry_has_a_network_and_tells_its_licence():
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert entry.network.image_size == entry.image_size
        assert entry.licence
        assert entry.sha256 is None or len(entry.sha256) == 64
    published = [entry.sha256 for entry in CATALOGUE.values() if entry.sha256]
    assert len(set(published)) == len(published)


def test_the_model_of_the_package_is_there_and_as_catalogued():
    found = resolve_model("demo")
    assert (found.preset, found.known, found.image_size_known) == (DEMO, True, True)
    assert found.path.is_file()


def test_medsam2_is_the_tiny_network_at_512():
    assert CATALOGUE["medsam2"].network == replace(TINY, image_size=512)


def test_environment_names_the_model_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_MODELS", str(tmp_path / "elsewhere"))
    assert model_folder() == tmp_path / "elsewhere"


def test_without_the_environment_the_folder_is_the_users(monkeypatch):
    monkeypatch.delenv("NAPARI_SAM2_VIDEO_MODELS")
    assert model_folder().parts[-2:] == ("napari-sam2-video", "models")


def test_a_downloaded_model_is_found_by_name(put):
    path = put("tiny", b"PK\x03\x04 the published bytes")
    found = resolve_model("tiny")
    assert (found.path, found.preset, found.name, found.known) == (path, TINY, "tiny", True)


def test_a_published_file_under_another_name_is_known_by_its_hash(put, tmp_path, monkeypatch):
    entry_path = put("medsam2", b"PK\x03\x04 the published bytes")
    monkeypatch.setattr(catalogue, "_ENTRIES", tuple(catalogue.CATALOGUE.values()))
    elsewhere = entry_path.rename(tmp_path / "copy.pt")
    found = resolve_model(str(elsewhere))
    assert (found.name, found.image_size, found.known, found.image_size_known) == ("medsam2", 512, True, True)


def test_own_checkpoint_is_recognised_from_its_tensors(own_checkpoint):
    found = resolve_model(str(own_checkpoint))
    assert (found.preset, found.name, found.known) == (DEMO, "mine", False)
    assert found.sha256 == hashlib.sha256(own_checkpoint.read_bytes()).hexdigest()


def test_a_model_that_is_not_downloaded_names_the_command_and_the_file(own_model_folder):
    with pytest.raises(ModelError) as failure:
        resolve_model("large")
    sentence = str(failure.value)
    assert "napari-sam2-video models download large" in sentence
    assert str(own_model_folder / "sam2.1_hiera_large.pt") in sentence
    assert CATALOGUE["large"].url in sentence
    assert CATALOGUE["large"].sha256 in sentence


def test_a_file_of_the_wrong_size_counts_as_not_downloaded(put):
    path = put("tiny", b"PK\x03\x04 half", size=1000)
    assert not is_downloaded(CATALOGUE["tiny"])
    with pytest.raises(ModelError, match="wrong size"):
        resolve_model("tiny")
    assert path.exists()


def test_an_unknown_name_lists_the_names():
    with pytest.raises(ModelError, match=r'no model called "huge".*demo, tiny, small'):
        resolve_model("huge")


def test_verify_finds_one_changed_byte(put):
    path = put("small", b"PK\x03\x04 the published bytes")
    assert verify("small").name == "small"
    path.write_bytes(b"PK\x03\x04 the published bytez")
    with pytest.raises(CheckpointError, match=r"is not the published SAM 2.1 small.*was not loaded"):
        verify("small")


def test_without_a_published_hash_the_first_one_seen_holds(put):
    path = put("medsam2-2411", b"PK\x03\x04 first", sha256=None, size=None)
    record_sha256(path, file_sha256(path))
    found = verify("medsam2-2411")
    assert (found.known, found.image_size, found.image_size_known) == (False, 512, True)
    path.write_bytes(b"PK\x03\x04 other")
    with pytest.raises(CheckpointError, match="is not the published MedSAM2"):
        verify("medsam2-2411")


def test_hash_follows_a_file_that_changes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    first = file_sha256(path)
    path.write_bytes(b"three")
    assert file_sha256(path) == hashlib.sha256(b"three").hexdigest() != first
