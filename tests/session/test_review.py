"""What a person says of doubtful frames is kept, counted and undone."""

from __future__ import annotations

import pytest

from napari_sam2_video.analysis.review import ReviewItem
from napari_sam2_video.errors import SessionError
from napari_sam2_video.session import Session
from napari_sam2_video.types import PointPrompt
from tests.fakes import fake_factory


@pytest.fixture
def factory():
    return fake_factory(lost={(1, 8), (2, 1)})


@pytest.fixture
def tracked(prompted):
    for _ in prompted.track():
        pass
    return prompted


def places(items):
    return [(item.object_id, item.frame) for item in items]


def test_right_accepts_and_counts_and_is_one_step(tracked):
    first, *rest = tracked.review_queue()
    before = tracked.review_progress()
    assert before.reviewed == 0
    assert before.total == len(before.left) == 1 + len(rest)
    tracked.judge(first, "right")
    assert first.frame in tracked.accepted(first.object_id)
    after = tracked.review_progress()
    assert (after.reviewed, places(after.left)) == (1, places(rest))
    tracked.undo()
    assert tracked.accepted(first.object_id) == frozenset()
    assert tracked.review_progress() == before
    tracked.redo()
    assert tracked.review_progress() == after


def test_wrong_stays_to_be_corrected_and_can_be_undone(tracked):
    first, *rest = tracked.review_queue()
    tracked.judge(first, "wrong")
    found = tracked.review_progress()
    assert (found.wrong, places(found.left), found.reviewed) == ((first,), places(rest), 1)
    tracked.undo()
    assert tracked.review_progress().wrong == ()


def test_a_mask_that_changed_since_is_looked_at_again(tracked):
    first = tracked.review_queue()[0]
    tracked.judge(first, "wrong")
    tracked.delete_masks(first.object_id, first.frame, first.frame + 1)
    for _ in tracked.track():
        pass
    found = tracked.review_progress()
    assert found.wrong == ()
    assert places([first])[0] in places(found.left)


def test_later_comes_last_and_is_no_step(tracked):
    first, *rest = tracked.review_queue()
    undoable = tracked.can_undo
    tracked.judge(first, "later")
    found = tracked.review_progress()
    assert places(found.left) == [*places(rest), *places([first])]
    assert found.reviewed == 0
    assert tracked.can_undo == undoable


def test_the_review_survives_closing(tracked, tmp_path, recording):
    first, second, *_ = tracked.review_queue()
    tracked.judge(first, "right")
    tracked.judge(second, "wrong")
    found = tracked.review_progress()
    tracked.close()
    with Session.open(tmp_path / "run.sam2v", recording=recording) as again:
        assert again.review_progress() == found
        assert found.reviewed == 2


def test_what_was_accepted_or_corrected_elsewhere_counts_as_looked_at(tracked):
    before = tracked.review_queue()
    first, second, *_ = before
    tracked.accept(first.object_id, first.frame, first.frame + 1)
    tracked.add_prompt(PointPrompt(second.object_id, second.frame, 20, 20))
    for _ in tracked.track():
        pass
    tracked.note_settled(before, tracked.review_queue())
    assert tracked.review_progress().reviewed == 2
    tracked.remove_object(first.object_id)
    assert tracked.review_progress().reviewed == 1


def test_an_answer_that_there_is_not_is_refused(tracked):
    first = tracked.review_queue()[0]
    with pytest.raises(SessionError, match="the answers are right, wrong, later"):
        tracked.judge(first, "perhaps")
    gone = ReviewItem(1, 3, 0.9, "link", "two tracks may be one", kind="proposal", choices=("join",))
    with pytest.raises(SessionError, match="have changed since"):
        tracked.judge(gone, "join")


class Proposals:
    """A part of a session that has one thing to ask."""

    def __init__(self):
        self.items = [ReviewItem(1, 5, 0.95, "link", "two tracks may be one", kind="proposal", choices=("join", "no"))]
        self.answers = []

    def review_items(self):
        return self.items

    def answer_review(self, item, answer):
        self.answers.append(answer)
        self.items = []


def test_other_parts_ask_and_are_answered(tracked):
    part = Proposals()
    tracked._review._sources = (part,)
    (asked,) = part.items
    queue = tracked.review_queue()
    assert queue[0] == asked
    assert asked not in tracked.review_queue(objects=[2])
    tracked.judge(asked, "join")
    assert part.answers == ["join"]
    assert asked not in tracked.review_queue()
    assert tracked.review_progress().reviewed == 1
