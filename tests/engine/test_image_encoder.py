from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.networks.outputs import Embedding
from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.engine.networks.sam2.image_encoder import ImageEncoder
from napari_sam2_video.engine.networks.sam2.model import Sam2Model
from napari_sam2_video.engine.networks.sam2.trunk import Trunk
from napari_sam2_video.models.presets import PRESETS

SIZE = 128


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("preset", ["demo", "tiny", "base_plus"])
@pytest.mark.parametrize("size", [64, 128, 160, 256])
def test_the_trunk_without_padding_gives_what_sam2_gives(preset, size):
    torch.manual_seed(size)
    hiera = build_network(PRESETS[preset], size).eval().image_encoder.trunk
    planes = torch.randn(1, 3, size, size)
    with torch.inference_mode():
        expected, found = hiera(planes), Trunk(hiera)(planes)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4)


@pytest.mark.parametrize("preset", ["demo", "base_plus"])
@pytest.mark.parametrize("size", [64, 128])
def test_an_embedding_is_the_same_to_the_bit_however_frames_are_grouped(preset, size, threads):
    torch.manual_seed(threads)
    network = build_network(PRESETS[preset], size).eval()
    grouped = ImageEncoder(network, "cpu")
    with torch.inference_mode():
        for _ in range(3 if preset == "demo" else 1):
            planes = torch.randn(4, 3, size, size)
            plain = [ImageEncoder(network, "cpu")(planes[i : i + 1])[0] for i in range(4)]
            for one, other in zip(
                [*grouped(planes, many=True), *grouped(planes[:1], many=True)], [*plain, plain[0]], strict=True
            ):
                assert torch.equal(one.fine, other.fine)
                assert torch.equal(one.middle, other.middle)
                assert torch.equal(one.coarse, other.coarse)


def test_a_quick_way_that_rounds_differently_is_never_taken(monkeypatch):
    network = build_network(PRESETS["demo"], 64).eval()
    encoder = ImageEncoder(network, "cpu")
    quick = Trunk.__call__
    monkeypatch.setattr(Trunk, "__call__", lambda self, planes: [x * (1 + 1e-6) for x in quick(self, planes)])
    planes = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        expected = ImageEncoder(network, "cpu")(planes)
        for _ in range(3):
            found = encoder(planes, many=True)
            assert all(torch.equal(a.coarse, b.coarse) for a, b in zip(found, expected, strict=True))
    assert not encoder.gains(2)
    assert encoder.gains(4)


def test_the_quick_way_is_taken_once_it_is_proved():
    torch.manual_seed(0)
    network = build_network(PRESETS["demo"], 256).eval()
    walked = []
    network.image_encoder.trunk.register_forward_hook(lambda *_: walked.append(1))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        encoder = ImageEncoder(network, "cpu")
        with torch.inference_mode():
            for number in range(5):
                encoder(torch.randn(1, 3, 256, 256), many=number > 1)
    finally:
        torch.set_num_threads(before)
    if not encoder.gains(1):
        pytest.skip("This processor rounds a matrix product by its number of rows.")
    assert len(walked) == 3


def test_a_mask_is_resized_before_it_goes_to_a_device_that_cannot_resize_it(monkeypatch):
    import torch.nn.functional as F

    network = build_network(PRESETS["tiny"], SIZE)
    model = Sam2Model(network, PRESETS["tiny"], name="tiny", sha256="", device="meta")
    resize, devices = F.interpolate, []

    def watched(image, *arguments, **options):
        if options.get("antialias"):
            devices.append(image.device.type)
        return resize(image, *arguments, **options)

    monkeypatch.setattr(F, "interpolate", watched)
    side = SIZE // 16
    embedding = Embedding(
        torch.empty(1, 32, 4 * side, 4 * side, device="meta"),
        torch.empty(1, 64, 2 * side, 2 * side, device="meta"),
        torch.empty(1, 256, side, side, device="meta"),
    )
    monkeypatch.setattr(network, "_use_mask_as_output", lambda *given: (None, None, *[torch.ones(1, 1)] * 5))
    model.decode_mask(embedding, np.ones((40, 50), bool))
    assert devices == ["cpu"]


def test_the_logits_of_a_mask_are_those_of_the_mask_as_output():
    torch.manual_seed(1)
    network = build_network(PRESETS["demo"], SIZE).eval()
    model = Sam2Model(network, PRESETS["demo"], name="demo", sha256="", device="cpu")
    (embedding,) = model.embed_many([model.prepare(np.zeros((60, 90, 3), np.uint8))])
    mask = np.zeros((60, 90), bool)
    mask[13:37, 20:61] = True
    assert torch.equal(model.mask_logits(mask), model.decode_mask(embedding, mask).logits)
