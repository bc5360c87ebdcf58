"""Set the environment variables that torch reads when it is loaded, unless the user has set them."""

from __future__ import annotations

import os
import sys


def prepare_torch() -> None:
    """Set the variables; call it before torch is imported.

    Waiting threads sleep instead of spinning. On a busy machine, spinning threads keep each other off the CPU: with two
    threads on two busy cores, a run took ten to twenty times as long. On an idle machine both are equally fast. On
    macOS, operations that Apple's GPU lacks run on the CPU.
    """
    if "torch" in sys.modules:
        return
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if sys.platform == "darwin":
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")


def threads_sleep() -> bool:
    """Whether waiting threads of torch sleep; False if the host loaded torch first, or the user chose otherwise."""
    return _TORCH_CAME_LATER and os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"


_SLEEPS_ANYWAY = os.environ.get("OMP_WAIT_POLICY", "").lower() == "passive"
_TORCH_CAME_LATER = "torch" not in sys.modules or _SLEEPS_ANYWAY
