from __future__ import annotations

import pytest

from napari_sam2_video.engine.networks.sam2.build import build_network
from napari_sam2_video.errors import CheckpointError
from napari_sam2_video.models.detect_architecture import detect_architecture, preset_named, sam2_0
from napari_sam2_video.models.presets import DEMO, PRESETS
from napari_sam2_video.models.tensor_shapes import expected_shapes

EVERY = [preset for base in PRESETS.values() for preset in (base, sam2_0(base))]


@pytest.mark.parametrize("preset", [*PRESETS.values(), sam2_0(DEMO)], ids=lambda preset: preset.name)
def test_expected_shapes_are_those_of_the_network(preset):
    state = build_network(preset).state_dict()
    assert expected_shapes(preset) == {name: tuple(tensor.shape) for name, tensor in state.items()}


@pytest.mark.parametrize("preset", EVERY, ids=lambda preset: preset.name)
def test_each_network_is_recognised_from_its_tensors(preset):
    assert detect_architecture(expected_shapes(preset)) == preset
    assert preset_named(preset.name) == preset


@pytest.mark.parametrize(("name", "count"), [("tiny", 471), ("small", 519), ("base_plus", 615), ("large", 903)])
def test_number_of_tensors_is_that_of_the_published_files(name, count):
    assert len(expected_shapes(PRESETS[name])) == count


def test_one_tensor_of_another_shape_is_named():
    shapes = expected_shapes(PRESETS["tiny"]) | {"no_obj_ptr": (1, 128)}
    with pytest.raises(CheckpointError, match=r"no_obj_ptr has the shape \(1, 128\) where SAM 2.1 tiny has \(1, 256\)"):
        detect_architecture(shapes)


def test_a_tensor_too_many_is_named():
    shapes = expected_shapes(PRESETS["small"]) | {"spatial_perceiver.latents": (1, 2)}
    with pytest.raises(CheckpointError, match=r"SAM 2.1 small has no spatial_perceiver.latents"):
        detect_architecture(shapes)


def test_half_of_the_tensors_of_2_1_is_neither_2_0_nor_2_1():
    shapes = expected_shapes(PRESETS["tiny"])
    del shapes["no_obj_embed_spatial"]
    with pytest.raises(CheckpointError, match=r"neither SAM 2.0 nor SAM 2.1.*no_obj_embed_spatial is missing"):
        detect_architecture(shapes)
