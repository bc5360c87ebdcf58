"""What happens in a viewer when things go wrong: one test a fault."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from napari_sam2_video.errors import DeviceMemoryError
from napari_sam2_video.session import Session
from tests.plugin.conftest import N_FRAMES, make_frames, spots


def begin(here) -> None:
    """Start a run that waits after its second frame."""
    here.gate.hold(2)
    here.click(*spots(0)[0])
    here.press(here.widget.run_bar.track_button)
    here.spin(lambda: len(here.session.masks.frames_done(1)) >= 2)


def told(here) -> str:
    return " ".join(sentence for _, sentence in here.told)


def test_fault_32_out_of_memory_says_what_to_do(at_work):
    at_work.tracker_options["fail_at"] = {4: DeviceMemoryError("The GPU is full: choose a smaller model.")}
    at_work.click(*spots(0)[0])
    at_work.track()
    assert at_work.errors() == ["The GPU is full: choose a smaller model."]
    assert len(at_work.session.masks.frames_done(1)) == 4
    bar = at_work.widget.run_bar
    assert bar.track_button.text().startswith("Continue")
    assert bar.error.text() in bar.status.text()
    at_work.tracker.fail_at.clear()
    at_work.press(bar.track_button)
    at_work.idle()
    assert len(at_work.session.masks.frames_done(1)) == N_FRAMES


def test_fault_34_prompt_outside_the_image(at_work):
    at_work.controller.prompts.points.add([0, 500, 500])
    at_work.spin()
    assert at_work.session.prompts() == ()
    assert len(at_work.controller.prompts.points.data) == 0
    assert "outside the image" in told(at_work)


def test_fault_35_no_prompt_disables_the_button_and_says_why(at_work):
    bar = at_work.widget.run_bar
    at_work.settle()
    assert not bar.track_button.isEnabled()
    assert "prompt" in bar.track_button.toolTip()
    at_work.click(20, 20)
    at_work.settle()
    assert bar.track_button.isEnabled()
    assert bar.reason.text() == ""


def test_fault_36_masks_layer_deleted_in_a_run(at_work):
    begin(at_work)
    at_work.viewer.layers.remove(at_work.controller.masks.masks)
    at_work.idle()
    assert "Restore layers" in told(at_work)
    done = len(at_work.session.masks.frames_done(1))
    assert 2 <= done < N_FRAMES
    at_work.press(at_work.widget.objects.restore_button)
    assert np.asarray(at_work.controller.masks.masks.data[1]).any()
    own = [layer.name for layer in at_work.viewer.layers][1:]
    assert own == ["SAM 2 masks", "SAM 2 preview", "SAM 2 points", "SAM 2 shapes"]
    at_work.gate.release()
    at_work.press(at_work.widget.run_bar.track_button)
    at_work.idle()
    assert len(at_work.session.masks.frames_done(1)) == N_FRAMES


def test_fault_36_prompt_layers_deleted(at_work):
    at_work.click(20, 20)
    at_work.viewer.layers.remove(at_work.controller.prompts.points)
    at_work.viewer.layers.remove(at_work.controller.prompts.shapes)
    at_work.spin()
    assert len(at_work.session.prompts()) == 1
    at_work.press(at_work.widget.objects.tools["point"])
    at_work.click(20, 24)
    assert len(at_work.session.prompts()) == 2


def test_fault_37_data_replaced_in_a_run(at_work):
    begin(at_work)
    layer = at_work.controller.masks.masks
    other = np.zeros(layer.data.shape, np.uint8)
    layer.data = other
    at_work.idle()
    assert "no longer belongs to the session" in told(at_work)
    assert not other.any()
    at_work.press(at_work.widget.objects.restore_button)
    assert at_work.controller.masks.masks is not layer
    assert np.asarray(at_work.controller.masks.masks.data[1]).any()


def test_fault_38_viewer_closed_in_a_run(at_work):
    begin(at_work)
    folder, image = at_work.session.folder, at_work.controller.image.data
    runner = at_work.controller.runner
    at_work.viewer.close()
    at_work.spin()
    assert runner.join(20)
    from napari_sam2_video.frames.open import open_recording

    with Session.open(folder, recording=open_recording(image, axes="TYX", name="spots")) as session:
        assert session.unfinished
        assert 2 <= len(session.masks.frames_done(1)) < N_FRAMES


def test_fault_38_window_closed_by_its_cross_in_a_run(at_work):
    begin(at_work)
    folder, image = at_work.session.folder, at_work.controller.image.data
    runner = at_work.controller.runner
    at_work.viewer.window._qt_window.close()
    at_work.spin()
    # What napari does when it is told to close the viewer, which here it is not.
    at_work.viewer.window._teardown()
    del at_work.viewer.window._qt_window
    assert runner.join(20)
    from napari_sam2_video.frames.open import open_recording

    with Session.open(folder, recording=open_recording(image, axes="TYX", name="spots")) as session:
        assert session.unfinished


def test_fault_38_widget_closed_in_a_run(at_work):
    begin(at_work)
    runner = at_work.controller.runner
    names = {layer.name for layer in at_work.viewer.layers}
    assert "SAM 2 masks" in names
    at_work.viewer.window.remove_dock_widget(at_work.widget)
    at_work.spin()
    assert runner.join(20)
    assert [layer.name for layer in at_work.viewer.layers] == ["spots"]
    assert not any(t.name.startswith("napari-sam2-video") for t in threading.enumerate())


def test_fault_39_painting_in_a_run_wins(at_work):
    at_work.key("N")
    at_work.controller.set_active(1)
    begin(at_work)
    y, x = spots(7)[0]
    at_work.controller.go_to(7)
    at_work.controller.set_active(2)
    at_work.press(at_work.widget.objects.tools["paint"])
    at_work.click(y, x)
    assert 7 not in at_work.session.masks.frames_done(1)
    at_work.gate.release()
    at_work.idle()
    assert 7 in at_work.session.masks.frames_done(1)
    assert at_work.session.labels[7][round(y), round(x)] == 2
    assert at_work.errors() == []


@pytest.mark.parametrize("way", ["key", "method"])
def test_fault_40_undo_after_a_run_never_changes_the_models_pixels(at_work, way):
    at_work.press(at_work.widget.objects.tools["paint"])
    at_work.click(50, 20)
    at_work.track()
    before = [at_work.session.labels[t].copy() for t in range(N_FRAMES)]
    if way == "method":
        at_work.controller.masks.masks.undo()
        after = [at_work.session.labels[t] for t in range(N_FRAMES)]
        assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
        return
    at_work.key("Ctrl+Z")
    assert len(at_work.session.masks.frames_done(1)) == 0
    at_work.key("Ctrl+Shift+Z")
    after = [at_work.session.labels[t] for t in range(N_FRAMES)]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_fault_42_more_than_255_objects_widen_the_layer(at_work):
    labels = np.zeros((64, 80), np.uint16)
    labels[5:9, 5:9] = 300
    layer = at_work.viewer.add_labels(labels)
    panel = at_work.widget.objects
    panel.seeds_box.setCurrentIndex(panel.seeds_box.findData(layer))
    at_work.press(panel.seeds_button)
    at_work.idle()
    at_work.track()
    assert at_work.controller.masks.masks.data.dtype == np.uint16
    assert at_work.session.labels[0].max() == 300
    assert at_work.errors() == []


@pytest.mark.parametrize(
    "error",
    [RuntimeError("something broke"), MemoryError(), KeyError("lost")],
    ids=["runtime", "memory", "key"],
)
def test_fault_44_any_exception_becomes_a_sentence_and_the_button_returns(at_work, error):
    at_work.tracker_options["fail_at"] = {3: error}
    at_work.click(*spots(0)[0])
    at_work.track()
    (sentence,) = at_work.errors()
    assert "Traceback" not in sentence
    assert sentence.endswith(".")
    bar = at_work.widget.run_bar
    assert bar.track_button.isVisible()
    assert not bar.stop_button.isVisible()
    assert sentence in bar.status.text()
    assert not at_work.controller.run.running


def test_fault_45_a_second_run_is_refused(at_work):
    begin(at_work)
    from napari_sam2_video.types import TrackSettings

    at_work.controller.actions.track(TrackSettings(objects=(1,)))
    assert any("under way" in sentence for sentence in at_work.errors())
    at_work.gate.release()
    at_work.idle()
    assert len(at_work.session.masks.frames_done(1)) == N_FRAMES


def test_image_layer_deleted_closes_the_session(at_work):
    begin(at_work)
    at_work.viewer.layers.remove(at_work.controller.image)
    at_work.idle()
    assert at_work.session is None
    assert "saved in its folder" in told(at_work)
    assert len(at_work.viewer.layers) == 0


@pytest.mark.parametrize("clear", [False, True])
def test_only_what_a_person_removes_and_the_sessions_layers_go(at_work, clear, caplog):
    layers, image = at_work.viewer.layers, at_work.controller.image
    other = at_work.viewer.add_image(make_frames(), name="other")
    layers.move(layers.index(image), len(layers))
    assert layers[-1] is image
    if clear:
        layers.clear()
    else:
        layers.remove(image)
    at_work.idle()
    at_work.spin(lambda: len(layers) < 2, timeout=10)
    assert list(layers) == ([] if clear else [other])
    assert "inconsistent changes" not in caplog.text


def test_a_single_image_is_segmented(bench):
    here = bench(make_frames()[0], image={"scale": (0.5, 0.5)})
    assert here.widget.recording.axis_box.currentText() == "A single image"
    here.start()
    here.click(*spots(0)[0])
    here.idle()
    here.settle()
    assert here.widget.run_bar.track_button.text() == "Segment"
    here.track()
    y, x = (round(at) for at in spots(0)[0])
    layer = here.controller.masks.masks
    assert layer.ndim == 2
    assert np.asarray(layer.data)[y, x] == here.session.labels[0][y, x] == 1
    here.press(here.widget.objects.tools["paint"])
    here.click(50, 20)
    assert here.session.labels[0][50, 20] == 1
    here.press(here.widget.objects.tools["erase"])
    here.click(50, 20)
    assert here.session.labels[0][50, 20] == 0
    assert here.errors() == []


def test_locked_objects_refuse_prompts(at_work):
    at_work.session.edit_object(1, locked=True)
    at_work.click(20, 20)
    assert at_work.session.prompts() == ()
    assert any("locked" in sentence for sentence in at_work.errors())


@pytest.mark.parametrize("painting", [False, True])
def test_a_stopped_run_is_continued_by_the_same_button(at_work, painting):
    begin(at_work)
    bar = at_work.widget.run_bar
    if painting:
        at_work.press(at_work.widget.objects.tools["paint"])
        at_work.click(50, 20)
        assert at_work.widget.objects.here.text() == "Object 1 on frame 0: 1 point, paint."
    at_work.press(bar.stop_button)
    at_work.gate.release()
    at_work.idle()
    at_work.settle()
    assert bar.track_button.text().startswith("Track" if painting else "Continue (")
    at_work.press(bar.track_button)
    at_work.idle()
    assert len(at_work.session.masks.frames_done(1)) == N_FRAMES
    assert at_work.errors() == []
