from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.open import open_recording
from tests.frames.dicoms import CT, item, save_dicom, save_series

pydicom = pytest.importorskip("pydicom")

if TYPE_CHECKING:
    from pathlib import Path


def test_gap_in_a_series_is_reported(tmp_path: Path) -> None:
    save_series(tmp_path, [2.0 * n for n in range(11) if n != 4])
    with open_recording(tmp_path) as recording:
        assert recording.shape[0] == 10
        assert recording.scale["Z"] == 2.0
        assert "Slices are missing between IM" in recording.notes[0]
        assert "4 mm apart, where 2 mm is usual" in recording.notes[0]


def test_two_series_in_one_folder_are_named_and_each_opens_by_a_file(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)])
    save_series(
        tmp_path, [3.0 * n for n in range(4)], CT[:4], 2000, SeriesInstanceUID="1.2.4", SeriesDescription="head"
    )
    with pytest.raises(
        RecordingError, match=r"2 series \(0: .* images such as IM.*; 1: .*\); choose one by its number"
    ):
        open_recording(tmp_path)
    one = next(file for file in tmp_path.iterdir() if pydicom.dcmread(file).SeriesDescription == "head")
    with open_recording(one) as recording:
        assert (recording.name, recording.shape[0]) == ("head", 4)


def test_single_scout_image_is_left_out(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(10)])
    save_dicom(tmp_path / "scout", np.zeros((3, 3), np.uint16), SeriesInstanceUID="9", SeriesDescription="scout")
    with open_recording(tmp_path) as recording:
        assert recording.shape[0] == 10
        assert any("left out: scout (1 image in scout)" in note for note in recording.notes)


def test_repeated_volumes_become_time(tmp_path: Path) -> None:
    places = [1.0 * n for n in range(5)] * 2
    save_series(tmp_path, places)
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape[:2]) == ("TZYX", (2, 5))
        np.testing.assert_array_equal(recording.read({}), CT.reshape(2, 5, 6, 8))


@pytest.mark.parametrize("size", [0.002, 0.01, 0.05])
def test_slices_of_micro_tomography_are_slices(size: float, tmp_path: Path) -> None:
    save_series(tmp_path, [round(size * n, 6) for n in range(10)], PixelSpacing=[size, size])
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape) == ("ZYX", CT.shape)
        np.testing.assert_array_equal(recording.read({}), CT)
        assert recording.scale["Z"] == pytest.approx(size)


def test_repeated_volumes_whose_places_differ_a_little_keep_their_order_in_time(tmp_path: Path) -> None:
    places = [1.005, 2.005, 3.005, 4.005, 5.005]
    save_series(tmp_path, [place + 1e-4 for place in places] + [place - 1e-4 for place in places])
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape[:2]) == ("TZYX", (2, 5))
        np.testing.assert_array_equal(recording.read({}), CT.reshape(2, 5, 6, 8))


def test_images_of_an_unfinished_pass_are_left_out(tmp_path: Path) -> None:
    save_series(tmp_path, [0, 1, 2, 3, 4, 5, 6, 7, 3, 4])
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:8])
        assert "2 images repeat the positions of others, but not all of them, and are left out" in recording.notes[0]


def test_a_tilted_image_is_left_out_of_a_series(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(9)], CT[:9])
    about = {"ImagePositionPatient": [0, 0, 50], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    save_dicom(tmp_path / "zz", CT[9], **about)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:9])
        assert "chest direction 2 (1 image in zz)" in recording.notes[0]


def test_an_image_of_another_size_is_left_out_of_a_series(tmp_path: Path) -> None:
    save_series(tmp_path, [1.0 * n for n in range(9)], CT[:9])
    save_dicom(tmp_path / "zz", CT[9, :5, :5], ImagePositionPatient=[0, 0, 50])
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:9])
        assert "(1 image in zz)" in recording.notes[0]


def test_images_without_a_place_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0] * 10, ImagePositionPatient=None)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT)
        assert "ordered by their numbers" in recording.notes[0]
        assert recording.affine is None


def test_colour_clip_in_one_file(tmp_path: Path) -> None:
    film = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3)).astype(np.uint8)
    about = {"NumberOfFrames": 5, "FrameTime": 40, "Modality": "US", "ImageOrientationPatient": None}
    save_dicom(tmp_path / "film.dcm", film, **about)
    with open_recording(tmp_path / "film.dcm") as recording:
        assert (recording.axes, recording.scale["T"], recording.units["T"]) == ("TYXS", 0.04, "s")
        np.testing.assert_array_equal(recording.read({"T": 3}), film[3])


def spoil(path: Path, name: str, value: Any) -> None:
    """Give an element of a file a value that it cannot have."""
    image = pydicom.dcmread(path)
    with pydicom.config.disable_value_validation():
        if isinstance(value, str) and name.startswith("Rescale"):
            image[name] = pydicom.DataElement(image[name].tag, "UN", value.encode().ljust(8))
        else:
            image[name].value = value
        pydicom.dcmwrite(path, image, enforce_file_format=True)


WILD = [
    ("Rows", 0, "0 × 8"),
    ("BitsStored", 60000, "60000 bits"),
    ("RescaleSlope", "1e400", "rescale values are not numbers"),
    ("RescaleIntercept", "nan", "rescale values are not numbers"),
    ("ImagePositionPatient", ["-10", "-20", "nan"], "position of an image is not a number"),
]


@pytest.mark.parametrize(("name", "value", "reason"), WILD)
def test_a_header_of_wild_values_is_one_sentence(name: str, value: Any, reason: str, tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0], RescaleSlope=1, RescaleIntercept=0)
    for path in tmp_path.iterdir():
        spoil(path, name, value)
    for source in (tmp_path, path):
        with pytest.raises(RecordingError, match=rf"is a damaged DICOM file \(.*{reason}.*remove it or copy it again"):
            open_recording(source)


@pytest.mark.parametrize(("name", "value", "reason"), WILD)
def test_one_damaged_header_never_refuses_its_series(name: str, value: Any, reason: str, tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0, 3.0], CT[:4], RescaleSlope=1, RescaleIntercept=0)
    whole = sorted(tmp_path.iterdir(), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))
    spoil(whole[3], name, value)
    for source in (tmp_path, whole[0]):
        with open_recording(source) as recording:
            np.testing.assert_array_equal(recording.read({}), CT[:3])
            assert f"{whole[3].name} is left out" in recording.notes[0]
            assert reason in recording.notes[0]


def test_a_damaged_neighbour_never_touches_another_series(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0])
    save_dicom(tmp_path / "other", CT[0], SeriesInstanceUID="9")
    spoil(tmp_path / "other", "BitsStored", 60000)
    (tmp_path / "rubbish").write_bytes(bytes(128) + b"DICM" + b"\x02\0\0\0UL\xff\xff" + bytes(90))
    with open_recording(next(path for path in tmp_path.iterdir() if path.name.startswith("IM"))) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:3])
        assert not any("other" in note for note in recording.notes)


def save_clip(path: Path, grey: int, **values: Any) -> None:
    about = {"Modality": "US", "NumberOfFrames": 4, "PixelSpacing": None, "ImageOrientationPatient": None}
    save_dicom(path, np.full((4, 6, 8), grey, np.uint8), **about | values)


def test_clips_of_one_series_are_recordings_to_choose_from(tmp_path: Path) -> None:
    for number in range(2):
        save_clip(tmp_path / f"clip{number}.dcm", 30 + 100 * number, FrameTimeVector=[0, 25, 25, 25], CineRate=99)
    with pytest.raises(RecordingError, match=r"2 series \(0: chest clip0.dcm \(4 images .*; 1: chest clip1.dcm"):
        open_recording(tmp_path)
    for chosen in (1, "clip1", "clip1.dcm", "chest clip1.dcm"):
        with open_recording(tmp_path, series=chosen) as recording:
            assert recording.read({}).tolist() == np.full((4, 6, 8), 130).tolist()
            assert (recording.axes, recording.scale["T"], recording.units["T"]) == ("TYX", pytest.approx(0.025), "s")
    with pytest.raises(RecordingError, match=r"holds no series 7: it has 2 series \(0: chest clip0"):
        open_recording(tmp_path, series=7)
    with open_recording(tmp_path / "clip0.dcm") as recording:
        assert recording.length("T") == 4


@pytest.mark.parametrize(
    ("about", "times", "interval", "note"),
    [
        ({"FrameTimeVector": [0, 10, 30, 10]}, [0, 0.01, 0.04, 0.05], 0.01, ""),
        ({"FrameTimeVector": [40, 40, 40]}, None, 0.04, ""),
        ({"FrameTime": 50, "CineRate": 30}, None, 0.05, ""),
        ({"ActualFrameDuration": 500}, None, 0.5, ""),
        ({"RecommendedDisplayFrameRate": 20, "CineRate": 30}, None, 0.05, "RecommendedDisplayFrameRate: 20 per second"),
        ({"CineRate": 25}, None, 0.04, "CineRate: 25 per second"),
        ({"CineRate": 0, "FrameTime": 0}, None, None, ""),
    ],
)
def test_the_times_of_a_clip_are_those_of_the_file(
    about: dict[str, Any], times: list[float] | None, interval: float | None, note: str, tmp_path: Path
) -> None:
    save_clip(tmp_path / "clip.dcm", 9, **about)
    with open_recording(tmp_path / "clip.dcm") as recording:
        assert (None if recording.times is None else recording.times.round(9).tolist()) == times
        assert recording.scale["T"] == (interval and pytest.approx(interval))
        assert any(note in text for text in recording.notes) if note else recording.notes == ()


def region(delta: float, **values: Any) -> Any:
    about = {"RegionSpatialFormat": 1, "PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}
    return item(**about | {"PhysicalDeltaX": delta, "PhysicalDeltaY": -2 * delta} | values)


@pytest.mark.parametrize(
    ("regions", "sizes"),
    [
        ([region(0.005)], (0.1, 0.05)),
        ([region(0.005), region(1, RegionSpatialFormat=3, PhysicalUnitsXDirection=4)], (0.1, 0.05)),
        ([region(0.005), region(0.007)], None),
        ([region(0.005, PhysicalUnitsXDirection=4)], None),
        ([], None),
    ],
)
def test_ultrasound_regions_give_the_size_of_a_pixel(
    regions: list[Any], sizes: tuple[float, float] | None, tmp_path: Path
) -> None:
    save_clip(tmp_path / "clip.dcm", 9, SequenceOfUltrasoundRegions=regions)
    with open_recording(tmp_path / "clip.dcm") as recording:
        assert (recording.scale["Y"], recording.scale["X"]) == (pytest.approx(sizes) if sizes else (None, None))


def test_a_size_of_exactly_one_is_a_size(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0], PixelSpacing=[1, 1])
    with open_recording(tmp_path) as recording:
        assert recording.scale == {"Z": 1.0, "Y": 1.0, "X": 1.0}
        assert set(recording.units.values()) == {"mm"}


def test_a_size_that_no_file_has_is_unknown(tmp_path: Path) -> None:
    save_dicom(tmp_path / "one.dcm", CT[0], PixelSpacing=None, ImagePositionPatient=[0, 0, 0])
    with open_recording(tmp_path / "one.dcm") as recording:
        assert set(recording.scale.values()) == {None}


def test_the_size_at_the_detector_is_noted_and_is_that_in_the_body_where_the_enlargement_is_known(
    tmp_path: Path,
) -> None:
    about = {"PixelSpacing": None, "ImagerPixelSpacing": [0.2, 0.2], "Modality": "DX"}
    save_dicom(tmp_path / "one.dcm", CT[0], **about)
    with open_recording(tmp_path / "one.dcm") as recording:
        assert (recording.scale["Y"], recording.units["Y"]) == (0.2, "mm")
        assert "size applies at the detector" in " ".join(recording.notes)
    save_dicom(tmp_path / "one.dcm", CT[0], **about, EstimatedRadiographicMagnificationFactor=1.25)
    with open_recording(tmp_path / "one.dcm") as recording:
        assert recording.scale["X"] == pytest.approx(0.16)


def test_frames_of_several_directions_are_series_to_choose_from(tmp_path: Path) -> None:
    directions = [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]]
    frames = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=[-frame * (frame > 3), 0, frame])],
            PlaneOrientationSequence=[item(ImageOrientationPatient=directions[frame > 3])],
        )
        for frame in range(8)
    ]
    about = {"NumberOfFrames": 8, "PerFrameFunctionalGroupsSequence": frames, "ImageOrientationPatient": None}
    save_dicom(tmp_path / "planes.dcm", CT[:8], **about)
    for source in (tmp_path, tmp_path / "planes.dcm"):
        with pytest.raises(RecordingError, match=r"holds 2 series \(0: chest direction 1 .*1: chest direction 2 "):
            open_recording(source)
        for direction in range(2):
            with open_recording(source, series=direction) as recording:
                np.testing.assert_array_equal(recording.read({}), CT[4 * direction : 4 * direction + 4])


def test_echoes_of_one_place_are_series_to_choose_from(tmp_path: Path) -> None:
    for number, echo in enumerate((4.6, 9.2)):
        save_series(tmp_path, [0.0, 1.0, 2.0], CT[3 * number :], 1000 * number, EchoTime=echo)
    with pytest.raises(RecordingError, match=r"2 series \(0: chest 4.6 \(3 images .*1: chest 9.2"):
        open_recording(tmp_path)
    with open_recording(tmp_path, series="chest 9.2") as recording:
        np.testing.assert_array_equal(recording.read({}), CT[3:6])


def test_planes_of_a_dose_grid_lie_along_z(tmp_path: Path) -> None:
    about = {
        "Modality": "RTDOSE",
        "NumberOfFrames": 4,
        "GridFrameOffsetVector": [0, 2.5, 5, 7.5],
        "FrameIncrementPointer": 0x3004000C,
        "ImagePositionPatient": [-10, -20, 30],
        "DoseGridScaling": 0.01,
    }
    save_dicom(tmp_path / "dose.dcm", CT[:4], **about)
    with open_recording(tmp_path / "dose.dcm") as recording:
        assert (recording.axes, recording.shape[0], recording.scale["Z"]) == ("ZYX", 4, 2.5)
        np.testing.assert_allclose(recording.read({}), CT[:4] * 0.01, rtol=1e-6)
        assert recording.affine is not None
        np.testing.assert_allclose(recording.affine[:3, 3], [10, 20, 30])


def test_times_of_volumes_are_those_of_the_files(tmp_path: Path) -> None:
    for number, clock in enumerate(("095959.5", "100001.5", "100007")):
        about = {"AcquisitionTime": clock, "AcquisitionDate": "20200131", "AcquisitionNumber": number + 1}
        save_series(tmp_path, [0.0, 1.0, 2.0], CT[3 * number :], 1000 * number, **about)
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape[:2]) == ("TZYX", (3, 3))
        np.testing.assert_array_equal(recording.read({}), CT[:9].reshape(3, 3, 6, 8))
        assert recording.times is not None
        assert recording.times.tolist() == [0.0, 2.0, 7.5]


def test_a_slice_that_one_time_lacks_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    for number in range(3):
        about = {"TemporalPositionIdentifier": number + 1}
        save_series(tmp_path, [0.0, 1.0, 2.0], CT[3 * number :], 1000 * number, **about)
    lost = next(
        path
        for path in tmp_path.iterdir()
        if (header := pydicom.dcmread(path)).ImagePositionPatient[2] == 1 and header.TemporalPositionIdentifier == 2
    )
    lost.unlink()
    with open_recording(tmp_path) as recording:
        assert (recording.axes, recording.shape[:2]) == ("TZYX", (3, 3))
        np.testing.assert_array_equal(recording.read({"T": 1, "Z": 2}), CT[5])
        np.testing.assert_array_equal(recording.read({"T": 2}), CT[6:9])
        assert "1 slices are missing, the first at time 1" in recording.notes[0]
        with pytest.raises(FrameError, match="is missing: its file is not in"):
            recording.read({"T": 1, "Z": 1})


def test_copies_of_a_slice_are_left_out(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0])
    one = sorted(tmp_path.iterdir())[0]
    (tmp_path / "copy").write_bytes(one.read_bytes())
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:3])
        assert "repeats an image of its series" in recording.notes[0]


def test_slices_of_a_tilted_gantry_keep_their_place_in_the_world(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0] * 6, ImagePositionPatient=None)
    for path in tmp_path.iterdir():
        image = pydicom.dcmread(path)
        height = 2.0 * (image.InstanceNumber - 1)
        image.ImagePositionPatient = [0, height * 0.25, height]
        image.save_as(path)
    with open_recording(tmp_path) as recording:
        assert recording.scale["Z"] == 2.0
        assert recording.affine is not None
        np.testing.assert_allclose(recording.affine @ [0, 0, 5, 1], [0, -2.5, 10, 1])
        assert "gantry tilted by 14.0°" in recording.notes[0]


def test_a_dicomdir_opens_the_series_that_it_lists(tmp_path: Path) -> None:
    (tmp_path / "IMAGES").mkdir()
    save_series(tmp_path / "IMAGES", [0.0, 1.0, 2.0])
    names = [path.name for path in (tmp_path / "IMAGES").iterdir()]
    records = [item(DirectoryRecordType="IMAGE", ReferencedFileID=["IMAGES", name]) for name in (*names, "LOST")]
    index = item(DirectoryRecordSequence=[item(DirectoryRecordType="PATIENT"), *records])
    index.file_meta = pydicom.dataset.FileMetaDataset()
    index.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    index.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    index.file_meta.MediaStorageSOPInstanceUID = "1.2"
    index.save_as(tmp_path / "DICOMDIR", enforce_file_format=True)
    for source in (tmp_path / "DICOMDIR", tmp_path):
        with open_recording(source) as recording:
            np.testing.assert_array_equal(recording.read({}), CT[:3])


def test_a_dicom_file_without_an_image_is_named(tmp_path: Path) -> None:
    save_series(tmp_path, [0.0, 1.0, 2.0])
    save_dicom(tmp_path / "plan.dcm", CT[0], Rows=None, Columns=None, Modality="RTPLAN")
    with pytest.raises(RecordingError, match=r"plan.dcm is a DICOM file without an image \(RTPLAN\)"):
        open_recording(tmp_path / "plan.dcm")


def test_enhanced_file_of_many_slices_is_sorted_by_position(tmp_path: Path) -> None:
    places = [9.0, 3.0, 6.0, 0.0]
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[2, 1])],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelValueTransformationSequence=[item(RescaleSlope=2, RescaleIntercept=-10)],
    )
    frames = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, place])]) for place in places]
    about = {
        "NumberOfFrames": 4,
        "SharedFunctionalGroupsSequence": [shared],
        "PerFrameFunctionalGroupsSequence": frames,
        "PixelSpacing": None,
        "ImageOrientationPatient": None,
    }
    save_dicom(tmp_path / "enhanced.dcm", CT[:4], **about)
    for source in (tmp_path / "enhanced.dcm", tmp_path):
        with open_recording(source) as recording:
            assert (recording.axes, recording.shape) == ("ZYX", (4, 6, 8))
            assert recording.scale == {"Z": 3.0, "Y": 2.0, "X": 1.0}
            np.testing.assert_array_equal(recording.read({}), CT[[3, 1, 2, 0]].astype(int) * 2 - 10)


@pytest.mark.parametrize("spacing", [b"0,143\\0,150", b"0.143,0.150"])
def test_sizes_with_commas_are_read(spacing: bytes, tmp_path: Path) -> None:
    save_dicom(tmp_path / "a", CT[0], PixelSpacing=["0.143", "0.150"])
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(content.replace(b"0.143\\0.150", spacing))
    with open_recording(tmp_path / "a") as recording:
        assert (recording.scale["Y"], recording.scale["X"]) == (0.143, 0.15)


def test_a_scout_with_larger_pixels_does_not_stretch_its_series(tmp_path: Path) -> None:
    save_series(tmp_path, [0.5 * n for n in range(6)])
    save_dicom(tmp_path / "zz", CT[7], ImagePositionPatient=[-10, -20, 100], PixelSpacing=[2, 2])
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:6])
        assert recording.scale["Z"] == 0.5
        assert "(1 image in zz)" in recording.notes[0]


def test_the_volumes_of_a_scan_that_was_stopped_are_whole(tmp_path: Path) -> None:
    for number in range(3):
        about = {"TemporalPositionIdentifier": number + 1}
        save_series(tmp_path, [0.0, 1.0, 2.0][: 3 - number // 2 * 2], CT[3 * number :], 1000 * number, **about)
    with open_recording(tmp_path) as recording:
        np.testing.assert_array_equal(recording.read({}), CT[:6].reshape(2, 3, 6, 8))
        assert recording.notes == ("1 of 3 passes lack most slices and are left out.",)


def test_magnitude_and_phase_are_series_to_choose_from(tmp_path: Path) -> None:
    for number, part in enumerate("MP"):
        kind = ["ORIGINAL", "PRIMARY", part]
        save_series(tmp_path, [0.0, 1.0, 2.0], CT[3 * number :], 1000 * number, ImageType=kind)
    with open_recording(tmp_path, series="chest P") as recording:
        np.testing.assert_array_equal(recording.read({}), CT[3:6])


def test_positions_without_a_direction_give_the_distance_of_the_slices(tmp_path: Path) -> None:
    frames = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2.0 * n])]) for n in range(4)]
    about = {"NumberOfFrames": 4, "PerFrameFunctionalGroupsSequence": frames, "ImageOrientationPatient": None}
    save_dicom(tmp_path / "a", CT[:4], **about)
    with open_recording(tmp_path / "a") as recording:
        assert (recording.axes, recording.scale["Z"]) == ("ZYX", 2.0)
        assert recording.affine is None


def test_a_volume_of_ultrasound_lies_where_its_own_system_says(tmp_path: Path) -> None:
    frames = [
        item(
            PlanePositionVolumeSequence=[item(ImagePositionVolume=[0, 0, 0.4 * n])],
            PlaneOrientationVolumeSequence=[item(ImageOrientationVolume=[1, 0, 0, 0, 1, 0])],
        )
        for n in range(4)
    ]
    save_clip(tmp_path / "a", 9, PerFrameFunctionalGroupsSequence=frames)
    with open_recording(tmp_path / "a") as recording:
        assert (recording.axes, recording.scale["Z"]) == ("ZYX", pytest.approx(0.4))


def test_pixels_that_are_not_square_keep_their_ratio(tmp_path: Path) -> None:
    save_clip(tmp_path / "a", 9, PixelAspectRatio=[2, 1])
    with open_recording(tmp_path / "a") as recording:
        assert (recording.scale["Y"], recording.scale["X"]) == (2.0, 1.0)
        assert recording.units["Y"] is None


def test_images_beyond_the_end_of_a_clip_are_errors_of_their_own(tmp_path: Path) -> None:
    save_clip(tmp_path / "a", 9, NumberOfFrames=6)
    with open_recording(tmp_path / "a") as recording:
        assert recording.read({"T": 3}).max() == 9
        with pytest.raises(FrameError, match="cannot be decoded"):
            recording.read({"T": 5})


def test_a_compressed_file_is_to_be_unpacked(tmp_path: Path) -> None:
    save_dicom(tmp_path / "a", CT[0])
    (tmp_path / "a.gz").write_bytes(gzip.compress((tmp_path / "a").read_bytes()))
    with pytest.raises(RecordingError, match=r"a\.gz is a compressed DICOM file; unpack it"):
        open_recording(tmp_path / "a.gz")


def test_images_that_a_file_does_not_count_are_reported(tmp_path: Path) -> None:
    save_dicom(tmp_path / "pages.dcm", CT[:3])
    with open_recording(tmp_path / "pages.dcm") as recording:
        np.testing.assert_array_equal(recording.read({})[0], CT[0])
        assert "pages.dcm does not give its number of images, which may be 3" in recording.notes[0]
