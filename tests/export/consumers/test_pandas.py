"""Tables opened by pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import family

if TYPE_CHECKING:
    from pathlib import Path


def test_pandas_reads_the_trackmate_table_with_the_columns_of_trackmate(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.read_csv(export(family(), tmp_path / "a.csv", format="trackmate-csv").path)
    expected = ["LABEL", "ID", "TRACK_ID", "QUALITY", "POSITION_X", "POSITION_Y", "POSITION_Z", "POSITION_T", "FRAME"]
    assert list(table.columns)[:9] == expected
    assert table.groupby("TRACK_ID")["FRAME"].apply(list).to_dict() == {
        1: [0, 1, 2, 3, 4],
        2: [5, 6, 8, 9],
        3: [5, 6, 7, 8, 9],
    }
