"""Random interleavings of all that a person and a run can do, against a session in plain Python."""

from __future__ import annotations

import os
import shutil
import tempfile
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from napari_sam2_video.errors import PromptError, SessionError
from napari_sam2_video.frames.open import open_recording
from napari_sam2_video.session import Session
from napari_sam2_video.types import PointPrompt, TrackSettings
from tests.fakes import blob_movie, fake_factory

N, SHAPE = 5, (12, 16)
MOVIE, CENTRES = blob_movie(N, SHAPE, 2)
IDS = (1, 2)
frames = st.integers(0, N - 1)
ids = st.sampled_from(IDS)


@dataclass
class Plain:
    """What a person may rely on: the pixels they painted, what they accepted, what they clicked."""

    painted: np.ndarray = field(default_factory=lambda: np.full((N, *SHAPE), -1))
    accepted: dict = field(default_factory=lambda: {i: frozenset() for i in IDS})
    prompts: dict = field(default_factory=dict)


class SessionMachine(RuleBasedStateMachine):
    @initialize()
    def make(self):
        self.fsync = os.fsync
        os.fsync = lambda handle: None
        self.folder = Path(tempfile.mkdtemp())
        self.recording = open_recording(MOVIE, axes="TYX", name="blobs")
        self.session = Session.create(self.folder / "a.sam2v", self.recording, tracker_factory=fake_factory())
        for _ in IDS:
            self.session.add_object()
        self.plain = Plain()
        self.done, self.undone = [], []
        self.base = self.session.can_undo
        self.seen = self.labels()

    def labels(self):
        return np.asarray(self.session.labels).copy()

    def step(self, before, labels_before):
        self.done.append((before, labels_before))
        self.undone.clear()

    def changed(self, before):
        """Note a step if the session made one."""
        labels_before = self.seen
        self.step(before, labels_before)
        self.seen = self.labels()

    @rule(
        frame=frames,
        y=st.integers(0, SHAPE[0] - 4),
        x=st.integers(0, SHAPE[1] - 4),
        height=st.integers(1, 4),
        width=st.integers(1, 4),
        value=st.sampled_from((0, *IDS)),
    )
    def paint(self, frame, y, x, height, width, value):
        before = deepcopy(self.plain)
        self.session.paint(frame, (y, x), np.full((height, width), value))
        self.plain.painted[frame, y : y + height, x : x + width] = value
        old = self.seen.copy()
        self.changed(before)
        old[frame, y : y + height, x : x + width] = value
        assert np.array_equal(self.seen, old)

    @rule(
        frame=frames, value=st.sampled_from((0, *IDS)), y=st.integers(0, SHAPE[0] - 3), x=st.integers(0, SHAPE[1] - 3)
    )
    def stroke_in_a_viewer(self, frame, value, y, x):
        before = deepcopy(self.plain)
        key = (slice(frame, frame + 1), slice(y, y + 3), slice(x, x + 3))
        region = self.session.labels[key]
        mask = region != value
        region[mask] = value
        steps = self.session.can_undo
        self.session.labels[key] = region
        self.session.end_stroke()
        if mask.any():
            self.plain.painted[key][mask] = value
            self.changed(before)
        else:
            assert self.session.can_undo == steps

    @rule(frame=frames)
    def clear_paint(self, frame):
        before = deepcopy(self.plain)
        if self.session.clear_paint(frame):
            self.plain.painted[frame] = -1
            self.changed(before)
        else:
            assert (self.plain.painted[frame] == -1).all()

    @rule(object_id=ids, frame=frames, y=st.integers(0, SHAPE[0] - 1), x=st.integers(0, SHAPE[1] - 1))
    def click(self, object_id, frame, y, x):
        before = deepcopy(self.plain)
        prompt = PointPrompt(object_id, frame, y, x)
        known = self.plain.prompts.get((object_id, frame), ())
        self.session.set_prompts(object_id, frame, [prompt])
        if known != (prompt,):
            self.plain.prompts[object_id, frame] = (prompt,)
            self.changed(before)

    @rule(object_id=ids, frame=frames)
    def remove_click(self, object_id, frame):
        before = deepcopy(self.plain)
        self.session.set_prompts(object_id, frame, [])
        if self.plain.prompts.pop((object_id, frame), None):
            self.changed(before)

    @rule(object_id=ids, start=frames, length=st.integers(1, 3), accept=st.booleans())
    def accept(self, object_id, start, length, accept):
        before = deepcopy(self.plain)
        stop = min(N, start + length)
        span = frozenset(range(start, stop))
        old = self.plain.accepted[object_id]
        new = old | span if accept else old - span
        (self.session.accept if accept else self.session.unaccept)(object_id, start, stop)
        if new != old:
            self.plain.accepted[object_id] = new
            self.changed(before)

    @rule(
        direction=st.sampled_from(("both", "forward", "backward")),
        named=st.booleans(),
        steps=st.none() | st.integers(0, 4),
        paint=st.none() | st.tuples(frames, st.sampled_from((0, *IDS))),
    )
    def track(self, direction, named, steps, paint):
        before = deepcopy(self.plain)
        with_prompts = sorted({i for i in IDS if self.session.state(i).prompted})
        named = named and bool(with_prompts)
        settings = TrackSettings(direction=direction, objects=tuple(with_prompts) if named else None)
        settled = {(i, f): self.session.masks.object_mask(f, i) for i in IDS for f in self.plain.accepted[i]}
        idle = [] if named else [i for i in IDS if i not in self.session.dirty()]
        done = {(i, f): self.session.masks.object_mask(f, i) for i in idle for f in self.session.masks.frames_done(i)}
        counted = 0

        def stop():
            return steps is not None and counted >= steps

        try:
            for _ in self.session.track(settings, stop=stop):
                counted += 1
                if paint is not None and counted == 1:
                    frame, value = paint
                    self.session.paint(frame, (0, 0), np.full((3, 5), value))
                    self.plain.painted[frame, :3, :5] = value
        except PromptError:
            assert counted == 0
            return
        for (object_id, frame), mask in (settled | done).items():
            if paint is None or paint[0] != frame or counted == 0:
                assert np.array_equal(self.session.masks.object_mask(frame, object_id), mask)
        if paint is not None and counted:
            self.step(before, None)
            mid = deepcopy(self.plain)
            mid.painted = before.painted.copy()
            self.done.append((mid, None))
            self.seen = self.labels()
        else:
            self.changed(before)

    @rule()
    def resume(self):
        if not self.session.unfinished:
            return
        try:
            list(self.session.resume())
        except SessionError:
            assert self.session.dirty()
            return
        assert not self.session.unfinished
        self.done = [(plain, None) for plain, _ in self.done]
        self.undone = [(plain, None) for plain, _ in self.undone]
        self.seen = self.labels()

    @precondition(lambda self: self.done)
    @rule()
    def undo(self):
        now = (deepcopy(self.plain), self.seen)
        plain, labels = self.done.pop()
        assert self.session.undo() is not None
        self.undone.append(now)
        self.plain = plain
        self.seen = self.labels()
        if labels is not None:
            assert np.array_equal(self.seen, labels)

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self):
        now = (deepcopy(self.plain), self.seen)
        plain, labels = self.undone.pop()
        assert self.session.redo() is not None
        self.done.append(now)
        self.plain = plain
        self.seen = self.labels()
        if labels is not None:
            assert np.array_equal(self.seen, labels)

    @rule()
    def reopen(self):
        said = (self.session.can_undo, self.session.can_redo, self.session.unfinished, self.session.dirty())
        self.session.close()
        self.session = Session.open(self.folder / "a.sam2v", recording=self.recording, tracker_factory=fake_factory())
        assert not self.session.notes
        assert said == (
            self.session.can_undo,
            self.session.can_redo,
            self.session.unfinished,
            self.session.dirty(),
        )

    @invariant()
    def hand_painted_pixels_stand(self):
        if not hasattr(self, "session"):
            return
        mine = self.plain.painted >= 0
        now = self.labels()
        assert np.array_equal(now[mine], self.plain.painted[mine])
        assert np.array_equal(now, self.seen)
        for i in IDS:
            assert self.session.accepted(i) == self.plain.accepted[i]
        expected = [p for _, p in sorted(self.plain.prompts.items(), key=lambda kv: (kv[0][1], kv[0][0])) for p in p]
        assert list(self.session.prompts()) == expected
        assert bool(self.session.can_redo) == bool(self.undone)
        assert (self.session.can_undo == self.base) == (not self.done)

    def teardown(self):
        if hasattr(self, "session"):
            self.session.close()
            self.recording.close()
            shutil.rmtree(self.folder)
            os.fsync = self.fsync


TestSession = SessionMachine.TestCase
TestSession.settings = settings(
    max_examples=30, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
