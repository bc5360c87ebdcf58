#!/bin/sh
# Install the Debian packages that napari's window needs without a screen (and any named as arguments).
# Installs them when it may, names them when it may not, and does nothing when they are all there.
set -u

packages="xvfb xauth libgl1 libegl1 libgl1-mesa-dri libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0
libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-randr0 libxcb-xfixes0 libxcb-sync1
libdbus-1-3 libfontconfig1 $*"

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "This is not a Debian system: install what corresponds to these packages yourself:" $packages >&2
    exit 0
fi

missing=""
for package in $packages; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = "installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "These system packages are missing; ask an administrator to run:" >&2
    echo "    apt-get install --no-install-recommends$missing" >&2
    exit 0
fi

echo "Installing system packages:$missing"
export DEBIAN_FRONTEND=noninteractive
if $as_root apt-get install --yes --quiet --no-install-recommends $missing ||
    { $as_root apt-get update --quiet && $as_root apt-get install --yes --quiet --no-install-recommends $missing; }; then
    exit 0
fi
echo "These system packages could not be installed:$missing" >&2
exit 0
