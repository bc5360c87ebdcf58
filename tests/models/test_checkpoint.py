from __future__ import annotations

import pytest
import torch

from napari_sam2_video.errors import CheckpointError
from napari_sam2_video.models.checkpoint import load_state


@pytest.fixture
def save(tmp_path):
    def write(content, **options):
        path = tmp_path / "weights.pt"
        torch.save(content, path, **options)
        return path

    return write


@pytest.mark.parametrize("wrap", [lambda s: {"model": s}, lambda s: {"state_dict": s, "epoch": 3}, lambda s: s])
def test_tensors_are_found_under_model_under_state_dict_or_alone(save, wrap):
    state = {"a.weight": torch.arange(6.0).reshape(2, 3)}
    assert torch.equal(load_state(save(wrap(state)), known=False)["a.weight"], state["a.weight"])


def test_the_old_file_format_is_read(save):
    path = save({"model": {"a": torch.ones(2)}}, _use_new_zipfile_serialization=False)
    assert torch.equal(load_state(path, known=False)["a"], torch.ones(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_any_precision_become_float32(save, dtype):
    loaded = load_state(save({"model": {"a": torch.tensor([0.5, -2.0], dtype=dtype)}}), known=False)["a"]
    assert loaded.dtype == torch.float32
    assert loaded.tolist() == [0.5, -2.0]


def test_parameters_come_back_without_gradients(save):
    path = save({"model": {"a": torch.nn.Parameter(torch.ones(1))}})
    assert not load_state(path, known=False)["a"].requires_grad


@pytest.mark.parametrize("tensor", [torch.ones(2, dtype=torch.int8), torch.eye(3).to_sparse()], ids=["int8", "sparse"])
def test_what_is_not_a_plain_weight_is_named(save, tensor):
    with pytest.raises(CheckpointError, match=r"stores a\.b as"):
        load_state(save({"model": {"a.b": tensor}}), known=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3, "lr": 0.1}, 'no entry "model".*epoch, lr'),
        ({"model": {}}, 'no entry "model"'),
        ([torch.ones(1)], "holds a list"),
    ],
)
def test_a_file_without_weights_says_so(save, content, message):
    with pytest.raises(CheckpointError, match=message):
        load_state(save(content), known=False)


def test_a_folder_and_a_missing_file_say_so(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder"):
        load_state(tmp_path, known=False)
    with pytest.raises(CheckpointError, match="There is no checkpoint at"):
        load_state(tmp_path / "nothing.pt", known=False)


def test_a_safetensors_file_says_so(tmp_path):
    path = tmp_path / "model.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(CheckpointError, match="safetensors"):
        load_state(path, known=False)


def test_damage_at_any_place_gives_a_sentence(save, tmp_path):
    whole = save({"model": {"a": torch.arange(4000.0)}}).read_bytes()
    path = tmp_path / "damaged.pt"
    generator = torch.Generator().manual_seed(0)
    for cut in torch.randint(0, len(whole), (60,), generator=generator).tolist():
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match=r"\.$"):
            load_state(path, known=False)


@pytest.mark.parametrize("content", [b"II*\0\x08\0\0\0", b"\x89PNG\r\n\x1a\n", b"some notes\n"])
def test_a_file_of_another_kind_is_not_called_harmful(tmp_path, content):
    path = tmp_path / "cells.tif"
    path.write_bytes(content * 20)
    with pytest.raises(CheckpointError, match="is not a PyTorch checkpoint"):
        load_state(path, known=False)


def test_too_little_memory_is_not_called_damage(save, monkeypatch):
    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")

    path = save({"model": {"a": torch.ones(2)}})
    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(CheckpointError, match="not enough memory to read"):
        load_state(path, known=False)
