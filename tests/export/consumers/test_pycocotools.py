"""COCO exports opened by pycocotools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.test_matrix import overlapping

if TYPE_CHECKING:
    from pathlib import Path


def test_pycocotools_gives_overlapping_objects_whole(tmp_path: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    result = overlapping()
    coco = coco_module.COCO(export(result, tmp_path / "a.json").path)
    areas = {(row["track_id"], row["image_id"]): int(coco.annToMask(row).sum()) for row in coco.anns.values()}
    assert areas == {(i, frame + 1): 900 for i in (1, 2) for frame in range(3)}
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["cell"]
