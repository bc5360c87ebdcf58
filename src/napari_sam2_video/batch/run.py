"""Run all items of a batch and keep its report."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.batch.attempt import Attempts, Stop
from napari_sam2_video.batch.file_system import check_folder
from napari_sam2_video.batch.report import BatchReport, ItemResult, check_report, write_report
from napari_sam2_video.batch.table import BatchError, BatchItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CONNECT_SECONDS = 10.0


def run_batch(
    items: Sequence[BatchItem],
    report: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    timeout: float | None = None,
    attempts: int = 2,
    on_result: Callable[[ItemResult, int, int], None] | None = None,
    worker_command: Sequence[str] | None = None,
) -> BatchReport:
    """Track every recording of a table, each in its own process.

    An error in one item is reported in its line and does not affect the others. An item whose worker dies is restarted
    and continues where its session stopped; so does the whole batch if it is run again.

    Parameters
    ----------
    items : sequence of BatchItem
        The items, from `read_table`.
    report : Path
        CSV or JSON file, rewritten after every item; an existing file must be a report.
    workers : int
        Number of items that run at the same time on this machine and share its CPU cores.
    scheduler : str, optional
        Address of a dask scheduler, such as ``"tcp://node:8786"``: the items run on its workers instead. The paths in
        the table must be valid there.
    timeout : float, optional
        Seconds after which the worker of an item counts as hung.
    attempts : int
        Maximum number of workers started for an item.
    on_result : callable, optional
        Called on this thread with the result of an item, the number of finished items and the total.
    worker_command : sequence of str, optional
        Command that runs one item, which gets the paths of a JSON file with the item and of the JSON file to write.

    Raises
    ------
    BatchError
        Before anything runs, if results or the report cannot be written, or the cluster cannot be reached; after all
        items, if the report cannot be written.
    """
    check_report(report)
    for folder in sorted({target.parent for item in items for target in (Path(item.out), *item.exports)}):
        check_folder(folder)
    results = [ItemResult(item.name, item.recording, item.out) for item in items]
    write_report(report, results)
    threads = max(1, (os.cpu_count() or 1) // workers) if workers > 1 and scheduler is None else None
    how = Attempts(worker_command, attempts, timeout, threads)
    outcomes = _here(items, how, workers) if scheduler is None else _on_cluster(items, how, scheduler)
    refusal: BatchError | None = None
    for count, (index, outcome) in enumerate(outcomes, start=1):
        results[index] = replace(results[index], **outcome)
        try:
            write_report(report, results)
            refusal = None
        except BatchError as error:
            # A spreadsheet may have locked it; it is written again after the next item.
            refusal = error
        if on_result is not None:
            on_result(results[index], count, len(items))
    if refusal is not None:
        raise refusal
    return BatchReport(tuple(results))


def _here(items: Sequence[BatchItem], how: Attempts, workers: int) -> Iterator[tuple[int, dict[str, Any]]]:
    stop = Stop()
    with ThreadPoolExecutor(workers, thread_name_prefix="batch") as pool:
        try:
            futures = {pool.submit(how.run, item, stop): index for index, item in enumerate(items)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            stop.set()


def _on_cluster(items: Sequence[BatchItem], how: Attempts, address: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        distributed: Any = import_module("distributed")
    except ImportError as error:
        raise BatchError(
            'A dask cluster needs another package; install it with: pip install "napari-sam2-video[distributed]".'
        ) from error
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise BatchError(f"No dask scheduler answers at {address}; check the address and that it runs.") from error
    with client:
        futures = {
            client.submit(how.run, item, Stop(), pure=False, retries=how.most - 1): index
            for index, item in enumerate(items)
        }
        for future in distributed.as_completed(list(futures)):
            failure = future.exception()
            outcome = (
                {"status": "failed", "sentence": f"Its dask worker died ({failure})."} if failure else future.result()
            )
            yield futures[future], outcome
