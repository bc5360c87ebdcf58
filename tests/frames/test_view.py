from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam2_video.errors import FrameError, RecordingError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.view import FrameView, default_view
from napari_sam2_video.frames.window import WindowMap, percentile_window
from napari_sam2_video.types import CT_WINDOWS, ContrastWindow, ViewSettings

VOLUME = np.random.default_rng(0).integers(0, 4096, (5, 6, 2, 20, 30)).astype(np.uint16)


def test_twelve_bits_give_256_grey_levels() -> None:
    ramp = np.arange(4096, dtype=np.uint16).reshape(2, 32, 64)
    with open_recording(ramp) as recording:
        view = FrameView(recording, default_view(recording, window=(0, 4095)))
        assert len(np.unique(np.stack([view.read(0), view.read(1)]))) == 256


def test_ct_window_gives_256_grey_levels_inside() -> None:
    ramp = np.arange(-1024, 3072, dtype=np.int16).reshape(2, 32, 64)
    with open_recording(ramp, axes="ZYX") as recording:
        view = FrameView(recording, default_view(recording, window=CT_WINDOWS["abdomen"]))
        levels = np.stack([view.read(n)[..., 0] for n in range(2)]).ravel()
    assert len(np.unique(levels)) == 256
    assert (levels[ramp.ravel() <= -160] == 0).all()
    assert (levels[ramp.ravel() >= 240] == 255).all()


def test_same_pixels_same_input_whatever_else_the_recording_holds() -> None:
    settings = ViewSettings("T", ContrastWindow(100, 900))
    dull, bright = np.zeros((3, 8, 9), np.uint16), np.full((3, 8, 9), 65535, np.uint16)
    dull[1] = bright[1] = np.arange(72).reshape(8, 9) * 20
    with open_recording(dull) as one, open_recording(bright) as other:
        np.testing.assert_array_equal(FrameView(one, settings).read(1), FrameView(other, settings).read(1))


@given(
    st.sampled_from(["u1", "i1", "u2", "i2", "i4", "u4", "f4", "f8", "?"]).flatmap(
        lambda kind: hnp.arrays(np.dtype(kind), hnp.array_shapes(min_dims=2, max_dims=2, max_side=6))
    ),
    st.floats(-1e5, 1e5),
    st.floats(1e-3, 1e5),
)
def test_window_is_the_declared_formula(raw: np.ndarray, low: float, width: float) -> None:
    window = ContrastWindow(low, low + width)
    mapped = WindowMap(window, raw.dtype)(raw)
    values = np.clip(raw.astype(float), window.low, window.high)
    expected = np.nan_to_num((values - window.low) * 255 / (window.high - window.low))
    assert mapped.dtype == np.uint8
    np.testing.assert_allclose(mapped.astype(float), expected, atol=0.5 + 1e-9)


def test_window_of_large_floats_goes_by_rows() -> None:
    raw = np.random.default_rng(0).normal(size=(1500, 900)).astype(np.float32)
    by_rows = WindowMap(ContrastWindow(-1, 1), raw.dtype)
    np.testing.assert_array_equal(by_rows(raw)[700:702], by_rows(raw[700:702]))


def test_bytes_are_shown_as_they_are() -> None:
    data = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3)).astype(np.uint8)
    with open_recording(data) as recording:
        view = FrameView(recording, default_view(recording))
        assert view.settings.window == ContrastWindow(0, 255, "full")
        frame = view.read(1)
        np.testing.assert_array_equal(frame, data[1])
        frame[:] = 0
        assert data[1].any()


@pytest.mark.parametrize(
    ("axis", "planes", "expected"),
    [
        ("T", ("Y", "X"), lambda n: VOLUME[n, 4, 1]),
        ("Z", ("Y", "X"), lambda n: VOLUME[3, n, 1]),
        ("Y", ("Z", "X"), lambda n: VOLUME[3, :, 1, n]),
        ("X", ("Z", "Y"), lambda n: VOLUME[3, :, 1, :, n]),
    ],
)
def test_any_axis_can_be_walked(axis: str, planes: tuple[str, str], expected: object) -> None:
    at = {letter: place for letter, place in (("T", 3), ("Z", 4)) if letter != axis and letter not in planes}
    with open_recording(VOLUME, axes="TZCYX", pixel_size="3,2,0.5 mm") as recording:
        view = FrameView(recording, default_view(recording, axis=axis, at=at, channel=1, window=(0, 4095)))
        assert (view.walk_axis, view.plane_axes, view.n_frames) == (axis, planes, recording.length(axis))
        assert view.pixel_size == (recording.scale[planes[0]], recording.scale[planes[1]])
        for frame in (0, view.n_frames - 1):
            np.testing.assert_array_equal(view.raw(frame), expected(frame))
            shown = view.read(frame)
            assert shown.flags.c_contiguous
            assert shown.shape == (*view.shape_yx, 3)


def test_axes_in_another_order_are_shown_upright() -> None:
    with open_recording(np.moveaxis(VOLUME[:, :, 0], (2, 3), (1, 0)), axes="XYTZ") as recording:
        view = FrameView(recording, default_view(recording, at={"Z": 2}))
        np.testing.assert_array_equal(view.raw(4), VOLUME[4, 2, 0])


def test_colour_walked_along_y() -> None:
    data = np.random.default_rng(0).integers(0, 256, (6, 20, 30, 3)).astype(np.uint8)
    with open_recording(data) as recording:
        view = FrameView(recording, default_view(recording, axis="Y"))
        np.testing.assert_array_equal(view.read(7), data[:, 7])


def test_default_walks_time_then_depth() -> None:
    for shape, axes, axis in (((1, 6, 8, 9), "TZYX", "Z"), ((4, 6, 8, 9), "TZYX", "T"), ((4, 8, 9), "QYX", "Q")):
        with open_recording(np.zeros(shape, np.uint8), axes=axes) as recording:
            assert default_view(recording).axis == axis


def test_percentiles_leave_out_rare_and_impossible_values() -> None:
    data = np.random.default_rng(0).uniform(10, 20, (40, 64, 64)).astype(np.float32)
    data[3, 0, :3] = np.nan, np.inf, 1e30
    with open_recording(data) as recording:
        window = percentile_window(recording)
    assert window.source == "percentile"
    assert 10 <= window.low < 10.1
    assert 19.9 < window.high <= 20


def test_percentiles_look_at_few_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_recording(np.zeros((500, 8, 9), np.uint16)) as recording:
        read, pixels = recording.read, []
        monkeypatch.setattr(recording, "read", lambda chosen: pixels.append(read(chosen).size) or read(chosen))
        percentile_window(recording)
    assert len(pixels) <= 16
    assert sum(pixels) <= 1_000_000


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (ViewSettings("Q", ContrastWindow(0, 1)), "no axis 'Q' to track along"),
        (ViewSettings("T", ContrastWindow(0, 1), {"Z": 0}), "2 positions along C"),
        (ViewSettings("T", ContrastWindow(0, 1), {}, 0), "6 positions along Z"),
        (ViewSettings("T", ContrastWindow(0, 1), {"Z": 6}, 0), "no position 6 along Z"),
        (ViewSettings("T", ContrastWindow(0, 1), {"Z": 0}, 2), "no position 2 along C"),
        (ViewSettings("T", ContrastWindow(0, 1), {"Z": 0, "Y": 3}, 0), "Axis Y .* has no position to set"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: ViewSettings, sentence: str) -> None:
    with open_recording(VOLUME, axes="TZCYX") as recording, pytest.raises(RecordingError, match=sentence):
        FrameView(recording, settings)


@pytest.mark.parametrize("frame", [-1, 5])
def test_frames_that_do_not_exist_are_refused(frame: int) -> None:
    with open_recording(VOLUME[:, 0, 0]) as recording:
        view = FrameView(recording, default_view(recording))
        with pytest.raises(FrameError, match=f"no frame {frame}; it has 5"):
            view.read(frame)


def test_key_changes_with_whatever_changes_the_pixels() -> None:
    keys = set()
    with open_recording(VOLUME, axes="TZCYX") as recording, open_recording(VOLUME + 1, axes="TZCYX") as other:
        for source, settings in (
            (recording, ViewSettings("T", ContrastWindow(0, 9), {"Z": 0}, 0)),
            (recording, ViewSettings("T", ContrastWindow(0, 8), {"Z": 0}, 0)),
            (recording, ViewSettings("T", ContrastWindow(0, 9), {"Z": 1}, 0)),
            (recording, ViewSettings("T", ContrastWindow(0, 9), {"Z": 0}, 1)),
            (recording, ViewSettings("Z", ContrastWindow(0, 9), {"T": 0}, 0)),
            (other, ViewSettings("T", ContrastWindow(0, 9), {"Z": 0}, 0)),
        ):
            keys.add(FrameView(source, settings).key)
        again = FrameView(recording, ViewSettings("t", ContrastWindow(0, 9, "layer"), {"Z": 0}, 0)).key
    assert len(keys) == 6
    assert again in keys
