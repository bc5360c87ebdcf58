"""The report of a batch, kept up to date on disk."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Literal

from napari_sam2_video.batch.table import BatchError
from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage.atomic import replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Status = Literal["waiting", "done", "failed", "stopped"]


@dataclass(frozen=True)
class ItemResult:
    """Outcome of one item.

    Parameters
    ----------
    name, recording, out : str
        From the table.
    status : {"waiting", "done", "failed", "stopped"}
        ``"waiting"`` until it ends.
    sentence : str
        What went wrong and what to do, or notes about the result.
    objects, frames : int
        Number of objects in the session, and of frames in the range.
    seconds : float
        Time the last attempt took.
    attempts : int
        Number of workers started for it.
    """

    name: str
    recording: str
    out: str
    status: Status = "waiting"
    sentence: str = ""
    objects: int = 0
    frames: int = 0
    seconds: float = 0.0
    attempts: int = 0


_COLUMNS = tuple(field.name for field in fields(ItemResult))


@dataclass(frozen=True)
class BatchReport:
    """Outcome of a batch.

    Parameters
    ----------
    results : tuple of ItemResult
        In the order of the table.
    """

    results: tuple[ItemResult, ...]

    @property
    def ok(self) -> bool:
        """True if every item is done."""
        return all(result.status == "done" for result in self.results)

    @property
    def failed(self) -> tuple[ItemResult, ...]:
        """The items that are not done."""
        return tuple(result for result in self.results if result.status != "done")


def check_report(path: Path) -> None:
    """Refuse to replace a file that is not a report.

    Raises
    ------
    BatchError
        If there is one.
    """
    if path.is_file() and not _is_report(path):
        raise BatchError(f"{path} exists and is not a report; name another file with --report.")


def _is_report(path: Path) -> bool:
    try:
        if path.suffix.lower() != ".json":
            # A spreadsheet may have saved it with other delimiters or quotes.
            with path.open(encoding="utf-8", errors="replace") as file:
                head = file.readline(1000)
            return not head or all(name in head for name in _COLUMNS)
        rows = json.loads(path.read_text(encoding="utf-8") or "[]")
        return isinstance(rows, list) and all(isinstance(row, dict) and "status" in row for row in rows)
    except (OSError, ValueError, RecursionError):
        return False


def write_report(path: Path, results: Sequence[ItemResult]) -> None:
    """Write a report as JSON or CSV, by the suffix of the file; replaces an older one atomically.

    Raises
    ------
    BatchError
        If it cannot be written.
    """
    if path.suffix.lower() == ".json":
        text = json.dumps([asdict(result) for result in results], indent=1, ensure_ascii=False)
    else:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, _COLUMNS)
        writer.writeheader()
        writer.writerows(asdict(result) for result in results)
        text = buffer.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A message may quote a file name that is not valid Unicode.
        replace_file(path, text.encode("utf-8", "backslashreplace"))
    except (OSError, StoreError) as error:
        raise BatchError(f"The report cannot be written ({error}); name another with --report.") from error
