"""How many clicks and keys journeys take, counted while they are driven; `docs/gui.md` has them beside others'.

A click is a press of a mouse button in the viewer or the widget, a key one shortcut. Words that are typed, and the file
that is chosen in the system's own dialog, are not counted, as they are the same everywhere.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from napari_sam2_video.types import PointPrompt
from tests.plugin.conftest import make_frames, spots
from tests.session.made_volume import ellipsoid, section_factory

pytestmark = pytest.mark.drawn

GUI = Path(__file__).parents[2] / "docs" / "gui.md"


class Person:
    """Drives a bench, and counts what that takes."""

    def __init__(self, here):
        self.here = here
        self.acts = 0

    def press(self, button):
        self.acts += 1
        self.here.press(button)
        self.here.idle()

    def key(self, name):
        self.acts += 1
        self.here.key(name)
        self.here.idle()
        self.here.settle()

    def click(self, y, x):
        self.acts += 1
        self.here.click(y, x)
        self.here.idle()

    def point(self, world):
        """Click a point of the viewer's world on the plane that is shown."""
        self.acts += 1
        self.here.drag(world)
        self.here.idle()

    def open(self, name):
        """Open a section of the widget, unless it is open."""
        section = self.here.widget.sections[name]
        if not section.expanded:
            self.acts += 1
            section.header.click()
            self.here.idle()


def documented(journey):
    """Our figure for a journey, and those of the others, in the table of the documentation."""
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| ([^|]+) \| ([^|]+) \|$", GUI.read_text(encoding="utf-8"), re.M)
    (found,) = [row for row in rows if row[0] == journey]
    return int(found[1]), [int(number) for text in found[2:] for number in re.findall(r"^\s*(\d+)", text)]


def assert_as_documented(journey, person):
    own, others = documented(journey)
    assert person.acts == own
    assert all(own <= other for other in others)


@pytest.fixture
def export_to(monkeypatch, tmp_path):
    """The file that a person chooses in the system's dialog."""
    target = tmp_path / "masks.tif"
    monkeypatch.setattr(
        "napari_sam2_video.plugin.export_panel.QFileDialog.getSaveFileName", lambda *_, **__: (str(target), "")
    )
    return target


def export(here, person):
    person.open("export")
    person.press(here.widget.export.export_button)


def test_from_a_sample_to_a_tiff_with_two_cells(bench, export_to):
    here = bench(make_frames())
    here.controller.go_to(0)
    person = Person(here)
    person.key("N")
    here.controller.go_to(0)
    person.click(*spots(0)[0])
    person.key("N")
    person.click(*spots(0)[1])
    person.key("G")
    export(here, person)
    assert export_to.exists()
    assert set(np.unique(here.session.labels[7])) == {0, 1, 2}
    assert_as_documented("Sample to TIFF, two cells", person)


def test_correct_three_frames_of_one_of_ten_objects(bench):
    here = bench(make_frames(24), lost={(1, 5), (1, 12), (1, 19)})
    here.start()
    here.controller.go_to(0)
    for _ in range(2, 11):
        here.session.add_object()
    for number in range(1, 11):
        here.session.add_prompt(PointPrompt(number, 0, *spots(0)[(number - 1) % 2]))
    here.controller.perform()
    here.track()
    here.settle()
    here.controller.set_active(1)
    person = Person(here)
    for count in range(3):
        # After the first correction the next place comes by itself, and the tool is at hand.
        if count == 0:
            person.key("J")
        place = here.widget.review.walk.current
        assert place is not None
        assert place.object_id == 1
        if count == 0:
            person.key("Shift+K")
        here.tracker.lost.discard((1, place.frame))
        person.click(*spots(place.frame)[0])
        person.key("G")
    assert len({prompt.frame for prompt in here.session.prompts(1)}) >= 3
    assert here.errors() == []
    assert_as_documented("Correct three frames of one of ten objects", person)


def test_thirty_seeds_review_export(bench, export_to):
    labels = np.zeros((64, 80), np.uint8)
    for number in range(30):
        y, x = 10 * (number // 6) + 4, 12 * (number % 6) + 4
        labels[y : y + 6, x : x + 6] = number + 1
    frames = np.repeat(np.where(labels > 0, 200, 10).astype(np.uint8)[None], 6, axis=0)
    here = bench(frames, lost={(number, 3) for number in (4, 9)})
    here.viewer.add_labels(labels, name="found")
    here.controller.go_to(0)
    person = Person(here)
    person.press(here.widget.objects.seeds_button)
    here.controller.go_to(0)
    person.key("G")
    places = len(here.controller.summary.review.left)
    person.key("J")
    while here.widget.review.walk.current is not None:
        person.key("Shift+J")
    export(here, person)
    assert len(here.session.objects) == 30
    assert here.controller.summary.review.left == ()
    assert export_to.exists()
    # One key for each place; the table gives the journey without any.
    person.acts -= places
    assert_as_documented("30 seeds, review, export", person)


def test_an_organ_of_a_ct_in_three_planes(bench, export_to):
    truth = ellipsoid((12, 40, 44), (6, 20, 22), (4.2, 11, 13))
    image = {"scale": (3, 1, 1), "axis_labels": ("z", "y", "x"), "contrast_limits": (0, 255)}
    here = bench(np.where(truth, 40, 0).astype(np.uint8), image=image)
    here.controller.loader.options = {"tracker_factory": section_factory()}
    middle = here.viewer.layers[0].data_to_world((6, 20, 22))
    person = Person(here)
    here.move_to(middle)
    person.key("Shift+N")
    for axis in "YX":
        person.key(f"Alt+{axis}")
        person.point(middle)
    person.key("G")
    here.idle()
    export(here, person)
    session = here.session
    assert [len(session.planes.prompts(axis)) for axis in "ZYX"] == [1, 1, 1]
    assert session.planes.fused(1) == ("Z", "Y", "X")
    assert here.widget.run_bar.status.text().startswith("1 object fused.")
    assert np.array_equal(np.asarray([session.mask(1, frame) for frame in range(12)]), truth)
    assert export_to.exists()
    assert here.errors() == []
    assert_as_documented("A CT organ in three planes", person)


def test_reopen_and_continue(bench):
    here = bench(make_frames())
    here.start()
    here.controller.go_to(0)
    here.click(*spots(0)[0])
    here.gate.hold(3)
    here.press(here.widget.run_bar.track_button)
    here.spin(lambda: here.controller.run.progress.done >= 2)
    here.controller.actions.stop()
    here.gate.release()
    here.idle()
    here.controller.close_session()
    here.idle()
    # As napari opens it the next day.
    here.widget.sections["recording"].set_expanded(True)
    here.spin()
    assert here.widget.guide.step.button == "continue"
    person = Person(here)
    person.press(here.widget.recording.continue_button)
    person.key("G")
    assert len(here.session.masks.frames_done(1)) == 8
    assert_as_documented("Reopen and continue", person)
