#!/bin/sh
# faiss-cpu 1.15.1: IndexIVF.search_preassigned(x, k, Iq, Dq, params=...) from Python.
# A good guess: search parameters are taken, as the docstring says and as search() does, so that one call may probe
# another number of lists than the index's nprobe.
# Seen: AssertionError "params not supported"; the lists given must be as many as index.nprobe, which has to be set.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet faiss-cpu==1.15.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import faiss
import numpy as np

vectors = np.random.default_rng(0).random((1000, 16), dtype=np.float32)
index = faiss.index_factory(16, "IVF8,SQ8")
index.train(vectors)
index.add(vectors)
lists, distances = np.array([[3, 5]]), np.zeros((1, 2), np.float32)
assert "params" in type(index).search_preassigned.__doc__
index.search(vectors[:1], 3, params=faiss.SearchParametersIVF(nprobe=2))
try:
    index.search_preassigned(vectors[:1], 3, lists, distances, params=faiss.SearchParametersIVF(nprobe=2))
except AssertionError as error:
    print("faiss", faiss.__version__, "search_preassigned:", error)
else:
    raise SystemExit("params are taken now")
index.nprobe = 2
index.search_preassigned(vectors[:1], 3, lists, distances)
PYTHON
