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


def test_the_score_learns_which_masks_are_right_and_keeps_the_share_it_is_told():
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
    from demo_model.data import SIDE, followed

    clip = followed(1_000_003, 6)
    assert clip.frames.shape == (6, SIDE, SIDE)
    middles = [np.argwhere(clip.mask(i)[t]).mean(0) for i in clip.object_ids for t in (0, 5) if clip.mask(i)[t].any()]
    assert min(np.abs(place - SIDE / 2).max() for place in middles) < 64
    assert clip.labels.max() < 256
