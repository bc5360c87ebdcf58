"""The routes of the server."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse

from napari_sam2_video import __version__
from napari_sam2_video.engine.plan import Plan
from napari_sam2_video.errors import Sam2VideoError
from napari_sam2_video.masks.codec import decode_masks
from napari_sam2_video.server import calls, segmenting, wire
from napari_sam2_video.server.leases import Lease, Leases, models_here
from napari_sam2_video.server.served_frames import ServedFrames
from napari_sam2_video.types import ModelSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from napari_sam2_video.engine.tracker import Tracker

logger = logging.getLogger(__name__)
_JSON_BYTES = 32 << 20
_ENTRY_BYTES = 64 << 20
_MASK_PIXELS = 256 << 20


def make_app(leases: Leases, token: str) -> FastAPI:
    """The application.

    Parameters
    ----------
    leases : Leases
        The clients' trackers.
    token : str
        Required as ``Authorization: Bearer`` by every request except ``/health``.
    """
    app = FastAPI(title="napari-sam2-video", version=__version__, lifespan=_lifespan, openapi_url=None)
    app.state.leases = leases
    app.state.token = token
    app.add_exception_handler(Sam2VideoError, _refused)
    app.get("/health")(health)
    app.include_router(router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    leases: Leases = app.state.leases

    async def sweep() -> None:
        while True:
            await asyncio.sleep(max(0.1, min(60.0, leases.limits.idle_seconds / 4)))
            await run_in_threadpool(leases.expire)

    sweeping = asyncio.create_task(sweep())
    yield
    sweeping.cancel()
    await run_in_threadpool(leases.close_all)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": wire.error_to_json(error)}, 422)


async def _allowed(request: Request, authorization: Annotated[str | None, Header()] = None) -> None:
    given = (authorization or "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, f"Bearer {request.app.state.token}".encode()):
        raise HTTPException(401, "The token is missing or wrong.", {"WWW-Authenticate": "Bearer"})


async def _held(request: Request, lease: str) -> Lease:
    leases: Leases = request.app.state.leases
    found = leases.find(lease)
    if found is None:
        raise HTTPException(404, "This tracker no longer exists; open another one.")
    return found


Held = Annotated[Lease, Depends(_held)]
router = APIRouter(dependencies=[Depends(_allowed)])


def health() -> dict[str, str]:
    """Confirm that the server runs; needs no token."""
    return {"status": "ok"}


@router.get("/version")
def version(request: Request) -> dict[str, Any]:
    """Version, device and models of the server."""
    leases: Leases = request.app.state.leases
    return {
        "version": __version__,
        "protocol": wire.PROTOCOL,
        "sessions": len(leases),
        "most_sessions": leases.limits.sessions,
        "device": leases.chosen_device(),
        "models": models_here(),
    }


@router.post("/trackers")
async def open_tracker(request: Request) -> dict[str, Any]:
    """Open a tracker for a client."""
    leases: Leases = request.app.state.leases
    value = await _json(request)
    with _sent():
        if int(value["protocol"]) != wire.PROTOCOL:
            raise HTTPException(409, f"The server runs napari-sam2-video {__version__}; use the same version.")
        settings = ModelSettings.from_json(value["settings"])
        n_frames = int(value["n_frames"])
        height, width = (int(n) for n in value["shape_yx"])
        if min(n_frames, height, width) < 1:
            raise ValueError("an invalid recording")
        key, is_volume = str(value["key"]), value.get("is_volume") is True
    if height * width > leases.limits.frame_pixels:
        raise HTTPException(413, f"Frames of {height} × {width} pixels are larger than this server accepts.")
    frames = ServedFrames(n_frames, (height, width), key, leases.limits.frame_seconds, is_volume=is_volume)
    lease = await run_in_threadpool(leases.open, settings, frames)
    lease.same_machine = value.get("machine") == wire.machine()
    model = lease.tracker.model
    logger.info(
        "client %s: %s on %s, %d frames of %d x %d", lease.id[:6], model.name, model.device, n_frames, height, width
    )
    facts = {name: getattr(model, name) for name in wire.MODEL_FIELDS}
    return {"id": lease.id, "notes": list(lease.tracker.notes), "model": facts, "machine": wire.machine()}


@router.get("/trackers/{lease}/alive")
def alive(held: Held) -> dict[str, str]:
    """Confirm that the server still holds a tracker."""
    return {"id": held.id}


@router.delete("/trackers/{lease}")
def close_tracker(request: Request, held: Held) -> None:
    """Release a client's tracker."""
    leases: Leases = request.app.state.leases
    leases.close(held.id)


@router.post("/trackers/{lease}/scratch")
def open_scratch(held: Held) -> None:
    """Make a tracker with an empty memory, beside that of the client."""
    held.scratch = held.tracker.scratch()


@router.post("/trackers/{lease}/stop")
def stop(held: Held) -> None:
    """Stop the current call."""
    held.stop.set()


@router.put("/trackers/{lease}/frames/{frame}")
async def put_frame(held: Held, frame: int, request: Request) -> None:
    """Receive a frame, or the reason why it cannot be read as plain text."""
    if not 0 <= frame < held.frames.n_frames:
        raise HTTPException(422, f"There is no frame {frame}.")
    kind = request.headers.get("content-type", "")
    data = await _body(request, 4 * held.frames.shape_yx[0] * held.frames.shape_yx[1] + 4096)
    if kind == "text/plain":
        held.frames.put(frame, data.decode("utf-8", "replace")[:1000])
        return
    with _sent():
        pixels = await run_in_threadpool(wire.decode_frame, kind, data, held.frames.shape_yx)
    held.frames.put(frame, pixels)


@router.put("/trackers/{lease}/neighbours/{frame}")
async def put_neighbours(held: Held, frame: int, request: Request) -> None:
    """Take the masks that a client stores of a frame."""
    if not 0 <= frame < held.frames.n_frames:
        raise HTTPException(422, f"There is no frame {frame}.")
    data = await _body(request, _ENTRY_BYTES)
    with _sent():
        masks = await run_in_threadpool(decode_masks, data, held.frames.shape_yx, most_pixels=_MASK_PIXELS)
    held.neighbours.put(frame, masks.objects)


@router.post("/trackers/{lease}/preview")
async def preview(held: Held, request: Request) -> StreamingResponse:
    """Show what prompts select."""
    tracker, asked, _ = await _prompts(held, request)
    return _stream(held, calls.preview(tracker, asked, held))


@router.post("/trackers/{lease}/condition")
async def condition(held: Held, request: Request) -> StreamingResponse:
    """Make prompts part of an object's memory."""
    tracker, asked, is_scratch = await _prompts(held, request)
    return _stream(held, calls.condition(tracker, asked, held, entry=not is_scratch))


@router.post("/trackers/{lease}/costs")
async def costs(held: Held, request: Request) -> StreamingResponse:
    """Measure the cost of a frame with the first prompts of each object."""
    value = await _json(request)
    with _sent():
        asked = [calls.Prompted(one, held.frames.n_frames, held.frames.shape_yx) for one in value["objects"]]
        if not asked or not all(one.prompts for one in asked):
            raise ValueError("an object without prompts")
    return _stream(held, calls.costs(held.tracker, asked, held))


@router.post("/trackers/{lease}/segment")
async def segment(held: Held, request: Request) -> StreamingResponse:
    """Return features of a frame, or masks from many clicks or boxes."""
    value = await _json(request)
    with _sent():
        wanted = segmenting.Wanted.from_json(value, held.frames.n_frames, held.frames.shape_yx)
    return _stream(held, segmenting.answered(held.tracker, wanted))


@router.post("/trackers/{lease}/run")
async def run(held: Held, request: Request) -> StreamingResponse:
    """Track the frames of a plan."""
    value = await _json(request)
    with _sent():
        plan = Plan.from_json(value["plan"])
        if plan.n_frames != held.frames.n_frames:
            raise ValueError("a plan for another recording")
        tracker, _ = _tracker(held, value)
        beside = calls.beside_from(value)
    return _stream(held, calls.run(tracker, plan, held, beside))


@router.put("/trackers/{lease}/memory/{object_id}/{frame}")
async def put_memory(held: Held, object_id: int, frame: int, request: Request) -> None:
    """Receive an object's memory of a prompted frame that a client kept from another tracker."""
    data = await _body(request, _ENTRY_BYTES)
    if object_id < 1 or not 0 <= frame < held.frames.n_frames:
        raise HTTPException(422, "There is no such object or frame.")
    if not await run_in_threadpool(held.tracker.memory.take_entry, object_id, frame, data):
        raise HTTPException(422, "This is not the memory of an object.")


@router.delete("/trackers/{lease}/memory/{object_id}/{frame}")
def forget_entry(held: Held, object_id: int, frame: int) -> None:
    """Drop the memory of a prompted frame."""
    held.tracker.memory.forget_entry(object_id, frame)


@router.delete("/trackers/{lease}/trails/{object_id}")
def forget_trails(held: Held, object_id: int) -> None:
    """Drop the trails that a pass could be resumed from."""
    held.tracker.memory.forget_trails(object_id)


@contextmanager
def _sent() -> Iterator[None]:
    """Answer 422 if a client sent an invalid request."""
    try:
        yield
    except Sam2VideoError as error:
        raise HTTPException(422, wire.error_to_json(error)) from error
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        raise HTTPException(422, f"The server does not know this request ({error}).") from error


def _tracker(held: Lease, value: Any) -> tuple[Tracker, bool]:
    if not value.get("scratch"):
        return held.tracker, False
    if held.scratch is None:
        raise ValueError("no scratch tracker was requested")
    return held.scratch, True


async def _prompts(held: Lease, request: Request) -> tuple[Tracker, calls.Prompted, bool]:
    value = await _json(request)
    with _sent():
        tracker, is_scratch = _tracker(held, value)
        asked = calls.Prompted(value, held.frames.n_frames, held.frames.shape_yx)
    return tracker, asked, is_scratch


def _stream(held: Lease, work: calls.Work) -> StreamingResponse:
    return StreamingResponse(calls.answer(held, work), media_type=wire.RAW)


async def _json(request: Request) -> Any:
    data = await _body(request, _JSON_BYTES)
    with _sent():
        value = json.loads(data)
        if not isinstance(value, dict):
            raise TypeError("it is not a JSON object")
    return value


async def _body(request: Request, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > limit:
            raise HTTPException(413, f"The request is larger than the {limit} bytes that the server accepts.")
    return bytes(data)
