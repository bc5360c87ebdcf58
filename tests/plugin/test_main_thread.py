"""Nothing that can take long runs on the main thread."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from napari_sam2_video import devices
from napari_sam2_video.export import registry
from napari_sam2_video.plugin import garbage, session_summary
from napari_sam2_video.plugin.session_summary import SummaryUpdater
from napari_sam2_video.plugin.summarizer import SessionSummary, Summarizer
from napari_sam2_video.session import Session
from tests.fakes import FakeTracker
from tests.plugin.conftest import make_frames, spots


def test_slow_things_run_in_the_background(bench, monkeypatch, tmp_path):
    where: dict[str, set[bool]] = {}

    def watch(owner, name):
        plain = getattr(owner, name)

        def watched(*args, **kwargs):
            where.setdefault(name, set()).add(threading.current_thread() is threading.main_thread())
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for name in ("preview", "condition", "_step"):
        watch(FakeTracker, name)
    watch(Session, "create")
    watch(Session, "close")
    watch(Summarizer, "summarize")
    watch(registry, "export")
    watch(devices, "probe_devices")
    here = bench(make_frames())
    here.start()
    assert garbage.held() == 1
    here.controller.go_to(0)
    here.spin()
    here.click(*spots(0)[0])
    here.idle()
    here.track()
    here.widget.sections["model"].set_expanded(True)
    here.widget.sections["export"].set_expanded(True)
    here.widget.export.export(tmp_path / "labels.ome.tif")
    here.idle()
    here.controller.close_session()
    here.idle()
    assert garbage.held() == 0
    assert where == {
        name: {False}
        for name in ("preview", "condition", "_step", "create", "close", "summarize", "export", "probe_devices")
    }


@pytest.mark.parametrize(("before", "acts"), [(0, ["freeze", "freeze", "unfreeze"]), (7, [])])
def test_what_is_there_while_a_session_is_shown_is_not_searched_for_garbage(monkeypatch, before, acts):
    done: list[str] = []
    python = SimpleNamespace(
        get_freeze_count=lambda: before,
        freeze=lambda: done.append("freeze"),
        unfreeze=lambda: done.append("unfreeze"),
    )
    monkeypatch.setattr(garbage, "gc", python)
    garbage.hold()
    garbage.hold()
    garbage.release()
    assert "unfreeze" not in done
    garbage.release()
    assert done == acts


def test_a_run_is_not_slowed_down_by_summaries_that_take_long(at_work, monkeypatch):
    summary = at_work.controller.view.summary
    summary.gather()
    at_work.idle()
    monkeypatch.setattr(Session, "running", property(lambda _: True))
    summary._took = 100.0
    summary.update()
    assert summary._later.interval() > 1000 * summary._took
    assert not summary.fresh
    summary._later.stop()


def test_a_summary_that_takes_long_is_finished_while_a_run_changes_objects(qapp, monkeypatch):
    clock, takes = [0.0], [10.0, 3.0]

    class Slow:
        def __init__(self, _):
            pass

        def summarize(self, _):
            clock[0] += takes.pop(0)
            return SessionSummary()

    monkeypatch.setattr(session_summary, "Summarizer", Slow)
    monkeypatch.setattr(session_summary, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    jobs = []
    session = SimpleNamespace(running=False)
    summary = SummaryUpdater(SimpleNamespace(submit=lambda job, _: jobs.append(job)), session)
    summary.update()
    session.running = True
    summary.update()
    assert len(jobs) == 1
    jobs[0].done(jobs[0].work(jobs[0]))
    # All objects were computed before the run, which does not delay the first summary in it.
    summary.update()
    assert len(jobs) == 2
    clock[0] += 2
    summary.update()
    summary._later.timeout.emit()
    assert len(jobs) == 2
    assert summary._later.isActive()
    jobs[1].done(jobs[1].work(jobs[1]))
    summary._later.stop()
    summary.update()
    assert len(jobs) == 2
    assert summary._later.interval() == 1000 * (3 / 0.2 - 5) + 1
    session.running = False
    summary._later.timeout.emit()
    assert len(jobs) == 3
    assert not summary._later.isActive()
