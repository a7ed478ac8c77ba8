#!/bin/sh
# Usage: prepare_aarch64.sh FOLDER: a Debian for aarch64 with Python, and the wheels that the runtime needs there.
# Needs debootstrap, dpkg and the network; no privileges. About 500 MB.
set -eu
folder=$1
python=${PYTHON:-python3}
mirror=$(apt-get indextargets --format '$(SITE)' | sort -u | head -n 1)
rm -rf "$folder.part"
mkdir -p "$folder.part/packages"
debootstrap --foreign --arch=arm64 --variant=minbase --include=python3,libgomp1,libstdc++6 bookworm "$folder.part/root" "$mirror"
for archive in "$folder.part"/root/var/cache/apt/archives/*.deb; do
    dpkg-deb -x "$archive" "$folder.part/root"
done
"$python" -m pip download --quiet --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux2014_aarch64 --dest "$folder.part/wheels" numpy pillow faiss-cpu typer rich onnxruntime
for wheel in "$folder.part"/wheels/*.whl; do
    "$python" -m zipfile -e "$wheel" "$folder.part/packages"
done
rm -rf "$folder"
mv "$folder.part" "$folder"
