#!/bin/sh
# Pillow 12.3.0, the newest for Python 3.10: an image in YCbCr, saved as TIFF without compression, and read again.
# A good guess: what one version of a library writes in a standard format, it reads.
# Seen: opened as RGB with four bytes a pixel, so that load() ends with "image file is truncated"; the file is sound:
# Pillow 13.0.0 reads it. With compression (LZW, deflate, JPEG) 12.3.0 reads its own files.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
read_back() {
    "$folder/venv/bin/pip" install --quiet "pillow==$1"
    "$folder/venv/bin/python" - "$folder/image.tif" "$2" <<'PYTHON'
import sys

import PIL
from PIL import Image

path, how = sys.argv[1:]
if how == "write":
    Image.new("YCbCr", (64, 48), (100, 90, 200)).save(path)
try:
    with Image.open(path) as image:
        image.load()
        found = f"{image.mode} {image.getpixel((3, 3))}"
except OSError as error:
    found = str(error)
print(PIL.__version__, found)
PYTHON
}
old=$(read_back 12.3.0 write)
new=$(read_back 13.0.0 read)
printf '%s\n%s\n' "$old" "$new"
case $old in *truncated*) ;; *) exit 1 ;; esac
case $new in *"(100, 90, 200)"*) ;; *) exit 1 ;; esac
