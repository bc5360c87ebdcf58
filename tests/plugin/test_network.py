from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_importing_the_plugin_makes_no_socket():
    program = textwrap.dedent("""
        import importlib, pkgutil, sys

        sys.path.insert(0, sys.argv[1])
        from tests.network import forbid_sockets

        forbid_sockets()
        import napari_sam2_video.plugin

        names = [m.name for m in pkgutil.iter_modules(napari_sam2_video.plugin.__path__, "napari_sam2_video.plugin.")]
        for name in names:
            importlib.import_module(name)
        print(len(names))
    """)
    done = subprocess.run([sys.executable, "-c", program, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
