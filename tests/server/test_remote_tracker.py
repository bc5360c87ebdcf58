"""A tracker on a server gives what one on this machine gives."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.plan import Pass, Plan
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.errors import EngineError, FrameError
from napari_sam2_video.server.client import open_remote
from napari_sam2_video.server.served_frames import ServedFrames
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ModelSettings, PointPrompt
from tests.server.conftest import Scene

CLICK = [PointPrompt(1, 2, 30, 34)]
PLAN = Plan((Pass(1, "forward", 2, 7), Pass(1, "backward", 2, 0)), 8)


@pytest.fixture
def remote(server, tmp_path):
    made = []

    def make(scene=None, folder=None, url=None):
        memory = tmp_path / (folder or f"memory {len(made)}")
        memory.mkdir(exist_ok=True)
        made.append(open_remote(url or server.url, ModelSettings("demo"), scene or Scene(), memory))
        return made[-1]

    yield make
    for one in made:
        one.close()


def same(ours, theirs):
    assert [m.object_id for m in ours] == [m.object_id for m in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.origin_yx == other.origin_yx
        np.testing.assert_array_equal(one.levels, other.levels)
        assert (one.object_score, one.predicted_iou, one.prompted) == (
            other.object_score,
            other.predicted_iou,
            other.prompted,
        )


def test_preview_condition_and_run_equal_those_on_this_machine(network, remote, tmp_path):
    here, there = Tracker(network, Scene(), MemoryStore(tmp_path / "here"), window="auto"), remote()
    mask = np.zeros(Scene().shape_yx, bool)
    mask[20:40, 24:44] = True
    for prompts in (CLICK, [BoxPrompt(1, 2, 16, 20, 44, 48)], [MaskPrompt(1, 2, mask)]):
        ours, theirs = here.preview(1, 2, prompts), there.preview(1, 2, prompts)
        assert ours.best == theirs.best
        same(ours.candidates, theirs.candidates)
    same([here.condition(1, 2, CLICK)], [there.condition(1, 2, CLICK)])
    ours, theirs = list(here.run(PLAN)), list(there.run(PLAN))
    assert [(m.frame, m.direction) for m in ours] == [(m.frame, m.direction) for m in theirs]
    for one, other in zip(ours, theirs, strict=True):
        same(one.objects, other.objects)
    tracked = np.array([-1, -1, 0, 1, 1, 1, 1, 1], np.int8)
    correction = [PointPrompt(1, 5, 40, 30, positive=False)]
    same(
        here.preview(1, 5, correction, tracked=tracked).candidates,
        there.preview(1, 5, correction, tracked=tracked).candidates,
    )


def test_each_frame_is_sent_once(remote):
    scene = Scene()
    there = remote(scene)
    there.condition(1, 2, CLICK)
    list(there.run(PLAN))
    first = list(scene.reads)
    list(there.run(PLAN))
    assert scene.reads == first
    assert set(first) == set(range(8))


def test_frames_are_sent_ahead_of_a_run_and_none_beyond_it(remote, server):
    scene = Scene(40)
    there = remote(scene)
    there.condition(1, 2, CLICK)
    list(there.run(Plan((Pass(1, "forward", 2, 20),), 40)))
    assert sorted(scene.reads) == list(range(2, 21))
    (lease,) = server.leases._leases.values()
    assert lease.frames.nbytes == 19 * 60 * 72


def test_few_frames_are_kept_where_they_are_large():
    frames = ServedFrames(100, (3000, 4000), "large", 1.0)
    for t in range(8):
        frames.put(t, np.broadcast_to(np.uint8(t), (3000, 4000, 1)))
    assert frames.nbytes == 3 * 3000 * 4000
    assert frames.read(7)[0, 0].tolist() == [7, 7, 7]


def test_what_a_frame_costs_is_measured_on_the_server(network, remote, tmp_path):
    here, there = Tracker(network, Scene(), MemoryStore(tmp_path / "here"), window="auto"), remote()
    ours, shown = here.costs([CLICK])
    theirs, seen = there.costs([CLICK])
    same([shown], [seen])
    measured = {"embed_seconds", "step_seconds", "memory_bytes", "device", "cache_bytes"}
    for field in fields(ours):
        if field.name not in measured:
            assert getattr(ours, field.name) == getattr(theirs, field.name), field.name
    assert theirs.device.startswith("cpu at http://127.0.0.1")
    assert min(theirs.embed_seconds, theirs.step_seconds) > 0
    assert there.memory.entries(1) == {}


def test_window_in_which_an_object_was_seen(network, server, tmp_path):
    scene = Scene(8, (400, 400))
    there = open_remote(server.url, ModelSettings("demo", window=128), scene, None)
    here = Tracker(network, scene, window=128)
    for tracker in (here, there):
        tracker.condition(1, 2, CLICK)
        list(tracker.run(PLAN))
    assert [there.window_at(1, t) for t in range(8)] == [here.window_at(1, t) for t in range(8)]
    assert there.window_at(1, 2).side == 128
    assert there.window_at(2, 2) is None
    there.close()


def test_stop_ends_the_run_and_the_next_call_is_answered(remote):
    there = remote(Scene(200))
    there.condition(1, 2, CLICK)
    asked = []

    def stop():
        asked.append(None)
        return len(asked) > 3

    seen = [masks.frame for masks in there.run(Plan((Pass(1, "forward", 2, 199),), 200), stop=stop)]
    assert seen == list(range(seen[0], seen[0] + len(seen))) if seen else True
    assert len(seen) < 198
    there.preview(1, 2, CLICK)


def test_a_run_that_is_left_is_stopped(remote, server):
    there = remote(Scene(200))
    there.condition(1, 2, CLICK)
    run = there.run(Plan((Pass(1, "forward", 2, 199),), 200))
    next(run)
    run.close()
    there.preview(1, 2, CLICK)


def test_frame_that_cannot_be_read_is_named(remote):
    class Broken(Scene):
        def read(self, frame):
            if frame == 4:
                raise FrameError("Frame 4 of cells.tif is damaged; leave it out.")
            return super().read(frame)

    there = remote(Broken())
    there.condition(1, 2, CLICK)
    seen = []
    with pytest.raises(FrameError, match=r"Frame 4 of cells\.tif is damaged"):
        seen.extend(m.frame for m in there.run(PLAN))
    with pytest.raises(FrameError, match=r"Frame 4 of cells\.tif is damaged"):
        there.preview(1, 4, [PointPrompt(1, 4, 30, 34)])


def test_a_run_that_the_server_ends_is_not_taken_for_done(remote, server):
    there = remote(Scene(200))
    there.condition(1, 2, CLICK)
    run = there.run(Plan((Pass(1, "forward", 2, 199),), 200))
    next(run)
    (lease,) = server.leases._leases.values()
    lease.stop.set()
    with pytest.raises(EngineError, match=r"ended the call; finished frames are kept"):
        list(run)


def test_tracker_is_opened_again_on_a_server_that_was_restarted(network, start, remote, tmp_path):
    first = start()
    there = remote(url=first.url)
    there.condition(1, 2, CLICK)
    expected = list(there.run(PLAN))
    port = int(first.url.rpartition(":")[2])
    first.stop()
    with pytest.raises(EngineError, match=r"cannot be reached .*finished frames are kept"):
        there.preview(1, 2, CLICK)
    second = start(port)
    assert len(second.leases) == 0
    again = list(there.run(PLAN))
    for one, other in zip(expected, again, strict=True):
        same(one.objects, other.objects)


def test_memory_of_prompts_is_kept_on_this_side_and_fits_the_local_engine(network, remote, tmp_path):
    there = remote(folder="memory")
    shown = there.condition(1, 2, CLICK)
    assert list(there.memory.entries(1)) == [2]
    here = Tracker(network, Scene(), MemoryStore(tmp_path / "memory"))
    assert list(here.memory.entries(1)) == [2]
    same([here.memory.entries(1)[2].shown], [shown])
    there.memory.forget_entry(1, 2)
    assert there.memory.entries(1) == {}


def test_two_clients_are_each_as_alone(network, remote, tmp_path):
    one, two = remote(Scene()), remote(Scene(8, (64, 80)))
    one.condition(1, 2, CLICK)
    two.condition(1, 2, CLICK)
    runs = one.run(PLAN), two.run(PLAN)
    both = [[], []]
    for _ in range(7):
        for found, run in zip(both, runs, strict=True):
            found.extend(next(run).objects)
    for n, (scene, found) in enumerate(((Scene(), both[0]), (Scene(8, (64, 80)), both[1]))):
        here = Tracker(network, scene, MemoryStore(tmp_path / f"alone {n}"), window="auto")
        here.condition(1, 2, CLICK)
        expected = [mask for masks in here.run(PLAN) for mask in masks.objects]
        same(expected[: len(found)], found)
    for run in runs:
        run.close()


def test_scratch_tracker_remembers_nothing_else(remote):
    there = remote()
    there.condition(1, 2, CLICK)
    scratch = there.scratch()
    scratch.condition(1, 5, [PointPrompt(1, 5, 33, 40)])
    assert [m.frame for m in scratch.run(Plan((Pass(1, "backward", 5, 3),), 8))][-1] == 3
    assert list(there.memory.entries(1)) == [2]


def test_a_detector_gets_the_same_of_the_network(network, remote):
    here, there = Tracker(network, Scene()).segmenter(), remote().segmenter()
    assert there.image_size == here.image_size
    np.testing.assert_array_equal(there.features(1), here.features(1))
    np.testing.assert_array_equal(there.features(1, (4, 8, 48)), here.features(1, (4, 8, 48)))
    points, boxes = np.array([[30, 33], [2, 2]], np.float32), np.array([[16, 20, 44, 48], [0, 0, 9, 9]], np.float32)
    for ours, theirs in (
        (here.at_points(1, points, least_iou=0.3), there.at_points(1, points, least_iou=0.3)),
        (here.at_points(2, points, (0, 0, 56)), there.at_points(2, points, (0, 0, 56))),
        (here.in_boxes(1, boxes), there.in_boxes(1, boxes)),
    ):
        assert len(ours) == len(theirs) > 0
        for one, other in zip(ours, theirs, strict=True):
            assert (one.prompt, one.origin_yx, one.stability) == (other.prompt, other.origin_yx, other.stability)
            assert (one.predicted_iou, one.object_score) == (other.predicted_iou, other.object_score)
            np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize(
    "changed",
    [
        {"frame": 99},
        {"square": [0, 0, 3]},
        {"square": [0, 0, 1 << 20]},
        {"places": [[0, float("inf")]]},
        {"places": [[1, 2, 3]]},
        {"limits": None},
    ],
)
def test_what_is_not_a_question_of_a_detector_is_refused(remote, changed):
    tracker = remote()
    asked = {"frame": 0, "square": None, "places": [[3, 4]], "boxes": False, "limits": {}}
    with pytest.raises(EngineError):
        tracker.call("segment", asked | changed)
