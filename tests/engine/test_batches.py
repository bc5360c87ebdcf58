"""A batch of objects gives what its objects give one by one, to rounding."""

from __future__ import annotations

import weakref
from types import SimpleNamespace

import pytest
import torch

from napari_sam2_video.engine.batching import Batcher
from napari_sam2_video.engine.features import DISK_VARIABLE, MEMORY_VARIABLE, default_cache
from napari_sam2_video.engine.memory import Recall
from napari_sam2_video.engine.networks.outputs import Decoded, Embedding
from napari_sam2_video.engine.torch_errors import engine_errors
from napari_sam2_video.errors import EngineError
from tests.engine.conftest import make_model


def some_recall(model, times, distances, seed):
    torch.manual_seed(seed)
    side, net = model.image_size // 16, model._net
    spatial = tuple((t, torch.randn(1, net.mem_dim, side, side).bfloat16()) for t in times)
    return Recall(spatial, tuple((d, torch.randn(1, net.hidden_dim)) for d in distances))


RECALLS = {
    "alike": [((0, 1, 2), (4, 1, 2)), ((0, 1, 2), (4, 1, 2)), ((0, 1, 2), (4, 1, 2))],
    "other times": [((0, 1, 2), (4, 1, 2)), ((0, 0, 2), (7, 3, 2))],
    "no pointers": [((0,), ()), ((0,), ())],
}


@pytest.mark.parametrize("preset", ["tiny", "demo"])
@pytest.mark.parametrize("kind", RECALLS)
def test_a_batch_reads_its_memories_as_each_object_alone_does(preset, kind, scene):
    model = make_model(preset)
    embedding = model.embed(model.prepare(scene.pixels(3)))
    recalls = [some_recall(model, *times, seed) for seed, times in enumerate(RECALLS[kind])]
    batch = model.decode_tracked(embedding, recalls, 12)
    for i, one in enumerate(recalls):
        alone = model.decode_tracked(embedding, [one], 12)
        torch.testing.assert_close(batch.logits[i : i + 1], alone.logits, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(batch.pointers[i : i + 1], alone.pointers, atol=1e-4, rtol=1e-4)


def test_objects_in_windows_of_their_own_make_a_batch(scene):
    model = make_model("demo")
    embeddings = [model.embed(model.prepare(scene.pixels(t))) for t in (3, 7, 3)]
    recalls = [some_recall(model, (0, 1, 2), (4, 1, 2), seed) for seed in range(3)]
    joined = Embedding.of_each(embeddings)
    batch = model.decode_tracked(joined, recalls, 12)
    memories = model.remember(joined, batch, prompted=False)
    for i, (embedding, one) in enumerate(zip(embeddings, recalls, strict=True)):
        alone = model.decode_tracked(embedding, [one], 12)
        torch.testing.assert_close(batch.logits[i : i + 1], alone.logits, atol=1e-4, rtol=1e-4)
        memory = model.remember(embedding, alone, prompted=False)
        torch.testing.assert_close(memories[i : i + 1].float(), memory.float(), atol=0.02, rtol=0.01)
    assert Embedding.of_each([embeddings[0]] * 3) is embeddings[0]


@pytest.mark.parametrize("preset", ["tiny", "demo"])
@pytest.mark.parametrize("prompted", [False, True])
def test_a_batch_remembers_its_masks_as_each_object_alone_does(preset, prompted, scene):
    model = make_model(preset)
    embedding = model.embed(model.prepare(scene.pixels(3)))
    torch.manual_seed(2)
    side = model.image_size // 4
    scores = torch.tensor([[3.0], [-2.0], [0.5]])
    width = model._net.hidden_dim
    masks = Decoded(8 * torch.randn(3, 1, side, side), torch.zeros(3), torch.zeros(3, width), scores)
    batch = model.remember(embedding, masks, prompted=prompted)
    for i in range(3):
        one = Decoded(*(x[i : i + 1] for x in (masks.logits, masks.ious, masks.pointers, masks.scores)))
        alone = model.remember(embedding, one, prompted=prompted)
        torch.testing.assert_close(batch[i : i + 1].float(), alone.float(), atol=0.02, rtol=0.01)


def test_the_environment_sets_the_budgets_of_embeddings(tmp_path, monkeypatch, scene):
    monkeypatch.setenv(MEMORY_VARIABLE, "0")
    monkeypatch.setenv(DISK_VARIABLE, "20")
    model = make_model("demo")
    embedding = model.embed(model.prepare(scene.pixels(0)))
    default_cache(tmp_path).put(("a", 1), embedding)
    again = default_cache(tmp_path)
    assert again.nbytes == 0
    found = again.get(("a", 1), "cpu")
    assert found is not None
    assert torch.equal(found.coarse, embedding.coarse)
    monkeypatch.setenv(MEMORY_VARIABLE, "much")
    with pytest.raises(EngineError, match="whole number of megabytes, not 'much'"):
        default_cache()


def test_what_a_batch_that_was_too_large_has_computed_is_given_up_before_its_halves():
    given_up = []

    class Small:
        device = "cpu"

        def decode_tracked(self, embedding, recalls, n_frames):
            if given_up:
                assert all(kept() is None for kept in given_up)
            zeros = torch.zeros(len(recalls), 1)
            return Decoded(zeros, zeros[:, 0], zeros, zeros)

        def remember(self, embedding, decoded, *, prompted):
            if len(decoded.ious) > 1:
                activations = torch.zeros(8)
                given_up.extend(weakref.ref(one) for one in (activations, decoded))
                with engine_errors("cuda"):
                    raise torch.OutOfMemoryError("CUDA out of memory.")
            return torch.zeros(1, 1)

    batcher = Batcher(Small(), SimpleNamespace(n_frames=5), 4)
    assert len(list(batcher.steps(0, [None] * 4, [None] * 4))) == 4
    assert given_up
