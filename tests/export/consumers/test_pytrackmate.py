"""TrackMate exports opened by pytrackmate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_sam2_video.export.registry import export
from tests.export.made import family

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.filterwarnings("ignore")
def test_pytrackmate_finds_every_spot_and_the_track_that_holds_them(tmp_path: Path) -> None:
    pytrackmate = pytest.importorskip("pytrackmate")
    path = export(family(), tmp_path / "a.xml").path
    spots = pytrackmate.trackmate_peak_import(path, get_tracks=True)
    assert len(spots) == 5 + 4 + 5
    assert spots["t"].tolist() == (spots["t_stamp"] * 2.0).tolist()
    assert (spots["x"][0], spots["y"][0]) == pytest.approx((5.5 * 0.5, 24.5 * 0.25))
    assert set(spots["label"]) == {0}
