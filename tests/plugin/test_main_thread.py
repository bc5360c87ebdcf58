"""Nothing that can take long runs on the main thread."""

from __future__ import annotations

import gc
import threading

from napari_sam2_video import devices
from napari_sam2_video.export import registry
from napari_sam2_video.plugin import session_summary
from napari_sam2_video.session import Session
from tests.fakes import FakeTracker
from tests.plugin.conftest import make_frames, spots


def test_slow_things_run_in_the_background(bench, monkeypatch, tmp_path):
    where: dict[str, set[bool]] = {}

    def watch(owner, name):
        plain = getattr(owner, name)

        def watched(*args, **kwargs):
            where.setdefault(name, set()).add(threading.current_thread() is threading.main_thread())
            return plain(*args, **kwargs)

        monkeypatch.setattr(owner, name, watched)

    for name in ("preview", "condition", "_step"):
        watch(FakeTracker, name)
    watch(Session, "create")
    watch(Session, "close")
    watch(session_summary, "summarize")
    watch(registry, "export")
    watch(devices, "probe_devices")
    frozen = gc.get_freeze_count()
    here = bench(make_frames())
    here.start()
    assert gc.get_freeze_count() > frozen, "full collections look through what was there before"
    here.controller.go_to(0)
    here.spin()
    here.click(*spots(0)[0])
    here.idle()
    here.track()
    here.widget.sections["model"].set_expanded(True)
    here.widget.sections["export"].set_expanded(True)
    here.widget.export.export(tmp_path / "labels.ome.tif")
    here.idle()
    here.controller.close_session()
    here.idle()
    assert gc.get_freeze_count() == frozen
    assert where == {
        name: {False}
        for name in ("preview", "condition", "_step", "create", "close", "summarize", "export", "probe_devices")
    }
