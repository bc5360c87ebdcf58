"""What a worker makes of one item, with a tracker that needs no network."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from filelock import FileLock
from tests.fakes import blob_movie, fake_factory

from napari_sam2_video.batch import BatchItem, run_batch
from napari_sam2_video.batch.attempt import ALIVE, Attempts, Stop
from napari_sam2_video.batch.worker import main, work
from napari_sam2_video.session import Session

WORKER = """
import os, pathlib, sys
sys.path.insert(0, {root!r})
import napari_sam2_video.session.tracking as tracking
from napari_sam2_video.batch.worker import main
from tests.fakes import FakeTracker

class Fatal(FakeTracker):
    def run(self, plan, *, stop=None):
        for masks in super().run(plan, stop=stop):
            mark = pathlib.Path({mark!r})
            if masks.frame == 5 and not mark.exists():
                mark.write_text("")
                os._exit(9)
            yield masks

tracking.default_tracker = lambda settings, view, memory: Fatal(view, memory)
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def factory(monkeypatch):
    made = fake_factory()
    monkeypatch.setattr("napari_sam2_video.session.tracking.default_tracker", made)
    return made


@pytest.fixture
def item(tmp_path):
    movie, centres = blob_movie(n_frames=10)
    tifffile.imwrite(tmp_path / "movie.tif", movie, imagej=True, metadata={"axes": "TYX"})
    rows = [
        {"object": number, "frame": 0, "type": "point", "y": float(y), "x": float(x)}
        for number, (y, x) in enumerate(centres[0], start=1)
    ]
    (tmp_path / "prompts.json").write_text(json.dumps(rows))
    return BatchItem(
        "movie",
        str(tmp_path / "movie.tif"),
        str(tmp_path / "movie.sam2v"),
        prompts=str(tmp_path / "prompts.json"),
        export=str(tmp_path / "labels.ome.tif"),
    )


def labels_of(item):
    with Session.open(item.out, read_only=True) as session:
        return np.stack([session.masks.read_labels(t) for t in range(session.n_frames)])


def test_an_item_is_tracked_and_exported(item, factory):
    outcome = work(item)
    assert (outcome["status"], outcome["objects"], outcome["frames"]) == ("done", 2, 10)
    labels = labels_of(item)
    assert set(np.unique(labels)) == {0, 1, 2}
    assert np.array_equal(tifffile.imread(item.export), labels)


def test_a_finished_item_is_not_done_again(item, factory):
    work(item)
    before = Path(item.export).stat().st_mtime_ns
    assert work(item)["status"] == "done"
    assert sum(len(tracker.computed) for tracker in factory.made[1:]) == 0
    assert Path(item.export).stat().st_mtime_ns == before


def test_a_stopped_item_continues_to_the_same_result(item, factory, tmp_path):
    asked = []

    def after_four():
        asked.append(1)
        return len(asked) > 4

    assert work(item, stop=after_four)["status"] == "stopped"
    assert not Path(item.export).exists()
    assert work(item)["status"] == "done"
    whole = replace(item, out=str(tmp_path / "whole.sam2v"), export="")
    work(whole)
    assert np.array_equal(labels_of(item), labels_of(whole))


def test_seeds_are_added_once(item, factory, tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[10:18, 8:18] = 5
    tifffile.imwrite(tmp_path / "seeds.tif", labels)
    seeded = replace(item, prompts="", seeds=f"{tmp_path / 'seeds.tif'}@0", export="")
    for _ in range(2):
        assert work(seeded)["objects"] == 1
    assert set(np.unique(labels_of(seeded))) == {0, 5}


def test_an_existing_export_is_only_replaced_on_request(item, factory):
    target = Path(item.export)
    target.write_bytes(b"somebody's file")
    outcome = work(item)
    assert outcome["status"] == "failed"
    assert str(target) in outcome["sentence"]
    assert target.read_bytes() == b"somebody's file"
    assert work(replace(item, overwrite="yes"))["status"] == "done"
    assert tifffile.imread(target).shape == (10, 48, 64)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"recording": "nothing.tif"}, "nothing.tif"),
        ({"prompts": "nothing.json"}, "nothing.json"),
        ({"prompts": ""}, "No object has a prompt"),
        ({"image_size": "large"}, "image size must be a whole number, not 'large'"),
        ({"precision": "fp8"}, "not 'fp8'"),
        ({"direction": "up"}, "not 'up'"),
        ({"range": "7"}, "'7' is not a range"),
        ({"axis": "Q"}, "Q"),
        ({"overwrite": "perhaps"}, "must be yes or no"),
        ({"export": "areas.foo"}, "areas.foo has no suffix of an export format"),
    ],
)
def test_a_wrong_value_costs_its_item_with_one_sentence(item, factory, changes, sentence):
    outcome = work(replace(item, **changes))
    assert outcome["status"] == "failed"
    assert sentence in outcome["sentence"]
    assert "\n" not in outcome["sentence"]
    assert not Path(item.out).exists()


def test_range_and_direction_reach_the_run(item, factory):
    work(replace(item, range="0:4", direction="forward", export=""))
    labels = labels_of(item)
    assert labels[:4].any(axis=(1, 2)).all()
    assert not labels[4:].any()


def test_the_outcome_is_written_to_the_file_that_was_named(item, factory, tmp_path):
    order, result = tmp_path / "item.json", tmp_path / "result.json"
    order.write_text(json.dumps(item.to_json()))
    assert main([str(order), str(result)]) == 0
    assert json.loads(result.read_text())["status"] == "done"


def test_fault_53_an_item_whose_worker_died_continues_where_it_stopped(item, factory, tmp_path):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(root=str(Path(__file__).parents[2]), mark=str(tmp_path / "died")))
    report = run_batch([item], tmp_path / "report.csv", worker_command=(sys.executable, str(script)))
    assert (tmp_path / "died").exists()
    assert [(result.status, result.attempts) for result in report.results] == [("done", 2)]
    whole = replace(item, out=str(tmp_path / "whole.sam2v"), export="")
    work(whole)
    assert np.array_equal(labels_of(item), labels_of(whole))


@pytest.mark.parametrize("lives", [True, False])
def test_a_worker_ends_with_what_started_it_also_where_its_parent_keeps_its_number(
    item, factory, tmp_path, monkeypatch, lives
):
    monkeypatch.setattr("os.getppid", lambda: 1)
    order, result = tmp_path / "item.json", tmp_path / "result.json"
    order.write_text(json.dumps(item.to_json()))
    held = FileLock(tmp_path / ALIVE)
    with held if lives else nullcontext((tmp_path / ALIVE).touch()):
        assert main([str(order), str(result)]) == 0
    assert json.loads(result.read_text())["status"] == ("done" if lives else "stopped")


def test_a_worker_that_runs_knows_that_its_batch_lives(item):
    script = (
        "import json, pathlib, sys\n"
        "from napari_sam2_video.batch.attempt import ALIVE\n"
        "from napari_sam2_video.batch.worker import abandoned\n"
        "order, result = map(pathlib.Path, sys.argv[1:])\n"
        "alive = order.with_name(ALIVE)\n"
        "result.write_text(json.dumps({'status': 'done', 'sentence': f'{alive.exists()} {abandoned(alive)}'}))\n"
    )
    outcome = Attempts([sys.executable, "-c", script]).run(item, Stop())
    assert outcome["sentence"] == "True False"


def test_a_file_that_windows_keeps_open_fails_no_item(item, monkeypatch):
    unlink = os.unlink

    def refused(path, *arguments, **options):
        if str(path).endswith("log.txt"):
            raise PermissionError(13, "The process cannot access the file", str(path))
        unlink(path, *arguments, **options)

    monkeypatch.setattr("os.unlink", refused)
    script = 'import sys, pathlib; pathlib.Path(sys.argv[2]).write_text(\'{"status": "done"}\')'
    outcome = Attempts([sys.executable, "-c", script]).run(item, Stop())
    assert outcome["status"] == "done"
