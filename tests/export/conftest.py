from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.export.made import CASES, make_result

if TYPE_CHECKING:
    from napari_sam2_video.results import TrackingResult


@pytest.fixture
def result() -> TrackingResult:
    return make_result()


@pytest.fixture(params=CASES)
def any_result(request: pytest.FixtureRequest) -> TrackingResult:
    return make_result(request.param)
