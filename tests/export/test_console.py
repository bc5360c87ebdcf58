"""Exports open no console beside a window of Windows."""

from __future__ import annotations

import subprocess
from fractions import Fraction

from napari_sam2_video.export.ffmpeg import FrameEncoder
from napari_sam2_video.export.timing import Pace
from napari_sam2_video.frames import ffmpeg


def test_no_console_opens_on_windows_while_a_video_is_written(tmp_path, monkeypatch):
    begin, asked = subprocess.Popen, {}

    def watched(command, *, creationflags=None, **options):
        asked["flags"] = creationflags
        return begin(command, **options)

    monkeypatch.setattr(ffmpeg, "_NO_WINDOW", 0x08000000)
    monkeypatch.setattr(subprocess, "Popen", watched)
    path = tmp_path / "a.mkv"
    encoder = FrameEncoder(path, path, (4, 4), "rgb24", Pace(Fraction(5)), ["-c:v", "ffv1"])
    encoder.__exit__(ValueError, None, None)
    assert asked["flags"] == 0x08000000
