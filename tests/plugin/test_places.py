"""Prompts land where the person clicked, whatever the layer's place in the world and the order of its axes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.plugin.widgets import choose
from tests.plugin.conftest import make_frames, spots

TURN = np.deg2rad(20)
AFFINE = np.array(
    [[1, 0, 0, 0], [0, np.cos(TURN), -np.sin(TURN), 5], [0, np.sin(TURN), np.cos(TURN), -3], [0, 0, 0, 1]]
)
PLACES = {
    "scale": {"scale": (1, 0.5, 0.5)},
    "anisotropic": {"scale": (2, 0.5, 0.8)},
    "translate": {"translate": (3, 100, -40)},
    "affine": {"affine": AFFINE},
}


def check_point(here, frame, y, x):
    (prompt,) = here.session.prompts(here.controller.active, frame)
    assert prompt.frame == frame
    assert abs(prompt.y - y) <= 1
    assert abs(prompt.x - x) <= 1


def check_masks(here, frame, y, x):
    """The mask lies on the spot, in the session and in the world."""
    assert here.session.labels[frame][round(y), round(x)] == here.controller.active
    layer = here.controller.masks.masks
    world = here.world(frame, round(y), round(x))
    index = tuple(np.round(layer.world_to_data(world)).astype(int))
    assert np.asarray(layer.data[index]) == here.controller.active


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_layer_placed_in_the_world(bench, place):
    here = bench(make_frames(), image=place)
    here.start()
    here.controller.go_to(2)
    here.spin()
    assert here.controller.frame == 2
    here.click(*spots(2)[0])
    check_point(here, 2, *spots(2)[0])
    here.track()
    check_masks(here, 5, *spots(5)[0])
    here.press(here.widget.objects.tools["paint"])
    here.click(50, 20)
    assert here.session.masks.object_mask(2, 1)[50, 20]
    assert here.errors() == []


def test_transposed_dims_walk_another_axis(bench):
    data = np.moveaxis(make_frames(), 0, 1).copy()
    here = bench(data)
    here.viewer.dims.order = (1, 0, 2)
    here.spin()
    assert here.widget.recording.choices().axis == "Y"
    here.start()
    assert here.session.n_frames == data.shape[1]
    assert here.session.shape_yx == (data.shape[0], data.shape[2])
    here.controller.go_to(2)
    here.spin()
    here.click(*spots(2)[0])
    check_point(here, 2, *spots(2)[0])
    here.track()
    check_masks(here, 5, *spots(5)[0])


def test_the_plane_of_the_session_is_shown(bench):
    here = bench(np.moveaxis(make_frames(), 0, 1).copy())
    panel = here.widget.recording
    choose(panel.axis_box, ("Y", "TYX"))
    here.start()
    assert tuple(here.viewer.dims.displayed) == (0, 2)
    here.controller.go_to(2)
    here.spin()
    here.click(*spots(2)[0])
    check_point(here, 2, *spots(2)[0])
    folder, image = here.session.folder, here.controller.image
    here.controller.close_session()
    here.viewer.dims.order = (0, 1, 2)
    here.controller.open_session(folder, image)
    here.idle()
    assert tuple(here.viewer.dims.displayed) == (0, 2)
    assert here.errors() == []


def test_swapped_axes_of_the_plane(bench):
    here = bench(make_frames())
    here.viewer.dims.order = (0, 2, 1)
    here.spin()
    here.start()
    here.controller.go_to(1)
    here.spin()
    here.click(*spots(1)[1])
    check_point(here, 1, *spots(1)[1])
    here.press(here.widget.objects.tools["paint"])
    here.click(50, 20)
    assert here.session.masks.object_mask(1, 1)[50, 20]


def test_time_and_depth_and_channels(bench):
    frames = make_frames()
    data = np.zeros((8, 2, 3, 64, 80), np.uint8)
    data[:, 1, 2] = frames
    here = bench(data, image={"axis_labels": ("t", "c", "z", "y", "x")})
    here.viewer.dims.set_point((0, 1, 2), (0, 1, 2))
    here.spin()
    here.start()
    view = here.session.view.settings
    assert (view.axis, view.channel, dict(view.at)) == ("T", 1, {"Z": 2})
    here.click(*spots(0)[0])
    check_point(here, 0, *spots(0)[0])
    here.track()
    check_masks(here, 5, *spots(5)[0])
    here.viewer.dims.set_point(2, 0)
    here.spin()
    shown = np.asarray(here.controller.masks.masks.data[5, 1, 0])
    assert not shown.any()
    here.widget.objects.prompting.arm("point")
    world = np.array(here.world(0, 30, 30))
    world[2] = 0
    here.drag(world)
    assert len(here.session.prompts()) == 1
    assert any("Z = 2" in sentence for sentence in here.errors())


def test_prompts_are_seen_on_every_channel(bench):
    frames = make_frames()
    here = bench(np.stack([255 - frames, frames], axis=1), image={"axis_labels": ("t", "c", "y", "x")})
    here.viewer.dims.set_point((0, 1), (0, 1))
    here.spin()
    here.start()
    here.click(*spots(0)[0])
    here.press(here.widget.objects.tools["box"])
    here.drag(*(here.world(0, *corner) for corner in ((12, 12), (20, 20), (28, 28))))
    assert len(here.session.prompts()) == 2
    for channel in (1, 0):
        here.viewer.dims.set_point(1, channel)
        here.spin()
        assert [point[1] for point in here.controller.prompts.points.data] == [channel]
        assert {corner[1] for corner in here.controller.prompts.shapes.data[0]} == {channel}
    assert here.session.view.settings.channel == 1
    here.track()
    here.press(here.widget.measurements.measure_button)
    here.idle()
    here.press(here.widget.measurements.tracks_button)
    assert set(here.viewer.layers["SAM 2 tracks"].data[:, 2]) == {1}
    assert here.errors() == []


def test_colour_and_multiscale(bench):
    frames = make_frames()
    colour = np.stack([frames] * 3, axis=-1)
    here = bench(colour, image={"rgb": True})
    here.start()
    here.controller.go_to(0)
    here.spin()
    here.click(*spots(0)[0])
    here.track()
    check_masks(here, 5, *spots(5)[0])
    assert here.session.recording.axes == "TYXS"


@pytest.mark.parametrize("kind", [np.uint16, np.float32])
def test_colour_of_more_than_8_bits_is_seen_as_it_is_shown(bench, kind):
    frames = make_frames().astype(kind) * 100
    here = bench(np.stack([frames, frames // 2, frames // 4], axis=-1), image={"rgb": True})
    here.start()
    window, limits = here.session.view.settings.window, here.controller.image.contrast_limits
    assert (window.low, window.high) == tuple(limits)
    red, green, blue = here.session.view.read(0)[20, 20].astype(float)
    assert red == 255
    assert green / red == pytest.approx(0.5, abs=0.03)
    assert blue / red == pytest.approx(0.25, abs=0.03)


def test_one_frame_is_a_single_image(bench):
    here = bench(make_frames()[:1], image={"name": "one"})
    assert here.widget.recording.axis_box.currentText() == "A single image"
    here.start()
    assert here.session.n_frames == 1
    here.click(*spots(0)[1])
    check_point(here, 0, *spots(0)[1])
    here.track()
    check_masks(here, 0, *spots(0)[1])


def test_multiscale_tracks_level_zero(bench):
    frames = make_frames()
    here = bench([frames, frames[:, ::2, ::2]], image={"multiscale": True})
    here.start()
    here.controller.go_to(0)
    here.spin()
    assert here.session.shape_yx == (64, 80)
    here.click(*spots(0)[1])
    check_point(here, 0, *spots(0)[1])


def test_lazy_arrays(bench):
    import dask.array as da

    here = bench(da.from_array(make_frames(), chunks=(1, -1, -1)))
    here.start()
    here.controller.go_to(0)
    here.spin()
    here.click(*spots(0)[0])
    here.track()
    check_masks(here, 5, *spots(5)[0])


def test_the_window_shown_is_frozen(bench):
    here = bench(make_frames().astype(np.uint16) * 10)
    image = here.viewer.layers[0]
    image.contrast_limits = (50, 1500)
    here.spin()
    here.start()
    image.contrast_limits = (0, 100)
    window = here.session.view.settings.window
    assert (window.low, window.high, window.source) == (50, 1500, "layer")
    assert "50 to 1500" in here.widget.recording.about.text()
    panel = here.widget.recording
    assert panel.window_box.currentText() == "Frozen (50 to 1500)"
    here.viewer.dims.roll()
    here.spin()
    assert panel.axis_box.currentText() == "T · time (8)"
    here.controller.close_session()
    assert panel.window_box.currentText() == "As shown (0 to 100)"


def test_frames_of_unnamed_axes_are_time_or_depth_as_the_person_says(bench):
    here = bench(make_frames())
    choose(here.widget.recording.axis_box, ("Z", "ZYX"))
    here.start()
    assert here.session.recording.axes == "ZYX"
    assert here.session.view.settings.axis == "Z"
