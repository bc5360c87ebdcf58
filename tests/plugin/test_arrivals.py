"""The layers of a session come one a turn of the event loop, and a session that is not wanted any more goes again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.plugin.conftest import make_frames
from tests.plugin.probe import Probe

pytestmark = pytest.mark.drawn

OWN = {"SAM 2 masks", "SAM 2 preview", "SAM 2 points", "SAM 2 shapes"}


@pytest.fixture
def ready(bench):
    return bench(make_frames(), image={"name": "spots"})


def at_first_own_layer(here, action):
    from qtpy.QtCore import QTimer

    def inserted(event):
        if event.value.name in OWN:
            here.viewer.layers.events.inserted.disconnect(inserted)
            QTimer.singleShot(0, action)

    here.viewer.layers.events.inserted.connect(inserted)


def test_the_window_gets_a_turn_between_two_layers(ready):
    from qtpy.QtCore import QTimer

    happened = []
    turn = QTimer()
    turn.timeout.connect(lambda: happened.append("turn"))
    turn.start(0)
    ready.viewer.layers.events.inserted.connect(lambda event: happened.append(event.value.name))
    with Probe() as probe:
        ready.start()
    turn.stop()
    print(probe.told("starting a session"))
    layers = [number for number, what in enumerate(happened) if what in OWN]
    assert {happened[number] for number in layers} == OWN
    assert all("turn" in happened[first:second] for first, second in pairwise(layers))
    assert ready.errors() == []


def test_an_image_removed_meanwhile_ends_the_session(ready):
    image = ready.viewer.layers["spots"]
    at_first_own_layer(ready, lambda: ready.viewer.layers.remove(image))
    ready.press(ready.widget.objects.new_button)
    ready.idle()
    assert ready.session is None
    assert len(ready.viewer.layers) == 0
    assert "everything is saved" in ready.told[-1][1]
    ready.viewer.add_image(make_frames())
    assert ready.start() == 1


def test_a_widget_closed_meanwhile_takes_everything_along(ready):
    at_first_own_layer(ready, ready.widget.close_down)
    ready.press(ready.widget.objects.new_button)
    ready.spin(lambda: ready.widget._closed)
    assert ready.controller.runner.join(10)
    assert [layer.name for layer in ready.viewer.layers] == ["spots"]


def test_a_layer_that_cannot_be_added_is_one_sentence(ready, monkeypatch):
    from napari_sam2_video.plugin import prompt_layers

    with monkeypatch.context() as broken:
        broken.setattr(prompt_layers.PromptLayers, "restoring", _broken)
        ready.press(ready.widget.objects.new_button)
        ready.idle()
    assert ready.session is None
    (sentence,) = ready.errors()
    assert "no room" in sentence
    assert [layer.name for layer in ready.viewer.layers] == ["spots"]
    assert ready.start() == 1


def _broken(_):
    raise OSError("no room")
    yield


def test_a_click_while_the_session_is_prepared_is_kept(ready, monkeypatch):
    import threading

    from napari_sam2_video.plugin.layer_source import LayerSource

    free, plain = threading.Event(), LayerSource.open

    def slow(source):
        assert free.wait(60)
        return plain(source)

    monkeypatch.setattr(LayerSource, "open", slow)
    ready.viewer.dims.set_current_step(0, 2)
    ready.press(ready.widget.objects.new_button)
    assert ready.widget.run_bar.bar.isVisible()
    ready.drag((2, 30, 40))
    free.set()
    ready.idle()
    ready.spin(lambda: ready.session is not None and ready.session.prompts())
    (prompt,) = ready.session.prompts()
    assert (prompt.object_id, prompt.frame) == (1, 2)
    assert abs(prompt.y - 30) <= 1
    assert abs(prompt.x - 40) <= 1
    assert ready.errors() == []
