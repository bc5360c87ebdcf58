"""What the tests of the benchmarks share."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def exact_settings() -> dict[str, Any]:
    """Settings with which our numbers are Meta's."""
    return {}
