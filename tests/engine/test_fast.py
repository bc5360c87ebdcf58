"""Fast arithmetic: the same masks up to rounding, and the exact one as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from napari_sam2_video.engine.networks import arithmetic_check
from napari_sam2_video.engine.networks.arithmetic_check import Comparison, compare
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.networks.sam2.blocked_attention import read
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.errors import SettingsError
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.session.conditioning import model_tag
from napari_sam2_video.types import ModelSettings, PointPrompt
from tests.engine.conftest import Scene


@pytest.mark.parametrize("shape", [(300, 4200, 64, 24), (5, 7, 16, 16), (600, 130, 8, 8)])
@pytest.mark.parametrize("spread", [0.5, 12.0])
def test_values_are_read_as_by_torch(shape, spread):
    torch.manual_seed(1)
    queries, keys, values = (torch.randn(*of) for of in (shape[::2], (shape[1], shape[2]), (shape[1], shape[3])))
    queries = torch.randn(shape[0], shape[2])
    keys *= spread
    expected = F.scaled_dot_product_attention(queries[None], keys[None], values[None], scale=0.25)[0]
    with torch.inference_mode():
        torch.testing.assert_close(read(queries, keys, values, 0.25), expected, rtol=1e-4, atol=1e-4)


def test_a_later_block_of_keys_may_weigh_more_than_numbers_can_hold():
    torch.manual_seed(2)
    queries, keys, values = torch.ones(3, 16), torch.randn(9000, 16), torch.randn(9000, 8)
    keys[-5:] += 60
    expected = F.scaled_dot_product_attention(queries[None], keys[None], values[None])[0]
    with torch.inference_mode():
        torch.testing.assert_close(read(queries, keys, values, 0.25), expected, rtol=1e-4, atol=1e-4)


def test_narrow_numbers_lose_nothing_to_what_all_rows_have_in_common():
    torch.manual_seed(3)
    queries, keys, values = torch.randn(300, 64) + 9, torch.randn(5000, 64) + 9, torch.randn(5000, 16) + 50
    expected = F.scaled_dot_product_attention(queries[None], keys[None], values[None])[0]
    with torch.inference_mode():
        found = read(queries, keys, values, 64**-0.5, torch.bfloat16)
    signal = (expected - expected.mean(0)).square().mean().sqrt()
    assert float((found - expected).square().mean().sqrt() / signal) < 0.02


def test_values_are_read_where_torch_has_no_packed_products(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", torch.ops.aten)
    queries, keys, values = torch.randn(4, 8), torch.randn(9, 8), torch.randn(9, 5)
    expected = F.scaled_dot_product_attention(queries[None], keys[None], values[None])[0]
    torch.testing.assert_close(read(queries, keys, values, 8**-0.5), expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def models():
    file = resolve_model("demo")
    return [
        load_model(file, ModelSettings("demo", device="cpu", image_size=256, arithmetic=kind))
        for kind in ("exact", "fast")
    ]


@pytest.mark.parametrize("objects", [1, 2])
def test_logits_of_a_run_agree_with_the_exact_ones(models, objects):
    found = []
    for model in models:
        scene = Scene(8)
        tracker, logits = Tracker(model, scene), {}
        for number in range(objects):
            tracker.condition(number + 1, 0, [PointPrompt(number + 1, 0, *scene.centres(0)[number])])
        plan = Plan(tuple(Pass(n + 1, "forward", 0, 7) for n in range(objects)), 8)
        for _ in tracker.run(plan, on_logits=lambda i, t, made, into=logits: into.update({(i, t): made})):
            pass
        found.append(logits)
    exact, fast = found
    assert exact.keys() == fast.keys()
    assert max(float((exact[key] - fast[key]).abs().max()) for key in exact) < 1e-4


def test_masks_of_either_are_kept_apart(models):
    exact, fast = models
    assert (exact.arithmetic, fast.arithmetic) == ("exact", "fast")
    assert fast.key == f"{exact.key}-fast"
    assert model_tag(ModelSettings()) != model_tag(ModelSettings(arithmetic="fast"))


def test_bf16_on_a_processor_gives_nearly_the_same_masks(models):
    narrow = load_model(resolve_model("demo"), ModelSettings("demo", device="cpu", image_size=256, precision="bf16"))
    found = compare(models[1], narrow)
    assert (narrow.precision, narrow.arithmetic) == ("bf16", "fast")
    assert narrow.key != models[1].key
    assert found.iou > 0.99


@pytest.mark.parametrize(
    ("found", "precision"),
    [
        (Comparison(faster=1.3, iou=0.9995), "bf16"),
        (Comparison(faster=1.3, iou=0.9985), "fp32"),
        (Comparison(faster=0.9, iou=0.9995), "fp32"),
    ],
)
def test_automatic_arithmetic_takes_bf16_where_it_is_quicker_with_the_same_masks(
    found, precision, monkeypatch, tmp_path
):
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_CACHE", str(tmp_path))
    monkeypatch.setattr("napari_sam2_video.engine.networks.load.has_bf16", lambda: True)
    compared = []
    monkeypatch.setattr(
        arithmetic_check, "compare", lambda one, other: compared.append((one.precision, other.precision)) or found
    )
    settings = ModelSettings("demo", device="cpu", image_size=128, arithmetic="auto")
    for _ in range(2):
        model = load_model(resolve_model("demo"), settings)
        assert (model.precision, model.arithmetic) == (precision, "fast")
    assert compared == [("fp32", "bf16")]
    asked = load_model(resolve_model("demo"), replace(settings, precision="fp32"))
    assert (asked.precision, asked.arithmetic) == ("fp32", "fast")


def test_fast_arithmetic_is_not_compiled_and_says_so(models):
    asked = ModelSettings("demo", device="cpu", image_size=256, arithmetic="fast", compile=True)
    model = load_model(resolve_model("demo"), asked)
    assert model.key == models[1].key
    assert "not compiled" in model.notes[-1]


def test_arithmetic_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="The arithmetic must be"):
        ModelSettings(arithmetic="quick")
