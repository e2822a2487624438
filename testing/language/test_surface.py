"""Names that have no test of their own: they trace, and give the operators that the compiler knows."""

import math

import pytest

import tilelang.language as T
from tilelang import ir
from tilelang.errors import UnsupportedError


class Tools:
    k = 7

    @staticmethod
    @T.macro
    def scale(A, i, by=2, *, plus=1):
        A[i] = A[i] * by + plus

    @T.macro
    def method(self, A):
        A[0] = self.k


tools = Tools()
n = T.dynamic("n")


@T.prim_func
def everything(A: T.Tensor((n,), "float32"), B: T.Tensor((n, n), "int32"), m: T.int32, flag: T.bool):
    W = T.alloc_global((n, 4), "float32")
    with T.Kernel(T.ceildiv(n, 4), threads=(32, 2), prelude="// prelude") as (bx,):
        Tools.scale(A, bx, plus=3)
        tools.method(A)
        if flag:
            while A[1] > 0:
                A[1] -= 1
        for i in T.serial(bx, m):
            for j in T.serial(i):
                B[i, j] += 1
        T.print(A[0], msg="x")
        T.print("hello")
        T.device_assert(A[0] > 0, "negative")
        T.assume(m > 0)
        T.call_extern("void", "f", T.address_of(A[3]), A, m)
        A[4] = T.call_extern("float32", "g", T.access_ptr(A, "r", offset=4))
        S = T.alloc_shared((8, 8), "float16")
        T.annotate_layout({S: lambda i, j: (j, i)})
        T.annotate_layout({S: T.Layout(S.shape, lambda i, j: i * 8 + (j ^ i))})
        L = T.alloc_fragment((8,), "float32")
        T.atomic_addx2(W[bx, 0], L[0])
        A[5] = T.reinterpret(m, "float32") + T.cast(flag, "float32") + T.infinity("float32") - T.max_value("float16")
        A[6] = getattr(T, "__exp")(A[0]) ** 2 + math.pi + A[7] ** 0.5 + T.copysign(A[0], -1)
        A[7] = T.shfl_xor(A[6], 1) + T.warp_reduce_sum(A[6])
        T.sync_threads()
        T.sync_threads(1, 64)
        T.sync_warp()
        A[8] = T.any_sync(A[0] > 0)
        A[9] = T.get_lane_idx() + T.get_thread_extent(1) + T.Select(flag, 1, m)
        for q in T.Parallel(8, loop_layout=T.Fragment((8,), lambda i: (i, 0))):
            L[q] = -A[q] if not flag and q >= 1 else T.fma(A[q], 2, 1)
        T.evaluate(T.call_extern("int32", "h"))
        A[10] = T.popcount(m) + T.clz(m) + T.isnan(A[0])
    with T.Kernel(1):
        T.copy(W[0, 0:4], A[0:4])


def test_everything_traces():
    func = everything.prim_func
    names = {ir.call_name(c) for c in ir.collect(func, ir.Call)}
    assert {
        "tl.print", "tl.device_assert", "tl.assume", "tl.call_extern", "tl.annotate_layout", "tl.reinterpret",
        "tl.atomic_add_lanes",
        "tl.fast_exp", "tl.pow", "tl.copysign", "tl.shfl_xor", "tl.warp_reduce_sum", "tl.sync_threads", "tl.sync_warp",
        "tl.any_sync", "tl.fma", "tl.copy", "tl.popcount", "tl.clz", "tl.isnan",
    } <= names  # fmt: skip
    assert func.attrs["tl.prelude"] == "// prelude\n" and len(ir.statements(func.body)) == 3
    assert "launch_thread" in str(everything)


def test_misspelt_name_in_a_kernel():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1):
            T.alloc_sharde((4,), "int32")

    with pytest.raises(AttributeError, match="Did you mean T.alloc_shared"):
        main.get()


def test_later_name_in_a_kernel():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1):
            T.call_llvm_intrin(A)

    with pytest.raises(UnsupportedError) as caught:
        main.get()
    assert caught.value.span.line and "T.call_extern" in caught.value.fix


def test_public_names_resolve():
    for name in T.__all__:
        getattr(T, name)
