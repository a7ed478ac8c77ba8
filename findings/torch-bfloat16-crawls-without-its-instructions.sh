#!/bin/sh
# torch 2.13.0, x86-64, one thread: a product of two 1024 x 1024 matrices in bfloat16, on kernels for AVX2
# (ONEDNN_MAX_CPU_ISA=AVX2 and ATEN_CPU_CAPABILITY=avx2, as on a processor that has nothing more).
# A good guess: numbers of half the size take about as long as float32 or less; at the worst a conversion is paid for.
# Seen: 47 ms in float32, 3,572 ms in bfloat16: 76 times slower, without a warning. With AVX-512-BF16 or AMX it is quicker
# than float32 (24 ms and 10 ms on the same machine). Fails where the factor is under ten.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 "$folder/venv/bin/python" - <<'PYTHON'
import time

import torch


def least_seconds(dtype):
    a, b = (torch.randn(1024, 1024).to(dtype) for _ in range(2))
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        a @ b
        seconds.append(time.perf_counter() - start)
    return min(seconds)


torch.set_num_threads(1)
single, half = least_seconds(torch.float32), least_seconds(torch.bfloat16)
print(f"torch {torch.__version__}: float32 {single:.3f} s, bfloat16 {half:.3f} s, {half / single:.0f} times")
raise SystemExit(half / single < 10)
PYTHON
