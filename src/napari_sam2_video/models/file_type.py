"""Recognize files that should be checkpoints but are not, by their first bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HEAD_BYTES = 512
_LFS = b"version https://git-lfs"
_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml")


def read_head(path: Path) -> bytes:
    """Up to the first `HEAD_BYTES` bytes of a file."""
    with path.open("rb") as handle:
        return handle.read(HEAD_BYTES)


def not_a_checkpoint(head: bytes) -> str | None:
    """Name the kind of file if it is a common impostor, else None.

    Parameters
    ----------
    head : bytes
        The first bytes of the file, about `HEAD_BYTES` of them.

    Returns
    -------
    str or None
        The end of a sentence that begins with "The file is", such as ``"a web page (HTML)"``.
    """
    other = is_page_or_pointer(head)
    if other is not None:
        return other
    if head[8:9] == b"{" and b'"dtype"' in head:
        return "a safetensors file, which is a different format"
    return None


def is_page_or_pointer(head: bytes) -> str | None:
    """The same for files of any format: detects empty files, web pages and Git LFS pointers."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "empty"
    if start.startswith(_PAGE):
        return "a web page (HTML)"
    if start.startswith(_LFS):
        return "a Git LFS pointer, not the file itself"
    return None
