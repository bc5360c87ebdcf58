#!/bin/sh
# Ask whether a version in constraints.txt has a known vulnerability; see docs/dependencies.md.
# Usage: tools/audit.sh [PYTHON [OPTION OF pip-audit ...]]
set -eu

here=$(dirname "$0")
python=${1:-python3}
[ $# -eq 0 ] || shift
venv=$here/../.venv-audit
[ -x "$venv/bin/pip-audit" ] || { "$python" -m venv "$venv" && "$venv/bin/python" -m pip install --quiet pip-audit; }
exec "$venv/bin/pip-audit" --requirement "$here/../constraints.txt" --strict --no-deps --disable-pip \
    --progress-spinner off "$@"
