from __future__ import annotations

import numpy as np
import pytest

from napari_sam2_video.plugin.widgets import choose
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt
from tests.plugin.conftest import N_FRAMES, make_frames, spots

pytestmark = pytest.mark.drawn


def test_click_track_and_see_masks(at_work):
    at_work.click(*spots(0)[0])
    (prompt,) = at_work.session.prompts(1)
    assert isinstance(prompt, PointPrompt)
    assert abs(prompt.y - 20) < 1
    assert abs(prompt.x - 20) < 1
    at_work.track()
    assert list(at_work.session.masks.frames_done(1)) == list(range(N_FRAMES))
    shown = np.asarray(at_work.controller.masks.masks.data[3])
    y, x = spots(3)[0]
    assert shown[round(y), round(x)] == 1
    assert at_work.errors() == []


def test_negative_points_are_negative_by_button_and_by_key(at_work):
    at_work.press(at_work.widget.objects.tools["not"])
    at_work.click(30, 30)
    at_work.key("Q")
    at_work.click(20, 20)
    signs = sorted((p.positive, round(p.y)) for p in at_work.session.prompts(1, 0))
    assert signs == [(False, 30), (True, 20)]


def test_dragging_a_box_makes_a_box_prompt(at_work):
    at_work.press(at_work.widget.objects.tools["box"])
    at_work.drag(at_work.world(0, 12, 10), at_work.world(0, 20, 20), at_work.world(0, 28, 30))
    (box,) = at_work.session.prompts(1, 0)
    assert isinstance(box, BoxPrompt)
    assert np.allclose([box.y0, box.x0, box.y1, box.x1], [12, 10, 28, 30], atol=1)


def test_an_outline_becomes_a_mask_prompt_and_leaves_the_layer(at_work):
    corners = np.array([[0, 10, 10], [0, 10, 30], [0, 30, 30], [0, 30, 10]], float)
    at_work.controller.prompts.shapes.add_polygons(corners)
    at_work.spin()
    (mask,) = at_work.session.prompts(1, 0)
    assert isinstance(mask, MaskPrompt)
    assert mask.mask[20, 20]
    assert not mask.mask[40, 40]
    assert len(at_work.controller.prompts.shapes.data) == 0


def test_painting_is_a_prompt_and_stays(at_work):
    at_work.press(at_work.widget.objects.tools["paint"])
    at_work.controller.masks.masks.brush_size = 7
    at_work.drag(at_work.world(0, 40, 40), at_work.world(0, 40, 50))
    painted = at_work.session.masks.object_mask(0, 1)
    assert painted[40, 45]
    at_work.track()
    assert np.array_equal(at_work.session.masks.object_mask(0, 1), painted)
    assert list(at_work.session.masks.frames_done(1))[-1] == N_FRAMES - 1


def test_the_preview_follows_the_prompts(at_work):
    at_work.click(20, 20)
    at_work.idle()
    preview = at_work.controller.preview
    assert preview.preview is not None
    assert preview.preview.frame == 0
    shown = np.asarray(at_work.controller.masks.preview.data[0])
    assert shown.any()
    assert not shown[20, 20], "the outline hides what it surrounds"
    assert shown[20, :20].any()
    assert shown[20, 21:].any()
    at_work.controller.go_to(2)
    at_work.idle()
    assert preview.preview is None
    assert not np.asarray(at_work.controller.masks.preview.data[2]).any()


def test_candidates_can_be_cycled_and_taken(at_work):
    at_work.click(20, 20)
    at_work.idle()
    at_work.key("K")
    assert at_work.controller.preview.chosen == 1
    at_work.press(at_work.widget.objects.take_button)
    (mask,) = at_work.session.prompts(1, 0)
    assert isinstance(mask, MaskPrompt)
    assert len(at_work.controller.prompts.points.data) == 0


def test_a_correction_tracks_only_the_changed_object(at_work):
    at_work.click(*spots(0)[0])
    at_work.key("N")
    at_work.click(*spots(0)[1])
    at_work.track()
    at_work.tracker.computed.clear()
    at_work.controller.go_to(4)
    at_work.spin()
    at_work.click(*spots(4)[1])
    at_work.track()
    assert {object_id for object_id, _, _ in at_work.tracker.computed} == {2}
    assert at_work.errors() == []


def test_undo_and_redo_by_key_and_button(at_work):
    at_work.click(20, 20)
    at_work.track()
    at_work.key("Ctrl+Z")
    assert len(at_work.session.masks.frames_done(1)) == 0
    at_work.key("Ctrl+Z")
    assert at_work.session.prompts() == ()
    assert len(at_work.controller.prompts.points.data) == 0
    at_work.widget.sections["session"].set_expanded(True)
    at_work.press(at_work.widget.session.redo_button)
    assert len(at_work.session.prompts()) == 1
    assert len(at_work.controller.prompts.points.data) == 1


def test_seeds_become_objects(at_work):
    labels = np.zeros((64, 80), np.uint8)
    labels[10:20, 10:20] = 3
    labels[40:50, 50:60] = 9
    layer = at_work.viewer.add_labels(labels, name="cells")
    panel = at_work.widget.objects
    panel.seeds_box.setCurrentIndex(panel.seeds_box.findData(layer))
    at_work.press(panel.seeds_button)
    at_work.idle()
    assert [entry.id for entry in at_work.session.objects] == [1, 3, 9]
    (seed,) = at_work.session.prompts(9)
    assert seed.mask[45, 55]


def test_stop_and_continue(at_work):
    at_work.gate.hold(3)
    at_work.click(20, 20)
    at_work.press(at_work.widget.run_bar.track_button)
    at_work.spin(lambda: len(at_work.session.masks.frames_done(1)) >= 2)
    at_work.press(at_work.widget.run_bar.stop_button)
    at_work.idle()
    done = len(at_work.session.masks.frames_done(1))
    assert 2 <= done < N_FRAMES
    assert at_work.widget.run_bar.track_button.text() == f"Continue ({N_FRAMES - done} left)"
    at_work.gate.release()
    at_work.press(at_work.widget.run_bar.track_button)
    at_work.idle()
    assert len(at_work.session.masks.frames_done(1)) == N_FRAMES


def test_the_table_renames_locks_and_selects(at_work):
    at_work.key("N")
    table = at_work.widget.objects.table
    model = table.objects
    assert model.setData(model.index(0, 2), "nucleus")
    assert at_work.session.object(1).name == "nucleus"
    from qtpy.QtCore import Qt

    assert model.setData(model.index(1, 6), Qt.CheckState.Checked.value, Qt.ItemDataRole.CheckStateRole)
    assert at_work.session.object(2).locked
    table.selectRow(0)
    assert at_work.controller.active == 1
    assert at_work.controller.masks.masks.selected_label == 1
    at_work.controller.masks.masks.selected_label = 2
    assert at_work.controller.active == 2
    assert table.currentIndex().row() == 1


def test_reopening_a_session_resumes_the_run(bench, tmp_path):
    import tifffile

    file = tmp_path / "spots.tif"
    tifffile.imwrite(file, make_frames(), metadata={"axes": "TYX"})
    first = bench()
    first.viewer.open(file, plugin="napari")
    first.start()
    first.click(20, 20)
    first.track()
    folder = first.session.folder
    masks = first.session.labels[3]
    first.controller.close_session()
    first.idle()
    first.viewer.layers.clear()
    first.viewer.open(folder, plugin="napari-sam2-video")
    first.idle()
    assert first.session is not None, first.told
    assert np.array_equal(first.session.labels[3], masks)
    first.controller.close_session()
    first.viewer.open(folder, plugin="napari-sam2-video")
    first.idle()
    assert [layer.name for layer in first.viewer.layers][:2] == ["spots", "SAM 2 masks"]
    assert len(first.controller.prompts.points.data) == 1
    first.controller.go_to(5)
    first.spin()
    first.press(first.widget.objects.tools["point"])
    first.click(*spots(5)[0])
    first.track()
    assert first.errors() == []


@pytest.mark.parametrize("kind", ["ome-tiff", "mp4"])
def test_export_writes_the_result(at_work, tmp_path, kind):
    at_work.click(20, 20)
    at_work.track()
    at_work.widget.sections["export"].set_expanded(True)
    panel = at_work.widget.export
    panel.format_box.setCurrentIndex(panel.format_box.findData(kind))
    target = tmp_path / ("result.ome.tif" if kind == "ome-tiff" else "result.mp4")
    panel.export(target)
    at_work.idle()
    assert target.stat().st_size > 0
    assert at_work.errors() == []


def test_review_goes_to_doubtful_frames_and_accepts(at_work):
    at_work.tracker_options["lost"] = {(1, 5)}
    at_work.click(20, 20)
    at_work.track()
    at_work.widget.sections["review"].set_expanded(True)
    at_work.key("J")
    assert at_work.controller.frame in (5, 6)
    at_work.key("W")
    at_work.settle()
    assert at_work.controller.frame in at_work.session.accepted(1)
    timeline = at_work.widget.review.timeline
    assert timeline.rows[0].accepted[at_work.controller.frame]
    assert timeline.rows[0].prompted[0]


def test_clicking_the_timeline_goes_there(at_work, qtbot):
    from qtpy.QtCore import QPoint, Qt

    at_work.click(20, 20)
    at_work.track()
    at_work.widget.sections["review"].set_expanded(True)
    at_work.spin()
    timeline = at_work.widget.review.timeline
    place = QPoint(round(timeline.x_of(6.5)), timeline.y_of(0) + 5)
    qtbot.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=place)
    at_work.spin()
    assert at_work.controller.frame == 6


def test_a_session_of_an_array_opens_again_with_its_layer(bench):
    here = bench(make_frames(), image={"name": "spots"})
    choose(here.widget.recording.axis_box, ("Z", "ZYX"))
    here.start()
    folder = here.session.folder
    here.press(here.widget.objects.tools["paint"])
    here.controller.go_to(1)
    here.click(30, 30)
    here.controller.close_session()
    here.idle()
    here.widget.open_session(folder)
    here.idle()
    assert here.errors() == []
    assert here.session.folder == folder
    assert here.session.labels[1][30, 30] == 1
    assert here.viewer.layers[0].name == "spots"


def test_a_session_that_cannot_be_opened_is_one_sentence(bench, tmp_path):
    here = bench(make_frames())
    (tmp_path / "broken.sam2v").mkdir()
    (tmp_path / "broken.sam2v" / "session.json").write_text("{")
    here.widget.open_session(tmp_path / "broken.sam2v")
    here.idle()
    (sentence,) = here.errors()
    assert "broken.sam2v" in sentence
    assert here.session is None
    here.start()
    assert here.session is not None


def test_labels_that_are_too_small_make_no_objects(at_work):
    labels = np.zeros((N_FRAMES, 64, 80), np.int32)
    labels[0, 5:10, 5:10], labels[0, 30:32, 30:32] = 7, 9
    at_work.viewer.add_labels(labels, name="seeds")
    at_work.spin()
    seeds = at_work.widget.objects.seeds
    seeds.area_box.setValue(10)
    at_work.press(seeds.button)
    at_work.idle()
    assert [entry.id for entry in at_work.session.objects] == [1, 7]
    assert any("1 label was left out: smaller than 10 pixels" in sentence for _, sentence in at_work.told)
