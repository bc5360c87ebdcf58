"""Load torch from a thread without freezing the others.

Python holds its global lock while it loads a compiled module, and torch's libraries take a few tenths of a second. A
foreign function call releases the lock, so libraries loaded that way beforehand are ready when Python needs them.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_video.torch_environment import prepare_torch

if TYPE_CHECKING:
    from napari_sam2_video.types import ModelSettings

_LIBRARIES = {
    "linux": ("libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so", "libtorch_cuda.so", "libtorch_python.so"),
    "darwin": ("libc10.dylib", "libtorch_cpu.dylib", "libtorch_python.dylib"),
}


def preload_torch() -> None:
    """Load torch's compiled libraries while other threads keep running; importing torch is then fast.

    Does nothing if torch is already imported or its libraries are elsewhere: the import then finds them itself.
    """
    if "torch" in sys.modules or sys.platform not in _LIBRARIES:
        return
    prepare_torch()
    found = importlib.util.find_spec("torch")
    if found is None or not found.submodule_search_locations:
        return
    folder = Path(found.submodule_search_locations[0]) / "lib"
    load = ctypes.CDLL(None).dlopen
    load.restype = ctypes.c_void_p
    load.argtypes = [ctypes.c_char_p, ctypes.c_int]
    for name in _LIBRARIES[sys.platform]:
        library = folder / name
        if library.is_file():
            # As torch does: the first one provides symbols for the others.
            shared = os.RTLD_GLOBAL if "global_deps" in name else os.RTLD_LOCAL
            load(os.fsencode(library), os.RTLD_NOW | shared)


def preload_for(settings: ModelSettings) -> None:
    """Load torch's libraries for a network on this machine; a server needs none here."""
    if not settings.is_remote:
        preload_torch()


def import_torch() -> None:
    """Import everything that builds a network before a run, because parts of it hold Python's lock for 0.2 s."""
    preload_torch()
    for name in ("torch", "hydra.utils", "omegaconf", "sam2.modeling.sam2_base", "sam2.modeling.backbones.hieradet"):
        importlib.import_module(name)
