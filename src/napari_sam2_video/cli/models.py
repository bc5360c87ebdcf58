"""``napari-sam2-video models``: the catalogue, and how to download and verify a model."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_sam2_video.cli.show import bytes_bar, note, say

app = typer.Typer(help="List, download and verify the networks.", no_args_is_help=True, rich_markup_mode="markdown")


@app.command("list")
def list_models() -> None:
    """List the models, and show which are on this computer."""
    from napari_sam2_video.models.catalogue import CATALOGUE, is_downloaded
    from napari_sam2_video.models.folder import model_folder
    from napari_sam2_video.models.text_detectors import TEXT_DETECTORS

    for entry in CATALOGUE.values():
        size = f"{entry.size / 1e6:8.1f} MB" if entry.size else "  size unknown"
        state = "in the package" if entry.url is None else "downloaded" if is_downloaded(entry) else "-"
        say(f"{entry.name:20} {entry.title:22} {size:>14}  {entry.image_size:5} px  {entry.licence:12}  {state}")
        if entry.note:
            say(f"{'':20} {entry.note}")
    for text in TEXT_DETECTORS.values():
        state = "downloaded" if text.is_downloaded() else "-"
        say(f"{text.name:20} {text.title:22} {'size unknown':>14}  {'':8}  {text.licence:12}  {state}")
        say(f"{'':20} {text.note}")
    say(f"Downloads go to {model_folder()}")


@app.command()
def download(name: Annotated[str, typer.Argument(help="Name in the catalogue.", metavar="NAME")]) -> None:
    """Download a model; an interrupted download is continued.

    Example:

    napari-sam2-video models download tiny
    """
    from napari_sam2_video.models.catalogue import find_entry
    from napari_sam2_video.models.resolve import resolve_model
    from napari_sam2_video.models.text_detectors import TEXT_DETECTORS, fetch_text_detector

    if name in TEXT_DETECTORS:
        with bytes_bar(f"Downloading {TEXT_DETECTORS[name].title}") as progress:
            say(str(fetch_text_detector(name, progress=progress)))
        return
    entry = find_entry(name)
    if entry.url is None:
        note(f"The model {name} is part of the package; there is nothing to download.")
    with bytes_bar(f"Downloading {entry.title}") as progress:
        file = resolve_model(name, download=True, progress=progress)
    say(f"{file.path}  SHA-256 {file.sha256}")


@app.command()
def verify(name: Annotated[str, typer.Argument(help="Name in the catalogue.", metavar="NAME")]) -> None:
    """Compare the SHA-256 of a downloaded model with the published one."""
    from napari_sam2_video.models.resolve import verify as check

    file = check(name)
    say(f"{file.path}  SHA-256 {file.sha256}  {'as published' if file.known else 'as first downloaded'}")
