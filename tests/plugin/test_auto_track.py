from __future__ import annotations

import pytest

from tests.plugin.conftest import N_FRAMES, spots


@pytest.fixture
def tracked(at_work, settings):
    """An object that was tracked once, before corrections are tracked by themselves."""
    at_work.click(*spots(0)[0])
    at_work.track()
    at_work.settle()
    at_work.widget.objects.options.auto_box.setChecked(True)
    assert settings.interface.auto_track
    at_work.tracker.computed.clear()
    return at_work


def computed(bench):
    return {frame for _, frame, _ in bench.tracker.computed}


def test_a_correction_is_tracked_on_up_to_the_next_accepted_frame(tracked):
    tracked.session.accept(1, 6, 7)
    tracked.controller.deliver()
    tracked.controller.go_to(4)
    tracked.spin()
    tracked.click(*spots(4)[1])
    tracked.spin(lambda: 5 in computed(tracked))
    tracked.idle()
    assert not computed(tracked) & {6, 7}
    assert tracked.session.dirty() == ()
    assert tracked.errors() == []


def test_an_object_that_was_never_tracked_waits_for_the_button(tracked):
    tracked.key("N")
    tracked.click(*spots(0)[1])
    tracked.idle()
    assert not tracked.widget.auto_track._quiet.isActive()
    assert tracked.session.dirty() == (2,)


def test_a_new_prompt_stops_the_run_and_restarts_it(tracked):
    tracked.gate.hold(1)
    tracked.controller.go_to(2)
    tracked.spin()
    tracked.click(*spots(2)[1])
    tracked.spin(lambda: tracked.controller.running)
    tracked.click(*spots(2)[0])
    tracked.gate.release()
    tracked.spin(lambda: not tracked.controller.running and not tracked.widget.auto_track._wanted)
    tracked.spin(lambda: tracked.session.dirty() == ())
    tracked.idle()
    assert len(tracked.session.prompts(1, 2)) == 2
    assert {3, N_FRAMES - 1} <= computed(tracked)
    assert tracked.errors() == []


def test_nothing_runs_automatically_unless_wanted(tracked):
    tracked.widget.objects.options.auto_box.setChecked(False)
    tracked.controller.go_to(4)
    tracked.spin()
    tracked.click(*spots(4)[1])
    tracked.idle()
    assert tracked.session.dirty() == (1,)
    assert computed(tracked) == set()


def test_an_object_that_is_deleted_is_not_tracked_on(tracked):
    tracked.session.add_object()
    tracked.controller.deliver()
    tracked.controller.set_active(1)
    tracked.controller.actions.delete_objects()
    tracked.idle()
    assert tracked.controller.active == 2
    assert computed(tracked) == set()
    assert tracked.errors() == []
