"""Run one item of a batch: python -m napari_sam2_video.batch.worker ITEM.json RESULT.json."""

from __future__ import annotations

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.batch.attempt import ALIVE
from napari_sam2_video.batch.table import BatchError, BatchItem
from napari_sam2_video.errors import Sam2VideoError, SessionLockedError
from napari_sam2_video.storage.atomic import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.session import Session

_LOCK_SECONDS = 30.0


def work(item: BatchItem, stop: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Track a recording, or continue its session, and export the result.

    Parameters
    ----------
    item : BatchItem
        The item. An existing session keeps its view and model; new prompts of the item are added, and only what is
        missing is tracked.
    stop : callable, optional
        Called between frames; True stops.

    Returns
    -------
    dict
        Fields of `ItemResult`: status, sentence, objects and frames. Errors are reported there.
    """
    try:
        from napari_sam2_video.api import TrackSettings, export, read_prompts
        from napari_sam2_video.api.finding import FindRequest, find_and_track
        from napari_sam2_video.api.options import SessionOptions
        from napari_sam2_video.api.start import range_notes
        from napari_sam2_video.export.registry import find_format
        from napari_sam2_video.prompt_text import parse_seeds
        from napari_sam2_video.types.finding import area_from_text
        from napari_sam2_video.types.prompts import seed_list

        settings = TrackSettings.from_text(item.direction or "both", item.range or None)
        options = SessionOptions.from_text(item.to_json())
        finding = FindRequest.from_text(item.find, item.every, item.accept, item.range or None, item.smallest_area)
        overwrite = _yes(item.overwrite)
        for target in item.exports:
            find_format(target)
        prompts = read_prompts(item.prompts) if item.prompts else ()
        smallest = area_from_text(item.smallest_area)
        affine = partial(options.affine_of, item.recording)
        seeds = seed_list([parse_seeds(item.seeds, affine=affine)], smallest) if item.seeds else []
        with _started(item, options, prompts, seeds, settings, finding and finding.detector) as session:
            computed = find_and_track(session, finding, settings, planes=item.planes or None, stop=stop)
            if session.unfinished or (stop is not None and stop()):
                return {"status": "stopped", "sentence": "The batch was stopped; run it again to continue."}
            for target in item.exports:
                if computed or overwrite or not target.exists():
                    export(session, target, overwrite=overwrite)
            last = session.n_frames if settings.stop is None else settings.stop
            return {
                "status": "done",
                "sentence": " ".join((*session.notes, *range_notes(session, settings))),
                "objects": len(session.objects),
                "frames": last - (settings.start or 0),
            }
    except Sam2VideoError as error:
        return {"status": "failed", "sentence": str(error)}


def _started(item: BatchItem, *how: Any) -> Session:
    """The item's session, new or continued."""
    from napari_sam2_video.api.start import start

    options, prompts, seeds, settings, detector = how
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return start(
                item.recording,
                Path(item.out),
                options,
                prompts,
                seeds,
                settings,
                if_there="resume",
                planes=item.planes,
                detector=detector,
            )
        except SessionLockedError:
            # A worker whose connection was lost stops at its next frame.
            if time.monotonic() > end:
                raise
            time.sleep(1.0)


def _yes(text: str) -> bool:
    if text.lower() not in ("", "yes", "no", "true", "false", "1", "0"):
        raise BatchError(f'"{text}" in the column "overwrite" must be yes or no.')
    return text.lower() in ("yes", "true", "1")


def abandoned(alive: Path) -> bool:
    """Whether the process that started this one is gone; on Windows, only its lock shows that."""
    from filelock import FileLock, Timeout

    if not alive.exists():
        return False
    try:
        with FileLock(alive, timeout=0):
            return True
    except (Timeout, OSError, NotImplementedError):
        return False


def main(arguments: list[str]) -> int:
    """Read the item from the first path, run it, and write its outcome to the second."""
    order, result = map(Path, arguments)
    parent, alive = os.getppid(), order.with_name(ALIVE)
    outcome = work(
        BatchItem(**json.loads(order.read_text(encoding="utf-8"))),
        stop=lambda: os.getppid() != parent or abandoned(alive),
    )
    replace_file(result, json.dumps(outcome).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
