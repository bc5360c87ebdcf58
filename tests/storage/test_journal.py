"""Lines of the journal come back whole or not at all."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam2_video.errors import StoreError
from napari_sam2_video.storage.journal import Journal, decode_line, encode_line

values = st.integers() | st.text() | st.none() | st.lists(st.floats(allow_nan=False, allow_infinity=False))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_journal_lines_come_back_and_damaged_ones_do_not(entry):
    line = encode_line(entry)
    assert line.count(b"\n") == 1
    assert decode_line(line[:-1]) == entry
    for cut in range(len(line) - 1):
        assert decode_line(line[:cut]) is None


def test_what_a_failed_write_left_behind_is_cut_off_before_the_next_line(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j", read_only=False, quarantine=tmp_path / "q")
    journal.append({"n": 0})
    write = os.write

    def half(handle, data):
        write(handle, bytes(data)[:5])
        raise OSError(errno.EIO, "Input/output error")

    def gone(handle, size):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", half)
        broken.setattr(os, "ftruncate", gone)
        with pytest.raises(StoreError, match="its disk reports errors"):
            journal.append({"n": 1})
    journal.append({"n": 2})
    journal.close()
    again = Journal(tmp_path / "j", read_only=True, quarantine=tmp_path / "q")
    assert (again.entries, again.notes) == ([{"n": 0}, {"n": 2}], [])
