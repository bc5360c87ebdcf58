"""Ids and frames often come out of arrays: NumPy's numbers are as good as Python's."""

import json

import numpy as np

from napari_sam2_video.session import Session
from napari_sam2_video.types import BoxPrompt, MaskPrompt, ModelSettings, PointPrompt, TrackSettings

INT, FLOAT = np.int64, np.float32


def test_numpy_numbers_give_the_same_session_as_plain_ones(session, recording, factory, movie):
    first, second = INT(1), INT(2)
    session.add_object(object_id=first, color=(INT(1), INT(2), INT(3)))
    session.add_object(object_id=second)
    session.add_prompt(PointPrompt(first, INT(2), *movie[1][2, 0].astype(FLOAT)))
    session.set_prompts(second, INT(2), [BoxPrompt(second, INT(2), FLOAT(1), INT(2), INT(10), INT(12))])
    session.set_prompts(second, INT(3), [MaskPrompt(second, INT(3), np.ones(session.shape_yx, np.uint8))])
    session.edit_object(second, parent=first, parent_frame=INT(4), name=np.str_("daughter"), color=np.array([1, 2, 3]))
    list(session.track(TrackSettings(start=INT(0), stop=INT(7), objects=(first, second))))
    session.paint(INT(5), (INT(1), INT(1)), np.full((2, 2), first))
    session.clear_paint(INT(5), first)
    session.paint(INT(6), (INT(0), INT(0)), np.full((2, 2), second))
    session.labels[INT(3), np.array([1, 2]), np.array([1, 2])] = first
    session.accept(first, INT(2), INT(4))
    session.set_model(ModelSettings(image_size=INT(256)))
    json.dumps(session.provenance())
    seen = session.objects, session.prompts(), session.accepted(1), session.masks.painted(), session.model_settings
    labels = [session.masks.read_labels(frame).tolist() for frame in range(session.n_frames)]
    folder = session.folder
    session.close()
    with Session.open(folder, recording=recording, tracker_factory=factory) as again:
        assert (
            again.objects,
            again.prompts(),
            again.accepted(1),
            again.masks.painted(),
            again.model_settings,
        ) == seen
        assert [again.masks.read_labels(frame).tolist() for frame in range(again.n_frames)] == labels
        assert again.object(2).parent == 1
