"""Nothing but the download of a model uses the network, and no test does."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import napari_sam2_video

PACKAGE = Path(napari_sam2_video.__file__).parent
ROOT = Path(__file__).parents[1]
SPEAKS = {
    "aiohttp",
    "fsspec",
    "ftplib",
    "http",
    "httpx",
    "huggingface_hub",
    "pooch",
    "requests",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "telnetlib",
    "urllib",
    "urllib3",
    "webbrowser",
    "xmlrpc",
}


@pytest.mark.parametrize(
    "reach",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
        lambda: socket.create_connection(("example.invalid", 80), timeout=1),
        lambda: socket.gethostbyname("example.invalid"),
        lambda: socket.create_connection(("2001:db8::1", 80), timeout=1),
    ],
    ids=["IPv4", "name", "lookup", "IPv6"],
)
def test_a_test_that_reaches_for_the_network_fails(reach, no_network):
    with pytest.raises(AssertionError, match="may not reach the network"):
        reach()
    assert no_network.refused
    no_network.refused.clear()


def test_a_datagram_to_the_outside_is_refused(no_network):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, pytest.raises(AssertionError):
        sender.sendto(b"hello", ("192.0.2.1", 53))
    no_network.refused.clear()


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_this_computer_can_be_reached(family, host):
    try:
        server = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip(f"this computer does not speak {family.name}")
    with server, socket.create_connection(server.getsockname()[:2]) as client:
        assert client.getpeername()[0] == host


def speaking(path):
    """Modules for the network that a file imports, wherever in it; taking an address apart is no speaking."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module != "urllib.parse":
            names.add(node.module.partition(".")[0])
    return names & SPEAKS


def test_only_downloads_and_a_named_server_import_what_speaks_to_the_network():
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if speaking(path)}
    assert found == {"models/transfer.py", "server/connection.py", "server/serve.py"}


def test_importing_opening_and_loading_make_no_socket(tmp_path):
    program = textwrap.dedent("""
        import importlib, pkgutil, sys

        sys.path.insert(0, sys.argv[1])
        from tests.network import forbid_sockets

        forbid_sockets()
        import napari_sam2_video

        walked = pkgutil.walk_packages(napari_sam2_video.__path__, "napari_sam2_video.", onerror=lambda name: None)
        names = [module.name for module in walked]
        for name in names:
            if ".plugin" not in name:
                importlib.import_module(name)

        from napari_sam2_video.frames.open import open_recording
        from napari_sam2_video.engine.networks.load import load_model
        from napari_sam2_video.models.catalogue import CATALOGUE, is_downloaded
        from napari_sam2_video.models.resolve import resolve_model
        from napari_sam2_video.synthetic import sample_time_series
        from napari_sam2_video.types import ModelSettings

        assert not any(is_downloaded(entry) for entry in CATALOGUE.values() if entry.url)
        with open_recording(sample_time_series(4).frames, axes="TYX") as recording:
            recording.read({"T": 0})
        load_model(resolve_model("demo"), ModelSettings("demo", device="cpu"))
        print(len(names))
    """)
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
