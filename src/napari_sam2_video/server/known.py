"""Servers chosen on this computer: a session from elsewhere must not send frames and tokens to any other."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from napari_sam2_video.errors import EngineError
from napari_sam2_video.server import token
from napari_sam2_video.storage.atomic import replace_file

_MOST = 8


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, possibly the end of a tunnel."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def is_readable_by_others(url: str) -> bool:
    """Whether data for an address leave this machine without encryption."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname)


def known_servers() -> tuple[str, ...]:
    """Addresses of the servers chosen on this computer, the latest first."""
    try:
        return tuple((token.settings_folder() / "servers").read_text(encoding="utf-8").split())
    except (OSError, UnicodeDecodeError):
        return ()


def remember_server(url: str) -> None:
    """Put an address first among the known ones; ignored if the settings cannot be written."""
    known = known_servers()
    if known[:1] == (url,):
        return
    lines = [url, *(other for other in known if other != url)][:_MOST]
    try:
        token.settings_folder().mkdir(parents=True, exist_ok=True)
        replace_file(token.settings_folder() / "servers", "\n".join(lines).encode())
    except OSError:
        return


def is_known(url: str) -> bool:
    """Whether a server was chosen on this computer; this machine, including the end of a tunnel, is always known."""
    return is_loopback(urlsplit(url).hostname) or url in known_servers()


def check_known(url: str) -> None:
    """Refuse a server that was never chosen on this computer.

    Raises
    ------
    EngineError
        If it was not.
    """
    if not is_known(url):
        raise EngineError(
            f"The session names the server {url}, which was never chosen on this computer: choose it as the device, if "
            "you trust it with this recording, or choose another device."
        )
