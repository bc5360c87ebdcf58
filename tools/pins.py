"""Print the versions of everything that is installed here and that this project, with all extras, needs.

python tools/pins.py > constraints.txt    pins what is tested
python tools/pins.py --check              exits with 1, and says why, where constraints.txt pins something else
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
HEAD = "# Versions the project is developed and tested with: pip install -c constraints.txt ..."
FILE = ROOT / "constraints.txt"


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(requirement, found):
    """Add what a requirement needs to `found`: version and extras by name. What is not installed here is left out."""
    name = normal(requirement.name)
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return
    extras = {"", *requirement.extras} - found.setdefault(name, (installed.version, set()))[1]
    found[name][1].update(extras)
    for line in installed.requires or () if extras else ():
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            needed(one, found)


def pins():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    found = {}
    for text in (*project["dependencies"], *(line for lines in extras for line in lines)):
        one = Requirement(text)
        if one.name != project["name"]:
            needed(one, found)
    return {name: version.partition("+")[0] for name, (version, _) in sorted(found.items())}


def pinned():
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines) if version}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with constraints.txt")
    here = pins()
    if not parser.parse_args().check:
        print(HEAD, *(f"{name}=={version}" for name, version in here.items()), sep="\n")
        return
    there = pinned()
    wrong = [f"{name} {version} is not pinned" for name, version in here.items() if name not in there]
    wrong += [
        f"{name} is pinned to {there[name]} and is {version}"
        for name, version in here.items()
        if there.get(name, version) != version
    ]
    if wrong:
        sys.exit("constraints.txt does not say what is installed; run `make pins`:\n" + "\n".join(wrong))
    print(f"constraints.txt pins all {len(here)} packages that are needed here.")


if __name__ == "__main__":
    main()
