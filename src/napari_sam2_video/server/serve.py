"""Run the server until it is interrupted."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_sam2_video.errors import SettingsError
from napari_sam2_video.server.known import is_loopback
from napari_sam2_video.server.leases import Leases, Limits
from napari_sam2_video.server.token import server_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 7860


@dataclass(frozen=True)
class ServerSettings:
    """Where and how a server listens.

    Parameters
    ----------
    host, port : str, int
        Address to listen on; port 0 picks a free one.
    token_file : Path, optional
        File with the token; by default the token in `NAPARI_SAM2_VIDEO_TOKEN`, else one made at the start.
    certificate, key : Path, optional
        TLS certificate and its key in PEM format; both or neither.
    device : str
        Device of the networks.
    limits : Limits
        What clients may ask for.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    device: str = "auto"
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Refuse invalid settings."""
        if (self.certificate is None) != (self.key is None):
            raise SettingsError("TLS needs both the certificate and its key; give --certificate and --key.")
        for file in (self.certificate, self.key):
            if file is not None and not file.is_file():
                raise SettingsError(f"There is no file {file}; give the certificate and its key as PEM files.")


def serve(settings: ServerSettings, say: Callable[[str], None]) -> None:
    """Listen until the process is interrupted.

    Parameters
    ----------
    settings : ServerSettings
        The settings.
    say : callable
        Prints a line for the person who started the server.

    Raises
    ------
    SettingsError
        If the address is taken, or the extra ``server`` is not installed.
    EngineError
        If the device is not available.
    """
    try:
        import uvicorn

        from napari_sam2_video.server.app import make_app
    except ImportError as error:
        raise SettingsError(f'{error.name} is not installed; run pip install "napari-sam2-video[server]".') from error
    from napari_sam2_video.torch_environment import prepare_torch

    prepare_torch()
    leases = Leases(settings.limits, settings.device)
    if settings.device != "auto":
        leases.chosen_device()
    token, made = server_token(settings.token_file)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    errors = logging.getLogger("uvicorn.error")
    errors.setLevel(logging.WARNING)
    errors.addFilter(is_news)
    config = uvicorn.Config(
        make_app(leases, token),
        settings.host,
        settings.port,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.key,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=1 << 16,
    )
    scheme = "http" if settings.certificate is None else "https"
    listening = listening_socket(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    with listening:
        say(f"Listening on {scheme}://{host}:{port}")
        if made:
            say(f"Token: {token}")
        if settings.certificate is None and not is_loopback(settings.host):
            say("The connection is not encrypted: reach it through an SSH tunnel, or give --certificate and --key.")
        uvicorn.Server(config).run(sockets=[listening])


def is_news(record: logging.LogRecord) -> bool:
    """Whether to print a message: not the traceback of a request that ended because the server was stopped."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


def listening_socket(host: str, port: int) -> socket.socket:
    """Socket that listens on an address.

    Its protocol is given explicitly, because asyncio otherwise delays small responses by 40 ms.

    Raises
    ------
    SettingsError
        If the address is taken, or is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        made = socket.socket(family, kind, protocol or socket.IPPROTO_TCP)
    except OSError as error:
        raise SettingsError(f"{host} is not an address of this machine ({error.strerror or error}).") from error
    try:
        if os.name == "posix":
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        # From now on, early clients wait.
        made.listen(128)
    except OSError as error:
        made.close()
        raise SettingsError(
            f"Port {port} of {host} cannot be used ({error.strerror or error}); stop the program that uses it, or give "
            "another --port."
        ) from error
    return made
