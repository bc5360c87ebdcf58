"""What scripts call: one sentence for every wrong call, one obvious way for every right one."""

from __future__ import annotations

import inspect

import dask.array
import nibabel
import numpy as np
import pytest
import tifffile
from napari.layers import Image

import napari_sam2_video
from napari_sam2_video import api
from napari_sam2_video.api import (
    BoxPrompt,
    MaskPrompt,
    ModelSettings,
    PointPrompt,
    PromptError,
    Sam2VideoError,
    TrackSettings,
)
from napari_sam2_video.export.registry import export as export_result
from napari_sam2_video.session import Session
from tests.fakes import blob_movie, fake_factory

FUNCTIONS = [function for name in api.__all__ if inspect.isfunction(function := getattr(api, name))]


@pytest.fixture(autouse=True)
def factory(monkeypatch):
    made = fake_factory()
    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", made)
    return made


@pytest.fixture(scope="module")
def movie():
    return blob_movie(n_frames=8)


@pytest.fixture(scope="module")
def film(movie):
    return movie[0]


@pytest.fixture
def prompts(movie):
    return [PointPrompt(number, 0, float(y), float(x)) for number, (y, x) in enumerate(movie[1][0], start=1)]


@pytest.fixture
def session(film, prompts, tmp_path):
    with api.track(film, prompts, tmp_path / "run.sam2v") as session:
        yield session


def test_the_package_gives_what_the_api_gives():
    for name in napari_sam2_video.__all__:
        if name != "__version__":
            assert getattr(napari_sam2_video, name) is getattr(api, name)
    assert set(napari_sam2_video.__all__) <= set(dir(napari_sam2_video))


@pytest.mark.parametrize("function", [*FUNCTIONS, export_result], ids=lambda f: f.__name__)
def test_every_option_of_a_public_function_is_named_and_typed(function):
    for name, one in inspect.signature(function).parameters.items():
        assert one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL), name
        assert one.annotation not in (one.empty, "Any"), name


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_a_mistyped_option_names_the_nearest_one(function):
    options = [n for n, one in inspect.signature(function).parameters.items() if one.kind is one.KEYWORD_ONLY]
    for name in options:
        with pytest.raises(Sam2VideoError, match=f"{function.__name__} has no option {name}x; did you mean {name}"):
            function(**{f"{name}x": 1})


WRONG = {
    "prompts of nothing": (lambda f, t: api.track(f, None, t), "prompts must be a list of PointPrompt"),
    "prompts of numbers": (
        lambda f, t: api.track(f, [1], t),
        "must be a list of PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt",
    ),
    "no prompts": (lambda f, t: api.track(f, [], t), "No object has a prompt"),
    "one frame too far": (lambda f, t: api.track(f, [PointPrompt(1, 8, 3, 3)], t), "frames 0 to 7"),
    "outside the image": (lambda f, t: api.track(f, [PointPrompt(1, 0, 999, 3)], t), "outside the image"),
    "nan": (lambda f, t: api.track(f, [PointPrompt(1, 0, float("nan"), 3)], t), "must be a finite number, not nan"),
    "text": (lambda f, t: api.track(f, [PointPrompt(1, 0, "12", 3)], t), "must be a finite number, not '12'"),
    "mask of another shape": (lambda f, t: api.track(f, [MaskPrompt(1, 0, f[0][1:] > 0)], t), "full size"),
    "seeds without a list": (lambda f, t: api.track(f, [], t, seeds=(f[0], 0)), "seeds must be a list of label images"),
    "seeds without frames": (lambda f, t: api.track(f, [], t, seeds=[f[0]]), "seeds must be a list of label images"),
    "seeds of another shape": (lambda f, t: api.track(f, [], t, seeds=[(f[0][1:], 0)]), r"has the shape \(47, 64\)"),
    "seeds of fractions": (lambda f, t: api.track(f, [], t, seeds=[(f[0] / 2, 0)]), "whole numbers of shape"),
    "seeds of a film": (lambda f, t: api.track(f, [], t, seeds=[(f, 0)]), "whole numbers of shape"),
    "seeds on no frame": (lambda f, t: api.track(f, [], t, seeds=[(f[0], 99)]), "frames 0 to 7"),
    "direction": (lambda f, t: api.track(f, [], t, settings="forward"), r"settings must be TrackSettings\(\.\.\.\)"),
    "another direction": (lambda f, t: api.track(f, [], t, settings=TrackSettings("up")), "direction must be one of"),
    "range": (lambda f, t: api.track(f, [BoxPrompt(1, 0, 2, 2, 9, 9)], t, settings=TrackSettings(stop=99)), "range"),
    "model": (lambda f, t: api.track(f, [BoxPrompt(1, 0, 2, 2, 9, 9)], t, model="sam3"), "sam3"),
    "no model": (lambda f, t: api.create_session(f, t, model=None), "model must be a name"),
    "channel by name": (lambda f, t: api.create_session(f, t, channel="DAPI"), "channel must be a whole number"),
    "channel of none": (lambda f, t: api.create_session(f, t, channel=1), "no channels to choose from"),
    "axis by number": (lambda f, t: api.create_session(f, t, axis=0), "axis must be a letter"),
    "axis of another name": (lambda f, t: api.create_session(f, t, axis="Z"), "--axes ZYX"),
    "place": (lambda f, t: api.create_session(f, t, at=[1]), r'given as \{"Z": 5\}'),
    "place of no axis": (lambda f, t: api.create_session(f, t, at={"Q": 1}), "Axis Q"),
    "contrast": (lambda f, t: api.create_session(f, t, contrast=5), "contrast must be"),
    "contrast upside down": (lambda f, t: api.create_session(f, t, contrast=(5, 1)), "is empty"),
    "contrast by name": (lambda f, t: api.create_session(f, t, contrast="kidney"), "contrast window 'kidney'"),
    "folder": (lambda f, t: api.create_session(f, 3), "session's folder must be a path, not 3"),
    "no recording": (lambda f, t: api.create_session(None, t), "at least two"),
    "no session": (lambda f, t: api.open_session(t), "There is no session"),
    "session by number": (lambda f, t: api.measure(3), "session must be a path, not 3"),
    "check": (lambda f, t: api.check(t, "forward"), r"settings must be CheckSettings\(\.\.\.\)"),
    "resume of a path": (lambda f, t: api.resume(t), r"session must be Session\(\.\.\.\)"),
    "no folder": (
        lambda f, t: api.track(f, []),
        "track cannot be called like this: missing a required argument: 'out'",
    ),
    "progress": (lambda f, t: api.track(f, [], t, progress=3), "progress of track must be a function, not 3"),
    "stop": (lambda f, t: api.track(f, [], t, stop=True), "stop of track must be a function, not True"),
    "overwrite": (lambda f, t: api.track(f, [], t, overwrite="yes"), "overwrite of track must be True or False"),
    "a layer": (lambda f, t: api.track(Image(f), [], t), r"pass open_layer\(layer\)"),
    "no layer": (lambda f, t: api.open_layer(f), "must be an image layer of napari, not ndarray"),
    "no viewer": (lambda f, t: api.add_to_viewer(f, f), r"session must be Session\(\.\.\.\)"),
    "prompts of a number": (lambda f, t: api.read_prompts(3), "file of prompts must be a path"),
    "prompts that are none": (lambda f, t: api.write_prompts(t, [1]), "must be a list of PointPrompt"),
    "target": (lambda f, t: api.export(t, 3), "target must be a path"),
    "export of nothing": (lambda f, t: api.export(t, "a.tif"), "There is no session"),
    "options of a format": (lambda f, t: api.export(t, "a.tif", options="level=3"), 'given as {"name": value}'),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_call_is_refused_in_one_sentence_and_leaves_nothing_behind(kind, film, tmp_path):
    call, sentence = WRONG[kind]
    with pytest.raises(Sam2VideoError, match=sentence) as refused:
        call(film, tmp_path / "run.sam2v")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_session_is_kept_where_the_one_that_replaces_it_cannot_be_tracked(film, prompts, tmp_path):
    api.track(film, prompts, tmp_path / "run.sam2v").close()
    with pytest.raises(Sam2VideoError, match="outside the image"):
        api.track(film, [PointPrompt(1, 0, 999, 3)], tmp_path / "run.sam2v", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["run.sam2v"]
    with api.open_session(tmp_path / "run.sam2v", recording=film) as session:
        assert session.prompts() == tuple(prompts)
    with api.track(film, prompts[:1], tmp_path / "run.sam2v", overwrite=True) as session:
        assert session.prompts() == tuple(prompts[:1])


def test_a_recording_is_opened_and_sampled_once(film, prompts, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "film.tif", film.astype(np.uint16), photometric="minisblack")
    opened, sampled = [], []
    real_open, real_sample = api.open_recording, napari_sam2_video.frames.view.percentile_window
    monkeypatch.setattr(
        "napari_sam2_video.api.options.open_recording", lambda *a, **k: opened.append(a) or real_open(*a, **k)
    )
    monkeypatch.setattr(
        "napari_sam2_video.frames.view.percentile_window", lambda *a, **k: sampled.append(a) or real_sample(*a, **k)
    )
    for _ in range(2):
        api.track(tmp_path / "film.tif", prompts, tmp_path / "run.sam2v", overwrite=True).close()
    assert (len(opened), len(sampled)) == (2, 2)


@pytest.mark.parametrize("model", ["demo", ModelSettings("demo")])
def test_a_model_is_a_name_or_settings(film, tmp_path, model):
    with api.create_session(film, tmp_path / "run.sam2v", model=model) as session:
        assert session.model_settings == ModelSettings("demo")


def test_numpy_in_numpy_out(session, film):
    labels_tyx = np.asarray(session.labels)
    assert labels_tyx.shape == film.shape
    assert set(np.unique(labels_tyx)) == {0, *(one.id for one in session.objects)}


def test_dask_in(film, prompts, tmp_path):
    lazy = dask.array.from_array(film, chunks=(1, -1, -1))
    with api.track(lazy, prompts, tmp_path / "dask.sam2v") as session:
        assert session.scores(1)["frame"].tolist() == list(range(8))


def test_a_list_of_files_in_the_order_given(film, prompts, tmp_path):
    files = [tmp_path / f"{letter}.tif" for letter in "hgfedcba"]
    for file, frame in zip(files, film, strict=True):
        tifffile.imwrite(file, frame, photometric="minisblack")
    with api.track(files, prompts, tmp_path / "run.sam2v") as session:
        assert np.array_equal(session.view.raw(3), film[3])
        labels_tyx = np.asarray(session.labels)
    with api.open_session(tmp_path / "run.sam2v", recording=files) as session:
        assert np.array_equal(session.labels, labels_tyx)
        assert len(api.measure(session)) == 2 * len(film)


def test_a_stopped_run_is_continued(film, prompts, tmp_path):
    done = []
    with api.track(film, prompts, tmp_path / "run.sam2v", progress=done.append, stop=lambda: len(done) >= 3) as session:
        assert session.unfinished
        assert api.resume(session) > 0
        assert not session.unfinished
        assert api.resume(session) == 0


def test_no_planes_are_the_walk_of_the_session(film, prompts, tmp_path):
    with api.track(film, prompts, tmp_path / "run.sam2v", planes="") as session:
        assert session.masks.frames_done(1).tolist() == list(range(len(film)))


def test_an_object_that_is_found_nowhere_has_nothing_to_fuse(tmp_path, monkeypatch):
    nowhere = {(1, plane) for plane in range(40)}
    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", fake_factory(lost=nowhere))
    empty = np.zeros((5, 32, 40), np.uint8)
    with api.track(empty, [PointPrompt(1, 2, 9, 9)], tmp_path / "run.sam2v", axes="ZYX", planes="zyx") as session:
        assert session.masks.frames_done(1).tolist() == [0, 1, 2, 3, 4]
        with pytest.raises(PromptError, match="nothing to fuse"):
            session.fuse()


def test_a_moved_recording_is_opened_with_the_axes_and_sizes_of_the_session(film, prompts, tmp_path):
    tifffile.imwrite(tmp_path / "film.tif", film, photometric="minisblack")
    options = {"axes": "ZYX", "pixel_size": "2,0.5,0.5 um"}
    api.track(tmp_path / "film.tif", prompts, tmp_path / "run.sam2v", **options).close()
    (tmp_path / "film.tif").rename(tmp_path / "moved.tif")
    with api.open_session(tmp_path / "run.sam2v", recording=tmp_path / "moved.tif") as session:
        assert session.view.walk_axis == "Z"
        assert session.recording.scale == {"Z": 2.0, "Y": 0.5, "X": 0.5}


@pytest.mark.parametrize("axes", ["TYX", "TCYX", "YX"])
def test_a_session_of_an_array_keeps_a_copy_where_asked(film, prompts, tmp_path, axes):
    array = {"TYX": film, "TCYX": np.stack([film, film + 1], axis=1), "YX": film[0]}[axes]
    api.track(array, prompts, tmp_path / "run.sam2v", axes=axes, keep_source=True, pixel_size="2 um").close()
    with api.open_session(tmp_path / "run.sam2v") as session:
        assert np.array_equal(session.view.raw(0), film[0])
        assert session.recording.scale["Y"] == 2.0
        session.add_prompt(PointPrompt(1, 0, 2, 2, positive=False))
        assert api.resume(session) > 0
    assert len(api.measure(tmp_path / "run.sam2v", channels=(1,) if axes == "TCYX" else None))
    assert not list((tmp_path / "run.sam2v").glob(".*.part"))
    with api.track(array, prompts, tmp_path / "run.sam2v", axes=axes, overwrite=True):
        assert not (tmp_path / "run.sam2v" / "source.npy").exists()


def test_a_damaged_copy_is_named(film, prompts, tmp_path):
    api.track(film, prompts, tmp_path / "run.sam2v", keep_source=True).close()
    copy = tmp_path / "run.sam2v" / "source.npy"
    copy.write_bytes(copy.read_bytes()[:60])
    with pytest.raises(Sam2VideoError, match=r"source\.npy is damaged; delete it"):
        api.open_session(tmp_path / "run.sam2v")
    copy.unlink()
    api.open_session(tmp_path / "run.sam2v", recording=film).close()


def test_a_file_is_not_copied(film, prompts, tmp_path):
    tifffile.imwrite(tmp_path / "film.tif", film, photometric="minisblack")
    api.track(tmp_path / "film.tif", prompts, tmp_path / "run.sam2v", keep_source=True).close()
    assert not (tmp_path / "run.sam2v" / "source.npy").exists()


def test_masks_of_an_array_are_read_without_it(film, prompts, tmp_path):
    with api.track(film, prompts, tmp_path / "run.sam2v", pixel_size="0.5 um") as session:
        labels_tyx, own = np.asarray(session.labels), session.measure()
    target = api.export(tmp_path / "run.sam2v", tmp_path / "labels.ome.tif").path
    assert np.array_equal(tifffile.imread(target), labels_tyx)
    table = api.measure(tmp_path / "run.sam2v")
    np.testing.assert_array_equal(table["area"], own["area"])
    assert not any(name.startswith("intensity_") for name in table.names)
    assert isinstance(api.review(tmp_path / "run.sam2v"), tuple)
    with api.open_session(tmp_path / "run.sam2v", read_only=True) as session:
        assert np.array_equal(session.labels, labels_tyx)
        with pytest.raises(Sam2VideoError, match="keep_source=True"):
            session.view.raw(0)
    with pytest.raises(Sam2VideoError, match="give that array to open the session"):
        api.open_session(tmp_path / "run.sam2v")


def test_objects_with_prompts_outside_the_range_are_named(film, prompts, tmp_path):
    from napari_sam2_video.api.start import range_notes

    late = [prompts[0], PointPrompt(2, 6, prompts[1].y, prompts[1].x)]
    settings = TrackSettings(stop=4)
    with api.track(film, late, tmp_path / "run.sam2v", settings=settings) as session:
        (note,) = range_notes(session, settings)
        assert "Object 2 has prompts outside the range 0:4, on frame 6" in note
        assert range_notes(session, TrackSettings()) == ()


def test_measure_review_and_export_take_a_session_or_its_folder(session, tmp_path, film):
    table = api.measure(session)
    assert len(table) == len(session.objects) * len(film)
    assert session.measure().names == table.names
    np.testing.assert_array_equal(session.measure()["area"], table["area"])
    assert [item.object_id for item in api.review(session, objects=(2,), limit=1)] in ([], [2])
    with pytest.raises(Sam2VideoError, match="no object 99"):
        api.review(session, objects=(99,))
    report = api.export(session, tmp_path / "overlay.mp4", options={"style": "fill"})
    assert report.path.stat().st_size


@pytest.fixture
def two_channels(film, prompts, tmp_path):
    stack = np.stack([film.astype(np.uint16), film.astype(np.uint16) * 3 + 7], axis=1)
    with api.track(stack, prompts, tmp_path / "channels.sam2v", axes="TCYX", channel=0) as session:
        yield session, stack


def test_tracked_in_one_channel_and_measured_in_others(two_channels):
    session, _ = two_channels
    table, own = api.measure(session, channels=(0, 1)), api.measure(session)
    np.testing.assert_allclose(table["intensity_mean_c0"], own["intensity_mean"])
    np.testing.assert_allclose(table["intensity_mean_c1"], own["intensity_mean"] * 3 + 7)
    assert "intensity_mean" not in table
    assert "perimeter" in table
    assert "perimeter" not in api.measure(session, shape=False)


def test_another_recording_of_the_same_size_is_measured(session, film, tmp_path):
    tifffile.imwrite(tmp_path / "marker.tif", film.astype(np.uint16) + 500, photometric="minisblack")
    own, other = api.measure(session), api.measure(session, recording=tmp_path / "marker.tif")
    np.testing.assert_allclose(other["intensity_median"], own["intensity_median"] + 500)
    array = api.measure(session, recording=film.astype(np.float32) / 2)
    np.testing.assert_allclose(array["intensity_max"], own["intensity_max"] / 2)


def test_a_volume_is_measured_only_where_the_session_lies(film, prompts, tmp_path):
    affine = np.diag([-0.5, 0.5, 2, 1])
    scan = nibabel.Nifti1Image(film.transpose(2, 1, 0), affine)
    nibabel.save(scan, tmp_path / "scan.nii.gz")
    nibabel.save(nibabel.Nifti1Image(film.transpose(2, 1, 0) // 2, affine), tmp_path / "marker.nii.gz")
    nibabel.save(nibabel.as_closest_canonical(scan), tmp_path / "turned.nii.gz")
    with api.track(tmp_path / "scan.nii.gz", prompts, tmp_path / "run.sam2v") as session:
        other = api.measure(session, recording=tmp_path / "marker.nii.gz")
        np.testing.assert_allclose(other["intensity_max"], api.measure(session)["intensity_max"] // 2)
        with pytest.raises(api.SettingsError, match="turned lies elsewhere than the recording"):
            api.measure(session, recording=tmp_path / "turned.nii.gz")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"recording": np.zeros((8, 9, 9), np.uint8)}, r"8 frames of \(9, 9\) pixels where the session has 8 of"),
        ({"recording": np.zeros((7, 48, 64), np.uint8)}, "7 frames of"),
        ({"recording": "nothing.tif"}, "nothing.tif"),
        ({"channels": (0,)}, "no channels to choose from"),
        ({"channels": "DAPI"}, "list of indices"),
        ({"channels": 1}, "list of indices"),
        ({"channels": (-1,)}, "at least 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(session, options, sentence):
    with pytest.raises(Sam2VideoError, match=sentence):
        api.measure(session, **options)


def test_the_recording_of_a_folder_is_found_for_measures(film, prompts, tmp_path):
    tifffile.imwrite(tmp_path / "film.tif", film, photometric="minisblack")
    api.track(tmp_path / "film.tif", prompts, tmp_path / "run.sam2v").close()
    assert len(api.measure(str(tmp_path / "run.sam2v"))) == 2 * len(film)
    assert api.review(tmp_path / "run.sam2v", limit=0) == ()
    with pytest.raises(api.SettingsError, match="limit must be a whole number of at least 0, not -1"):
        api.review(tmp_path / "run.sam2v", limit=-1)


def test_prompts_survive_a_file(session, tmp_path, film):
    mask = MaskPrompt(1, 3, film[3] > film[3].mean())
    session.add_prompt(mask)
    api.write_prompts(tmp_path / "prompts.json", session.prompts())
    assert api.read_prompts(tmp_path / "prompts.json") == session.prompts()
    assert mask in api.read_prompts(str(tmp_path / "prompts.json"))


def test_colour_with_transparency_is_opened_on_white_and_reported():
    film = np.zeros((5, 64, 64, 4), np.uint8)
    film[..., 1], film[:, :32, :, 3] = 200, 255
    about = api.info(film)
    assert (about["axes"], about["shape"]) == ("TYXS", (5, 64, 64, 3))
    assert any("white" in note for note in about["notes"])
    with api.open_recording(film) as recording:
        assert recording.read({"T": 2})[[0, 63], 0].tolist() == [[0, 200, 0], [255, 255, 255]]


def test_info_follows_what_a_person_says(film):
    about = api.info(film, axes="ZYX", pixel_size=((2, 0.5, 0.5), "um"), contrast="0,100")
    assert about["axes"] == "ZYX"
    assert about["scale"] == {"Z": 2.0, "Y": 0.5, "X": 0.5}
    assert set(about["calibration_source"].values()) == {"person"}
    assert about["view"]["window"] == (0.0, 100.0, "manual")


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: s.track("forward"), r"settings must be TrackSettings\(\.\.\.\), not 'forward'"),
        (lambda s: list(s.track(TrackSettings(objects=(9,)))), "no object 9"),
        (lambda s: list(s.check("all")), r"settings must be CheckSettings\(\.\.\.\), not 'all'"),
        (lambda s: s.set_model(5), "model must be a name"),
        (lambda s: s.set_model(None), "model must be a name"),
        (lambda s: s.add_object(name=3), "name of object 3 must be text, not 3"),
        (lambda s: s.add_object(object_id="a"), "id of an object must be a whole number of at least 1, not 'a'"),
        (lambda s: s.add_object(object_id=0), "id of an object must be a whole number of at least 1, not 0"),
        (lambda s: s.add_object(color=3), r"colour \(3,\) of object 3 is not three numbers"),
        (lambda s: s.edit_object(1, color="red"), "is not three numbers"),
        (lambda s: s.edit_object(9, name="x"), "no object 9"),
        (lambda s: s.add_prompt(3), "must be a PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt, not 3"),
        (lambda s: s.set_prompts(1, 0, ["1@0:3,3"]), "must be a PointPrompt, BoxPrompt, ScribblePrompt or MaskPrompt"),
        (lambda s: s.scores(99), "no object 99"),
        (lambda s: s.scores("cell"), "no object cell"),
        (lambda s: s.accepted(99), "no object 99"),
        (lambda s: s.prompts(99), "no object 99"),
        (lambda s: s.mask(99, 0), "no object 99"),
        (lambda s: s.mask(1, 99), "no frame 99"),
        (lambda s: s.labels[99], "no position 99 along an axis of 8"),
        (lambda s: s.labels["a"], "indexed by numbers, slices and arrays"),
        (lambda s: s.labels[0, 0, 0, 0], "have 3 axes, not 4"),
        (lambda s: s.labels.__setitem__((0, 0, 0), "a"), "whole numbers, not <U1"),
        (lambda s: s.labels.__setitem__((0, 0, 0), 1.5), "whole numbers, not float64"),
    ],
)
def test_a_wrong_call_of_a_session_changes_nothing(session, call, sentence):
    before = session.objects, session.prompts(), session.model_settings, np.asarray(session.labels).tolist()
    with pytest.raises(Sam2VideoError, match=sentence) as refused:
        call(session)
    assert "\n" not in str(refused.value)
    assert (session.objects, session.prompts(), session.model_settings, np.asarray(session.labels).tolist()) == before


def test_labels_compare_and_calculate_element_by_element(session):
    labels_tyx = np.asarray(session.labels)
    assert np.array_equal(session.labels == 1, labels_tyx == 1)
    assert np.array_equal(session.labels > 0, labels_tyx > 0)
    assert np.array_equal(session.labels * 2, labels_tyx * 2)
    assert np.array_equal(labels_tyx != session.labels, np.zeros(labels_tyx.shape, bool))
    assert np.array_equal(np.logical_or(session.labels == 1, session.labels == 2), labels_tyx > 0)
    assert len({session.labels}) == 1
    assert [frame.shape for frame in session.labels] == [labels_tyx.shape[1:]] * len(labels_tyx)


def test_a_mask_is_the_objects_own(session):
    session.paint(3, (0, 0), np.full((4, 4), 2))
    assert session.mask(2, 3)[:4, :4].all()
    assert np.array_equal(session.mask(1, 3), session.masks.object_mask(3, 1))


def test_dask_out(session):
    lazy = dask.array.from_array(session.labels, chunks=(1, -1, -1))
    assert lazy.chunks[0] == (1,) * 8
    assert np.array_equal((lazy == 1).sum(axis=(1, 2)).compute(), session.scores(1)["area"])


def test_a_session_may_be_closed_twice(film, tmp_path):
    session = api.create_session(film, tmp_path / "run.sam2v")
    session.close()
    session.close()
    assert isinstance(session, Session)
    with pytest.raises(Sam2VideoError, match="is closed"):
        session.add_object()
