"""Embeddings in files: what comes back is what was written, or nothing."""

import io
import random

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.feature_files import FeatureFiles
from napari_sam2_video.engine.networks.outputs import Embedding

KEY = ("model and view", 3)
PARTS = ("fine", "middle", "coarse")


@pytest.fixture
def embedding():
    made = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 32, 2, 2, generator=made).to(memory_format=torch.channels_last)
    return Embedding(torch.randn(1, 8, 8, 8, generator=made), torch.randn(1, 16, 4, 4, generator=made).half(), coarse)


@pytest.fixture
def file(embedding, tmp_path):
    FeatureFiles(tmp_path, 1 << 20).put(KEY, embedding)
    (path,) = tmp_path.glob("*.npz")
    return path


def read_again(path):
    return FeatureFiles(path.parent, 1 << 20).get(KEY, "cpu")


def assert_same(found, embedding):
    for part in PARTS:
        one, other = getattr(found, part), getattr(embedding, part)
        assert one.dtype == other.dtype
        assert one.stride() == other.stride()
        assert torch.equal(one, other)


def test_embeddings_come_back_as_they_were(file, embedding):
    assert_same(read_again(file), embedding)


def test_a_damaged_file_counts_as_missing_and_is_written_again(file, embedding):
    whole = file.read_bytes()
    random_ = random.Random(5)
    broken = [b"", whole[:1], whole[:7], whole[:-1]]
    for _ in range(80):
        flipped = bytearray(whole)
        flipped[random_.randrange(len(whole))] ^= 1 << random_.randrange(8)
        broken += [bytes(flipped), whole[: random_.randrange(len(whole))]]
    for content in broken:
        file.write_bytes(content)
        found = read_again(file)
        if found is not None:
            assert_same(found, embedding)
    file.write_bytes(b"")
    files = FeatureFiles(file.parent, 1 << 20)
    assert files.get(KEY, "cpu") is None
    files.put(KEY, embedding)
    assert_same(read_again(file), embedding)


@pytest.mark.parametrize("kind", ["text", "number", "one array"])
def test_a_file_of_another_content_counts_as_missing(file, kind):
    arrays = dict(np.load(io.BytesIO(file.read_bytes())))
    stream = io.BytesIO()
    if kind == "one array":
        np.save(stream, arrays["fine"])
    else:
        np.savez(stream, **arrays | {"coarse_shape": np.array("x" if kind == "text" else 5)})
    file.write_bytes(stream.getvalue())
    assert read_again(file) is None


def test_a_file_that_windows_does_not_let_go_of_ends_no_run(embedding, file, monkeypatch):
    def refused(path, missing_ok=False):
        raise PermissionError(13, "The process cannot access the file", str(path))

    monkeypatch.setattr("pathlib.Path.unlink", refused)
    (file.parent / ".left.npz.1.part").write_bytes(b"")
    files = FeatureFiles(file.parent, embedding.nbytes)
    files.put(("model and view", 4), embedding)
    files.put(("model and view", 5), embedding)
    assert_same(files.get(("model and view", 5), "cpu"), embedding)
