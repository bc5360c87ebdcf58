"""A run in the journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2_video.engine.plan import Plan
from napari_sam2_video.session.prompts import key_of, split_key
from napari_sam2_video.spans import bounds_of
from napari_sam2_video.types import TrackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_video.session.conditioning import Mark


@dataclass(frozen=True)
class RunRecord:
    """A run in the journal."""

    id: int
    settings: TrackSettings
    plan: Plan
    marks: Mapping[int, Mapping[int, Mark]]
    fences: Mapping[int, frozenset[int]]
    total: int
    model: Mapping[str, Any]
    started: str
    finished: str | None

    def to_json(self) -> dict[str, Any]:
        """Form in the journal."""
        return {
            "settings": self.settings.to_json(),
            **self.plan.to_json(),
            "marks": [[key_of(o, f), list(m)] for o, marks in self.marks.items() for f, m in marks.items()],
            "fences": [[o, bounds_of(frames)] for o, frames in self.fences.items()],
            "total": self.total,
            "model": dict(self.model),
            "started": self.started,
            "finished": self.finished,
        }


def run_from_json(key: Any, value: Any) -> RunRecord:
    """Run from its journal form; raises ValueError, TypeError or KeyError for anything else."""
    plan = Plan.from_json(value)
    marks: dict[int, dict[int, Mark]] = {}
    for name, (revision, stroke, tag) in value["marks"]:
        object_id, frame = split_key(name)
        marks.setdefault(object_id, {})[frame] = (int(revision), int(stroke), str(tag))
    fences = {
        int(o): frozenset(f for a, b in spans for f in range(max(0, a), min(plan.n_frames, b)))
        for o, spans in value["fences"]
    }
    return RunRecord(
        int(key),
        TrackSettings.from_json(value["settings"]),
        plan,
        marks,
        fences,
        int(value["total"]),
        dict(value["model"]),
        str(value["started"]),
        value["finished"],
    )
