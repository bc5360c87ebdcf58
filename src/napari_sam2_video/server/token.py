"""The token that a server asks for: where it comes from on either side."""

from __future__ import annotations

import os
import secrets
import stat
from typing import TYPE_CHECKING

from napari_sam2_video.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE = "NAPARI_SAM2_VIDEO_TOKEN"
SERVICE = "napari-sam2-video"


def token_file() -> Path:
    """File in which a person may keep the token of their server."""
    from platformdirs import user_config_path

    return user_config_path(SERVICE, appauthor=False) / "token"


def read_token_file(path: Path) -> str:
    """The token in a file.

    Raises
    ------
    SettingsError
        If it cannot be read, is empty, or other people can read it.
    """
    try:
        mode = path.stat().st_mode
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The token file {path} cannot be read: {error}.") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"Other people can read the token file {path}; run chmod 600 on it.")
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError(f"The token file {path} must hold one line of plain characters.")
    return token


def server_token(file: Path | None) -> tuple[str, bool]:
    """The token that a server asks for, and whether it was made just now."""
    if file is not None:
        return read_token_file(file), False
    given = os.environ.get(VARIABLE, "").strip()
    return (given, False) if given else (secrets.token_urlsafe(32), True)


def client_token(url: str) -> str:
    """The token for a server: from the environment, the token file, or the keyring of the system.

    Raises
    ------
    SettingsError
        If there is none.
    """
    given = os.environ.get(VARIABLE, "").strip()
    if given:
        return given
    if token_file().exists():
        return read_token_file(token_file())
    kept = _from_keyring(url)
    if kept:
        return kept
    raise SettingsError(
        f"There is no token for {url}: set {VARIABLE} to the one that the server printed, or write it to "
        f"{token_file()}."
    )


def keep_token(url: str, token: str) -> bool:
    """Keep a token in the keyring of the system; whether there is one."""
    try:
        import keyring

        keyring.set_password(SERVICE, url, token)
    except Exception:
        # A keyring raises errors of its own where there is no service for it, as on a cluster node.
        return False
    return True


def _from_keyring(url: str) -> str | None:
    try:
        import keyring

        return keyring.get_password(SERVICE, url)
    except Exception:
        return None
