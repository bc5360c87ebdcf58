"""Bytes on disk."""

from __future__ import annotations

from napari_sam2_video.storage.packs import INLINE_BYTES, PackStore


def test_bytes_are_inline_when_small_and_in_packs_when_large(tmp_path):
    packs = PackStore(tmp_path / "packs", read_only=False)
    small, large = packs.put(b"x"), packs.put(b"y" * (INLINE_BYTES + 1))
    assert small.inline == b"x"
    assert large.inline is None
    assert packs.get(large) == b"y" * (INLINE_BYTES + 1)
    packs.close()
