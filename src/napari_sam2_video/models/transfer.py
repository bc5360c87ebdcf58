"""One HTTP request that adds to a partial file."""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from napari_sam2_video import __version__
from napari_sam2_video.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.models.partial_file import Partial

_BLOCK = 1 << 18
_RANGE_NOT_SATISFIABLE = 416


class Interrupted(DownloadError):
    """The connection failed or ended early; the download can be resumed."""


class Refused(DownloadError):
    """What the server sends is not the file asked for."""


class Cancelled(DownloadError):
    """The transfer was cancelled."""


def fetch_into(
    part: Partial,
    *,
    size: int | None,
    progress: Callable[[int, int | None], None] | None,
    cancel: Callable[[], bool] | None,
    timeout: float,
) -> None:
    """Download the missing rest of a partial file in one request; does nothing if it is complete.

    `size` is that of the whole file in bytes, if published; the other options are those of
    `napari_sam2_video.models.download.download`.

    Raises
    ------
    Interrupted, Refused, Cancelled
        See these classes.
    OSError
        If the disk fails, and only then.
    """
    offset, validator = part.resume()
    if size is not None and offset == size:
        return
    if size is not None and offset > size:
        part.delete()
        offset, validator = 0, None
    with _open(part, offset, validator, timeout) as response:
        offset, total = _where_it_starts(part, response, offset)
        if "text/html" in response.headers.get("Content-Type", ""):
            raise Refused("a web page (HTML)")
        if size is not None and total is not None and total != size:
            raise Refused(f"a file of {total} bytes instead of {size}")
        total = total if size is None else size
        with part.open(offset, _validator(response)) as handle:
            while True:
                if cancel is not None and cancel():
                    raise Cancelled
                block = _read(response)
                if not block:
                    break
                handle.write(block)
                offset += len(block)
                if size is not None and offset > size:
                    raise Refused(f"more than the {size} bytes of the published file")
                if progress is not None:
                    progress(offset, total)
    if total is not None and offset < total:
        raise Interrupted("the connection ended early")


def _open(part: Partial, offset: int, validator: str | None, timeout: float) -> Any:
    headers = {"User-Agent": f"napari-sam2-video/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if validator:
            headers["If-Range"] = validator
    request = urllib.request.Request(part.url, headers=headers)
    try:
        return urllib.request.build_opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE:
            part.delete()
        raise Interrupted(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise Interrupted(_plain(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Interrupted(_plain(error)) from error


def _where_it_starts(part: Partial, response: Any, asked: int) -> tuple[int, int | None]:
    """Offset of the first byte of the response, and the total size if the server states it."""
    if response.status == http.client.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip())
        if found is None or int(found[1]) != asked:
            part.delete()
            raise Interrupted("the server resumed at the wrong position")
        return asked, None if found[2] == "*" else int(found[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _validator(response: Any) -> str | None:
    """Strong entity tag or date of the published file; a weak tag is of no use in ``If-Range`` (RFC 9110, 13.1.5)."""
    tag: str = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    date: str | None = response.headers.get("Last-Modified")
    return date


def _read(response: Any) -> bytes:
    try:
        block: bytes = response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(_plain(error)) from error
    return block


def _plain(reason: object) -> str:
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return "no answer in time" if isinstance(reason, TimeoutError) else str(text)
