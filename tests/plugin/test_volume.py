"""A volume in the widget: clicks on two planes are one object, fused, corrected on a third plane, and exported."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import nibabel
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_sam2_video.errors import SessionError
from napari_sam2_video.plugin.prompt_layers import IN_3D
from napari_sam2_video.types import MaskPrompt
from tests.session.made_volume import SectionTracker, ellipsoid, section_factory

pytestmark = pytest.mark.drawn

SHAPE = (12, 40, 44)
TRUTH = ellipsoid(SHAPE, (6, 20, 22), (4.2, 11, 13))
SCALE = (3.0, 1.0, 1.0)


class OverrunTracker(SectionTracker):
    """Along Z, it drags the middle section through all slices, as tracking does."""

    def spoil(self, object_id, frame, inside):
        if self.view.n_frames == SHAPE[0] and frame not in self.memory.entries(object_id):
            return TRUTH[6]
        return inside


@pytest.fixture
def volume(bench):
    """The widget around a volume whose network sees true sections, but overruns the ends along Z."""
    voxels = np.where(TRUTH, 40, 0).astype(np.uint8)
    here = bench(
        voxels,
        image={"scale": SCALE, "axis_labels": ("z", "y", "x"), "units": ("um",) * 3, "contrast_limits": (0, 255)},
    )
    here.controller.loader.options = {"tracker_factory": section_factory(OverrunTracker)}
    here.widget.sections["planes"].set_expanded(True)
    return here


def shot(bench, name):
    folder = os.environ.get("SAM2V_PICTURES")
    if folder:
        bench.viewer.screenshot(str(Path(folder) / f"{name}.png"), canvas_only=False, flash=False)


def point(bench, axis, plane, row, column):
    """Click a voxel on the plane across an axis that is shown."""
    at = {"Z": (plane, row, column), "Y": (row, plane, column), "X": (row, column, plane)}[axis]
    world = bench.controller.image.data_to_world(at)
    bench.viewer.dims.set_point("ZYX".index(axis), float(world["ZYX".index(axis)]))
    bench.spin()
    bench.drag(world)
    bench.idle()


def voxels(bench):
    session = bench.session
    return np.stack([session.mask(1, frame) for frame in range(session.n_frames)])


def test_an_object_clicked_on_two_planes_is_fused_corrected_and_exported(volume, tmp_path):
    volume.start()
    panel = volume.widget.planes
    assert volume.widget.sections["planes"].isVisibleTo(volume.widget)
    volume.widget.objects.prompting.arm("point")
    point(volume, "Z", 6, 20, 22)
    volume.key("Alt-Y")
    volume.widget.objects.prompting.arm("point")
    point(volume, "Y", 20, 6, 22)
    session = volume.session
    (axial,), (coronal,) = session.prompts(1), session.planes.prompts("Y", 1)
    assert (axial.frame, axial.y, axial.x) == pytest.approx((6, 20, 22), abs=0.3)
    assert (coronal.frame, coronal.y, coronal.x) == pytest.approx((20, 6, 22), abs=0.3)
    shot(volume, "volume-coronal-prompt")
    assert [axis for axis in "ZYX" if panel.walk_boxes[axis].isChecked()] == ["Z", "Y"]
    panel.walk_boxes["X"].click()
    panel.fuse_box.click()
    volume.track()
    volume.settle()
    assert set(session.planes.walked(1)) == {"Z", "Y", "X"}
    volume.press(panel.view_buttons["Z"])
    volume.press(panel.fuse_button)
    volume.idle()
    assert (voxels(volume) == TRUTH).all()
    panel.disputed_box.click()
    volume.spin()
    volume.controller.go_to(3)
    volume.spin()
    assert np.asarray(panel._disputed.data[3]).any()
    shot(volume, "volume-disputed")
    volume.press(panel.view_buttons["X"])
    volume.widget.objects.prompting.arm("box")
    at = [volume.controller.image.data_to_world((z, y, 22)) for z, y in ((2, 9), (10, 31))]
    volume.viewer.dims.set_point(2, 22.0)
    volume.drag(at[0], at[1])
    volume.idle()
    (box,) = session.planes.prompts("X", 1)
    assert box.kind == "box"
    assert (box.frame, round(box.y0), round(box.x0), round(box.y1), round(box.x1)) == (22, 2, 9, 10, 31)
    volume.track()
    assert session.planes.outdated() == (1,)
    volume.press(panel.fuse_button)
    volume.idle()
    assert session.planes.outdated() == ()
    target = tmp_path / "mask.nii.gz"
    from napari_sam2_video import api

    api.export(session, target)
    assert (np.asarray(nibabel.load(target).dataobj).transpose(2, 1, 0) > 0).sum() == TRUTH.sum()
    assert not volume.errors()


def test_prompts_on_another_plane_alone_are_tracked_described_and_cleared(volume):
    volume.start()
    panel, tools, bar = volume.widget.planes, volume.widget.objects.prompting, volume.widget.run_bar
    volume.key("Alt-Y")
    tools.arm("point")
    point(volume, "Y", 20, 6, 22)
    volume.settle()
    assert bar.track_button.isEnabled()
    assert volume.widget.guide.step.button == "track"
    assert "outline fits" in volume.widget.guide.step.text
    volume.controller.go_to(0)
    volume.key("Alt-X")
    volume.settle()
    volume.spin()
    assert "on this plane as well" in volume.widget.guide.step.text
    volume.key("Alt-Y")
    volume.settle()
    panel.walk_boxes["Y"].click()
    assert not bar.track_button.isEnabled()
    assert bar.problem().startswith("All prompts lie on planes across Y: choose them at Track along")
    panel.walk_boxes["Y"].click()
    for name, made in tools.absent_buttons.items():
        assert not made.isEnabled(), name
        assert "across Y" in made.toolTip()
    volume.controller.actions.mark_absent("here")
    assert "absent on the session's own frames" in volume.told[-1][1]
    volume.track()
    assert set(volume.session.planes.walked(1)) == {"Z", "Y"}
    volume.press(tools.clear_button)
    assert not volume.session.planes.prompts("Y", 1)
    assert volume.session.prompts(1), "what the walk along Z was prompted with stays"
    volume.key("Alt-Z")
    assert all(made.isEnabled() for made in tools.absent_buttons.values())
    assert volume.errors() == []


def test_3d_and_back_keeps_the_tool_in_hand(volume):
    volume.start()
    volume.widget.objects.prompting.arm("point")
    layer = volume.controller.prompts.points
    assert str(layer.mode) == "add"
    volume.press(volume.widget.planes.solid_button)
    assert volume.viewer.dims.ndisplay == 3
    shot(volume, "volume-3d")
    volume.press(volume.widget.planes.solid_button)
    assert volume.viewer.dims.ndisplay == 2
    assert str(layer.mode) == "add"
    assert volume.viewer.layers.selection.active is layer
    volume.viewer.dims.ndisplay = 3
    volume.viewer.dims.ndisplay = 2
    assert str(layer.mode) == "add"


def test_the_preview_lies_on_the_plane_that_was_clicked(volume):
    volume.start()
    preview, tools = volume.controller.preview, volume.widget.objects.prompting
    tools.arm("point")
    point(volume, "Z", 6, 20, 22)
    assert preview.place == ("Z", 1, 6)
    outline = np.asarray(volume.controller.masks.preview.data[6]).copy()
    assert outline.any()
    volume.key("Alt-Y")
    tools.arm("point")
    point(volume, "Y", 20, 6, 22)
    assert preview.place == ("Y", 1, 20)
    layer = volume.controller.masks.preview
    rows, columns = np.nonzero(layer.data[:, 20])
    edge = np.nonzero(TRUTH[:, 20])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == tuple(
        bound for part in edge for bound in (part.min(), part.max())
    )
    assert not np.asarray(layer.data[:, 19]).any()
    assert not volume.widget.planes.fuse_button.isEnabled(), "a preview is no walk"
    assert tools.here.text().startswith("Object 1 on plane Y 20: 1 point. Candidate 1 of 1")
    shot(volume, "volume-coronal-preview")
    volume.press(tools.take_button)
    (mask,) = volume.session.planes.prompts("Y", 1)
    assert isinstance(mask, MaskPrompt)
    assert np.array_equal(mask.mask, TRUTH[:, 20])
    volume.viewer.dims.set_point(1, 24.0)
    volume.idle()
    assert preview.place is None
    volume.key("Alt-Z")
    volume.controller.go_to(6)
    volume.idle()
    assert preview.place == ("Z", 1, 6)
    assert np.array_equal(layer.data[6], outline)
    assert volume.errors() == []


def test_a_click_in_3d_is_refused_in_one_sentence_and_changes_nothing(volume):
    volume.start()
    volume.widget.objects.prompting.arm("point")
    point(volume, "Z", 6, 20, 22)
    given = volume.session.prompts(1)
    for angles in ((0, 0, 90), (20, 40, 60)):
        volume.viewer.dims.ndisplay = 3
        volume.viewer.camera.angles = angles
        volume.widget.objects.prompting.arm("point")
        volume.spin()
        canvas = volume.viewer.window._qt_viewer.canvas.native
        told = len(volume.told)
        middle = QPoint(canvas.width() // 2 + 8, canvas.height() // 2 + 5)
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
        volume.spin(lambda before=told: len(volume.told) > before)
        assert [sentence for _, sentence in volume.told[told:]] == [IN_3D]
        assert volume.session.prompts(1) == given
        assert len(volume.controller.prompts.points.data) == 1
        volume.viewer.dims.ndisplay = 2
    point(volume, "Z", 7, 20, 22)
    assert [prompt.frame for prompt in volume.session.prompts(1)] == [6, 7]


def test_a_point_beside_the_frames_is_refused(volume):
    volume.start()
    volume.controller.prompts.points.add((-15, 20, 22))
    volume.spin(lambda: bool(volume.errors()))
    assert volume.errors() == ["The prompt was discarded: it is not on a frame of the recording."]
    assert not volume.session.prompts(1)


def test_the_crosshair_brings_every_plane_to_the_clicked_voxel(volume):
    volume.start()
    volume.widget.objects.prompting.put_down()
    panel = volume.widget.planes
    panel.crosshair_box.click()
    volume.controller.go_to(4)
    volume.drag(volume.controller.image.data_to_world((4, 30, 10)))
    volume.press(panel.view_buttons["Y"])
    assert volume.viewer.dims.current_step == (4, 30, 10)
    shot(volume, "volume-crosshair")
    volume.press(panel.view_buttons["X"])
    assert volume.viewer.dims.current_step == (4, 30, 10)
    panel.crosshair_box.click()
    assert not any("crosshair" in layer.name for layer in volume.viewer.layers)


def test_a_surface_lies_where_the_masks_are(volume):
    volume.start()
    for frame in np.flatnonzero(TRUTH.any(axis=(1, 2))).tolist():
        volume.session.add_prompt(MaskPrompt(1, frame, TRUTH[frame]))
    volume.controller.perform()
    volume.track()
    name = f"Surface of {volume.session.object(1).name}"
    own = volume.viewer.add_surface((np.eye(3), np.array([[0, 1, 2]])), name=name)
    for _ in range(2):
        volume.press(volume.widget.planes.surface_button)
        volume.idle()
    assert np.array_equal(own.vertices, np.eye(3)), "the person's own layer of that name stays"
    (layer,) = (one for one in volume.viewer.layers if one.name.startswith("Surface") and one is not own)
    low, high = layer.extent.world
    inside = np.argwhere([volume.session.mask(1, frame) for frame in range(SHAPE[0])])
    assert low == pytest.approx(inside.min(0) * SCALE, abs=1.6)
    assert high == pytest.approx(inside.max(0) * SCALE, abs=1.6)
    volume.press(volume.widget.planes.solid_button)
    shot(volume, "volume-surface")


def test_slices_between_are_filled_and_windows_are_shown(volume):
    volume.start()
    panel = volume.widget.planes
    volume.session.set_prompts(1, 3, [])
    for frame in (3, 8):
        volume.session.paint(frame, (0, 0), np.ones(SHAPE[1:], np.uint8), TRUTH[6])
    volume.controller.perform()
    volume.press(panel.fill_button)
    volume.idle()
    assert volume.session.filled(1) == {4, 5, 6, 7}
    assert (volume.session.mask(1, 5) == TRUTH[6]).all()
    volume.key("Alt-1")
    assert tuple(volume.controller.image.contrast_limits) == (0, 80)
    assert not volume.errors()


def test_the_brush_is_round_on_every_plane_and_stays_on_it_unless_asked(volume):
    volume.start()
    layer = volume.controller.masks.masks
    layer.brush_size = 12
    volume.press(volume.widget.planes.view_buttons["Y"])
    volume.viewer.dims.set_point(1, 20.0)
    layer.paint((6, 20, 22), 1)
    volume.idle()
    painted = np.argwhere(np.asarray(volume.session.labels))
    assert set(painted[:, 1]) == {20}
    height, width = np.ptp(painted[:, 0]) * SCALE[0], np.ptp(painted[:, 2]) * SCALE[2]
    assert height == pytest.approx(width, abs=2 * SCALE[0])
    volume.session.undo()
    volume.widget.planes.ball_box.click()
    layer.paint((6, 20, 22), 1)
    volume.idle()
    painted = np.argwhere(np.asarray(volume.session.labels)) * SCALE
    assert np.ptp(painted, axis=0) == pytest.approx([12, 12, 12], abs=2 * SCALE[0])


def test_a_label_volume_becomes_objects_on_the_middle_slice(volume):
    volume.start()
    volume.viewer.add_labels(np.where(TRUTH, 5, 0), scale=SCALE, name="truth")
    volume.spin()
    panel = volume.widget.planes
    volume.widget.objects.seeds.box.setCurrentText("truth")
    panel.slices_box.setCurrentIndex(1)
    volume.press(panel.seeds_button)
    volume.idle()
    (prompt,) = volume.session.prompts(5)
    assert prompt.frame == 6
    assert (prompt.mask == TRUTH[6]).all()
    assert volume.controller.active == 5


def test_labels_that_are_too_small_on_a_slice_are_left_out_there(volume):
    volume.start()
    labels = np.where(TRUTH, 5, 0)
    labels[3, :2, :2] = 6
    volume.viewer.add_labels(labels, scale=SCALE, name="truth")
    volume.spin()
    panel = volume.widget.planes
    volume.widget.objects.seeds.box.setCurrentText("truth")
    areas = TRUTH.sum((1, 2))
    panel.area_box.setValue(int(areas.max()))
    volume.press(panel.seeds_button)
    volume.idle()
    assert {one.frame for one in volume.session.prompts(5)} == set(np.flatnonzero(areas == areas.max()).tolist())
    assert [entry.id for entry in volume.session.objects] == [1, 5]
    assert f"1 label was left out: smaller than {areas.max()} pixels" in panel.task.outcome.text()
    panel.area_box.setValue(int(areas.max()) + 1)
    volume.press(panel.seeds_button)
    volume.idle()
    assert panel.task.outcome.text().startswith("No object was created")
    assert volume.errors() == []


def test_accepting_is_of_the_plane_that_is_shown(volume):
    volume.start()
    tools, review = volume.widget.objects.prompting, volume.widget.review
    tools.arm("point")
    point(volume, "Z", 6, 20, 22)
    volume.track()
    volume.key("Alt-Y")
    volume.viewer.dims.set_point(1, 20.0)
    volume.idle()
    assert review.accept()
    assert volume.session.planes.accepted("Y", 1) == (20,)
    assert volume.session.accepted(1) == frozenset()
    assert not review.span_button.isEnabled()
    assert "across Y" in review.span_button.toolTip()
    review.unaccept()
    assert volume.session.planes.accepted("Y", 1) == ()
    volume.controller.actions.accept_all()
    assert volume.session.planes.accepted("Y", 1) == (20,)
    volume.viewer.dims.set_point(1, 0.0)
    volume.idle()
    assert not review.accept()
    assert "no mask on plane Y 0" in volume.told[-1][1]
    volume.controller.go_to(6)
    volume.idle()
    assert volume.controller.shown_elsewhere() is None
    assert review.span_button.isEnabled()
    assert review.accept()
    assert volume.session.accepted(1) == {6}
    assert volume.errors() == []


def test_filling_is_offered_for_an_object_that_becomes_the_active_one(volume):
    volume.start()
    volume.controller.set_active(0)
    assert not volume.widget.planes.fill_button.isEnabled()
    volume.controller.set_active(1)
    assert volume.widget.planes.fill_button.isEnabled()


def test_a_fusing_that_fails_after_a_run_leaves_no_text_that_waits(volume, monkeypatch):
    def fail(*_, **__):
        raise SessionError("The disk is full.")

    volume.start()
    volume.widget.objects.prompting.arm("point")
    point(volume, "Z", 6, 20, 22)
    volume.widget.planes.walk_boxes["Y"].click()
    monkeypatch.setattr(type(volume.session), "fuse", fail)
    volume.track()
    volume.idle()
    assert volume.widget.run_bar.status.text().startswith("The disk is full.")
    assert volume.errors() == ["The disk is full."]


def test_fusing_follows_the_run_at_once_and_ends_with_its_session(volume, monkeypatch):
    """Between the run and the fusing that follows it, nothing says that all is done."""
    held = threading.Event()

    def wait(*_, progress, **__):
        held.wait(60)
        progress(0, 1)

    volume.start()
    volume.widget.objects.prompting.arm("point")
    point(volume, "Z", 6, 20, 22)
    volume.widget.planes.walk_boxes["Y"].click()
    monkeypatch.setattr(type(volume.session), "fuse", wait)
    panel, seen = volume.widget.planes, []
    volume.controller.run.ended.connect(lambda *_: seen.append(panel.task.working))
    volume.press(volume.widget.run_bar.track_button)
    volume.spin(lambda: seen)
    assert seen == [True]
    assert volume.widget.run_bar.status.text().startswith("Fusing the planes…")
    volume.controller.close_session()
    held.set()
    volume.idle()
    assert not panel.task.working
    assert panel.task.bar.isHidden()
    assert (panel.task.outcome.text(), volume.widget.run_bar.status.text()) == ("", "")
    assert ("info", "Fusing was stopped; undo reverts the fused slices.") in volume.told
    assert volume.errors() == []
