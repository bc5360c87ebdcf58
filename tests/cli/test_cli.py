"""The command line as a person uses it; the network is a small one with random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from napari_sam2_video import api
from napari_sam2_video.synthetic import sample_time_series


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    import torch

    from napari_sam2_video.engine.networks.sam2.build import build_network
    from napari_sam2_video.models.presets import DEMO

    torch.manual_seed(3)
    state = build_network(DEMO).state_dict()
    state["sam_mask_decoder.pred_obj_score_head.layers.2.bias"].fill_(4.0)
    path = tmp_path_factory.mktemp("weights") / "random.pt"
    torch.save({"model": state}, path)
    return path


@pytest.fixture(scope="module")
def clip():
    return sample_time_series(frames=6, size=(96, 128), seed=1)


@pytest.fixture
def recording(tmp_path, clip):
    path = tmp_path / "cells.tif"
    tifffile.imwrite(path, clip.frames, imagej=True, metadata={"axes": "TYX"})
    return path


@pytest.fixture
def track(call, recording, weights, tmp_path):
    def run(*arguments, out=tmp_path / "run.sam2v", source=recording):
        return call("track", source, "--out", out, "--model", weights, "--image-size", "64", *arguments)

    return run


@pytest.mark.parametrize(("model", "remarked"), [("demo", True), (None, False)])
def test_track_says_once_that_the_demo_model_is_for_trying_out(model, remarked, call, recording, weights, tmp_path):
    arguments = ("track", recording, "--out", tmp_path / "run.sam2v", "--image-size", "64", "--range", "0:2")
    code, _, said = call(*arguments, "--model", model or weights, "--point", "1@0:40,50")
    assert code == 0
    assert said.count("for trying out") == remarked
    _, _, said = call(*arguments, "--model", model or weights, "--resume")
    assert "for trying out" not in said


def test_track_then_export_then_resume(track, call, tmp_path):
    code, said, _ = track("--point", "1@2:40,50", "--negative", "1@2:5,5", "--box", "2@0:10,10,40,44")
    assert code == 0
    assert "Computed" in said
    assert "object 1" in said
    assert "object 2" in said
    target = tmp_path / "labels.ome.tif"
    assert call("export", tmp_path / "run.sam2v", target)[0] == 0
    labels = tifffile.imread(target)
    assert labels.shape == (6, 96, 128)

    code, said, _ = track("--resume")
    assert code == 0
    assert "Computed 0 frames" in said


def test_resume_adds_what_is_new_and_keeps_the_rest(track, call, tmp_path):
    track("--point", "1@0:40,50")
    code, said, _ = track("--point", "1@0:40,50", "--point", "2@3:60,60", "--resume")
    assert code == 0
    assert "Computed 6 frames" in said


def test_fault_08_an_image_size_that_the_file_does_not_tell_is_asked_for(call, recording, weights, tmp_path):
    code, _, said = call(
        "track", recording, "--out", tmp_path / "run.sam2v", "--model", weights, "--point", "1@0:40,50"
    )
    assert code == 0
    assert "random.pt does not state its image size; 256 is assumed" in said


def test_an_image_size_that_was_given_is_not_asked_for(track):
    assert "does not state its image size" not in track("--point", "1@0:40,50")[2]


def test_range_direction_and_channel_reach_the_session(track, tmp_path):
    from napari_sam2_video.session import Session

    code, _, _ = track("--point", "1@2:40,50", "--direction", "forward", "--range", "1:5", "--contrast", "300,3000")
    assert code == 0
    with Session.open(tmp_path / "run.sam2v", read_only=True) as session:
        assert session.scores(1)["frame"].tolist() == [2, 3, 4]
        window = session.view.settings.window
        assert (window.low, window.high, window.source) == (300, 3000, "manual")
        assert session.model_settings.image_size == 64


def test_seeds_make_an_object_of_every_label(track, tmp_path, clip):
    from napari_sam2_video.session import Session

    tifffile.imwrite(tmp_path / "seeds.tif", clip.labels[0])
    code, _, said = track("--seeds", f"{tmp_path / 'seeds.tif'}@0", "--smallest-area", "99999")
    assert code == 1
    assert "No label of the seeds has 99999 pixels or more" in said
    assert track("--seeds", f"{tmp_path / 'seeds.tif'}@0")[0] == 0
    with Session.open(tmp_path / "run.sam2v", read_only=True) as session:
        ids = np.unique(clip.labels[0])
        assert len(session.objects) == np.count_nonzero(ids)
        np.testing.assert_array_equal(session.masks.read_labels(0) > 0, clip.labels[0] > 0)


def test_masks_and_a_prompts_file(track, tmp_path, clip):
    tifffile.imwrite(tmp_path / "mask.tif", (clip.labels[0] == 1).astype(np.uint8))
    rows = [{"object": 5, "frame": 1, "type": "point", "y": 40, "x": 50}]
    (tmp_path / "prompts.json").write_text(json.dumps(rows))
    code, said, _ = track("--mask", f"1@0:{tmp_path / 'mask.tif'}", "--prompts", tmp_path / "prompts.json")
    assert code == 0
    assert "object 5" in said


def test_check_reports_how_many_frames_disagree_and_where(track, call, tmp_path):
    from napari_sam2_video import api

    track("--point", "1@0:40,50", "--point", "2@0:60,60")
    folder = tmp_path / "run.sam2v"
    code, said, _ = call("check", folder, "--objects", "2", "--range", "1:4", "--span", "3")
    assert code == 0
    with api.open_session(folder, read_only=True) as session:
        found = session.scores(2)["disagreement"]
        assert np.isnan(session.scores(1)["disagreement"]).all()
    assert np.flatnonzero(~np.isnan(found)).tolist() == [1, 2, 3]
    assert f"Compared 3 frames of 1 object; {(found > 0.5).sum()} disagree by more than 0.5." in said
    stretches = np.count_nonzero(np.diff((found > 0.5).astype(int), prepend=0) == 1)
    assert said.count("  object 2 (") == stretches


def test_check_names_neighbouring_frames_together():
    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.cli.check import _stretches

    figures = np.array([0.9, 0.6, 0.2, 0.8, 0.7, 0.95])
    rows = {"object_id": np.array([1, 1, 1, 1, 2, 2]), "frame": np.array([3, 4, 5, 6, 7, 9]), "disagreement": figures}
    assert list(_stretches(Table(rows))) == [(1, 3, 4, 0.9), (1, 6, 6, 0.8), (2, 7, 7, 0.7), (2, 9, 9, 0.95)]
    assert list(_stretches(Table(rows).where(figures < 0.5))) == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--objects", "a"), "is not a list of object ids"),
        (("--objects", "9" * 5000), "is not a list of object ids"),
        (("--objects", "7"), "There is no object 7"),
        (("--range", "x"), "is not a range"),
        (("--range", "2:99"), "does not fit the recording"),
        (("--span", "0"), "span must be a whole number of at least 1"),
    ],
)
def test_check_refuses_in_one_sentence(track, call, tmp_path, arguments, sentence):
    track("--point", "1@0:40,50")
    code, _, said = call("check", tmp_path / "run.sam2v", *arguments)
    assert code == 1
    assert sentence in said


def test_check_refuses_a_folder_that_is_not_a_session(call, tmp_path):
    code, _, said = call("check", tmp_path / "none.sam2v")
    assert code == 1
    assert "There is no session" in said


def test_info_shows_axes_and_window(call, recording):
    code, said, _ = call("info", recording)
    assert code == 0
    assert "6 x 96 x 128 (TYX), uint16" in said
    assert "Frames along T: 6 of 96 x 128 pixels" in said
    assert "(percentile)" in said


def test_channels_and_scribbles_are_read_and_printed_as_they_were_written(call, weights, recording, tmp_path):
    both = tmp_path / "both.npy"
    frames = tifffile.imread(recording)
    np.save(both, np.stack([frames, frames[:, ::-1]], axis=1))
    channels = "0=green:100:4000,1=#102030:50:900"
    code, said, _ = call("info", both, "--axes", "TCYX", "--channels", channels)
    assert code == 0
    assert channels.replace(",", ", ") in said
    code, said, _ = call(
        "track", both, "--axes", "TCYX", "--channels", channels, "--scribble", "1@0:40,40 50,52", "--range", "0:2",
        "--out", tmp_path / "both.sam2v", "--model", weights,
    )  # fmt: skip
    assert code == 0
    assert f"channels {channels.replace(',', ', ')}" in said
    code, _, problem = call(
        "track", both, "--axes", "TCYX", "--channels", "0", "--point", "1@0:4,4", "--out", "x.sam2v"
    )
    assert code == 1
    assert "needs two channels or more" in problem


def test_demo_writes_what_it_names_and_compares_with_the_truth(call, weights, tmp_path):
    code, said, _ = call("demo", "--out", tmp_path / "demo", "--model", weights, "--frames", "3")
    assert code == 0
    for name in (
        "cells.tif",
        "cells_labels.ome.tif",
        "cells_overlay.mp4",
        "cells_preview.png",
        "cells_measurements.csv",
    ):
        assert (tmp_path / "demo" / name).stat().st_size > 0
        assert name in said
    assert "Agreement with the truth" in said
    assert "all objects: 0." in said


def test_models_are_listed_with_their_licence(call):
    code, said, _ = call("models", "list")
    assert code == 0
    assert "base_plus" in said
    assert "Apache-2.0" in said


def test_a_demo_with_a_negative_seed_is_refused(call, tmp_path):
    code, _, said = call("demo", "--out", tmp_path / "demo", "--seed", "-1")
    assert code == 2
    assert "--seed" in said


def test_a_name_that_the_terminal_cannot_show_does_not_fail(recording):
    import os

    named = recording.rename(recording.with_name("細胞.tif"))
    run = subprocess.run(
        [sys.executable, "-c", "from napari_sam2_video.cli import main; main()", "info", named],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert run.returncode == 0
    assert rb"\u7d30\u80de: 6 x 96 x 128" in run.stdout


def test_formats_are_listed(call):
    code, said, _ = call("formats")
    assert code == 0
    assert "ome-tiff" in said


WRONG = {
    "no prompt": (["--direction", "both"], "nothing to track; give at least one"),
    "point form": (["--point", "1:4,4"], "is not a prompt; write it as ID@FRAME:Y,X"),
    "point outside": (["--point", "1@0:400,4"], "outside"),
    "no such frame": (["--point", "1@77:4,4"], "frame"),
    "missing mask": (["--mask", "1@0:nothing.tif"], "nothing.tif"),
    "direction": (
        ["--point", "1@0:4,4", "--direction", "up"],
        "direction must be one of both",
    ),
    "precision": (
        ["--point", "1@0:4,4", "--precision", "int4"],
        "precision must be one of auto",
    ),
    "range form": (["--point", "1@0:4,4", "--range", "5"], "is not a range"),
    "range outside": (["--point", "1@0:4,4", "--range", "0:99"], "does not fit the recording"),
    "range digits": (["--point", "1@0:4,4", "--range", "0:" + "9" * 5000], "is not a range"),
    "axis": (["--point", "1@0:4,4", "--axis", "Q"], "Q"),
    "axis digit": (["--point", "1@0:4,4", "--axis", "²"], "no axis '²'"),
    "contrast": (["--point", "1@0:4,4", "--contrast", "a,b"], "contrast window"),
    "device": (["--point", "1@0:4,4", "--device", "abacus"], "no device 'abacus'"),
    "device number": (["--point", "1@0:4,4", "--device", "cuda:x"], "no device 'cuda:x'"),
    "image size": (["--point", "1@0:4,4", "--image-size", "50"], "multiple of 32"),
    "image size 0": (["--point", "1@0:4,4", "--image-size", "0"], "image size must be a whole number of at least 1"),
    "unknown home": (["--mask", "1@0:~nobody-here/mask.tif"], "~nobody-here/mask.tif cannot be read"),
    "unknown home of a model": (["--point", "1@0:4,4", "--model", "~nobody-here/x.pt"], "no checkpoint at ~nobody"),
    "unknown option": (["--colour", "red"], "--colour"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_options_are_one_sentence_and_an_exit_code(kind, track):
    options, sentence = WRONG[kind]
    code, _, said = track(*options)
    assert code != 0
    assert sentence in said
    assert said.count("Error:") == 1
    assert "Unexpected error" not in said


def test_a_command_that_does_not_exist_is_one_sentence(call):
    code, _, said = call("trakc")
    assert code != 0
    assert said.startswith("Error: No such command 'trakc'.")


@pytest.mark.parametrize("command", [[], ["models"]])
def test_without_a_command_the_help_is_shown(command, call):
    code, said, _ = call(*command)
    assert code == 0
    assert said.strip().startswith("Usage: napari-sam2-video")


def test_an_interrupted_run_says_how_to_continue(track, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_sam2_video.api.finding.resume", interrupted)
    code, _, said = track("--point", "1@0:40,50")
    assert code == 130
    assert "--resume" in said


def test_an_interrupted_command_is_one_sentence(call, recording, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_sam2_video.api.recordings.describe", interrupted)
    code, _, said = call("info", recording)
    assert code == 130
    assert said.strip() == "Error: Stopped. Finished work is kept."


def test_a_missing_recording_and_a_missing_model_are_one_sentence(track, call, recording, tmp_path):
    code, _, said = track("--point", "1@0:4,4", source=tmp_path / "gone.tif")
    assert code != 0
    assert "gone.tif" in said
    code, _, said = call("track", recording, "--out", tmp_path / "x.sam2v", "--point", "1@0:4,4", "--model", "tiny")
    assert code != 0
    assert "napari-sam2-video models download tiny" in said


def test_a_session_and_a_recording_that_are_mixed_up_are_one_sentence(call, recording, tmp_path):
    session = tmp_path / "run.sam2v"
    api.create_session(recording, session).close()
    assert f"{session} is a session, not a recording" in call("info", session)[2]
    assert f"{recording} is a file, not a session" in call("export", recording, tmp_path / "areas.csv")[2]


def test_an_existing_session_is_only_replaced_on_request(track, tmp_path):
    track("--point", "1@0:40,50")
    code, _, said = track("--point", "1@0:40,50")
    assert code != 0
    assert "--resume" in said
    assert "--overwrite" in said
    assert track("--point", "1@0:40,50", "--overwrite")[0] == 0


def _there(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--point", "1@0:400,4"), "outside"),
        (("--point", "1@0:4,4", "--range", "0:99"), "does not fit"),
        (("--point", "1@0:4,4", "--model", "tiny"), "models download tiny"),
        (("--point", "1@0:4,4", "--device", "abacus"), "no device"),
        (("--point", "1@0:4,4", "--image-size", "50"), "multiple of 32"),
        (("--box", "1@0:4,4,9,9", "--box", "1@0:4,4,8,8"), "more than one box"),
    ],
)
def test_a_session_is_not_replaced_by_one_that_cannot_be_tracked(track, tmp_path, options, sentence):
    track("--point", "1@0:40,50")
    before = _there(tmp_path / "run.sam2v")
    code, _, said = track(*options, "--overwrite")
    assert code == 1
    assert sentence in said
    assert _there(tmp_path / "run.sam2v") == before


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--contrast", "0,100"),
        ("--axis", "Y"),
        ("--channel", "1"),
        ("--model", "demo"),
        ("--image-size", "128"),
        ("--precision", "bf16"),
    ],
)
def test_resume_refuses_what_would_make_another_session(track, option, value):
    track("--point", "1@0:40,50", "--contrast", "300,3000")
    code, _, said = track("--point", "2@0:40,50", "--resume", option, value)
    assert code == 1
    assert f"with {option[2:].replace('-', ' ')} {value}: the session " in said
    assert "omit the option" in said


def test_a_second_box_on_a_frame_is_refused_and_leaves_the_session_as_it_was(track, tmp_path):
    track("--box", "1@0:30,40,50,60")
    code, _, said = track("--box", "1@0:30,40,50,66", "--point", "2@0:9,9", "--resume")
    assert code == 1
    assert "Object 1 has more than one box or mask on frame 0; keep one" in said
    code, said, _ = track("--resume")
    assert code == 0
    assert "Computed 0 frames" in said
    assert "object 2" not in said


def test_resume_takes_the_same_options_again_and_another_device(track, tmp_path):
    from napari_sam2_video.session import Session

    options = ("--contrast", "300,3000", "--axis", "0", "--precision", "fp32", "--point", "1@0:40,50")
    track(*options)
    with Session.open(tmp_path / "run.sam2v") as session:
        session.set_model(replace(session.model_settings, compile=True))
    code, said, _ = track(*options, "--resume", "--device", "cpu")
    assert code == 0
    assert "Computed 0 frames" in said
    with Session.open(tmp_path / "run.sam2v", read_only=True) as session:
        assert session.model_settings.device == "cpu"
        assert not session.model_settings.compile


def test_a_volume_is_walked_along_three_axes_and_seeded_by_a_label_volume(call, weights, tmp_path):
    voxels = np.zeros((8, 40, 44), np.uint8)
    voxels[2:6, 10:30, 12:34] = 200
    tifffile.imwrite(tmp_path / "scan.tif", voxels, imagej=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(tmp_path / "labels.tif", (voxels > 0).astype(np.uint16), imagej=True, metadata={"axes": "ZYX"})
    out = tmp_path / "scan.sam2v"
    arguments = ("track", tmp_path / "scan.tif", "--out", out, "--model", weights, "--image-size", "64", "--seeds")
    code, _, said = call(*arguments, f"{tmp_path / 'labels.tif'}@middle", "--planes", "zq")
    assert code == 1
    assert "no planes across 'Q'" in said
    assert not out.exists()
    code, said, _ = call(*arguments, f"{tmp_path / 'labels.tif'}@middle", "--planes", "zyx")
    assert code == 0
    assert "object 1" in said
    with api.open_session(out, read_only=True) as session:
        assert session.planes.fused(1) == ("Z", "Y", "X")
        assert [p.frame for p in session.prompts(1)] == [4]
    more = ("--point", "1@Y20:4,20", "--prompts", tmp_path / "more.json", "--resume")
    api.write_prompts(tmp_path / "more.json", [api.PointPrompt(1, 22, 4, 21, axis="X")])
    code, _, said = call(*arguments, f"{tmp_path / 'labels.tif'}@all", *more, "--planes", "zx")
    assert code == 1
    assert "across Y, along which nothing is tracked" in said
    code, _, _ = call(*arguments, f"{tmp_path / 'labels.tif'}@all", *more, "--planes", "zyx")
    assert code == 0
    with api.open_session(out, read_only=True) as session:
        assert len(session.objects) == 1
        assert session.planes.prompts("Y") == (api.PointPrompt(1, 20, 4, 20),)
        assert session.planes.prompts("X") == (api.PointPrompt(1, 22, 4, 21),)


def test_resume_adds_only_new_seeds(track, tmp_path, clip):
    tifffile.imwrite(tmp_path / "seeds.tif", clip.labels[0])
    count = np.count_nonzero(np.unique(clip.labels[0]))
    track("--point", "50@0:40,50")
    seeds = ("--seeds", f"{tmp_path / 'seeds.tif'}@0")
    assert track(*seeds, "--resume")[1].count("  object ") == count + 1
    code, said, _ = track(*seeds, "--resume")
    assert code == 0
    assert "Computed 0 frames" in said
    assert said.count("  object ") == count + 1


def test_fault_48_an_existing_export_target_needs_overwrite(track, call, tmp_path):
    track("--point", "1@0:40,50")
    run, target = tmp_path / "run.sam2v", tmp_path / "labels.ome.tif"
    target.write_bytes(b"mine")
    code, _, said = call("export", run, target)
    assert code != 0
    assert "labels.ome.tif" in said
    assert target.read_bytes() == b"mine"
    assert call("export", run, target, "--overwrite")[0] == 0


def test_export_options_are_checked(track, call, tmp_path):
    track("--point", "1@0:40,50")
    run = tmp_path / "run.sam2v"
    assert "NAME=VALUE" in call("export", run, tmp_path / "a.mp4", "--option", "style")[2]
    assert "no option wings" in call("export", run, tmp_path / "a.mp4", "--option", "wings=2")[2]
    assert "There is no session" in call("export", tmp_path / "none.sam2v", tmp_path / "a.mp4")[2]


def test_an_unexpected_error_is_still_one_sentence(call, recording, monkeypatch):
    def broken(*_):
        raise KeyError("surprise")

    monkeypatch.setattr("napari_sam2_video.api.recordings.describe", broken)
    code, _, said = call("info", recording)
    assert code == 1
    assert "KeyError" in said
    assert "please report this" in said


def test_the_program_answers_from_a_shell():
    run = subprocess.run(
        [sys.executable, "-c", "from napari_sam2_video.cli import main; main(['--version'])"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0
    assert run.stdout.strip() == "0.1.0"


def test_fault_31_a_path_with_spaces_percent_and_a_leading_dash_works(track, clip, tmp_path, monkeypatch):
    folder = tmp_path / "50 % größer"
    folder.mkdir()
    monkeypatch.chdir(folder)
    tifffile.imwrite(folder / "-cells 1%d.tif", clip.frames)
    code, _, _ = track("--point", "1@0:40,50", source="./-cells 1%d.tif", out="./-run ü.sam2v")
    assert code == 0
    assert (folder / "-run ü.sam2v" / "session.json").is_file()
