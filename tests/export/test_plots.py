"""Plots: what stands on them, in which units, and as which files."""

import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.plots import (
    draw,
    plot_areas,
    plot_msd,
    plot_trajectories,
    readable_on_white,
    save_figure,
)
from napari_sam2_video.export.registry import export
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types.tracked_object import TrackedObject

pytest.importorskip("matplotlib")


def moving(n_objects=2, n_frames=12, gap=()):
    labels = np.zeros((n_frames, 40, 60 + n_frames), np.uint16)
    for number in range(n_objects):
        for t in range(n_frames):
            if t not in gap:
                labels[t, 3 * number + 1 : 3 * number + 3, 5 + t : 8 + t] = number + 1
    return labels


@pytest.fixture
def table():
    labels = moving(gap=(5,))
    return measure(
        TrackingResult.from_arrays(labels, pixel_size=(0.5, 0.25), step=2.0, units=("min", "micron", "micron"))
    )


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}


def test_area_plot_shows_areas_over_time_with_units_and_gaps(table):
    figure = plot_areas(table)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Time (min)", "Area (µm²)")
    drawn = lines(figure)["object 1"]
    np.testing.assert_allclose(drawn.get_xdata(), 2.0 * np.arange(12))
    np.testing.assert_allclose(np.delete(drawn.get_ydata(), 5), 6 * 0.5 * 0.25)
    assert np.isnan(drawn.get_ydata()[5])


def test_trajectories_are_drawn_as_in_the_image(table):
    figure = plot_trajectories(table, shape_yx=(40, 72))
    (axes,) = figure.axes
    assert axes.get_ylim() == pytest.approx((39.5 * 0.5, -0.25))
    assert axes.get_xlim() == pytest.approx((-0.125, 71.5 * 0.25))
    np.testing.assert_allclose(lines(figure)["object 2"].get_ydata(), 4.5 * 0.5)
    assert axes.get_aspect() == 1


def test_displacement_plot_is_logarithmic_and_straight_for_steady_motion(table):
    figure = plot_msd(table)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylabel() == "Mean squared displacement (µm²)"
    drawn = lines(figure)["object 1"]
    np.testing.assert_allclose(drawn.get_ydata(), (drawn.get_xdata() * 0.25 / 2) ** 2)


def test_colours_of_the_objects_are_used_and_readable_on_white(table):
    drawn = lines(plot_areas(table, {1: (255, 255, 0), 2: (0, 0, 90)}))
    assert drawn["object 1"].get_color() == pytest.approx((0.593, 0.593, 0), abs=0.01)
    assert drawn["object 2"].get_color() == pytest.approx((0, 0, 90 / 255), abs=1e-6)
    for color in [(255, 255, 255), (0, 255, 255), (255, 230, 0), (0, 0, 0)]:
        red, green, blue = readable_on_white(color)
        assert 0.2126 * red + 0.7152 * green + 0.0722 * blue <= 0.56


def test_a_window_gets_pixels_of_the_width_it_asks_for(table):
    pixels = draw(plot_areas(table), width=600)
    assert pixels.shape[1:] == (600, 4)
    assert pixels.dtype == np.uint8
    assert len(np.unique(pixels[..., :3].reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_same_figure_gives_the_same_file(table, tmp_path, suffix):
    for name in ("one", "two"):
        save_figure(plot_areas(table), tmp_path / f"{name}.{suffix}")
    assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_png_has_the_resolution_asked_for(table, tmp_path):
    save_figure(plot_areas(table), tmp_path / "plot.png", dpi=80)
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.size == (576, 368)


def test_svg_is_well_formed_and_keeps_its_text(table, tmp_path):
    save_figure(plot_areas(table), tmp_path / "plot.svg")
    text = " ".join(ET.parse(tmp_path / "plot.svg").getroot().itertext())
    assert "Area (µm²)" in text
    assert "object 2" in text


def test_other_kinds_of_file_are_refused(table, tmp_path):
    with pytest.raises(ExportError, match=r"\.png, \.svg or \.pdf, not plot\.bmp"):
        save_figure(plot_areas(table), tmp_path / "plot.bmp")


def test_names_are_text_and_never_formulas(table, tmp_path):
    table = table.with_columns(name=np.where(table["object_id"] == 1, r"$\frac{$", "_hidden"))
    figure = plot_areas(table)
    save_figure(figure, tmp_path / "plot.svg")
    text = " ".join(ET.parse(tmp_path / "plot.svg").getroot().itertext())
    assert r"$\frac{$" in text
    assert "hidden" in text


@pytest.mark.parametrize("plot", [plot_areas, plot_trajectories, plot_msd])
def test_nothing_to_draw_is_reported(plot, tmp_path):
    empty = measure(TrackingResult.from_arrays(np.zeros((2, 4, 4), np.uint8)))
    figure = plot(empty)
    assert [text.get_text() for text in figure.axes[0].texts] == ["nothing to draw"]
    save_figure(figure, tmp_path / "plot.png")


@pytest.mark.parametrize("plot", [plot_areas, plot_trajectories, plot_msd])
def test_one_frame_is_drawn_without_warnings(plot, tmp_path):
    save_figure(plot(measure(TrackingResult.from_arrays(moving(n_frames=1)))), tmp_path / "plot.png")


def test_many_objects_have_a_count_instead_of_a_legend():
    figure = plot_areas(measure(TrackingResult.from_arrays(moving(n_objects=13, n_frames=3))))
    assert figure.legends
    figure = plot_areas(measure(TrackingResult.from_arrays(np.arange(1, 33, dtype=np.uint8).reshape(1, 4, 8))))
    assert not figure.legends
    assert figure.axes[0].get_title(loc="right") == "32 objects"


def test_plots_never_import_pyplot():
    code = (
        "import sys, numpy as np\n"
        "from napari_sam2_video.export.plots import plot_areas\n"
        "from napari_sam2_video.results import TrackingResult\n"
        "from napari_sam2_video.analysis.measure import measure\n"
        "assert 'matplotlib' not in sys.modules\n"
        "plot_areas(measure(TrackingResult.from_arrays(np.ones((2, 3, 3), np.uint8))))\n"
        "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_letters_that_the_font_lacks_are_noted_and_warn_nobody(suffix, tmp_path):
    named = TrackedObject(1, "细胞", (255, 0, 0))
    report = export(
        TrackingResult.from_arrays(moving(n_objects=1), objects=[named]), tmp_path / f"a{suffix}", format="plot-areas"
    )
    assert bool(report.notes) == (suffix != ".svg")


def test_long_names_are_shortened(tmp_path):
    named = TrackedObject(1, "x" * 300, (255, 0, 0))
    report = export(
        TrackingResult.from_arrays(moving(n_objects=1), objects=[named]), tmp_path / "a.svg", format="plot-areas"
    )
    assert "x" * 39 + "…" in " ".join(ET.parse(report.path).getroot().itertext())


def test_a_name_of_nothing_to_show_is_the_id(table):
    assert "object 1" in lines(plot_areas(table.with_columns(name=np.full(len(table), "_"))))


@pytest.mark.parametrize("shape_yx", [(12, 900), (900, 12), (300, 300)])
@pytest.mark.parametrize("size", [1e-4, 1e6])
def test_labels_of_the_axes_lie_inside_the_figure(shape_yx: tuple[int, int], size: float) -> None:
    labels = np.zeros((5, *shape_yx), np.uint8)
    for t in range(5):
        top, left = (t * (side - 4) // 4 for side in shape_yx)
        labels[t, top : top + 3, left : left + 3] = 1
    units = ("s", "µm", "µm")
    table = measure(TrackingResult.from_arrays(labels, pixel_size=(size, size), step=1.0, units=units))
    figure = plot_trajectories(table, shape_yx=shape_yx)
    draw(figure, width=720)
    for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis):
        box = axis.label.get_window_extent()
        assert figure.bbox.contains(box.x0, box.y0)
        assert figure.bbox.contains(box.x1, box.y1)


def test_trajectories_of_a_walk_along_x_are_named_by_its_plane() -> None:
    known = {"walk_axis": "X", "plane_axes": ("Z", "Y"), "pixel_size": (1.0, 1.0), "step": 1.0, "units": ("mm",) * 3}
    table = measure(TrackingResult.from_arrays(moving(), **known))
    assert {"centroid_z", "centroid_y_px", "bbox_z0", "bbox_y1"} <= set(table.names)
    assert not {"centroid_x", "bbox_x0"} & set(table.names)
    axes = plot_trajectories(table).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("y (mm)", "z (mm)")
