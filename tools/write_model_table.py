"""Write the table of models in docs/models.md from the catalogue: python tools/write_model_table.py."""

from __future__ import annotations

from pathlib import Path

from napari_sam2_video.models.catalogue import CATALOGUE, ModelEntry

PAGE = Path(__file__).parent.parent / "docs" / "models.md"
BEGIN = "<!-- the table between these lines is written by tools/write_model_table.py -->"
END = "<!-- end of the table -->"


def row(entry: ModelEntry) -> str:
    size = f"{entry.size / 1e6:.1f} MB" if entry.size else "about 156 MB"
    source = f"[{entry.file_name}]({entry.url})" if entry.url else "in the package"
    digest = f"`{entry.sha256}`" if entry.sha256 else "recorded at the first download"
    if entry.url is None:
        digest = "in the package"
    cells = (f"`{entry.name}`", entry.title, size, f"{entry.image_size} px", entry.licence, entry.note, source, digest)
    return f"| {' | '.join(cells)} |"


def table() -> str:
    head = (
        "| name | model | size | image | licence of the weights | | file | SHA-256 |\n|---|---|---|---|---|---|---|---|"
    )
    return "\n".join([head, *map(row, CATALOGUE.values())])


def render(page: str) -> str:
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"{PAGE}: {len(CATALOGUE)} models")
