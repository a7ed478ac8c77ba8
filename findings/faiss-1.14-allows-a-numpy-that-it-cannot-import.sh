#!/bin/sh
# faiss-cpu 1.14.2, Python 3.10 or 3.11, on the numpy 1.26 of many a device.
# A good guess: numpy 1.26.4, which its metadata allows (pip installs both together without a word), will do.
# Seen: `import faiss` ends with ModuleNotFoundError: numpy._core, which numpy has since 2.0.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet faiss-cpu==1.14.2 numpy==1.26.4
if said=$("$folder/venv/bin/python" -c "import faiss" 2>&1); then
    echo "faiss imports now"
    exit 1
fi
echo "$said" | tail -n 1
echo "$said" | grep -q "No module named 'numpy._core'"
