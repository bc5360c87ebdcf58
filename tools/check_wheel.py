"""Check that a wheel holds every file of the package, and that its version is the tag's.

python tools/check_wheel.py dist/napari_sam2_video-0.1.0-py3-none-any.whl [TAG]
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "src" / "napari_sam2_video"


def main() -> None:
    wheel = Path(sys.argv[1])
    version = wheel.name.split("-")[1]
    if len(sys.argv) > 2 and sys.argv[2] != f"v{version}":
        sys.exit(f"The tag {sys.argv[2]} does not name the version {version} of {wheel.name}.")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    expected = {
        f"{PACKAGE.name}/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    missing = sorted(expected - packed)
    if missing:
        sys.exit(f"{wheel.name} lacks {', '.join(missing)}.")
    print(f"{wheel.name} holds all {len(expected)} files of the package.")


if __name__ == "__main__":
    main()
