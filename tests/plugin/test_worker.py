from __future__ import annotations

import threading
import time
import weakref

import pytest

from napari_sam2_video.errors import DeviceMemoryError, EngineError, PromptError
from napari_sam2_video.plugin.closing import close_all
from napari_sam2_video.plugin.tracking import TrackRun
from napari_sam2_video.plugin.worker import Job, TaskRunner
from napari_sam2_video.types import ModelSettings, TrackSettings


@pytest.fixture
def runner(qtbot):
    made = TaskRunner()
    yield made
    made.close()
    assert made.join(60)


def finish(qtbot, runner):
    qtbot.waitUntil(lambda: not runner.busy(), timeout=60_000)


def test_results_come_on_the_main_thread(qtbot, runner):
    threads = {}

    def work(job):
        threads["work"] = threading.current_thread()
        job.report(1)
        return 2

    seen = []
    job = Job("working", work, done=seen.append, reported=seen.append)
    job.finished = lambda: threads.setdefault("finished", threading.current_thread())
    runner.submit(job)
    finish(qtbot, runner)
    assert seen == [1, 2]
    assert threads["finished"] is threading.main_thread()
    assert threads["work"] is not threading.main_thread()


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (RuntimeError("boom"), EngineError),
        (RuntimeError("CUDA out of memory. Tried to allocate"), DeviceMemoryError),
        (MemoryError(), DeviceMemoryError),
        (PromptError("Click inside the image."), PromptError),
        (SystemExit(3), EngineError),
    ],
)
def test_whatever_is_raised_arrives_as_one_sentence(qtbot, runner, raised, expected):
    def work(_):
        raise raised

    failures = []
    runner.submit(Job("tracking", work, failed=failures.append))
    finish(qtbot, runner)
    (error,) = failures
    assert type(error) is expected
    assert str(error).endswith(".")


def test_a_newer_job_of_the_same_key_silences_the_older(qtbot, runner):
    begun, gate = threading.Event(), threading.Event()
    seen = []

    def slow(job):
        begun.set()
        gate.wait(60)
        return "old", job.stopping()

    runner.submit(Job("old", slow, done=seen.append, key="preview"))
    assert begun.wait(60)
    runner.submit(Job("dropped", lambda _: "middle", done=seen.append, key="preview"))
    runner.submit(Job("new", lambda _: "new", done=seen.append, key="preview"))
    gate.set()
    finish(qtbot, runner)
    assert seen == ["new"]


def test_closing_stops_the_job_and_runs_the_last_one(qtbot):
    runner = TaskRunner()
    order, begun, closed = [], threading.Event(), threading.Event()

    def long(job):
        begun.set()
        while not job.stopping():
            time.sleep(0.005)
        assert closed.wait(60)
        order.append("stopped")

    runner.submit(Job("long", long))
    runner.submit(Job("never", lambda _: order.append("never")))
    assert begun.wait(60)
    runner.close(lambda: order.append("last"))
    closed.set()
    assert runner.join(60)
    assert order == ["stopped", "last"]
    runner.submit(Job("late", lambda _: order.append("late")))
    assert order == ["stopped", "last"]


def test_a_run_whose_qt_object_is_gone_can_still_be_stopped(qtbot, runner):
    sip = pytest.importorskip("PyQt6.sip")
    begun = threading.Event()

    class Session:
        model_settings = ModelSettings()

        def track(self, settings, *, stop):
            begun.set()
            while not stop():
                time.sleep(0.005)
            yield from ()

    run = TrackRun(runner, Session())
    run.start(TrackSettings())
    assert begun.wait(20)
    job = run._job
    run.close()
    job.done = job.failed = lambda _: None
    sip.delete(run)
    close_all([run.stop], window_gone=True)
    assert job.stopping()
    finish(qtbot, runner)


def test_nothing_is_held_of_jobs_that_ended_when_the_runner_closed(qtbot):
    class Held:
        def work(self, _=None):
            return self

    runner, jobs = TaskRunner(), [Held(), Held(), Held()]
    held = [weakref.ref(job) for job in jobs]
    runner.submit(Job("working", jobs[0].work))
    runner.submit(Job("working", jobs[1].work), "other")
    runner.close(jobs[2].work)
    jobs.clear()
    assert runner.join(60)
    assert [reference() for reference in held] == [None] * 3
