"""What the options of the command line say of a recording reaches the session, the table and the notes."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import tifffile
from tests.fakes import blob_movie, fake_factory

from napari_sam2_video.batch import BatchItem, read_table
from napari_sam2_video.batch.worker import work
from napari_sam2_video.session import Session


@pytest.fixture(autouse=True)
def factory(monkeypatch):
    made = fake_factory()
    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", made)
    return made


@pytest.fixture
def film(tmp_path):
    movie, centres = blob_movie(n_frames=8)
    tifffile.imwrite(tmp_path / "film.tif", movie, photometric="minisblack")
    y, x = centres[0, 0]
    return tmp_path / "film.tif", f"1@0:{y:g},{x:g}"


@pytest.fixture
def volumes(tmp_path):
    """Recording of T 8 and Z 3 whose planes get brighter along Z, and a point on the first object."""
    movie, centres = blob_movie(n_frames=8)
    stack = np.stack([movie.astype(np.uint16) + 300 * z for z in range(3)], axis=1)
    tifffile.imwrite(tmp_path / "volumes.ome.tif", stack, metadata={"axes": "TZYX"}, photometric="minisblack")
    y, x = centres[0, 0]
    return tmp_path / "volumes.ome.tif", f"1@0:{y:g},{x:g}"


GIVEN = ("--axes", "ZYX", "--pixel-size", "2,0.5,0.25 um")
CALIBRATED = {"Z": 2.0, "Y": 0.5, "X": 0.25}


def test_axes_and_sizes_reach_the_session_its_measures_and_a_resumed_run(film, call, tmp_path):
    source, point = film
    out = tmp_path / "run.sam2v"
    assert call("track", source, "--out", out, "--point", point, *GIVEN)[0] == 0
    assert call("track", source, "--out", out, "--resume")[0] == 0
    with Session.open(out, read_only=True) as session:
        assert session.view.walk_axis == "Z"
        assert session.recording.scale == CALIBRATED
        assert session.result().calibration.pixel_size == (0.5, 0.25)
    assert call("export", out, tmp_path / "m.csv")[0] == 0
    with (tmp_path / "m.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert float(row["area"]) == pytest.approx(0.125 * int(row["area_px"]))
    assert row["length_unit"] == "µm"


def test_info_shows_what_a_person_says(film, call):
    code, said, _ = call("info", film[0], *GIVEN, "--contrast", "0,90")
    assert code == 0
    assert "(ZYX)" in said
    assert "Z 2 µm (as given), Y 0.5 µm (as given), X 0.25 µm (as given)" in said
    assert "Contrast window: 0 to 90 (manual)" in said
    assert "Pixel size: T unknown, Y unknown, X unknown" in call("info", film[0])[1]


def test_an_interval_makes_times(film, call, tmp_path):
    source, point = film
    call("track", source, "--out", tmp_path / "run.sam2v", "--point", point, "--interval", "5 min")
    with Session.open(tmp_path / "run.sam2v", read_only=True) as session:
        assert session.result().calibration.position(np.array([0, 2])).tolist() == [0.0, 600.0]


@pytest.mark.parametrize("place", [0, 2])
def test_a_position_along_another_axis_can_be_chosen(volumes, call, tmp_path, place):
    source, point = volumes
    out = tmp_path / "run.sam2v"
    assert call("track", source, "--out", out, "--point", point, "--at", f"Z={place}")[0] == 0
    with Session.open(out, read_only=True) as session, tifffile.TiffFile(source) as file:
        assert dict(session.view.settings.at) == {"Z": place}
        assert np.array_equal(session.view.raw(3), file.asarray()[3, place])
    code, _, said = call("track", source, "--out", out, "--resume", "--at", "Z=1")
    assert code == 1
    assert f"with at Z 1: the session has {place}; omit the option" in said


@pytest.mark.parametrize("letter", ["T", "Y"])
def test_a_position_that_would_choose_nothing_is_refused(film, call, letter):
    code, _, told = call("info", film[0], "--at", f"{letter}=1")
    assert code == 1
    assert f"{letter} is tracked along or lies in the frames, so it has no position to set" in told


def test_an_axis_that_the_file_does_not_name_can_be_named(film, call, tmp_path):
    code, _, said = call("track", film[0], "--out", tmp_path / "run.sam2v", "--point", film[1], "--axis", "Z")
    assert code == 1
    assert "no axis 'Z' to track along" in said
    assert "--axes ZYX" in said


def test_a_mistyped_prompt_leaves_no_session_behind(film, call, tmp_path):
    before = sorted(tmp_path.iterdir())
    for prompt in ("1@0:999,3", "1@99:3,3", "1:3,3"):
        assert call("track", film[0], "--out", tmp_path / "run.sam2v", "--point", prompt)[0] == 1
    assert call("track", film[0], "--out", tmp_path / "run.sam2v", "--point", film[1], "--model", "sam3")[0] == 1
    assert sorted(tmp_path.iterdir()) == before


def test_notes_are_printed_once(call, tmp_path):
    movie, centres = blob_movie(n_frames=4)
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in zip((1, 2, 4, 5), movie, strict=True):
        tifffile.imwrite(folder / f"f{number}.tif", frame)
    y, x = centres[0, 0]
    _, _, said = call("track", folder, "--out", tmp_path / "run.sam2v", "--point", f"1@0:{y:g},{x:g}")
    assert said.count("gap in the numbers") == 1


def test_a_session_is_measured_in_another_recording_from_a_terminal(film, call, tmp_path):
    source, point = film
    call("track", source, "--out", tmp_path / "run.sam2v", "--point", point)
    tifffile.imwrite(tmp_path / "marker.tif", tifffile.imread(source).astype(np.uint16) + 900, photometric="minisblack")
    table = tmp_path / "marker.csv"
    code, said, _ = call("measure", tmp_path / "run.sam2v", table, "--recording", tmp_path / "marker.tif", "--no-shape")
    assert code == 0
    assert "8 rows" in said
    with table.open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert float(row["intensity_min"]) >= 900
    assert "perimeter" not in row
    assert "exists" in call("measure", tmp_path / "run.sam2v", table)[2]
    assert call("measure", tmp_path / "run.sam2v", table, "--overwrite", "--no-intensity")[0] == 0
    with table.open(encoding="utf-8") as file:
        assert "perimeter" in next(csv.DictReader(file))
    assert "written as .csv or .parquet" in call("measure", tmp_path / "run.sam2v", tmp_path / "t.xlsx")[2]
    assert "no channels" in call("measure", tmp_path / "run.sam2v", tmp_path / "t.csv", "--channels", "1")[2]
    assert not (tmp_path / "t.csv").exists()


def test_a_window_that_hides_the_image_is_named(film, call, tmp_path):
    wrong = ("--contrast", "60000,65000")
    assert "contrast window" in call("info", film[0], *wrong)[1].split("Contrast window", 1)[1]
    said = call("track", film[0], "--out", tmp_path / "run.sam2v", "--point", film[1], *wrong)[2]
    assert said.count("contrast window") == 1
    assert "contrast window" not in call("track", film[0], "--out", tmp_path / "b.sam2v", "--point", film[1])[2]


def test_a_prompt_outside_the_range_is_named(film, call, tmp_path):
    place = film[1].partition(":")[2]
    _, _, said = call("track", film[0], "--out", tmp_path / "run.sam2v", "--point", f"1@6:{place}", "--range", "0:4")
    assert "Object 1 has prompts outside the range 0:4, on frame 6" in said


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_has_the_same_options(volumes, tmp_path, separator):
    source, point = volumes
    object_id, place = point.split("@")
    y, x = place.partition(":")[2].split(",")
    prompts = f'[{{"object": {object_id}, "frame": 0, "type": "point", "y": {y}, "x": {x}}}]'
    (tmp_path / "prompts.json").write_text(prompts)
    cells = {
        "recording": source.name,
        "out": "run.sam2v",
        "prompts": "prompts.json",
        "at": "Z=2",
        "pixel_size": '"2,0.5,0.25 um"',
        "interval": "3 s",
        "range": "0:5",
    }
    table = tmp_path / "table.csv"
    table.write_text(f"{separator.join(cells)}\n{separator.join(cells.values())}\n")
    (item,) = read_table(table)
    assert work(item) == {"status": "done", "sentence": "", "objects": 1, "frames": 5}
    with Session.open(tmp_path / "run.sam2v", read_only=True) as session:
        assert dict(session.view.settings.at) == {"Z": 2}
        assert session.recording.scale == {"T": 3.0, **CALIBRATED}
        assert session.scores(1)["frame"].tolist() == [0, 1, 2, 3, 4]


def test_a_row_that_does_not_fit_its_session_is_refused(film, tmp_path):
    source, point = film
    object_id, place = point.split("@")
    y, x = place.partition(":")[2].split(",")
    (tmp_path / "p.json").write_text(f'[{{"object": {object_id}, "frame": 0, "type": "point", "y": {y}, "x": {x}}}]')
    item = BatchItem("a", str(source), str(tmp_path / "run.sam2v"), str(tmp_path / "p.json"))
    assert work(item)["status"] == "done"
    other = BatchItem("a", item.recording, item.out, item.prompts, contrast="0,9")
    assert "with contrast 0,9: the session has" in work(other)["sentence"]


def test_defaults_fill_the_empty_cells_of_a_batch(call, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    table.write_text("recording,out,model\na.tif,a.sam2v,\nb.tif,b.sam2v,tiny\n")
    seen = []

    def run(items, *_, **__):
        seen.extend(items)
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_sam2_video.batch.run_batch", run)
    assert call("batch", table, "--model", "small", "--default", "device=cpu")[0] == 130
    assert [(item.model, item.device) for item in seen] == [("small", "cpu"), ("tiny", "cpu")]
    code, _, said = call("batch", table, "--default", "device")
    assert code == 1
    assert "write COLUMN=VALUE" in said
    assert 'unknown column "colour"' in call("batch", table, "--default", "colour=red")[2]


@pytest.mark.parametrize(
    "command",
    [
        *("track", "find", "proposals", "check", "edit", "export", "measure", "batch", "serve"),
        *("info", "formats", "demo", "models", "models list", "models download", "models verify"),
    ],
)
def test_every_command_explains_itself(command, call):
    code, said, _ = call(*command.split(), "--help")
    assert code == 0
    assert f"napari-sam2-video {command}" in said
    assert max(said) < "\U0001f000", "a value between colons was taken for the name of an emoji"
    if command == "track":
        for option in ("--axes", "--pixel-size", "--interval", "--series", "--at"):
            assert option in said
