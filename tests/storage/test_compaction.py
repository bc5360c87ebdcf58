from __future__ import annotations

import zlib
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_sam2_video.storage import state as state_module
from napari_sam2_video.storage import tables as tables_module
from napari_sam2_video.storage.compaction import compacted
from napari_sam2_video.storage.journal import Journal
from napari_sam2_video.storage.state import State
from napari_sam2_video.storage.tables import Tables

CHANGE = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([1, 2, "1:x"]), st.none() | st.integers(0, 9))
SHARED = st.tuples(
    st.just("s"), st.just(1), st.none() | st.sets(st.integers(0, 5), min_size=1).map(lambda n: sorted(n, reverse=True))
)
CHANGES = st.lists(CHANGE | SHARED, min_size=1, max_size=3)
ACTS = st.lists(
    st.tuples(st.just("begin"), CHANGES)
    | st.tuples(st.just("add"), CHANGES)
    | st.tuples(st.just("aside"), CHANGES)
    | st.tuples(st.sampled_from(["undo", "redo"]), st.none()),
    max_size=60,
)


@pytest.fixture(autouse=True)
def _short_history(monkeypatch):
    monkeypatch.setattr(tables_module, "HISTORY_STEPS", 3)
    monkeypatch.setattr(state_module, "COMPACT_BYTES", 0)


def open_state(folder):
    return State(Journal(folder / "journal", read_only=False, quarantine=folder / "quarantine"), {}, {"s"})


def act(state, acts):
    steps = []
    for word, changes in acts:
        if word == "begin":
            steps.append(state.commit(changes, name="step"))
        elif word == "add":
            state.commit(changes, step=steps[-1] if steps else None)
        elif word == "aside":
            state.commit(changes)
        else:
            getattr(state, word)()


def rows(state):
    return {name: dict(state.table(name)) for name in ("a", "b", "s")} | {"1": state.group("a", 1)}


def seen(state):
    """All that the tables were and can be again: at each step back, and then at each step forward."""
    states = [(state.next_number, rows(state))]
    for move in (state.undo, state.redo, state.redo, state.redo):
        while (moved := move()) is not None:
            states.append((moved, rows(state)))
    return states


def replayed(entries):
    tables = Tables({}, {"s"})
    for entry in entries:
        tables.apply(entry)
    return {name: kept for name, kept in tables.rows.items() if kept}, tables.done, tables.undone, tables.number


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_fewer_entries_amount_to_the_same(acts):
    entries = [{"n": 0, "head": {"schema": 1}}]

    class Paper:
        read_only, notes, size = False, (), -1
        append = entries.append

    journal = Paper()
    journal.entries = list(entries)
    state = State(journal, {}, {"s"})
    act(state, acts)
    wanted = replayed(deepcopy(entries))
    history = [step.id for step in (*wanted[1], *wanted[2])]
    fewer = compacted(entries, history, {"s"})
    if fewer is not None:
        assert len(fewer) < len(entries)
        assert replayed(fewer) == wanted
    superseded = all(word == "aside" for word, _ in acts) and len(acts) > 24
    assert fewer is not None or not superseded


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ACTS, behind=ACTS)
def test_what_was_compacted_continues_as_if_it_had_not_been(tmp_path_factory, before, behind):
    tmp_path = tmp_path_factory.mktemp("state")
    for name in ("long", "short"):
        (tmp_path / name).mkdir()
        state = open_state(tmp_path / name)
        act(state, before)
        state.close()
    whole = (tmp_path / "long" / "journal").read_bytes()
    state_module.COMPACT_BYTES = 1 << 30
    long = open_state(tmp_path / "long")
    assert (tmp_path / "long" / "journal").read_bytes() == whole
    state_module.COMPACT_BYTES = 0
    short = open_state(tmp_path / "short")
    assert short.notes == []
    for state in (long, short):
        act(state, behind)
    assert seen(long) == seen(short)
    long.close()
    short.close()


def test_a_journal_of_the_same_change_over_and_over_stays_short(tmp_path):
    for value in range(100):
        state = open_state(tmp_path)
        state.commit([("a", 1, value)], name="step")
        state.close()
    lines = (tmp_path / "journal").read_bytes().count(b"\n")
    assert lines < 15
    state = open_state(tmp_path)
    assert state.get("a", 1) == 99
    assert [state.undo() is not None for _ in range(4)] == [True, True, True, False]
    assert state.get("a", 1) == 96
    state.close()


def test_what_a_step_behind_needs_of_one_long_gone_is_kept():
    entries = [{"n": n, "name": "step", "set": [["a", 1, n]]} for n in range(1, 20)]
    entries += [{"n": 20, "undo": 19}, {"n": 21, "undo": 18}, {"n": 22, "redo": 18}, {"n": 23, "redo": 19}]
    entries += [{"n": n, "name": "step", "set": [["a", 2, n]]} for n in (24, 25)]
    wanted = replayed(entries)
    fewer = compacted(entries, [step.id for step in (*wanted[1], *wanted[2])], {"s"})
    assert fewer is not None
    assert [entry["n"] for entry in fewer[1:]] == list(range(18, 26))
    assert replayed(fewer) == wanted


def test_a_damaged_journal_is_left_as_it_is(tmp_path):
    state = open_state(tmp_path)
    for value in range(50):
        state.commit([("a", 1, value)])
    state.close()
    path = tmp_path / "journal"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], b"0" + lines[5][1:], *lines[6:]]))
    before = path.read_bytes()
    state = open_state(tmp_path)
    state.close()
    assert state.notes
    assert path.read_bytes() == before


def test_what_we_would_not_write_ourselves_is_not_written_again(tmp_path):
    state = open_state(tmp_path)
    for value in range(50):
        state.commit([("a", 1, value)])
    state.close()
    path = tmp_path / "journal"
    text = b'{"n":60,"set":[["a",2,NaN]]}'
    path.write_bytes(path.read_bytes() + b"%08x %s\n" % (zlib.crc32(text), text))
    before = path.read_bytes()
    state = open_state(tmp_path)
    state.close()
    assert "left unchanged" in state.notes[0]
    assert path.read_bytes() == before
