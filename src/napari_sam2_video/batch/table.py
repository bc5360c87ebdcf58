"""Read a table of recordings into items to work on."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.errors import Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class BatchError(Sam2VideoError):
    """A batch cannot start: its table is wrong, or results cannot be written."""


@dataclass(frozen=True)
class BatchItem:
    """One row of a table: a recording, what to track in it, and where the results go.

    Values are kept as written, except that paths are absolute. They are checked when the item runs, so a wrong cell
    fails one item only.

    Parameters
    ----------
    name : str
        Its name in the report; the recording's file name if the table has none.
    recording, out : str
        The recording, and the session folder to make or continue.
    prompts : str
        JSON file of prompts.
    seeds : str
        ``LABELS.tif@FRAME``: every label of this image becomes an object; ``@all`` or ``@middle`` for a label volume.
    axes, pixel_size, interval, series, axis, at, channel, channels, contrast
    model, device, precision, arithmetic, image_size, window, direction, range, planes : str
        As the options of ``napari-sam2-video track`` with the same names; empty for their defaults.
    find, every, accept, smallest_area : str
        As the options of ``napari-sam2-video track``: the detector for more objects, the step between frames, the
        lowest score to accept, and the smallest area of found objects and labels of `seeds`.
    export : str
        Files to write, separated by ``;``; the format follows from the suffix.
    overwrite : str
        ``yes`` to replace existing files of `export`; by default they are left alone.
    """

    name: str
    recording: str
    out: str
    prompts: str = ""
    seeds: str = ""
    axes: str = ""
    pixel_size: str = ""
    interval: str = ""
    series: str = ""
    axis: str = ""
    at: str = ""
    channel: str = ""
    channels: str = ""
    contrast: str = ""
    model: str = ""
    device: str = ""
    precision: str = ""
    arithmetic: str = ""
    image_size: str = ""
    window: str = ""
    direction: str = ""
    range: str = ""
    planes: str = ""
    find: str = ""
    every: str = ""
    accept: str = ""
    smallest_area: str = ""
    export: str = ""
    overwrite: str = ""

    def to_json(self) -> dict[str, str]:
        """The fields as JSON values."""
        return asdict(self)

    @property
    def exports(self) -> tuple[Path, ...]:
        """Files to write after tracking."""
        return tuple(Path(target) for target in self.export.split(";") if target)


COLUMNS = tuple(field.name for field in fields(BatchItem))
_REQUIRED = ("recording", "out")
_PATHS = ("recording", "out", "prompts", "seeds")


def read_table(path: Path, *, defaults: Mapping[str, str] | None = None) -> tuple[BatchItem, ...]:
    """Read a table of recordings.

    Parameters
    ----------
    path : Path
        A CSV file with a header line, its cells separated by commas, semicolons or tabs, or a JSON file with a list of
        objects; columns are the fields of `BatchItem`,
        ``recording`` and ``out`` are required. Relative paths start at the table's folder.
    defaults : mapping, optional
        Values for empty cells and missing columns.

    Raises
    ------
    BatchError
        If the file cannot be read, has an unknown or repeated column, lacks a required value, sends two recordings to
        the same place, or would overwrite an input.
    """
    rows = _rows(path)
    if not any(any(row.values()) for row in rows):
        raise BatchError(
            f"{path} has no rows; add a row for each recording under a header such as recording,out,prompts."
        )
    items = tuple(
        _item(path, number, row, dict(defaults or {})) for number, row in enumerate(rows, start=1) if any(row.values())
    )
    _check_targets(path, items)
    return items


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BatchError(f"The table {path} cannot be read ({error.strerror}); check the path.") from error
    except UnicodeDecodeError as error:
        raise BatchError(f"The table {path} is not UTF-8 text; save it as CSV in UTF-8 or as JSON.") from error
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BatchError(f"The table {path} is not valid JSON ({error}).") from error
        if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
            raise BatchError(f"The table {path} must be a JSON list with one object for each recording.")
        return [{str(key): _text(value) for key, value in row.items()} for row in content]
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=_delimiter(text))
    try:
        rows = list(reader)
    except csv.Error as error:
        raise BatchError(f"The table {path} is not valid CSV (line {reader.line_num}: {error}).") from error
    if any(None in row for row in rows):
        raise BatchError(f"The table {path} has a row with more cells than its header; quote cells that hold commas.")
    names = [name.strip() for name in reader.fieldnames or ()]
    twice = next((name for name in names if name and names.count(name) > 1), None)
    if twice is not None:
        raise BatchError(f'The table {path} has the column "{twice}" twice; give each column once.')
    cells = [[(key.strip(), (value or "").strip()) for key, value in row.items()] for row in rows]
    return [{key: value for key, value in row if key or value} for row in cells]


def _delimiter(text: str) -> str:
    """Separator of the cells: spreadsheets in some locales write semicolons or tabs."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


def _item(path: Path, number: int, row: Mapping[str, str], defaults: dict[str, str]) -> BatchItem:
    unknown = [column for column in [*row, *defaults] if column not in COLUMNS]
    if unknown:
        raise BatchError(f'{path} has the unknown column "{unknown[0]}"; the columns are: {", ".join(COLUMNS)}.')
    values = defaults | {column: value for column, value in row.items() if value}
    for column, value in values.items():
        if not _is_writable(value):
            raise BatchError(
                f'Row {number} of {path} has a character in "{column}" that is not allowed in paths; correct it.'
            )
    for column in _REQUIRED:
        if not values.get(column):
            raise BatchError(f'Row {number} of {path} has no "{column}"; fill it in.')
    folder = path.resolve().parent
    for column in _PATHS:
        if values.get(column):
            values[column] = _absolute(folder, values[column])
    if values.get("find", "").startswith("labels:"):
        values["find"] = "labels:" + _absolute(folder, values["find"].partition(":")[2].strip(" \"'"))
    if (folder / values.get("model", "")).is_file():
        values["model"] = str(folder / values["model"])
    values["export"] = ";".join(
        _absolute(folder, target.strip()) for target in values.get("export", "").split(";") if target.strip()
    )
    item = BatchItem(**({"name": ""} | values))
    return item if item.name else replace(item, name=Path(item.recording).name)


def _absolute(folder: Path, text: str) -> str:
    path = Path(text)
    # A tilde may also be the first character of an ordinary file name.
    with suppress(RuntimeError):
        path = path.expanduser()
    return str(folder / path)


def _is_writable(value: str) -> bool:
    try:
        return b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _place(path: str | Path) -> Path:
    """A path in a form to compare; on Windows and macOS, case is ignored."""
    place = Path(path).resolve()
    return Path(str(place).casefold()) if sys.platform in ("win32", "darwin") else place


def _check_targets(path: Path, items: Sequence[BatchItem]) -> None:
    taken: dict[str, int] = {}
    read = {_place(path)}
    for item in items:
        labels = item.seeds.rpartition("@")[0]
        found = item.find.partition(":")[2] if item.find.startswith("labels:") else ""
        read.update(_place(source) for source in (item.recording, item.prompts, labels, found) if source)
    kept = read | {folder for source in read for folder in source.parents}
    for number, item in enumerate(items, start=1):
        for target in (item.out, *map(str, item.exports)):
            place = _place(target)
            if place in (read if target == item.out else kept):
                raise BatchError(
                    f"Row {number} of {path} would overwrite {target}, which the batch reads; choose another file."
                )
            other = taken.setdefault(str(place), number)
            if other != number:
                raise BatchError(f"Rows {other} and {number} of {path} both write to {target}; give each its own.")
