"""Finding on single frames: ``python -m benchmarks find``, or to choose settings, ``python -m benchmarks.finding.run``.

Settings are chosen on choosing seeds, with ``--save-choice``, and reported on others: reporting with settings that were
not chosen so is refused.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.finding.frames import FRAME, Case, Found, Tally, make_case, tally
from benchmarks.finding.peer import Generator
from benchmarks.quality.choice import chosen_settings, note_report, save_choice
from benchmarks.quality.seeds import seeds
from napari_sam2_video.detect.everything import Everything, GridSettings
from napari_sam2_video.detect.more_like_this import LikeSettings, MoreLikeThis
from napari_sam2_video.detect.protocol import Example
from napari_sam2_video.detect.run import run_detector
from napari_sam2_video.engine.networks.load import load_model
from napari_sam2_video.engine.tracker import Tracker
from napari_sam2_video.geometry import whole_mask
from napari_sam2_video.models.resolve import resolve_model
from napari_sam2_video.synthetic.clicks import middle
from napari_sam2_video.types import ModelSettings, PointPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from napari_sam2_video.engine.networks.protocol import Network

CHOICE = Path(__file__).with_name("choice.json")
SIDES = {"field": 1024}
KINDS = ("cells", "phase", "nuclei", "dish", "packed", "video", "organs", "ct", "field")
_CLICKS = 3

Row = dict[str, Any]


def settings_now() -> dict[str, Any]:
    """What is to be chosen, as it is now."""
    return json.loads(json.dumps({"everything": asdict(GridSettings()), "like": asdict(LikeSettings())}))


def find(level: int) -> list[Row]:
    """Recall, precision and seconds on reporting seeds, and Meta's generator beside it.

    Raises
    ------
    ValueError
        If the settings are not those that were chosen.
    """
    if chosen_settings(CHOICE) != settings_now():
        raise ValueError("The settings were changed since they were chosen; measure them on choosing seeds first.")
    kinds = ("cells", "phase", "nuclei") if level == 0 else KINDS
    rows = measured(kinds, (2, 8)[level], reporting=True)
    rows += beside(("cells", "nuclei"), (1, 2)[level], reporting=True)
    if level:
        rows += beside(("field",), 1, reporting=True)
        note_report(CHOICE, list(kinds))
    return rows


def measured(kinds: Iterable[str], count: int, *, reporting: bool) -> list[Row]:
    """A row for each kind of recording."""
    network = load_model(resolve_model("demo"), ModelSettings("demo"))
    rows = []
    for kind in kinds:
        every, like = Tally(), Tally()
        every_seconds, like_seconds = [], []
        for seed in seeds(count if kind not in SIDES else max(1, count // 4), reporting=reporting):
            case = make_case(kind, seed, SIDES.get(kind, 256))
            tracker = Tracker(network, case.view, window="auto")
            found, seconds = _timed(lambda case=case, tracker=tracker: _everything(case, tracker))
            every, every_seconds = every + tally(case, found), [*every_seconds, seconds]
            ids = _clicked(case, seed)
            examples = _examples(case, tracker, ids)
            if not examples:
                continue
            found, seconds = _timed(lambda case=case, t=tracker, e=examples: _like(case, t, e))
            like, like_seconds = like + tally(case, found, ids), [*like_seconds, seconds]
        rows.append(
            {
                "kind": kind,
                "pixels": SIDES.get(kind, 256),
                "objects": every.objects,
                "everything: recall": every.recall,
                "precision": every.precision,
                "processor s": float(np.median(every_seconds)),
                "more like this: objects": like.objects,
                "recall ": like.recall,
                "precision ": like.precision,
                "processor s ": float(np.median(like_seconds)) if like_seconds else float("nan"),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def beside(kinds: Sequence[str], count: int, *, reporting: bool) -> list[Row]:
    """Ours and Meta's generator with the same weights, one frame each in turn."""
    network: Network = load_model(resolve_model("demo"), ModelSettings("demo"))
    rows = []
    for kind in kinds:
        side = SIDES.get(kind, 256)
        sides: dict[str, Callable[[Case], list[Found]]] = {
            "everything": lambda case: _everything(case, Tracker(network, case.view)),
            "Meta's generator": lambda case: Generator()(case.view.read(FRAME)),
        }
        if side > 256:
            sides["Meta's generator, 2 layers of crops"] = lambda case: Generator(crops=2)(case.view.read(FRAME))
        tallies, spent = dict.fromkeys(sides, Tally()), {name: [] for name in sides}
        for seed in seeds(count, reporting=reporting):
            case = make_case(kind, seed, side)
            for name, look in sides.items():
                found, seconds = _timed(lambda look=look, case=case: look(case))
                tallies[name] += tally(case, found)
                spent[name].append(seconds)
        ours = float(np.median(spent["everything"]))
        for name in sides:
            row = {"kind": kind, "pixels": side, "what": name, "recall": tallies[name].recall}
            seconds = float(np.median(spent[name]))
            row |= {"precision": tallies[name].precision, "processor s": seconds, "times ours": seconds / ours}
            rows.append(row)
            print(json.dumps(row), flush=True)
    return rows


def _everything(case: Case, tracker: Tracker) -> list[Found]:
    found = run_detector(Everything(), case.view, FRAME, segmenter=tracker.segmenter())
    return [(one.origin_yx, one.mask) for one in found if one.mask is not None]


def _like(case: Case, tracker: Tracker, examples: list[Example]) -> list[Found]:
    detector = MoreLikeThis([one.object_id for one in examples], lambda _: examples)
    found = run_detector(detector, case.view, FRAME, segmenter=tracker.segmenter())
    return [(one.origin_yx, one.mask) for one in found if one.mask is not None]


def _clicked(case: Case, seed: int) -> list[int]:
    """Up to three objects, drawn by the seed, and no more than half of all."""
    ids = np.random.default_rng(seed).permutation(case.ids)
    return [int(i) for i in ids[: max(1, min(_CLICKS, len(ids) // 2))]]


def _examples(case: Case, tracker: Tracker, ids: Sequence[int]) -> list[Example]:
    """What one click in the middle of each object selects."""
    made = []
    for i in ids:
        shown = tracker.preview(i, FRAME, [PointPrompt(i, FRAME, *middle(case.labels_yx == i))])
        best = shown.candidates[shown.best]
        mask = whole_mask(best.origin_yx, best.levels > 0, shown.shape_yx)
        if mask.any():
            made.append(Example(i, FRAME, mask))
    return made


def _timed(look: Callable[[], list[Found]]) -> tuple[list[Found], float]:
    """What is found, and the seconds of the CPU, embedding the frame included."""
    begin = time.process_time()
    return look(), time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--count", type=int, default=8, help="recordings of each kind, of the choosing seeds")
    parser.add_argument("--save-choice", action="store_true", help="write the settings and these figures as the choice")
    given = parser.parse_args()
    rows = measured(given.kinds, given.count, reporting=False)
    if given.save_choice:
        save_choice(CHOICE, settings_now(), {row["kind"]: row for row in rows})


if __name__ == "__main__":
    main()
