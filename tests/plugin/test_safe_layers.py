"""The plugin's layers are safe from the person, and the person's layers from the plugin."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from napari.layers import Labels, Points

from napari_sam2_video.plugin.own_layers import own_layers
from napari_sam2_video.plugin.settings import PLUGIN
from tests.plugin.conftest import make_frames, spots

pytestmark = pytest.mark.drawn


def session_layers(here):
    view = here.controller.view
    return [view.masks.masks, view.masks.preview, view.prompts.points, view.prompts.shapes]


@pytest.mark.skipif(not hasattr(Labels, "locked"), reason="this napari has no lock for layers")
def test_the_delete_key_leaves_the_layers_of_the_session(at_work):
    own, layers = session_layers(at_work), at_work.viewer.layers
    note = at_work.viewer.add_points(name="my note")
    layers.selection = {*own, note}
    layers.remove_selected()
    at_work.spin()
    assert all(layer in layers for layer in own)
    assert note not in layers
    own[0].locked = False
    layers.selection = {own[0]}
    layers.remove_selected()
    at_work.spin()
    assert own[0] not in layers
    at_work.press(at_work.widget.objects.restore_button)
    assert session_layers(at_work)[0] in layers
    at_work.controller.close_session()
    at_work.idle()
    assert not [layer for layer in layers if layer.metadata]


def rename(here):
    for number, layer in enumerate(here.viewer.layers):
        layer.name = f"layer {number}"


def reorder(here):
    layers = here.viewer.layers
    for _ in range(len(layers)):
        layers.move(len(layers) - 1, 0)
    layers.move(0, len(layers))


def hide(here):
    for layer in here.viewer.layers:
        layer.visible = False
    for layer in here.viewer.layers:
        layer.visible = True


def grid(here):
    canvas = here.viewer.canvas if hasattr(here.viewer, "canvas") else here.viewer
    canvas.grid.enabled = True
    here.spin()
    canvas.grid.enabled = False


def volume(here):
    here.viewer.dims.ndisplay = 3
    here.spin()
    here.viewer.dims.ndisplay = 2


def theme(here):
    for name in ("light", "dark"):
        here.viewer.theme = name
        here.spin()


@pytest.mark.parametrize("change", [rename, reorder, hide, grid, volume, theme])
def test_the_session_continues_whatever_is_done_to_the_view(at_work, change):
    own = session_layers(at_work)
    at_work.click(*spots(0)[0])
    change(at_work)
    at_work.spin()
    at_work.controller.go_to(0)
    at_work.press(at_work.widget.objects.new_button)
    at_work.viewer.reset_view()
    at_work.spin()
    at_work.click(*spots(0)[1])
    at_work.track()
    assert session_layers(at_work) == own
    assert at_work.errors() == []
    for number in (1, 2):
        y, x = (round(value) for value in spots(7)[number - 1])
        assert at_work.session.mask(number, 7)[y, x]
    at_work.controller.go_to(7)
    at_work.spin()
    assert np.array_equal(own[0]._slice.image.raw, at_work.session.labels[7])


def test_layers_of_the_person_stay_as_they_are(bench):
    """Also those with the very names that the plugin gives to its own."""
    here = bench(make_frames())
    mine = [
        here.viewer.add_layer(Labels(np.ones((8, 64, 80), np.uint8), name=name))
        for name in ("SAM 2 masks", "SAM 2 preview", "SAM 2 proposals")
    ]
    mine += [here.viewer.add_layer(Points([[0, 3, 4]], ndim=3, name=name)) for name in ("SAM 2 points", "SAM 2 tracks")]
    mine.append(here.viewer.add_shapes(name="SAM 2 cutting line", ndim=3))
    before = [(layer.name, layer.visible, layer.opacity, np.array(layer.data, copy=True)) for layer in mine]
    here.start()
    here.controller.go_to(0)
    here.viewer.layers.selection.active = here.controller.prompts.points
    here.click(*spots(0)[0])
    here.track()
    here.widget.sections["measurements"].set_expanded(True)
    here.spin()
    here.press(here.widget.measurements.measure_button)
    here.idle()
    for _ in range(2):
        here.press(here.widget.measurements.tracks_button)
    assert len(own_layers(here.viewer, "tracks")) == 1
    here.controller.close_session()
    here.idle()
    assert all(layer in here.viewer.layers for layer in mine)
    for layer, (name, visible, opacity, data) in zip(mine, before, strict=True):
        assert (layer.name, layer.visible, layer.opacity) == (name, visible, opacity)
        assert np.array_equal(np.asarray(layer.data), data)


def test_sessions_that_were_closed_are_let_go(at_work):
    """napari keeps removed layers in memory: none of them may hold a session with its masks."""
    gone = []
    for _ in range(3):
        at_work.click(*spots(0)[0])
        gone.append(weakref.ref(at_work.session))
        at_work.controller.close_session()
        at_work.idle()
        at_work.start()
        at_work.controller.go_to(0)
        at_work.spin()
    gc.collect()
    assert [session() for session in gone] == [None] * 3


def test_a_copy_that_a_person_makes_of_a_layer_is_the_persons_own(at_work):
    from napari.layers._layer_actions import _duplicate_layer

    at_work.click(*spots(0)[0])
    at_work.track()
    masks = at_work.controller.masks.masks
    at_work.viewer.layers.selection = {masks}
    _duplicate_layer(at_work.viewer.layers)
    copy = at_work.viewer.layers["SAM 2 masks copy"]
    before = np.array(masks.data[7])
    assert before.any()
    at_work.controller.actions.undo()
    assert not np.asarray(masks.data[7]).any()
    assert np.array_equal(copy.data[7], before)
    assert own_layers(at_work.viewer, masks.metadata[PLUGIN]) == [masks]
    at_work.controller.close_session()
    at_work.spin()
    assert copy in at_work.viewer.layers
    assert at_work.errors() == []
