"""TrackMate exports opened by pycellin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import family

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.filterwarnings("ignore")
def test_pycellin_finds_one_lineage_with_its_division_and_places(tmp_path: Path) -> None:
    pycellin = pytest.importorskip("pycellin")
    model = pycellin.load_TrackMate_XML(str(export(family(), tmp_path / "a.xml").path))
    (lineage,) = model.data.cell_data.values()
    assert lineage.number_of_nodes() == 5 + 4 + 5
    (dividing,) = lineage.get_divisions()
    cell = lineage.nodes[dividing]
    assert (cell["timepoint"], cell["cell_name"], cell["POSITION_T"]) == (4, "mother <&>", 8.0)
    first = lineage.nodes[lineage.get_root()]
    assert (first["cell_x"], first["cell_y"]) == pytest.approx((5.5 * 0.5, 24.5 * 0.25))
    assert first["AREA"] == pytest.approx(10 * 12 * 0.25 * 0.5)
