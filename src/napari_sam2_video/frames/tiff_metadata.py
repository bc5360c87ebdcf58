"""Pixel sizes, times, value calibration and names in the TIFF files of many programs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video.frames.calibration import print_resolution
from napari_sam2_video.frames.ome_xml import OmeXml
from napari_sam2_video.frames.rescale import AS_STORED, Rescale
from napari_sam2_video.frames.times import UNKNOWN, FrameTimes, frame_times
from napari_sam2_video.units import plain_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.frames.calibration import Sizes, Units

_RESOLUTION_UNITS = {2: "inch", 3: "cm"}
_DEFAULT_PER_INCH = (0, 1, 72, 96)
"""What programs write if they do not know the resolution."""

_LINEAR, _UNCALIBRATED = 0, 20


@dataclass
class TiffAbout:
    """What a TIFF says about one of its images; sizes by axis letter, as stated in the file."""

    kind: str = "tiff"
    scale: Sizes = field(default_factory=dict)
    units: Units = field(default_factory=dict)
    times: FrameTimes = UNKNOWN
    rescale: Rescale = AS_STORED
    channels: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)

    def fill(self, letter: str, size: object, unit: object) -> None:
        """Set the size of an axis, unless one is known already."""
        with suppress(TypeError, ValueError):
            number = float(size)  # type: ignore[arg-type]
            if number and not self.scale.get(letter):
                self.scale[letter], self.units[letter] = number, str(unit or "")

    def take_times(self, times: FrameTimes) -> None:
        """Set the frame times; measured times replace an interval, which is only what was requested."""
        if times.interval is None:
            return
        self.times = times
        if times.times is not None or not self.scale.get("T"):
            self.scale["T"], self.units["T"] = times.interval, "s"


def about_tiff(file: Any, series: Any, number: int, count: int) -> TiffAbout:
    """What the open `file` says about one of its image series.

    Parameters
    ----------
    file : tifffile.TiffFile
        The open file.
    series : tifffile.TiffPageSeries or None
        The series; None for that of an ImageJ stack.
    number : int
        Its index in the file.
    count : int
        Length of its ``T`` axis, 0 if it has none.
    """
    about = TiffAbout()
    page = file.pages.first if series is None else series.keyframe
    if file.is_ome:
        about.kind = "ome-tiff"
        _ome(about, file.ome_metadata, number, str(getattr(series, "name", "") or ""), count)
    if file.is_imagej:
        about.kind = "imagej" if about.kind == "tiff" else about.kind
        _imagej(about, file.imagej_metadata or {}, file.pages.first)
    for flag, read in _PROGRAMS.items():
        if getattr(file, f"is_{flag}", False):
            about.kind = flag if about.kind == "tiff" else about.kind
            with suppress(KeyError, TypeError, ValueError, IndexError, AttributeError):
                read(about, file, count)
    if about.kind == "tiff":
        _resolution(about, page)
    return about


def _ome(about: TiffAbout, text: str | None, number: int, name: str, count: int) -> None:
    xml = OmeXml(text)
    about.scale, about.units = xml.calibration(number, name)
    about.channels = xml.channels(number, name)
    if count > 1:
        about.take_times(xml.times(number, name, count))


def _imagej(about: TiffAbout, metadata: dict[str, Any], page: Any) -> None:
    unit = plain_unit(metadata.get("unit"))
    unit_y = plain_unit(metadata.get("yunit")) or unit
    for letter, tag, its_unit in (("X", 282, unit), ("Y", 283, unit_y)):
        value = page.tags.valueof(tag)
        if its_unit is None or not value or not value[0] or not value[1]:
            continue
        per_unit = value[0] / value[1]
        if print_resolution(per_unit, its_unit):
            _say_print_resolution(about, per_unit, its_unit)
            continue
        about.fill(letter, 1 / per_unit, its_unit)
    if metadata.get("spacing"):
        about.fill("Z", abs(float(metadata["spacing"])), plain_unit(metadata.get("zunit")) or unit)
    interval = metadata.get("finterval") or (1 / metadata["fps"] if metadata.get("fps") else 0)
    about.fill("T", interval, plain_unit(metadata.get("tunit")) or "s")
    _imagej_values(about, metadata, page)


def _imagej_values(about: TiffAbout, metadata: dict[str, Any], page: Any) -> None:
    """Calibration of values: ImageJ stores signed 16-bit values as ``value + 32768``, for instance."""
    function = metadata.get("cf")
    if function is None or page.samplesperpixel > 1:
        return
    if function == _LINEAR and "c0" in metadata and "c1" in metadata:
        found = Rescale(float(metadata["c1"]), float(metadata["c0"]))
        if np.isfinite([found.slope, found.intercept]).all() and found.slope:
            about.rescale = found
    elif function != _UNCALIBRATED:
        about.notes.append("The values have a nonlinear calibration and stay as stored.")


def _lsm(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.lsm_metadata
    for letter in "XYZ":
        about.fill(letter, float(metadata[f"VoxelSize{letter}"]) * 1e6, "µm")
    about.fill("T", metadata.get("TimeInterval"), "s")
    stamps = np.atleast_1d(metadata.get("TimeStamps", ()))
    if count > 1 and len(stamps) >= count:
        about.take_times(frame_times(stamps[:count]))


def _stk(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.stk_metadata
    if metadata.get("SpatialCalibration", 1):
        for letter in "XY":
            about.fill(letter, metadata.get(f"{letter}Calibration"), plain_unit(metadata.get("CalibrationUnits")))
    steps = np.atleast_1d(metadata.get("ZDistance", ()))
    if len(steps) and np.ptp(steps) == 0:
        about.fill("Z", abs(float(steps[0])), plain_unit(metadata.get("CalibrationUnits")))
    created = metadata.get("DatetimeCreated")
    if count > 1 and created is not None and len(created) >= count:
        about.take_times(frame_times((created[:count] - created[0]) / np.timedelta64(1, "s"), tick=1e-3))


def _metaseries(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.metaseries_metadata["PlaneInfo"]
    if metadata.get("spatial-calibration-state", True):
        for letter in "XY":
            unit = plain_unit(metadata.get("spatial-calibration-units"))
            about.fill(letter, metadata.get(f"spatial-calibration-{letter.lower()}"), unit)


def _fluoview(about: TiffAbout, file: Any, count: int) -> None:
    for name, _, _, step, unit in file.fluoview_metadata["Dimensions"]:
        letter = {"x": "X", "y": "Y", "z": "Z", "t": "T", "time": "T"}.get(str(name).strip("\0 ").lower())
        if letter is not None and plain_unit(unit) is not None:
            about.fill(letter, abs(float(step)), plain_unit(unit))


def _micromanager(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.micromanager_metadata["Summary"]
    for letter in "XY":
        about.fill(letter, metadata.get("PixelSize_um"), "µm")
    about.fill("Z", abs(float(metadata.get("z-step_um") or 0)), "µm")
    about.fill("T", metadata.get("Interval_ms"), "ms")
    names = metadata.get("ChNames")
    if isinstance(names, list) and not about.channels:
        about.channels = tuple(str(name) for name in names)


def _scanimage(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.scanimage_metadata.get("FrameData") or {}
    rate = metadata.get("SI.hRoiManager.scanFrameRate")
    if rate and not metadata.get("SI.hStackManager.enable"):
        about.fill("T", 1 / float(rate), "s")


def _sis(about: TiffAbout, file: Any, count: int) -> None:
    for letter in "XY":
        about.fill(letter, float(file.sis_metadata[f"pixelsize{letter.lower()}"]) * 1e6, "µm")


def _fei(about: TiffAbout, file: Any, count: int) -> None:
    for letter, name in (("X", "PixelWidth"), ("Y", "PixelHeight")):
        about.fill(letter, float(file.fei_metadata["Scan"][name]) * 1e9, "nm")


def _sem(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.sem_metadata
    _, size, unit = metadata.get("ap_image_pixel_size") or metadata["ap_pixel_size"]
    for letter in "XY":
        about.fill(letter, size, plain_unit(unit))


def _tvips(about: TiffAbout, file: Any, count: int) -> None:
    metadata = file.tvips_metadata
    for letter in "XY":
        about.fill(letter, metadata.get(f"PhysicalPixelSize{letter}") or metadata[f"PixelSize{letter}"], "nm")


_PROGRAMS: dict[str, Callable[[TiffAbout, Any, int], None]] = {
    "lsm": _lsm,
    "stk": _stk,
    "metaseries": _metaseries,
    "fluoview": _fluoview,
    "micromanager": _micromanager,
    "scanimage": _scanimage,
    "sis": _sis,
    "fei": _fei,
    "sem": _sem,
    "tvips": _tvips,
}
"""By tifffile's names for the file types."""


def _resolution(about: TiffAbout, page: Any) -> None:
    """Resolution tags, if they have a unit and are not meant for printing."""
    unit = _RESOLUTION_UNITS.get(int(getattr(page, "resolutionunit", 0) or 0))
    if unit is None:
        return
    for letter, per_unit in zip("XY", page.get_resolution(), strict=True):
        if per_unit > 0 and print_resolution(per_unit, unit):
            _say_print_resolution(about, per_unit, unit)
        elif per_unit > 0:
            factor = 25_400 if unit == "inch" else 10_000
            about.fill(letter, factor / per_unit, "µm")


def _say_print_resolution(about: TiffAbout, per_unit: float, unit: str) -> None:
    per_inch = round(per_unit * (2.54 if unit.startswith("c") else 1))
    sentence = (
        f"The file says {per_inch} pixels per inch, a resolution for printing: the pixel size is unknown until "
        "you give it."
    )
    if per_unit != 1 and per_inch not in _DEFAULT_PER_INCH and sentence not in about.notes:
        about.notes.append(sentence)
