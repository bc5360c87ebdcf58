from __future__ import annotations

import pytest
import torch

from napari_sam2_video.engine.networks.sam2.packed import PackedLayers, plain_linear


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("shape", [(3, 64, 48), (5, 48), (2, 3, 7, 48)])
def test_a_packed_layer_gives_what_the_layer_gives(shape, relu):
    torch.manual_seed(0)
    layer, rows = torch.nn.Linear(48, 80), torch.randn(shape)
    with torch.inference_mode():
        expected, packed = plain_linear(layer, rows, relu=relu), PackedLayers()
        for _ in range(2):
            torch.testing.assert_close(packed(layer, rows, relu=relu), expected, rtol=1e-5, atol=1e-5)


def test_layers_are_taken_as_they_are_where_torch_has_no_packed_ones(monkeypatch):
    monkeypatch.setattr(torch.ops, "mkldnn", torch.ops.aten)
    layer, rows = torch.nn.Linear(4, 6), torch.randn(2, 4)
    with torch.inference_mode():
        assert torch.equal(PackedLayers()(layer, rows), layer(rows))
