"""Objects of a session are edited from a terminal."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from tests.fakes import blob_movie, fake_factory

from napari_sam2_video import api
from napari_sam2_video.api import PointPrompt
from napari_sam2_video.cli import main
from napari_sam2_video.session import Session


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", fake_factory())
    movie, centres = blob_movie(n_frames=8)
    tifffile.imwrite(tmp_path / "film.tif", movie, photometric="minisblack")
    prompts = [PointPrompt(i + 1, 0, *map(float, centres[0, i])) for i in range(2)]
    api.track(tmp_path / "film.tif", prompts, tmp_path / "run.sam2v").close()
    return tmp_path / "run.sam2v"


@pytest.fixture
def edit(folder, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["edit", str(folder), *map(str, arguments)])
        said = capsys.readouterr()
        return ended.value.code or 0, said.out + said.err

    return run


def masks(folder):
    with Session.open(folder, read_only=True) as session:
        return {one.id: np.stack([session.mask(one.id, f) for f in range(session.n_frames)]) for one in session.objects}


def test_every_edit_reaches_the_session_and_can_be_undone(edit, folder):
    before = masks(folder)
    rows, columns = np.nonzero(before[1][3])
    line = f"{rows.min() - 1},{int(np.median(columns))} {rows.max() + 1},{int(np.median(columns))}"
    swapped = np.concatenate([before[1][:4], before[2][4:]])
    absent, copied = before[1].copy(), before[1].copy()
    absent[5:] = False
    copied[6] = before[1][2]
    for arguments, said, expected in (
        (("merge", 1, 2), "merge object 2 into object 1", {1: before[1] | before[2]}),
        (("renumber", 1, 9), "renumber object 1 to 9", {2: before[2], 9: before[1]}),
        (("swap", 1, 2, "--range", "4:"), "swap object 1 and object 2 on frames 4 to 7", {1: swapped}),
        (("absent", 1, "--range", "5:"), "object 1 absent on frames 5 to 7", {1: absent, 2: before[2]}),
        (("delete", 1, "--range", "5:8"), "delete object 1 on frames 5 to 7", {1: absent}),
        (("copy", 1, "--frame", 2, "--to", 6), "copy object 1 from frame 2 to 6", {1: copied}),
        (("remove", 2), "remove object 2", {1: before[1]}),
        (("split", 1, "--frame", 3, "--line", line), "New: object 3", {2: before[2]}),
    ):
        code, told = edit(*arguments)
        assert (code, said in told) == (0, True), told
        after = masks(folder)
        for object_id, mask in expected.items():
            assert np.array_equal(after[object_id], mask), arguments
        assert edit("undo")[1].startswith("Undone: ")
        undone = masks(folder)
        assert undone.keys() == before.keys()
        assert all(np.array_equal(undone[i], before[i]) for i in before)
    assert "Redone: split object 1 on frame 3" in edit("redo")[1]
    assert edit("redo") == (0, "Nothing to redo.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("merge", 1, 9), "There is no object 9."),
        (("renumber", 1, 2), "Object 2 already exists"),
        (("swap", 1, 2, "--range", "8:"), "do not fit the recording"),
        (("delete", 1, "--range", "5"), "is not a range"),
        (("split", 1, "--frame", 3, "--line", "3"), "is not a line"),
        (("split", 1, "--frame", 3), "is in one piece"),
        (("copy", 1, "--frame", 7), "outside the recording"),
    ],
)
def test_an_impossible_edit_is_one_sentence(edit, arguments, sentence):
    code, said = edit(*arguments)
    assert code == 1
    assert said.startswith("Error: ")
    assert sentence in said


def test_a_missing_session_is_one_sentence(capsys, tmp_path):
    with pytest.raises(SystemExit) as ended:
        main(["edit", str(tmp_path / "none.sam2v"), "undo"])
    assert ended.value.code == 1
    assert "There is no session" in capsys.readouterr().err
