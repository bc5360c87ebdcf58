from __future__ import annotations

import csv
import json
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from napari_sam2_video.batch import BatchError, BatchItem, read_table, run_batch
from napari_sam2_video.batch import file_system as file_system_module
from napari_sam2_video.cli import main

WORKER = """
import json, os, pathlib, sys, time
order, result = map(pathlib.Path, sys.argv[1:])
item = json.loads(order.read_text())
tries = pathlib.Path(item["out"] + ".tries")
tries.write_text(str(int(tries.read_text()) + 1 if tries.exists() else 1))
fate, first = item["model"], tries.read_text() == "1"
if fate == "die" or (fate == "die once" and first):
    print("out of luck", file=sys.stderr, flush=True)
    os._exit(3)
if fate == "hang" or (fate == "hang once" and first):
    time.sleep(60)
if fate == "bad":
    result.write_text(json.dumps({"status": "failed", "sentence": "The recording is empty; choose another."}))
else:
    result.write_text(json.dumps({"status": "done", "objects": 2, "frames": 5}))
"""


@pytest.fixture
def worker(tmp_path):
    path = tmp_path / "worker.py"
    path.write_text(WORKER)
    return (sys.executable, "-S", str(path))


@pytest.fixture
def items(tmp_path):
    def make(*fates):
        return [
            BatchItem(f"item {number}", f"r{number}.tif", str(tmp_path / "runs" / f"{number}.sam2v"), model=fate)
            for number, fate in enumerate(fates)
        ]

    return make


def tries(item):
    return int(Path(item.out + ".tries").read_text())


def rows(path):
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_every_item_is_done_and_reported_in_the_order_of_the_table(tmp_path, worker, items):
    seen = []
    report = run_batch(
        items("", "", ""),
        tmp_path / "report.csv",
        workers=2,
        worker_command=worker,
        on_result=lambda result, done, total: seen.append((result.status, done, total)),
    )
    assert report.ok
    assert seen == [("done", 1, 3), ("done", 2, 3), ("done", 3, 3)]
    assert [(row["name"], row["status"], row["frames"]) for row in rows(tmp_path / "report.csv")] == [
        (f"item {number}", "done", "5") for number in range(3)
    ]


def test_a_report_can_be_json(tmp_path, worker, items):
    run_batch(items(""), tmp_path / "report.json", worker_command=worker)
    assert json.loads((tmp_path / "report.json").read_text())[0]["status"] == "done"


def test_the_report_is_there_before_the_first_item_ends(tmp_path, worker, items):
    path = tmp_path / "report.csv"
    states = []
    run_batch(
        items("", "bad"),
        path,
        worker_command=worker,
        on_result=lambda *result: states.append([row["status"] for row in rows(path)]),
    )
    assert states == [["done", "waiting"], ["done", "failed"]]


def test_fault_53_only_the_item_of_a_worker_that_died_is_tried_again(tmp_path, worker, items):
    batch = items("", "die once", "")
    report = run_batch(batch, tmp_path / "report.csv", workers=2, worker_command=worker)
    assert report.ok
    assert [tries(item) for item in batch] == [1, 2, 1]
    assert report.results[1].attempts == 2


def test_fault_53_a_worker_that_always_dies_is_reported_with_its_last_words(tmp_path, worker, items):
    batch = items("die", "")
    report = run_batch(batch, tmp_path / "report.csv", worker_command=worker)
    assert [result.status for result in report.results] == ["failed", "done"]
    assert report.results[0].sentence == 'The worker died (exit code 3): "out of luck".'
    assert tries(batch[0]) == 2


def test_fault_53_a_worker_that_hangs_is_ended_and_its_item_tried_again(tmp_path, worker, items, monkeypatch):
    batch = items("hang once")
    begun = Path(batch[0].out + ".tries")

    def clock():
        """An hour later as soon as the worker that hangs is under way."""
        return 3600.0 if begun.exists() and begun.read_text() == "1" else 0.0

    monkeypatch.setattr("napari_sam2_video.batch.attempt.time", SimpleNamespace(monotonic=clock, sleep=time.sleep))
    report = run_batch(batch, tmp_path / "report.csv", worker_command=worker, timeout=1800.0)
    assert report.ok
    assert tries(batch[0]) == 2


def test_fault_54_one_bad_item_of_a_hundred_leaves_the_others_alone(tmp_path, items, monkeypatch):
    def fake(how, item, stop):
        bad = item.model == "bad"
        return {"status": "failed", "sentence": "The recording is empty."} if bad else {"status": "done"}

    monkeypatch.setattr("napari_sam2_video.batch.attempt.Attempts.run", fake)
    batch = items(*[""] * 41, "bad", *[""] * 58)
    report = run_batch(batch, tmp_path / "report.csv", workers=4)
    assert not report.ok
    assert [result.name for result in report.failed] == ["item 41"]
    statuses = [row["status"] for row in rows(tmp_path / "report.csv")]
    assert statuses.count("done") == 99
    assert statuses[41] == "failed"


def test_fault_54_an_item_that_fails_with_a_sentence_is_not_tried_again(tmp_path, worker, items):
    batch = items("bad")
    report = run_batch(batch, tmp_path / "report.csv", worker_command=worker)
    assert report.results[0].sentence == "The recording is empty; choose another."
    assert tries(batch[0]) == 1


@pytest.mark.parametrize(("fates", "code"), [(["", ""], 0), (["", "bad"], 1)])
def test_fault_54_the_command_names_the_item_that_failed_and_exits_with_1(tmp_path, monkeypatch, capsys, fates, code):
    def fake(how, item, stop):
        return {"status": "failed", "sentence": "It is empty."} if item.model == "bad" else {"status": "done"}

    monkeypatch.setattr("napari_sam2_video.batch.attempt.Attempts.run", fake)
    table = tmp_path / "table.json"
    items = [{"name": f"n{n}", "recording": f"{n}.tif", "out": f"{n}.sam2v", "model": f} for n, f in enumerate(fates)]
    table.write_text(json.dumps(items))
    with pytest.raises(SystemExit) as left:
        main(["batch", str(table)])
    assert left.value.code == code
    said = "".join(capsys.readouterr())
    assert ("n1: It is empty." in said) == bool(code)
    assert len(rows(tmp_path / "table_report.csv")) == 2


@pytest.mark.parametrize(
    ("step", "target", "error"),
    [
        ("lock a file", "_lock", NotImplementedError("no locks here")),
        ("rename a file over another", "Path.replace", OSError(95, "Operation not supported")),
        ("write and flush a file", "os.fsync", OSError(5, "Input/output error")),
    ],
)
def test_fault_55_a_file_system_that_lacks_something_is_found_before_anything_runs(
    tmp_path, worker, items, monkeypatch, step, target, error
):
    def fail(*args, **kwargs):
        raise error

    batch = items("")
    with monkeypatch.context() as patch:
        owner, _, name = target.rpartition(".")
        patch.setattr(getattr(file_system_module, owner) if owner else file_system_module, name, fail)
        with pytest.raises(BatchError, match=f"it is not possible to {step} there"):
            run_batch(batch, tmp_path / "report.csv", worker_command=worker)
    assert not Path(batch[0].out + ".tries").exists()


def test_an_interrupted_batch_ends_its_workers(tmp_path, worker, items):
    def interrupt(*result):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(items("", "hang"), tmp_path / "report.csv", workers=2, worker_command=worker, on_result=interrupt)
    assert [row["status"] for row in rows(tmp_path / "report.csv")] == ["done", "waiting"]


def test_paths_of_a_table_start_at_its_folder(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text(
        "recording,out,export,seeds\na b.tif,runs/a.sam2v,a.tif;a.mp4,labels.tif@3\n", encoding="utf-8-sig"
    )
    (item,) = read_table(table, defaults={"model": "tiny"})
    assert item.name == "a b.tif"
    assert item.model == "tiny"
    assert item.recording == str(tmp_path / "a b.tif")
    assert item.seeds == str(tmp_path / "labels.tif@3")
    assert item.exports == (tmp_path / "a.tif", tmp_path / "a.mp4")


def test_a_checkpoint_beside_the_table_is_found_and_a_name_stays_a_name(tmp_path):
    (tmp_path / "own.pt").write_bytes(b"")
    table = tmp_path / "table.csv"
    table.write_text("recording,out,model\na.tif,a,own.pt\nb.tif,b,tiny\n")
    assert [item.model for item in read_table(table)] == [str(tmp_path / "own.pt"), "tiny"]


def test_csv_and_json_tables_give_the_same_items(tmp_path):
    (tmp_path / "t.csv").write_text('recording,out,image_size,export\na.tif,a.sam2v,512,"c.tif; b.mp4"\n')
    content = [{"recording": "a.tif", "out": "a.sam2v", "image_size": 512, "export": ["c.tif", "b.mp4"], "axis": None}]
    (tmp_path / "t.json").write_text(json.dumps(content))
    assert read_table(tmp_path / "t.csv") == read_table(tmp_path / "t.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "recording,out,colour\na,b,c\n", 'unknown column "colour"'),
        ("t.csv", "recording,out\na,\n", 'Row 1 of .* has no "out"'),
        ("t.csv", "recording,out\n", "has no row"),
        ("t.csv", "recording,out\na,b,c\n", "more cells than its header"),
        ("t.csv", "recording,out\na,x\nb,./x\n", "Rows 1 and 2 of .* both write to"),
        ("t.json", "{", "not valid JSON"),
        ("t.csv", "recording,out,export,export\na,b,c.tif,d.tif\n", 'the column "export" twice'),
        ("t.csv", "recording,out\n,\n", "has no row"),
        ("t.csv", "recording,out,\na,b,c\n", 'unknown column ""'),
        ("t.json", '{"a": 1}', "must be a JSON list"),
        ("t.json", "[" * 100_000, "not valid JSON"),
        ("t.json", r'[{"recording": "a", "out": "b\u0000"}]', 'Row 1 .* character in "out"'),
        ("t.json", r'[{"recording": "a\ud800", "out": "b"}]', 'Row 1 .* character in "recording"'),
        ("t.csv", "recording,out,export\na.tif,b,a.tif\n", "Row 1 of .* would overwrite .*a.tif"),
        ("t.csv", "recording,out,export\nx.zarr/a,b,x.zarr\n", "Row 1 of .* would overwrite .*x.zarr"),
        ("t.csv", "recording,out,seeds\na.tif,b,\nb.tif,c.tif,c.tif@0\n", "Row 2 of .* would overwrite .*c.tif"),
        ("t.csv", "recording,out,export\na.tif,b,t.csv\n", "Row 1 of .* would overwrite .*t.csv"),
    ],
)
def test_a_wrong_table_gives_one_sentence(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(BatchError, match=message):
        read_table(tmp_path / name)


def test_a_name_that_begins_with_a_tilde_is_a_name(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("recording,out,export\n~no such user.tif,~a.sam2v,~a.tif\n")
    (item,) = read_table(table)
    assert (item.recording, item.out) == (str(tmp_path / "~no such user.tif"), str(tmp_path / "~a.sam2v"))
    assert item.exports == (tmp_path / "~a.tif",)


@pytest.mark.parametrize("between", ["\u2028", "\x85", "\x0c", "\n"])
def test_a_cell_is_not_cut_where_text_could_be(tmp_path, between):
    table = tmp_path / "table.csv"
    table.write_bytes(f'recording,out\n"a{between}b.tif",c.sam2v\n'.encode())
    assert [item.name for item in read_table(table)] == [f"a{between}b.tif"]


def test_empty_rows_and_columns_of_a_spreadsheet_are_ignored(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("recording,out,,\na.tif,a.sam2v,,\n,,,\n")
    assert [item.name for item in read_table(table)] == ["a.tif"]


@pytest.mark.parametrize("name", ["report.csv", "report.json"])
def test_fault_54_a_sentence_with_a_name_that_is_not_unicode_ends_in_the_report(tmp_path, items, monkeypatch, name):
    monkeypatch.setattr(
        "napari_sam2_video.batch.attempt.Attempts.run",
        lambda how, item, stop: {"status": "failed", "sentence": "a\udcff.tif is empty."},
    )
    run_batch(items("", ""), tmp_path / name)
    assert (tmp_path / name).read_text(encoding="utf-8").count(r"a\udcff.tif is empty.") == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [("mine.csv", "recording,out\na.tif,b\n"), ("mine.json", '[{"recording": "a.tif"}]'), ("mine.tif", b"II*\0\xff")],
)
def test_a_report_replaces_nothing_but_a_report(tmp_path, worker, items, name, content):
    mine = tmp_path / name
    mine.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(BatchError, match="is not a report"):
        run_batch(items(""), mine, worker_command=worker)
    assert mine.read_bytes() == (content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", ["report.csv", "report.json"])
def test_a_report_is_replaced_when_the_batch_runs_again(tmp_path, worker, items, name):
    for _ in range(2):
        assert run_batch(items(""), tmp_path / name, worker_command=worker).ok


def test_a_report_that_a_spreadsheet_saved_is_replaced_too(tmp_path, worker, items):
    path = tmp_path / "report.csv"
    run_batch(items(""), path, worker_command=worker)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b",", b";") + b"\xe4")
    assert run_batch(items(""), path, worker_command=worker).ok


def test_a_missing_table_gives_one_sentence(tmp_path):
    with pytest.raises(BatchError, match="cannot be read"):
        read_table(tmp_path / "nothing.csv")


@pytest.fixture
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,
        protocol="tcp://",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
    ) as local:
        yield local


def test_a_dask_cluster_runs_the_items(tmp_path, worker, items, cluster):
    batch = items("", "bad", "die once")
    report = run_batch(batch, tmp_path / "report.csv", scheduler=cluster.scheduler_address, worker_command=worker)
    assert [result.status for result in report.results] == ["done", "failed", "done"]
    assert [tries(item) for item in batch] == [1, 1, 2]


def test_a_scheduler_that_does_not_answer_gives_one_sentence(tmp_path, worker, items, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr("napari_sam2_video.batch.run._CONNECT_SECONDS", 0.5)
    with pytest.raises(BatchError, match=r"No dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run_batch(items(""), tmp_path / "report.csv", scheduler="tcp://127.0.0.1:9", worker_command=worker)


@pytest.mark.parametrize("until", [3, 9])
def test_a_report_locked_by_a_spreadsheet_fails_no_item(tmp_path, items, monkeypatch, until):
    replace, calls, ended = os.replace, [], []

    def locked(path, target):
        calls.append(target)
        if 1 < len(calls) <= until:
            raise PermissionError(13, "Permission denied")
        return replace(path, target)

    monkeypatch.setattr("napari_sam2_video.batch.run.check_folder", lambda folder: None)
    monkeypatch.setattr("napari_sam2_video.batch.attempt.Attempts.run", lambda how, item, stop: {"status": "done"})
    monkeypatch.setattr("os.replace", locked)
    path = tmp_path / "report.csv"
    if until == 3:
        assert run_batch(items("", "", ""), path, on_result=lambda *told: ended.append(told)).ok
        assert [row["status"] for row in rows(path)] == ["done"] * 3
    else:
        with pytest.raises(BatchError, match="report"):
            run_batch(items("", "", ""), path, on_result=lambda *told: ended.append(told))
    assert len(ended) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["report.csv"]


@pytest.mark.parametrize("system", ["win32", "darwin"])
@pytest.mark.parametrize(
    ("text", "message"),
    [("recording,out\na,Run\nb,run\n", "both write to"), ("recording,out\na,run\nb,A\n", "would overwrite")],
)
def test_names_that_differ_by_capitals_alone_are_one_place_on_windows_and_macos(
    tmp_path, monkeypatch, system, text, message
):
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert len(read_table(path)) == 2
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(BatchError, match=message):
        read_table(path)
