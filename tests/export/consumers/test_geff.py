"""TrackMate exports opened by geff."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import family

if TYPE_CHECKING:
    from pathlib import Path


def test_geff_reads_the_family_of_a_trackmate_file(tmp_path: Path) -> None:
    geff, convert = pytest.importorskip("geff"), pytest.importorskip("geff.convert")
    result = family()
    path = export(result, tmp_path / "a.xml").path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        convert.from_trackmate_xml_to_geff(path, tmp_path / "a.geff")
        graph = geff.read(tmp_path / "a.geff", backend="networkx")[0]
    nodes = dict(graph.nodes(data=True))
    assert len(nodes) == 5 + 4 + 5
    assert {node["TRACK_ID"] for node in nodes.values()} == {0}
    (splitting,) = [node for node in nodes if graph.out_degree(node) == 2]
    assert (nodes[splitting]["FRAME"], nodes[splitting]["name"]) == (4, "mother <&>")
    gaps = [(a, b) for a, b in graph.edges if nodes[b]["FRAME"] - nodes[a]["FRAME"] == 2]
    assert [nodes[a]["name"] for a, _ in gaps] == ["one"]
    for node in nodes.values():
        assert node["POSITION_T"] == node["FRAME"] * 2.0
        corners = np.array(node["ROI_coords"])
        x, y = corners.T
        enclosed = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
        assert enclosed == pytest.approx(node["AREA"])
    first = nodes[min(nodes)]
    assert (first["POSITION_X"], first["POSITION_Y"]) == pytest.approx((5.5 * 0.5, 24.5 * 0.25))
