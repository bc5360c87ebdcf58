"""What is set before torch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FIRST = {
    "the engine": "import napari_sam2_video.engine",
    "loading beforehand": (
        "import importlib.util, napari_sam2_video.preload as p\n"
        "importlib.util.find_spec = lambda name: None\n"
        "p.preload_torch()"
    ),
}


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize(("set_before", "found"), [(None, "1"), ("0", "0")])
def test_apples_gpu_leaves_to_the_processor_what_it_cannot_do(first, set_before, found):
    variable = "PYTORCH_ENABLE_MPS_FALLBACK"
    environment = {k: v for k, v in os.environ.items() if k != variable}
    if set_before is not None:
        environment[variable] = set_before
    script = f"import sys, os\nsys.platform = 'darwin'\n{FIRST[first]}\nassert 'torch' not in sys.modules\n"
    told = subprocess.run(
        [sys.executable, "-c", f"{script}print(os.environ[{variable!r}])"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == found
