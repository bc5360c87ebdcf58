"""Which servers a session may use, and where their tokens come from."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from napari_sam2_video.api import create_session
from napari_sam2_video.errors import EngineError, SettingsError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.server.known import known_servers, remember_server
from napari_sam2_video.server.token import client_token, keep_token
from napari_sam2_video.session import Session
from napari_sam2_video.types import ModelSettings, PointPrompt

ELSEWHERE = "https://gpu.example.org:7860"


@pytest.fixture
def keyring(monkeypatch):
    kept = {}
    monkeypatch.setitem(
        sys.modules,
        "keyring",
        SimpleNamespace(
            get_password=lambda service, url: kept.get((service, url)),
            set_password=lambda service, url, token: kept.update({(service, url): token}),
        ),
    )
    return kept


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv("NAPARI_SAM2_VIDEO_TOKEN", raising=False)


def test_session_from_elsewhere_sends_nothing_to_a_server_that_was_never_chosen_here(tmp_path):
    recording = open_recording(np.zeros((2, 8, 8), np.uint8), axes="TYX", name="dark")
    folder = tmp_path / "theirs.sam2v"
    with Session.create(folder, recording, model=ModelSettings("demo", device=ELSEWHERE)) as session:
        session.add_prompt(PointPrompt(session.add_object(), 0, 2, 2))
        with pytest.raises(
            EngineError, match=r"https://gpu\.example\.org:7860, which was never chosen on this computer"
        ):
            session.preview(1, 0)
        session.set_model(ModelSettings("demo", device=ELSEWHERE, image_size=64))
        assert known_servers() == ()


def test_server_that_a_person_chooses_is_known(tmp_path):
    frames = np.zeros((2, 8, 8), np.uint8)
    create_session(frames, tmp_path / "a.sam2v", model=ModelSettings("demo", device=ELSEWHERE)).close()
    assert known_servers() == (ELSEWHERE,)
    with create_session(frames, tmp_path / "b.sam2v") as session:
        session.set_model(ModelSettings("demo", device="https://other.example.org"))
    assert known_servers() == ("https://other.example.org", ELSEWHERE)


def test_few_servers_are_remembered_the_last_one_first():
    for number in (*range(12), 7):
        remember_server(f"http://node{number}:7860")
    assert known_servers()[:3] == ("http://node7:7860", "http://node11:7860", "http://node10:7860")
    assert len(known_servers()) == 8


def test_token_is_kept_in_the_keyring_for_its_server_alone(keyring, own_settings_folder):
    assert keep_token(ELSEWHERE, "secret") == "the keyring of this computer"
    assert client_token(ELSEWHERE) == "secret"
    assert not own_settings_folder.exists()
    with pytest.raises(SettingsError, match="There is no token for https://other"):
        client_token("https://other.example.org")


def test_token_goes_to_a_private_file_where_the_keyring_keeps_nothing(keyring, own_settings_folder, monkeypatch):
    monkeypatch.setattr(sys.modules["keyring"], "set_password", lambda *_: None)
    assert keep_token(ELSEWHERE, "secret") == str(own_settings_folder / "token")
    assert client_token(ELSEWHERE) == "secret"
    assert keep_token(ELSEWHERE, "another") == str(own_settings_folder / "token")
    assert client_token(ELSEWHERE) == "another"
    if os.name == "posix":
        (own_settings_folder / "token").chmod(0o644)
        with pytest.raises(SettingsError, match="Other people can read the token file"):
            client_token(ELSEWHERE)


def test_the_environment_comes_first(keyring, monkeypatch):
    keep_token(ELSEWHERE, "kept")
    monkeypatch.setenv("NAPARI_SAM2_VIDEO_TOKEN", "given")
    assert client_token(ELSEWHERE) == "given"


@pytest.mark.parametrize("token", ["two words", "über", "line\nbreak"])
def test_what_is_not_a_token_is_refused(token, own_settings_folder):
    with pytest.raises(SettingsError, match=r"A token is one word of plain characters"):
        keep_token(ELSEWHERE, token)
    assert not own_settings_folder.exists()
