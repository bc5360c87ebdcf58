"""Synthetic recordings with known truth: for the demo model, the sample data and the tests.

Needs only numpy and scipy. Everything is decided by the seed.
"""

from __future__ import annotations

from napari_sam2_video.synthetic.clip import HARD_KINDS, KINDS, STACK_KINDS, TIME_KINDS, SyntheticClip, make_clip
from napari_sam2_video.synthetic.samples import sample_ct_volume, sample_time_series, sample_video

__all__ = [
    "HARD_KINDS",
    "KINDS",
    "STACK_KINDS",
    "TIME_KINDS",
    "SyntheticClip",
    "make_clip",
    "sample_ct_volume",
    "sample_time_series",
    "sample_video",
]
