"""Tiles rearranged, persistent loops, annotations, random numbers, objects inserted into kernels."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import DTypeError, FrontendError, SemanticError, ShapeError


def test_transpose_and_dp4a(device):
    @T.prim_func
    def main(
        A: T.Tensor((24, 40), "float16"),
        B: T.Tensor((40, 24), "float16"),
        X: T.Tensor((64, 8), "int8"),
        Y: T.Tensor((64, 8), "int8"),
        Z: T.Tensor((64,), "int32"),
    ):
        with T.Kernel(1, threads=64):
            x = T.alloc_shared((24, 40), "float16")
            y = T.alloc_shared((40, 24), "float16")
            T.copy(A, x)
            T.transpose(x, y)
            T.copy(y, B)
            t = T.get_thread_binding()
            a = T.alloc_local((8,), "int8")
            b = T.alloc_local((8,), "int8")
            c = T.alloc_local((1,), "int32")
            for i in T.vectorized(8):
                a[i] = X[t, i]
                b[i] = Y[t, i]
            c[0] = 5
            for k in T.serial(2):
                T.dp4a(a[k * 4], b[k * 4 : k * 4 + 4], c)
            Z[t] = c[0]

    a, x, y = random((24, 40), "float16", device), random((64, 8), "int8", device), random((64, 8), "int8", device)
    out = torch.full((40, 24), float("nan"), dtype=torch.float16, device=device)
    z = torch.zeros(64, dtype=torch.int32, device=device)
    tilelang.compile(main)(a, out, x, y, z)
    assert torch.equal(out, a.T) and torch.equal(z, (x.int() * y.int()).sum(1, dtype=torch.int32) + 5)


def test_im2col(device):
    N, H, W, C, F, K, S, D, P = 2, 9, 8, 8, 16, 3, 2, 1, 1
    OH, OW = (H + 2 * P - D * (K - 1) - 1) // S + 1, (W + 2 * P - D * (K - 1) - 1) // S + 1
    M, Kdim, BM, BK = N * OH * OW, K * K * C, 32, 24

    @T.prim_func
    def main(data: T.Tensor((N, H, W, C), "float16"), kernel: T.Tensor((Kdim, F), "float16"), out: T.Tensor((M, F), "float32")):
        with T.Kernel(T.ceildiv(M, BM), threads=64) as by:
            d = T.alloc_shared((BM, BK), "float16")
            w = T.alloc_shared((BK, F), "float16")
            o = T.alloc_fragment((BM, F), "float32")
            T.clear(o)
            for k in T.Pipelined(T.ceildiv(Kdim, BK), num_stages=2):
                T.c2d_im2col(data, d, by, k, K, S, D, P)
                T.copy(kernel[k * BK, 0], w)
                T.gemm(d, w, o)
            T.copy(o, out[by * BM, 0])

    x, w = random((N, H, W, C), "float16", device), random((K, K, C, F), "float16", device)
    out = run(main, [x, w.view(Kdim, F)], ((M, F), "float32"), device=device)
    want = torch.nn.functional.conv2d(x.double().permute(0, 3, 1, 2), w.double().permute(3, 2, 0, 1), stride=S, padding=P)
    size = torch.nn.functional.conv2d(
        x.double().abs().permute(0, 3, 1, 2), w.double().abs().permute(3, 2, 0, 1), stride=S, padding=P
    )
    assert_close(out, want.permute(0, 2, 3, 1).reshape(M, F), terms=Kdim, scale=size.permute(0, 2, 3, 1).reshape(M, F))


def test_persistent(device):
    @T.prim_func
    def main(A: T.Tensor((7 * 8, 5 * 8), "float32"), O: T.Tensor((3, 7 * 8, 5 * 8), "float32")):
        with T.Kernel(4, threads=64) as block:
            for bx, by in T.Persistent([7, 5], 4, block, group_size=3):
                for i, j in T.Parallel(8, 8):
                    O[0, bx * 8 + i, by * 8 + j] = A[bx * 8 + i, by * 8 + j] + 1.0
            tiles = T.PersistentTileScheduler(7, 5, swizzle_size=2, column_major=True)
            while tiles.valid():
                for i, j in T.Parallel(8, 8):
                    O[1, tiles.m_idx * 8 + i, tiles.n_idx * 8 + j] = A[tiles.m_idx * 8 + i, tiles.n_idx * 8 + j] * 2.0
                tiles.next_tile()
            for t in T.Persistent([35], 4, block):
                for i, j in T.Parallel(8, 8):
                    O[2, t // 5 * 8 + i, t % 5 * 8 + j] = T.cast(t, "float32")

    a = random((56, 40), "float32", device)
    out = run(main, [a], ((3, 56, 40), "float32"), device=device)
    i, j = torch.arange(56, device=device)[:, None] // 8, torch.arange(40, device=device)[None, :] // 8
    assert torch.equal(out, torch.stack([a + 1, a * 2, (i * 5 + j).float()]))


@pytest.mark.parametrize("column_major", [False, True])
def test_a_scheduler_that_goes_past_the_last_tile(column_major, device):
    """Whole groups of rows, so that the number after the last has no row left; and no tiles at all."""
    m, n = T.dynamic("m, n")

    @T.prim_func
    def main(O: T.Tensor((m, n), "int32"), C: T.Tensor((1,), "int32")):
        with T.Kernel(5, threads=32) as block:
            tiles = T.PersistentTileScheduler(m, n, 5, block, swizzle_size=4, column_major=column_major)
            while tiles.valid():
                if T.get_thread_binding() == 0:
                    O[tiles.m_idx, tiles.n_idx] = tiles.m_idx * 100 + tiles.n_idx
                    T.evaluate(T.atomic_add(C[0], 1))
                tiles.next_tile()

    kernel = tilelang.compile(main)
    for shape in ((8, 8), (4, 4), (3, 9), (0, 4), (4, 0)):
        out, count = torch.full(shape, -1, dtype=torch.int32, device=device), torch.zeros(1, dtype=torch.int32, device=device)
        kernel(out, count)
        i, j = torch.arange(shape[0], device=device)[:, None], torch.arange(shape[1], device=device)
        assert torch.equal(out, (i * 100 + j).int()) and count.item() == shape[0] * shape[1]


def test_annotations(device):
    @T.prim_func
    def main(A: T.Tensor((50,), "float32"), O: T.Tensor((64,), "float32"), P: T.Tensor((64,), "float32")):
        T.annotate_pass_configs({"tl.enable_fast_math": True})
        T.annotate_compile_flags("-lineinfo")
        with T.Kernel(1, threads=32):
            T.annotate_safe_value({A: -7.5})
            T.annotate_min_blocks_per_sm(2)
            T.annotate_restrict_buffers(O)
            T.annotate_l2_hit_ratio({A: 0.5})
            x = T.alloc_shared((64,), "float32")
            T.copy(A[0], x)
            T.copy(x, O)
            for i in T.Parallel(64):
                P[i] = A[i] + 1.0

    kernel = tilelang.compile(main)
    a = random(50, "float32", device)
    o, p = run(kernel, [a], ((64,), "float32"), ((64,), "float32"), device=device)
    want = torch.cat([a, torch.full((14,), -7.5, device=device)])
    assert torch.equal(o, want) and torch.equal(p, want + 1)
    source = kernel.get_kernel_source()
    assert "__launch_bounds__(32, 2)" in source and "float* O," in source and "float* __restrict__ P" in source


@T.prim_func
def drawn(O: T.Tensor((4, 64), "uint32"), U: T.Tensor((4, 64), "float32"), D: T.Tensor((2, 64), "float64")):
    with T.Kernel(1, threads=64):
        t = T.get_thread_binding()
        T.rng_init(1234, t, 6)
        for k in T.serial(4):
            O[k, t] = T.rng_rand()
        T.rng_init(99)
        U[0, t] = T.rng_rand_float()
        U[1, t] = T.rng_rand_float(bit=32, dist="uniform")
        U[2, t] = T.rng_rand_float(dist="normal")
        U[3, t] = T.rng_rand_float(dist="normal")
        D[0, t] = T.rng_rand_float(bit=64)
        D[1, t] = T.rng_rand_float(bit=64, dist="normal")


def philox(seed, sequence, position):
    """Word `position` of a sequence: Philox4x32-10 of counter (position / 4, sequence) and key seed."""
    counter = [position // 4 & 0xFFFFFFFF, position // 4 >> 32, sequence & 0xFFFFFFFF, sequence >> 32]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = [q >> 32 ^ counter[1] ^ key[0], q & 0xFFFFFFFF, p >> 32 ^ counter[3] ^ key[1], p & 0xFFFFFFFF]
        key = [key[0] + 0x9E3779B9 & 0xFFFFFFFF, key[1] + 0xBB67AE85 & 0xFFFFFFFF]
    return counter[position % 4]


def test_philox_known_answers():
    """The authors' known-answer test of philox4x32-10 (Random123, kat_vectors): counter and key of zeros."""
    assert [philox(0, 0, k) for k in range(4)] == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


def test_random(device):
    o, u, d = run(drawn, [], ((4, 64), "uint32"), ((4, 64), "float32"), ((2, 64), "float64"), device=device)
    words = o.cpu().view(torch.int32).long() & 0xFFFFFFFF
    assert words.tolist() == [[philox(1234, t, 6 + k) for t in range(64)] for k in range(4)]
    w = torch.tensor([[philox(99, t, k) for t in range(64)] for k in range(9)], dtype=torch.float64)
    unit = w * 2.0**-32 + 2.0**-33
    radius, angle = (-2 * unit[2].log()).sqrt(), unit[3] * 2 * torch.pi
    assert_close(u[:2], unit[:2], ulps=4)
    assert_close(u[2:], torch.stack([radius * angle.sin(), radius * angle.cos()]), scale=torch.full_like(radius, 32.0))
    assert_close(d[0], w[4] * 2.0**-32 + 2.0**-32)
    assert d[1].isfinite().all() and d[1].abs().max() < 7


@T.meta_class
class Accumulator:
    def __init__(self, scale):
        self.scale = scale
        self.total = T.alloc_local((1,), "float32")
        self.total[0] = 0.0

    def add(self, value):
        self.total[0] = self.total[0] + value * self.scale

    @T.inline
    def add_if(self, condition, value):
        if condition:
            self.add(value)

    def doubled(self):
        return self.total[0] * 2.0


def test_meta_class(device):
    @T.prim_func
    def main(A: T.Tensor((64, 8), "float32"), O: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            t = T.get_thread_binding()
            acc = Accumulator(3.0)
            for i in T.serial(8):
                acc.add_if(A[t, i] > 0, A[t, i])
            O[t] = acc.doubled()

    a = random((64, 8), "float32", device)
    out = run(main, [a], ((64,), "float32"), device=device)
    assert_close(out, a.double().clamp(min=0).sum(1) * 6, terms=8, scale=a.double().abs().sum(1) * 6)


@T.meta_class
class Window:
    """A ring of rows; its counters are attributes."""

    def __init__(self, rows, columns):
        self.rows, self.pushes = rows, 0
        self.ring = T.alloc_shared((rows, columns), "float32")
        self.next = T.alloc_var("int32", init=0)
        self.sum = T.alloc_var("int32", init=0)

    def push(self, row):
        T.copy(row, self.ring[self.next % self.rows, :])
        self.next += 1
        self.sum = self.sum + self.next

    def skip(self):
        self.next += 1

    def noted(self):
        self.pushes = self.pushes + 1
        T.evaluate(0)
        return self.pushes

    def last(self, j):
        return self.ring[(self.next - 1) % self.rows, j]


def test_attributes_of_a_meta_class(device):
    @T.prim_func
    def main(A: T.Tensor((8, 64), "float32"), O: T.Tensor((8, 64), "float32"), N: T.Tensor((3,), "int32")):
        with T.Kernel(1, threads=64):
            window = Window(3, 64)
            for k in T.serial(8):
                if k == 5:
                    window.skip()
                window.push(A[k, :])
                for j in T.Parallel(64):
                    O[k, j] = window.last(j) * 2
            N[0], N[1] = window.next, window.sum
            window.noted()
            N[2] = window.noted()

    a = random((8, 64), "float32", device)
    out, counts = run(main, [a], ((8, 64), "float32"), ((3,), "int32"), device=device)
    assert torch.equal(out, a * 2) and counts.tolist() == [9, sum(range(1, 10)) - 6, 2]


def test_attributes_that_cannot_change():
    class Plain:
        count = 0

    plain = Plain()

    @T.prim_func
    def host(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            plain.count = 1

    @T.prim_func
    def repeated(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            window = Window(3, 8)
            for _ in T.serial(4):
                window.noted()

    with pytest.raises(FrontendError, match="assignment to an attribute"):
        tilelang.compile(host)
    with pytest.raises(FrontendError, match="the attribute pushes"):
        tilelang.compile(repeated)


def test_node_names(device):
    @T.prim_func
    def main(A: T.Tensor((64,), "int32"), O: T.Tensor((6, 64), "int32"), F: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            t = T.get_thread_binding()
            a = A[t]
            O[0, t] = T.Sub(T.Add(a, 3), T.Mul(a, T.IntImm("int32", 2)))
            O[1, t] = T.Div(a, 7) * 100 + T.Mod(a, 7)
            O[2, t] = T.FloorDiv(a, 7) * 100 + T.FloorMod(a, 7)
            O[3, t] = T.Min(T.Max(a, -5), 5)
            O[4, t] = T.cast(T.And(T.LT(a, 3), T.Or(T.GE(a, 0), T.EQ(a, -4))), "int32") + 2 * T.cast(T.Not(T.NE(a, 1)), "int32")
            O[5, t] = T.cast(T.likely(T.GT(a, 0)), "int32") + 2 * T.cast(T.LE(a, 2), "int32")
            F[t] = T.call_intrin("float32", "tirx.exp2", T.cast(a, "float32") * T.FloatImm("float32", 0.125))

    a = random(64, "int32", device, -40, 40)
    o, f = run(main, [a], ((6, 64), "int32"), ((64,), "float32"), device=device)
    x = a.cpu().long()
    quotient = torch.div(x, 7, rounding_mode="trunc")
    want = [
        x + 3 - 2 * x,
        quotient * 100 + x - quotient * 7,
        x // 7 * 100 + x % 7,
        x.clamp(-5, 5),
        ((x < 3) & ((x >= 0) | (x == -4))).long() + 2 * (x == 1),
        (x > 0).long() + 2 * (x <= 2),
    ]
    assert torch.equal(o.cpu().long(), torch.stack(want))
    assert_close(f, (a.double() / 8).exp2(), ulps=4)


@pytest.mark.parametrize(
    "statement, kind, part",
    [
        (lambda x, G: T.transpose(x, x), ShapeError, "x (8 x 4) into x (8 x 4)"),
        (lambda x, G: T.im2col(G, x, 0, 0, 3, 1, 1, 0), ShapeError, "(N, H, W, C)"),
        (lambda x, G: T.dp4a(x, x, x), DTypeError, "A of T.dp4a is float32"),
        (lambda x, G: T.Persistent([], 4, 0), ShapeError, "empty domain"),
        (lambda x, G: T.Persistent([4], 4, 0, group_size=0), SemanticError, "group_size=0"),
        (lambda x, G: T.PersistentTileScheduler(4, 4, swizzle_size=0), SemanticError, "swizzle_size=0"),
        (lambda x, G: T.annotate_safe_value({x: 1}), SemanticError, "global memory"),
        (lambda x, G: T.annotate_min_blocks_per_sm(0), SemanticError, "positive int"),
        (lambda x, G: T.annotate_restrict_buffers(x), SemanticError, "global memory"),
        (lambda x, G: T.annotate_l2_hit_ratio({G: 2}), SemanticError, "ratio 2"),
        (lambda x, G: T.annotate_compile_flags([1]), DTypeError, "list of strings"),
        (lambda x, G: T.annotate_pass_configs(1), DTypeError, "takes a dict"),
        (lambda x, G: T.rng_rand(), FrontendError, "before T.rng_init"),
        (lambda x, G: (T.rng_init(1), T.rng_init(1, generator="curandState")), SemanticError, "another generator"),
        (lambda x, G: T.rng_init(1, generator="lcg"), SemanticError, "'lcg'"),
        (lambda x, G: T.call_intrin("float32", "tirx.nothing", 1), FrontendError, "does not know"),
        (lambda x, G: T.meta_class(3), FrontendError, "decorate a class"),
    ],
)
def test_refusals(statement, kind, part):
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            x = T.alloc_shared((8, 4), "float32")
            statement(x, G)

    with pytest.raises(kind) as caught:
        main.get()
    assert part in str(caught.value)


def test_rng_dist_and_bit():
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            T.rng_init(1)
            G[0] = T.rng_rand_float(bit=16)

    with pytest.raises(SemanticError, match="bit=16"):
        main.get()


def vector_atomics(scope, dtype):
    @T.prim_func
    def main(A: T.Tensor((32, 16), dtype), O: T.Tensor((32, 16), dtype), P: T.Tensor((64, 2), dtype)):
        with T.Kernel(2, threads=64) as bx:
            x = T.alloc_fragment((32, 16), dtype) if scope == "fragment" else T.alloc_shared((32, 16), dtype)
            T.copy(A, x)
            for i, j in T.Parallel(32, 4):
                T.atomic_addx4(O[i, j * 4], x[i, j * 4])
            for i, j in T.Parallel(32, 8):
                T.atomic_addx2(O[i, j * 2], x[i, j * 2])
            t = T.get_thread_binding()
            if bx == 0:
                own = T.alloc_local((2,), dtype)
                own[0] = T.cast(1, dtype)
                own[1] = T.cast(2, dtype)
                before = T.atomic_addx2(P[t, 0], own, return_prev=True)
                P[t, 0] = T.extract_lane(before, 1) + T.atomic_load(P[t, 1])
                T.atomic_store(P[t, 1], 0)

    return main


@pytest.mark.parametrize("scope, dtype", [("fragment", "float32"), ("shared", "float16")])
def test_vector_atomics(scope, dtype, device):
    a = torch.randint(-8, 8, (32, 16), device=device).to(getattr(torch, dtype))
    o, p = torch.ones_like(a), torch.arange(128, device=device).to(a.dtype).view(64, 2)
    want = 2 * p[:, 1] + 2
    tilelang.compile(vector_atomics(scope, dtype))(a, o, p)
    assert torch.equal(o, 1 + 4 * a) and torch.equal(p, torch.stack([want, torch.zeros_like(want)], 1))


def test_loops_by_tvm_names(device):
    @T.prim_func
    def main(A: T.Tensor((64,), "int32"), O: T.Tensor((64,), "int32"), P: T.Tensor((2,), "int32")):
        with T.Kernel(1, threads=32):
            for i in T.parallel(4, 64):
                O[i] = A[i] + 1
            for i in T.parallel(4):
                T.buffer_store(O, 7, [i])
            n = T.alloc_var("int32", init=0)
            s = T.alloc_var("int32", init=0)
            for i in T.serial(64):
                if A[i] > 90:
                    T.loop_break()
                n += 1
                if A[i] % 2 == 0:
                    T.continue_loop()
                s += A[i]
            P[0] = n
            P[1] = s

    a = random(64, "int32", device, 0, 90)
    a[40] = 99
    o, p = run(main, [a], ((64,), "int32"), ((2,), "int32"), device=device)
    assert torch.equal(o[4:], a[4:] + 1) and (o[:4] == 7).all()
    assert p.tolist() == [40, int(a[:40][a[:40] % 2 == 1].sum())]
