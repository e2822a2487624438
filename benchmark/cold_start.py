"""How long a fresh process with a warm cache takes to its first result, beyond importing torch and making the CUDA context.

    python benchmark/cold_start.py [--repeat 9] [--simulate]

Each run is a process of its own: it imports torch, makes a tensor on the device (and with it the context), and only then starts
the clock: `import tilelang`, the kernel from the cache, its first call, synchronised. Prints the median and the spread of the
steps, and the bar of 100 ms. The first run fills the cache and is not counted. Without a GPU, or with --simulate, the simulator
runs the kernel; the bar is meant for a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BAR_MS = 100.0
PROGRAM = """
import json, sys, time
import torch
device = "cuda" if torch.cuda.is_available() and sys.argv[1] != "simulator" else "cpu"
a = torch.randn(1 << 12, device=device)
if device == "cuda":
    torch.cuda.synchronize()
start = time.perf_counter()
import tilelang
import tilelang.language as T
imported = time.perf_counter()

@tilelang.jit(out_idx=[-1], execution_backend=sys.argv[1])
def scale(N, factor):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 128), threads=128) as bx:
            for i in T.Parallel(128):
                B[bx * 128 + i] = A[bx * 128 + i] * factor
    return main

kernel = scale(1 << 12, 3.0)
found = time.perf_counter()
b = kernel(a)
if device == "cuda":
    torch.cuda.synchronize()
done = time.perf_counter()
assert torch.equal(b, a * 3)
steps = {"imports": imported - start, "find": found - imported, "first call": done - found, "total": done - start}
heavy = bool({"tvm", "tvm_ffi"} & {*sys.modules})
print(json.dumps({"tvm": heavy, "builds": tilelang.cache.stats.builds, "device": device, "steps": steps}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9)
    parser.add_argument("--simulate", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "program.py")
        program.write_text(PROGRAM)
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "TILELANG_CACHE_DIR": str(Path(folder, "cache")), "PYTHONPATH": path}

        def run() -> dict:
            command = [sys.executable, str(program), "simulator" if options.simulate else "auto"]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            return json.loads(done.stdout.splitlines()[-1])

        run()
        runs = [run() for _ in range(options.repeat)]
    assert not any(one["tvm"] or one["builds"] for one in runs), "a warm run imported TVM or compiled"
    print(f"device {runs[0]['device']}, {options.repeat} processes, milliseconds")
    for step in runs[0]["steps"]:
        times = sorted(1e3 * one["steps"][step] for one in runs)
        bar = f"   bar {BAR_MS:.0f}" if step == "total" else ""
        print(f"{step:12} median {statistics.median(times):7.1f}   {times[0]:.1f} to {times[-1]:.1f}{bar}")


if __name__ == "__main__":
    main()
