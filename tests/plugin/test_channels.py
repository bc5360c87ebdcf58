from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.plugin.recording_panel import IN_COLOUR
from napari_sam2_video.plugin.widgets import choose
from napari_sam2_video.types import ContrastWindow
from tests.plugin.conftest import N_FRAMES, SHAPE_YX, make_frames, spots


def two_channels():
    """The spots in channel 0 and, dimmer, upside down in channel 1, uint16 (T, C, Y, X)."""
    frames = make_frames().astype(np.uint16)
    return np.stack([frames * 10, frames[:, ::-1]], axis=1)


@pytest.fixture
def coloured(bench):
    here = bench(two_channels(), image={"name": "both", "axis_labels": ["t", "c", "y", "x"]})
    choose(here.widget.recording.channel_box, IN_COLOUR)
    here.spin()
    return here


def test_channels_in_colour_are_frozen_with_a_window_each(coloured):
    panel = coloured.widget.recording
    _, color, window = panel.channels_field.rows[1]
    color.setCurrentText("red")
    window.setText("10,150")
    window.editingFinished.emit()
    assert not panel.window_box.isVisible()
    coloured.start()
    first, second = coloured.session.view.settings.channels
    assert (first.color_name, second.color_name) == ("green", "red")
    assert first.window.source == "percentile"
    assert second.window == ContrastWindow(10, 150)
    frame = coloured.session.view.read(0)
    y, x = map(round, spots(0)[0])
    assert frame[y, x].tolist() == [0, 255, 0]
    assert frame[SHAPE_YX[0] - 1 - y, x].tolist() == [255, 0, 0]
    assert "10 to 150 in channel 1" in panel.about.text()
    assert panel.channel_box.currentText() == "0 green, 1 red"
    coloured.controller.go_to(0)
    coloured.click(*spots(0)[0])
    coloured.track()
    assert list(coloured.session.masks.frames_done(1)) == list(range(N_FRAMES))
    assert coloured.errors() == []


def test_what_is_wrong_with_the_channels_is_reported_before_a_session_starts(coloured):
    panel = coloured.widget.recording
    for seen, _, _ in panel.channels_field.rows:
        seen.setChecked(False)
    coloured.spin()
    assert "No channel is ticked" in panel.problem()
    panel.channels_field.rows[0][0].setChecked(True)
    coloured.spin()
    assert "needs two channels or more" in panel.problem()
    assert coloured.widget.guide.line.text() == panel.problem()
    panel.channels_field.rows[1][0].setChecked(True)
    coloured.spin()
    assert "press New object" in coloured.widget.guide.line.text()
    panel.channels_field.rows[1][2].setText("bright")
    assert "neither two numbers" in panel.problem()
    coloured.press(coloured.widget.objects.new_button)
    coloured.idle()
    assert coloured.session is None


def test_the_small_image_shows_what_the_model_sees(coloured):
    panel = coloured.widget.recording
    coloured.viewer.dims.set_point(0, 0)
    coloured.spin(lambda: not panel.seen._quiet.isActive())
    coloured.idle()
    image = panel.seen.pixmap().toImage()
    y, x = (round(part * image.height() / SHAPE_YX[0]) for part in spots(0)[0])
    pixel = image.pixelColor(x, y)
    assert pixel.green() > 200
    assert pixel.red() < 80


def test_layers_of_one_shape_are_seen_together_as_they_are_shown(bench):
    both = two_channels()
    here = bench(both[:, 0], image={"name": "nuclei", "colormap": "red", "contrast_limits": (100, 2000)})
    panel = here.widget.recording
    assert not panel.stack_button.isVisible()
    here.viewer.add_image(both[:, 1], name="membranes", colormap="green", contrast_limits=(10, 200))
    here.viewer.add_image(both[:2, 1], name="shorter")
    here.spin()
    assert panel.stack_button.text() == "See 2 layers in colour"
    here.press(panel.stack_button)
    assert panel.layer.name == "nuclei + membranes"
    here.start()
    channels = here.session.view.settings.channels
    assert [(one.channel, one.color, one.window.low, one.window.high) for one in channels] == [
        (0, (255, 0, 0), 100, 2000),
        (1, (0, 255, 0), 10, 200),
    ]
    y, x = map(round, spots(0)[0])
    assert here.session.view.read(0)[y, x].tolist() == [255, 0, 0]
    assert here.session.recording.axes == "CTYX"
    key, folder = here.session.view.key, here.session.folder
    here.controller.close_session()
    here.viewer.layers.remove(panel.layer)
    here.idle()
    here.widget.session.open(folder)
    here.idle()
    assert here.session is not None, here.told
    assert here.session.view.key == key
    assert here.controller.image.name == "nuclei + membranes"
    here.controller.go_to(3)
    here.spin()
    assert here.viewer.dims.current_step[-3] == 3, "the layers and their stack share the slider of time"


def test_what_can_be_seen_together_follows_the_data_and_the_place_of_every_layer(bench):
    here = bench(make_frames(), image={"name": "nuclei"})
    panel = here.widget.recording
    other = here.viewer.add_image(make_frames(), name="membranes")
    here.spin()
    assert panel.stack_button.text() == "See 2 layers in colour"
    for change, back in (
        (("data", make_frames(5)), ("data", make_frames())),
        (("scale", (1, 2, 2)), ("scale", (1, 1, 1))),
        (("translate", (0, 3, 0)), ("translate", (0, 0, 0))),
    ):
        setattr(other, *change)
        here.spin()
        assert panel.stack_button.isHidden(), change[0]
        setattr(other, *back)
        here.spin()
        assert not panel.stack_button.isHidden(), back[0]
    panel.layer.data = make_frames(4)
    here.spin()
    assert panel.axis_box.currentText().endswith("(4)")
    here.viewer.layers.remove(other)
    other.data = make_frames(3)
    here.spin()
    assert panel.stack_button.isHidden()


def test_an_image_may_get_data_with_fewer_axes_while_it_is_tracked(coloured):
    coloured.start()
    coloured.controller.image.data = two_channels()[:, 0]
    coloured.idle()
    assert coloured.session is None
    assert coloured.errors() == []
    assert len(coloured.widget.recording.choices().axes) == 3
