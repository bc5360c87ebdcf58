"""Our logits against those of Meta's ``SAM2VideoPredictor``: same weights, frames and prompts, fp32 on the CPU."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_sam2_video.engine.plan import ObjectState, Pass, Plan, plan_run
from napari_sam2_video.models.detect_architecture import sam2_0
from napari_sam2_video.models.presets import PRESETS
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, TrackSettings


def both_ways(object_id, start, n_frames):
    forward = Pass(object_id, "forward", start, n_frames - 1)
    backward = Pass(object_id, "backward", start, 0, preceding=(1,) * (n_frames - 1 - start), resume_after=start)
    return Plan((forward, backward), n_frames)


def assert_equal(ours, theirs):
    assert set(ours) == set(theirs)
    for key, logits in theirs.items():
        assert torch.equal(ours[key], logits), (key, (ours[key] - logits).abs().max())


def disc(scene, frame, which=0):
    yy, xx = np.mgrid[: scene.shape_yx[0], : scene.shape_yx[1]]
    y, x = scene.centres(frame)[which]
    return np.hypot(yy - y, xx - x) < 11


@pytest.mark.parametrize("preset", ["tiny", "small", "base_plus", "large"])
def test_one_click_walks_forward_and_backward_bit_for_bit(preset, monkeypatch, make_run):
    from tests.engine.conftest import Meta, Scene

    # Enough to fill the memory of the smallest network; the others differ in what they compute of one frame.
    scene, start = (Scene(12), 4) if preset == "tiny" else (Scene(5), 2)
    theirs = Meta(scene, monkeypatch, preset)
    theirs.points(1, start, [(36, 38)], [1])
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene, preset)
    ours.tracker.condition(1, start, [PointPrompt(1, start, 36, 38)])
    ours.go(both_ways(1, start, scene.n_frames))
    assert_equal(ours.logits, expected)


PROMPTS = {
    "positive and negative": ([((36, 38), 1), ((70, 20), 0)], None),
    "box": ([], (24, 25, 48, 50)),
    "box and points": ([((36, 38), 1), ((26, 27), 0)], (24, 25, 48, 50)),
}


@pytest.mark.parametrize("kind", PROMPTS)
def test_points_and_boxes_bit_for_bit(kind, scene, meta, make_run):
    points, box = PROMPTS[kind]
    theirs = meta()
    theirs.points(1, 3, [p for p, _ in points], [label for _, label in points], box)
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene)
    prompts = [PointPrompt(1, 3, *p, positive=bool(label)) for p, label in points]
    ours.tracker.condition(1, 3, prompts + ([BoxPrompt(1, 3, *box)] if box else []))
    ours.go(both_ways(1, 3, scene.n_frames))
    assert_equal(ours.logits, expected)


def test_mask_bit_for_bit(scene, meta, make_run):
    theirs = meta()
    theirs.mask(1, 5, disc(scene, 5))
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene)
    ours.tracker.condition(1, 5, [MaskPrompt(1, 5, disc(scene, 5))])
    ours.go(both_ways(1, 5, scene.n_frames))
    assert_equal(ours.logits, expected)


def test_mask_then_points_on_one_frame_bit_for_bit(scene, meta, make_run):
    theirs = meta()
    theirs.mask(1, 5, disc(scene, 5))
    theirs.points(1, 5, [(37, 40), (10, 10)], [1, 0])
    expected = theirs.propagate()

    ours = make_run(scene)
    points = [PointPrompt(1, 5, 37, 40), PointPrompt(1, 5, 10, 10, positive=False)]
    ours.tracker.condition(1, 5, [MaskPrompt(1, 5, disc(scene, 5)), *points])
    ours.go(Plan((Pass(1, "forward", 5, 11),), 12))
    assert_equal(ours.logits, expected)


def test_several_prompted_frames_bit_for_bit(scene, meta, make_run):
    theirs = meta()
    theirs.points(1, 2, [(33, 34)], [1])
    theirs.mask(1, 8, disc(scene, 8))
    theirs.points(1, 5, box=(24, 25, 50, 52))
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene)
    ours.tracker.condition(1, 2, [PointPrompt(1, 2, 33, 34)])
    ours.tracker.condition(1, 8, [MaskPrompt(1, 8, disc(scene, 8))])
    ours.tracker.condition(1, 5, [BoxPrompt(1, 5, 24, 25, 50, 52)])
    ours.go(both_ways(1, 2, scene.n_frames))
    assert_equal(ours.logits, expected)


@pytest.mark.parametrize("kind", ["click", "clicks", "mask"])
def test_correction_bit_for_bit(kind, scene, meta, make_run):
    """A correction on a tracked frame is a conditioning frame (``add_all_frames_to_correct_as_cond=True``)."""
    clicks = {"click": [((48, 50), 1)], "clicks": [((48, 50), 1), ((20, 20), 0)]}.get(kind, [])
    theirs = meta()
    theirs.points(1, 1, [(31, 32)], [1])
    theirs.propagate()
    theirs.propagate(reverse=True)
    if kind == "mask":
        theirs.mask(1, 9, disc(scene, 9))
    else:
        theirs.points(1, 9, [p for p, _ in clicks], [label for _, label in clicks])
    theirs.propagate(start_frame_idx=9)
    expected = theirs.propagate(start_frame_idx=9, reverse=True)

    ours = make_run(scene)
    ours.tracker.condition(1, 1, [PointPrompt(1, 1, 31, 32)])
    ours.go(both_ways(1, 1, scene.n_frames))
    prompts = [PointPrompt(1, 9, *p, positive=bool(label)) for p, label in clicks]
    if kind == "mask":
        prompts = [MaskPrompt(1, 9, disc(scene, 9))]
    tracked = np.array([-1] + [1] * 11, np.int8)
    ours.tracker.condition(1, 9, prompts, tracked=tracked)
    state = ObjectState(1, frozenset({1, 9}), frozenset({9}), frozenset(), tracked)
    plan = plan_run([state], TrackSettings(), 12)
    ours.go(Plan((plan.passes[0], replace(plan.passes[1], stop=0)), 12))
    assert_equal(ours.logits, expected)


@pytest.mark.parametrize(("corrected", "on_disk"), [((9, 6), False), ((6, 9), True), ((10, 2), False)])
def test_corrections_one_after_the_other_bit_for_bit(corrected, on_disk, scene, meta, make_run, tmp_path):
    """A walk remembers of frames that were tracked several times what they were given last."""
    folder = tmp_path if on_disk else None
    theirs = meta("demo")
    theirs.points(1, 4, [(36, 38)], [1])
    theirs.propagate()
    theirs.propagate(reverse=True)
    ours = make_run(scene, "demo", folder=folder)
    ours.tracker.condition(1, 4, [PointPrompt(1, 4, 36, 38)])
    ours.go(both_ways(1, 4, scene.n_frames))

    tracked = np.array([-1] * 4 + [1] * 8, np.int8)
    prompted = frozenset({4})
    for frame in corrected:
        y, x = 36 + 1.5 * frame, 25 + 2 * frame
        theirs.points(1, frame, [(y, x)], [1])
        logits = ours.logits
        ours = make_run(scene, "demo", folder=folder) if on_disk else ours
        ours.logits = logits
        ours.tracker.condition(1, frame, [PointPrompt(1, frame, y, x)], tracked=tracked)
        prompted |= {frame}
        plan = plan_run([ObjectState(1, prompted, frozenset({frame}), frozenset(), tracked)], TrackSettings(), 12)
        ours.go(plan)
        for one in plan.passes:
            theirs.propagate(
                start_frame_idx=frame,
                max_frame_num_to_track=abs(one.stop - frame),
                reverse=one.direction == "backward",
            )
            tracked[list(one.frames())] = one.step
    assert_equal(ours.logits, theirs.logits())


def test_corrections_of_two_frames_in_one_run_bit_for_bit(scene, meta, make_run):
    clicks = {6: (40, 44), 9: (48, 50)}
    theirs = meta("demo")
    theirs.points(1, 1, [(31, 32)], [1])
    theirs.propagate()
    theirs.propagate(reverse=True)
    for frame, click in clicks.items():
        theirs.points(1, frame, [click], [1])
        theirs.predictor.propagate_in_video_preflight(theirs.state)
    theirs.propagate(start_frame_idx=6)
    expected = theirs.propagate(start_frame_idx=6, reverse=True, max_frame_num_to_track=4)

    ours = make_run(scene, "demo")
    ours.tracker.condition(1, 1, [PointPrompt(1, 1, 31, 32)])
    ours.go(both_ways(1, 1, scene.n_frames))
    tracked = np.array([-1] + [1] * 11, np.int8)
    for frame, click in clicks.items():
        ours.tracker.condition(1, frame, [PointPrompt(1, frame, *click)], tracked=tracked)
    state = ObjectState(1, frozenset({1, 6, 9}), frozenset({6, 9}), frozenset(), tracked)
    ours.go(plan_run([state], TrackSettings(), 12))
    assert_equal(ours.logits, expected)


@pytest.mark.parametrize("kind", ["click", "mask"])
def test_correction_of_a_frame_that_was_tracked_backward_bit_for_bit(kind, scene, meta, make_run):
    theirs = meta("demo")
    theirs.points(1, 8, [(42, 46)], [1])
    theirs.propagate()
    theirs.propagate(reverse=True)
    if kind == "mask":
        theirs.mask(1, 3, disc(scene, 3))
    else:
        theirs.points(1, 3, [(34, 36)], [1])
    theirs.propagate(start_frame_idx=3, max_frame_num_to_track=4)
    expected = theirs.propagate(start_frame_idx=3, reverse=True)

    ours = make_run(scene, "demo")
    ours.tracker.condition(1, 8, [PointPrompt(1, 8, 42, 46)])
    ours.go(both_ways(1, 8, scene.n_frames))
    tracked = np.array([-1] * 8 + [1] * 4, np.int8)
    prompt = MaskPrompt(1, 3, disc(scene, 3)) if kind == "mask" else PointPrompt(1, 3, 34, 36)
    ours.tracker.condition(1, 3, [prompt], tracked=tracked)
    state = ObjectState(1, frozenset({3, 8}), frozenset({3}), frozenset(), tracked)
    ours.go(plan_run([state], TrackSettings(), 12))
    assert_equal(ours.logits, expected)


def test_an_object_that_vanishes_and_comes_back_bit_for_bit(monkeypatch, make_run):
    from tests.engine.conftest import Meta, Scene, make_model, make_predictor, random_weights

    monkeypatch.setitem(PRESETS, "vanishing", PRESETS["demo"])
    scene = Scene(24)

    def walked(bias):
        weights = dict(random_weights("vanishing"))
        head = "sam_mask_decoder.pred_obj_score_head.layers.2."
        weights |= {head + "weight": 60 * weights[head + "weight"], head + "bias": torch.tensor([bias])}
        make_model("vanishing")._net.load_state_dict(weights)
        make_predictor("vanishing").load_state_dict(weights)
        ours = make_run(scene, "vanishing")
        ours.tracker.condition(1, 12, [MaskPrompt(1, 12, disc(scene, 12))])
        return ours, [frame.objects[0].object_score for frame in ours.go(both_ways(1, 12, scene.n_frames))]

    scores = walked(1000.0)[1]
    ours, scores = walked(1000.0 - float(np.median(scores)))
    assert min(scores) < 0 < max(scores[1:])
    theirs = Meta(scene, monkeypatch, "vanishing")
    theirs.mask(1, 12, disc(scene, 12))
    theirs.propagate()
    assert_equal(ours.logits, theirs.propagate(reverse=True))


def test_sam2_0_bit_for_bit(scene, monkeypatch, meta, make_run):
    monkeypatch.setitem(PRESETS, "sam2.0-demo", sam2_0(PRESETS["demo"]))
    theirs = meta("sam2.0-demo")
    theirs.points(1, 4, [(36, 38)], [1])
    theirs.mask(1, 9, disc(scene, 9))
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene, "sam2.0-demo")
    ours.tracker.condition(1, 4, [PointPrompt(1, 4, 36, 38)])
    ours.tracker.condition(1, 9, [MaskPrompt(1, 9, disc(scene, 9))])
    ours.go(both_ways(1, 4, scene.n_frames))
    assert_equal(ours.logits, expected)


def test_long_walk_bit_for_bit(monkeypatch, make_run):
    """Beyond 16 frames every ring has turned over, in both directions."""
    from tests.engine.conftest import Meta, Scene

    scene = Scene(40)
    theirs = Meta(scene, monkeypatch)
    theirs.points(1, 20, [(60, 70)], [1])
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene)
    ours.tracker.condition(1, 20, [PointPrompt(1, 20, 60, 70)])
    ours.go(both_ways(1, 20, scene.n_frames))
    assert_equal(ours.logits, expected)


def test_batch_of_objects_agrees_with_meta(scene, meta, make_run):
    clicks = {1: (36, 38), 2: (56, 84), 3: (10, 100), 4: (80, 20)}
    theirs = meta()
    for object_id, (y, x) in clicks.items():
        theirs.points(object_id, 4, [(y, x)], [1])
    theirs.propagate()
    expected = theirs.propagate(reverse=True)

    ours = make_run(scene)
    passes = []
    for object_id, (y, x) in clicks.items():
        ours.tracker.condition(object_id, 4, [PointPrompt(object_id, 4, y, x)])
        passes += both_ways(object_id, 4, scene.n_frames).passes
    ours.go(Plan(tuple(passes), scene.n_frames))
    assert set(ours.logits) == set(expected)
    for key, logits in expected.items():
        torch.testing.assert_close(ours.logits[key], logits, atol=1e-4, rtol=0)
