#!/bin/sh
# openvino 2026.4.1 (with openvino-telemetry 2025.2.0, which it depends on): `import openvino` in a fresh home folder.
# A good guess: importing an inference runtime reads files and writes none.
# Seen: afterwards the home folder holds intel/openvino_ga_cid, a random identity for Google Analytics, and intel/stats;
# nobody was asked. Without the module openvino_telemetry openvino imports all the same, and writes nothing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 openvino-telemetry==2025.2.0
mkdir "$folder/home"
HOME="$folder/home" "$folder/venv/bin/python" -c "import openvino; print('openvino', openvino.__version__)"
find "$folder/home" -type f | sed "s|$folder/||"
test -s "$folder/home/intel/openvino_ga_cid"
mkdir "$folder/other"
HOME="$folder/other" "$folder/venv/bin/python" -c "import sys; sys.modules['openvino_telemetry'] = None; import openvino"
test -z "$(find "$folder/other" -type f)"
