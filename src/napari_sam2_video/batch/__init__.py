"""Many recordings from one table: each in its own process, on this machine or on a dask cluster."""

from __future__ import annotations

from napari_sam2_video.batch.report import BatchReport, ItemResult
from napari_sam2_video.batch.run import run_batch
from napari_sam2_video.batch.table import BatchError, BatchItem, read_table

__all__ = ["BatchError", "BatchItem", "BatchReport", "ItemResult", "read_table", "run_batch"]
