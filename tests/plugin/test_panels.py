from __future__ import annotations

import numpy as np
import tifffile
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_sam2_video.devices import DeviceReport
from napari_sam2_video.plugin.timeline_rows import TimelineRow, colors_of, narrowed
from napari_sam2_video.plugin.widget import WIDTH
from tests.plugin.conftest import N_FRAMES, make_frames


def test_a_gpu_that_torch_cannot_use_is_reported_with_the_remedy(bench):
    here = bench(make_frames())
    here.widget.model._on_devices(DeviceReport(("cpu",), ("Processor",), "Run: pip install the other torch"))
    assert "pip install" in here.widget.model.advice.text()
    box = here.widget.model.device_box
    assert [box.itemText(n) for n in range(box.count())] == ["Automatic", "cpu · Processor", "Another machine…"]


def test_what_a_checkpoint_does_not_state_is_shown_in_the_panel_and_beside_it(bench, tmp_path):
    import torch

    from napari_sam2_video.models.presets import DEMO
    from napari_sam2_video.models.tensor_shapes import expected_shapes

    path = tmp_path / "mine.pt"
    torch.save({"model": {name: torch.zeros(shape) for name, shape in expected_shapes(DEMO).items()}}, path)
    here = bench(make_frames(), fake=False)
    panel = here.widget.model
    panel.choose_file(str(path))
    here.start()
    assert panel.warning.text() == ""
    here.click(20, 20)
    here.idle()
    assert here.errors() == []
    sentence = panel.warning.text()
    assert sentence.startswith("mine.pt does not state its image size")
    assert here.told.count(("info", sentence)) == 1
    panel.size_box.setCurrentIndex(panel.size_box.findData(256))
    here.idle()
    assert panel.warning.text() == ""


def test_settings_of_the_run(at_work):
    panel, controller = at_work.widget.track, at_work.controller
    controller.go_to(3)
    at_work.spin()
    chosen = panel.settings()
    assert (chosen.direction, chosen.start, chosen.stop, chosen.objects) == ("both", None, None, None)
    panel.range_box.setCurrentIndex(panel.range_box.findData("count"))
    panel.count_spin.setValue(1)
    assert (panel.settings().start, panel.settings().stop) == (2, 5)
    panel.count_spin.setValue(2)
    panel.direction_box.setCurrentIndex(panel.direction_box.findData("forward"))
    assert (panel.settings().start, panel.settings().stop) == (3, 6)
    panel.range_box.setCurrentIndex(panel.range_box.findData("here"))
    assert (panel.settings().start, panel.settings().stop) == (3, N_FRAMES)
    panel.range_box.setCurrentIndex(panel.range_box.findData("span"))
    panel.in_button.click()
    controller.go_to(6)
    at_work.spin()
    panel.out_button.click()
    panel.objects_box.setCurrentIndex(panel.objects_box.findData("selected"))
    chosen = panel.settings()
    assert (chosen.start, chosen.stop, chosen.objects) == (3, 7, (1,))


def test_a_parent_is_set_on_the_shown_frame(at_work):
    at_work.key("N")
    at_work.controller.go_to(4)
    at_work.spin()
    at_work.widget.objects.set_parent(1)
    daughter = at_work.session.object(2)
    assert (daughter.parent, daughter.parent_frame) == (1, 4)


def test_clearing_a_frame_removes_prompts_and_paint(at_work):
    at_work.click(20, 20)
    at_work.press(at_work.widget.objects.tools["paint"])
    at_work.click(40, 40)
    assert at_work.session.masks.painted(1) == [0]
    at_work.press(at_work.widget.objects.clear_button)
    assert at_work.session.prompts() == ()
    assert at_work.session.masks.painted(1) == []


def test_no_doubtful_frame_hides_between_the_columns_of_the_timeline():
    trust = np.ones(1000)
    trust[537] = 0.1
    trust[:100] = np.nan
    columns = narrowed(trust, 50)
    assert len(columns) == 50
    assert np.nanmin(columns) == 0.1
    assert np.isnan(columns[0])
    assert len(narrowed(trust[:7], 50)) == 50


def test_colours_of_the_timeline_tell_doubt_absence_and_nothing_apart():
    colors = colors_of(np.array([0.0, 1.0, np.nan, -1.0]))
    assert len({tuple(color) for color in colors}) == 4


def test_the_timeline_finds_frames_under_the_mouse(qtbot):
    from napari_sam2_video.plugin.timeline import Timeline

    timeline = Timeline()
    qtbot.addWidget(timeline)
    timeline.resize(400, 60)
    none = np.zeros(100, bool)
    timeline.set_rows((TimelineRow(1, "cell", (255, 0, 0), np.ones(100), none, none, none),), 100)
    for frame in (0, 1, 50, 99):
        assert timeline.frame_at(timeline.x_of(frame + 0.5)) == frame
    assert timeline.grab().width() == 400


def test_options_of_a_format_are_fields_of_their_kind(at_work, tmp_path):
    at_work.click(20, 20)
    at_work.track()
    at_work.widget.sections["export"].set_expanded(True)
    panel = at_work.widget.export

    def field(kind, text):
        panel.format_box.setCurrentIndex(panel.format_box.findData(kind))
        roles, rows = QFormLayout.ItemRole, range(panel._form.rowCount())
        number = [panel._form.itemAt(row, roles.LabelRole).widget().text() for row in rows].index(text)
        return panel._form.itemAt(number, roles.FieldRole).widget()

    style = field("mp4", "Style")
    assert [style.itemText(number) for number in range(style.count())] == ["contour", "fill", "both"]
    assert field("mp4", "CRF").text() == "18"
    compressed = field("ome-tiff", "Compressed")
    assert compressed.isChecked()
    compressed.setChecked(False)
    panel.export(tmp_path / "plain.ome.tif")
    at_work.idle()
    with tifffile.TiffFile(tmp_path / "plain.ome.tif") as file:
        assert file.pages[0].compression == tifffile.COMPRESSION.NONE
        assert len(file.pages) == N_FRAMES
    for box, line, text in (
        (panel.objects_box, panel.objects_line, "1"),
        (panel.frames_box, panel.frames_line, "2:5"),
    ):
        assert not line.isVisible()
        box.setCurrentIndex(box.findData("some"))
        assert line.isVisible()
        line.setText(text)
    panel.export(tmp_path / "some.ome.tif")
    at_work.idle()
    assert tifffile.imread(tmp_path / "some.ome.tif").shape[0] == 3
    for line, text, said in ((panel.objects_line, "1,9", "no object 9"), (panel.frames_line, "", "are not a range")):
        before = line.text()
        line.setText(text)
        panel.export(tmp_path / "none.ome.tif")
        at_work.idle()
        assert said in at_work.errors()[-1]
        line.setText(before)
    assert not (tmp_path / "none.ome.tif").exists()


def test_formats_that_lie_on_their_source_offer_all_frames(at_work):
    panel = at_work.widget.export
    panel.offer_formats()
    for kind, frames in (("nifti", "all"), ("ome-tiff", "tracked"), ("nifti", "all")):
        panel.format_box.setCurrentIndex(panel.format_box.findData(kind))
        assert panel.frames_box.currentData() == frames
    panel.frames_box.setCurrentIndex(panel.frames_box.findData("here"))
    panel.format_box.setCurrentIndex(panel.format_box.findData("ome-tiff"))
    assert panel.frames_box.currentData() == "here"


def test_the_outcome_of_a_run_is_shown_until_something_changes(at_work):
    at_work.click(20, 20)
    at_work.track()
    status = at_work.widget.run_bar.status
    assert "8 frames tracked" in status.text()
    at_work.controller.actions.undo()
    at_work.idle()
    assert status.text() == ""


def test_a_folder_for_new_sessions_that_cannot_be_made_is_reported(bench, settings, tmp_path):
    (tmp_path / "file").write_text("")
    settings.sessions.folder = str(tmp_path / "file" / "sessions")
    here = bench(make_frames())
    here.press(here.widget.objects.new_button)
    here.idle()
    (sentence,) = here.errors()
    assert sentence.startswith("The folder for new sessions, ")
    assert "preferences" in sentence


def test_the_outcome_of_earlier_work_is_removed_when_it_is_outdated(at_work, tmp_path):
    widget = at_work.widget
    at_work.press(widget.session.undo_button)
    assert widget.session.last.text() == "Undone: add object 1."
    at_work.press(widget.objects.new_button)
    assert widget.session.last.text() == ""
    at_work.click(20, 20)
    at_work.track()
    widget.export.offer_formats()
    widget.export.export(tmp_path / "masks.ome.tif")
    at_work.idle()
    assert widget.export.task.outcome.text().startswith("Written")
    widget.review.why.setText("Object 1, frame 3: the area jumps (doubt 0.40); 3 more.")
    at_work.press(widget.objects.tools["box"])
    at_work.drag(*(at_work.world(0, *corner) for corner in ((12, 12), (20, 20), (28, 28))))
    at_work.track()
    assert widget.review.why.text() == ""
    at_work.controller.close_session()
    assert widget.export.task.outcome.text() == ""


def test_paint_is_listed_until_it_is_undone(at_work):
    objects = at_work.widget.objects
    at_work.press(objects.tools["paint"])
    at_work.click(50, 20)
    assert objects.here.text() == "Object 1 on frame 0: paint."
    at_work.press(at_work.widget.session.undo_button)
    assert objects.here.text() == "Object 1 on frame 0: no prompts."


def test_what_the_person_chose_is_remembered(bench, settings):
    here = bench(make_frames())
    settings.interface.demo_noted = False
    here.widget.sections["review"].header.click()
    here.widget.sections["objects"].header.click()
    here.widget.track.follow_box.setChecked(True)
    here.widget.model.device_box.addItem("cpu", "cpu")
    here.widget.model.device_box.setCurrentIndex(here.widget.model.device_box.findData("cpu"))
    here.press(here.widget.model_line.name_button)
    assert here.widget.sections["model"].expanded
    stored = settings.interface
    assert (settings.sessions.device, stored.follow_run, stored.sections) == ("cpu", True, "recording,review")
    another = bench(make_frames())
    assert {name for name, section in another.widget.sections.items() if section.expanded} == {"recording", "review"}
    assert another.widget.model.device_box.currentData() == "cpu"
    line = another.widget.model_line
    assert "Demo model" in line.name_button.text()
    assert "trying out" in line.remark.text()
    sample = another.viewer.open_sample("napari-sam2-video", "cells")[0]
    another.widget.recording.select(sample)
    assert line.remark.text() == "", "a sample is what the demo model was made for"
    another.widget.recording.select(another.viewer.layers[0])
    assert "trying out" in line.remark.text()
    another.press(line.dismiss_button)
    assert line.remark.text() == ""
    assert settings.interface.demo_noted


def test_the_widget_with_everything_in_it_shown_is_as_narrow_as_it_says(bench):
    here = bench(make_frames(), image={"axis_labels": ("z", "y", "x"), "name": "recording 2026-03-01 position 12.ome"})
    here.viewer.add_labels(np.ones((64, 80), np.uint8), name="labels of another program, renamed twice")
    here.start()
    here.widget.review.choice_buttons[0].setText("As tracked backward from frame 120")
    for section in here.widget.sections.values():
        section.setVisible(True)
        section.set_expanded(True)
    for part in (here.widget.panels.widget(), here.widget.model_line, here.widget.run_bar, here.widget.guide):
        for hidden in part.findChildren(QWidget):
            if not hidden.isWindow() and hidden.parent().layout() is not None:
                hidden.setVisible(True)
    here.spin()
    assert here.widget.minimumSizeHint().width() <= WIDTH
    assert here.widget.panels.minimumWidth() <= WIDTH
    here.widget.resize(WIDTH, 700)
    here.spin()
    for panel in (here.widget.track, here.widget.planes):
        assert panel.in_button.width() < panel.first_spin.width(), "the number has no room"
