"""Run each case in its own process, with a time-out and a memory limit, and see what became of it."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.errors import Sam2VideoError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEMORY_BYTES = 6 << 30
WATCHED = frozenset(
    {"open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "shutil.rmtree"}
)
DIRECTORY_ARGUMENT = {"os.remove": 1, "os.rmdir": 1, "os.mkdir": 2, "os.rename": 2}
READABLE = ("/proc", "/sys", "/dev", "/usr", "/lib", "/etc", "/bin")
SECRETS = ("/etc/passwd", "/etc/shadow")


@dataclass
class Outcome:
    """What became of a case: ``opened``, ``refused`` by a sentence, or a failure."""

    target: str
    number: int
    kind: str
    detail: str = ""
    where: str = ""
    damage: str = ""
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """True where the promise is broken."""
        return self.kind not in ("opened", "refused")


@dataclass(frozen=True)
class Case:
    """One input to try: what prepares its folder and what opens it."""

    target: str
    number: int
    name: str
    prepare: Callable[[Path], str]
    exercise: Callable[[Path], None]
    may_read: Callable[[Path], tuple[Path, ...]]


@dataclass
class _Running:
    case: Case
    folder: Path
    damage: str
    started: float


def run_cases(cases: Iterator[Case], workspace: Path, *, jobs: int, timeout: float, keep: Path) -> Iterator[Outcome]:
    """Give the outcome of each case as it ends; the input of a failed one is kept."""
    running: dict[int, _Running] = {}
    exhausted = False
    while running or not exhausted:
        while len(running) < jobs and not exhausted:
            case = next(cases, None)
            if case is None:
                exhausted = True
                break
            folder = workspace / "cases" / f"{case.target}-{case.number}"
            (folder / "tmp").mkdir(parents=True)
            damage = case.prepare(folder / case.name)
            running[_start(case, folder)] = _Running(case, folder, damage, time.monotonic())
        for pid, one in list(running.items()):
            outcome = _poll(pid, one, timeout)
            if outcome is not None:
                del running[pid]
                if outcome.failed:
                    kept = keep / one.folder.name
                    shutil.rmtree(kept, ignore_errors=True)
                    shutil.copytree(one.folder, kept, symlinks=True)
                _remove(one.folder)
                yield outcome
        time.sleep(0.003)


def _start(case: Case, folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    with (folder / "output.txt").open("w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        faulthandler.enable(output)
        result = _exercise(case, folder)
    (folder / "result.json").write_text(json.dumps(result))
    os._exit(0)


def _exercise(case: Case, folder: Path) -> dict[str, str]:
    os.environ.update(TMPDIR=str(folder / "tmp"), NAPARI_SAM2_VIDEO_MODELS=str(folder / "models"))
    tempfile.tempdir = str(folder / "tmp")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    touched: list[str] = []
    sys.addaudithook(_watcher(folder, case.may_read(folder / case.name), touched))
    try:
        case.exercise(folder / case.name)
        result = {"kind": "opened"}
    except Sam2VideoError as error:
        result = {"kind": "refused", "detail": f"{type(error).__name__}: {error}"}
        if "\n" in str(error) or not str(error).strip() or len(str(error)) > 1500:
            result["kind"] = "no plain sentence"
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "napari_sam2_video" in frame.filename]
        last = frames[-1] if frames else traceback.extract_tb(error.__traceback__)[-1]
        traceback.print_exc()
        where = f"{Path(last.filename).name}:{last.lineno} {last.name}"
        result = {"kind": "traceback", "detail": f"{type(error).__name__}: {str(error)[:300]}", "where": where}
    if touched:
        return {"kind": "touched what lies outside", "detail": ", ".join(sorted(set(touched))[:5])}
    if result["kind"] in ("opened", "refused") and any((folder / "tmp").iterdir()):
        return {"kind": "left temporary files", "detail": ", ".join(p.name for p in (folder / "tmp").iterdir())}
    return result


def _watcher(folder: Path, named: tuple[Path, ...], touched: list[str]) -> Callable[[str, tuple[object, ...]], None]:
    inside = os.path.realpath(folder)
    readable = {os.path.realpath(path) for path in named}
    libraries = tuple({os.path.realpath(prefix) for prefix in (sys.prefix, sys.base_prefix, *sys.path) if prefix})

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event not in WATCHED or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path = os.path.realpath(_beside(arguments[0], DIRECTORY_ARGUMENT.get(event), arguments))
        if path == inside or path.startswith(inside + os.sep):
            return
        reads = event in ("os.listdir", "os.scandir") or (event == "open" and _only_reads(arguments))
        allowed = path in readable or (path.startswith((*READABLE, *libraries)) and path not in SECRETS)
        if not (reads and allowed) and not path.startswith("/dev/"):
            touched.append(f"{event} {path}")

    return watch


def _beside(path: str | bytes | os.PathLike[str], place: int | None, arguments: tuple[object, ...]) -> str:
    """Give the path, where it is relative to an open folder from there."""
    folder = arguments[place] if place is not None else -1
    if not isinstance(folder, int) or folder < 0:
        return os.fsdecode(path)
    return os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path))


def _only_reads(arguments: tuple[object, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return not set(mode) & set("wax+")
    return isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)


def _poll(pid: int, one: _Running, timeout: float) -> Outcome | None:
    seconds = time.monotonic() - one.started
    ended, status = os.waitpid(pid, os.WNOHANG)
    outcome = Outcome(one.case.target, one.case.number, "", damage=one.damage, seconds=round(seconds, 2))
    if not ended:
        if seconds < timeout:
            return None
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        outcome.kind, outcome.detail = "hang", f"no end after {timeout:.0f} s"
    elif os.WIFSIGNALED(status):
        outcome.kind, outcome.detail = "crash", signal.Signals(os.WTERMSIG(status)).name
    else:
        result = one.folder / "result.json"
        found = json.loads(result.read_text()) if result.exists() else {"kind": "crash", "detail": f"exit {status}"}
        outcome.kind, outcome.detail = found["kind"], found.get("detail", "")
        outcome.where = found.get("where", "")
    if _group_lives(pid) and not outcome.failed:
        outcome.kind, outcome.detail = "left a process behind", ""
    return outcome


def _group_lives(group: int) -> bool:
    """Say whether a process outlived its parent, and end it."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    time.sleep(0.2)
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _remove(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def as_json(outcome: Outcome) -> str:
    """Give an outcome as one line of JSON."""
    return json.dumps(asdict(outcome))
