"""A soft edge lies between pixels, where the logits cross zero."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from napari_sam2_video.export.registry import FORMATS, export
from napari_sam2_video.export.soft_edge import signed_distance
from napari_sam2_video.results import TrackingResult
from napari_sam2_video.types import LEVEL_STEP
from tests.export.made import decode, make_result

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64
CENTRE, RADIUS = (31.3, 32.6), 20.4


def distance_to_disc(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return RADIUS - np.hypot(y - CENTRE[0], x - CENTRE[1])


def levels_of(logits: np.ndarray) -> np.ndarray:
    return np.where(logits > 0, np.minimum(255, 1 + np.floor(logits / LEVEL_STEP)), 0).astype(np.uint8)


def covered() -> np.ndarray:
    """Part of each pixel that the disc covers."""
    fine = (np.arange(16 * SIDE) + 0.5) / 16 - 0.5
    inside = distance_to_disc(fine[:, None], fine[None]) > 0
    return inside.reshape(SIDE, 16, SIDE, 16).mean(axis=(1, 3))


def disc(steepness: float = 2.0) -> TrackingResult:
    """A disc whose logits rise by `steepness` a pixel, on a picture of 200."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    levels = levels_of(steepness * distance_to_disc(y, x))
    labels = (levels > 0).astype(np.uint8)[None]
    result = TrackingResult.from_arrays(labels, np.full((1, SIDE, SIDE, 3), 200, np.uint8))
    return replace(result, read_levels=lambda frame, ids: levels)


def rgba(report: object) -> np.ndarray:
    return np.asarray(Image.open(report.path / "00000.png")).astype(int)


@pytest.mark.parametrize("steepness", [1.0, 3.0, 8.0])
def test_a_feather_of_one_pixel_is_the_part_of_the_pixel_that_is_covered(steepness: float, tmp_path: Path) -> None:
    alpha = rgba(export(disc(steepness), tmp_path / "a", format="matte-png", options={"feather": 1}))[..., 3] / 255
    truth = covered()
    edge = (truth > 0) & (truth < 1)
    hard = np.abs((truth > 0.5) - truth)[edge].mean()
    assert np.abs(alpha - truth)[edge].mean() < hard / 3
    assert np.abs(alpha - truth)[~edge].max() < 0.3


def test_a_wide_feather_falls_evenly_over_its_width(tmp_path: Path) -> None:
    alpha = rgba(export(disc(), tmp_path / "a", format="matte-png", options={"feather": 8}))[..., 3] / 255
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    truth = np.clip(0.5 + distance_to_disc(y, x) / 8, 0, 1)
    assert np.abs(alpha - truth).mean() < 0.01
    assert np.abs(alpha - truth).max() < 0.12


def test_without_a_feather_the_matte_is_the_mask(tmp_path: Path) -> None:
    result = disc()
    alpha = rgba(export(result, tmp_path / "a", format="matte-png"))[..., 3]
    assert np.array_equal(alpha, result.labels(0) * 255)


def test_painted_edges_lie_between_the_pixels_of_the_mask() -> None:
    inside = np.zeros((30, 30), bool)
    inside[10:20, 10:20] = True
    distance = signed_distance(inside, np.zeros((30, 30), np.uint8))
    assert distance[15, 8:12].tolist() == [-1.5, -0.5, 0.5, 1.5]


def test_an_edge_that_a_person_cut_ignores_the_logits_there() -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    levels = levels_of(2 * distance_to_disc(y, x))
    inside = (levels > 0) & (x < 30)
    row = signed_distance(inside, levels)[31]
    assert row[28:32].tolist() == [1.5, 0.5, -0.5, -1.5]
    assert row[12] == pytest.approx(distance_to_disc(31.0, 12.0), abs=0.1)


def test_a_mask_that_fills_the_frame_has_no_edge() -> None:
    full = np.ones((8, 8), bool)
    assert (signed_distance(full, np.full((8, 8), 9, np.uint8)) == np.inf).all()
    assert (signed_distance(~full, np.zeros((8, 8), np.uint8)) == -np.inf).all()


def test_objects_that_touch_have_no_seam(tmp_path: Path) -> None:
    y, x = np.mgrid[:SIDE, :SIDE].astype(float)
    levels = levels_of(2 * distance_to_disc(y, x))
    labels = np.where(levels > 0, np.where(x < 32, 1, 2), 0).astype(np.uint8)
    halves = {1: np.where(x < 32, levels, 0).astype(np.uint8), 2: np.where(x < 32, 0, levels).astype(np.uint8)}
    result = replace(
        TrackingResult.from_arrays(labels[None], np.zeros((1, SIDE, SIDE, 3), np.uint8)),
        read_levels=lambda frame, ids: np.max([halves[i] for i in ids], axis=0),
    )
    both = rgba(export(result, tmp_path / "both", format="matte-png", options={"feather": 6}))[..., 3]
    assert both[31, 28:36].tolist() == [255] * 8
    left = rgba(export(result, tmp_path / "left", format="matte-png", objects=[1], options={"feather": 6}))[..., 3]
    assert 0 < left[31, 32] < left[31, 31] < 255


def test_colours_are_mixed_by_the_soft_edge(tmp_path: Path) -> None:
    result = disc()
    alpha = rgba(export(result, tmp_path / "a", format="matte-png", options={"feather": 4}))[..., 3]
    options = {"feather": 4, "premultiplied": True}
    times_alpha = rgba(export(result, tmp_path / "b", format="matte-png", options=options))
    cutout = rgba(export(result, tmp_path / "c", format="cutout-png", options={"feather": 4, "color": "#640000"}))
    covered_over = rgba(
        export(result, tmp_path / "d", format="removed-png", options={"feather": 4, "color": "#640000"})
    )
    assert np.abs(times_alpha[..., 0] - 200 * alpha / 255).max() <= 0.5
    assert np.abs(cutout[..., 0] - (200 * alpha + 100 * (255 - alpha)) / 255).max() <= 0.5
    assert np.abs(covered_over[..., 0] - (100 * alpha + 200 * (255 - alpha)) / 255).max() <= 0.5


def test_prores_keeps_the_soft_alpha_exactly(tmp_path: Path) -> None:
    options = {"feather": 5}
    alpha = rgba(export(disc(), tmp_path / "a", format="matte-png", options=options))[..., 3]
    stored, _ = decode(export(disc(), tmp_path / "a.mov", options=options).path, "yuva444p16le", 1, np.uint16)
    film = stored.reshape(-1, SIDE * SIDE)
    assert np.abs(film[-1].reshape(SIDE, SIDE) / 65535 * 255 - alpha).max() < 0.5


@pytest.mark.parametrize(
    "name", [name for name, entry in FORMATS.items() if any(o.name == "feather" for o in entry.options)]
)
def test_every_format_with_a_soft_edge_says_where_there_are_no_logits(name: str, tmp_path: Path) -> None:
    options = {"feather": 2.5, **({"background": False} if name.startswith("clips") else {})}
    target = tmp_path / ("a" + (FORMATS[name].suffixes or ("",))[0])
    assert "no logits" in " ".join(export(make_result("odd"), target, format=name, options=options).notes)
