from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.types import ScribblePrompt
from tests.plugin.conftest import N_FRAMES, spots


def stroke(bench, frame, *places):
    bench.drag(*(bench.world(frame, y, x) for y, x in places))


def test_a_stroke_becomes_a_scribble_with_few_points_that_stays_in_the_layer(at_work):
    at_work.key("Shift+E")
    assert at_work.widget.objects.prompting.armed == "scribble"
    stroke(at_work, 0, (16, 20), (18, 20), (20, 20), (22, 20), (24, 20))
    (scribble,) = at_work.session.prompts(1, 0)
    assert isinstance(scribble, ScribblePrompt)
    assert scribble.positive
    assert len(scribble.path) == 2, "points on one line were kept"
    assert np.allclose(scribble.path, [(16, 20), (24, 20)], atol=1)
    shapes = at_work.controller.prompts.shapes
    assert [str(kind) for kind in shapes.shape_type] == ["path"]
    at_work.idle()
    assert at_work.controller.preview.preview is not None
    assert "1 scribble" in at_work.widget.objects.here.text()
    at_work.track()
    assert list(at_work.session.masks.frames_done(1)) == list(range(N_FRAMES))
    at_work.key("Ctrl+Z")
    at_work.key("Ctrl+Z")
    assert at_work.session.prompts() == ()
    assert len(shapes.data) == 0
    assert at_work.errors() == []


def test_scribbles_beside_the_object_have_a_tool_and_the_same_switch(at_work):
    prompting = at_work.widget.objects.prompting
    at_work.press(prompting.tools["not_scribble"])
    stroke(at_work, 0, (40, 40), (44, 46))
    at_work.key("Q")
    assert prompting.armed == "scribble"
    stroke(at_work, 0, (18, 18), (22, 22))
    signs = {round(prompt.path[0][0]): prompt.positive for prompt in at_work.session.prompts(1, 0)}
    assert signs == {40: False, 18: True}
    colors = at_work.controller.prompts.shapes.edge_color
    assert not np.allclose(colors[0], colors[1])


def test_a_scribble_on_a_tracked_frame_corrects_it(at_work):
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.controller.go_to(4)
    at_work.press(at_work.widget.objects.tools["scribble"])
    y, x = spots(4)[1]
    stroke(at_work, 4, (y - 3, x), (y + 3, x))
    at_work.tracker.computed.clear()
    at_work.track()
    assert at_work.session.mask(1, 4)[round(y), round(x)]
    assert 5 in {frame for _, frame, _ in at_work.tracker.computed}


@pytest.mark.parametrize("drawn", [0, 1])
def test_an_outline_too_short_to_be_kept_leaves_no_colour(at_work, drawn):
    for _ in range(drawn):
        at_work.press(at_work.widget.objects.tools["scribble"])
        stroke(at_work, 0, (16, 20), (24, 20))
    shapes = at_work.controller.prompts.shapes
    at_work.viewer.layers.selection.active = shapes
    shapes.mode = "add_polygon"
    at_work.click(30, 30)
    assert shapes.nshapes == drawn + 1
    at_work.key("Escape")
    assert shapes.mode == "add_polygon", "napari's own tool stays in hand"
    assert shapes.nshapes == len(shapes.edge_color) == len(shapes.face_color) == len(shapes.features) == drawn
    at_work.viewer.dims.ndisplay = 3
    at_work.viewer.dims.ndisplay = 2
    assert at_work.errors() == []
