from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.plugin import hover as hover_module
from tests.plugin.conftest import make_frames, spots


@pytest.fixture
def hovering(bench, settings):
    settings.interface.hover_preview = "on"
    here = bench(make_frames(), image={"name": "spots"})
    here.start()
    here.controller.go_to(0)
    here.spin()
    return here


def shown(bench):
    return np.asarray(bench.controller.masks.preview.data[bench.controller.frame])


def until_shown(bench):
    bench.spin(lambda: bench.controller.hover.shown)


def test_the_mask_under_the_mouse_is_shown_and_nothing_is_kept(hovering):
    hovering.move(20, 20)
    until_shown(hovering)
    first = shown(hovering).copy()
    assert first[20, :20].any()
    assert not first[20, 20]
    hovering.move(44, 60)
    hovering.spin(lambda: shown(hovering)[44, :60].any())
    assert not np.array_equal(first, shown(hovering))
    assert hovering.session.prompts() == ()
    hovering.key("Escape")
    assert not shown(hovering).any()
    hovering.move(20, 20)
    hovering.idle()
    assert not shown(hovering).any(), "no tool was in hand"
    assert hovering.errors() == []


def test_candidates_are_gone_through_at_the_mouse(hovering):
    hovering.move(20, 20)
    until_shown(hovering)
    first = shown(hovering).copy()
    hovering.key("K")
    assert not np.array_equal(first, shown(hovering))
    for _ in range(len(hovering.controller.hover._outlines) - 1):
        hovering.key("K")
    assert np.array_equal(first, shown(hovering))


def test_after_the_click_the_preview_is_that_of_the_click(hovering):
    hovering.move(20, 20)
    until_shown(hovering)
    hovering.click(*spots(0)[0])
    hovering.idle()
    assert not hovering.controller.hover.shown
    assert hovering.controller.preview.preview is not None
    of_click = shown(hovering).copy()
    assert of_click.any()
    hovering.move(44, 60)
    hovering.idle()
    assert np.array_equal(of_click, shown(hovering))
    hovering.track()
    hovering.controller.go_to(3)
    hovering.move(44, 60)
    hovering.idle()
    assert not hovering.controller.hover.shown, "the object is on this frame already"


def test_the_candidate_chosen_under_the_mouse_is_that_of_the_click(hovering):
    for (y, x), frame, turns in ((spots(0)[0], 0, 1), (spots(2)[1], 2, 2)):
        hovering.controller.go_to(frame)
        hovering.move(y, x)
        until_shown(hovering)
        for _ in range(turns):
            hovering.key("K")
        chosen = shown(hovering).copy()
        hovering.click(y, x)
        hovering.idle()
        preview = hovering.controller.preview
        assert not hovering.controller.hover.shown
        best, count = preview.preview.best, len(preview.preview.candidates)
        assert preview.chosen == (best + turns) % count != best
        edges = [np.argwhere(seen).min(axis=0) for seen in (shown(hovering), chosen)]
        assert np.abs(edges[0] - edges[1]).max() <= 1, "another outline is shown"
    hovering.click(y + 3, x)
    hovering.idle()
    assert preview.chosen == preview.preview.best, "it was chosen for the click before"


def test_what_comes_back_for_another_frame_is_dropped(hovering):
    hovering.move(20, 20)
    hovering.spin(lambda: hovering.controller.hover._asked is not None)
    hovering.controller.go_to(2)
    hovering.idle()
    assert not hovering.controller.hover.shown
    assert not shown(hovering).any()


@pytest.mark.parametrize(("seconds", "on"), [(0.01, True), (2.0, False)])
def test_the_measured_time_decides_unless_the_person_does(hovering, settings, monkeypatch, seconds, on):
    settings.interface.hover_preview = "auto"
    clock = iter(range(10**6))
    monkeypatch.setattr(hover_module, "perf_counter", lambda: next(clock) * seconds)
    hovering.move(20, 20)
    hovering.spin(lambda: hovering.controller.hover.seconds is not None)
    hovering.idle()
    assert hovering.controller.hover.seconds == pytest.approx(seconds)
    assert hovering.controller.hover.shown == on
    box = hovering.widget.objects.options.hover_box
    assert box.isChecked() == on
    assert ("too slow" in box.toolTip()) == (not on)
    box.click()
    assert settings.interface.hover_preview == ("off" if on else "on")
    hovering.move(44, 60)
    if on:
        assert not hovering.controller.hover._rest.isActive(), "a preview was asked for"
    else:
        until_shown(hovering)
