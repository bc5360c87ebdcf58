"""Open thousands of broken inputs: each gives frames or one sentence, never a crash, a hang or anything else.

    python tools/fuzz_inputs.py --minutes 5
    python tools/fuzz_inputs.py --only tiff-ome --case 17     one case again, with its files kept

Every case runs in its own process with a time-out and a memory limit, on a copy of a small valid input that was
damaged (bits flipped, cut, overwritten, values of JSON files replaced by wild ones). A failure is a crash, a hang, an
error that is not a plain sentence, a file touched outside the input's folder, a changed recording, or a process or
temporary file left behind. Linux only.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import random
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from typing import TYPE_CHECKING

from fuzzing.exercise import use_checkpoint, use_memory, use_recording, use_session
from fuzzing.mutate import break_meaning, break_path
from fuzzing.pool import Case, Outcome, as_json, run_cases
from fuzzing.seeds import SEEDS
from fuzzing.session_seed import recordings_named

if TYPE_CHECKING:
    from collections.abc import Iterator


def preload() -> None:
    """Import what the cases need once, before they are forked."""
    import dask.array
    import h5py
    import imageio_ffmpeg
    import nibabel
    import PIL.Image
    import pydicom
    import tifffile
    import torch
    import zarr

    torch.set_num_threads(1)
    for module in (dask.array, h5py, nibabel, PIL.Image, pydicom, tifffile, zarr):
        assert module
    imageio_ffmpeg.get_ffmpeg_exe()


def make_seeds(names: list[str], folder: Path) -> dict[str, Path]:
    """Make the valid inputs and check that each one opens."""
    seeds = {}
    for name in names:
        file_name, make = SEEDS[name]
        (folder / name).mkdir(parents=True)
        seeds[name] = folder / name / file_name
        make(seeds[name])
    return seeds


def cases_of(seeds: dict[str, Path], seed: int, numbers: Iterator[int], canary: Path) -> Iterator[Case]:
    """Give cases, one of each kind in turn."""
    for number in numbers:
        for target, valid in seeds.items():
            random_ = random.Random(f"{seed}:{target}:{number}")
            exercise = use_recording
            if target.startswith("checkpoint"):
                exercise = use_checkpoint
            elif target == "memory":
                exercise = use_memory
            elif target.startswith("session"):
                exercise = use_session
            made = partial(prepare, valid, random_, canary, number, target == "session-meaning")
            named = recordings_named if target.startswith("session") else no_others
            yield Case(target, number, valid.name, made, exercise, named)


def no_others(_: Path) -> tuple[Path, ...]:
    """Nothing outside its own folder may be read for an input."""
    return ()


def prepare(valid: Path, random_: random.Random, canary: Path, number: int, meaning: bool, path: Path) -> str:
    """Copy a valid input and damage it; number 0 stays whole."""
    if valid.is_dir():
        shutil.copytree(valid, path)
    else:
        shutil.copyfile(valid, path)
    if number == 0:
        return "none"
    return (break_meaning if meaning else break_path)(path, random_, canary)


def until(minutes: float, cases: Iterator[Case]) -> Iterator[Case]:
    """End the cases when the time is up."""
    end = time.monotonic() + 60 * minutes
    return itertools.takewhile(lambda _: time.monotonic() < end, cases)


def report(counts: dict[str, collections.Counter[str]], failures: list[Outcome]) -> None:
    """Print a table of the outcomes and each kind of failure once."""
    kinds = ["opened", "refused", *sorted({k for c in counts.values() for k in c} - {"opened", "refused"})]
    print(f"\n{'input':<20}" + "".join(f"{kind:>{max(9, len(kind) + 2)}}" for kind in kinds))
    for target, counter in counts.items():
        print(f"{target:<20}" + "".join(f"{counter[kind]:>{max(9, len(kind) + 2)}}" for kind in kinds))
    print(f"{sum(sum(c.values()) for c in counts.values())} cases, {len(failures)} failures")
    groups = collections.defaultdict(list)
    for failure in failures:
        groups[failure.target, failure.kind, failure.where, failure.detail.split(":")[0]].append(failure)
    for (target, kind, where, _), found in sorted(groups.items(), key=lambda group: -len(group[1])):
        numbers = [failure.number for failure in found[:6]]
        print(
            f"  {len(found):4} × {target}: {kind} at {where or '-'}; cases {numbers}\n         {found[0].detail[:300]}"
        )


def main() -> int:
    """Run the cases and give 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to go on")
    parser.add_argument("--cases", type=int, default=10**9, help="largest number of cases of each kind")
    parser.add_argument("--case", type=int, help="run this one case of each kind")
    parser.add_argument("--only", help="kinds of input to try, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds after which a case hangs")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="where failed inputs are kept")
    chosen = parser.parse_args()
    names = chosen.only.split(",") if chosen.only else list(SEEDS)
    preload()
    counts: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in names}
    failures: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as workspace:
        canary = Path(workspace) / "canary" / "secret.tif"
        canary.parent.mkdir()
        seeds = make_seeds(names, Path(workspace) / "seeds")
        SEEDS["tiff-plain"][1](canary)
        numbers = iter([chosen.case]) if chosen.case is not None else iter(range(chosen.cases))
        cases = until(chosen.minutes, cases_of(seeds, chosen.seed, numbers, canary))
        for outcome in run_cases(cases, Path(workspace), jobs=chosen.jobs, timeout=chosen.timeout, keep=chosen.keep):
            counts[outcome.target][outcome.kind] += 1
            if outcome.failed or chosen.case is not None:
                print(as_json(outcome), flush=True)
            if outcome.failed:
                failures.append(outcome)
    report(counts, failures)
    whole = [failure for failure in failures if failure.number == 0]
    if whole:
        print("Whole inputs failed too: " + ", ".join(failure.target for failure in whole))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
