#!/bin/sh
# Do in an empty environment what containers/Dockerfile.cpu does in an image: install the server, start it, ask for its health.
# Usage: tools/try_container.sh [PYTHON]
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
python=${1:-python3}
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT

(cd "$here" && git archive HEAD src pyproject.toml hatch_build.py README.md LICENSE constraints.txt) | tar -x -C "$folder"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --constraint "$folder/constraints.txt" "$folder[server]"
cd "$folder"
NAPARI_SAM2_VIDEO_TOKEN=try "$folder/venv/bin/napari-sam2-video" serve --port 0 > said &
server=$!
for _ in $(seq 300); do
    grep -q '^Listening on' said && break
    kill -0 "$server" || exit 1
    sleep 0.2
done
address=$(sed -n 's/^Listening on //p' said)
"$folder/venv/bin/python" -c "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())" \
    "$address/health"
echo "The steps of containers/Dockerfile.cpu work: the server answered at $address."
