from __future__ import annotations

from dataclasses import replace

import pytest

from napari_sam2_video.plugin.next_step import Situation, next_step
from napari_sam2_video.plugin.widgets import PRIMARY
from tests.plugin.conftest import make_frames, spots

AT_WORK = Situation(images=True, open=True, objects=2, prompted=True)


@pytest.mark.parametrize(
    ("now", "button", "words"),
    [
        (Situation(), "open", "Open a recording"),
        (Situation(images=True, loading=True), "", "Preparing"),
        (Situation(images=True, problem="The interval is odd."), "", "The interval is odd."),
        (Situation(images=True), "new", "Adjust the contrast"),
        (Situation(images=True, earlier=True), "continue", "already has a session"),
        (Situation(images=True, open=True), "new", "Press New object"),
        (replace(AT_WORK, prompted=False), "click", "Point +"),
        (replace(AT_WORK, prompted=False, armed="box"), "", "Drag a box"),
        (replace(AT_WORK, prompted=False, locked=True, tracked=True), "export", "export"),
        (replace(AT_WORK, changed=True), "track", "If the outline fits"),
        (replace(AT_WORK, changed=True, outlined=False), "track", "on this plane as well"),
        (replace(AT_WORK, changed=True, model_problem="Download the model."), "", "Download the model."),
        (replace(AT_WORK, changed=True, running=True), "", "Tracking"),
        (replace(AT_WORK, changed=True, unfinished=True, tracked=True), "track", "Continue"),
        (replace(AT_WORK, changed=True, tracked=True, doubtful=3), "track", "only what changed"),
        (replace(AT_WORK, tracked=True, proposed=8, doubtful=8), "", "8 proposals to decide on"),
        (replace(AT_WORK, tracked=True, doubtful=1), "review", "One place is doubtful"),
        (replace(AT_WORK, tracked=True, doubtful=3), "review", "3 places are doubtful"),
        (replace(AT_WORK, tracked=True), "export", "export the masks"),
        (replace(AT_WORK, tracked=True, exported=True), "", "Exported"),
    ],
)
def test_each_situation_has_one_next_step(now, button, words):
    step = next_step(now)
    assert step.button == button
    assert words in step.text


def standing_out(widget):
    return [name for name, button in widget.guide._buttons.items() if button.styleSheet() == PRIMARY]


def test_the_line_and_the_button_lead_from_an_empty_viewer_to_the_export(bench, tmp_path):
    here = bench()
    assert standing_out(here.widget) == ["open"]
    assert here.widget.run_bar.track_button.toolTip().endswith("Open an image first.")
    here.viewer.add_image(make_frames(), name="spots")
    here.idle()
    assert standing_out(here.widget) == ["new"]
    assert "Press New object" in here.widget.run_bar.track_button.toolTip()
    here.start()
    here.settle()
    here.spin()
    assert here.widget.guide.line.text() == "Click on the object in the image."
    here.controller.go_to(0)
    here.click(*spots(0)[0])
    here.idle()
    assert standing_out(here.widget) == ["track"]
    here.track()
    here.settle()
    here.spin()
    assert standing_out(here.widget) == [here.widget.guide.step.button] != [""]
    here.widget.guide.go_button.click()
    here.spin()
    assert here.widget.sections[here.widget.guide.step.section].expanded
    here.widget.sections["export"].set_expanded(True)
    here.widget.export.export(tmp_path / "masks.tif")
    here.idle()
    assert here.widget.guide.situation().exported


def test_the_tour_is_offered_once_and_continues_when_a_step_is_done(bench, settings, tmp_path):
    settings.interface.tour_seen = False
    here = bench()
    tour = here.widget.tour
    assert not tour.isHidden()
    here.press(tour.start_button)
    assert settings.interface.tour_seen
    assert [layer.name for layer in here.viewer.layers] == ["cells"]
    assert here.widget.guide.isHidden()
    assert tour.at == 0
    here.viewer.dims.set_current_step(0, 5)
    here.spin()
    assert tour.at == 1
    here.start()
    assert tour.at == 2
    here.click(100, 100)
    here.idle()
    assert tour.at == 3
    here.track()
    here.settle()
    here.spin()
    assert tour.at == 4
    assert here.widget.sections["review"].expanded
    here.key("W")
    here.settle()
    here.spin()
    assert tour.at == 5
    here.widget.export.offer_formats()
    here.widget.export.export(tmp_path / "masks.tif")
    here.idle()
    here.spin()
    assert tour.at is None
    assert "That's all" in tour.text.text()
    here.press(tour.close_button)
    assert tour.isHidden()
    assert not here.widget.guide.isHidden()


def test_the_tour_does_not_come_back_after_it_was_refused(bench, settings):
    settings.interface.tour_seen = False
    here = bench(make_frames())
    here.press(here.widget.tour.close_button)
    assert here.widget.tour.isHidden()
    assert settings.interface.tour_seen
    here.press(here.widget.tour_button)
    assert not here.widget.tour.isHidden()


def test_every_control_says_what_it_does(at_work):
    from qtpy.QtWidgets import (
        QAbstractButton,
        QAbstractItemView,
        QAbstractSlider,
        QAbstractSpinBox,
        QComboBox,
        QLineEdit,
        QScrollBar,
    )

    for section in at_work.widget.sections.values():
        section.set_expanded(True)
    at_work.spin()
    export = at_work.widget.export
    for number in range(export.format_box.count()):
        export.format_box.setCurrentIndex(number)
        assert all(field.toolTip() for field in export.findChildren(QLineEdit))
    kinds = (QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox, QLineEdit)
    silent = [
        f"{type(control).__name__} {getattr(control, 'text', str)()!r} in {type(control.parent()).__name__}"
        for kind in kinds
        for control in at_work.widget.findChildren(kind)
        if not isinstance(control, QScrollBar) and not _is_part(control) and not control.toolTip().strip()
    ]
    assert not silent, "\n".join(silent)


def _is_part(control):
    """Whether a control is a part of another one, such as the field of a spin box, or a header of a table."""
    from qtpy.QtWidgets import QAbstractItemView, QAbstractSpinBox, QComboBox, QHeaderView, QLineEdit

    parent = control.parent()
    return isinstance(control, QHeaderView) or any(
        isinstance(one, QAbstractSpinBox | QComboBox | QLineEdit | QAbstractItemView)
        for one in (parent, parent.parent())
    )
