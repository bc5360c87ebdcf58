"""TIFF in all variants that microscopes, cameras and ImageJ write."""

from __future__ import annotations

import logging
import math
import operator
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import RecordingError
from napari_sam2_video.frames.array import ArrayRecording
from napari_sam2_video.frames.axes import name_unknown
from napari_sam2_video.frames.ome_xml import OmeXml, lies_beside
from napari_sam2_video.frames.reader import Reader
from napari_sam2_video.frames.tiff_metadata import TiffAbout, about_tiff
from napari_sam2_video.frames.tiff_planes import PagesRecording, RunRecording
from napari_sam2_video.frames.tiff_series import Chosen, choose_series
from napari_sam2_video.frames.tiff_style import style_of, white_is_zero
from napari_sam2_video.frames.truncated import cut_short

if TYPE_CHECKING:
    from napari_sam2_video.frames.recording import Recording

_MAGIC = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
NDTIFF_INDEX = "NDTiff.index"
"""Micro-Manager's file that lists the planes in the TIFF files beside it."""
_LARGEST_XML = 1 << 28
_MOST_PLANES = 20_000_000


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins with `head` is a TIFF."""
    return head[:4] in _MAGIC


def is_companion(head: bytes) -> bool:
    """Whether a file that begins with `head` is the OME-XML that describes TIFF files beside it."""
    return head.lstrip(b"\xef\xbb\xbf \r\n").startswith((b"<?xml", b"<OME")) and b"<OME" in head


def open_tiff(path: Path, series: int | str | None = None, *, numbers: bool = False) -> Recording:
    """Open a TIFF and all files that belong to it, without reading pixels.

    Parameters
    ----------
    path : Path
        A TIFF, or an OME-XML companion file.
    series : int or str, optional
        Which image series, if the file holds several.
    numbers : bool
        Keep the stored values, as masks and label images need: palettes, colours and transparency stay samples.

    Raises
    ------
    RecordingError
        If it is damaged, holds no image, or holds several series and none was chosen.
    """
    _keep_quiet()
    file = _opened(path)
    main = OmeXml(file.ome_metadata).main_file if file.is_ome else None
    alone: tuple[str, ...] = ()
    if main is not None and not (path.parent / main).is_file():
        alone = (
            f"{main}, which describes {path.name} and the files beside it, is missing: {path.name} is opened by "
            "itself, without pixel size and time.",
        )
    elif main is not None and main != path.name:
        file.close()
        path = path.parent / main
        file = _opened(path)
    if file.is_ome and OmeXml(file.ome_metadata).points_elsewhere:
        alone = (f"{path.name} names files in other folders, which are not opened.",)
    try:
        recording = _recording(path, file, series, numbers)
    except RecordingError:
        file.close()
        raise
    except Exception as error:
        file.close()
        raise RecordingError(f"{path} is a damaged TIFF ({error}); write or copy it again.") from error
    recording.notes = (*alone, *recording.notes)
    recording.series = series
    return recording


def described_files(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The file that describes a TIFF, and the names of all files that belong to it, itself included.

    Raises
    ------
    RecordingError
        If it cannot be read.
    """
    _keep_quiet()
    with _opened(path) as file:
        xml = OmeXml(file.ome_metadata if file.is_ome else None)
    main = xml.main_file
    if main is None or main == path.name or not (path.parent / main).is_file():
        return path, xml.files or (path.name,)
    with _opened(path.parent / main) as file:
        return path.parent / main, OmeXml(file.ome_metadata).files or (main,)


def _opened(path: Path) -> Any:
    import tifffile

    try:
        with path.open("rb") as stream:
            head = stream.read(1024)
        if not is_companion(head):
            file = tifffile.TiffFile(path)
            if file.is_ndtiff:
                _check_index(path.parent / NDTIFF_INDEX)
            xml = OmeXml(file.ome_metadata if file.is_ome else None)
            if xml.planes <= _MOST_PLANES and not xml.points_elsewhere:
                return file
            file.close()
            _check_planes(path, xml)
            return tifffile.TiffFile(path, _multifile=False)
        text = path.read_bytes()[:_LARGEST_XML].decode(errors="replace")
        xml = OmeXml(text)
        _check_planes(path, xml)
        first = next((path.parent / name for name in xml.files if (path.parent / name).is_file()), None)
        if first is None:
            raise RecordingError(f"{path} describes TIFF files that are not in its folder; put them there.")
        return tifffile.TiffFile(first, omexml=text.strip())
    except RecordingError:
        raise
    except Exception as error:
        raise RecordingError(f"{path} cannot be read as a TIFF ({error}); write or copy it again.") from error


def _check_planes(path: Path, xml: OmeXml) -> None:
    """Refuse a plane count that would fill the memory with planes that do not exist."""
    if xml.planes > _MOST_PLANES:
        raise RecordingError(f"{path} declares {xml.planes:,} planes, more than any recording has; write it again.")


def _check_index(path: Path) -> None:
    """Refuse an index that names files in another folder, which the user did not choose to open."""
    import tifffile

    if any(not lies_beside(entry[1]) for entry in tifffile.tifffile.read_ndtiff_index(path)):
        raise RecordingError(f"{path} names files in other folders; copy the whole recording into one.")


def _keep_quiet() -> None:
    """Hide what tifffile logs about damage unless logging is configured: the notes say it in plain words."""
    logger = logging.getLogger("tifffile")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _recording(path: Path, file: Any, series: int | str | None, numbers: bool) -> Recording:
    run = _imagej_run(file) if series in (None, 0) else None
    if run is not None:
        return _run(path, file, run, about_tiff(file, None, 0, _length(run.axes, run.shape)), (), numbers)
    chosen = choose_series(path, file, series)
    notes = list(chosen.notes)
    if chosen.series.is_pyramidal:
        notes.append(f"{path.name} is multiscale: level 0, the full resolution, is used.")
    about = about_tiff(file, chosen.series, chosen.number, _length(chosen.axes, chosen.shape))
    run = _series_run(file, chosen)
    if run is not None:
        return _run(path, file, run, about, tuple(notes), numbers)
    keyframe = chosen.series.keyframe
    if keyframe.axes in ("YX", "YXS", "SYX") and chosen.axes.endswith(keyframe.axes) and len(chosen.pages) > 0:
        return _pages(path, file, chosen, about, tuple(notes), numbers)
    import zarr

    store = chosen.series.aszarr(level=0) if chosen.series.is_pyramidal else chosen.series.aszarr()
    array: Any = zarr.open_array(store, mode="r")
    return ArrayRecording(
        array, axes=name_unknown(chosen.axes), path=path, on_close=file.close, **_arguments(file, about, tuple(notes))
    )


@dataclass(frozen=True)
class _Run:
    """Contiguous planes: axes and lengths as tifffile names them, and where the first plane begins."""

    axes: str
    shape: tuple[int, ...]
    offset: int
    page: Any


def _imagej_run(file: Any) -> _Run | None:
    """An ImageJ stack with a single directory, after which all pixels follow.

    ImageJ writes stacks larger than 4 GB like this, and a truncated one can only be read like this.
    """
    about = file.imagej_metadata if file.is_imagej else None
    page = file.pages.first
    if not about or not page.is_final or file.pages.is_multipage:
        return None
    counts = [max(1, int(about.get(key, 1))) for key in ("frames", "slices", "channels")]
    images = int(about.get("images", 1))
    if page.axes == "YXS" and math.prod(counts) != images:
        counts[2] = 1
    letters = "TZC"
    if math.prod(counts) != images:
        counts, letters = [images], "I"
    leading = [(letter, n) for letter, n in zip(letters, counts, strict=True) if n > 1]
    axes = "".join(letter for letter, _ in leading) + page.axes
    return _runnable(_Run(axes, (*(n for _, n in leading), *page.shape), operator.index(page.dataoffsets[0]), page))


def _series_run(file: Any, chosen: Chosen) -> _Run | None:
    """A series of contiguous, uncompressed planes."""
    offset = None if chosen.joined else chosen.series.dataoffset
    if offset is None:
        return None
    return _runnable(_Run(chosen.axes, chosen.shape, operator.index(offset), chosen.series.keyframe))


def _runnable(run: _Run) -> _Run | None:
    """Contiguous planes that need no conversion but rescaling."""
    return run if re.fullmatch(r"[^YXS]*YXS?", run.axes) and run.page.axes in ("YX", "YXS") else None


def _run(path: Path, file: Any, run: _Run, about: TiffAbout, notes: tuple[str, ...], numbers: bool) -> Recording:
    style = style_of(path, run.page, about, numbers=numbers)
    arguments = _arguments(file, about, (*notes, *style.notes(), *_inverted(run.page)))
    cut = len(run.shape) - len(run.page.axes)
    axes, leading = run.axes[:cut], run.shape[:cut]
    recording = RunRecording(path, axes, leading, style, run.offset, file.byteorder, arguments)
    file.close()
    return recording


def _pages(path: Path, file: Any, chosen: Chosen, about: TiffAbout, notes: tuple[str, ...], numbers: bool) -> Recording:
    keyframe = chosen.series.keyframe
    style = style_of(path, keyframe, about, numbers=numbers)
    cut = len(chosen.axes) - len(keyframe.axes)
    axes, leading = chosen.axes[:cut], chosen.shape[:cut]
    names = OmeXml(file.ome_metadata).files if file.is_ome else ()
    missing = tuple(name for name in names if not (path.parent / name).is_file())
    if missing:
        absent = [n for n, page in enumerate(chosen.pages) if page is None]
        notes = (*notes, _missing_note(path, missing, len(absent), len(chosen.pages)))
    else:
        present, promised = _pages_present(file, chosen.pages), max(_promised(file, chosen), math.prod(leading))
        if not leading and promised > present:
            axes, leading = "I", (promised,)
        elif math.prod(leading) < promised and len(leading) == 1:
            leading = (promised,)
        shape, note = cut_short(path, (*leading, *style.stored), len(style.stored), present)
        leading, notes = shape[: len(leading)], (*notes, *note)
    arguments = _arguments(file, about, (*notes, *style.notes(), *_inverted(keyframe)))
    files = [path.parent / name for name in names if name not in missing]
    if chosen.series.kind == "ndtiff":
        files = sorted({Path(page.parent.filehandle.path) for page in chosen.pages if page is not None})
    return PagesRecording(path, file, axes, leading, style, chosen.pages, files, missing, arguments)


def _missing_note(path: Path, missing: tuple[str, ...], absent: int, promised: int) -> str:
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return (
        f"{named} of the recording {path.name} {'are' if len(missing) > 1 else 'is'} missing: {absent} of {promised} "
        "planes cannot be read; the others keep their numbers."
    )


def _inverted(page: Any) -> tuple[str, ...]:
    return ("White is stored as zero: high values are dark.",) if white_is_zero(page) else ()


def _length(axes: str, shape: tuple[int, ...]) -> int:
    return shape[axes.index("T")] if "T" in axes else 0


def _arguments(file: Any, about: TiffAbout, notes: tuple[str, ...]) -> dict[str, Any]:
    """Arguments for `Recording`."""
    name = str(file.filename).rsplit(".", 1)[0].removesuffix(".ome")
    metadata: dict[str, Any] = {"format": about.kind}
    if about.channels:
        metadata["channels"] = list(about.channels)
    return {
        "name": name,
        "scale": about.scale,
        "units": about.units,
        "times": about.times.times,
        "notes": (*notes, *about.notes),
        "metadata": metadata,
    }


def _pages_present(file: Any, pages: Any) -> int:
    size = file.filehandle.size
    present = len(pages)
    while present:
        page = pages[present - 1]
        if page is not None:
            if page.parent is not file:
                break
            ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
            if ends and max(ends) <= size:
                break
        present -= 1
    return present


def _promised(file: Any, chosen: Chosen) -> int:
    """Number of planes that the description declares; 0 if it does not."""
    if chosen.joined:
        return 0
    if file.is_imagej:
        return int((file.imagej_metadata or {}).get("images", 0))
    match = re.search(r'"shape": \[([\d, ]+)\]', chosen.series.keyframe.description)
    if match is None:
        return 0
    shape = [int(n) for n in match[1].split(",")]
    return int(math.prod(shape) // max(1, math.prod(chosen.series.keyframe.shape)))


READER = Reader(
    name="TIFF",
    patterns=("*.tif", "*.tiff", "*.btf", "*.tf8", "*.lsm", "*.stk", "*.companion.ome"),
    matches=lambda head, path: head is not None and (is_tiff(head) or is_companion(head)),
    open=lambda path, series: open_tiff(path, series),
    has_series=True,
)
