"""Track objects on one frame: each in its window, and compatible ones in batches."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_sam2_video.engine.agreement import agreeing
from napari_sam2_video.engine.framing import SEEN
from napari_sam2_video.engine.memory import recall
from napari_sam2_video.engine.neighbours import lost_pixels, without_pixels
from napari_sam2_video.engine.outcome import Outcome, Row, Seen, outcome_of, remembered
from napari_sam2_video.engine.plan import REACH, step_of
from napari_sam2_video.engine.presence import has_ended
from napari_sam2_video.engine.second_look import second_look

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import torch

    from napari_sam2_video.engine.batching import Batcher
    from napari_sam2_video.engine.embedder import Embedder
    from napari_sam2_video.engine.framing import Framing
    from napari_sam2_video.engine.memory import ConditioningEntry, MemoryEntry
    from napari_sam2_video.engine.neighbours import Neighbours
    from napari_sam2_video.engine.networks.outputs import Decoded, Embedding
    from napari_sam2_video.engine.plan import PassDirection
    from napari_sam2_video.engine.windows import Place, Window
    from napari_sam2_video.types import ObjectMask


@dataclass(frozen=True)
class Tracked:
    """The state of an object before a frame."""

    object_id: int
    conditioning: Mapping[int, ConditioningEntry]
    trail: Mapping[int, MemoryEntry]


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
        Chooses windows; without it, the network sees whole frames.
    neighbours : Neighbours, optional
        Stored masks of objects that are not being tracked.
    """

    batcher: Batcher
    embedder: Embedder
    framing: Framing | None
    neighbours: Neighbours | None = None

    def track(
        self,
        frame: int,
        direction: PassDirection,
        objects: Sequence[Tracked],
        upcoming: Sequence[int] = (),
        settled: Sequence[ObjectMask] = (),
    ) -> list[Outcome]:
        """Compute a frame for objects without a prompt on it; one outcome for each.

        Parameters
        ----------
        frame : int
            The frame.
        direction : {"forward", "backward"}
            Direction of the pass.
        objects : sequence of Tracked
            The objects.
        upcoming : sequence of int
            Frames that will be needed next.
        settled : sequence of ObjectMask
            Masks of objects with a prompt on the frame.
        """
        rows = [self._row(one, frame, direction) for one in objects]
        framing = self.framing
        if framing is None:
            return self._in_batches(frame, rows, [None] * len(rows), [(None, self.embedder.embed(frame, upcoming))])
        windows = [None if row.before is None else framing.follow(row.before, row.seen, row.prompted) for row in rows]
        found = self._look(frame, rows, windows, upcoming)
        elsewhere = {}
        for i, outcome in enumerate(found):
            place = outcome.entry.place
            if place is not None and (window := framing.recentred(place)) != place.window:
                elsewhere[i] = window
        outcomes = self._look(frame, [rows[i] for i in elsewhere], list(elsewhere.values()))
        for i, outcome in zip(elsewhere, outcomes, strict=True):
            if framing.is_plausible(outcome.entry.place, rows[i].before):
                found[i] = outcome
        if framing.is_volume:
            return found
        pairs = zip(rows, found, strict=True)
        found = [second_look(self.batcher, self.embedder, frame, row, outcome) for row, outcome in pairs]
        return self._without_neighbours(frame, found, settled)

    def recompute(
        self,
        object_id: int,
        frame: int,
        direction: PassDirection,
        trail: Mapping[int, MemoryEntry],
        attended: Mapping[int, ConditioningEntry],
    ) -> tuple[MemoryEntry, torch.Tensor]:
        """Recompute one frame for one object, for a `Replay`; returns its entry and its logits."""
        (outcome,) = self.track(frame, direction, [Tracked(object_id, attended, trail)])
        return outcome.entry, outcome.logits

    def _without_neighbours(self, frame: int, found: Sequence[Outcome], settled: Sequence[ObjectMask]) -> list[Outcome]:
        """Outcomes without memories of pixels that belong to another object."""
        masks = [outcome.mask for outcome in found]
        here = {mask.object_id for mask in (*masks, *settled)}
        others = [*settled, *(() if self.neighbours is None else self.neighbours.beside(frame, here))]
        result = list(found)
        for i, lost_yx in lost_pixels(masks, others, self.batcher.view.shape_yx).items():
            outcome, entry = found[i], found[i].entry
            window = None if entry.place is None else entry.place.window
            ((_, embedding),) = self.embedder.embed_windows(frame, [window])
            apart = outcome.decoded(without_pixels(outcome.logits, lost_yx, window))
            spatial = self.batcher.model.remember(embedding, apart, prompted=False)
            result[i] = replace(outcome, entry=replace(entry, spatial=spatial))
        return result

    def _row(self, tracked: Tracked, frame: int, direction: PassDirection) -> Row:
        """The row of an object; its last place is known at least from its nearest prompted frame."""
        back = step_of(direction)
        conditioning = tracked.conditioning if self.framing is None else agreeing(tracked.conditioning, frame)
        remembered = recall(conditioning, tracked.trail, frame, direction, self.batcher.view.n_frames)
        places = [(age, _place(tracked, frame - back * age)) for age in range(1, REACH + 1)]
        seen = [(age, place) for age, place in places if place is not None and place.extent_yx is not None]
        before = places[0][1]
        prompted = min(tracked.conditioning.values(), key=lambda entry: abs(entry.frame - frame)).memory.place
        if before is None:
            before = prompted
            seen = [] if before is None else [(1, before)]
        return Row(tracked.object_id, remembered, before, tuple(seen), prompted)

    def _look(
        self, frame: int, rows: Sequence[Row], windows: Sequence[Window | None], upcoming: Sequence[int] = ()
    ) -> list[Outcome]:
        """Find each object in its window."""
        embeddings = self.embedder.embed_windows(frame, list(dict.fromkeys(windows)), upcoming)
        return self._in_batches(frame, rows, windows, embeddings)

    def _in_batches(
        self,
        frame: int,
        rows: Sequence[Row],
        windows: Sequence[Window | None],
        embeddings: Iterable[tuple[Window | None, Embedding]],
    ) -> list[Outcome]:
        """Track each object in its window; those whose recalls have the same signature form batches.

        Batches depend only on the objects, not on cached embeddings, because batching affects rounding.
        """
        inside: dict[Window | None, list[int]] = defaultdict(list)
        for i, window in enumerate(windows):
            inside[window].append(i)
        waiting: dict[tuple[int, int], list[tuple[int, Seen]]] = defaultdict(list)
        found: dict[int, Outcome] = {}
        size = self.batcher.batch_size

        def track(batch: list[tuple[int, Seen]]) -> None:
            outcomes = self._track(frame, [seen for _, seen in batch])
            found.update(zip([i for i, _ in batch], outcomes, strict=True))
            batch.clear()

        for window, embedding in embeddings:
            for i in inside[window]:
                batch = waiting[rows[i].recall.signature]
                batch.append((i, Seen(rows[i], window, embedding)))
                if len(batch) == size:
                    track(batch)
        for batch in waiting.values():
            if batch:
                track(batch)
        return [found[i] for i in range(len(rows))]

    def _track(self, frame: int, objects: Sequence[Seen]) -> list[Outcome]:
        """Track objects whose recalls have the same signature, each in its window."""
        embeddings, recalls = [one.embedding for one in objects], [one.row.recall for one in objects]
        steps = self.batcher.steps(frame, embeddings, recalls)
        return [self._outcome(one, *step) for one, step in zip(objects, steps, strict=True)]

    def _outcome(self, seen: Seen, decoded: Decoded, entry: MemoryEntry) -> Outcome:
        """The outcome of an object in its window; empty if the object has ended."""
        if self.framing is None:
            (mask,) = self.batcher.shown([seen.row.object_id], decoded, prompted=False)
            return Outcome(mask, entry, decoded.logits)
        outcome = outcome_of(self.batcher, seen, decoded, entry)
        if self.framing.is_volume and has_ended(outcome.mask, outcome.place, seen.row.seen[:SEEN]):
            return remembered(self.batcher, seen, self.batcher.model.absent(decoded), entry)
        return outcome


def _place(tracked: Tracked, frame: int) -> Place | None:
    entry = tracked.trail.get(frame)
    if entry is None and frame in tracked.conditioning:
        entry = tracked.conditioning[frame].memory
    return None if entry is None else entry.place
