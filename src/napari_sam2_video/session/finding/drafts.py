"""Interpret detections: new objects, divisions, ends, and lost objects that reappear."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

from napari_sam2_video.linking.shapes import union
from napari_sam2_video.session.finding.matching import covered, matched
from napari_sam2_video.session.finding.proposal import Draft, FoundTrack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from napari_sam2_video.linking.shapes import Shape
    from napari_sam2_video.linking.tracks import Track

COVERED = 0.5
FLEETING = 0.5
MOST_CERTAIN = 0.95
LEAST_MISSES = 2
REACH = 2.0


@dataclass(frozen=True)
class Known:
    """What is already tracked.

    Parameters
    ----------
    masks : callable
        Returns the masks of the objects on a frame, by object.
    was_tracked : callable
        Whether an object was tracked on a frame, present or absent.
    is_settled : callable
        Whether an object was accepted, prompted or painted on a frame or after it.
    parents : mapping of int to int
        Mother of each object with one.
    """

    masks: Callable[[int], Mapping[int, Shape]]
    was_tracked: Callable[[int, int], bool]
    is_settled: Callable[[int, int], bool]
    parents: Mapping[int, int]


class Drafts:
    """Proposals that follow from detections.

    Parameters
    ----------
    tracks : sequence of Track
        Linked detections; frames are those of the recording.
    frames : range
        Frames on which the detector looked.
    scores : mapping of int to float
        Mean score of the detections of each track, by its number.
    shape_yx : tuple of int
        Shape of the frames.
    known : Known
        What is already tracked.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        frames: range,
        scores: Mapping[int, float],
        shape_yx: tuple[int, int],
        known: Known,
    ) -> None:
        self._tracks = {track.number: track for track in tracks}
        self._frames = frames
        self._scores = scores
        self._shape_yx = shape_yx
        self._known = known
        self._seen: dict[int, list[int]] = {}
        self._hits: dict[int, list[int]] = {}
        self._missed: dict[int, list[int]] = {}
        self._hidden: Counter[int] = Counter()
        votes: dict[int, Counter[int]] = {number: Counter() for number in self._tracks}
        for frame in frames:
            self._look(frame, votes)
        self._owner = {number: max(counts, key=counts.__getitem__) for number, counts in votes.items() if counts}
        self._daughters: dict[int, list[int]] = {}
        for track in tracks:
            if track.parent is not None:
                self._daughters.setdefault(track.parent, []).append(track.number)

    def _look(self, frame: int, votes: Mapping[int, Counter[int]]) -> None:
        """Match the detections on a frame with the tracked objects there."""
        here = [track for track in self._tracks.values() if frame in track.shapes]
        tracked = self._known.masks(frame)
        found = [track.shapes[frame] for track in here]
        pairs = matched(found, tracked)
        for place, track in enumerate(here):
            if place in pairs:
                votes[track.number][pairs[place][0]] += 1
            elif covered(found[place], tracked)[1] > COVERED:
                self._hidden[track.number] += 1
        hit = {object_id for object_id, _ in pairs.values()}
        for object_id, mask in tracked.items():
            self._seen.setdefault(object_id, []).append(frame)
            if object_id in hit:
                self._hits.setdefault(object_id, []).append(frame)
            elif not any(mask.overlap(shape) for shape in found):
                self._missed.setdefault(object_id, []).append(frame)

    def all(self) -> list[Draft]:
        """The proposals; one that makes an object comes before those about it."""
        made: dict[int, tuple[Draft, int]] = {}
        drafts: list[Draft] = []
        divided: set[int] = set()
        for number in sorted(self._tracks, key=lambda n: (self._tracks[n].first, n)):
            draft = None
            if self._tracks[number].parent is None or number not in made:
                draft = self._of_track(number, made)
            if draft is not None:
                drafts.append(draft)
                if draft.kind == "new object":
                    made[number] = (draft, 0)
            division = self._division(number, made)
            if division is not None:
                drafts.append(division)
                made |= {daughter: (division, n) for n, daughter in enumerate(self._daughters[number])}
                if division.object_id is not None:
                    divided.add(division.object_id)
        return [*drafts, *(end for end in self._ends() if end.object_id not in divided)]

    def _of_track(self, number: int, made: Mapping[int, tuple[Draft, int]]) -> Draft | None:
        """A new object, or a lost one that reappears."""
        track = self._tracks[number]
        owner = self._owner.get(number)
        if owner is not None:
            back = next((f for f in track.shapes if self._is_lost(owner, f)), None)
            near = 0.0 if back is None else self._nearness(owner, back, track.shapes[back])
            return self._again(owner, number, back, self._scores[number] * near) if back is not None and near else None
        if self._hidden[number] * 2 > len(track.shapes):
            return None
        lost = max(self._lost_near(track), default=None)
        if lost is not None:
            return self._again(lost[1], number, track.first_found, self._scores[number] * lost[0])
        score = self._scores[number] * self._steadiness(track)
        count = len(track.shapes)
        where = (
            f"on frame {track.first_found}" if count == 1 else f"on {count} frames, first on frame {track.first_found}"
        )
        return self._draft("new object", track.first_found, score, f"found {where}, where nothing is tracked", number)

    def _is_lost(self, object_id: int, frame: int) -> bool:
        """Whether an object was there before, but tracking lost it on a frame."""
        before = [f for f in self._seen.get(object_id, ()) if f < frame]
        absent = object_id not in self._known.masks(frame) and self._known.was_tracked(object_id, frame)
        return bool(before) and absent and not self._known.is_settled(object_id, frame)

    def _again(self, object_id: int, number: int, frame: int, score: float) -> Draft:
        last = max(f for f in self._seen[object_id] if f < frame)
        reason = f"found again on frame {frame}; tracking lost object {object_id} after frame {last}"
        return self._draft("found again", frame, score, reason, number, object_id=object_id)

    def _lost_near(self, track: Track) -> Iterator[tuple[float, int]]:
        """Objects lost before a track begins that it may show, with likelihoods."""
        frame = track.first_found
        for object_id in self._seen:
            if object_id in self._owner.values() and any(f >= frame for f in self._seen[object_id]):
                continue
            if self._is_lost(object_id, frame):
                near = self._nearness(object_id, frame, track.shapes[frame])
                if near:
                    yield near, object_id

    def _nearness(self, object_id: int, frame: int, shape: Shape) -> float:
        """Similarity of a shape, 0 to 1, to where an object was last seen before a frame."""
        last = max(f for f in self._seen[object_id] if f < frame)
        mask = self._known.masks(last)[object_id]
        away = shape.distance(mask) / max(shape.radius, mask.radius)
        return exp(-away / REACH) if away < REACH and abs(log(shape.area / mask.area)) < log(2) else 0.0

    def _division(self, number: int, made: Mapping[int, tuple[Draft, int]]) -> Draft | None:
        daughters = self._daughters.get(number, [])
        if len(daughters) != 2:
            return None
        mother = self._owner.get(number)
        owners = {self._owner[n] for n in daughters if n in self._owner}
        if mother is None and (owners or number not in made):
            return None
        if mother is not None and (owners - {mother} or self._is_known_mother(mother)):
            return None
        frame = min(self._tracks[n].first for n in daughters)
        if mother is not None and self._known.is_settled(mother, frame):
            return None
        one = self._tracks[number]
        total = sum(self._tracks[n].shapes[self._tracks[n].first_found].area for n in daughters)
        whole = one.shapes[max(one.shapes)].area
        score = min(self._scores[n] * self._steadiness(self._tracks[n]) for n in daughters)
        score *= exp(-abs(log(total / whole)))
        reason = (
            f"two objects where one was before frame {frame}, with {round(100 * total / whole)} % of its area together"
        )
        draft = self._draft("division", frame, score, reason, *daughters, object_id=mother)
        if mother is not None:
            return draft
        made_by, place = made[number]
        return Draft(draft.kind, frame, draft.score, reason, draft.box_yxyx, None, draft.tracks, made_by, place)

    def _is_known_mother(self, object_id: int) -> bool:
        return object_id in self._known.parents.values()

    def _ends(self) -> Iterator[Draft]:
        """Tracked objects that are no longer found."""
        for object_id, hits in self._hits.items():
            missed = [f for f in self._missed.get(object_id, ()) if f > hits[-1]]
            later = [f for f in self._seen[object_id] if f > hits[-1]]
            if len(missed) < LEAST_MISSES or missed != later or self._known.is_settled(object_id, missed[0]):
                continue
            before = len([f for f in self._seen[object_id] if f <= hits[-1]])
            rate = min(len(hits) / before, MOST_CERTAIN)
            score = 1 - (1 - rate) ** len(missed)
            mask = self._known.masks(missed[0])[object_id]
            reason = f"nothing is found of object {object_id} on {len(missed)} frames from {missed[0]} on"
            yield Draft("end", missed[0], score, reason, _box([mask]), object_id)

    def _steadiness(self, track: Track) -> float:
        """1 for tracks found wherever expected, less for those found once or with gaps."""
        share = len(track.shapes) / (len(track.shapes) + len(track.missing))
        first = track.first_found
        at_end = len(self._frames) < 3 or first in (self._frames[0], self._frames[-1])
        at_edge = track.shapes[first].edge_distance(self._shape_yx) <= track.shapes[first].radius
        return share * (FLEETING if len(track.shapes) == 1 and not at_end and not at_edge else 1.0)

    def _draft(
        self, kind: str, frame: int, score: float, reason: str, *numbers: int, object_id: int | None = None
    ) -> Draft:
        tracks = [self._found(self._tracks[number], frame) for number in numbers]
        box = _box([track.shapes[track.first] for track in tracks])
        return Draft(kind, frame, min(max(score, 0.0), 1.0), reason, box, object_id, tracks)  # type: ignore[arg-type]

    def _found(self, track: Track, frame: int) -> FoundTrack:
        """The track from a frame on; if some frames were not looked at, nothing is declared missing."""
        shapes = {f: shape for f, shape in track.shapes.items() if f >= frame}
        sure = frozenset(f for f in shapes if track.sources[f] != "part")
        return FoundTrack(shapes, sure, tuple(f for f in track.missing) if self._frames.step == 1 else ())


def _box(shapes: Sequence[Shape]) -> tuple[int, int, int, int]:
    whole = union(shapes)
    (y, x), (height, width) = whole.origin_yx, whole.mask.shape
    return y, x, y + height, x + width
