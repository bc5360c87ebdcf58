"""What TIFF files of many programs say of sizes, times and values is taken as they mean it."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.frames.tiff_metadata import about_tiff

STACK = np.random.default_rng(1).integers(0, 900, (6, 24, 32), np.uint16)
OME = '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image '


def sizes(path, **options):
    with open_recording(path, **options) as recording:
        return {letter: (recording.scale[letter], recording.units[letter]) for letter in recording.axes}


def ome(path, planes="", pixels="", count=6):
    xml = (
        f'{OME}ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="32" SizeY="24" SizeZ="1" '
        f'SizeC="1" SizeT="{count}" {pixels}><Channel ID="Channel:0:0" SamplesPerPixel="1"/><TiffData/>{planes}'
        "</Pixels></Image></OME>"
    )
    tifffile.imwrite(path, STACK[:count], description=xml, metadata=None, photometric="minisblack")


def deltas(values, unit=""):
    return "".join(f'<Plane TheZ="0" TheT="{t}" TheC="0" DeltaT="{value}"{unit}/>' for t, value in enumerate(values))


def test_ome_delta_t_is_the_interval_where_no_increment_is_given(tmp_path):
    ome(tmp_path / "a.ome.tif", deltas(range(0, 3000, 500), ' DeltaTUnit="ms"'))
    assert sizes(tmp_path / "a.ome.tif")["T"] == (pytest.approx(0.5), "s")


def test_ome_delta_t_that_varies_is_the_time_of_each_frame(tmp_path):
    ome(tmp_path / "a.ome.tif", deltas([0, 1, 2, 9, 10, 11]), 'TimeIncrement="1"')
    with open_recording(tmp_path / "a.ome.tif") as recording:
        assert recording.times is not None
        assert recording.times.tolist() == [0, 1, 2, 9, 10, 11]


@pytest.mark.parametrize("values", [[0] * 6, [0, 1, 2], [0, 2, 1, 3, 4, 5]])
def test_ome_delta_t_that_cannot_be_times_is_left_out(tmp_path, values):
    ome(tmp_path / "a.ome.tif", deltas(values), 'TimeIncrement="4"')
    with open_recording(tmp_path / "a.ome.tif") as recording:
        assert (recording.times, recording.scale["T"]) == (None, 4.0)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ('PhysicalSizeX="1" PhysicalSizeY="1"', (1.0, "µm")),
        ('PhysicalSizeX="1" PhysicalSizeXUnit="pixel" PhysicalSizeY="1" PhysicalSizeYUnit="pixel"', (None, None)),
        ('PhysicalSizeX="0" PhysicalSizeY="0"', (None, None)),
        ('PhysicalSizeX="-1" PhysicalSizeY="1"', (None, None)),
        ('PhysicalSizeX="250" PhysicalSizeXUnit="pm" PhysicalSizeY="1"', (0.25, "nm")),
        ('PhysicalSizeX="nonsense"', (None, None)),
        ("", (None, None)),
    ],
)
def test_ome_sizes_are_known_by_their_units(tmp_path, pixels, expected):
    ome(tmp_path / "a.ome.tif", pixels=pixels)
    assert sizes(tmp_path / "a.ome.tif")["X"] == (expected[0] and pytest.approx(expected[0]), expected[1])


@pytest.mark.parametrize("unit", ["um", "\\u00B5m", "micron", "microns", "µm", "micrometer"])
def test_imagej_units_of_all_spellings(tmp_path, unit):
    about = f"ImageJ=1.54f\nimages=6\nframes=6\nunit={unit}\nfinterval=60\ntunit=sec\n"
    tifffile.imwrite(
        tmp_path / "a.tif", STACK, description=about.encode("latin-1", "replace"), metadata=None, resolution=(4, 4)
    )
    assert sizes(tmp_path / "a.tif") == {"T": (60.0, "s"), "Y": (0.25, "µm"), "X": (0.25, "µm")}


def test_imagej_without_a_unit_knows_no_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK, imagej=True, metadata={"axes": "TYX"}, resolution=(1, 1))
    assert set(sizes(tmp_path / "a.tif").values()) == {(None, None)}


@pytest.mark.parametrize(
    ("resolution", "unit", "size", "said"),
    [
        ((72, 72), "INCH", None, False),
        ((300, 300), "INCH", None, True),
        ((118.11, 118.11), "CENTIMETER", None, True),
        ((25400, 25400), "INCH", 1.0, False),
        ((20000, 20000), "CENTIMETER", 0.5, False),
        ((20000, 20000), "NONE", None, False),
        ((1, 1), "CENTIMETER", None, False),
    ],
)
def test_a_resolution_is_a_size_unless_it_is_meant_for_printing(tmp_path, resolution, unit, size, said):
    tifffile.imwrite(tmp_path / "a.tif", STACK, resolution=resolution, resolutionunit=unit)
    with open_recording(tmp_path / "a.tif") as recording:
        assert recording.scale["X"] == (size and pytest.approx(size))
        assert any("a resolution for printing" in note for note in recording.notes) == said


def test_what_a_person_says_wins_over_the_file(tmp_path):
    ome(tmp_path / "a.ome.tif", pixels='PhysicalSizeX="0.2" PhysicalSizeY="0.2" TimeIncrement="4"')
    found = sizes(tmp_path / "a.ome.tif", pixel_size="1 um", interval="5 min")
    assert found == {"T": (300.0, "s"), "Y": (1.0, "µm"), "X": (1.0, "µm")}
    with open_recording(tmp_path / "a.ome.tif", pixel_size="1 um") as recording:
        assert recording.calibration_source == {"T": "file", "Y": "person", "X": "person"}


@pytest.mark.parametrize(
    ("c0", "c1", "dtype", "kind"),
    [(-32768, 1, "u2", "int16"), (-1000, 0.5, "u2", "float32"), (0, 2, "u1", "uint16"), (-10, 1, "f4", "float32")],
)
def test_imagej_calibration_of_values(tmp_path, c0, c1, dtype, kind):
    about = f"ImageJ=1.54f\nimages=6\nslices=6\ncf=0\nc0={c0}\nc1={c1}\nvunit=HU\n"
    stored = (STACK % 256 if dtype == "u1" else STACK).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", stored, description=about, metadata=None, photometric="minisblack")
    with open_recording(tmp_path / "a.tif") as recording:
        assert recording.dtype == np.dtype(kind)
        np.testing.assert_allclose(recording.read({}), c0 + c1 * stored.astype(np.float64), rtol=1e-6)
        assert any("The values are calibrated" in note for note in recording.notes)


def test_imagej_calibration_that_is_not_linear_is_noted(tmp_path):
    about = "ImageJ=1.54f\nimages=6\nslices=6\ncf=3\nc0=1\nc1=2\nc2=3\nvunit=OD\n"
    tifffile.imwrite(tmp_path / "a.tif", STACK, description=about, metadata=None, photometric="minisblack")
    with open_recording(tmp_path / "a.tif") as recording:
        np.testing.assert_array_equal(recording.read({}), STACK)
        assert any("nonlinear calibration" in note for note in recording.notes)


def test_lsm_voxels_and_time_stamps(tmp_path):
    about = bytearray(512)
    struct.pack_into("<8i", about, 0, 67127628, 512, 32, 24, 6, 1, 1, 2)
    struct.pack_into("<2i3d", about, 32, 16, 12, 1e-7, 2e-7, 5e-7)
    with tifffile.TiffWriter(tmp_path / "a.lsm", byteorder="<") as writer:
        for number, page in enumerate(STACK):
            tags = [(34412, 1, 512, bytes(about), True)] if number == 0 else ()
            writer.write(page, metadata=None, photometric="minisblack", extratags=tags)
            writer.write(page[::4, ::4].astype("u1"), metadata=None, photometric="minisblack", subfiletype=1)
    found = sizes(tmp_path / "a.lsm")
    assert {letter: (round(size, 6), unit) for letter, (size, unit) in found.items() if size} == {
        "Z": (0.5, "µm"),
        "Y": (0.2, "µm"),
        "X": (0.1, "µm"),
    }
    with open_recording(tmp_path / "a.lsm") as recording:
        np.testing.assert_array_equal(recording.read({}), STACK)


def test_metaseries_planes_say_their_pixel_size(tmp_path):
    about = (
        '<MetaData><prop id="Description" type="string" value=""/><PlaneInfo>'
        '<prop id="spatial-calibration-state" type="bool" value="on"/>'
        '<prop id="spatial-calibration-x" type="float" value="0.65"/>'
        '<prop id="spatial-calibration-y" type="float" value="0.65"/>'
        '<prop id="spatial-calibration-units" type="string" value="um"/></PlaneInfo></MetaData>'
    )
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], description=about, metadata=None, software="MetaSeries")
    assert sizes(tmp_path / "a.tif")["X"] == (pytest.approx(0.65), "µm")


PROGRAMS = {
    "micromanager": (
        {"Summary": {"PixelSize_um": 0.325, "z-step_um": -2, "Interval_ms": 500, "ChNames": ["DAPI"]}},
        {"X": (0.325, "µm"), "Y": (0.325, "µm"), "Z": (2.0, "µm"), "T": (500.0, "ms")},
    ),
    "fluoview": (
        {"Dimensions": [["X", 512, 0.0, 0.4, "um"], ["Y", 512, 0.0, 0.4, "um"], ["Time", 6, 0.0, 2.0, "s"]]},
        {"X": (0.4, "µm"), "Y": (0.4, "µm"), "T": (2.0, "s")},
    ),
    "scanimage": (
        {"FrameData": {"SI.hRoiManager.scanFrameRate": 30, "SI.hStackManager.enable": False}},
        {"T": (1 / 30, "s")},
    ),
    "sis": ({"pixelsizex": 1e-7, "pixelsizey": 2e-7}, {"X": (0.1, "µm"), "Y": (0.2, "µm")}),
    "fei": ({"Scan": {"PixelWidth": 4e-9, "PixelHeight": 5e-9}}, {"X": (4.0, "nm"), "Y": (5.0, "nm")}),
    "sem": ({"ap_image_pixel_size": ("Image Pixel Size", 12.5, "nm")}, {"X": (12.5, "nm"), "Y": (12.5, "nm")}),
    "tvips": ({"PixelSizeX": 1.5, "PixelSizeY": 1.5}, {"X": (1.5, "nm"), "Y": (1.5, "nm")}),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_sizes_that_programs_keep_in_tags_of_their_own(program):
    said, expected = PROGRAMS[program]
    page = SimpleNamespace(resolutionunit=1)
    file = SimpleNamespace(is_ome=False, is_imagej=False, pages=SimpleNamespace(first=page))
    setattr(file, f"is_{program}", True)
    setattr(file, f"{program}_metadata", said)
    about = about_tiff(file, None, 0, 6)
    assert about.kind == program
    assert {letter: (pytest.approx(about.scale[letter]), about.units[letter]) for letter in about.scale} == expected


def test_a_program_whose_tags_are_damaged_knows_nothing():
    file = SimpleNamespace(is_ome=False, is_imagej=False, pages=SimpleNamespace(first=None), is_fei=True)
    file.fei_metadata = {"Scan": {"PixelWidth": "broken"}}
    assert about_tiff(file, None, 0, 6).scale == {}
