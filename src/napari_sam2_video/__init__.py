"""Segment and track any object through volumes, time series and video with SAM 2.1."""

__version__ = "0.1.0"
