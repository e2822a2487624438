"""An elementwise kernel: GELU(x + bias), one launch where a framework makes three.

`T.Parallel` says which iterations there are; the compiler chooses who runs which, and how wide each thread loads. The last
block may reach past the end of the tensor: accesses outside are guarded, nothing needs padding.

    python examples/elementwise/gelu_bias.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


@tilelang.jit
def gelu_bias(x, bias, block_m: int = 8, block_n: int = 128):
    """y = gelu(x + bias). An eager kernel: M and N are read off the tensors of the call, y is allocated and returned."""
    M, N = T.const("M, N")
    x: T.Tensor((M, N), "float16")
    bias: T.Tensor((N,), "float16")
    y = T.empty((M, N), "float16")
    with T.Kernel(T.ceildiv(N, block_n), T.ceildiv(M, block_m), threads=128) as (bx, by):
        for i, j in T.Parallel(block_m, block_n):
            value = T.cast(x[by * block_m + i, bx * block_n + j], "float32") + bias[bx * block_n + j]
            y[by * block_m + i, bx * block_n + j] = 0.5 * value * (1.0 + T.erf(value * 0.7071067811865476))
    return y


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for shape in [(64, 256), (100, 333)]:
        x = torch.randn(shape, device=device).half()
        bias = torch.randn(shape[1], device=device).half()
        expected = torch.nn.functional.gelu(x.double() + bias.double())
        torch.testing.assert_close(gelu_bias(x, bias).double(), expected, rtol=2e-3, atol=1e-3)
        print(f"gelu_bias {shape[0]} x {shape[1]}: matches torch")


if __name__ == "__main__":
    main()
