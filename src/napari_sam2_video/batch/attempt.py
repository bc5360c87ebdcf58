"""Run one item in its own process, and once more if that process dies."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_sam2_video.batch.table import BatchItem

ALIVE = "alive.lock"
"""File beside the item, locked while the process that started the worker is alive."""

_MODULE = "napari_sam2_video.batch.worker"
_POLL = 0.05
_GRACE = 10.0
_TAIL = 2000


@dataclass(frozen=True)
class Attempts:
    """How items are run: command, number of attempts, timeout and threads.

    Parameters
    ----------
    command : sequence of str, optional
        Command of the worker, which gets the paths of the item and of the result to write; by default this package's,
        in the Python running there.
    most : int
        Maximum number of workers started for an item.
    timeout : float, optional
        Seconds after which a worker counts as hung and is stopped.
    threads : int, optional
        CPU threads of a worker; by default its libraries decide.
    """

    command: Sequence[str] | None = None
    most: int = 2
    timeout: float | None = None
    threads: int | None = None

    def run(self, item: BatchItem, stop: Stop) -> dict[str, Any]:
        """Run an item until a worker finishes it, successfully or not, and report the outcome.

        Returns
        -------
        dict
            Fields of `ItemResult` that are not in the table.
        """
        outcome: dict[str, Any] = {"status": "stopped", "sentence": "The batch was stopped before it ran."}
        for attempt in range(1, self.most + 1):
            if stop.is_set():
                break
            started = time.monotonic()
            outcome, died = self._once(item, stop)
            outcome |= {"seconds": round(time.monotonic() - started, 3), "attempts": attempt}
            if not died:
                break
        return outcome

    def _once(self, item: BatchItem, stop: Stop) -> tuple[dict[str, Any], bool]:
        from filelock import FileLock

        # Windows may still lock the files of a process that was just stopped.
        with (
            tempfile.TemporaryDirectory(prefix="sam2-batch-", ignore_cleanup_errors=True) as name,
            contextlib.ExitStack() as stack,
        ):
            with contextlib.suppress(OSError, NotImplementedError):
                stack.enter_context(FileLock(Path(name) / ALIVE))
            order, result, log = (Path(name) / file_name for file_name in ("item.json", "result.json", "log.txt"))
            order.write_text(json.dumps(item.to_json()), encoding="utf-8")
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [*(self.command or (sys.executable, "-m", _MODULE)), str(order), str(result)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._environment(),
                )
                hung = stop.wait_for(process, self.timeout)
            if stop.is_set():
                return {"status": "stopped", "sentence": "The batch was stopped; run it again to continue."}, False
            if hung:
                sentence = f"The worker did not finish within {self.timeout:g} s and was stopped; give it more time."
                return {"status": "failed", "sentence": sentence}, True
            try:
                outcome: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                sentence = f"The worker died ({_manner(process.returncode)}){_last_words(log)}."
                return {"status": "failed", "sentence": sentence}, True
            return outcome, False

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self.threads is not None:
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(self.threads))
        return environment


@dataclass
class Stop:
    """Ends the batch: no more workers start, and running ones are stopped."""

    _set: bool = False

    def is_set(self) -> bool:
        """True once `set` was called."""
        return self._set

    def set(self) -> None:
        """Ask all workers to stop."""
        self._set = True

    def wait_for(self, process: subprocess.Popen[bytes], timeout: float | None) -> bool:
        """Wait until a process ends by itself or is stopped; True if it took too long."""
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while process.poll() is None:
                hung = end is not None and time.monotonic() > end
                if hung or self._set:
                    return hung
                time.sleep(_POLL)
        finally:
            _end(process)
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _manner(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name}, possibly out of memory" if name == "SIGKILL" else name


def _last_words(log: Path) -> str:
    lines = log.read_bytes()[-_TAIL:].decode("utf-8", "replace").strip().splitlines()
    return f': "{lines[-1].strip()[:200]}"' if lines else ""
