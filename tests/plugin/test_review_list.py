"""The review as a list: pictures, answers, progress, and the next place automatically after a correction."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.analysis.review import ReviewItem
from napari_sam2_video.plugin.thumbnails import SIDE, draw_thumbnail
from napari_sam2_video.types import PointPrompt
from tests.plugin.conftest import make_frames, spots


@pytest.fixture
def tracked(bench):
    """Two tracked objects, each lost on frames far apart; the review is open."""
    here = bench(make_frames(24), lost={(1, 6), (1, 18), (2, 12)})
    here.start()
    here.controller.go_to(0)
    for number in range(2):
        if number:
            here.controller.actions.new_object()
        here.session.add_prompt(PointPrompt(here.controller.active, 0, *spots(0)[number]))
        here.controller.perform()
    here.track()
    here.widget.sections["objects"].set_expanded(False)
    here.widget.sections["review"].set_expanded(True)
    here.settle()
    return here


def left(here):
    return [(item.object_id, item.frame) for item in here.controller.summary.review.left]


def test_the_list_shows_what_is_left_with_pictures_of_what_is_in_sight(tracked):
    panel = tracked.widget.review
    assert len(panel.list.places.items) == len(left(tracked)) >= 3
    tracked.spin(lambda: panel.list.thumbnail(0) is not None)
    tracked.idle()
    seen = panel.list.in_sight()
    assert len(seen) > 0
    assert all(tracked.controller.view.thumbnails.picture(item) is not None for item in seen)


def test_answers_are_given_by_key_and_counted(tracked):
    panel, session = tracked.widget.review, tracked.session
    first, second, third, *_ = left(tracked)
    tracked.key("J")
    assert (tracked.controller.active, tracked.controller.frame) == first
    tracked.key("Shift+J")
    assert first[1] in session.accepted(first[0])
    assert (tracked.controller.active, tracked.controller.frame) == second
    tracked.key("Shift+H")
    tracked.settle()
    assert (tracked.controller.active, tracked.controller.frame) == third
    assert left(tracked)[-1] == second
    assert panel.count.text().startswith("1 of ")
    tracked.key("Ctrl+Z")
    tracked.settle()
    assert first[1] not in session.accepted(first[0])
    assert panel.count.text().startswith("0 of ")


def test_the_next_place_comes_automatically_after_a_correction(tracked):
    panel, session = tracked.widget.review, tracked.session
    tracked.key("J")
    first = tracked.controller.active, tracked.controller.frame
    tracked.key("Shift+K")
    tracked.settle()
    assert (tracked.controller.active, tracked.controller.frame) == first
    assert tracked.widget.objects.prompting.armed == "point"
    assert [item.frame for item in tracked.controller.summary.review.wrong] == [first[1]]
    # It was corrected: nothing is lost there any more.
    tracked.tracker.lost.clear()
    tracked.click(*spots(first[1])[first[0] - 1])
    tracked.key("G")
    tracked.idle()
    tracked.settle()
    tracked.spin()
    assert (tracked.controller.active, tracked.controller.frame) != first
    assert (tracked.controller.active, tracked.controller.frame) in left(tracked)
    assert tracked.controller.summary.review.wrong == ()
    assert tracked.controller.summary.review.reviewed == 1
    assert session.prompts(*first)
    assert panel.walk.here


def test_the_view_stays_where_the_person_went_meanwhile(tracked):
    tracked.key("J")
    tracked.click(*spots(tracked.controller.frame)[tracked.controller.active - 1])
    tracked.key("G")
    tracked.controller.go_to(2)
    tracked.idle()
    tracked.settle()
    assert tracked.controller.frame == 2


def test_a_place_of_an_object_that_is_deleted_is_left(tracked):
    panel = tracked.widget.review
    tracked.key("J")
    assert panel.accept_next_button.isEnabled()
    tracked.press(tracked.widget.objects.delete_button)
    assert panel.walk.current is None
    assert not panel.accept_next_button.isEnabled()
    tracked.settle()
    assert tracked.errors() == []


def test_a_choice_of_another_part_of_the_session_is_a_button(tracked):
    asked = []

    class Part:
        items = (ReviewItem(1, 4, 0.99, "link", "two tracks may be one", kind="proposal", choices=("join", "keep")),)

        def review_items(self):
            return self.items

        def answer_review(self, item, answer):
            asked.append((item.frame, answer))
            self.items = ()

    tracked.session._review._sources = (Part(),)
    tracked.controller.view.summary.gather()
    tracked.idle()
    panel = tracked.widget.review
    tracked.key("J")
    assert tracked.controller.frame == 4
    buttons = [made for made in panel.choice_buttons if made.isVisible()]
    assert [made.text() for made in buttons] == ["Join", "Keep"]
    tracked.press(buttons[0])
    tracked.settle()
    assert asked == [(4, "join")]
    assert (1, 4) not in left(tracked)
    assert not any(made.isVisible() for made in panel.choice_buttons)


def test_a_thumbnail_shows_the_outline_in_the_colour_of_the_object(tracked):
    drawn = draw_thumbnail(tracked.session, ReviewItem(1, 3, 0.5, "score", ""), (250, 1, 2))
    assert drawn.shape == (SIDE, SIDE, 3)
    outline = (drawn == (250, 1, 2)).all(axis=2)
    ys, xs = np.nonzero(outline)
    assert outline.any()
    # The object is in the middle, and what it surrounds is not painted over.
    assert abs(ys.mean() - SIDE / 2) < 3
    assert abs(xs.mean() - SIDE / 2) < 3
    assert (drawn[SIDE // 2, SIDE // 2] == 200).all()
    lost = draw_thumbnail(tracked.session, ReviewItem(1, 6, 0.5, "score", ""), (250, 1, 2))
    assert not (lost == (250, 1, 2)).all(axis=2).any()
