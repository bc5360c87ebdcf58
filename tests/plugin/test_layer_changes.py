"""What a person does to layers behind the plugin's back: cut, copied, changed, moved, renamed, removed."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import tifffile

from napari_sam2_video.plugin.reader import open_as_layers
from napari_sam2_video.types import PointPrompt
from tests.plugin.conftest import make_frames, spots

pytestmark = pytest.mark.drawn


@pytest.fixture
def lazy(tmp_path):
    """Data and arguments of a TIFF file that is read lazily; the file has to stay open for it."""
    file = tmp_path / "spots.tif"
    tifffile.imwrite(file, make_frames(), metadata={"axes": "TYX"})

    def made():
        ((data, arguments, _),) = open_as_layers(str(file))
        return data, arguments

    return made


def test_a_cut_or_copy_of_lazy_data_is_read_after_the_whole_is_gone(lazy):
    data, arguments = lazy()
    recording = arguments["metadata"]["napari-sam2-video"]["recording"]
    part = data[3:5]
    del data
    gc.collect()
    assert np.array_equal(np.asarray(part), make_frames()[3:5])
    del part
    gc.collect()
    assert recording.closed


def test_points_that_are_hidden_go_with_their_object(at_work):
    for y, x in (*spots(0), (10, 60)):
        at_work.click(y, x)
        at_work.idle()
    points = at_work.controller.prompts.points
    assert len(points.data) == 3
    points.visible = False
    at_work.controller.actions.new_object()
    at_work.controller.session.add_prompt(PointPrompt(2, 0, 40, 40))
    at_work.controller.perform()
    at_work.session.remove_objects([1])
    at_work.controller.deliver()
    points.visible = True
    assert [int(owner) for owner in points.features["object"]] == [2]
    assert len(points._view_data) == 1


def test_what_was_cut_out_of_a_recording_is_what_is_tracked(bench, lazy):
    data, arguments = lazy()
    here = bench(data, image=arguments)
    image = here.viewer.layers[0]
    del data
    image.data = image.data[3:7]
    gc.collect()
    here.start()
    assert here.session.n_frames == 4
    assert np.array_equal(here.session.recording.read({"T": 0}), make_frames()[3])
    assert here.errors() == []


def test_a_layer_with_data_that_its_file_does_not_hold_is_tracked_as_it_is(bench, tmp_path):
    file = tmp_path / "spots.tif"
    tifffile.imwrite(file, make_frames(), metadata={"axes": "TYX"})
    here = bench()
    (image,) = here.viewer.open(file, plugin="napari")
    here.start()
    assert here.session.recording.path == file
    here.controller.close_session()
    here.idle()
    image.data = 255 - image.data
    here.start()
    assert np.array_equal(here.session.recording.read({"T": 2}), 255 - make_frames()[2])


def test_an_image_that_is_moved_takes_the_session_along(at_work):
    controller = at_work.controller
    controller.image.scale = (2, 0.5, 0.5)
    controller.image.translate = (1, 40, -7)
    at_work.spin()
    controller.go_to(3)
    at_work.spin()
    assert controller.frame == 3
    at_work.viewer.reset_view()
    at_work.spin()
    at_work.click(*spots(3)[0])
    (prompt,) = at_work.session.prompts()
    assert prompt.frame == 3
    assert np.allclose((prompt.y, prompt.x), spots(3)[0], atol=1)
    assert np.allclose(controller.masks.masks.translate, (1, 40, -7))
    controller.close_session()
    at_work.viewer.layers[0].scale = (1, 1, 1)
    assert at_work.errors() == []


def test_new_names_of_layers_are_offered(bench):
    here = bench(make_frames(), image={"name": "old"})
    here.viewer.add_labels(np.zeros(make_frames().shape, np.uint8), name="seeds")
    here.viewer.layers["old"].name = "new"
    here.viewer.layers["seeds"].name = "nuclei"
    assert here.widget.recording.layer_box.currentText() == "new"
    assert here.widget.objects.seeds_box.currentText() == "nuclei"


def test_a_tool_brings_back_the_layers_that_it_needs(at_work):
    controller, tools = at_work.controller, at_work.widget.objects.tools
    at_work.viewer.layers.remove(controller.masks.preview)
    at_work.press(tools["point"])
    assert controller.masks.preview in at_work.viewer.layers
    at_work.viewer.layers.remove(controller.masks.masks)
    at_work.spin()
    at_work.press(tools["point"])
    assert controller.masks.masks is None
    at_work.press(tools["paint"])
    assert controller.masks.masks in at_work.viewer.layers
    assert at_work.viewer.layers.selection.active is controller.masks.masks


def test_no_tool_is_shown_as_armed_where_another_layer_is_selected(at_work):
    tools = at_work.widget.objects.tools
    at_work.press(tools["box"])
    assert tools["box"].isChecked()
    at_work.viewer.layers.selection.active = at_work.controller.image
    assert not any(tool.isChecked() for tool in tools.values())


def test_layers_are_taken_off_while_the_canvas_is_current(at_work):
    """Else napari frees buffers of another canvas, and crashes when it draws next."""
    from qtpy.QtGui import QOpenGLContext

    native = at_work.viewer.window._qt_viewer.canvas.native
    current = []
    at_work.viewer.layers.events.removing.connect(lambda _: current.append(QOpenGLContext.currentContext()))
    native.doneCurrent()
    at_work.controller.close_session()
    assert current == [native.context()] * 4


def test_tools_that_draw_in_two_dimensions_say_so_in_three(at_work):
    at_work.viewer.dims.ndisplay = 3
    at_work.spin()
    box = at_work.widget.objects.tools["box"]
    at_work.press(box)
    assert not box.isChecked()
    assert "three dimensions" in at_work.told[-1][1]
    at_work.viewer.dims.ndisplay = 2
    at_work.press(box)
    assert box.isChecked()


def test_a_polygon_is_reported_and_is_a_step_of_its_own(at_work):
    layer = at_work.controller.masks.masks
    layer.paint_polygon([(0, 40, 10), (0, 40, 40), (0, 60, 40), (0, 60, 10)], 1)
    at_work.spin()
    at_work.settle()
    assert at_work.widget.run_bar.track_button.isEnabled()
    painted = np.count_nonzero(at_work.session.labels[0])
    at_work.press(at_work.widget.objects.tools["erase"])
    at_work.click(50, 25)
    assert 0 < np.count_nonzero(at_work.session.labels[0]) < painted
    at_work.press(at_work.widget.session.undo_button)
    assert np.count_nonzero(at_work.session.labels[0]) == painted


def test_undo_is_the_sessions_on_each_of_its_layers(at_work):
    controller = at_work.controller
    for layer in (controller.masks.preview, controller.masks.masks, controller.prompts.shapes):
        number = controller.actions.new_object()
        at_work.viewer.layers.selection.active = layer
        at_work.key("Ctrl+Z")
        assert number not in {entry.id for entry in at_work.session.objects}


def test_an_image_with_other_data_closes_its_session(at_work):
    at_work.click(20, 20)
    at_work.track()
    image, folder = at_work.controller.image, at_work.session.folder
    image.data = image.data[2:]
    at_work.spin()
    assert at_work.session is None
    assert at_work.viewer.layers == [image]
    assert "given different data" in at_work.told[-1][1]
    assert folder.is_dir()


def test_a_layer_that_anybody_removes_is_freed_on_the_canvas_that_drew_it(at_work):
    from qtpy.QtGui import QOpenGLContext

    native = at_work.viewer.window._qt_viewer.canvas.native
    current = []
    at_work.viewer.layers.events.removing.connect(
        lambda _: current.append(QOpenGLContext.currentContext() is native.context())
    )
    while at_work.viewer.layers:
        native.doneCurrent()
        at_work.viewer.layers.remove(at_work.viewer.layers[-1])
    at_work.spin()
    assert len(current) >= 5
    assert all(current)
