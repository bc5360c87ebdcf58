"""The protocol of client and server: records of a stream, frames, prompts and masks. Nothing is pickled."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import platform
import struct
import uuid
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam2_video import errors
from napari_sam2_video.errors import EngineError, Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

# A change of the protocol needs a new number; client and server refuse each other if theirs differ.
PROTOCOL = 4
RAW, WEBP, PNG = "application/octet-stream", "image/webp", "image/png"
MASKS, WINDOWS, WANTED, TAKEN, RESULT, ENTRY, FAILED, ALIVE = b"M", b"P", b"W", b"T", b"R", b"E", b"F", b"A"
NEIGHBOURS = b"N"
# What a client is told about the network.
MODEL_FIELDS = ("name", "sha256", "image_size", "device", "precision", "arithmetic", "threads", "key")
_HEAD = struct.Struct(">cI")
_LARGEST_RECORD = 1 << 30
_LARGEST_WEBP = 16383


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """A record of a stream: kind, length and bytes."""
    return _HEAD.pack(kind, len(payload)) + payload


def pack_json(kind: bytes, value: Any) -> bytes:
    """A JSON record."""
    return pack(kind, json.dumps(value, separators=(",", ":")).encode())


def unpack(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Unpack the records of a stream that arrives in pieces of any size.

    Raises
    ------
    EngineError
        If a record claims to be larger than possible, or the stream ends within one.
    """
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(held)
            if length > _LARGEST_RECORD:
                raise EngineError("The answer of the server is damaged; is the address that of a tracking server?")
            end = _HEAD.size + length
            if len(held) < end:
                break
            yield kind, bytes(held[_HEAD.size : end])
            del held[:end]
    if held:
        raise EngineError("The connection to the server was lost in the middle of an answer; try again.")


def encode_frame(frame_yxc: npt.NDArray[np.uint8], *, compress: bool) -> tuple[str, bytes]:
    """Media type and bytes of a losslessly encoded frame.

    Parameters
    ----------
    frame_yxc : ndarray of uint8, shape (Y, X, 3)
        The frame. One channel is sent where all three are equal.
    compress : bool
        False sends it uncompressed, which is faster if both ends are on one machine.
    """
    grey = bool((frame_yxc[..., :1] == frame_yxc[..., 1:]).all())
    plane = np.ascontiguousarray(frame_yxc[..., 0] if grey else frame_yxc)
    if not compress:
        return RAW, plane.tobytes()
    from PIL import Image

    data = io.BytesIO()
    if grey or max(frame_yxc.shape) > _LARGEST_WEBP:
        Image.fromarray(plane).save(data, "png", compress_level=4)
        return PNG, data.getvalue()
    Image.fromarray(plane).save(data, "webp", lossless=True, quality=20, method=0)
    return WEBP, data.getvalue()


def decode_frame(kind: str, data: bytes, shape_yx: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Frame from its bytes, uint8 of shape ``(Y, X, 3)``, or ``(Y, X, 1)`` where all channels are equal.

    Raises
    ------
    ValueError
        If they are not a frame of that shape; larger ones are not decoded.
    """
    count = shape_yx[0] * shape_yx[1]
    if kind == RAW:
        if len(data) not in (count, 3 * count):
            raise ValueError(f"the frame has {len(data)} bytes and must have {count} or {3 * count}")
        plane = np.frombuffer(data, np.uint8).reshape(*shape_yx, -1)
    elif kind in (WEBP, PNG):
        from PIL import Image, UnidentifiedImageError

        try:
            with Image.open(io.BytesIO(data), formats=[kind.removeprefix("image/")]) as image:
                if image.size != shape_yx[::-1] or image.mode not in ("L", "RGB"):
                    raise ValueError(f"the frame is {image.mode} of {image.size} and must be {shape_yx[::-1]}")
                plane = np.asarray(image).reshape(*shape_yx, -1)
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise ValueError(f"the frame cannot be decoded: {error}") from error
    else:
        raise ValueError(f"{kind} is not a known encoding of a frame")
    return plane


def machine() -> str:
    """Anonymous identifier of this machine; equal in all its processes, including containers."""
    try:
        machine_id = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        machine_id = f"{platform.node()} {uuid.getnode()}"
    return hashlib.sha256(machine_id.encode()).hexdigest()[:16]


def tracked_to_text(tracked: npt.NDArray[np.int8] | None) -> str | None:
    """Directions in which the frames of an object were tracked, as text."""
    if tracked is None:
        return None
    return base64.b64encode(zlib.compress(np.ascontiguousarray(tracked, np.int8).tobytes(), 1)).decode()


def tracked_from_text(text: str | None, n_frames: int) -> npt.NDArray[np.int8] | None:
    """Directions from that text; raises ValueError if there is not one for each frame."""
    if text is None:
        return None
    try:
        inflater = zlib.decompressobj()
        data = inflater.decompress(base64.b64decode(text, validate=True), n_frames + 1)
    except zlib.error as error:
        raise ValueError("the directions are damaged") from error
    tracked = np.frombuffer(data, np.int8)
    if tracked.shape != (n_frames,) or not np.isin(tracked, (-1, 0, 1)).all():
        raise ValueError("the directions do not fit the recording")
    return tracked


def error_to_json(error: BaseException) -> dict[str, str]:
    """An error as JSON; only errors of this package include more than their type."""
    if isinstance(error, Sam2VideoError):
        return {"type": type(error).__name__, "text": str(error)}
    return {"type": "EngineError", "text": f"The server failed ({type(error).__name__}); see its log."}


def error_from_json(value: Any) -> Sam2VideoError:
    """The error from that JSON."""
    kind = getattr(errors, str(value.get("type")), EngineError)
    text = str(value.get("text"))
    return kind(text) if isinstance(kind, type) and issubclass(kind, Sam2VideoError) else EngineError(text)
