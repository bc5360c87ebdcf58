"""The command that measures quality: its seeds, its recordings and its report."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.quality.choice import chosen_settings, note_report, save_choice
from benchmarks.quality.command import combinations, main, table, tracking_options, value_of
from benchmarks.quality.kinds import KINDS, cases, error_click, make_case
from benchmarks.quality.run import Job, corrections, run, with_settings
from benchmarks.quality.seeds import CHOOSING, REPORTING, seeds

from napari_sam2_video.types import ModelSettings

SMALL = KINDS["cross"].resized(1, 4)


def test_no_seed_is_both_for_choosing_and_for_reporting():
    assert not set(CHOOSING) & set(REPORTING)
    for kind in KINDS.values():
        chosen, reported = (dict(cases(kind, reporting=reporting)) for reporting in (False, True))
        assert set(chosen.values()) <= set(CHOOSING)
        assert set(reported.values()) <= set(REPORTING)


def test_training_seeds_of_the_demo_model_are_neither(monkeypatch):
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "tools"))
    from demo_model.recordings import TRAINING_SEED

    assert max(*CHOOSING, *REPORTING) < TRAINING_SEED


def test_more_seeds_than_there_are_is_refused():
    with pytest.raises(ValueError, match="10000 seeds"):
        seeds(len(CHOOSING) + 1, reporting=False)


@pytest.mark.parametrize("name", KINDS)
def test_a_case_is_decided_by_its_seed_and_prompts_what_is_seen(name):
    kind = replace(KINDS[name], frames=4, size=min(KINDS[name].size, 256), most=3)
    first, again = (make_case(kind, kind.clips[0], 3) for _ in range(2))
    assert np.array_equal(first.clip.frames, again.clip.frames)
    assert first.prompts == again.prompts
    assert 0 < len(first.object_ids) <= 3
    assert [prompt.object_id for prompt in first.prompts] == list(first.object_ids)
    for prompt in first.prompts:
        seen = np.argwhere(first.clip.labels[prompt.frame] == prompt.object_id)
        if kind.prompt == "box":
            corners = (prompt.y0, prompt.x0), (prompt.y1, prompt.x1)
            np.testing.assert_array_equal(corners, (seen.min(0), seen.max(0)))
        else:
            assert [prompt.y, prompt.x] in seen.tolist()


def test_a_correction_clicks_in_the_middle_of_the_largest_error():
    truth, mask = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    truth[10:30, 10:30] = True
    mask[10:30, 10:21], mask[2:4, 2:4] = True, True
    click = error_click(5, 7, mask, truth)
    assert (click.object_id, click.frame, click.positive) == (5, 7, True)
    assert truth[int(click.y), int(click.x)]
    assert not mask[int(click.y), int(click.x)]
    assert click.x == pytest.approx(25, abs=1)
    with pytest.raises(ValueError, match="No pixel is wrong"):
        error_click(5, 7, truth, truth)


def test_each_object_is_corrected_on_its_worst_frame():
    case = make_case(SMALL, "cross", 1)
    labels = case.clip.labels.copy()
    labels[2][labels[2] == 1] = 0
    (click,) = corrections(labels, case)
    assert (click.object_id, click.frame, click.positive) == (1, 2, True)


def test_both_sides_give_the_same_masks_where_nothing_beyond_meta_is_chosen(exact_settings):
    rows = [
        run(Job(SMALL, side, ModelSettings(), settings)) for side, settings in (("Meta", {}), ("ours", exact_settings))
    ]
    for name in ("iou", "boundary", "wrong", "SEG", "TRA", "CHOTA"):
        assert rows[0][name] == pytest.approx(rows[1][name], abs=0.02), name
    assert rows[0]["recordings"] == 1
    assert rows[0]["objects"] == 2


def test_values_and_combinations_of_settings():
    assert [value_of(text) for text in ("auto", "256", "0.5", "true", "none")] == ["auto", 256, 0.5, True, None]
    assert combinations({}) == [{}]
    assert combinations({"a": [1, 2], "b": ["x"]}) == [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}]


def test_what_a_run_covers_is_not_a_setting_to_compare():
    assert not {"direction", "start", "stop", "objects", "model"} & set(tracking_options())
    assert {"precision", "compile"} <= set(tracking_options())


def test_a_setting_goes_to_the_network_or_to_the_run():
    model, settings = with_settings(ModelSettings(image_size=128), {"precision": "bf16", "direction": "forward"})
    assert (model.image_size, model.precision, settings.direction) == (128, "bf16", "forward")


def test_settings_are_reported_only_after_they_were_measured_and_saved(tmp_path):
    file = tmp_path / "choice.json"
    with pytest.raises(ValueError, match="save-choice"):
        chosen_settings(file)
    with pytest.raises(ValueError, match="Measure"):
        save_choice(file, {"window": "auto"}, {})
    save_choice(file, {"window": "auto"}, {"cross": [{"iou": 0.5}]})
    assert chosen_settings(file) == {"window": "auto"}
    note_report(file, ["cross"])
    assert [report["kinds"] for report in json.loads(file.read_text())["reports"]] == [["cross"]]
    assert chosen_settings(file) == {"window": "auto"}


@pytest.mark.parametrize("given", [["sponges"], ["--report", "missing.json"]])
def test_what_cannot_be_measured_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        main(given)
    assert "sponges" in capsys.readouterr().err or given[0] == "--report"


def test_the_table_has_a_row_a_side_and_shares_as_per_cent():
    shown = table([{"side": "Meta", "iou": 0.25, "wrong": 0.5}, {"side": "ours", "iou": float("nan"), "wrong": 0.0}])
    assert shown.splitlines() == [
        "| side | IoU | wrong frames |",
        "|---|---|---|",
        "| Meta | 0.250 | 50.0 % |",
        "| ours | – | 0.0 % |",
    ]
