"""Tables, undo and redo."""

from __future__ import annotations

from napari_sam2_video.storage.journal import Journal
from napari_sam2_video.storage.state import State


def test_a_step_is_undone_in_any_table_and_reopened_as_it_was(tmp_path):
    def open_state():
        return State(Journal(tmp_path / "j", read_only=False, quarantine=tmp_path / "q"), {})

    state = open_state()
    first = state.commit([("a", 1, "x"), ("b", "1:2", [1])], name="first")
    state.commit([("a", 1, "y")], name="second")
    state.commit([("b", "1:3", [2])], step=first)
    state.commit([("c", 1, 1)])
    assert state.group("b", 1) == {"2": [1], "3": [2]}
    assert state.undo()[0] == "second"
    assert state.get("a", 1) == "x"
    assert state.undo() == ("first", frozenset({("a", 1), ("b", "1:2"), ("b", "1:3")}))
    assert state.group("b", 1) == {}
    assert state.redo()[0] == "first"
    state.close()
    again = open_state()
    assert again.get("a", 1) == "x"
    assert again.get("c", 1) == 1
    assert again.group("b", 1) == {"2": [1], "3": [2]}
    assert (again.undoable, again.redoable) == ("first", "second")
    again.commit([("a", 2, "z")], name="third")
    assert again.redoable is None
    again.close()


def test_undo_keeps_what_another_step_added_to_a_shared_list_meanwhile(tmp_path):
    def open_state():
        journal = Journal(tmp_path / "j", read_only=False, quarantine=tmp_path / "q")
        return State(journal, {"s": lambda _, value: tuple(value)}, {"s"})

    state = open_state()
    state.commit([("s", 1, [1])])
    run = state.commit([], name="run")
    state.commit([("s", 1, [3, 1])], name="edit")
    state.commit([("s", 1, [4, 3])], step=run)
    assert state.values_before_later_steps("s", 1, run) == [(1,)]
    moves = [("undo", (4, 1)), ("redo", (4, 3, 1)), ("undo", (4, 1)), ("undo", (3, 1)), ("redo", (4, 3))]
    for move, expected in moves:
        getattr(state, move)()
        assert state.get("s", 1) == expected
        state.close()
        state = open_state()
        assert state.get("s", 1) == expected
    state.close()
