from __future__ import annotations

import pytest
from tools import kill_download

from napari_sam2_video.errors import DownloadError
from napari_sam2_video.models.catalogue import CATALOGUE, ModelEntry
from napari_sam2_video.models.checksum_record import recorded_sha256
from napari_sam2_video.models.download import DownloadCancelledError, download
from napari_sam2_video.models.folder import file_sha256

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 4096


@pytest.fixture
def entry(published):
    published.content = CONTENT
    return ModelEntry(
        "tiny", "Tiny", "tiny", "tiny.pt", f"{published.base_url}/tiny.pt", len(CONTENT), published.sha256
    )


def unhashed(entry):
    return ModelEntry("m", "M", "tiny", entry.file_name, entry.url, None, None)


def test_a_download_leaves_the_file_and_nothing_else_of_its_own(entry, tmp_path):
    path = download(entry, tmp_path)
    assert path.read_bytes() == CONTENT
    assert {p.name for p in tmp_path.iterdir()} - {".tiny.pt.lock"} == {"tiny.pt"}


def test_progress_ends_at_the_size_and_never_goes_back(entry, tmp_path):
    seen = []
    download(entry, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_file_that_is_there_is_not_fetched_again(entry, tmp_path, published):
    download(entry, tmp_path)
    download(entry, tmp_path)
    assert len(published.requests) == 1


def test_a_stopped_download_resumes_where_it_was(entry, tmp_path, published):
    arrived = []
    with pytest.raises(DownloadCancelledError, match="are kept"):
        download(entry, tmp_path, progress=lambda done, _: arrived.append(done), cancel=lambda: bool(arrived))
    kept = (tmp_path / "tiny.pt.part").stat().st_size
    assert 0 < kept < len(CONTENT)
    assert download(entry, tmp_path).read_bytes() == CONTENT
    assert published.requests[-1]["Range"] == f"bytes={kept}-"
    assert published.requests[-1]["If-Range"] == '"one"'


def test_a_part_of_an_older_file_is_thrown_away(entry, tmp_path, published):
    published.cut_after, published.cuts = 1000, 99
    old, published.content, published.etag = published.content, bytes(len(CONTENT)), '"old"'
    with pytest.raises(DownloadError):
        download(unhashed(entry), tmp_path, cancel=lambda: (tmp_path / "tiny.pt.part").exists())
    published.content, published.etag, published.cuts = old, '"one"', 0
    assert download(entry, tmp_path).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(entry, tmp_path, published):
    published.cut_after, published.cuts, published.ranges = 5000, 1, False
    assert download(entry, tmp_path).read_bytes() == CONTENT


def test_a_whole_part_is_only_checked(entry, tmp_path, published):
    published.cut_after, published.cuts = 5000, 99
    with pytest.raises(DownloadError):
        download(entry, tmp_path, cancel=lambda: (tmp_path / "tiny.pt.part").exists())
    (tmp_path / "tiny.pt.part").write_bytes(CONTENT)
    before = len(published.requests)
    assert download(entry, tmp_path).read_bytes() == CONTENT
    assert len(published.requests) == before


def test_without_a_published_hash_the_hash_is_recorded(entry, tmp_path):
    path = download(unhashed(entry), tmp_path)
    assert recorded_sha256(path) == file_sha256(path)


def test_without_hash_and_validator_a_part_is_not_trusted(entry, tmp_path, published):
    published.etag, published.cut_after, published.cuts = None, 5000, 1
    assert download(unhashed(entry), tmp_path).read_bytes() == CONTENT
    assert all("Range" not in request for request in published.requests)


def test_a_file_of_another_size_is_refused_before_it_is_fetched(entry, tmp_path, published):
    published.content = CONTENT + b"more"
    with pytest.raises(DownloadError, match=f"{len(CONTENT) + 4} bytes instead of {len(CONTENT)}"):
        download(entry, tmp_path)
    assert not (tmp_path / "tiny.pt.part").exists()


def test_a_mirror_can_be_named(entry, tmp_path, published):
    elsewhere = ModelEntry("t", "T", "tiny", "tiny.pt", "http://127.0.0.1:9/x.pt", entry.size, entry.sha256)
    assert download(elsewhere, tmp_path, base_url=published.base_url).read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 503])
def test_an_http_error_is_reported_with_the_way_by_hand(entry, tmp_path, published, status):
    published.status = status
    with pytest.raises(DownloadError, match=rf"HTTP {status}.*save it as {tmp_path}"):
        download(entry, tmp_path)


def test_the_model_of_the_package_is_not_downloaded(tmp_path):
    with pytest.raises(DownloadError, match="part of this package"):
        download(CATALOGUE["demo"], tmp_path)


def test_a_killed_download_resumes_and_is_never_taken_for_whole():
    assert kill_download.main(["--kills", "4"]) == 0
