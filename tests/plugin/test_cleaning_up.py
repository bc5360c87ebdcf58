"""Cleaning up masks in the widget: one step, undone like any other, that leaves what a person painted."""

import numpy as np
import pytest


@pytest.fixture
def speckled(at_work):
    """A bench with a tracked object that has a speck beside it on frames 2 and 5; frame 5 is painted."""
    at_work.click(20, 20)
    at_work.track()
    session = at_work.session
    from napari_sam2_video.types import FrameMasks, ObjectMask

    for frame in (2, 5):
        levels = session.masks.object_mask(frame, 1).astype(np.uint8) * 9
        levels[60, 70] = 9
        session.masks.write(
            FrameMasks(frame, session.shape_yx, (ObjectMask(1, (0, 0), levels),), "forward"),
            generation=session._context.state.next_number,
        )
    session.paint(5, (0, 0), np.full((2, 2), 1))
    at_work.widget.sections["clean_up"].set_expanded(True)
    at_work.spin()
    return at_work


def test_button_waits_until_a_step_is_chosen(at_work):
    panel = at_work.widget.clean_up
    assert not panel.clean_up_button.isEnabled()
    assert "Choose at least one" in panel.clean_up_button.toolTip()
    panel.part_box.setValue(4)
    assert panel.clean_up_button.isEnabled()


def test_specks_go_and_painted_frames_stay(speckled):
    panel, masks = speckled.widget.clean_up, speckled.session.masks
    assert masks.object_mask(2, 1)[60, 70]
    panel.part_box.setValue(4)
    speckled.press(panel.clean_up_button)
    speckled.idle()
    assert speckled.errors() == []
    assert not masks.object_mask(2, 1)[60, 70]
    assert masks.object_mask(5, 1)[60, 70]
    assert panel.task.outcome.text() == "1 mask changed. Undo brings it back."
    speckled.controller.actions.undo()
    speckled.idle()
    assert masks.object_mask(2, 1)[60, 70]


def test_masks_are_shown_as_they_are_after_cleaning_up_and_after_a_script_undid_it(speckled):
    panel, layer = speckled.widget.clean_up, speckled.controller.masks.masks
    speckled.controller.go_to(2)
    speckled.controller.masks.refresh()
    assert layer._slice.image.raw[60, 70] == 1
    panel.part_box.setValue(4)
    speckled.press(panel.clean_up_button)
    speckled.idle()
    assert layer._slice.image.raw[60, 70] == 0
    speckled.session.undo()
    speckled.controller.deliver()
    assert layer._slice.image.raw[60, 70] == 1


def test_nothing_to_clean_up_is_reported(speckled):
    panel = speckled.widget.clean_up
    panel.smooth_box.setCurrentIndex(0)
    panel.fill_box.setChecked(True)
    speckled.press(panel.clean_up_button)
    speckled.idle()
    assert panel.task.outcome.text() == "No mask changed."


def test_choices_are_the_settings_that_are_recorded(speckled):
    panel = speckled.widget.clean_up
    panel.smooth_box.setCurrentIndex(2)
    panel.largest_box.setChecked(True)
    panel.part_box.setValue(7)
    settings = panel.choices()
    assert (settings.smooth_frames, settings.fill_holes, settings.smallest_part, settings.keep_largest) == (
        5,
        False,
        7,
        True,
    )


def test_the_outcome_is_shown_until_something_changes(speckled):
    panel = speckled.widget.clean_up
    panel.part_box.setValue(4)
    speckled.press(panel.clean_up_button)
    speckled.idle()
    assert panel.task.outcome.text() == "1 mask changed. Undo brings it back."
    speckled.press(speckled.widget.session.undo_button)
    assert panel.task.outcome.text() == ""
