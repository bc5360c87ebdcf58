"""What a detector finds becomes proposals, and accepted ones become objects."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from napari_sam2_video.detect.protocol import Detection
from napari_sam2_video.errors import DetectorError, SessionError, SettingsError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.linking.shapes import shapes_of
from napari_sam2_video.session import Session
from napari_sam2_video.types import FindSettings, MaskPrompt, PointPrompt
from napari_sam2_video.types.prompts import seed_list
from tests.fakes import fake_factory

SHAPE = (64, 80)


class Labels:
    """A detector that knows the labels of each frame."""

    name = "known labels"

    def __init__(self, labels, scores=None):
        self.settings = {"from": "a test"}
        self.labels = labels
        self.scores = scores or {}

    def detect(self, frame):
        return [
            Detection(self.scores.get(label, 0.9), one.mask, one.origin_yx)
            for label, one in shapes_of(self.labels[frame.index]).items()
        ]


class Faulty(Labels):
    def __init__(self, answer):
        super().__init__([])
        self.answer = answer

    def detect(self, frame):
        return self.answer()


def disc(y, x, radius):
    rows, columns = np.indices(SHAPE)
    return np.hypot(rows - y, columns - x) <= radius


def movie(masks):
    """Frames as bright as their masks, and their labels in the given order."""
    labels = np.zeros((len(masks), *SHAPE), np.uint8)
    for frame, here in enumerate(masks):
        for label, mask in enumerate(here, start=1):
            labels[frame][mask] = label
    return labels


def three(n=8):
    """Two cells, and one that comes on frame 3."""
    return movie(
        [[disc(16, 20 + t, 7), disc(46, 60 - t, 8), *([disc(46, 18 + t, 6)] if t >= 3 else [])] for t in range(n)]
    )


def dividing(half=4):
    before = [[disc(32, 40, 11)] for _ in range(half)]
    return movie(before + [[disc(32, 31 - t, 8), disc(32, 49 + t, 8)] for t in range(half)])


@pytest.fixture
def opened(tmp_path):
    made = []

    def make(labels, **options):
        factory = fake_factory(**options)
        recording = ArrayRecording(np.where(labels > 0, 200, 10).astype(np.uint8), axes="TYX")
        made.append(Session.create(tmp_path / f"{len(made)}.sam2v", recording, tracker_factory=factory))
        return made[-1]

    yield make
    for session in made:
        session.close()


def found(session, detector, **settings):
    return list(session.find(detector, FindSettings(**settings)))


def drop(generator):
    for _ in generator:
        pass


def prompted(session, labels, frame=0):
    session.add_seeds(labels, frame)
    drop(session.track())


def test_everything_on_every_frame_becomes_objects_without_the_network(opened):
    labels = three()
    session = opened(labels)
    progress = found(session, Labels(labels))
    assert [(p.frame, p.found, p.done) for p in progress][:4] == [(0, 2, 1), (1, 2, 2), (2, 2, 3), (3, 3, 4)]
    assert [(p.kind, p.frame, p.score) for p in session.proposals] == [
        ("new object", 0, 0.9), ("new object", 0, 0.9), ("new object", 3, 0.9),
    ]  # fmt: skip
    assert session.objects == ()
    assert len(session.accept_proposals()) == 3
    for frame, image in enumerate(labels):
        assert np.array_equal(session.masks.read_labels(frame) > 0, image > 0)
    assert not session.dirty()
    assert session._context.state.table("runs") == {}
    assert session.proposals == ()


def test_missing_labels_are_tracked_and_nothing_else(opened):
    labels = three()
    given = labels.copy()
    given[4][given[4] == 1] = 0
    session = opened(labels)
    found(session, Labels(given))
    session.accept_proposals()
    done = [frame.frame for frame in session.track()]
    assert 4 in done
    assert set(done) <= {3, 4, 5}
    assert (session.masks.read_labels(4)[labels[4] == 1] > 0).mean() > 0.5
    assert np.array_equal(session.masks.read_labels(3) > 0, given[3] > 0)


def test_every_fifth_frame_gives_objects_to_be_tracked(opened):
    labels = three(11)
    session = opened(labels)
    found(session, Labels(labels), every=5)
    assert [p.frame for p in session.proposals] == [0, 0, 5]
    made = session.accept_proposals()
    assert [session.prompts(i)[0].frame for i in made] == [0, 0, 5]
    drop(session.track())
    assert all(len(session.masks.frames_done(i)) == 11 for i in made)


def test_tracked_objects_are_matched_and_only_the_others_are_proposed(opened):
    labels = three()
    session = opened(labels)
    prompted(session, np.where(labels[0] == 1, 1, 0))
    found(session, Labels(labels), every=2)
    assert [(p.kind, p.frame) for p in session.proposals] == [("new object", 0), ("new object", 4)]


def test_what_is_prompted_and_not_tracked_yet_is_not_proposed_again(opened):
    labels = three()
    session = opened(labels)
    for object_id, (y, x) in enumerate(((16, 20), (46, 60)), start=1):
        session.add_object()
        session.add_prompt(PointPrompt(object_id, 0, y, x))
    found(session, Labels(labels), every=2)
    assert [(p.kind, p.frame) for p in session.proposals] == [("new object", 4)]


def test_a_division_of_a_new_object_makes_daughters_with_a_parent(opened):
    labels = dividing()
    session = opened(labels)
    found(session, Labels(labels))
    new, division = session.proposals
    assert (new.kind, division.kind, division.frame, division.mother) == ("new object", "division", 4, new.id)
    session.accept_proposals([division.id])
    mother, *daughters = session.objects
    assert [(one.parent, one.parent_frame) for one in daughters] == [(mother.id, 4)] * 2
    assert not session.mask(mother.id, 4).any()
    assert session.mask(mother.id, 3).any()
    assert not session.mask(daughters[0].id, 3).any()
    assert session.mask(daughters[0].id, 4).any()


def test_a_division_of_a_tracked_object_ends_it(opened):
    labels = dividing()
    session = opened(labels)
    prompted(session, labels[0])
    found(session, Labels(labels))
    (division,) = session.proposals
    assert (division.kind, division.object_id, division.frame) == ("division", 1, 4)
    assert session.accept_proposals() == (2, 3)
    assert not session.mask(1, 5).any()
    assert session.mask(1, 3).any()
    assert {one.parent for one in session.objects} == {None, 1}
    assert not session.mask(2, 3).any()
    assert session.mask(2, 4).any()
    assert session.undo()
    assert len(session.objects) == 1
    assert session.mask(1, 5).any()
    assert [one.id for one in session.proposals] == [division.id]


def test_between_two_frames_that_were_looked_at_the_frame_of_a_division_is_found(opened):
    labels = dividing(8)
    session = opened(labels)
    prompted(session, labels[0])
    detector = Labels(labels)
    looks = []
    detector.detect = lambda frame: looks.append(frame.index) or Labels.detect(detector, frame)
    found(session, detector, every=5)
    (division,) = session.proposals
    assert (division.kind, division.frame) == ("division", 8)
    assert looks == [0, 5, 10, 15, 7, 8]


def test_daughters_of_every_second_frame_are_tracked_from_there_on(opened):
    labels = dividing()
    session = opened(labels)
    prompted(session, labels[0])
    found(session, Labels(labels), every=2)
    (division,) = session.proposals
    assert (division.kind, division.frame) == ("division", 4)
    session.accept_proposals()
    drop(session.track())
    assert session.masks.frames_done(2).tolist() == session.masks.frames_done(3).tolist() == [4, 5, 6, 7]


def test_an_object_that_nothing_is_found_of_any_more_is_proposed_to_end(opened):
    labels = three()
    given = labels.copy()
    given[5:][given[5:] == 1] = 0
    session = opened(labels)
    prompted(session, labels[3], 3)
    found(session, Labels(given))
    (end,) = session.proposals
    assert (end.kind, end.frame, end.object_id) == ("end", 5, 1)
    assert end.score > 0.99
    session.accept_proposals()
    assert session.mask(1, 4).any()
    assert not session.mask(1, 6).any()


def test_a_lost_object_is_found_again_under_its_id(opened):
    labels = three()
    session = opened(labels, lost={(1, f) for f in range(4, 8)})
    prompted(session, np.where(labels[0] == 1, 1, 0))
    assert not session.mask(1, 5).any()
    found(session, Labels(np.where(labels == 1, 1, 0)))
    (again,) = session.proposals
    assert (again.kind, again.frame, again.object_id) == ("found again", 4, 1)
    assert session.accept_proposals() == ()
    (prompt,) = session.prompts(1, 4)
    assert isinstance(prompt, MaskPrompt)
    assert np.array_equal(prompt.mask, labels[4] == 1)
    assert session.dirty() == (1,)


def test_proposals_are_accepted_by_score_and_the_provenance_says_by_whom(opened):
    labels = three()
    session = opened(labels)
    found(session, Labels(labels, {2: 0.4}))
    assert sorted(one.score for one in session.proposals) == [0.4, 0.9, 0.9]
    assert len(session.accept_proposals(least_score=0.8)) == 2
    (left,) = session.proposals
    assert session.reject_proposals([left.id]) == 1
    said = session.provenance()
    schema = json.loads((files("napari_sam2_video") / "schemas" / "provenance.schema.json").read_text())
    jsonschema.validate(said, schema)
    (find,) = said["finds"]
    assert (find["detector"], find["settings"], find["every"]) == ("known labels", {"from": "a test"}, 1)
    by = sorted((one["decision"], one["by"]) for one in find["proposals"])
    assert by == [("accepted", "rule: score >= 0.8")] * 2 + [("rejected", "person")]


def test_finding_and_deciding_are_a_step_each(opened):
    session = opened(three())
    found(session, Labels(three()))
    first = session.proposals
    assert session.can_undo == "find with known labels: 3 proposals"
    session.accept_proposals([first[0].id])
    assert session.can_undo == "accept new object"
    session.reject_proposals()
    assert session.can_undo == "reject 2 proposals"
    assert session.undo()
    assert session.undo()
    assert session.proposals == first
    assert session.objects == ()
    assert session.undo()
    assert session.proposals == ()
    assert session.redo()
    assert session.proposals == first


def test_a_new_finding_takes_the_place_of_open_proposals(opened):
    session = opened(three())
    found(session, Labels(three()))
    kept = session.proposals[0]
    session.accept_proposals([kept.id])
    found(session, Labels(three()))
    assert len(session.proposals) == 2
    assert all(one.id > 3 for one in session.proposals)


def test_proposals_survive_reopening(opened, tmp_path):
    labels = three()
    session = opened(labels)
    found(session, Labels(labels))
    first = session.proposals
    (track,) = session.proposed_tracks(first[0])
    session.close()
    with Session.open(session.folder, recording=session.recording, tracker_factory=fake_factory()) as again:
        assert again.proposals == first
        (kept,) = again.proposed_tracks(first[0])
        assert np.array_equal(kept.shapes[2].mask, track.shapes[2].mask)
        assert len(again.accept_proposals()) == 3
        assert np.array_equal(again.masks.read_labels(7) > 0, labels[7] > 0)
        assert again.notes == ()


@pytest.mark.parametrize("detector", ["everything", "like:1"])
def test_the_detectors_in_the_box_ask_the_tracker_of_the_session(opened, detector):
    labels = three()
    session = opened(labels)
    prompted(session, np.where(labels == 1, labels, 0)[0])
    found(session, detector)
    assert [(one.kind, one.frame) for one in session.proposals] == [("new object", 0), ("new object", 3)]


def test_they_are_items_of_the_review_with_choices(opened):
    session = opened(three())
    found(session, Labels(three()))
    items = [item for item in session.review_queue() if item.kind == "proposal"]
    assert [item.choices for item in items] == [("accept", "reject")] * 3
    session.judge(items[0], "accept")
    session.judge(items[1], "reject")
    assert (len(session.objects), len(session.proposals)) == (1, 1)


def test_a_proposal_of_something_new_can_be_put_off_taken_as_right_and_found_wrong(opened):
    session = opened(three())
    found(session, Labels(three()))
    first, second, third = session.review_progress().left
    session.judge(first, "later")
    assert session.review_progress().left == (second, third, first)
    session.close()
    with Session.open(session.folder, recording=session.recording, tracker_factory=fake_factory()) as again:
        assert again.notes == ()
        assert again.review_progress().left == (second, third, first)
        again.judge(second, "wrong")
        assert (len(again.objects), len(again.proposals)) == (0, 2)
        again.judge(third, "right")
        assert (len(again.objects), len(again.proposals)) == (1, 1)
        assert again.review_progress().left == (first,)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: 1 / 0,
        lambda: [Detection(float("nan"), np.ones((3, 3), bool))],
        lambda: [Detection(0.5, np.ones((200, 3), bool))],
        lambda: [Detection(0.5, box_yxyx=(0, 0, 9, 9))] * 10_000,
        lambda: 3,
    ],
)
def test_a_detector_that_fails_costs_a_sentence(opened, answer):
    session = opened(three())
    found(session, Labels(three()))
    before = session.proposals
    with pytest.raises(DetectorError, match=r"known labels .*\."):
        found(session, Faulty(answer))
    assert session.proposals == before
    assert not session.running


def test_what_is_no_detector_is_refused(opened):
    with pytest.raises(DetectorError, match="an object with a method detect, not 5"):
        found(opened(three()), 5)


def test_stop_proposes_what_was_found_so_far(opened):
    session = opened(three())
    detector = Labels(three())
    looks = []
    detector.detect = lambda frame: looks.append(frame.index) or Labels.detect(detector, frame)
    drop(session.find(detector, stop=lambda: len(looks) >= 2))
    assert looks == [0, 1]
    assert len(session.proposals) == 2
    assert session.provenance()["finds"][0]["looked"] == [0, 2]


def test_while_it_looks_nothing_is_tracked_and_objects_can_be_changed(opened):
    session = opened(three())
    session.add_object()
    looking = session.find(Labels(three()))
    next(looking)
    session.edit_object(1, name="cell")
    with pytest.raises(SessionError, match="under way"):
        drop(session.track())
    looking.close()
    assert session.object(1).name == "cell"


def test_what_cannot_be_accepted_is_reported(opened):
    labels = dividing()
    session = opened(labels)
    prompted(session, labels[0])
    found(session, Labels(labels))
    with pytest.raises(SessionError, match="no open proposal 7"):
        session.accept_proposals([7])
    session.edit_object(1, locked=True)
    with pytest.raises(SessionError, match="locked"):
        session.accept_proposals()
    session.edit_object(1, locked=False)
    session.remove_object(1)
    assert session.proposals == ()


def test_rejecting_a_mother_rejects_her_division(opened):
    session = opened(dividing())
    found(session, Labels(dividing()))
    assert session.reject_proposals([session.proposals[0].id]) == 2
    assert session.proposals == ()


def test_what_is_smaller_than_the_smallest_area_is_not_proposed(opened):
    labels = np.zeros((3, 40, 50), np.uint8)
    labels[:, 4:8, 4:8], labels[:, 20:30, 20:30] = 1, 2
    session = opened(labels)
    found(session, Labels(labels), smallest_area=17)
    assert [(one.kind, one.box_yxyx) for one in session.proposals] == [("new object", (20, 20, 30, 30))]
    ((seeds, _),) = seed_list([(labels[0], 0)], 17)
    assert np.array_equal(seeds, np.where(labels[0] == 2, 2, 0))


def test_settings_are_checked():
    assert FindSettings.from_text("5", "2:20").frames(30) == range(2, 20, 5)
    for wrong in ({"every": 0}, {"start": 4, "stop": 2}, {"smallest_area": -1}):
        with pytest.raises(SettingsError):
            FindSettings(**wrong)
    with pytest.raises(SettingsError, match="does not fit"):
        FindSettings(stop=9).frames(5)
    with pytest.raises(SettingsError, match="whole number"):
        FindSettings.from_text("five")
    with pytest.raises(SettingsError, match="number of pixels"):
        FindSettings.from_text("5", None, "tiny")
