"""``napari-sam2-video serve``: run the tracker for other machines."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

from napari_sam2_video.cli import options as shared
from napari_sam2_video.cli.show import say

_LIMITS = "Limits"


def serve(
    host: Annotated[str, shared.option("Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, shared.option("Port to listen on; 0 for any free port.", min=0, max=65535)] = 7860,
    token_file: Annotated[
        Path | None, shared.option("File with the token; if not given, NAPARI_SAM2_VIDEO_TOKEN or a new token.")
    ] = None,
    certificate: Annotated[Path | None, shared.option("TLS certificate, a PEM file; needs --key.")] = None,
    key: Annotated[Path | None, shared.option("Private key of the certificate, a PEM file.")] = None,
    device: Annotated[str, shared.option("Device to run on: auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    sessions: Annotated[int, shared.option("Maximum number of clients.", panel=_LIMITS, min=1)] = 8,
    memory_mb: Annotated[
        int, shared.option("Memory limit for the image embeddings of all clients.", panel=_LIMITS, min=0)
    ] = 4096,
    idle_minutes: Annotated[
        float, shared.option("Forget a client that has been silent for this long.", panel=_LIMITS, min=0.01)
    ] = 30.0,
    frame_megapixels: Annotated[float, shared.option("Largest frame accepted.", panel=_LIMITS, min=0.01)] = 64.0,
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
