"""Plots of measurements: area over time, trajectories, mean squared displacement; as figures and as PNG, SVG or PDF.

Figures are made without `pyplot`, so there is no global state and a window can show them directly.
"""

from __future__ import annotations

import colorsys
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from napari_sam2_video.analysis.measure import measure
from napari_sam2_video.analysis.motion import mean_squared_displacement
from napari_sam2_video.errors import ExportError
from napari_sam2_video.export.format import ExportFormat, ExportJob, ExportOption, need
from napari_sam2_video.types.tracked_object import default_color

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy.typing as npt

    from napari_sam2_video.analysis.table import Table
    from napari_sam2_video.results import Calibration

Color: TypeAlias = tuple[int, int, int]
Colors: TypeAlias = "Mapping[int, Color]"
Figure: TypeAlias = Any

LEGEND_ENTRIES = 14
NAME_LENGTH = 40
BRIGHTEST = 0.55
MISSING_GLYPH = "Glyph .* missing"
AXIS_NAMES = {"T": "Time", "Z": "Depth", "Y": "Position along Y", "X": "Position along X"}
STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "napari-sam2-video"}


def plot_areas(table: Table, colors: Colors | None = None) -> Figure:
    """Plot each object's area along the walked axis; see `plot_column`."""
    return plot_column(table, "area", colors)


def plot_column(table: Table, column: str, colors: Colors | None = None) -> Figure:
    """Plot a measurement of each object along the walked axis; a gap in a track is a gap in its line.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure`.
    column : str
        Name of a column of numbers.
    colors : mapping of int to (red, green, blue), optional
        Colours of the objects, 0 to 255.

    Returns
    -------
    matplotlib.figure.Figure
        One panel.
    """
    unit = table.units.get(column)
    title = column.replace("_", " ").capitalize()
    figure, axes = _panel(_walk_label(table.calibration), f"{title} ({unit})" if unit else title)
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        frames = table["frame"][rows]
        x = table.calibration.position(np.arange(frames[0], frames[-1] + 1))
        values = np.full(x.size, np.nan)
        values[frames - frames[0]] = np.where(table["area"][rows] > 0, table[column][rows], np.nan)
        _line(axes, x, values, object_id, _name_of(table, rows, object_id), colors)
    if column == "area":
        axes.set_ylim(bottom=0)
    return _with_legend(figure, axes, table)


def plot_trajectories(table: Table, colors: Colors | None = None, *, shape_yx: tuple[int, int] | None = None) -> Figure:
    """Plot the path of each object: a ring at its start, a dot at its end, rows downward as in the image.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure`.
    colors : mapping of int to (red, green, blue), optional
        Colours of the objects, 0 to 255.
    shape_yx : tuple of int, optional
        Shape of a frame in pixels, to show all of it.

    Returns
    -------
    matplotlib.figure.Figure
        One panel with equal scales.
    """
    unit = table.calibration.length_unit
    down, across = (letter.lower() for letter in table.calibration.plane_axes)
    figure, axes = _panel(f"{across} ({unit})", f"{down} ({unit})")
    for object_id in table.object_ids():
        rows = table.rows_of(object_id)
        rows = rows[table["area"][rows] > 0]
        if not rows.size:
            continue
        y, x = table.centroids()[rows].T
        line = _line(axes, x, y, object_id, _name_of(table, rows, object_id), colors)
        axes.plot(x[:1], y[:1], "o", color=line.get_color(), markerfacecolor="white", markersize=5)
        axes.plot(x[-1:], y[-1:], "o", color=line.get_color(), markersize=5)
    axes.set_aspect("equal", adjustable="box")
    if shape_yx is not None:
        dy, dx = table.calibration.pixel_size
        axes.set_xlim(-0.5 * dx, (shape_yx[1] - 0.5) * dx)
        axes.set_ylim(-0.5 * dy, (shape_yx[0] - 0.5) * dy)
    axes.invert_yaxis()
    return _with_legend(figure, axes, table)


def plot_msd(table: Table, colors: Colors | None = None) -> Figure:
    """Plot the mean squared displacement against the lag on logarithmic scales, with the slope of free diffusion.

    Parameters
    ----------
    table : Table
        A table of `napari_sam2_video.analysis.measure.measure`.
    colors : mapping of int to (red, green, blue), optional
        Colours of the objects, 0 to 255.

    Returns
    -------
    matplotlib.figure.Figure
        One panel; objects that never move have no line.
    """
    calibration = table.calibration
    msd = mean_squared_displacement(table)
    figure, axes = _panel(
        f"Lag ({calibration.walk_unit})", f"Mean squared displacement ({_squared(calibration.length_unit)})"
    )
    for object_id in msd.object_ids():
        rows = msd.rows_of(object_id)
        rows = rows[msd["msd"][rows] > 0]
        if rows.size:
            name = _name_of(table, table.rows_of(object_id), object_id)
            _line(axes, msd["lag_position"][rows], msd["msd"][rows], object_id, name, colors)
    if axes.lines:
        _logarithmic(axes)
        moving = msd["msd"] > 0
        lags = np.unique(msd["lag_position"][moving])
        start = float(np.median(msd["msd"][moving & (msd["lag_position"] == lags[0])]))
        axes.plot(lags, start * lags / lags[0], ":", color="0.45", linewidth=1.2, label="slope 1 (diffusion)")
    return _with_legend(figure, axes, table)


def save_figure(figure: Figure, target: Path, *, format: str | None = None, dpi: int = 150) -> bool:
    """Write a figure as PNG, SVG or PDF, by the suffix of `target`; the same figure gives the same file.

    Returns
    -------
    bool
        False if the font lacks letters of a name, which are then drawn as boxes.

    Raises
    ------
    ExportError
        If the suffix is a different one.
    """
    import matplotlib

    kind = format or target.suffix.lower().lstrip(".")
    if kind not in METADATA:
        raise ExportError(f"Plots are written as .png, .svg or .pdf, not {target.name}; choose one of these.")
    with matplotlib.rc_context(STYLE), warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", MISSING_GLYPH)
        figure.savefig(target, format=kind, dpi=dpi, metadata=METADATA[kind])
    return not any("Glyph" in str(warning.message) for warning in caught)


def draw(figure: Figure, *, width: int) -> npt.NDArray[np.uint8]:
    """Draw a figure into RGBA pixels of shape ``(Y, X, 4)``, `width` pixels wide, for a window to show."""
    figure.set_dpi(width / figure.get_size_inches()[0])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", MISSING_GLYPH)
        figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba(), np.uint8)


METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
PLOTS: dict[str, tuple[str, Callable[[Table, Colors | None], Figure]]] = {
    "plot-areas": ("Plot of areas", plot_areas),
    "plot-trajectories": ("Plot of trajectories", plot_trajectories),
    "plot-msd": ("Plot of mean squared displacement", plot_msd),
}


def _panel(x_label: str, y_label: str) -> tuple[Figure, Any]:
    figure = need("matplotlib.figure", "plot").Figure(figsize=(7.2, 4.6))
    # A margin wide enough for larger letters in SVG viewers.
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.12)
    need("matplotlib.backends.backend_agg", "plot").FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x_label, fontsize=11)
    axes.set_ylabel(y_label, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _logarithmic(axes: Any) -> None:
    ticker = need("matplotlib.ticker", "plot")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(ticker.NullLocator())


def _line(axes: Any, x: Any, y: Any, object_id: int, name: str, colors: Colors | None) -> Any:
    given = (colors or {}).get(object_id) or default_color(object_id)
    single = np.count_nonzero(~np.isnan(y)) == 1
    (line,) = axes.plot(
        x, y, color=readable_on_white(given), linewidth=1.6, marker="o" if single else "", markersize=4, label=name
    )
    return line


def readable_on_white(color: Color) -> tuple[float, float, float]:
    """Darken a bright colour so that a thin line is visible on white; hue and saturation stay."""
    red, green, blue = (channel / 255 for channel in color)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    hue, saturation, value = colorsys.rgb_to_hsv(red, green, blue)
    return colorsys.hsv_to_rgb(hue, saturation, value * min(1.0, BRIGHTEST / luminance) if luminance else value)


def _with_legend(figure: Figure, axes: Any, table: Table) -> Figure:
    named = [line for line in axes.lines if not line.get_label().startswith("_")]
    if not named:
        axes.text(0.5, 0.5, "nothing to draw", transform=axes.transAxes, ha="center", va="center", color="0.4")
    elif len(named) <= LEGEND_ENTRIES:
        figure.legend(handles=named, loc="outside right upper", frameon=False, fontsize=9)
    else:
        axes.set_title(f"{len(table.object_ids())} objects", fontsize=10, loc="right", color="0.3")
    return figure


def _name_of(table: Table, rows: Any, object_id: int) -> str:
    name = str(table["name"][rows[0]]) if "name" in table else ""
    name = name.lstrip("_").strip() or f"object {object_id}"
    shown = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
    return shown.replace("$", r"\$")


def _walk_label(calibration: Calibration) -> str:
    name = AXIS_NAMES.get(calibration.walk_axis, f"Position along {calibration.walk_axis}")
    return "Frame" if calibration.walk_unit == "frame" else f"{name} ({calibration.walk_unit})"


def _squared(unit: str) -> str:
    return f"{unit}²"


def _write(job: ExportJob, plot: Callable[[Table, Colors | None], Figure]) -> None:
    table = measure(job.result, intensity=False, shape=False, progress=job.progress)
    colors = {entry.id: entry.color for entry in job.result.objects}
    if plot is plot_trajectories:
        figure = plot_trajectories(table, colors, shape_yx=job.result.shape_yx)
    else:
        figure = plot(table, colors)
    kind = job.target.suffix.lower().lstrip(".")
    if not save_figure(figure, job.path, format=kind, dpi=job.options["dpi"]) and kind != "svg":
        job.note("The plot's font lacks some letters of the names and draws boxes for them; an SVG keeps them as text.")


def _writer(plot: Callable[[Table, Colors | None], Figure]) -> Callable[[ExportJob], None]:
    def write_plot(job: ExportJob) -> None:
        """Measure the result and write one plot."""
        _write(job, plot)

    return write_plot


FORMATS = tuple(
    ExportFormat(
        name=name,
        title=title,
        suffixes=(".png", ".svg", ".pdf"),
        write=_writer(plot),
        about=f"{title} of all objects, with the units of the recording.",
        options=(ExportOption("dpi", "int", 150, "pixels per inch of a PNG", limits=(30, 1200)),),
        overlaps=True,
        guess=False,
        group="Tables and plots",
    )
    for name, (title, plot) in PLOTS.items()
)
