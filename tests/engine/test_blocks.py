from __future__ import annotations

import ctypes
import subprocess
import sys

import numpy as np
import pytest
import torch

from napari_sam2_video.engine import blocks
from napari_sam2_video.engine.blocks import Block
from napari_sam2_video.engine.feature_files import FeatureFiles
from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.networks.outputs import Embedding


def tensors() -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(1, 3, 5, 7),
        torch.randn(1, 4, 6, 2).contiguous(memory_format=torch.channels_last),
        torch.randn(1, 8, 3, 3).to(torch.bfloat16),
        torch.randn(2, 9)[:, ::2],
    ]


def test_a_block_keeps_values_types_and_layout():
    block = Block(tensors())
    for before, after in zip(tensors(), block.tensors(), strict=True):
        assert torch.equal(before, after)
        assert before.dtype == after.dtype
    assert block.tensors()[1].stride() == tensors()[1].stride()


def test_a_block_lives_as_long_as_one_of_its_tensors():
    kept = Block(tensors()).tensors()[0]
    others = [Block([torch.zeros(100)]) for _ in range(20)]
    assert torch.equal(kept, tensors()[0])
    assert len(others) == 20


def test_an_embedding_is_kept_even_when_the_system_gives_no_block(monkeypatch):
    def refuse(*_args, **_named):
        raise OSError("no more maps")

    monkeypatch.setattr(blocks.mmap, "mmap", refuse)
    cache = FeatureCache()
    cache.put(("k", 0), Embedding(*tensors()[:3]))
    found = cache.get(("k", 0), "cpu")
    assert found is not None
    assert torch.equal(found.fine, tensors()[0])


def test_a_kept_embedding_is_not_the_one_that_was_given():
    cache = FeatureCache()
    fine, middle, coarse, _ = tensors()
    cache.put(("k", 0), Embedding(fine, middle, coarse))
    expected = fine.clone()
    fine.zero_()
    found = cache.get(("k", 0), "cpu")
    assert found is not None
    assert torch.equal(found.fine, expected)
    assert found.middle.stride() == middle.stride()


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_files_keep_values_types_and_layout(tmp_path, kind):
    fine, middle, coarse = (t.to(kind) for t in tensors()[:3])
    FeatureFiles(tmp_path, 1 << 20).put(("k", 3), Embedding(fine, middle, coarse))
    found = FeatureFiles(tmp_path, 1 << 20).get(("k", 3), "cpu")
    assert found is not None
    for before, after in zip((fine, middle, coarse), (found.fine, found.middle, found.coarse), strict=True):
        assert torch.equal(before, after)
        assert (before.dtype, before.stride()) == (after.dtype, after.stride())


def test_a_file_whose_layout_reaches_beyond_its_elements_is_not_an_embedding(tmp_path):

    files = FeatureFiles(tmp_path, 1 << 20)
    files.put(("k", 3), Embedding(*tensors()[:3]))
    (file,) = tmp_path.glob("*.npz")
    with np.load(file) as whole:
        arrays = dict(whole)
    arrays["fine_shape"] = np.array([[1, 3, 5, 7], [105, 3500, 7, 1]])
    np.savez(file, **arrays)
    assert FeatureFiles(tmp_path, 1 << 20).get(("k", 3), "cpu") is None


KEPT = """
import ctypes

import numpy as np
from napari_sam2_video.engine.features import FeatureCache
from tests.engine.conftest import make_model

FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()

class Counts(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]

heap = ctypes.CDLL(None).mallinfo2
heap.restype = Counts
model, cache, rng = make_model("demo", size=256), FeatureCache(), np.random.default_rng(0)
marks = []
for group in range(10):
    frames = [rng.integers(0, 255, (256, 256, 3), dtype=np.uint8) for _ in range(4)]
    made = model.embed_many(frames)
    for number, embedding in enumerate(made):
        cache.put(("k", 4 * group + number), embedding)
    del made, embedding
    counts = heap()
    marks.append((counts.uordblks + counts.hblkhd, cache.nbytes))
print((marks[-1][0] - marks[2][0]) / (marks[-1][1] - marks[2][1]))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallinfo2"),
    reason="The heap is counted by glibc 2.33 or later.",
)
def test_kept_embeddings_take_nothing_from_the_heap():
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True)
    assert abs(float(done.stdout)) < 0.05
