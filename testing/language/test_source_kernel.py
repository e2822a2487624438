"""T.CUDASourceCodeKernel: the author's own CUDA C++ as a launch."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.engine import compile_prim_func
from tilelang.errors import SemanticError
from tilelang.target import resolve_target

SCALE = """
template <class T> __device__ T twice(T x) { return x + x; }
__global__ void scale(const float* A, float factor, float* B, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) B[i] = twice(A[i]) * factor;
}
"""


def scale(source, entry="scale", **options):
    n = T.dynamic("n")

    @T.prim_func
    def main(A: T.Tensor((n,), "float32"), factor: T.float32, B: T.Tensor((n,), "float32")):
        with T.CUDASourceCodeKernel(T.ceildiv(n, 64), threads=64, source_code_or_path=source, entry_name=entry, **options):
            pass

    return main


@pytest.mark.parametrize("form", ["text", "path", "extern"])
def test_runs(form, device, tmp_path):
    source = (
        SCALE if form != "extern" else 'extern "C" {\n' + SCALE.replace("template <class T> ", "").replace("T ", "float ") + "}"
    )
    if form == "path":
        (tmp_path / "scale.cu").write_text(SCALE)
        source = tmp_path / "scale.cu"
    for n in (1, 64, 333):
        a = random(n, "float32", device)
        out = run(scale(source), [a, 3.0], ((n,), "float32"), device=device)
        assert torch.equal(out, a * 6)


def test_between_other_launches(device):
    @T.prim_func
    def main(A: T.Tensor((100,), "float32"), B: T.Tensor((100,), "float32")):
        W = T.alloc_global((100,), "float32")
        with T.Kernel(1, threads=128):
            for i in T.Parallel(100):
                W[i] = A[i] + 1
        with T.CUDASourceCodeKernel(1, threads=128, source_code_or_path=SQUARE):
            pass
        with T.Kernel(1, threads=128):
            for i in T.Parallel(100):
                B[i] += W[i]

    a = random(100, "float32", device)
    out = run(main, [a], ((100,), "float32"), device=device)
    torch.testing.assert_close(out, a * a + a + 1)


SQUARE = "#define SIZE 100\n__global__ void __launch_bounds__(128) main_kernel(float* A, float* B) {" + (
    " if (threadIdx.x < SIZE) B[threadIdx.x] = A[threadIdx.x] * A[threadIdx.x]; }"
)


def test_misuse():
    with pytest.raises(SemanticError, match="entry_name=... one of scale"):
        scale(SCALE, "scales").get()
    for missing in ("there/is/none", "none.cu"):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            scale(missing).get()
    with pytest.raises(TypeError, match="CUDA C\\+\\+ text"):
        scale(3).get()


def test_not_for_a_cpu():
    with pytest.raises(NotImplementedError, match="target c"):
        tilelang.compile(scale(SCALE), target="c")


def test_the_toolkit_s_headers_are_at_hand():
    program = scale("#include <cuda_fp16.h>\n" + SCALE).get()
    source = compile_prim_func(program, resolve_target({"kind": "cuda", "arch": "sm_90a"})).source
    assert source.index("#include <tl/user_text.h>") < source.index("#include <cuda_fp16.h>")
