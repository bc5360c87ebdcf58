"""The page of formats is the one that the registry gives."""

from __future__ import annotations

import runpy
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "write_formats_doc.py"


def test_page_of_formats_is_current() -> None:
    tool = runpy.run_path(str(TOOL))
    assert tool["TARGET"].read_text(encoding="utf-8") == tool["render"](), "run tools/write_formats_doc.py"
