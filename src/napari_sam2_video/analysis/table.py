"""A tidy table: named columns of one length, one row per observation."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
import numpy.typing as npt

from napari_sam2_video.analysis.column_units import units_of
from napari_sam2_video.errors import ExportError
from napari_sam2_video.results import Calibration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of one length with the calibration of the pixels.

    Parameters
    ----------
    columns : mapping of str to ndarray
        One-dimensional arrays of one length, in the order in which they are written.
    calibration : Calibration
        Pixel size, step and units of the measured recording.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    calibration: Calibration = field(default_factory=Calibration)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self.columns)

    def with_columns(self, **columns: npt.NDArray[Any]) -> Table:
        """A table with `columns` added; those with the same name are replaced."""
        return Table({**self.columns, **columns}, self.calibration)

    def where(self, keep: npt.NDArray[np.bool_]) -> Table:
        """The rows where `keep`, a boolean for each row, is True."""
        return Table({name: column[keep] for name, column in self.columns.items()}, self.calibration)

    def rows_of(self, object_id: int) -> npt.NDArray[np.intp]:
        """Row numbers of an object, in the table's order."""
        ids = self.columns["object_id"]
        if not self._ordered:
            return np.flatnonzero(ids == object_id)
        start, stop = np.searchsorted(ids, [object_id, object_id + 1])
        return np.arange(start, stop)

    @cached_property
    def _ordered(self) -> bool:
        """Whether the rows are in the order of the objects, as in most tables."""
        ids = self.columns["object_id"]
        return bool((ids[1:] >= ids[:-1]).all())

    def centroids(self, *, pixels: bool = False) -> npt.NDArray[np.float64]:
        """Centroids along the two axes of the plane, shape ``(n_rows, 2)``, in length units or in pixels."""
        suffix = "_px" if pixels else ""
        names = [f"centroid_{letter.lower()}{suffix}" for letter in self.calibration.plane_axes]
        return np.stack([self.columns[name] for name in names], axis=1)

    def object_ids(self) -> tuple[int, ...]:
        """Ids of the objects in the table, ascending."""
        ids = self.columns["object_id"]
        if self._ordered and len(ids):
            ids = ids[np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))]
        return tuple(np.unique(ids).tolist())

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each row as a dictionary of plain Python values."""
        names = self.names
        for values in zip(*(column.tolist() for column in self.columns.values()), strict=True):
            yield dict(zip(names, values, strict=True))

    def to_csv(self, target: str | Path | TextIO) -> None:
        """Write the table as comma-separated text: UTF-8, a header line, an empty field for a missing number.

        Parameters
        ----------
        target : str, Path or text stream
            File to write, which is replaced if it exists.

        Raises
        ------
        ExportError
            If the file cannot be written.
        """
        if not isinstance(target, str | Path):
            self._write_csv(target)
            return
        try:
            with Path(target).open("w", encoding="utf-8", newline="") as stream:
                self._write_csv(stream)
        except OSError as error:
            raise _cannot_write(target, error) from error

    def _write_csv(self, stream: TextIO) -> None:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.names)
        for values in zip(*(column.tolist() for column in self.columns.values()), strict=True):
            writer.writerow(["" if isinstance(value, float) and math.isnan(value) else value for value in values])

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns with one, such as ``{"area": "µm²", "speed": "µm/s"}``."""
        length, walk = self.calibration.length_unit, self.calibration.walk_unit
        if "length_unit" in self and len(self):
            length = str(self["length_unit"][0])
        return units_of(self.names, length, walk)

    def to_pandas(self) -> Any:
        """The table as a `pandas.DataFrame`, whose ``attrs["units"]`` are `units`.

        Raises
        ------
        ExportError
            If pandas is not installed.
        """
        frame = _library("pandas").DataFrame(dict(self.columns))
        frame.attrs["units"] = self.units
        return frame

    def to_arrow(self) -> Any:
        """The table as a `pyarrow.Table`, with units in the fields' ``metadata[b"unit"]``.

        Raises
        ------
        ExportError
            If pyarrow is not installed.
        """
        arrow = _library("pyarrow")
        units = self.units
        arrays = [arrow.array(column) for column in self.columns.values()]
        fields = [
            arrow.field(name, one.type, metadata={"unit": units[name]} if name in units else None)
            for name, one in zip(self.names, arrays, strict=True)
        ]
        return arrow.Table.from_arrays(arrays, schema=arrow.schema(fields))

    def to_polars(self) -> Any:
        """The table as a `polars.DataFrame`, which has no place for `units`.

        Raises
        ------
        ExportError
            If polars is not installed.
        """
        return _library("polars").DataFrame(dict(self.columns))

    def to_parquet(self, target: str | Path) -> None:
        """Write the table as a Parquet file, with units in the metadata of its fields.

        Parameters
        ----------
        target : str or Path
            File to write, which is replaced if it exists.

        Raises
        ------
        ExportError
            If pyarrow is not installed, or the file cannot be written.
        """
        table, parquet = self.to_arrow(), _library("pyarrow.parquet")
        try:
            parquet.write_table(table, target)
        except OSError as error:
            raise _cannot_write(target, error) from error


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        source = "polars" if package == "polars" else '"napari-sam2-video[export]"'
        raise ExportError(f"This needs {package}; install it with: pip install {source}, or write CSV.") from error


def _cannot_write(target: str | Path, error: OSError) -> ExportError:
    reason = error.strerror or error
    return ExportError(f"The table cannot be written to {target} ({reason}); choose a writable folder with free space.")
