#!/bin/sh
# pillow-heif 1.8.1 with Pillow 13.0.0: Image.draft(None, size) on a HEIC that carries a thumbnail, as those of phones do.
# A good guess: nothing, since Pillow's documentation says that draft configures JPEG and MPO alone, and pillow-heif up to
# 1.7 left it so: code that calls draft on every photograph, to have JPEGs decoded at reduced scale, harms no HEIC.
# Seen: 1.8.1 decodes the embedded thumbnail in place of the picture where that is at least as large as asked for;
# image.size is the thumbnail's from there on. With 1.7.0 the same call leaves the size as it was.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/draft.py" <<'PYTHON'
import sys

import numpy as np
import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
coarse = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
picture = Image.fromarray(coarse).resize((1024, 768))
pillow_heif.from_pillow(picture).save(sys.argv[1], quality=90, thumbnails=[256])
with Image.open(sys.argv[1]) as image:
    before = image.size
    image.draft(None, (200, 150))
    image.load()
    print("pillow-heif", pillow_heif.__version__, before, "after draft", image.size)
    raise SystemExit(0 if (before, image.size) == ((1024, 768), tuple(map(int, sys.argv[2].split("x")))) else 1)
PYTHON
for pair in "1.7.0 1024x768" "1.8.1 256x192"; do
    version=${pair% *}
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "pillow-heif==$version" pillow==13.0.0 numpy==2.4.6
    "$folder/$version/bin/python" "$folder/draft.py" "$folder/picture.heic" "${pair#* }"
done
