from __future__ import annotations

import numpy as np

from napari_sam2_video.session import Session
from napari_sam2_video.session import prompts as prompts_module
from napari_sam2_video.types import BoxPrompt, MaskPrompt, PointPrompt, ScribblePrompt


def test_what_prompts_there_are_is_reported_without_unpacking_a_mask(session, monkeypatch):
    labels = np.zeros(session.shape_yx, np.uint16)
    labels[2:6, 2:6], labels[10:14, 20:30] = 4, 7
    assert session.add_seeds(labels, 1) == [4, 7]
    whole = session.prompts()
    session.set_prompts(7, 3, [PointPrompt(7, 3, 5.0, 6.0), BoxPrompt(7, 3, 1.0, 1.0, 8.0, 9.0)])

    def never(*_):
        raise AssertionError("a mask was unpacked")

    monkeypatch.setattr(prompts_module, "decode_mask", never)
    found = [(one.object_id, one.frame, one.kinds) for one in session.prompt_sets()]
    assert found == [(4, 1, ("mask",)), (7, 1, ("mask",)), (7, 3, ("point", "box"))]
    assert [one.frame for one in session.prompt_sets(7)] == [1, 3]
    assert session.prompt_sets(4, 3) == ()
    assert [type(prompt) for prompt in session.prompts(masks=False)] == [PointPrompt, BoxPrompt]
    assert [(prompt.object_id, np.flatnonzero(prompt.mask).size) for prompt in whole] == [(4, 16), (7, 40)]
    assert all(isinstance(prompt, MaskPrompt) for prompt in whole)


def test_a_scribble_is_kept_as_one_and_tracked_by(session, recording, factory, movie):
    object_id = session.add_object()
    y, x = movie[1][4, 0]
    stroke = ScribblePrompt(object_id, 4, ((y - 3, x), (y, x + 1), (y + 3, x)))
    beside = ScribblePrompt(object_id, 4, ((1, 1), (1, 9)), positive=False)
    session.add_prompt(stroke)
    session.add_prompt(beside)
    list(session.track())
    assert session.mask(object_id, 4)[round(y), round(x)]
    (said,) = (one for one in session.provenance()["objects"] if one["id"] == object_id)
    assert [one["type"] for one in said["prompts"]] == ["scribble", "scribble"]
    folder = session.folder
    session.close()
    with Session.open(folder, recording=recording, tracker_factory=factory) as again:
        assert again.prompts(object_id, 4) == (stroke, beside)
        assert again.dirty() == ()
        again.undo()
        again.undo()
        assert again.prompts(object_id, 4) == (stroke,)
