"""``napari-sam2-video serve``: run the tracker for other machines."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from napari_sam2_video.cli.show import say

_LIMITS = "Limits"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 for any free port.", min=0, max=65535)] = 7860,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; if not given, NAPARI_SAM2_VIDEO_TOKEN or a new token.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate, a PEM file; needs --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key of the certificate, a PEM file.")] = None,
    device: Annotated[str, typer.Option(help="Device to run on: auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    sessions: Annotated[int, typer.Option(help="Maximum number of clients.", min=1, rich_help_panel=_LIMITS)] = 8,
    memory_mb: Annotated[
        int, typer.Option(help="Memory limit for the image embeddings of all clients.", min=0, rich_help_panel=_LIMITS)
    ] = 4096,
    idle_minutes: Annotated[
        float,
        typer.Option(help="Forget a client that has been silent for this long.", min=0.01, rich_help_panel=_LIMITS),
    ] = 30.0,
    frame_megapixels: Annotated[
        float, typer.Option(help="Largest frame accepted.", min=0.01, rich_help_panel=_LIMITS)
    ] = 64.0,
) -> None:
    """Run the model for sessions on other machines.

    On the other machine, set NAPARI_SAM2_VIDEO_TOKEN and track with --device http://HOST:PORT.
    """
    from napari_sam2_video.server.leases import Limits
    from napari_sam2_video.server.serve import ServerSettings
    from napari_sam2_video.server.serve import serve as run

    limits = Limits(
        sessions=sessions,
        frame_pixels=int(frame_megapixels * 1e6),
        memory_bytes=memory_mb << 20,
        idle_seconds=idle_minutes * 60,
    )
    run(ServerSettings(host, port, token_file, certificate, key, device, limits), say)
