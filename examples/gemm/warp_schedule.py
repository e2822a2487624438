"""C = A @ B with the warps' work written down: one warp brings tiles, two warpgroups multiply, another warpgroup stores.

The program is the plain one, statement after statement; labels name its statements. The schedule says which warps run which
label and where tiles change hands. The compiler makes the barriers and the slots of the tiles, and refuses a schedule that
might change the result or stop for ever.

    python examples/gemm/warp_schedule.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T

HOPPER = {"kind": "cuda", "arch": "sm_90a"}  # below, the labels mean nothing and all threads run everything


def schedule(A_tile, B_tile, C_tile, slots):
    """Rings `ab` from loader to multiplier, `c` from multiplier to storer; the walk over tiles is a scope around both."""
    load = [T.WSSync("producer_acquire", "ab"), "load A", "load B", T.WSSync("producer_commit", "ab")]
    multiply = [T.WSSync("consumer_wait", "ab"), "multiply", T.WSSync("consumer_release", "ab")]
    steps = T.WSScope("steps", {"loader": load, "multiplier": multiply})
    stage = [T.WSSync("producer_acquire", "c"), "stage", T.WSSync("producer_commit", "c")]
    store = [T.WSSync("consumer_wait", "c"), "store", T.WSSync("consumer_release", "c")]
    tiles = T.WSScope("tiles", {"loader": [steps], "multiplier": ["clear", steps, *stage], "storer": store})
    return T.WSSchedule(
        num_warps=16,
        roles=[
            T.WSRole("multiplier", warps_lo=0, warps_hi=8, max_nreg=184),
            T.WSRole("storer", warps_lo=8, warps_hi=12, max_nreg=72),
            T.WSRole("loader", warps_lo=12, warps_hi=13, max_nreg=40),
        ],
        pipelines=[T.WSPipeline("ab", [A_tile, B_tile], slots), T.WSPipeline("c", [C_tile], 1)],
        scopes=[tiles],
    )


@tilelang.jit(out_idx=[-1], target=HOPPER)
def matmul(M, N, K, block_m=128, block_n=128, block_k=64, slots=4, blocks=132, dtype="float16"):
    across, down = T.ceildiv(N, block_n), T.ceildiv(M, block_m)

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(blocks, threads=512) as block:
            A_tile = T.alloc_shared((block_m, block_k), dtype)
            B_tile = T.alloc_shared((block_k, block_n), dtype)
            C_tile = T.alloc_shared((block_m, block_n), dtype)
            acc = T.alloc_fragment((block_m, block_n), "float32")
            T.annotate_ws_schedule(schedule(A_tile, B_tile, C_tile, slots))
            for turn in T.serial(T.ceildiv(across * down - block, blocks), annotations={T.WSID: "tiles"}):
                m = (turn * blocks + block) // across * block_m
                n = (turn * blocks + block) % across * block_n
                T.clear(acc, annotations={T.WSID: "clear"})
                for k in T.serial(T.ceildiv(K, block_k), annotations={T.WSID: "steps"}):
                    T.copy(A[m, k * block_k], A_tile, annotations={T.WSID: "load A"})
                    T.copy(B[k * block_k, n], B_tile, annotations={T.WSID: "load B"})
                    T.gemm(A_tile, B_tile, acc, annotations={T.WSID: "multiply"})
                T.copy(acc, C_tile, annotations={T.WSID: "stage"})
                T.copy(C_tile, C[m, n], annotations={T.WSID: "store"})

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() and torch.cuda.get_device_capability() >= (9, 0) else "cpu"
    M, N, K = (4096, 4096, 4096) if device == "cuda" else (200, 328, 160)
    a = torch.randn(M, K, device=device).half()
    b = torch.randn(K, N, device=device).half()
    kernel = matmul(M, N, K, blocks=132 if device == "cuda" else 3)
    torch.testing.assert_close(kernel(a, b).float(), a.float() @ b.float(), rtol=1e-2, atol=K**0.5 / 50)
    print("the results match")


if __name__ == "__main__":
    main()
