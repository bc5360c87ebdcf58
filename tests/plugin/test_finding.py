"""Finding in the widget: look, go through what is proposed, accept, track."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam2_video.detect import registry
from napari_sam2_video.plugin.detector_fields import LAYER, LIKE
from napari_sam2_video.plugin.widgets import choose
from tests.plugin.conftest import SHAPE_YX, make_frames, spots


def spot_labels(n=8):
    rows, columns = np.indices(SHAPE_YX)
    labels = np.zeros((n, *SHAPE_YX), np.uint8)
    for t in range(n):
        for label, (y, x) in enumerate(spots(t), start=1):
            labels[t][np.hypot(rows - y, columns - x) < 6] = label
    return labels


def click_row(panel, number, *, more=False):
    item = panel.list.topLevelItem(number)
    modifier = Qt.KeyboardModifier.ControlModifier if more else Qt.KeyboardModifier.NoModifier
    QTest.mouseClick(
        panel.list.viewport(), Qt.MouseButton.LeftButton, modifier, panel.list.visualItemRect(item).center()
    )


@pytest.fixture
def with_labels(bench):
    here = bench(make_frames(), image={"name": "spots"})
    here.viewer.add_labels(spot_labels(), name="labels")
    here.viewer.layers.selection.active = here.viewer.layers["spots"]
    panel = here.widget.finding
    here.widget.sections["find"].set_expanded(True)
    choose(panel.fields.box, LAYER)
    here.spin()
    return here, panel


def look(here, panel):
    here.press(panel.find_button)
    here.idle()
    here.spin(lambda: here.controller.run is not None and not here.controller.running)
    here.idle()


def review_what_is_found(here, panel):
    look(here, panel)
    here.settle()
    here.widget.sections["review"].set_expanded(True)
    here.press(here.widget.review.next_button)
    return here.widget.review


def test_first_and_last_frame_may_be_given_in_either_order(with_labels):
    here, panel = with_labels
    here.widget.objects.new_button.click()
    here.idle()
    panel.first_box.setValue(5)
    panel.last_box.setValue(2)
    look(here, panel)
    assert here.errors() == []
    assert {proposal.frame for proposal in here.session.proposals} == {2}


def test_labels_of_a_layer_become_objects(with_labels):
    here, panel = with_labels
    assert panel.every_box.value() == 1
    assert "no open proposal" in panel.accept_all_button.toolTip()
    look(here, panel)
    assert panel.list.topLevelItemCount() == 2
    assert here.widget.run_bar.status.text().startswith("2 proposals to decide on.")
    layer = here.controller.view.proposals.layer
    assert layer is not None
    assert set(np.unique(np.asarray(layer.data[3]))) == {0, 1}
    click_row(panel, 1)
    here.spin()
    assert panel.why.text() == "Found on 8 frames, first on frame 0, where nothing is tracked."
    assert set(np.unique(np.asarray(layer.data[3]))) == {0, 1, 5}
    here.press(panel.accept_button)
    here.idle()
    assert [one.id for one in here.session.objects] == [1]
    assert panel.outcome.text() == "1 proposal accepted. 1 object was added."
    here.press(panel.accept_all_button)
    here.idle()
    assert len(here.session.objects) == 2
    assert here.controller.view.proposals.layer is None
    for frame, image in enumerate(spot_labels()):
        assert np.array_equal(here.session.masks.read_labels(frame) > 0, image > 0)
    assert here.errors() == []


def test_a_chosen_proposal_stays_chosen_when_the_list_is_read_again(with_labels):
    here, panel = with_labels
    look(here, panel)
    click_row(panel, 1)
    said = panel.why.text()
    assert said
    here.controller.actions.new_object()
    here.spin()
    assert panel.why.text() == said
    assert panel.list.currentItem() is panel.list.topLevelItem(1)


def test_arrow_keys_walk_from_proposal_to_proposal(with_labels):
    here, panel = with_labels
    look(here, panel)
    click_row(panel, 0)
    here.controller.go_to(4)
    QTest.keyClick(panel.list, Qt.Key.Key_Down)
    assert panel.why.text() == panel.list.topLevelItem(1).toolTip(0) != ""
    assert here.controller.frame == 0


def test_a_proposal_in_the_review_is_put_off_or_rejected(with_labels):
    here, panel = with_labels
    review = review_what_is_found(here, panel)
    first = review.walk.current
    here.press(review.later_button)
    assert review.walk.current not in (None, first)
    here.press(review.wrong_button)
    here.idle()
    assert [f"proposal {one.id}" for one in here.session.proposals] == [first.component]
    assert here.errors() == []


def test_a_rejected_proposal_comes_back_with_undo(with_labels):
    here, panel = with_labels
    look(here, panel)
    click_row(panel, 0)
    click_row(panel, 1, more=True)
    here.press(panel.reject_button)
    here.idle()
    assert panel.list.topLevelItemCount() == 0
    here.controller.actions.undo()
    here.spin()
    assert panel.list.topLevelItemCount() == 2
    assert here.session.objects == ()


def test_one_that_was_tracked_is_not_found_and_others_are_tracked_after_accepting(with_labels):
    here, panel = with_labels
    here.start()
    here.click(*spots(0)[0])
    here.track()
    panel.every_box.setValue(4)
    look(here, panel)
    assert [panel.list.topLevelItem(n).text(0) for n in range(panel.list.topLevelItemCount())] == ["new object"]
    here.press(panel.accept_all_button)
    here.idle()
    assert panel.outcome.text().endswith("Press Track to complete their tracks.")
    here.track()
    assert len(here.session.masks.frames_done(2)) == 8


def test_proposals_are_in_the_review_with_buttons(with_labels):
    here, panel = with_labels
    review = review_what_is_found(here, panel)
    assert [made.text() for made in review.choice_buttons if made.isVisible()] == ["Accept", "Reject"]
    here.press(review.choice_buttons[0])
    here.idle()
    assert (len(here.session.objects), panel.list.topLevelItemCount()) == (1, 1)


def test_what_is_missing_to_find_is_reported(at_work, monkeypatch):
    monkeypatch.setitem(registry._MAKERS, "like", lambda rest, examples, folder: None)
    panel = at_work.widget.finding
    at_work.widget.sections["find"].set_expanded(True)
    choose(panel.fields.box, LAYER)
    at_work.spin()
    assert "Open a label image" in panel.find_button.toolTip()
    assert not panel.find_button.isEnabled()
    panel.fields._offer()
    choose(panel.fields.box, LIKE)
    at_work.spin()
    assert panel.find_button.isEnabled()
    assert panel.fields.detector() == "like:1"


def test_a_detector_that_fails_is_one_sentence_and_stop_ends_one_that_hangs(bench, monkeypatch):
    class Broken:
        name = "broken"
        settings = {}  # noqa: RUF012

        def detect(self, frame):
            raise RuntimeError("no luck")

    class Hanging(Broken):
        name = "hanging"

        def detect(self, frame):
            while True:
                frame.progress(0, 1)

    monkeypatch.setitem(registry._MAKERS, "broken", lambda rest, examples, folder: Broken())
    monkeypatch.setitem(registry._MAKERS, "hanging", lambda rest, examples, folder: Hanging())
    here = bench(make_frames(), image={"name": "spots"})
    panel = here.widget.finding
    here.widget.sections["find"].set_expanded(True)
    choose(panel.fields.box, "broken")
    look(here, panel)
    assert len(here.errors()) == 1
    assert "The detector broken failed on frame 0" in here.errors()[0]
    choose(panel.fields.box, "hanging")
    here.press(panel.find_button)
    here.spin(lambda: panel.stop_button.isVisible())
    here.press(panel.stop_button)
    here.idle()
    assert not here.controller.running
    assert panel.find_button.isEnabled()
