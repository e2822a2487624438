"""Typed schedules of specialised warps: roles, pipelines, scopes."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def ab_schedule(A_s, B_s, depth=3, registers=(40, 232)):
    """A producer warpgroup, two consumer warpgroups, one ring of tiles."""
    producer = [T.WSSync("producer_acquire", "ab"), "load_a", "load_b", T.WSSync("producer_commit", "ab")]
    consumer = [T.WSSync("consumer_wait", "ab"), "mma", T.WSSync("consumer_release", "ab")]
    return T.WSSchedule(
        num_warps=12,
        roles=[
            T.WSRole("producer", warps_lo=8, warps_hi=12, max_nreg=registers[0]),
            T.WSRole("consumer", warps_lo=0, warps_hi=8, max_nreg=registers[1]),
        ],
        pipelines=[T.WSPipeline("ab", [A_s, B_s], depth)],
        scopes=[T.WSScope("main", {"producer": producer, "consumer": consumer})],
    )


def gemm(M, N, K, bm, bn, bk, dtype="float16", depth=3, tiles=1):
    """A product; with `tiles` above 1 a block walks over that many tiles, and the ring goes on from one to the next."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, bn * tiles), T.ceildiv(M, bm), threads=384) as (bx, by):
            A_s = T.alloc_shared((bm, bk), dtype)
            B_s = T.alloc_shared((bk, bn), dtype)
            C_f = T.alloc_fragment((bm, bn), "float32")
            T.annotate_ws_schedule(ab_schedule(A_s, B_s, depth))
            for tile in T.serial(tiles):
                n = (bx * tiles + tile) * bn
                T.clear(C_f)
                for k in T.serial(T.ceildiv(K, bk), annotations={T.WSID: "main"}):
                    T.copy(A[by * bm, k * bk], A_s, annotations={T.WSID: "load_a"})
                    T.copy(B[k * bk, n], B_s, annotations=T.ws_op("load_b"))
                    with T.ws_op("mma"):
                        T.gemm(A_s, B_s, C_f)
                T.copy(C_f, C[by * bm, n])

    return main


@pytest.mark.parametrize(
    "M, N, K, depth, tiles", [(128, 64, 96, 3, 1), (100, 72, 200, 2, 1), (64, 120, 72, 1, 2), (128, 256, 160, 4, 3)]
)
def test_gemm(M, N, K, depth, tiles, device):
    a, b = random((M, K), "float16", device), random((K, N), "float16", device)
    out = run(gemm(M, N, K, 128, 64, 32, depth=depth, tiles=tiles), [a, b], ((M, N), "float32"), device=device, target=SM90)
    assert_close(out, a.double() @ b.double(), terms=K, scale=a.double().abs() @ b.double().abs())


def persistent_gemm(M, N, K, bm, bn, bk, dtype="bfloat16"):
    """Scopes in scopes: the kernel itself, a loop over tiles, the reduction; a role of its own stores the tiles."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=384) as by:
            A_s = T.alloc_shared((bm, bk), dtype)
            B_s = T.alloc_shared((bn, bk), dtype)
            C_s = T.alloc_shared((bm, bn), dtype)
            C_f = T.alloc_fragment((bm, bn), "float32")
            acquire = [T.WSSync("producer_acquire", "ab"), "load_a", "load_b", T.WSSync("producer_commit", "ab")]
            consume = [T.WSSync("consumer_wait", "ab"), T.WSOpRef("mma"), T.WSSync("consumer_release", "ab")]
            inner = T.WSScope("k", {"load": acquire, "mma": consume})
            finish = [T.WSSync(T.WSSyncKind.ACQUIRE, "c"), "stage", T.WSSync(T.WSSyncKind.COMMIT, "c")]
            store = [T.WSSync("wait", "c"), "store", T.WSSync("release", "c")]
            tiles = T.WSScope("tiles", {"load": [inner], "mma": ["clear", inner, *finish], "store": store})
            T.annotate_ws_schedule(
                T.WSSchedule(
                    num_warps=12,
                    roles=[
                        T.WSRole("mma", warps_lo=0, warps_hi=4, max_nreg=240),
                        T.WSRole("load", warps_lo=4, warps_hi=5, max_nreg=56),
                        T.WSRole("store", warps_lo=6, warps_hi=8, max_nreg=56),
                    ],
                    pipelines=[T.WSPipeline("ab", [A_s, B_s], 2), T.WSPipeline("c", [C_s], 1)],
                    scopes=[T.WSScope("root", {role: ["tiles"] for role in ("load", "mma", "store")}), tiles],
                )
            )
            T.annotate_ws_pipeline_depth({"ab": 3})
            for n in T.serial(T.ceildiv(N, bn), annotations={T.WSID: "tiles"}):
                T.clear(C_f, annotations={T.WSID: "clear"})
                for k in T.Pipelined(T.ceildiv(K, bk), num_stages=2, annotations={T.WSID: "k"}):
                    T.copy(A[by * bm, k * bk], A_s, annotations={T.WSID: "load_a"})
                    T.copy(B[n * bn, k * bk], B_s, annotations={T.WSID: "load_b"})
                    T.gemm(A_s, B_s, C_f, transpose_B=True, annotations={T.WSID: "mma"})
                T.copy(C_f, C_s, annotations={T.WSID: "stage"})
                T.copy(C_s, C[by * bm, n * bn], annotations={T.WSID: "store"})

    return main


@pytest.mark.parametrize("M, N, K", [(64, 160, 96), (72, 130, 40)])
def test_nested_scopes(M, N, K, device):
    a, b = random((M, K), "bfloat16", device), random((N, K), "bfloat16", device)
    out = run(persistent_gemm(M, N, K, 64, 64, 32), [a, b], ((M, N), "bfloat16"), device=device, target=SM90)
    assert_close(out, a.double() @ b.double().T, terms=K, scale=a.double().abs() @ b.double().abs().T)


def dequantized(M, N, K, bm, bn, bk):
    """Three roles in a row: one brings packed weights, one unpacks them with its own threads, one multiplies."""

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K // 2), "uint8"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=384) as (bx, by):
            A_s = T.alloc_shared((bm, bk), "float16")
            P_s = T.alloc_shared((bn, bk // 2), "uint8")
            B_s = T.alloc_shared((bn, bk), "float16")
            C_f = T.alloc_fragment((bm, bn), "float32")
            sync = T.WSSync
            load = [sync("acquire", "a"), "a", sync("commit", "a"), sync("acquire", "p"), "p", sync("commit", "p")]
            unpack = [sync("wait", "p"), sync("acquire", "b"), "unpack", sync("release", "p"), sync("commit", "b")]
            mma = [sync("wait", "a"), sync("wait", "b"), "mma", sync("release", "a"), sync("release", "b")]
            T.annotate_ws_schedule(
                T.WSSchedule(
                    12,
                    [
                        T.WSRole("mma", warps_lo=0, warps_hi=4),
                        T.WSRole("unpack", warps_lo=4, warps_hi=8),
                        T.WSRole("load", warps_lo=8, warps_hi=9),
                    ],
                    [T.WSPipeline("a", [A_s], 3), T.WSPipeline("p", [P_s], 2), T.WSPipeline("b", [B_s], 2)],
                    [T.WSScope("k", {"load": load, "unpack": unpack, "mma": mma})],
                )
            )
            T.clear(C_f)
            for k in T.serial(T.ceildiv(K, bk), annotations={T.WSID: "k"}):
                T.copy(A[by * bm, k * bk], A_s, annotations={T.WSID: "a"})
                T.copy(B[bx * bn, k * bk // 2], P_s, annotations={T.WSID: "p"})
                with T.ws_op("unpack"):
                    for i, j in T.Parallel(bn, bk):
                        B_s[i, j] = T.cast((P_s[i, j // 2] >> (j % 2 * 4)) & 15, "float16") - 8
                T.gemm(A_s, B_s, C_f, transpose_B=True, annotations={T.WSID: "mma"})
            T.copy(C_f, C[by * bm, bx * bn])

    return main


def test_three_roles(device):
    M, N, K = 72, 64, 224
    a, packed = random((M, K), "float16", device), torch.randint(0, 256, (N, K // 2), dtype=torch.uint8, device=device)
    out = run(dequantized(M, N, K, 64, 64, 64), [a, packed], ((M, N), "float32"), device=device, target=SM90)
    codes = torch.stack([packed & 15, packed >> 4], -1).reshape(N, K).double() - 8
    assert_close(out, a.double() @ codes.T, terms=K, scale=a.double().abs() @ codes.abs().T)


def attention(B, S, H, D, bm, bn, dtype="float16"):
    """Queries once, keys and values as two fills of one ring in every iteration."""
    scale = 1.44269504 / D**0.5

    @T.prim_func
    def main(
        Q: T.Tensor((B, S, H, D), dtype), K: T.Tensor((B, S, H, D), dtype), V: T.Tensor((B, S, H, D), dtype),
        O: T.Tensor((B, S, H, D), dtype),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(S, bm), H, B, threads=256) as (bx, by, bz):
            Q_s = T.alloc_shared((bm, D), dtype)
            KV_s = T.alloc_shared((bn, D), dtype)
            scores = T.alloc_fragment((bm, bn), "float32")
            weights = T.alloc_fragment((bm, bn), dtype)
            acc = T.alloc_fragment((bm, D), "float32")
            top, old, part, total = (T.alloc_fragment((bm,), "float32") for _ in range(4))
            acquire, commit, wait, release = ("producer_acquire", "producer_commit", "consumer_wait", "consumer_release")

            def both(kind, end, first, second):
                return [T.WSSync(kind, "kv"), first, T.WSSync(end, "kv"), T.WSSync(kind, "kv", 1), second, T.WSSync(end, "kv", 1)]

            computed = [T.WSSync(wait, "kv", 0), "qk", T.WSSync(release, "kv", 0), "softmax"]
            computed += [T.WSSync(wait, "kv", 1), "pv", T.WSSync(release, "kv", 1)]
            kv = T.WSScope("kv", {"load": both(acquire, commit, "load_k", "load_v"), "compute": computed})
            root = T.WSScope(
                "root",
                {
                    "load": [T.WSSync(acquire, "q"), "load_q", T.WSSync(commit, "q"), kv],
                    "compute": ["init", T.WSSync(wait, "q"), kv, T.WSSync(release, "q"), "store"],
                },
            )
            T.annotate_ws_schedule(
                T.WSSchedule(
                    8,
                    [T.WSRole("compute", warps_lo=0, warps_hi=4), T.WSRole("load", warps_lo=4, warps_hi=5)],
                    [T.WSPipeline("q", [Q_s], 1), T.WSPipeline("kv", [KV_s], 3)],
                    [root],
                )
            )
            T.copy(Q[bz, bx * bm : (bx + 1) * bm, by, :], Q_s, annotations={T.WSID: "load_q"})
            with T.ws_op("init"):
                T.clear(acc)
                T.clear(total)
                T.fill(top, -T.infinity("float32"))
            for k in T.serial(T.ceildiv(S, bn), annotations={T.WSID: "kv"}):
                T.copy(K[bz, k * bn : (k + 1) * bn, by, :], KV_s, annotations={T.WSID: "load_k"})
                T.gemm(Q_s, KV_s, scores, transpose_B=True, clear_accum=True, annotations={T.WSID: "qk"})
                with T.ws_op("softmax"):
                    for i, j in T.Parallel(bm, bn):
                        scores[i, j] = T.if_then_else(k * bn + j < S, scores[i, j] * scale, -T.infinity("float32"))
                    T.copy(top, old)
                    T.reduce_max(scores, top, dim=1, clear=False)
                    for i, j in T.Parallel(bm, bn):
                        scores[i, j] = T.exp2(scores[i, j] - top[i])
                    T.reduce_sum(scores, part, dim=1)
                    for i in T.Parallel(bm):
                        old[i] = T.exp2(old[i] - top[i])
                        total[i] = total[i] * old[i] + part[i]
                    for i, j in T.Parallel(bm, D):
                        acc[i, j] *= old[i]
                    T.copy(scores, weights)
                T.copy(V[bz, k * bn : (k + 1) * bn, by, :], KV_s, annotations={T.WSID: "load_v"})
                T.gemm(weights, KV_s, acc, annotations={T.WSID: "pv"})
            with T.ws_op("store"):
                for i, j in T.Parallel(bm, D):
                    acc[i, j] /= total[i]
                T.copy(acc, O[bz, bx * bm : (bx + 1) * bm, by, :])

    return main


def test_attention(device):
    shape = (1, 150, 2, 64)
    q, k, v = (random(shape, "float16", device) for _ in range(3))
    out = run(attention(*shape, 64, 64), [q, k, v], (shape, "float16"), device=device, target=SM90)
    heads = [x.double().transpose(1, 2) for x in (q, k, v)]
    expected = torch.nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2)
    torch.testing.assert_close(out.double(), expected, rtol=2e-2, atol=2e-2)


PROGRAMS = {
    "gemm": (gemm(64, 120, 72, 128, 64, 32, depth=2, tiles=2), [(64, 72), (72, 120), (64, 120)]),
    "nested": (persistent_gemm(64, 128, 64, 64, 64, 32), [(64, 64), (128, 64), (64, 128)]),
    "roles": (dequantized(64, 64, 192, 64, 64, 64), [(64, 192), (64, 96), (64, 64)]),
    "attention": (attention(1, 150, 1, 64, 64, 64), [(1, 150, 1, 64)] * 4),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_races(name):
    """Whatever the order in which warps run."""
    program, shapes = PROGRAMS[name]
    kernel = tilelang.compile(program, target=SM90, execution_backend="simulator")
    inputs = [torch.ones(shape, dtype=param.torch_dtype()) for shape, param in zip(shapes, kernel.params)]
    report = kernel.check(*inputs, schedules=4)
    assert not report.findings, str(report)


@pytest.mark.parametrize("target", [{"kind": "cuda", "arch": "sm_80"}, "c"])
def test_elsewhere_the_program_runs_in_its_own_order(target, device):
    if target == "c":
        device = "cpu"
    a, b = random((100, 72), "float16", device), random((72, 60), "float16", device)
    program = gemm(100, 60, 72, 128, 64, 32)
    assert target == "c" or "no schedule" in str(tilelang.compile(program, target=target).remarks)
    out = run(program, [a, b], ((100, 60), "float32"), device=device, target=target)
    assert_close(out, a.double() @ b.double(), terms=72, scale=a.double().abs() @ b.double().abs())
