"""Track objects on one frame: each in its window, those that fit together as batches."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_video.engine.memory import recall
from napari_sam2_video.engine.plan import step_of
from napari_sam2_video.engine.windows import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.embedder import Embedder
    from napari_sam2_video.engine.framing import Framing
    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry, Recall
    from napari_sam2_video.engine.networks.outputs import Embedding
    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.windows import Place, Window
    from napari_sam2_video.types import ObjectMask


@dataclass(frozen=True)
class Tracked:
    """What an object brings to a frame.

    Parameters
    ----------
    object_id : int
        The object.
    conditioning : mapping of int to ConditioningEntry
        Its conditioning entries by frame, in their order.
    trail : mapping of int to MemoryEntry
        Other frames that it remembers.
    """

    object_id: int
    conditioning: Mapping[int, ConditioningEntry]
    trail: Mapping[int, MemoryEntry]


@dataclass(frozen=True)
class Outcome:
    """An object on a frame: its mask, what it remembers of the frame, and its logits ``(1, 1, S / 4, S / 4)``."""

    mask: ObjectMask
    entry: MemoryEntry
    logits: torch.Tensor


@dataclass(frozen=True)
class FrameStep:
    """Takes objects one frame further.

    Parameters
    ----------
    batcher : Batcher
        The network; the caller holds its turn.
    embedder : Embedder
        Embeds the frames.
    framing : Framing, optional
        Decides on windows; without it the network sees whole frames.
    """

    batcher: Batcher
    embedder: Embedder
    framing: Framing | None

    def track(
        self, frame: int, direction: PassDirection, objects: Sequence[Tracked], upcoming: Sequence[int] = ()
    ) -> list[Outcome]:
        """Compute a frame for objects that have no prompt on it; one outcome for each.

        Parameters
        ----------
        frame : int
            The frame.
        direction : {"forward", "backward"}
            Direction of the pass.
        objects : sequence of Tracked
            The objects.
        upcoming : sequence of int
            Frames that will be asked for next.
        """
        n_frames = self.batcher.view.n_frames
        recalls = [recall(o.conditioning, o.trail, frame, direction, n_frames) for o in objects]
        if self.framing is None:
            embedding = self.embedder.embed(frame, upcoming)
            return self._look_in(frame, None, embedding, list(objects), recalls, [None] * len(objects))
        before = [_last_places(o, frame, direction) for o in objects]
        windows = [self.framing.follow(*places) for places in before]
        last = [place for place, _ in before]
        found = self._look(frame, objects, recalls, windows, last, upcoming)
        elsewhere = {}
        for i, outcome in enumerate(found):
            place = outcome.entry.place
            if place is not None and (window := self.framing.recentred(place)) != place.window:
                elsewhere[i] = window
        again = list(elsewhere)
        outcomes = self._look(
            frame,
            [objects[i] for i in again],
            [recalls[i] for i in again],
            list(elsewhere.values()),
            [last[i] for i in again],
            (),
        )
        for i, outcome in zip(again, outcomes, strict=True):
            if outcome.entry.place and self.framing.is_plausible(outcome.entry.place, last[i]):
                found[i] = outcome
        return found

    def recompute(
        self,
        frame: int,
        direction: PassDirection,
        trail: Mapping[int, MemoryEntry],
        attended: Mapping[int, ConditioningEntry],
    ) -> tuple[MemoryEntry, torch.Tensor]:
        """Compute one frame for one object again, for a `Replay`; its entry and its logits."""
        (outcome,) = self.track(frame, direction, [Tracked(0, attended, trail)])
        return outcome.entry, outcome.logits

    def _look(
        self,
        frame: int,
        objects: Sequence[Tracked],
        recalls: Sequence[Recall],
        windows: Sequence[Window | None],
        before: Sequence[Place],
        upcoming: Sequence[int],
    ) -> list[Outcome]:
        """Look for each object in its window."""
        rows: dict[Window | None, list[int]] = defaultdict(list)
        for i, window in enumerate(windows):
            rows[window].append(i)
        found: dict[int, Outcome] = {}
        for window, embedding in self.embedder.embed_windows(frame, list(rows), upcoming):
            here = rows[window]
            outcomes = self._look_in(
                frame,
                window,
                embedding,
                [objects[i] for i in here],
                [recalls[i] for i in here],
                [before[i] for i in here],
            )
            found.update(zip(here, outcomes, strict=True))
        return [found[i] for i in range(len(objects))]

    def _look_in(
        self,
        frame: int,
        window: Window | None,
        embedding: Embedding,
        objects: list[Tracked],
        recalls: list[Recall],
        before: Sequence[Place | None],
    ) -> list[Outcome]:
        """Track objects in one window; those whose recalls have the same signature go through the network together."""
        groups: dict[tuple[int, int], list[int]] = defaultdict(list)
        for i, remembered in enumerate(recalls):
            groups[remembered.signature].append(i)
        found: dict[int, Outcome] = {}
        for rows in groups.values():
            steps = self.batcher.steps(frame, embedding, [recalls[i] for i in rows])
            for i, (decoded, entry) in zip(rows, steps, strict=True):
                (mask,) = self.batcher.shown([objects[i].object_id], decoded, prompted=False, window=window)
                if self.framing is not None:
                    entry = replace(entry, place=place_of(mask, window, before[i]))
                found[i] = Outcome(mask, entry, decoded.logits)
        return [found[i] for i in range(len(objects))]


def _last_places(tracked: Tracked, frame: int, direction: PassDirection) -> tuple[Place, Place | None]:
    """Places on the frame before, or on the nearest prompted frame, and on the one before that if it is known."""
    back = step_of(direction)
    before, earlier = (_place(tracked, frame - back * age) for age in (1, 2))
    if before is not None:
        return before, earlier
    nearest = min(tracked.conditioning.values(), key=lambda entry: abs(entry.frame - frame))
    assert nearest.memory.place is not None
    return nearest.memory.place, None


def _place(tracked: Tracked, frame: int) -> Place | None:
    entry = tracked.trail.get(frame)
    if entry is None and frame in tracked.conditioning:
        entry = tracked.conditioning[frame].memory
    return None if entry is None else entry.place
