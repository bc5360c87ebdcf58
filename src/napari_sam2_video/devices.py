"""The devices that torch can use, and advice if it cannot use a GPU."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_WHEELS = (((13, 0), "cu130"), ((12, 8), "cu128"), ((12, 0), "cu126"))
_INDEX = "https://download.pytorch.org/whl"
_TIMEOUT_SECONDS = 10


@dataclass(frozen=True)
class DeviceReport:
    """Devices for runs on this machine.

    Parameters
    ----------
    devices : tuple of str
        torch's names, the best first: ``"cuda:0"``, ``"mps"``, ``"cpu"``.
    titles : tuple of str
        Their titles for users.
    advice : str, optional
        A message with the remedy, if the machine has a GPU that the installed torch cannot use.
    """

    devices: tuple[str, ...]
    titles: tuple[str, ...]
    advice: str | None = None


def probe_devices() -> DeviceReport:
    """Find the devices of torch and the machine. Imports torch, so call it off the main thread of an interface."""
    from napari_sam2_video.preload import preload_torch

    preload_torch()
    import torch

    devices: list[str] = []
    titles: list[str] = []
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            devices.append(f"cuda:{number}")
            titles.append(torch.cuda.get_device_name(number))
    if torch.backends.mps.is_available():
        devices.append("mps")
        titles.append("Apple GPU")
    devices.append("cpu")
    titles.append("Processor")
    built_for_gpu = torch.version.cuda is not None or torch.version.hip is not None
    advice = None if len(devices) > 1 else gpu_advice(nvidia_driver(), built_for_gpu=built_for_gpu)
    return DeviceReport(tuple(devices), tuple(titles), advice)


def nvidia_driver() -> tuple[int, int] | None:
    """Newest CUDA version that the NVIDIA driver supports; ``(0, 0)`` if unknown, None without a driver."""
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        try:
            answer = subprocess.run(
                [tool],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT_SECONDS,
                check=False,
                stdin=subprocess.DEVNULL,
                # Otherwise a console window flashes up on Windows.
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.TimeoutExpired):
            return (0, 0)
        return cuda_version_of(answer.stdout) if answer.returncode == 0 else None
    if sys.platform == "win32":
        marks = [Path("C:/Windows/System32/nvcuda.dll")]
    else:
        marks = [Path("/proc/driver/nvidia/version"), Path("/dev/nvidia0")]
    return (0, 0) if any(mark.exists() for mark in marks) else None


def cuda_version_of(output: str) -> tuple[int, int]:
    """CUDA version in the output of ``nvidia-smi``; ``(0, 0)`` if there is none."""
    found = re.search(r"CUDA Version:\s*(\d+)\.(\d+)", output)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def gpu_advice(driver: tuple[int, int] | None, *, built_for_gpu: bool) -> str | None:
    """Advice if torch finds no GPU.

    Parameters
    ----------
    driver : tuple of int, optional
        CUDA version of the NVIDIA driver, ``(0, 0)`` if unknown, None if the machine has no such GPU.
    built_for_gpu : bool
        Whether the installed torch was built for a GPU at all.

    Returns
    -------
    str or None
        A message with the remedy; None if nothing is wrong.
    """
    if driver is None:
        return None
    if built_for_gpu:
        return (
            "This machine has an NVIDIA GPU, but torch cannot reach it: update the NVIDIA driver and restart napari; "
            "until then runs use the processor."
        )
    if driver != (0, 0) and driver < _WHEELS[-1][0]:
        return (
            f"This machine has an NVIDIA GPU, but its driver (CUDA {driver[0]}.{driver[1]}) is too old for torch: "
            "update the NVIDIA driver; until then runs use the processor."
        )
    wheel = next((name for least, name in _WHEELS if driver >= least), _WHEELS[1][1])
    return (
        "This machine has an NVIDIA GPU, but the installed torch was built without support for it: close napari and "
        f"run: pip install --upgrade --force-reinstall torch --index-url {_INDEX}/{wheel}"
    )
