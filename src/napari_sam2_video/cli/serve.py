"""``napari-sam2-video serve``: run the tracker for other machines."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from napari_sam2_video.cli.show import say

_LIMITS = "Limits"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 takes all of them.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 7860,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token; NAPARI_SAM2_VIDEO_TOKEN, or a new one, if not given.")
    ] = None,
    certificate: Annotated[Path | None, typer.Option(help="TLS certificate, a PEM file; needs --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="Key of the certificate, a PEM file.")] = None,
    device: Annotated[str, typer.Option(help="Device of the networks: auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    sessions: Annotated[int, typer.Option(help="Most clients at a time.", min=1, rich_help_panel=_LIMITS)] = 8,
    memory_mb: Annotated[
        int, typer.Option(help="Most memory for image embeddings, over all clients.", min=0, rich_help_panel=_LIMITS)
    ] = 4096,
    idle_minutes: Annotated[
        float,
        typer.Option(help="Forget a client that was silent for so long.", min=0.01, rich_help_panel=_LIMITS),
    ] = 30.0,
    frame_megapixels: Annotated[
        float, typer.Option(help="Largest frame that is taken.", min=0.01, rich_help_panel=_LIMITS)
    ] = 64.0,
) -> None:
    """Run the tracker for sessions on other machines.

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
