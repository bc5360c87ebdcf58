"""The faults of models and their files, each with the sentence a person sees."""

from __future__ import annotations

import errno
import pickle
import subprocess
import sys
import threading
import zipfile

import pytest
import torch

from napari_sam2_video.errors import CheckpointError, DownloadError, ModelError, Sam2VideoError
from napari_sam2_video.models import download as download_module
from napari_sam2_video.models.catalogue import CATALOGUE, ModelEntry
from napari_sam2_video.models.checkpoint import load_state
from napari_sam2_video.models.detect_architecture import detect_architecture, sam2_0
from napari_sam2_video.models.download import DownloadCancelledError, download
from napari_sam2_video.models.partial_file import Partial
from napari_sam2_video.models.presets import DEMO, TINY
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.models.tensor_shapes import expected_shapes

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 4096
PAGE = b"<!DOCTYPE html>\n<html><body>Please sign in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 156008466\n"


@pytest.fixture
def entry(published):
    published.content = CONTENT
    url = f"{published.base_url}/tiny.pt"
    return ModelEntry("tiny", "Tiny", "tiny", "tiny.pt", url, len(CONTENT), published.sha256)


def demo_state():
    return {name: torch.zeros(shape) for name, shape in expected_shapes(DEMO).items()}


def is_one_sentence(error):
    text = str(error)
    return "\n" not in text and text.endswith(".") and len(text) < 700


@pytest.mark.parametrize(("content", "what"), [(PAGE, "a web page"), (POINTER, "a Git LFS pointer"), (b"", "empty")])
def test_fault_01_a_web_page_or_pointer_instead_of_a_checkpoint_is_named(tmp_path, content, what):
    path = tmp_path / "sam2.1_hiera_tiny.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"is not a checkpoint but {what}") as failure:
        resolve_model(str(path))
    assert is_one_sentence(failure.value)


@pytest.mark.parametrize("content", [PAGE, POINTER])
@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", "application/octet-stream"])
def test_fault_01_a_web_page_that_was_downloaded_is_deleted(tmp_path, published, content, content_type):
    published.content, published.content_type = content, content_type
    entry = ModelEntry("m", "M", "tiny", "m.pt", f"{published.base_url}/m.pt", None, None)
    with pytest.raises(DownloadError, match=r"(returned|but) a (web page|Git LFS pointer)") as failure:
        download(entry, tmp_path)
    assert is_one_sentence(failure.value)
    assert not list(tmp_path.glob("m.pt*"))


def test_fault_02_a_download_that_breaks_off_resumes_where_it_stopped(entry, tmp_path, published):
    published.cut_after, published.cuts = 300_000, 3
    assert download(entry, tmp_path).read_bytes() == CONTENT
    assert [request.get("Range") for request in published.requests] == [
        None,
        "bytes=300000-",
        "bytes=600000-",
        "bytes=900000-",
    ]


def test_fault_02_a_truncated_checkpoint_is_not_loaded(tmp_path):
    path = tmp_path / "mine.pt"
    torch.save({"model": demo_state()}, path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(CheckpointError, match="damaged or truncated") as failure:
        resolve_model(str(path))
    assert is_one_sentence(failure.value)


def test_fault_03_a_download_with_another_hash_is_deleted_and_never_in_place(entry, tmp_path, published):
    published.content = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match=r"is not the published file.*deleted and never loaded") as failure:
        download(entry, tmp_path)
    assert is_one_sentence(failure.value)
    assert not list(tmp_path.glob("tiny.pt*"))


def test_fault_03_a_file_in_place_with_another_hash_is_never_loaded(own_model_folder, monkeypatch):
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("it was loaded"))
    own_model_folder.mkdir()
    path = own_model_folder / "sam2.1_hiera_tiny.pt"
    with path.open("wb") as handle:
        handle.write(b"PK\x03\x04")
        handle.truncate(CATALOGUE["tiny"].size)
    with pytest.raises(CheckpointError, match=r"is not the published SAM 2.1 tiny.*was not loaded") as failure:
        resolve_model("tiny")
    assert is_one_sentence(failure.value)


def test_fault_03_a_wrong_file_in_place_is_moved_aside_by_a_download(entry, tmp_path):
    (tmp_path / "tiny.pt").write_bytes(b"something else")
    assert download(entry, tmp_path).read_bytes() == CONTENT
    assert (tmp_path / "tiny.pt.refused").read_bytes() == b"something else"


class _Call:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def _harmful_contents(canary):
    import builtins
    import importlib
    import os

    touch = f"open({str(canary)!r}, 'w').close()"
    return {
        "os.system": _Call(os.system, f"touch '{canary}'"),
        "exec": _Call(builtins.exec, touch),
        "eval": _Call(builtins.eval, f"__import__('os').system('touch {canary}')"),
        "open": _Call(builtins.open, str(canary), "w"),
        "popen": _Call(subprocess.Popen, ["touch", str(canary)]),
        "import": _Call(importlib.import_module, "antigravity"),
        "in model": {"model": {"a": torch.ones(1), "b": _Call(os.system, f"touch '{canary}'")}},
        "as a key": {_Call(os.system, f"touch '{canary}'"): torch.ones(1)},
        "getattr chain": _Call(getattr, _Call(importlib.import_module, "os"), "system"),
        "torch.load": _Call(torch.load, str(canary)),
        "hub": _Call(torch.hub.load, "someone/something", "anything"),
        "whole module": {"model": torch.nn.Linear(1, 1)},
    }


_HARMFUL = list(_harmful_contents("/nowhere"))


@pytest.mark.parametrize("archive", ["plain pickle", "old torch", "torch zip", "protocol 0"])
@pytest.mark.parametrize("kind", _HARMFUL)
def test_fault_04_a_harmful_file_is_refused_and_nothing_of_it_runs(tmp_path, kind, archive):
    canary = tmp_path / "canary"
    content = _harmful_contents(canary)[kind]
    path = tmp_path / "harmful.pt"
    if archive == "plain pickle":
        path.write_bytes(pickle.dumps(content, protocol=2))
    elif archive == "protocol 0":
        path.write_bytes(pickle.dumps(content, protocol=0))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=archive == "torch zip")
    for known in (False, True):
        with pytest.raises(CheckpointError) as failure:
            load_state(path, known=known)
        assert is_one_sentence(failure.value)
    assert not canary.exists()


def test_fault_04_what_the_file_wanted_to_run_is_named(tmp_path):
    path = tmp_path / "harmful.pt"
    torch.save(_Call(exec, "1"), path)
    with pytest.raises(CheckpointError, match=r"refused: besides tensors it holds instructions .*\(exec\)"):
        resolve_model(str(path))


def test_fault_04_a_stack_of_raw_opcodes_is_refused(tmp_path):
    canary = tmp_path / "canary"
    program = b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR."
    for name, data in (("raw.pt", program), ("magic.pt", b"\x80\x02" + program)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError):
            resolve_model(str(tmp_path / name))
    zipped = tmp_path / "zip.pt"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/version", "3\n")
    with pytest.raises(CheckpointError):
        resolve_model(str(zipped))
    assert not canary.exists()


def test_fault_04_a_torchscript_archive_is_refused(tmp_path):
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("script/constants.pkl", pickle.dumps(()))
        archive.writestr("script/data.pkl", pickle.dumps({}))
        archive.writestr("script/version", "3\n")
    with pytest.raises(CheckpointError) as failure:
        resolve_model(str(path))
    assert is_one_sentence(failure.value)


def test_fault_05_a_checkpoint_of_sam_2_0_is_reported_from_2_1(tmp_path):
    path = tmp_path / "older.pt"
    state = demo_state()
    torch.save({"model": {name: state[name] for name in expected_shapes(sam2_0(DEMO))}}, path)
    found = resolve_model(str(path))
    assert (found.preset.name, found.preset.sam2_1) == ("sam2.0-demo", False)
    assert detect_architecture(expected_shapes(sam2_0(TINY))).name == "sam2.0-tiny"


def test_fault_06_the_size_comes_from_the_tensors_whatever_the_file_is_called(tmp_path):
    path = tmp_path / "sam2.1_hiera_large.pt"
    torch.save({"model": demo_state()}, path)
    assert resolve_model(str(path)).preset == DEMO


def test_fault_07_another_architecture_is_refused_with_the_first_missing_tensors(tmp_path):
    path = tmp_path / "efficienttam_s.pt"
    state = demo_state()
    trunk = "image_encoder.trunk."
    other = {name: tensor for name, tensor in state.items() if not name.startswith(trunk)}
    torch.save({"model": other | {f"{trunk}blocks.0.attn.qkv.weight": torch.zeros(9, 3)}}, path)
    with pytest.raises(CheckpointError, match=rf"not a SAM 2 checkpoint: {trunk}pos_embed, .* missing") as failure:
        resolve_model(str(path))
    assert is_one_sentence(failure.value)
    assert str(path) in str(failure.value)


def test_fault_08_the_image_size_of_an_unknown_file_is_not_assumed(tmp_path):
    path = tmp_path / "fine_tuned_at_512.pt"
    state = {name: torch.zeros(1).expand(shape) for name, shape in expected_shapes(TINY).items()}
    torch.save({"model": state}, path)
    found = resolve_model(str(path))
    assert (found.preset, found.image_size, found.image_size_known) == (TINY, 1024, False)
    assert found.note.startswith("fine_tuned_at_512.pt does not state its image size")


def test_fault_09_without_a_network_the_sentence_says_what_to_copy_where(tmp_path):
    entry = ModelEntry("tiny", "Tiny", "tiny", "tiny.pt", "http://127.0.0.1:9/tiny.pt", 5, "ab" * 32)
    with pytest.raises(DownloadError) as failure:
        download(entry, tmp_path)
    assert is_one_sentence(failure.value)
    for part in (entry.url, str(tmp_path / "tiny.pt"), entry.sha256):
        assert part in str(failure.value)


def test_fault_09_a_silent_server_is_abandoned(entry, tmp_path, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(DownloadError, match=r"no answer in time|timed out"):
            download(entry, tmp_path, base_url=base_url, timeout=0.2)


def test_fault_10_a_disk_that_fills_up_keeps_what_has_arrived(entry, tmp_path, monkeypatch):
    class FullDisk:
        def __init__(self, handle):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *problem):
            self.handle.close()

        def write(self, block):
            if self.handle.tell() > 200_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            self.handle.write(block)

    original = Partial.open
    monkeypatch.setattr(Partial, "open", lambda self, *args: FullDisk(original(self, *args)))
    with pytest.raises(DownloadError, match=r"has too little space for tiny.pt.*is kept") as failure:
        download(entry, tmp_path)
    assert is_one_sentence(failure.value)
    assert (tmp_path / "tiny.pt.part").stat().st_size > 200_000
    monkeypatch.undo()
    monkeypatch.setenv("no_proxy", "*")
    assert download(entry, tmp_path).read_bytes() == CONTENT


def test_fault_10_a_disk_that_is_too_small_is_found_before_the_download(entry, tmp_path, monkeypatch, published):
    usage = type("Usage", (), {"free": len(CONTENT) - 1})
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(DownloadError, match="has too little space"):
        download(entry, tmp_path)
    assert not published.requests


def test_fault_11_the_second_of_two_downloads_waits_and_fetches_nothing(entry, tmp_path, published):
    first_block = threading.Event()
    go_on = threading.Event()
    results = []

    def hold(done, total):
        first_block.set()
        go_on.wait(30)

    threads = [threading.Thread(target=lambda: results.append(download(entry, tmp_path, progress=hold)))]
    threads[0].start()
    assert first_block.wait(30)
    threads.append(threading.Thread(target=lambda: results.append(download(entry, tmp_path))))
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert results == [tmp_path / "tiny.pt"] * 2
    assert len(published.requests) == 1


def test_fault_11_another_process_that_holds_the_lock_is_waited_for_until_cancelled(entry, tmp_path):
    program = (
        "import sys, filelock\n"
        "with filelock.FileLock(sys.argv[1]):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    lock = str(tmp_path / ".tiny.pt.lock")
    with subprocess.Popen(
        [sys.executable, "-c", program, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(DownloadCancelledError, match="another process"):
            download(entry, tmp_path, cancel=lambda: True)
        holder.stdin.close()
    assert download(entry, tmp_path).read_bytes() == CONTENT


def test_fault_12_a_folder_that_cannot_be_written_names_the_variable(entry, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match=r"cannot be written.*NAPARI_SAM2_VIDEO_MODELS") as failure:
        download(entry, tmp_path / "file" / "models")
    assert is_one_sentence(failure.value)


def test_fault_12_a_read_only_file_system_names_the_variable(entry, tmp_path, monkeypatch):
    def refuse(self, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    with pytest.raises(DownloadError, match=r"Read-only file system.*NAPARI_SAM2_VIDEO_MODELS"):
        download(entry, tmp_path)


def test_fault_13_an_old_torch_does_not_read_an_unknown_file(tmp_path, monkeypatch):
    path = tmp_path / "mine.pt"
    torch.save({"model": {"a": torch.ones(1)}}, path)
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(CheckpointError, match=r"torch 2.10 or newer") as failure:
        load_state(path, known=False)
    assert is_one_sentence(failure.value)
    assert load_state(path, known=True)["a"].tolist() == [1.0]


def test_every_error_of_models_is_one_of_ours():
    for kind in (CheckpointError, DownloadError, DownloadCancelledError, ModelError):
        assert issubclass(kind, Sam2VideoError)
