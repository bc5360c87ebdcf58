"""The token of a server: where it comes from on either side."""

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


def settings_folder() -> Path:
    """Folder of the user's settings; it need not exist yet."""
    from platformdirs import user_config_path

    return user_config_path(SERVICE, appauthor=False)


def token_file() -> Path:
    """File in which users may keep the token of their server."""
    return settings_folder() / "token"


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
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SettingsError(f"The token file {path} cannot be read ({reason}); check the path.") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"Other people can read the token file {path}; run chmod 600 on it.")
    if not token or not token.isascii() or not token.isprintable():
        raise SettingsError(f"The token file {path} must hold one line of plain characters.")
    return token


def server_token(file: Path | None) -> tuple[str, bool]:
    """The token that a server requires, and whether it was just made."""
    if file is not None:
        return read_token_file(file), False
    given = os.environ.get(VARIABLE, "").strip()
    return (given, False) if given else (secrets.token_urlsafe(32), True)


def client_token(url: str) -> str:
    """The token for a server: from the environment, the keyring of the system, or the token file.

    Raises
    ------
    SettingsError
        If there is none.
    """
    given = os.environ.get(VARIABLE, "").strip() or _from_keyring(url)
    if given:
        return given
    if token_file().exists():
        return read_token_file(token_file())
    raise SettingsError(
        f"There is no token for {url}: type the one that the server printed in the panel Model of napari, set "
        f"{VARIABLE} to it, or write it to {token_file()}."
    )


def keep_token(url: str, token: str) -> str:
    """Store the token of a server in the system's keyring or, if there is none, in the token file.

    Returns
    -------
    str
        Where it is stored, to follow "in" in a sentence.

    Raises
    ------
    SettingsError
        If the token is invalid, or the file cannot be written.
    """
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError("A token is one word of plain characters; copy the one that the server printed.")
    try:
        import keyring

        keyring.set_password(SERVICE, url, token)
        kept = keyring.get_password(SERVICE, url) == token
    except Exception:
        # A keyring raises its own errors if it has no service, as on a cluster node.
        kept = False
    return "the keyring of this computer" if kept else _write_token_file(token)


def _write_token_file(token: str) -> str:
    path = token_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise SettingsError(f"The token cannot be written to {path}: {error.strerror or error}.") from error
    return str(path)


def _from_keyring(url: str) -> str | None:
    try:
        import keyring

        return keyring.get_password(SERVICE, url)
    except Exception:
        return None
