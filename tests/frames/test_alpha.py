from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.frames.alpha import on_white


def test_bytes_look_as_pillow_shows_them() -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    picture = Image.fromarray(rgba)
    expected = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    np.testing.assert_allclose(on_white(rgba).astype(int), np.asarray(expected).astype(int), atol=1)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
@pytest.mark.parametrize("samples", [2, 4])
def test_opaque_pixels_keep_their_values_and_clear_ones_are_white(dtype: type, white: float, samples: int) -> None:
    values = (np.random.default_rng(0).uniform(0, white, (5, 6, samples))).astype(dtype)
    values[..., -1] = white
    values[2:, :, -1] = 0
    shown = on_white(values)
    assert (shown.dtype, shown.shape) == (values.dtype, (5, 6, 3) if samples == 4 else (5, 6))
    assert (shown[:2].reshape(2, 6, -1) == values[:2, :, :-1]).all()
    assert (shown[2:] == white).all()
