from __future__ import annotations

from dataclasses import replace
from itertools import chain, repeat

import numpy as np
import pytest
import torch

from napari_sam2_video.engine import propagate as walk
from napari_sam2_video.engine.features import FeatureCache
from napari_sam2_video.engine.memory import POINTERS, SPATIAL, bytes_per_object
from napari_sam2_video.engine.memory_store import MemoryStore
from napari_sam2_video.engine.plan import ObjectState, Pass, Plan, plan_run
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.errors import DeviceMemoryError, EngineError, FrameError, PromptError
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, TrackSettings
from tests.engine.conftest import Scene, make_model

CLICK = PointPrompt(1, 4, 36, 38)


def whole(n_frames, start=4, object_id=1):
    state = ObjectState(object_id, frozenset({start}), frozenset({start}), frozenset(), np.zeros(n_frames, np.int8))
    return plan_run([state], TrackSettings(), n_frames)


@pytest.fixture
def run(scene, make_run):
    ours = make_run(scene, "demo")
    ours.tracker.condition(1, 4, [CLICK])
    return ours


def test_each_frame_is_yielded_once_in_walking_order(run, scene):
    frames = [(m.direction, m.frame) for m in run.go(whole(scene.n_frames))]
    assert frames == [("forward", t) for t in range(4, 12)] + [("backward", t) for t in (3, 2, 1, 0)]


def test_masks_are_the_logits_at_frame_resolution(run, scene):
    results = run.go(whole(scene.n_frames))
    for masks in results:
        (mask,) = masks.objects
        full = torch.nn.functional.interpolate(
            run.logits[1, masks.frame][None, None], size=scene.shape_yx, mode="bilinear", align_corners=False
        )[0, 0].numpy()
        levels = np.zeros(scene.shape_yx, np.uint8)
        top, left = mask.origin_yx
        levels[top : top + mask.levels.shape[0], left : left + mask.levels.shape[1]] = mask.levels
        assert ((levels > 0) == (full > 0)).all()
        inside = full > 0
        assert np.abs(levels[inside] - np.minimum(255, 1 + np.floor(full[inside] / 0.25))).max() <= 1
        assert np.isfinite([mask.object_score, mask.predicted_iou]).all()
        assert mask.prompted == (masks.frame == 4)


def test_stop_ends_the_run_before_the_next_frame(run, scene):
    answers = chain([False] * 3, repeat(True))
    seen = [m.frame for m in run.tracker.run(whole(scene.n_frames), stop=lambda: next(answers))]
    assert seen == [4, 5, 6]


@pytest.mark.parametrize("cut", [1, 3, 8, 10])
def test_a_run_cut_anywhere_and_resumed_gives_the_same_bits(cut, scene, make_run, tmp_path):
    whole_run = make_run(scene, "demo")
    whole_run.tracker.condition(1, 4, [CLICK])
    whole_run.go(whole(scene.n_frames))

    first = make_run(scene, "demo", folder=tmp_path)
    first.tracker.condition(1, 4, [CLICK])
    plan = whole(scene.n_frames)
    generator = first.tracker.run(plan)
    done = [next(generator) for _ in range(cut)]
    if cut % 2:
        generator.close()
    last = {"forward": None, "backward": None}
    for masks in done:
        last[masks.direction] = masks.frame

    second = make_run(scene, "demo", folder=tmp_path)
    forward, backward = plan.passes
    left = []
    if last["forward"] != forward.stop:
        left.append(replace(forward, resume_after=last["forward"]))
    left.append(replace(backward, resume_after=last["backward"] if last["backward"] is not None else 4))
    second.go(Plan(tuple(left), scene.n_frames))
    assert {t for _, t in second.logits} == set(range(12)) - {m.frame for m in done}
    for key, logits in second.logits.items():
        assert torch.equal(logits, whole_run.logits[key]), key


@pytest.mark.parametrize("cut", [2, 9, 21, 30, 52])
def test_a_batch_with_a_correction_cut_anywhere_and_resumed_gives_the_same_bits(cut, make_run, tmp_path):
    scene = Scene(20)
    prompts = {1: (30, 30), 2: (60, 90), 3: (10, 100)}

    def conditioned(run):
        for object_id, (y, x) in prompts.items():
            if run.tracker.missing(object_id, [3]):
                run.tracker.condition(object_id, 3, [PointPrompt(object_id, 3, y, x)])

    def plans():
        new = [ObjectState(i, frozenset({3}), frozenset({3}), frozenset(), np.zeros(20, np.int8)) for i in prompts]
        first = plan_run(new, TrackSettings(), 20)
        tracked = np.array([-1] * 3 + [1] * 17, np.int8)
        fixed = [ObjectState(i, frozenset({3, 9}), frozenset({9}), frozenset(), tracked) for i in (1, 2)]
        return first, plan_run(fixed, TrackSettings(), 20), tracked

    def walk(run, plan, already, limit):
        """Go on with a plan of which `already` frames were announced; stop after `limit` in all."""
        left = []
        order = [(d, t) for d in ("forward", "backward") for t in plan.frames(d)]
        for one in plan.passes:
            done = [t for d, t in order[:already] if d == one.direction and t in one.frames()]
            if not done:
                left.append(one)
            elif done[-1] != one.stop:
                left.append(replace(one, resume_after=done[-1]))
        for _ in run.tracker.run(Plan(tuple(left), 20), on_logits=lambda o, t, x: seen.__setitem__((o, t), x.clone())):
            already += 1
            if already == limit:
                break
        return already

    def correct(run, tracked):
        for object_id in (1, 2):
            if run.tracker.missing(object_id, [9]):
                y, x = prompts[object_id]
                run.tracker.condition(object_id, 9, [PointPrompt(object_id, 9, y + 5, x - 5)], tracked=tracked)

    first, second, tracked = plans()
    seen: dict = {}
    whole_run = make_run(scene, "demo", folder=_made(tmp_path / "whole"))
    conditioned(whole_run)
    walk(whole_run, first, 0, 99)
    correct(whole_run, tracked)
    walk(whole_run, second, 0, 99)
    expected, seen = dict(seen), {}

    folder = _made(tmp_path / "cut")
    run = make_run(scene, "demo", folder=folder)
    conditioned(run)
    done = walk(run, first, 0, cut)
    if done == cut:
        run = make_run(scene, "demo", folder=folder)
        walk(run, first, done, 99)
    correct(run, tracked)
    done = walk(run, second, 0, cut - 20 if cut > 20 else 99)
    run = make_run(scene, "demo", folder=folder)
    walk(run, second, done, 99)
    assert set(seen) == set(expected)
    assert [key for key in expected if not torch.equal(seen[key], expected[key])] == []


def _made(folder):
    folder.mkdir()
    return folder


def test_a_long_walk_resumes_from_a_trail_and_not_from_its_start(make_run, tmp_path):
    scene = Scene(70)
    ours = make_run(scene, "demo", folder=tmp_path)
    ours.tracker.condition(1, 0, [PointPrompt(1, 0, 30, 30)])
    ours.go(Plan((Pass(1, "forward", 0, 69),), 70))

    scene.reads.clear()
    again = make_run(scene, "demo", folder=tmp_path)
    again.go(Plan((Pass(1, "forward", 0, 69, resume_after=66),), 70))
    assert min(scene.reads) > 60
    for key, logits in again.logits.items():
        assert torch.equal(logits, ours.logits[key])


def test_an_object_added_later_does_not_change_the_others(run, scene):
    run.go(whole(scene.n_frames))
    before = dict(run.logits)
    run.tracker.condition(2, 7, [PointPrompt(2, 7, 53, 79)])
    run.logits.clear()
    run.go(whole(scene.n_frames, start=7, object_id=2))
    assert {o for o, _ in run.logits} == {2}
    run.go(whole(scene.n_frames))
    assert all(torch.equal(run.logits[key], logits) for key, logits in before.items())


def test_objects_of_different_starts_share_the_frames_they_have_in_common(scene, make_run):
    ours = make_run(scene, "demo")
    ours.tracker.condition(1, 2, [PointPrompt(1, 2, 33, 34)])
    ours.tracker.condition(2, 6, [PointPrompt(2, 6, 54, 81)])
    results = ours.go(Plan((Pass(1, "forward", 2, 11), Pass(2, "forward", 6, 11)), 12))
    assert [tuple(o.object_id for o in m.objects) for m in results] == [(1,)] * 4 + [(1, 2)] * 6


def test_a_second_pass_reads_and_embeds_no_frame_again(run, scene):
    run.go(whole(scene.n_frames))
    scene.reads.clear()
    misses = run.tracker.features.misses
    run.go(whole(scene.n_frames))
    assert scene.reads == []
    assert run.tracker.features.misses == misses


def test_what_an_object_remembers_is_bounded(make_run, monkeypatch):
    scene = Scene(40)
    ours = make_run(scene, "demo")
    ours.tracker.condition(1, 0, [PointPrompt(1, 0, 30, 30)])
    sizes = []
    kept = walk.prune

    def watch(trail, frame, direction):
        kept(trail, frame, direction)
        sizes.append((len(trail), sum(e.spatial is not None for e in trail.values())))

    monkeypatch.setattr(walk, "prune", watch)
    ours.go(Plan((Pass(1, "forward", 0, 39),), 40))
    assert max(n for n, _ in sizes) == POINTERS
    assert max(n for _, n in sizes) == SPATIAL
    spatial = 32 * 8 * 8 * 2
    assert bytes_per_object(ours.tracker.model.preset, 128) == 2 * (6 * spatial + 15 * 256) + spatial + 256 + 4096


def test_a_preview_keeps_nothing_and_gives_what_conditioning_gives(scene, make_run):
    ours = make_run(scene, "demo")
    preview = ours.tracker.preview(1, 4, [CLICK])
    assert ours.tracker.memory.entries(1) == {}
    assert len(preview.candidates) == 3
    assert preview.best == int(np.argmax([c.predicted_iou for c in preview.candidates]))
    taken = ours.tracker.condition(1, 4, [CLICK])
    best = preview.candidates[preview.best]
    assert best.origin_yx == taken.origin_yx
    np.testing.assert_array_equal(best.levels, taken.levels)


def test_with_a_box_the_preview_offers_the_tracked_mask_first(scene, make_run):
    ours = make_run(scene, "demo")
    prompts = [BoxPrompt(1, 4, 22, 24, 48, 50)]
    preview = ours.tracker.preview(1, 4, prompts)
    assert preview.best == 0
    assert 1 <= len(preview.candidates) <= 3
    np.testing.assert_array_equal(preview.candidates[0].levels, ours.tracker.condition(1, 4, prompts).levels)


def test_a_mask_prompt_is_shown_as_it_was_drawn(run, scene):
    drawn = np.zeros(scene.shape_yx, bool)
    drawn[20:31, 40:53] = True
    drawn[24, 44] = False
    shown = run.tracker.condition(2, 3, [MaskPrompt(2, 3, drawn)])
    assert shown.origin_yx == (20, 40)
    np.testing.assert_array_equal(shown.levels > 0, drawn[20:31, 40:53])
    (first, *_) = run.go(Plan((Pass(2, "forward", 3, 5),), 12))
    np.testing.assert_array_equal(first.objects[0].levels, shown.levels)


def test_boxes_are_clipped_and_may_be_drawn_from_any_corner(scene, make_run):
    ours = make_run(scene, "demo")
    inside = ours.tracker.preview(1, 4, [BoxPrompt(1, 4, 40, 60, 95.5, 119.5)])
    outside = ours.tracker.preview(1, 4, [BoxPrompt(1, 4, 300, 400, 40, 60)])
    np.testing.assert_array_equal(inside.candidates[0].levels, outside.candidates[0].levels)


@pytest.mark.parametrize(
    ("frame", "prompts", "sentence"),
    [
        (4, [PointPrompt(1, 4, 200, 3)], r"The point \(200, 3\) of object 1 on frame 4 lies outside the image"),
        (4, [BoxPrompt(1, 4, 200, 200, 300, 300)], "The box of object 1 on frame 4 lies outside the image"),
        (4, [MaskPrompt(1, 4, np.ones((3, 3), bool))], r"has the shape \(3, 3\)"),
        (12, [PointPrompt(1, 12, 3, 3)], "point of object 1 on frame 12 lies outside the recording"),
        (4, [], "has no prompt on frame 4"),
        (4, [BoxPrompt(1, 4, 1, 1, 9, 9), BoxPrompt(1, 4, 2, 2, 9, 9)], "more than one box"),
    ],
)
def test_fault_34_prompts_that_do_not_fit_are_refused(frame, prompts, sentence, scene, make_run):
    with pytest.raises(PromptError, match=sentence):
        make_run(scene, "demo").tracker.condition(1, frame, prompts)


def test_an_object_without_a_prompt_is_not_tracked(scene, make_run):
    with pytest.raises(PromptError, match="Object 1 has no prompt"):
        make_run(scene, "demo").go(whole(scene.n_frames))


def test_a_runtime_error_of_the_network_is_one_sentence(run, scene, monkeypatch):
    layer = run.tracker.model._net.memory_attention.layers[0].linear1
    monkeypatch.setattr(layer, "forward", _raise(RuntimeError("shapes differ\nat line 3")))
    with pytest.raises(EngineError, match=r"The network failed on cpu: shapes differ\.$"):
        run.go(whole(scene.n_frames))


def test_a_machine_without_a_compiler_gets_the_advice_not_to_compile(run, scene, monkeypatch):
    missing = type("InvalidCxxCompiler", (RuntimeError,), {"__module__": "torch._inductor.exc"})
    monkeypatch.setattr(run.tracker.model, "decode_tracked", _raise(missing("No working C++ compiler")))
    with pytest.raises(EngineError, match=r"compiled for cpu \(No working C\+\+ compiler\): run without compiling"):
        run.go(whole(scene.n_frames))


def test_fault_32_device_memory_halves_the_batch_and_then_says_so(scene, make_run, monkeypatch):
    ours = make_run(scene, "demo")
    passes = []
    for object_id in range(1, 9):
        ours.tracker.condition(object_id, 4, [PointPrompt(object_id, 4, 10 * object_id, 50)])
        passes.append(Pass(object_id, "forward", 4, 6))
    decode = ours.tracker.model.decode_tracked

    def small_device(limit):
        def tight(embedding, recalls, n_frames):
            if len(recalls) > limit:
                raise DeviceMemoryError("The device cpu ran out of memory.")
            return decode(embedding, recalls, n_frames)

        return tight

    monkeypatch.setattr(ours.tracker.model, "decode_tracked", small_device(2))
    results = ours.go(Plan(tuple(passes), 12))
    assert [len(m.objects) for m in results] == [8, 8, 8]
    assert ours.tracker.batch_size == 2
    monkeypatch.setattr(ours.tracker.model, "decode_tracked", small_device(0))
    with pytest.raises(DeviceMemoryError, match="ran out of memory"):
        ours.go(Plan(tuple(passes), 12))


def test_torch_out_of_memory_is_named(run, scene, monkeypatch):
    layer = run.tracker.model._net.memory_attention.layers[0].linear1
    monkeypatch.setattr(layer, "forward", _raise(torch.OutOfMemoryError("no room")))
    with pytest.raises(DeviceMemoryError, match="choose a smaller model or image size"):
        run.go(whole(scene.n_frames))


def test_another_model_forgets_what_the_first_remembered(scene, tmp_path):
    first = Tracker(make_model("demo"), scene, MemoryStore(tmp_path))
    first.condition(1, 4, [CLICK])
    assert Tracker(make_model("demo"), scene, MemoryStore(tmp_path)).missing(1, [4]) == []
    assert Tracker(make_model("tiny"), scene, MemoryStore(tmp_path)).missing(1, [4]) == [4]


@pytest.mark.parametrize("objects", [1, 3])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_bf16_and_fp16_stay_close_to_fp32(scene, precision, objects):
    found = {}
    for name in ("fp32", precision):
        tracker = Tracker(make_model("demo", name), scene)
        for object_id in range(1, objects + 1):
            tracker.condition(object_id, 4, [PointPrompt(object_id, 4, 10 * object_id, 50)])
        plan = Plan(tuple(Pass(i, "forward", 4, 7) for i in range(1, objects + 1)), scene.n_frames)
        found[name] = [[o.object_score for o in masks.objects] for masks in tracker.run(plan)]
    assert np.asarray(found[precision]) == pytest.approx(np.asarray(found["fp32"]), abs=0.5)


def test_no_thread_outlives_a_run(run, scene):
    import threading

    before = set(threading.enumerate())
    generator = run.tracker.run(whole(scene.n_frames))
    next(generator)
    next(generator)
    generator.close()
    assert set(threading.enumerate()) == before


def _raise(error):
    def broken(*args, **kwargs):
        raise error

    return broken


def test_the_cache_keeps_its_budget_and_the_disk_takes_the_rest(scene, tmp_path):
    model = make_model("demo")
    size = model.embed(model.prepare(scene.pixels(0))).nbytes
    features = FeatureCache(3 * size, folder=tmp_path, disk_bytes=5 * size)
    tracker = Tracker(model, scene, features=features)
    tracker.condition(1, 4, [CLICK])
    list(tracker.run(whole(scene.n_frames)))
    assert features.nbytes <= 3 * size
    assert len(list(tmp_path.glob("*.npz"))) == 5
    scene.reads.clear()
    tracker.preview(1, 1, [PointPrompt(1, 1, 30, 30)])
    fresh = FeatureCache(3 * size, folder=tmp_path, disk_bytes=5 * size)
    Tracker(model, scene, features=fresh).preview(1, 1, [PointPrompt(1, 1, 30, 30)])
    assert scene.reads == []


def test_frames_are_embedded_together_only_as_far_as_they_can_be_read(scene, make_run, monkeypatch):
    model = make_model("demo")
    together = []
    embed = model.embed_many
    monkeypatch.setattr(model, "embed_many", lambda frames, **how: together.append(len(frames)) or embed(frames, **how))
    read = scene.read

    def broken(frame):
        if frame == 7:
            raise FrameError("Frame 7 cannot be read.")
        return read(frame)

    monkeypatch.setattr(scene, "read", broken)
    tracker = make_run(scene, "demo").tracker
    tracker.condition(1, 4, [CLICK])
    frames = tracker.run(whole(scene.n_frames))
    assert [next(frames).frame for _ in range(3)] == [4, 5, 6]
    with pytest.raises(FrameError, match="Frame 7"):
        next(frames)
    assert together == [1, 2]
