"""Labels of other programs become detections, whatever they are saved as."""

from __future__ import annotations

import pickle
from contextlib import closing

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam2_video.detect.labels import Labels, detections_of
from napari_sam2_video.detect.registry import detector_from_text
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.errors import DetectorError, RecordingError
from napari_sam2_video.frames.label_series import LabelSeries
from napari_sam2_video.prompt_text import parse_seeds

SERIES = np.zeros((3, 40, 60), np.uint16)
SERIES[0, 2:6, 3:9] = 7
SERIES[1, 10:20, 30:34] = 7
SERIES[1, 30:39, 50:60] = 300
SERIES[2, 0:2, 0:2] = 1
PALETTE_SERIES = np.where(SERIES == 300, 9, SERIES).astype(np.uint8)


def rebuilt(found):
    image = np.zeros((40, 60), np.uint16)
    for one in found:
        (top, left), (height, width) = one.origin_yx, one.mask.shape
        image[top : top + height, left : left + width][one.mask] = int(one.label)
    return image


def cellpose(path, masks, **more):
    np.save(path, {"masks": masks, "outlines": masks * 0, "est_diam": np.float64(30.0), **more}, allow_pickle=True)


def folder_of_tiffs(path):
    path.mkdir()
    for frame, labels in enumerate(SERIES):
        tifffile.imwrite(path / f"mask{frame:03}.tif", labels)


def folder_of_palettes(path):
    """As DAVIS and YouTube-VOS save labels: the index in the palette is the number."""
    path.mkdir()
    for frame, labels in enumerate(PALETTE_SERIES):
        image = Image.frombytes("P", labels.shape[::-1], labels.tobytes())
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, *range(30)])
        image.save(path / f"{frame:05}.png")


MADE = {
    "series.tif": lambda path: tifffile.imwrite(path, SERIES),
    "floats.tif": lambda path: tifffile.imwrite(path, SERIES.astype(np.float32)),
    "series.npy": lambda path: np.save(path, SERIES),
    "cell_seg.npy": lambda path: cellpose(path, SERIES),
    "folder": folder_of_tiffs,
}


@pytest.mark.parametrize("name", MADE)
def test_a_series_has_labels_for_every_frame(name, tmp_path, view):
    MADE[name](tmp_path / name)
    detector = detector_from_text(f"labels:{name}", folder=tmp_path)
    for frame in range(3):
        found = run_detector(detector, view, frame)
        assert np.array_equal(rebuilt(found), SERIES[frame])
        assert {one.score for one in found} == {1.0}
    detector.close()


@pytest.mark.parametrize("axis", ["T", "Y", "X"])
def test_a_folder_of_palette_images_has_the_indices_as_labels(tmp_path, axis):
    folder_of_palettes(tmp_path / "davis")
    with closing(LabelSeries(tmp_path / "davis")) as series:
        planes = np.moveaxis(PALETTE_SERIES, "TYX".index(axis), 0)
        assert all(np.array_equal(series.read(frame, axis), labels) for frame, labels in enumerate(planes))


def test_a_folder_of_coloured_images_is_not_taken_for_labels(tmp_path):
    (tmp_path / "film").mkdir()
    for frame in range(2):
        Image.new("RGB", (60, 40), (frame, 200, 30)).save(tmp_path / "film" / f"{frame}.png")
    with pytest.raises(RecordingError, match="has the axes TYXS where label images"):
        LabelSeries(tmp_path / "film")


def test_an_array_of_labels_is_read_frame_by_frame(view):
    class Lazy:
        shape, dtype, ndim = SERIES.shape, SERIES.dtype, 3
        read = []  # noqa: RUF012

        def __getitem__(self, index):
            self.read.append(index)
            return SERIES[index]

    lazy = Lazy()
    assert np.array_equal(rebuilt(run_detector(Labels(lazy), view, 1)), SERIES[1])
    assert lazy.read == [(1,)]


def test_a_single_image_belongs_to_the_frame_that_is_named(tmp_path, view):
    Image.fromarray(SERIES[0].astype(np.uint8)).save(tmp_path / "one.png")
    detector = detector_from_text(f"labels:{tmp_path / 'one.png'}@2")
    assert np.array_equal(rebuilt(run_detector(detector, view, 2)), SERIES[0])
    assert run_detector(detector, view, 1) == []
    with pytest.raises(DetectorError, match="labels for 1 frame and the recording has 3; add @FRAME"):
        run_detector(detector_from_text(f"labels:{tmp_path / 'one.png'}"), view, 0)


def test_of_a_stack_the_named_frame_is_taken(tmp_path, view):
    tifffile.imwrite(tmp_path / "series.tif", SERIES)
    detector = detector_from_text("labels:series.tif@1", folder=tmp_path)
    assert np.array_equal(rebuilt(run_detector(detector, view, 1)), SERIES[1])
    assert run_detector(detector, view, 0) == []
    labels, frame = parse_seeds("series.tif@1", folder=tmp_path)
    assert frame == 1
    assert np.array_equal(labels, SERIES[1])


def test_seeds_read_what_cellpose_saves(tmp_path):
    cellpose(tmp_path / "cell_seg.npy", SERIES[0])
    labels, frame = parse_seeds("cell_seg.npy@5", folder=tmp_path)
    assert (frame, labels.tolist()) == (5, SERIES[0].tolist())


def test_a_volume_is_cut_across_the_walked_axis(tmp_path):
    from napari_sam2_video.frames.array import ArrayRecording
    from napari_sam2_video.frames.view import FrameView, default_view

    tifffile.imwrite(tmp_path / "volume.tif", SERIES, metadata={"axes": "ZYX"}, imagej=True)
    recording = ArrayRecording(SERIES.astype(np.uint8), axes="ZYX")
    for axis, frame, expected in (("Y", 12, SERIES[:, 12]), ("X", 31, SERIES[:, :, 31])):
        across = FrameView(recording, default_view(recording, axis=axis))
        for source in (tmp_path / "volume.tif", SERIES):
            found = run_detector(Labels(source), across, frame)
            image = np.zeros(across.shape_yx, int)
            for one in found:
                (top, left), (height, width) = one.origin_yx, one.mask.shape
                image[top : top + height, left : left + width][one.mask] = int(one.label)
            assert np.array_equal(image, expected)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda path: np.save(path, SERIES[:2]), "labels for 2 frames and the recording has 3"),
        (lambda path: np.save(path, SERIES[:, :20]), r"have the shape \(20, 60\) where \(40, 60\) was expected"),
        (lambda path: np.save(path, SERIES + 0.5), "holds the value 0.5, but labels must be whole numbers"),
        (lambda path: np.save(path, SERIES[None].repeat(2, 0)), "has the axes"),
        (lambda path: cellpose(path, "none"), "masks that are not an array"),
        (
            lambda path: cellpose(path, SERIES, evil=Evil()),
            "cannot be read as a Cellpose segmentation .*builtins.print",
        ),
        (lambda path: path.write_bytes(pickle.dumps({"masks": SERIES})), "is neither a video nor an image or volume"),
        (lambda path: None, "The labels .* check the name"),
    ],
)
def test_labels_that_do_not_fit_are_refused(made, said, tmp_path, view, capsys):
    made(tmp_path / "labels.npy")
    with pytest.raises(DetectorError, match=said):
        run_detector(detector_from_text("labels:labels.npy", folder=tmp_path), view, 0)
    assert capsys.readouterr().out == ""


def test_labels_need_a_file():
    with pytest.raises(DetectorError, match="'labels' needs a file or a folder"):
        detector_from_text("labels")


def test_labels_come_in_rising_order_and_may_be_in_pieces():
    image = np.array([[5, 0, 2], [0, 0, 2], [5, -1, 0]])
    first, second = detections_of(image)
    assert (first.label, second.label) == ("2", "5")
    assert second.mask.sum() == 2
    assert detections_of(np.zeros((3, 3), int)) == []
    assert [one.label for one in detections_of(np.full((2, 2), 9))] == ["9"]
