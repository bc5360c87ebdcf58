"""Finding on the command line and in a table, with a tracker and a detector that need no network."""

import json

import nibabel
import numpy as np
import pytest
import tifffile
from tests.fakes import fake_factory

from napari_sam2_video import api
from napari_sam2_video.batch import BatchItem
from napari_sam2_video.batch.table import read_table
from napari_sam2_video.batch.worker import work
from napari_sam2_video.detect import registry
from napari_sam2_video.detect.protocol import Detection


class Squares:
    """Finds two squares; the second with little certainty."""

    name = "squares"
    settings = {}  # noqa: RUF012

    def detect(self, frame):
        square = np.ones((8, 8), bool)
        return [Detection(0.9, square, (8 + frame.index, 10)), Detection(0.5, square, (8 + frame.index, 40))]


@pytest.fixture(autouse=True)
def without_a_network(monkeypatch):
    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", fake_factory())
    monkeypatch.setattr("napari_sam2_video.api.start.check_model", lambda settings: None)
    monkeypatch.setitem(registry._MAKERS, "squares", lambda rest, examples, folder: Squares())


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, np.zeros((11, 48, 64), np.uint8), imagej=True, metadata={"axes": "TYX"})
    return path


def test_track_finds_accepts_by_score_and_tracks_in_one_run(call, recording, tmp_path):
    out = tmp_path / "run.sam2v"
    arguments = ("track", recording, "--out", out, "--point", "1@0:30,58", "--find", "squares", "--accept", "0.8")
    code, said, told = call(*arguments)
    assert code == 0, told
    assert "Finding: done, 2 proposals." in told
    assert "object 2 (object 2): 11 of 11 frames" in said
    assert f"1 proposal waits to be accepted or rejected: napari-sam2-video proposals {out}" in said
    with api.open_session(out, read_only=True) as session:
        (find,) = session.provenance()["finds"]
        assert (find["asked"], find["every"], find["looked"]) == ("squares", 5, [0, 11])
        assert [one.score for one in session.proposals] == [0.5]
    code, said, told = call(*arguments, "--resume")
    assert (code, "Finding" in told) == (0, False)
    assert "Computed 0 frames" in said


def test_find_and_proposals_work_on_a_session(call, recording, tmp_path):
    out = tmp_path / "run.sam2v"
    call("track", recording, "--out", out, "--point", "1@0:30,58")
    code, said, _ = call("find", out, "squares", "--every", "2", "--range", "2:9")
    assert (code, "2 proposals wait" in said) == (0, True)
    code, said, _ = call("proposals", out)
    assert "1: new object on frame 2, score 0.90: found on 4 frames, first on frame 2" in said
    code, said, _ = call("proposals", out, "--accept", "all", "--least-score", "0.8", "--reject", "2")
    assert "Rejected 1 proposals." in said
    assert "Accepted 1 proposals; 1 objects were added." in said
    assert "0 open proposals." in said
    with api.open_session(out, read_only=True) as session:
        assert session.dirty() == (2,)


@pytest.mark.parametrize(
    ("arguments", "accepted_at_x", "rejected"),
    [
        (("--accept", "2", "--reject", "all"), [40], 1),
        (("--accept", "all", "--reject", "1"), [40], 1),
        (("--accept", "1", "--reject", "2"), [10], 1),
        (("--accept", "all", "--least-score", "0.8", "--reject", "all"), [10], 1),
        (("--reject", "all"), [], 2),
    ],
)
def test_named_proposals_are_decided_before_all_the_others(
    call, recording, tmp_path, arguments, accepted_at_x, rejected
):
    out = tmp_path / "run.sam2v"
    call("track", recording, "--out", out, "--find", "squares")
    code, said, _ = call("proposals", out, *arguments)
    assert (code, f"Rejected {rejected} proposals." in said, "0 open proposals." in said) == (0, True, True)
    with api.open_session(out, read_only=True) as session:
        assert {int(np.argwhere(one.mask)[:, 1].min()) for one in session.prompts()} == set(accepted_at_x)


@pytest.mark.parametrize("how", [("--find", "labels:{}", "--accept", "0.1"), ("--seeds", "{}@all")])
def test_labels_with_an_affine_lie_where_the_recording_does(call, tmp_path, how):
    affine = np.diag([-0.5, 0.5, 2, 1])
    labels_xyz = np.zeros((24, 20, 5), np.int16)
    labels_xyz[3:9, 12:18] = 1
    nibabel.save(nibabel.Nifti1Image(np.zeros_like(labels_xyz), affine), tmp_path / "scan.nii.gz")
    nibabel.save(nibabel.as_closest_canonical(nibabel.Nifti1Image(labels_xyz, affine)), tmp_path / "labels.nii.gz")
    words = [word.format(tmp_path / "labels.nii.gz") for word in how]
    code, _, told = call("track", tmp_path / "scan.nii.gz", "--out", tmp_path / "run.sam2v", *words)
    assert code == 0, told
    with api.open_session(tmp_path / "run.sam2v", read_only=True) as session:
        assert np.array_equal(np.asarray(session.labels), labels_xyz.transpose(2, 1, 0))


@pytest.mark.parametrize(
    ("detector", "sentence"),
    [
        ("squarish", "There is no detector 'squarish'"),
        ("labels:none.tif", "none.tif cannot be read"),
        ("like:", "'like' needs the ids"),
        ("like:7", "There is no object 7"),
    ],
)
def test_a_detector_that_cannot_be_used_is_refused_before_anything_is_tracked(
    call, recording, tmp_path, detector, sentence
):
    out = tmp_path / "run.sam2v"
    code, _, told = call("track", recording, "--out", out, "--point", "1@0:30,58", "--find", detector)
    assert (code, sentence in told, "Tracking" in told) == (1, True, False), told
    assert not out.exists()


def test_labels_of_a_file_become_tracks_without_the_network(call, recording, tmp_path, monkeypatch):
    def refused(*_):
        raise AssertionError("the network was loaded")

    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", refused)
    labels = np.zeros((11, 48, 64), np.uint16)
    for frame, image in enumerate(labels):
        image[8 + frame : 20 + frame, 10:22] = 5 + frame
    tifffile.imwrite(tmp_path / "labels.tif", labels, imagej=True, metadata={"axes": "TYX"})
    out = tmp_path / "run.sam2v"
    code, said, told = call(
        "track", recording, "--out", out, "--find", f"labels:{tmp_path / 'labels.tif'}", "--accept", "0.5"
    )
    assert code == 0, told
    assert "object 1 (object 1): 11 of 11 frames" in said
    with api.open_session(out, read_only=True) as session:
        assert np.array_equal(np.asarray(session.labels[7]) > 0, labels[7] > 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--find", "squres"), "There is no detector 'squres'"),
        (("--every", "5", "--point", "1@0:9,9"), "only works with a detector"),
        (("--find", "squares", "--every", "often"), "is not a number of frames"),
        (("--find", "squares", "--accept", "2"), "between 0 and 1"),
        (("--find", "squares", "--range", "5:30"), "does not fit"),
    ],
)
def test_wrong_options_are_one_sentence(call, recording, tmp_path, arguments, sentence):
    code, _, said = call("track", recording, "--out", tmp_path / "run.sam2v", *arguments)
    assert (code, sentence in said) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--accept", "9"), "There is no open proposal 9"),
        (("--accept", "x"), "is not a list of proposal numbers"),
        (("--least-score", "0.5"), "only works with --accept"),
        (("--accept", "1,2", "--reject", "2"), "Proposal 2 cannot be accepted and rejected"),
    ],
)
def test_wrong_proposals_are_one_sentence(call, recording, tmp_path, arguments, sentence):
    api.create_session(str(recording), tmp_path / "run.sam2v").close()
    code, _, said = call("proposals", tmp_path / "run.sam2v", *arguments)
    assert (code, sentence in said) == (1, True)


def test_a_row_of_a_table_finds_and_tracks(recording, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text('recording,out,find,every,accept\ncells.tif,run.sam2v,squares,5,0.8\nb.tif,b,"labels:x.tif",,\n')
    first, second = read_table(table)
    assert second.find == f"labels:{tmp_path / 'x.tif'}"
    done = work(first)
    assert (done["status"], done["objects"]) == ("done", 1), done
    wrong = BatchItem("n", str(recording), str(tmp_path / "other.sam2v"), accept="0.5")
    assert "only works with a detector" in work(wrong)["sentence"]
    assert json.dumps(done)
