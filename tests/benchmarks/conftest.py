"""What the tests of the benchmarks share."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.quality.command import tracking_options


@pytest.fixture
def exact_settings() -> dict[str, Any]:
    """Settings with which our numbers are Meta's."""
    exact = {"window": "off", "memory": "meta"}
    return {name: value for name, value in exact.items() if name in tracking_options()}
