"""Find the series in a folder of DICOM files, and choose one of them."""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import RecordingError, SeveralSeriesError, first_line
from napari_sam2_video.frames.dicom_header import frame_count, read_header, series_uid
from napari_sam2_video.frames.dicom_order import by_direction, by_kind
from napari_sam2_video.frames.dicom_pixels import PALETTE
from napari_sam2_video.frames.dicom_slices import Slice, images_in, slices_of
from napari_sam2_video.frames.file_names import natural_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass
class Series:
    """Images that make one recording: those of one size and direction, or a multi-frame clip."""

    header: Any
    slices: list[Slice]
    detail: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """Its Series Instance UID."""
        return str(self.header.get("SeriesInstanceUID", ""))

    @property
    def title(self) -> str:
        """Its description for people; empty if the files have none."""
        return str(self.header.get("SeriesDescription") or "").strip()

    @property
    def files(self) -> list[Path]:
        """Files of the images, each listed once."""
        return list(dict.fromkeys(part.file for part in self.slices))

    def __str__(self) -> str:
        title = " ".join(filter(None, (self.title or str(self.header.get("Modality") or "unnamed"), self.detail)))
        count = len(self.slices)
        where = f"in {self.files[0].name}" if len(self.files) == 1 else f"such as {self.files[0].name}"
        return f"{title} ({count} image{'s' * (count > 1)} {where})"

    def is_called(self, name: str) -> bool:
        """Whether `name` may refer to this series."""
        return name.casefold() in {
            self.uid.casefold(),
            self.title.casefold(),
            f"{self.title} {self.detail}".strip().casefold(),
            *(file.name.casefold() for file in self.files),
            *(file.stem.casefold() for file in self.files),
        }


def find_series(path: Path, wanted: int | str | None = None) -> Series:
    """The one series of a folder or DICOMDIR, or the one that a file belongs to.

    Parameters
    ----------
    path : Path
        Folder, or a file in it.
    wanted : int or str, optional
        Index or name of the series, if there are several.

    Raises
    ------
    RecordingError
        If there is no series, or there are several and none was chosen.
    """
    asked, folder = (None, path) if path.is_dir() else (path, path.parent)
    if asked is not None and _lists_others(asked):
        files, asked = _listed(asked), None
    else:
        files = _in_order(file for file in folder.iterdir() if file.is_file())
        index = next((file for file in files if file.name.upper() == "DICOMDIR"), None)
        files = [*files, *(file for file in _listed(index) if file.parent != folder)] if index else files
    found = _Folder(files, asked)
    if asked is not None:
        return _choose(found.of(asked), asked, wanted)
    series = found.series
    if not series:
        raise RecordingError(
            damage(*found.damaged[0][:2])
            if found.damaged
            else f"The DICOM files that {path} holds or lists are not images; choose the folder of an image series."
        )
    images = [one for one in series if one.header.get("Modality") != "SEG"] or series
    candidates = [one for one in images if len(one.slices) > 1] or images
    named = [one for one in series if isinstance(wanted, str) and one.is_called(wanted)]
    one = _choose(named if len(named) == 1 else candidates, path, None if len(named) == 1 else wanted)
    left_out = [str(other) for other in series if other not in candidates]
    if left_out and one in candidates:
        one.notes.append(f"Single images and segmentations of other series are left out: {'; '.join(left_out)}.")
    if len({other.uid for other in series}) == 1:
        one.notes += found.left_out("")
    return one


def _lists_others(file: Path) -> bool:
    """Whether a file is a DICOMDIR, which lists others instead of holding an image.

    Raises
    ------
    RecordingError
        If it is damaged, or neither lists files nor holds an image.
    """
    try:
        header = read_header(file)
        if header is not None:
            return False
        about: Any = importlib.import_module("pydicom").dcmread(file, stop_before_pixels=True, force=True)
        if "DirectoryRecordSequence" in about:
            return True
        kind = str(about.get("Modality") or getattr(about.get("SOPClassUID"), "name", "") or "of unknown kind")
    except Exception as error:
        raise RecordingError(damage(file, error)) from error
    shown = "".join(letter for letter in kind if letter.isprintable())[:40]
    raise RecordingError(f"{file} is a DICOM file without an image ({shown}); open a file of an image series.")


def _listed(index: Path) -> list[Path]:
    """Files that a DICOMDIR lists and that lie beside or below it."""
    pydicom: Any = importlib.import_module("pydicom")
    try:
        records = pydicom.dcmread(index).get("DirectoryRecordSequence") or ()
        names = [record.get("ReferencedFileID") for record in records]
    except Exception:
        return []
    parts = [[name] if isinstance(name, str) else [*name] for name in names if name]
    parts = [
        names for names in parts if all(name not in ("", ".", "..") and not set(name) & set("/:") for name in names)
    ]
    return _in_order(file for file in (index.parent.joinpath(*part) for part in parts) if file.is_file())


def _in_order(files: Any) -> list[Path]:
    return sorted(files, key=lambda file: natural_key(file.name))


def damage(file: Path, error: Exception) -> str:
    """A sentence on what is wrong with a file."""
    if isinstance(error, RecordingError):
        return str(error)
    return f"{file} is a damaged DICOM file ({first_line(error)}); remove it or copy it again."


class _Folder:
    """The series that files make, and the unreadable files, each with a message and its series."""

    def __init__(self, files: Sequence[Path], asked: Path | None) -> None:
        self.damaged: list[tuple[Path, Exception, str]] = []
        groups: dict[Any, Series] = {}
        seen: dict[Any, Path] = {}
        copies: dict[Any, list[Path]] = {}
        wanted = None if asked is None else series_uid(asked)
        for file in sorted(files, key=lambda file: file != asked):
            uid = ""
            try:
                if wanted is not None and file != asked and series_uid(file) != wanted:
                    continue
                header = read_header(file)
                if header is None:
                    continue
                uid = str(header.get("SeriesInstanceUID", ""))
                slices = slices_of(file, header)
            except Exception as error:
                self.damaged.append((file, error, uid))
                continue
            first = slices[0]
            coded = first.photometric == PALETTE, first.allocated
            key = (uid, str(header.get("Modality")), first.size, *coded, _clip(header))
            same = (key, str(header.get("SOPInstanceUID") or file), first.position, first.taken)
            if seen.setdefault(same, file) != file:
                copies.setdefault(key, []).append(file)
                continue
            group = groups.setdefault(key, Series(header, []))
            group.slices.extend(slices)
            group.notes += _unread(file, header, first.size)
        self.series = [
            part for key, group in groups.items() for part in self._parts(group, _repeated(copies.get(key, [])))
        ]
        clips = Counter((one.uid, one.title) for one in self.series)
        for one in self.series:
            if clips[one.uid, one.title] > 1 and not one.detail and len(one.files) == 1:
                one.detail = one.files[0].name

    def _parts(self, group: Series, notes: list[str]) -> list[Series]:
        group.slices.sort(key=lambda part: natural_key(part.file.name))
        directions = by_direction(group.slices)
        parts = []
        for direction, slices in enumerate(directions, 1):
            kinds = by_kind(slices)
            for number, kind in enumerate(kinds, 1):
                detail = [f"direction {direction}"] * (len(directions) > 1)
                if len(kinds) > 1:
                    detail.append(" ".join(filter(None, kind[0].kind)) or f"kind {number}")
                parts.append(Series(group.header, kind, ", ".join(detail)))
        main = max(parts, key=lambda part: len(part.slices))
        main.notes += group.notes[:1] + notes
        main.notes += self.left_out(group.uid) if group.uid else []
        return parts

    def left_out(self, uid: str) -> list[str]:
        """A note about the damaged files of a series; with an empty name, about those whose series is unknown."""
        damaged = [(file, error) for file, error, of in self.damaged if of == uid]
        if not damaged:
            return []
        more = f", and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        return [f"{damaged[0][0].name} is left out because it is damaged ({first_line(damaged[0][1])}){more}."]

    def of(self, asked: Path) -> list[Series]:
        """Series with an image from that file.

        Raises
        ------
        RecordingError
            If the file is damaged.
        """
        for file, error, _ in self.damaged:
            if file == asked:
                raise RecordingError(damage(file, error)) from error
        return [one for one in self.series if asked in one.files]


def _repeated(files: Sequence[Path]) -> list[str]:
    """A note on files that are copies of others."""
    if not files:
        return []
    which = f"{files[0].name} repeats an image of its series and is"
    if len(files) > 1:
        which = f"{len(files)} files, such as {files[0].name}, repeat images of their series and are"
    return [f"{which} left out."]


def _unread(file: Path, header: Any, size: tuple[int, int, int]) -> list[str]:
    """A note about a file with room for more images than it declares."""
    room = images_in(header, size)
    if room is None or room < 2 or header.get("NumberOfFrames"):
        return []
    return [f"{file.name} does not give its number of images, which may be {room}; only the first is read."]


def _clip(header: Any) -> str:
    """Identity of a multi-frame file within its series, shared by the parts of a file that was split."""
    if frame_count(header) == 1:
        return ""
    return str(header.get("ConcatenationUID") or header.get("SOPInstanceUID") or id(header))


def _choose(candidates: Sequence[Series], path: Path, wanted: int | str | None) -> Series:
    if wanted is None and len(candidates) == 1:
        return candidates[0]
    if isinstance(wanted, str):
        named = [one for one in candidates if one.is_called(wanted)]
        if len(named) == 1:
            return named[0]
    elif wanted is not None and wanted < len(candidates):
        return candidates[wanted]
    found = "; ".join(f"{number}: {one}" for number, one in enumerate(candidates))
    if wanted is None:
        raise SeveralSeriesError(
            f"{path} holds {len(candidates)} series ({found}); choose one by its number or name as the series, or "
            "open a file of it.",
            range(len(candidates)),
        )
    count = f"{len(candidates)} series" if len(candidates) > 1 else "one series"
    raise RecordingError(f"{path} holds no series {wanted!r}: it has {count} ({found}); choose one of these.")
