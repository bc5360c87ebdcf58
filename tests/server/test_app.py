"""What the server refuses, and what it lets go of."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
import weakref
from pathlib import Path

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_sam2_video.errors import EngineError, ModelError, SettingsError
from napari_sam2_video.masks.codec import encode_masks
from napari_sam2_video.server import wire
from napari_sam2_video.server.client import open_remote
from napari_sam2_video.server.leases import Leases, Limits, load_named
from napari_sam2_video.server.serve import ServerSettings, is_news, listening_socket, serve
from napari_sam2_video.server.served_frames import ServedFrames
from napari_sam2_video.types import FrameMasks, ModelSettings, ObjectMask, PointPrompt
from tests.server.conftest import TOKEN, Scene

OPEN = {"protocol": wire.PROTOCOL, "settings": {"model": "demo"}, "n_frames": 4, "shape_yx": [60, 72], "key": "k"}


@pytest.fixture
def ask(server):
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        yield client


@pytest.fixture
def opened(ask):
    return ask.post("/trackers", json=OPEN).json()["id"]


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}])
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/version"), ("POST", "/trackers"), ("PUT", "/trackers/x/frames/0")]
)
def test_only_health_is_open_to_all(server, header, method, path):
    assert httpx.get(f"{server.url}/health").json() == {"status": "ok"}
    answer = httpx.request(method, server.url + path, headers=header)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The token is missing or wrong.")
    assert len(server.leases) == 0


def test_port_that_is_taken_is_one_sentence(server):
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(SettingsError, match=rf"Port {port} of 127\.0\.0\.1 cannot be used .*another --port\.$"):
        listening_socket("127.0.0.1", port)


def test_device_that_is_not_there_is_refused_before_the_server_listens():
    said = []
    with pytest.raises(EngineError, match="There is no device 'gpu'"):
        serve(ServerSettings(port=0, device="gpu"), said.append)
    assert said == []


@pytest.mark.parametrize(("error", "printed"), [(asyncio.CancelledError(), False), (ValueError("broken"), True)])
def test_only_a_request_that_the_stop_of_the_server_ended_leaves_no_traceback(error, printed):
    about = (type(error), error, None)
    record = logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", (), about)
    assert is_news(record) == printed


def test_small_answers_are_sent_at_once():
    """asyncio sets TCP_NODELAY only for sockets whose protocol is named."""
    with listening_socket("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_unknown_tracker_is_not_found(ask):
    for method, path in (("POST", "run"), ("POST", "preview"), ("GET", "alive"), ("DELETE", "memory/1/0")):
        assert ask.request(method, f"/trackers/none/{path}", json={}).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"protocol": wire.PROTOCOL + 1}, 409),
        ({"shape_yx": [60]}, 422),
        ({"shape_yx": [0, 72]}, 422),
        ({"n_frames": -1}, 422),
        ({"n_frames": "many"}, 422),
        ({"settings": {"model": 5}}, 422),
        ({"settings": {"mystery": 1}}, 422),
        ({"settings": None}, 422),
        ({"shape_yx": [100_000, 100_000]}, 413),
    ],
)
def test_recording_that_cannot_be_is_refused(ask, server, change, code):
    answer = ask.post("/trackers", json=OPEN | change)
    assert answer.status_code == code
    assert len(server.leases) == 0


def test_path_that_a_client_names_is_never_opened(start, tmp_path, monkeypatch):
    secret = tmp_path / "secret.pt"
    secret.write_bytes(b"PK")
    leases = Leases(Limits(), "cpu")
    with pytest.raises(Exception, match=r"only offers models of the catalogue"):
        leases.open(ModelSettings(str(secret)), ServedFrames(2, (8, 8), "k", 1.0))
    with pytest.raises(Exception, match=r"only offers models of the catalogue"):
        load_named(ModelSettings("../demo"))


@pytest.mark.parametrize("size", [2**63, 100_000, 50])
def test_image_size_that_no_network_has_is_refused(size):
    with pytest.raises(ModelError, match=r"must be a multiple of 32 from 64 to 4096"):
        load_named(ModelSettings("demo", device="cpu", image_size=size))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("application/octet-stream", b"short"),
        ("image/png", b"\x89PNG\r\n\x1a\nnothing"),
        ("image/webp", b"RIFF"),
        ("image/tiff", b"II*\0"),
        ("application/x-python-pickle", b"cos\nsystem\n(S'true'\ntR."),
    ],
)
def test_an_invalid_frame_is_refused(ask, opened, kind, data):
    answer = ask.put(f"/trackers/{opened}/frames/0", content=data, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert ask.put(f"/trackers/{opened}/frames/9", content=b"").status_code == 422


def test_frame_larger_than_the_recording_says_is_not_decoded(ask, opened):
    kind, data = wire.encode_frame(np.zeros((2000, 2000, 3), np.uint8), compress=True)
    assert ask.put(f"/trackers/{opened}/frames/0", content=data, headers={"Content-Type": kind}).status_code == 422
    raw = bytes(60 * 72 * 3 * 2)
    assert ask.put(f"/trackers/{opened}/frames/0", content=raw).status_code == 413


@pytest.mark.parametrize("shape", [(60, 72), (1, 1), (7, 300)])
@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("grey", [True, False])
def test_frames_are_sent_without_loss(shape, compress, grey):
    frame = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    if grey:
        frame[..., 1:] = frame[..., :1]
    kind, data = wire.encode_frame(frame, compress=compress)
    sent = wire.decode_frame(kind, data, shape)
    np.testing.assert_array_equal(np.broadcast_to(sent, frame.shape), frame)
    assert sent.shape[2] == 1 or not grey


def test_client_that_is_not_heard_of_is_forgotten(network):
    now = [0.0]
    leases = Leases(Limits(sessions=1, idle_seconds=10), "cpu", load=lambda settings: network, clock=lambda: now[0])
    lease = leases.open(ModelSettings("demo"), ServedFrames(2, (8, 8), "k", 1.0))
    with pytest.raises(EngineError, match=r"has 1 clients, its maximum"):
        leases.open(ModelSettings("demo"), ServedFrames(2, (8, 8), "k", 1.0))
    now[0] = 9.0
    assert leases.find(lease.id) is lease
    now[0] = 18.0
    leases.expire()
    assert leases.find(lease.id) is lease
    now[0] = 29.0
    leases.expire()
    assert leases.find(lease.id) is None


def test_memory_of_a_client_that_vanished_is_given_back(network):
    now = [0.0]
    leases = Leases(Limits(idle_seconds=10), "cpu", load=lambda settings: network, clock=lambda: now[0])
    lease = leases.open(ModelSettings("demo"), ServedFrames(4, (60, 72), "k", 1.0))
    for frame in range(4):
        lease.frames.put(frame, np.zeros((60, 72, 1), np.uint8))
    lease.tracker.condition(1, 0, [PointPrompt(1, 0, 30, 34)])
    kept = [weakref.ref(lease.tracker), weakref.ref(lease.frames), weakref.ref(lease.tracker.features)]
    folder = Path(lease.folder.name)
    assert any(folder.rglob("*.npz"))
    del lease
    now[0] = 11.0
    leases.expire()
    gc.collect()
    assert [one() for one in kept] == [None, None, None]
    assert not folder.exists()


def test_embeddings_of_all_clients_together_stay_within_the_limit(network):
    leases = Leases(Limits(sessions=4, memory_bytes=4_000_000), "cpu", load=lambda settings: network)
    lease = leases.open(ModelSettings("demo"), ServedFrames(12, (60, 72), "k", 1.0))
    for frame in range(12):
        lease.frames.put(frame, np.full((60, 72, 1), 20 * frame, np.uint8))
        lease.tracker.preview(1, frame, [PointPrompt(1, frame, 30, 34)])
    assert 0 < lease.tracker.features.nbytes <= 1_000_000
    leases.close_all()


def test_expired_tracker_is_not_found(start):
    brief = start(idle_seconds=0.0)
    with httpx.Client(base_url=brief.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        tracker = client.post("/trackers", json=OPEN).json()["id"]
        brief.leases.expire()
        answer = client.get(f"/trackers/{tracker}/alive")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "This tracker no longer exists; open another one."


def test_frame_that_never_arrives_ends_the_call(start):
    slow = start(frame_seconds=0.3)
    with httpx.Client(base_url=slow.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:
        tracker = client.post("/trackers", json=OPEN).json()["id"]
        asked = {"object_id": 1, "frame": 2, "prompts": [PointPrompt(1, 2, 30, 34).to_json()]}
        answer = client.post(f"/trackers/{tracker}/preview", json=asked)
    records = list(wire.unpack([answer.content]))
    assert (wire.WANTED, b"2") in records
    kind, said = records[-1]
    assert kind == wire.FAILED
    assert "Frame 2 did not arrive" in json.loads(said)["text"]


def test_invalid_memory_is_refused(ask, opened):
    for data in (b"", b"PK\x03\x04", b"\x93NUMPY"):
        assert ask.put(f"/trackers/{opened}/memory/1/0", content=data).status_code == 422
    assert ask.put(f"/trackers/{opened}/memory/0/0", content=b"").status_code == 422


def test_invalid_masks_of_neighbours_are_refused(ask, opened, server, monkeypatch):
    shape = server.leases.find(opened).frames.shape_yx
    mask = ObjectMask(2, (0, 0), np.ones(shape, np.uint8), 1.0, 1.0, False)
    data = encode_masks(FrameMasks(1, shape, (mask,)))
    assert ask.put(f"/trackers/{opened}/neighbours/1", content=data).status_code == 200
    assert ask.put(f"/trackers/{opened}/neighbours/99", content=data).status_code == 422
    assert ask.put(f"/trackers/{opened}/neighbours/1", content=data[:-4]).status_code == 422
    monkeypatch.setattr("napari_sam2_video.server.app._MASK_PIXELS", mask.levels.size - 1)
    answer = ask.put(f"/trackers/{opened}/neighbours/1", content=data)
    assert answer.status_code == 422
    assert "more than" in answer.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ROUTES = ("/trackers", "/trackers/{}/preview", "/trackers/{}/condition", "/trackers/{}/run", "/trackers/{}/segment")
FIELDS = st.sampled_from(
    [
        "protocol",
        "settings",
        "n_frames",
        "shape_yx",
        "key",
        "object_id",
        "frame",
        "prompts",
        "tracked",
        "beside",
        "plan",
        "scratch",
        "square",
        "places",
        "boxes",
        "limits",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(
    route=st.sampled_from(ROUTES), value=st.dictionaries(FIELDS, JSON, max_size=8) | JSON, raw=st.binary(max_size=64)
)
def test_nonsense_gets_a_plain_4xx(ask, opened, route, value, raw):
    path = route.format(opened)
    for body in (json.dumps(value).encode(), raw):
        answer = ask.post(path, content=body)
        assert 400 <= answer.status_code < 500, answer.text
        assert answer.json()["detail"]
    assert ask.get("/version").json()["sessions"] == 1


def test_sentence_of_the_server_reaches_the_person(server, tmp_path):
    (tmp_path / "memory").mkdir()
    with pytest.raises(EngineError, match=r"larger than this server accepts\.$"):
        open_remote(server.url, ModelSettings("demo"), Scene(2, (9000, 9000)), tmp_path / "memory")
