"""Check the tracker on a machine with a GPU, in about ten minutes: parity, speed, windows, memory.

The machine needs Linux, Python 3.12 and PyTorch with CUDA, and no network. Carry the wheels of what else is needed;
on any machine with a network::

    python tools/gpu_check.py --fetch wheels

and on the one with the GPU, from this repository::

    python tools/gpu_check.py --wheels wheels --out gpu

``gpu.json`` has all figures, ``gpu.md`` a table of each part. Parts run one after the other in processes of their own,
the most important first, until the time is up; what failed is told with its last line. ``--dry`` runs the same parts on
the CPU with tiny sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).parents[1]
PACKAGES = (
    "rf-sam-2", "hydra-core", "omegaconf", "antlr4-python3-runtime", "pyyaml", "packaging", "numpy", "pillow", "tqdm",
    "iopath", "portalocker", "typing-extensions", "platformdirs", "filelock",
)  # fmt: skip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]


def fetch(folder: Path) -> None:
    """Download the wheels for Linux and Python 3.12; those that only come as source are built."""
    folder.mkdir(parents=True, exist_ok=True)
    pins = {
        name.strip().lower(): line.strip()
        for line in (HERE / "constraints.txt").read_text().splitlines()
        if "==" in line and not line.startswith("#")
        for name in [line.partition("==")[0].partition("[")[0]]
    }
    wanted = [pins.get(name, name).partition(";")[0].strip() for name in PACKAGES]
    tags = [f"--platform=manylinux_2_{minor}_x86_64" for minor in (17, 27, 28)] + ["--platform=manylinux2014_x86_64"]
    pip = [sys.executable, "-m", "pip"]
    for one in wanted:
        ready = [*pip, "download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.12", *tags]
        if subprocess.run([*ready, "--dest", str(folder), one], check=False, stderr=subprocess.DEVNULL).returncode:
            subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), one], check=True)
    size = sum(wheel.stat().st_size for wheel in folder.glob("*.whl"))
    print(f"{len(list(folder.glob('*.whl')))} wheels, {size / 1e6:.0f} MB, in {folder}")


def install(wheels: Path, place: Path) -> None:
    """Unpack the wheels where the parts find them, before what the machine has; PyTorch stays the machine's own."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(place)]
    subprocess.run([*command, *map(str, sorted(wheels.glob("*.whl")))], check=True)


# The parts; torch is imported in their processes only.


def about(dry: bool) -> list[Row]:
    """The machine."""
    import platform

    import torch

    row: Row = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    if not dry:
        properties = torch.cuda.get_device_properties(0)
        row |= {"gpu": properties.name, "GB": properties.total_memory / 1e9, "bf16": torch.cuda.is_bf16_supported()}
    return [row]


def parity(dry: bool) -> list[Row]:
    """Logits against Meta's predictor on the same device, and against our own on the CPU; fp32 without TF32."""
    import torch
    from benchmarks.sides import Ours, Scene, Theirs, disagreement, our_model, their_model

    size, frames, device = (128, 4, "cpu") if dry else (512, 8, "cuda")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    scene = Scene(frames, size)
    rows = []
    for objects in (1, 3):
        model = our_model("tiny", size, device=device)
        ours, theirs = Ours(model, scene), Theirs(their_model("tiny", size, device=device), model, scene)
        list(ours.first_pass(objects))
        list(theirs.first_pass(objects))
        here = Ours(our_model("tiny", size), scene)
        list(here.first_pass(objects))
        on_processor = max(float((ours.logits[k].cpu() - here.logits[k]).abs().max()) for k in ours.logits)
        rows.append({"objects": objects, "size": size, "meta": disagreement(ours, theirs), "processor": on_processor})
    return rows


def low_precision(dry: bool) -> list[Row]:
    """Masks of bf16 and fp16 against those of fp32, and what they gain, with the model that ships."""
    from benchmarks.modes import fast_modes

    return fast_modes(128 if dry else 256, 4, 4 if dry else 40, "cpu" if dry else "cuda", compiled=False)


def _race(preset: str, size: int, objects: int, frames: int, precision: str, target: str, dry: bool) -> list[Row]:
    """First pass, then a correction tracked again, beside Meta's predictor with the same numbers."""
    import torch
    from benchmarks.race import race
    from benchmarks.sides import Ours, Scene, Theirs, our_model, their_model

    device = "cpu" if dry else "cuda"
    scene, name = Scene(frames, size), f"{preset} {size} px, {objects} objects, {precision}, Meta's {target or 'eager'}"
    model = our_model(preset, size, device=device, precision=precision)
    theirs = Theirs(
        _optimized(preset, size, device) if target else their_model(preset, size, device=device), model, scene
    )
    ours = Ours(model, scene)

    def alike(steps: Iterator[Any]) -> Iterator[Any]:
        while True:
            with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"), torch.inference_mode():
                try:
                    found = next(steps)
                except StopIteration:
                    return
            yield found

    wait: Callable[[], None] = (lambda: None) if dry else torch.cuda.synchronize
    rows = []
    kinds = {"first pass": (ours.first_pass(objects), theirs.first_pass(objects))}
    for kind, (one, other) in kinds.items():
        figures = race(one, alike(other), wait).figures(skip=min(2 + 8 * bool(target), frames // 2))
        rows.append(
            {"what": name, "pass": kind, **{k: figures[k] for k in ("frames", "ours_ms", "theirs_ms", "ratio")}}
        )
    figures = race(ours.correct(frames // 2), alike(theirs.correct(frames // 2)), wait).figures(skip=1)
    rows.append({"what": name, "pass": "again", **{k: figures[k] for k in ("frames", "ours_ms", "theirs_ms", "ratio")}})
    return rows


def _optimized(preset: str, size: int, device: str) -> Any:
    from benchmarks.sides import weights

    from napari_sam2_video.engine.networks.sam2.build import build_network
    from napari_sam2_video.models.presets import PRESETS

    made = build_network(PRESETS[preset], size, target="sam2.sam2_video_predictor.SAM2VideoPredictorVOS")
    made.load_state_dict(weights(preset, size))
    made.add_all_frames_to_correct_as_cond = True
    return made.to(device).eval()


def speed(dry: bool) -> list[Row]:
    """Tiny and large at 512 and 1024 px, in fp32 and bf16, beside Meta's predictor as it is."""
    chosen = [("tiny", 64)] if dry else [("tiny", 512), ("tiny", 1024), ("large", 512), ("large", 1024)]
    frames = 4 if dry else 40
    precisions = ("fp32", "bf16")
    return [row for one in chosen for kind in precisions for row in _race(*one, 1, frames, kind, "", dry)]


def many(dry: bool) -> list[Row]:
    """50 objects."""
    chosen = [(64, 3, 4)] if dry else [(512, 50, 20), (1024, 50, 12)]
    return [row for size, count, frames in chosen for row in _race("tiny", size, count, frames, "bf16", "", dry)]


def windows(dry: bool) -> list[Row]:
    """Small objects in windows that follow them."""
    import torch
    from benchmarks.sides import Scene, our_model

    from napari_sam2_video.engine.plan import Pass, Plan
    from napari_sam2_video.engine.tracker import Tracker

    size, frame, side, count, frames = (64, 256, 64, 2, 4) if dry else (512, 2048, 256, 6, 20)
    device = "cpu" if dry else "cuda"
    scene = Scene(frames, frame)
    rows = []
    for window in ("off", side):
        model = our_model("tiny", size, device=device, precision="bf16")
        tracker = Tracker(model, scene, window=window)
        for click in scene.clicks(count):
            tracker.condition(click.object_id, 0, [click])
        plan = Plan(tuple(Pass(n, "forward", 0, frames - 1) for n in range(1, count + 1)), frames)
        begun = time.perf_counter()
        list(tracker.run(plan))
        if not dry:
            torch.cuda.synchronize()
        rows.append(
            {"frame": frame, "input": size, "window": str(window), "objects": count,
             "ms_a_frame": 1e3 * (time.perf_counter() - begun) / frames}
        )  # fmt: skip
    return rows


def compiled(dry: bool) -> list[Row]:
    """What compiling gains, and when the first frame is there."""
    import torch
    from benchmarks.race import block_median
    from benchmarks.sides import Ours, Scene, our_model

    size, frames, device = (64, 5, "cpu") if dry else (512, 40, "cuda")
    rows: list[Row] = []
    for compiles in (False, True):
        model = our_model("tiny", size, device=device, precision="fp32" if dry else "bf16")
        if compiles:
            model.compile()
        steps, begun, first = [], time.perf_counter(), 0.0
        for number, _ in enumerate(Ours(model, Scene(frames, size)).first_pass(1)):
            if not dry:
                torch.cuda.synchronize()
            now = time.perf_counter()
            steps.append(now - begun - sum(steps))
            first = first or (now - begun) * (number == 2)
        row: Row = {"size": size, "compiled": compiles, "first_frame_s": first}
        rows.append(row | {"ms": 1e3 * block_median(steps[len(steps) // 2 :])})
    return rows


def processor(dry: bool) -> list[Row]:
    """Fast arithmetic and bf16 on the processor of the machine, one thread, and what the automatic choice takes."""
    import torch
    from benchmarks.speed import arithmetics

    from napari_sam2_video.engine.networks.load import load_model
    from napari_sam2_video.models.resolve import resolve_model
    from napari_sam2_video.types import ModelSettings

    torch.set_num_threads(1)
    keys = ("model", "size", "pass", "arithmetic", "ratio_cpu", "logits_off")
    rows = [{key: row[key] for key in keys} for row in arithmetics("tiny", *((64, 4) if dry else (512, 6)))]
    size = 128 if dry else 256
    chosen = load_model(resolve_model("demo"), ModelSettings(device="cpu", image_size=size, arithmetic="auto"))
    return [*rows, {"model": "demo", "size": size, "arithmetic": f"auto takes {chosen.precision}"}]


def optimized(dry: bool) -> list[Row]:
    """Meta's predictor as it compiles itself, at 512 and 1024 px; its first frames are left out."""
    if dry:
        return [{"what": "left out of a dry run: compiling for a processor takes minutes"}]
    return [row for size in (512, 1024) for row in _race("tiny", size, 1, 60, "bf16", "vos_optimized", dry)]


def gpu_memory(dry: bool) -> list[Row]:
    """Peak memory of the GPU by the number of objects and of frames."""
    if dry:
        return [{"what": "left out of a dry run: there is no GPU"}]
    import torch
    from benchmarks.sides import Ours, Scene, our_model

    rows = []
    for size, objects, frames in ((1024, 1, 10), (1024, 1, 60), (1024, 50, 8), (512, 50, 30)):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        ours = Ours(our_model("tiny", size, device="cuda", precision="bf16"), Scene(frames, size))
        list(ours.first_pass(objects))
        peak = torch.cuda.max_memory_allocated() / 1e6
        kept = sum(made.numel() * made.element_size() for made in ours.logits.values()) / 1e6
        rows.append({"size": size, "objects": objects, "frames": frames, "peak_MB": peak, "of_it_logits_MB": kept})
        ours.logits.clear()
    return rows


def out_of_memory(dry: bool) -> list[Row]:
    """A device that is too small for a batch, then for anything."""
    import torch
    from benchmarks.sides import Ours, Scene, our_model

    from napari_sam2_video.errors import DeviceMemoryError

    size, device = (64, "cpu") if dry else (1024, "cuda")
    rows = []
    for limit_mb in (3000, 700):
        model = our_model("tiny", size, device=device)
        ours = Ours(model, Scene(4, size))
        if dry:
            _pretend_to_be_small(model, 2 if limit_mb == 3000 else 0)
        else:
            torch.cuda.empty_cache()
            torch.cuda.set_per_process_memory_fraction(
                limit_mb * 1e6 / torch.cuda.get_device_properties(0).total_memory
            )
        said = ""
        try:
            done = sum(1 for _ in ours.first_pass(8)) - 1
        except DeviceMemoryError as error:
            done, said = -1, str(error)
        rows.append({"limit_MB": limit_mb, "frames": done, "batch": ours.tracker.batch_size, "said": said})
        if not dry:
            torch.cuda.set_per_process_memory_fraction(1.0)
    return rows


def _pretend_to_be_small(model: Any, most: int) -> None:
    """Raise what a GPU raises for more than `most` objects at once."""
    import torch

    from napari_sam2_video.engine.torch_errors import engine_errors

    decode = model.decode_tracked

    def small(embedding: Any, recalls: Any, n_frames: int) -> Any:
        with engine_errors("cuda"):
            if len(recalls) > most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return decode(embedding, recalls, n_frames)

    model.decode_tracked = small


PARTS: dict[str, Callable[[bool], list[Row]]] = {
    "about": about,
    "parity": parity,
    "low-precision": low_precision,
    "speed": speed,
    "many-objects": many,
    "windows": windows,
    "gpu-memory": gpu_memory,
    "out-of-memory": out_of_memory,
    "compiled": compiled,
    "compiled-again": compiled,  # another process, with what the first one compiled
    "processor": processor,
    "vos-optimized": optimized,
}


def run_part(name: str, dry: bool, path: str, cache: Path, seconds: float) -> list[Row]:
    """Rows of a part, from a process of its own; one row that says so where it failed."""
    command = [sys.executable, __file__, "--part", name, *(["--dry"] if dry else [])]
    begun = time.monotonic()
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            env=os.environ | {"PYTHONPATH": path, "NAPARI_SAM2_VIDEO_CACHE": str(cache)},
        )
    except subprocess.TimeoutExpired:
        return [{"failed": f"not done after {seconds:.0f} s"}]
    if done.returncode:
        return [{"failed": (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]}]
    rows: list[Row] = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return rows


def table(name: str, rows: list[Row]) -> str:
    """A part in Markdown."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    cell = lambda value: f"{value:.3g}" if isinstance(value, float) else str(value)  # noqa: E731
    lines = [f"## {name}: {PARTS[name].__doc__}", "", "| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines += ["| " + " | ".join(cell(row.get(key, "")) for key in names) + " |" for row in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fetch", type=Path, metavar="FOLDER", help="download the wheels into a folder, and end")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="wheels that were carried along")
    parser.add_argument("--out", default="gpu", help="name of the two files, without a suffix (default: gpu)")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", nargs="*", choices=list(PARTS))
    parser.add_argument("--dry", action="store_true", help="on the processor, with tiny sizes")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.fetch:
        fetch(given.fetch)
        return
    if given.part:
        print(json.dumps(PARTS[given.part](given.dry)))
        return
    end = time.monotonic() + 60 * given.minutes
    place = Path(f"{given.out}-packages").resolve()
    if given.wheels:
        install(given.wheels, place)
    path = os.pathsep.join([*([str(place)] if given.wheels else []), str(HERE / "src"), str(HERE)])
    cache = Path(f"{given.out}-cache").resolve()
    shutil.rmtree(cache, ignore_errors=True)
    figures: dict[str, list[Row]] = {}
    for name in given.only or PARTS:
        left = end - time.monotonic()
        figures[name] = (
            run_part(name, given.dry, path, cache, left) if left > 5 else [{"failed": "there was no time left"}]
        )
        Path(f"{given.out}.json").write_text(json.dumps(figures, indent=2))
        Path(f"{given.out}.md").write_text("\n\n".join(table(*one) for one in figures.items()) + "\n")
    print(Path(f"{given.out}.md").read_text())
    raise SystemExit(any("failed" in row for rows in figures.values() for row in rows))


if __name__ == "__main__":
    main()
