"""The client's connection to a server: requests, streams, and their errors as messages for users."""

from __future__ import annotations

import json
import os
import queue
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from napari_sam2_video.errors import EngineError, Sam2VideoError, SettingsError
from napari_sam2_video.server import wire
from napari_sam2_video.server.known import is_loopback
from napari_sam2_video.server.token import client_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import httpx

CERTIFICATE_VARIABLE = "NAPARI_SAM2_VIDEO_CERTIFICATE"
_READ_SECONDS = 60.0
_HELD_RECORDS = 16


class TrackerGoneError(EngineError):
    """The server no longer holds this tracker."""


@dataclass(frozen=True)
class ServerFacts:
    """What a server reports about itself."""

    url: str
    version: str
    device: str
    sessions: int
    most_sessions: int
    models: tuple[str, ...]

    def sentence(self) -> str:
        """The facts as a message."""
        models = ", ".join(self.models) or "no model yet"
        return (
            f"Connected: napari-sam2-video {self.version} on {self.device} with {models}; {self.sessions} of "
            f"{self.most_sessions} places are in use."
        )


class Connection:
    """A server at an address.

    Parameters
    ----------
    url : str
        ``http://HOST:PORT`` or ``https://HOST:PORT``.
    token : str, optional
        Its token; by default from the environment, the token file or the keyring.

    Raises
    ------
    SettingsError
        If the address is invalid, there is no token, or the extra ``server`` is not installed.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        try:
            import httpx
        except ImportError as error:
            raise SettingsError('httpx is not installed; run pip install "napari-sam2-video[server]".') from error
        self.url = check_address(url)
        self._lost = (httpx.HTTPError, OSError)
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token or client_token(self.url)}"},
            verify=_trusted(),
            timeout=httpx.Timeout(_READ_SECONDS, connect=10.0),
            limits=httpx.Limits(max_connections=8),
            trust_env=not is_loopback(urlsplit(self.url).hostname),
        )

    def request(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return the JSON of the response.

        Raises
        ------
        TrackerGoneError
            If the server no longer holds the tracker.
        Sam2VideoError
            The reason why the server refused it, or that it cannot be reached.
        """
        try:
            answer = self._http.request(method, path, **options)
        except self._lost as error:
            raise self._unreachable(error) from error
        self._refuse(answer)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise EngineError(f"{self.url} is not a tracking server; check the address.") from error

    def check(self) -> ServerFacts:
        """Ask the server for its facts, and close the connection.

        Raises
        ------
        EngineError
            If it cannot be reached, rejects the token or has another version.
        """
        try:
            answer = self.request("GET", "/version")
            protocol = answer["protocol"]
            facts = ServerFacts(
                self.url,
                str(answer["version"]),
                str(answer["device"]),
                int(answer["sessions"]),
                int(answer["most_sessions"]),
                tuple(str(name) for name in answer["models"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise EngineError(f"{self.url} is not a tracking server; check the address.") from error
        finally:
            self.close()
        if protocol != wire.PROTOCOL:
            raise EngineError(f"The server at {self.url} runs another version of napari-sam2-video; use the same one.")
        return facts

    def stream(self, path: str, value: Any, on_wanted: Callable[[int, bool], None]) -> RecordStream:
        """Begin a call; its records are read in the background.

        Parameters
        ----------
        path : str
            Route of the call.
        value : JSON-able
            Content of the request.
        on_wanted : callable
            Called in the background with each frame that the server reads, and whether it already has it.
        """
        return RecordStream(self, path, value, on_wanted)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def records(self, path: str, value: Any) -> Iterator[tuple[bytes, bytes]]:
        """Yield the records of a call as they arrive."""
        try:
            with self._http.stream("POST", path, json=value) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    self._refuse(answer)
                yield from wire.unpack(answer.iter_raw())
        except self._lost as error:
            raise self._unreachable(error) from error

    def _refuse(self, answer: httpx.Response) -> None:
        if answer.status_code < 400:
            return
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError, TypeError):
            detail = f"it answered {answer.status_code}; is {self.url} the address of a tracking server?"
        if answer.status_code == 401:
            raise EngineError(f"The server at {self.url} rejected the token; use the one that it printed.")
        if answer.status_code == 404:
            raise TrackerGoneError(f"The server at {self.url}: {detail}")
        if isinstance(detail, dict):
            raise wire.error_from_json(detail)
        raise EngineError(f"The server at {self.url}: {detail}")

    def cut_off(self) -> EngineError:
        """The error for a response that ends early, as when a server shuts down."""
        return EngineError(
            f"The server at {self.url} ended the call; finished frames are kept. Check the server and continue."
        )

    def _unreachable(self, error: Exception) -> EngineError:
        return EngineError(
            f"The server at {self.url} cannot be reached ({error or type(error).__name__}); finished frames are kept: "
            "check that it runs, then continue."
        )


class RecordStream:
    """Records of a call, read in the background so that frames can be sent while the caller works.

    Parameters
    ----------
    connection : Connection
        The server.
    path, value
        The call.
    on_wanted : callable
        Called with each frame that the server reads, and whether it already has it.
    """

    def __init__(self, connection: Connection, path: str, value: Any, on_wanted: Callable[[int, bool], None]) -> None:
        self._records: queue.Queue[tuple[bytes, bytes] | BaseException | None] = queue.Queue(_HELD_RECORDS)
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=self._read, args=(connection, path, value, on_wanted), name="sam2-video-server", daemon=True
        )
        self._thread.start()

    def get(self, seconds: float) -> tuple[bytes, bytes] | None:
        """Next record; None at the end of the stream.

        Raises
        ------
        TimeoutError
            If none arrives in time.
        Sam2VideoError
            The error of the call.
        """
        try:
            found = self._records.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(found, BaseException):
            raise found
        if found is not None and found[0] == wire.FAILED:
            raise wire.error_from_json(json.loads(found[1]))
        return found

    def close(self) -> None:
        """Stop reading."""
        self._closed.set()
        with suppress(queue.Empty):
            while True:
                self._records.get_nowait()

    def _read(self, connection: Connection, path: str, value: Any, on_wanted: Callable[[int, bool], None]) -> None:
        try:
            for kind, payload in connection.records(path, value):
                if self._closed.is_set():
                    return
                if kind in (wire.WANTED, wire.TAKEN):
                    on_wanted(int(payload), kind == wire.TAKEN)
                elif kind != wire.ALIVE:
                    self._put((kind, payload))
            self._put(None)
        except Sam2VideoError as error:
            self._put(error)
        except Exception as error:
            self._put(EngineError(f"The answer of the server cannot be read ({type(error).__name__}: {error})."))

    def _put(self, record: tuple[bytes, bytes] | BaseException | None) -> None:
        while not self._closed.is_set():
            with suppress(queue.Full):
                self._records.put(record, timeout=0.2)
                return


def check_address(url: str) -> str:
    """The address without a path.

    Raises
    ------
    SettingsError
        If it is invalid.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or parts.username or parts.path.strip("/") or parts.query:
        raise SettingsError(f"{url} is not the address of a server; write it as https://HOST:PORT.")
    return f"{parts.scheme}://{parts.netloc}"


def _trusted() -> ssl.SSLContext:
    context = ssl.create_default_context()
    file = os.environ.get(CERTIFICATE_VARIABLE)
    if file:
        try:
            context.load_verify_locations(file)
        except OSError as error:
            raise SettingsError(f"{CERTIFICATE_VARIABLE} names {file}, which is not a certificate: {error}.") from error
    return context
