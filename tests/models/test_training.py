"""The training of the demo model, as far as it can be tested in seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

TOOLS = str(Path(__file__).parents[2] / "tools")


@pytest.fixture(autouse=True)
def _tools(monkeypatch):
    monkeypatch.setattr(sys, "path", [TOOLS, *sys.path])


def head_of_width(width):
    from sam2.modeling.sam2_utils import MLP

    torch.manual_seed(0)
    return MLP(width, width, 1, 3)


def test_a_clip_is_learned_in_stretches_after_the_frames_that_are_only_watched():
    from demo_model.unroll import Weights, _stretches

    assert list(_stretches(12, Weights(unwatched=9))) == [9, 12]
    assert list(_stretches(8, Weights(stretch=3))) == [3, 6, 8]
    assert list(_stretches(8, Weights(unwatched=2, stretch=4))) == [2, 6, 8]
    assert list(_stretches(5, Weights())) == [5]


def test_the_score_learns_which_masks_are_right_and_keeps_the_share_it_is_given():
    from demo_model.presence import Tokens, fit, start_fresh

    tokens = torch.randn(2000, 8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(2000, generator=torch.Generator().manual_seed(2))
    right = (tokens[:, 0] * 2 + tokens[:, 1] + 0.5 * noise > 0).float()
    head = head_of_width(8)
    start_fresh(head)
    figures = fit(head, Tokens(tokens, right, torch.arange(2000) % 40), keep=0.95, epochs=20)
    assert figures["right"] == pytest.approx(0.95, abs=0.02)
    assert figures["wrong"] < 0.3


def test_tokens_of_two_rounds_keep_their_clips_apart():
    from demo_model.presence import Tokens

    one = Tokens(torch.zeros(3, 2), torch.ones(3), torch.tensor([0, 0, 1]))
    assert (one + one).clips.tolist() == [0, 0, 1, 2, 2, 3]


def test_a_window_that_follows_shows_one_cell_in_its_middle():
    from demo_model.recordings import SIDE, followed

    clip = followed(1_000_003, 6)
    assert clip.frames.shape == (6, SIDE, SIDE)
    middles = [np.argwhere(clip.mask(i)[t]).mean(0) for i in clip.object_ids for t in (0, 5) if clip.mask(i)[t].any()]
    assert min(np.abs(place - SIDE / 2).max() for place in middles) < 64
    assert clip.labels.max() < 256


def test_planes_across_a_stack_are_square_as_in_a_walk_and_show_their_objects():
    from demo_model.recordings import SIDE, crossing_planes, to_display

    clip = crossing_planes(1_000_002, 6)
    shown = to_display(clip.frames)
    assert shown.shape == (6, SIDE, SIDE, 3)
    assert clip.labels.shape == (6, SIDE, SIDE)
    assert (shown[:, 0] == shown[:, 1]).all()
    assert not clip.labels[:, 0].any()
    assert clip.labels[:, SIDE // 2].any()


def test_a_coarse_recording_is_enlarged_with_its_truth():
    from demo_model.recordings import SIDE, Collection, training_clip

    coarse = [training_clip(index, Collection(8, 2, {"cross": 1}, coarsest=100)) for index in range(8)]
    assert {clip.frames.shape for clip in coarse} == {(2, SIDE, SIDE), (2, SIDE, SIDE, 3)}
    for clip in coarse:
        frames = clip.frames if clip.frames.ndim == 3 else clip.frames[..., 0]
        assert frames[clip.labels > 0].mean() > 2 * frames[clip.labels == 0].mean()


def test_export_replaces_the_file_and_what_is_known_of_it_and_nothing_else(tmp_path):
    from demo_model.export import PACKAGE_FOLDER, export_weights

    torch.save({"average": {"weight": torch.ones(2), "count": torch.tensor(3)}}, tmp_path / "state.pt")
    before = (PACKAGE_FOLDER / "__init__.py").read_text()
    (tmp_path / "__init__.py").write_text(before)
    sha256 = export_weights(tmp_path / "state.pt", tmp_path)
    module: dict[str, object] = {}
    exec((tmp_path / "__init__.py").read_text(), module)
    content = (tmp_path / str(module["DEMO_FILE"])).read_bytes()
    assert (module["DEMO_SHA256"], module["DEMO_BYTES"]) == (sha256, len(content))
    assert torch.load(tmp_path / "sam2.1_demo.pt", weights_only=True)["model"]["weight"].dtype == torch.float16
    after = (tmp_path / "__init__.py").read_text()
    changed = [a for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert [line.split()[0] for line in changed] == ["DEMO_BYTES", "DEMO_SHA256"]
