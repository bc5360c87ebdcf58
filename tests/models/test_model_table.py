from __future__ import annotations

from tools.write_model_table import PAGE, render


def test_the_table_in_the_documentation_is_the_catalogue():
    page = PAGE.read_text(encoding="utf-8")
    assert render(page) == page, "run: python tools/write_model_table.py"
