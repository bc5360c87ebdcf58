"""Run one item of a batch: python -m napari_sam2_video.batch.worker ITEM.json RESULT.json."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam2_video.batch.attempt import ALIVE
from napari_sam2_video.batch.table import BatchError, BatchItem
from napari_sam2_video.errors import Sam2VideoError, SessionLockedError
from napari_sam2_video.types import ModelSettings, TrackSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_sam2_video.session import Session

_LOCK_SECONDS = 30.0
_MANIFEST = "session.json"


def work(item: BatchItem, stop: Callable[[], bool] | None = None) -> dict[str, Any]:
    """Track a recording, or go on with it, and export the result.

    A session that is there is gone on with: it keeps its view and its model, prompts of the item that it does not have
    are added, and only what is not done is tracked.

    Parameters
    ----------
    item : BatchItem
        What to do.
    stop : callable, optional
        Asked between frames.

    Returns
    -------
    dict
        Fields of `ItemResult`: status, sentence, objects and frames. Whatever goes wrong is told there.
    """
    try:
        from napari_sam2_video.api import add_prompts, export, go_on, read_prompts
        from napari_sam2_video.prompt_text import parse_seeds

        settings = TrackSettings.from_text(item.direction or "both", item.range or None)
        prompts = read_prompts(Path(item.prompts)) if item.prompts else ()
        with _session(item) as session:
            if item.seeds and not session.objects:
                add_prompts(session, (), [parse_seeds(item.seeds)])
            add_prompts(session, prompts)
            computed = go_on(session, settings, stop=stop)
            if session.unfinished:
                return {"status": "stopped", "sentence": "The batch was stopped; run it again to go on."}
            overwrite = _yes(item.overwrite)
            for target in item.exports:
                if computed or overwrite or not target.exists():
                    export(session, target, overwrite=overwrite)
            return {
                "status": "done",
                "sentence": " ".join(session.notes),
                "objects": len(session.objects),
                "frames": session.n_frames,
            }
    except Sam2VideoError as error:
        return {"status": "failed", "sentence": str(error)}


def _session(item: BatchItem) -> Session:
    from napari_sam2_video.api import create_session, open_session

    if not (Path(item.out) / _MANIFEST).exists():
        return create_session(
            item.recording,
            item.out,
            axis=item.axis or None,
            channel=_number(item.channel, "channel") if item.channel else None,
            contrast=item.contrast or None,
            model=_model(item),
        )
    end = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return open_session(item.out, recording=item.recording)
        except SessionLockedError:
            # A worker on a machine that was lost stops at its next frame.
            if time.monotonic() > end:
                raise
            time.sleep(1.0)


def _model(item: BatchItem) -> ModelSettings:
    precision: Any = item.precision or "auto"
    image_size = _number(item.image_size, "image_size") if item.image_size else None
    return ModelSettings(item.model or "demo", item.device or "auto", precision, image_size)


def _number(text: str, column: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BatchError(f'"{text}" in the column "{column}" is not a whole number.') from None


def _yes(text: str) -> bool:
    if text.lower() not in ("", "yes", "no", "true", "false", "1", "0"):
        raise BatchError(f'"{text}" in the column "overwrite" is neither yes nor no.')
    return text.lower() in ("yes", "true", "1")


def abandoned(alive: Path) -> bool:
    """Whether the process that started this one is gone; Windows tells so by no other sign than its lock."""
    from filelock import FileLock, Timeout

    if not alive.exists():
        return False
    try:
        with FileLock(alive, timeout=0):
            return True
    except (Timeout, OSError, NotImplementedError):
        return False


def main(arguments: list[str]) -> int:
    """Read the item of the first path, run it, and write what became of it to the second."""
    order, result = map(Path, arguments)
    parent, alive = os.getppid(), order.with_name(ALIVE)
    outcome = work(
        BatchItem(**json.loads(order.read_text(encoding="utf-8"))),
        stop=lambda: os.getppid() != parent or abandoned(alive),
    )
    part = result.with_suffix(".part")
    part.write_text(json.dumps(outcome), encoding="utf-8")
    part.replace(result)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
