"""Other walks of a volume look for an object in its sections, plane by plane."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2_video.engine.plan import ObjectState, plan_run
from napari_sam2_video.frames.crossing import PlaneStack
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.session.planes.guided import GuidedTracker
from napari_sam2_video.session.planes.plane_masks import PlaneMasks, step_of
from napari_sam2_video.session.planes.refining import refining_prompts
from napari_sam2_video.session.planes.sections import keep_connected, main_part, sections_of
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ObjectMask, PointPrompt, Preview, TrackSettings
from tests.session.made_volume import SectionTracker, ellipsoid

SHAPE = (9, 20, 27)
BODY = ellipsoid(SHAPE, (4, 9, 14), (3.2, 6, 9))
STACKS = {"Z": PlaneStack("Z", "Y", "X"), "Y": PlaneStack("Y", "Z", "X"), "X": PlaneStack("X", "Z", "Y")}


def found(walk, body=BODY):
    """Sections of what a walk found on its planes, on those of another."""
    planes = body.transpose(["ZYX".index(letter) for letter in STACKS[walk].axes])

    def read(plane):
        rows, columns = np.nonzero(planes[plane])
        if not rows.size:
            return [ObjectMask(1, (0, 0), np.zeros((0, 0), np.uint8))]
        y, x = rows.min(), columns.min()
        levels = planes[plane][y : rows.max() + 1, x : columns.max() + 1].astype(np.uint8) * 9
        return [ObjectMask(1, (int(y), int(x)), levels)]

    return read, planes.shape


@pytest.mark.parametrize(("walk", "other"), [(a, b) for a in STACKS for b in STACKS if a != b])
def test_sections_are_the_object_on_each_plane_of_the_other_walk(walk, other):
    read, shape = found(walk)
    sections = sections_of(read, shape, STACKS[walk], STACKS[other], {1: shape[0] // 2})[1]
    there = BODY.transpose(["ZYX".index(letter) for letter in STACKS[other].axes])
    assert sections.plane_shape == there.shape[1:]
    for plane, expected in enumerate(there):
        assert (sections.on(plane) == expected).all()
        prompts = sections.prompts(1, plane)
        assert bool(prompts) == (expected.sum() >= 4)
        if prompts:
            mask, box, point = prompts
            rows, columns = np.nonzero(expected)
            assert (mask.mask == expected).all()
            assert (box.y0 + 0.5, box.x0 + 0.5) == (rows.min(), columns.min())
            assert (box.y1 - 0.5, box.x1 - 0.5) == (rows.max(), columns.max())
            assert expected[int(point.y), int(point.x)]


def test_what_the_walk_took_for_the_object_elsewhere_is_left_out():
    body = np.zeros(SHAPE, bool)
    body[2:6, 4:9, 4:9] = True
    body[5:8, 7:12, 7:12] = True
    body[1:3, 10:13, 7:12] = True  # another arm, connected by way of later planes
    body[3:6, 10:12, 8:10] = True
    stray = body.copy()
    stray[0:2, 15:19, 20:25] = True
    bits = np.packbits(stray, axis=2)
    keep_connected(bits, 4)
    assert (np.unpackbits(bits, axis=2, count=SHAPE[2]) == body).all()
    gap = body.copy()
    gap[4] = False
    bits = np.packbits(gap, axis=2)
    keep_connected(bits, 3)
    assert (np.unpackbits(bits, axis=2, count=SHAPE[2]) == gap).all()


def test_specks_beside_a_section_do_not_widen_its_box():
    section = np.zeros((12, 12), bool)
    section[3:8, 3:8] = True
    section[0, 11] = True
    assert (main_part(section) == np.pad(np.ones((5, 5), bool), ((3, 4), (3, 4)))).all()


def test_objects_with_sections_are_looked_for_and_others_followed_in_one_order():
    read, shape = found("Z")
    guides = sections_of(read, shape, STACKS["Z"], STACKS["Y"], {1: 4})
    planes = np.where(BODY, 40, 0).transpose(1, 0, 2)
    planes[:, 0, :3] = 80
    view = SimpleNamespace(
        n_frames=SHAPE[1], shape_yx=planes.shape[1:], read=lambda y: np.repeat(planes[y][..., None], 3, 2)
    )
    inner = SectionTracker(view)
    tracker = GuidedTracker(inner, lambda: guides, lambda object_id, plane: ())
    states = []
    for object_id, y in ((1, 9), (2, 6)):
        prompts = guides[1].prompts(object_id, 9)
        tracker.condition(object_id, y, prompts)
        states.append(ObjectState(object_id, frozenset({y}), frozenset({y}), frozenset(), np.zeros(SHAPE[1], np.int8)))
    plan = plan_run(states, TrackSettings(), SHAPE[1])
    done = list(tracker.run(plan))
    order = [(t, "forward") for t in plan.frames("forward")] + [(t, "backward") for t in plan.frames("backward")]
    assert [(masks.frame, masks.direction) for masks in done] == order
    assert {object_id for object_id, _, _ in inner.computed} == {2}
    for masks in done:
        for mask in masks.objects:
            true = planes[masks.frame] == 40 * mask.object_id
            if mask.object_id == 1 and true.sum() < 4:
                assert not mask.levels.any()
                assert mask.object_score < 0
            else:
                assert ((mask.levels > 0) == true).all()
    assert not inner.open_runs
    seen = []
    inner.run = lambda plan, stop=None: seen.append(plan) or (_ for _ in ())
    list(GuidedTracker(inner, lambda: guides, lambda i, plane: ()).run(replace(plan, begun=plan)))
    assert seen[0].object_ids == seen[0].begun.object_ids == (2,)
    del inner.run
    stopped = list(tracker.run(plan, stop=lambda: True))
    assert stopped == []
    assert not inner.open_runs


class Answers:
    """Answers every prompt with the section of a body, and counts the planes."""

    def __init__(self, body):
        self.body, self.planes = body, []

    def preview(self, object_id, plane, prompts):
        self.planes.append(plane)
        found = ObjectMask(object_id, (0, 0), np.where(self.body[plane], 40, 0).astype(np.uint8), 6.0, 0.9)
        return Preview(object_id, plane, self.body[plane].shape, (found,), 0)


def masks_on(planes, body):
    """What `PlaneMasks` finds on all planes."""
    found = [planes.mask(1, plane) for plane in range(len(body))]
    return np.stack([whole_mask(m.origin_yx, m.levels > 0, body.shape[1:]) for m in found])


def test_planes_closer_than_the_slices_are_not_all_segmented_and_objects_end_where_they_do():
    assert step_of((1.0, 5.0, 1.0)) == 5
    assert step_of((1.0, 1.0, 1.0)) == step_of((5.0, 1.0, 1.0)) == 1
    shape = (9, 41, 41)
    body = ellipsoid(shape, (4, 20, 20), (3.2, 15.5, 15.5))
    dragged = np.zeros(shape, bool)
    dragged[:] = body[4]
    for followed, at_most in ((body, 20), (dragged, 32)):
        read, _ = found("Z", followed)
        guides = sections_of(read, shape, STACKS["Z"], STACKS["Y"], {1: 4})
        answers = Answers(body.transpose(1, 0, 2))
        planes = PlaneMasks(answers, guides, lambda object_id, plane: (), (1.0, 5.0, 1.0))
        made = masks_on(planes, answers.body)
        assert len(answers.planes) == len(set(answers.planes)) <= at_most
        segmented = sorted(answers.planes)
        assert (made[segmented] == answers.body[segmented]).all()
        if followed is body:
            assert (made == answers.body).all()
        assert (made.any(axis=(0, 2)) == answers.body.any(axis=(0, 2))).all()
        assert np.count_nonzero(made ^ answers.body) < 0.02 * np.count_nonzero(body)


def test_prompts_refine_the_section_of_their_plane_and_win_over_it():
    read, shape = found("Z")
    guides = sections_of(read, shape, STACKS["Z"], STACKS["Y"], {1: 4})
    mask, box, centre = section = guides[1].prompts(1, 9)
    on = PointPrompt(1, 9, centre.y, centre.x + 3)
    assert refining_prompts((), section) == section
    assert refining_prompts((on,), ()) == (on,)
    assert refining_prompts((on,), section) == (mask, box, on)
    below = PointPrompt(1, 9, box.y1 + 0.5, centre.x)
    given = refining_prompts((below,), section)
    assert given == (mask, BoxPrompt(1, 9, box.y0, box.x0, below.y + 0.5, box.x1), centre, below)
    beside = PointPrompt(1, 9, centre.y, centre.x + 1, positive=False)
    assert refining_prompts((beside,), section) == (mask, box, beside)
    far = PointPrompt(1, 9, centre.y, box.x1 + 0.6 * (box.x1 - box.x0))
    assert refining_prompts((far,), section) == (far,), "the section is something else"
    drawn = MaskPrompt(1, 9, ~mask.mask)
    assert refining_prompts((drawn, on), section) == (drawn, on)
    narrower = BoxPrompt(1, 9, box.y0, box.x0 + 2, box.y1, box.x1)
    clipped, *rest = refining_prompts((narrower,), section)
    assert rest == [centre, narrower]
    assert (clipped.mask == mask.mask & (np.arange(shape[2]) >= narrower.x0)).all()
    elsewhere = BoxPrompt(1, 9, 0, 0, 8, 9)
    assert refining_prompts((elsewhere,), section) == (elsewhere,)
    answers = Answers(BODY.transpose(1, 0, 2))
    for click in (below, PointPrompt(1, 9, centre.y, centre.x, positive=False)):
        planes = PlaneMasks(answers, guides, lambda i, plane, click=click: (click,), (1.0, 1.0, 1.0))
        found_on = planes.mask(1, 9)
        made = whole_mask(found_on.origin_yx, found_on.levels > 0, answers.body[9].shape)
        assert made[round(click.y), round(click.x)] == click.positive
        assert 0 < np.count_nonzero(made ^ answers.body[9]) <= 21
    pair = (below, PointPrompt(1, 9, below.y, below.x + 1, positive=False))
    found_on = PlaneMasks(answers, guides, lambda i, plane: pair, (1.0, 1.0, 1.0)).mask(1, 9)
    made = whole_mask(found_on.origin_yx, found_on.levels > 0, answers.body[9].shape)
    assert [bool(made[round(click.y), round(click.x)]) for click in pair] == [True, False]
