#!/bin/sh
# Make a virtual environment with this package, editable, and all that its tests need.
# Usage: [CONSTRAINTS=FILE] tools/make_venv.sh FOLDER [PYTHON]
set -eu

venv=$1
python=${2:-python3}
here=$(dirname "$0")
constraints=${CONSTRAINTS:-$here/../constraints.txt}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$python is missing or older than Python 3.11; name another one: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi

if ! [ -x "$venv/bin/pip" ]; then
    if ! "$python" -m venv "$venv"; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        sh "$here/install_system_packages.sh" "python$version-venv"
        "$python" -m venv --clear "$venv"
    fi
fi

pip="$venv/bin/python -m pip"
install="$pip install --quiet --quiet -c $constraints"
echo "Setting up $venv; the first time takes some minutes."
$install --upgrade pip

# A CUDA build of torch is several gigabytes and comes with nvidia-* packages: never fetched unless asked for.
if [ "${TORCH:-cpu}" != "cuda" ]; then
    plan=$($pip install --dry-run --ignore-installed --no-input --report - --quiet --quiet -c "$constraints" torch)
    if printf '%s' "$plan" | grep -q '"name": "nvidia-'; then
        echo "pip would fetch a CUDA build of torch, several gigabytes. Set PIP_EXTRA_INDEX_URL to the CPU index that" \
            "pytorch.org names, or say 'make TORCH=cuda' if you want it." >&2
        exit 1
    fi
fi
echo "Installing napari-sam2-video and what its tests need ..."
$install -e "$here/..[dev]"
