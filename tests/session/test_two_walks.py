"""A correction keeps what was right before it, and a person chooses where two walks disagree."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_sam2_video.session import Session
from napari_sam2_video.types import FrameMasks, ObjectMask, PointPrompt
from tests.fakes import FakeTracker

WRONG_FROM = 4
LAST = 11


def square(left, score=5.0, iou=0.9):
    return ObjectMask(1, (10, left), np.full((6, 6), 9, np.uint8), score, iou)


class Drifting(FakeTracker):
    """Forward, an object goes from the left to the right on `WRONG_FROM`; backward, it is where the test says."""

    backward_left = 4
    backward_score = 5.0

    def run(self, plan, *, stop=None):
        for found in super().run(plan, stop=stop):
            masks = []
            for mask in found.objects:
                entry = self.memory.entries(mask.object_id).get(found.frame)
                backward = found.direction == "backward"
                corrected = len(self.memory.entries(mask.object_id)) > 1
                left = 4 if found.frame < WRONG_FROM or corrected else 40
                made = square(self.backward_left, self.backward_score) if backward else square(left)
                masks.append(replace(made, object_id=mask.object_id, prompted=entry is not None))
            yield replace(found, objects=tuple(masks))


@pytest.fixture
def make(recording, tmp_path, quick_disk):
    opened = []

    def open_session(**options):
        tracker = type("Told", (Drifting,), options)
        session = Session.create(tmp_path / "run.sam2v", recording, tracker_factory=lambda s, view, m: tracker(view, m))
        opened.append(session)
        session.add_object(object_id=1)
        session.add_prompt(PointPrompt(1, 0, 12, 6))
        run(session)
        session.add_prompt(PointPrompt(1, LAST, 12, 6))
        run(session)
        return session

    yield open_session
    for session in opened:
        session.close()


def run(session):
    for _ in session.track():
        pass


def lefts(session):
    return [session.masks.object_levels(t, 1).origin_yx[1] for t in range(1, LAST)]


def disagreements(session):
    return [item for item in session.review_queue() if item.component == "two walks"]


def test_frames_that_both_walks_agree_on_stay_as_they_are_and_ask_nothing(make):
    session = make()
    assert (session.masks.walked(1)[1:WRONG_FROM] == 1).all()
    assert all(item.frame >= WRONG_FROM for item in disagreements(session))


def test_near_the_correction_the_new_walk_counts_and_far_from_it_the_old_one(make):
    session = make(backward_left=25)
    assert lefts(session) == [4] * 3 + [40] * 6 + [25]


def test_frames_on_which_the_walks_disagree_are_one_question_with_both_answers(make):
    session = make(backward_left=25)
    (item,) = disagreements(session)
    assert item.kind == "disagreement"
    assert item.choices == ("as tracked from frame 0", f"as tracked from frame {LAST}")
    assert "frames 1 to 10" in item.reason


@pytest.mark.parametrize(("answer", "expected"), [(0, [4] * 3 + [40] * 7), (1, [25] * 10)])
def test_an_answer_shows_that_walk_and_is_one_step(answer, expected, make):
    session = make(backward_left=25)
    before = lefts(session)
    (item,) = disagreements(session)
    session.judge(item, item.choices[answer])
    assert lefts(session) == expected
    assert disagreements(session) == []
    session.undo()
    assert lefts(session) == before
    assert disagreements(session) == [item]


def test_a_doubtful_walk_back_changes_nothing(make):
    session = make(backward_left=25, backward_score=-2.0)
    assert lefts(session) == [4] * 3 + [40] * 7


def test_the_question_goes_once_the_masks_are_tracked_again_or_accepted(make):
    session = make(backward_left=25)
    session.accept(1, 1, 5)
    (item,) = disagreements(session)
    assert "frames 5 to 10" in item.reason
    nothing = FrameMasks(5, session.masks.shape_yx, (square(30),))
    session.masks.write(nothing)
    (item,) = disagreements(session)
    assert "frames 6 to 10" in item.reason


def test_what_is_kept_beside_survives_closing(make, tmp_path, recording):
    session = make(backward_left=25)
    asked = disagreements(session)
    session.close()
    with Session.open(tmp_path / "run.sam2v", recording=recording, tracker_factory=lambda *_: None) as again:
        assert disagreements(again) == asked
        again.judge(asked[0], asked[0].choices[1])
        assert lefts(again) == [25] * 10
