#!/bin/sh
# Write down which versions `make test-lowest` and `make test-highest` install: of everything that pyproject.toml names,
# extras included, the lowest or the highest that its ranges admit. torch stays that of constraints.txt, unless TORCH=cuda
# asks for the newest that pip finds, a CUDA build of several gigabytes.
# Usage: [TORCH=cuda] tools/resolve.sh lowest|highest FILE [PYTHON]
set -eu

here=$(dirname "$0")
file=$2
python=${3:-python3}
case $1 in
    lowest) resolution=lowest-direct ;;
    highest) resolution=highest ;;
    *) echo "say lowest or highest, not $1" >&2; exit 1 ;;
esac

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    resolver=$here/../.venv-uv
    [ -x "$resolver/bin/uv" ] || { "$python" -m venv "$resolver" && "$resolver/bin/python" -m pip install --quiet uv; }
    uv=$resolver/bin/uv
fi

mkdir -p "$(dirname "$file")"
if [ "$1" = highest ] && [ "${TORCH:-cpu}" = cuda ]; then
    "$python" -m pip install --dry-run --ignore-installed --no-input --quiet --quiet --report - torch torchvision |
        "$python" -c 'import json, sys
for item in json.load(sys.stdin)["install"]:
    if item["metadata"]["name"] in ("torch", "torchvision"):
        print("{name}=={version}".format(**item["metadata"]))' > "$file.torch"
else
    grep -E '^torch(vision)?==' "$here/../constraints.txt" > "$file.torch"
fi
"$uv" pip compile --quiet --python "$python" --resolution "$resolution" --all-extras --no-header --no-annotate \
    --constraints "$file.torch" --output-file "$file.all" "$here/../pyproject.toml"
# What a CUDA build of torch brings is no business of the build for the CPU.
grep -vE '^(nvidia-|cuda-|triton)' "$file.all" > "$file"
rm "$file.torch" "$file.all"
