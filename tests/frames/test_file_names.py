"""Names of files count time, depth and channels, in one place or in several."""

from __future__ import annotations

import pytest

from napari_sam2_video.frames.file_names import arrange_names, natural_key


def arranged(names):
    found = arrange_names(sorted(names, key=natural_key))
    return found.axes, found.lengths


@pytest.mark.parametrize(
    ("names", "axes", "lengths"),
    [
        ([f"a{n}.png" for n in range(12)], "T", (12,)),
        ([f"slice_{n:03}.tif" for n in range(5)], "Z", (5,)),
        ([f"img_z{n}.tif" for n in range(5)], "Z", (5,)),
        ([f"cell_ch{n:02}.tif" for n in range(3)], "C", (3,)),
        (["cell_DAPI.tif", "cell_GFP.tif"], "C", (2,)),
        (["before.png", "after.png"], "T", (2,)),
        ([f"2024-01-0{d}_12-{m:02}.png" for d in (1, 2) for m in (5, 17, 44)][:5], "T", (5,)),
        ([f"s_t{t:02}_ch{c:02}.tif" for t in range(6) for c in range(2)], "TC", (6, 2)),
        ([f"img_{t:09}_{c}_000.tif" for t in range(6) for c in ("DAPI", "Cy3")], "TC", (6, 2)),
        ([f"img_channel00{c}_position000_time{t:09}_z00{z}.tif" for c in range(2) for t in range(3) for z in range(4)],
         "TZC", (3, 4, 2)),
        ([f"z{z:03}_c{c}.tif" for z in range(4) for c in (1, 2)], "ZC", (4, 2)),
        ([f"t{t}z{z}c{c}.tif" for t in range(2) for z in range(3) for c in range(2)], "TZC", (2, 3, 2)),
        ([f"B02_s{s}_w{w}.tif" for s in (1, 2, 3) for w in (1, 2)], "PC", (3, 2)),
        ([f"TSeries_Cycle{t:05}_Ch{c}_{z:06}.tif" for t in (1, 2) for c in (1, 2) for z in (1, 2, 3)],
         "TZC", (2, 3, 2)),
        ([f"a_{n}_{m}.tif" for n in range(3) for m in range(4)], "TZ", (3, 4)),
        ([f"{2 * t + c:04}_t{t}_c{c}.tif" for t in range(3) for c in range(2)], "TC", (3, 2)),
        ([f"a_{n:03}_{('DAPI', 'FITC')[n % 2]}.tif" for n in range(8)], "TC", (4, 2)),
        ([f"t{t}_w{n}{c}.tif" for t in range(3) for n, c in ((1, "DAPI"), (2, "FITC"))], "TC", (3, 2)),
    ],
)  # fmt: skip
def test_axes_that_names_count(names, axes, lengths):
    assert arranged(names) == (axes, lengths)


def test_every_file_has_the_place_that_its_name_says():
    found = arrange_names([f"t{t:02}_{c}.tif" for t in (0, 1) for c in ("DAPI", "FITC")])
    assert found.names == ("t00_DAPI.tif", "t00_FITC.tif", "t01_DAPI.tif", "t01_FITC.tif")
    assert found.channels == ("DAPI", "FITC")
    assert found.notes == ("The file names number T (0, 1), C (DAPI, FITC).",)


def test_a_missing_file_leaves_the_others_in_their_places():
    names = [f"t{t}_c{c}.tif" for t in range(3) for c in range(2)]
    found = arrange_names([name for name in names if name != "t1_c0.tif"])
    assert (found.axes, found.lengths) == ("TC", (3, 2))
    assert found.names == tuple(name if name != "t1_c0.tif" else None for name in names)
    assert "1 of 6 files are missing" in " ".join(found.notes)


def test_words_that_fit_no_grid_are_named():
    found = arrange_names(["cat_1.png", "cat_2.png", "cat_3.png", "dog_7.png", "fox_9.png"])
    assert (found.axes, found.lengths) == ("T", (5,))
    assert "cat, dog, fox" in found.notes[0]


def test_a_gap_in_the_numbers_is_named():
    assert "between a2.png and a9.png" in arrange_names(["a1.png", "a2.png", "a9.png", "a10.png"]).notes[0]
