"""Manifests and journals that are well-formed but make no sense: the session opens, or one sentence says why not."""

import copy
import json
import random
import shutil

import numpy as np
import pytest

from napari_sam2_video.errors import Sam2VideoError, SessionError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.storage.journal import decode_line, encode_line
from napari_sam2_video.types import PointPrompt
from tests.fakes import blob_movie, fake_factory

WILD = (
    None,
    -1,
    2**63,
    1.5,
    True,
    "",
    "../../secret",
    "/etc/passwd",
    "\0",
    [],
    {},
    [[1]],
    [10**12, 10**12],
)


@pytest.fixture
def folder(tmp_path, quick_disk):
    """A session with a bit of everything, beside its recording."""
    movie, centres = blob_movie(6)
    np.save(tmp_path / "movie.npy", movie)
    with (
        open_recording(tmp_path / "movie.npy", axes="TYX") as recording,
        Session.create(tmp_path / "run.sam2v", recording, tracker_factory=fake_factory()) as session,
    ):
        object_id = session.add_object("one")
        session.add_prompt(PointPrompt(object_id, 2, *centres[2, 0]))
        list(session.track())
        session.paint(1, (0, 0), np.full((2, 2), object_id))
        session.accept(object_id, 3, 5)
    return tmp_path / "run.sam2v"


def places(node, path=()):
    """Every place in a JSON document, as a path of keys."""
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield (*path, key)
        yield from places(node[key], (*path, key))


def replaced(document, path, value):
    changed = copy.deepcopy(document)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def use(folder):
    """Open a session and use it; the sentence of a refusal."""
    try:
        with Session.open(folder, read_only=True, tracker_factory=fake_factory()) as session:
            json.dumps(session.provenance())
            for frame in range(session.n_frames):
                assert session.masks.read_labels(frame).shape == session.shape_yx
            for entry in session.objects:
                session.prompts(entry.id)
                session.scores(entry.id)
                session.state(entry.id)
    except Sam2VideoError as error:
        return str(error)
    return None


def test_every_value_of_the_manifest_may_be_nonsense(folder):
    whole = json.loads((folder / "session.json").read_text())
    assert use(folder) is None
    refused = 0
    random_ = random.Random(4)
    for path in places(whole):
        for value in random_.sample((*WILD, float("nan"), float("inf")), 3):
            (folder / "session.json").write_text(json.dumps(replaced(whole, path, value)))
            sentence = use(folder)
            refused += sentence is not None
            assert sentence is None or "\n" not in sentence
    assert refused > 30


def test_an_invalid_number_is_damage_also_where_it_could_be_written_back(folder):
    whole = (folder / "session.json").read_text()
    (folder / "session.json").write_text(
        whole.replace('"low": 0', '"low": NaN').replace('"low": ', '"low": 1e999, "x": ', 1)
    )
    with pytest.raises(SessionError, match=r"session\.json is damaged"):
        Session.open(folder, tracker_factory=fake_factory())


@pytest.mark.parametrize(
    "item", [{"kind": "mask"}, {"kind": "point", "y": "1", "x": 2, "positive": True}, {"kind": "circle"}, None, []]
)
def test_an_invalid_prompt_of_the_journal_is_left_out(folder, item):
    lines = (folder / "journal.jsonl").read_bytes().splitlines()
    entries = [decode_line(line) for line in lines]
    for entry in entries:
        for change in entry.get("set", ()):
            if change[0] == "prompts":
                change[2]["items"] = [item]
    (folder / "journal.jsonl").write_bytes(b"".join(encode_line(entry) for entry in entries))
    with Session.open(folder, read_only=True, tracker_factory=fake_factory()) as session:
        assert session.prompts() == ()
        assert any("journal" in note for note in session.notes)


def test_entries_of_the_journal_may_be_nonsense(folder, tmp_path):
    lines = (folder / "journal.jsonl").read_bytes().splitlines()
    random_ = random.Random(5)
    for number in range(40):
        case = tmp_path / f"case{number}"
        shutil.copytree(folder, case)
        row = random_.randrange(len(lines))
        entry = decode_line(lines[row])
        changed = replaced(entry, random_.choice(list(places(entry))), random_.choice(WILD))
        written = [*lines]
        written[row] = encode_line(changed).rstrip(b"\n")
        (case / "journal.jsonl").write_bytes(b"\n".join(written) + b"\n")
        sentence = use(case)
        assert sentence is None or "\n" not in sentence
        shutil.rmtree(case)
