"""The matrix multiplies that several tests compile, and their reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

import tilelang.language as T
from testing.programs.reference import assert_close, is_float, random, random_tf32

POLICIES = {"Square": 0, "FullRow": 1, "FullCol": 2}


@dataclass(frozen=True)
class Types:
    """Dtypes of a matrix multiply: operands, accumulator, result."""

    name: str
    a: str
    b: str
    acc: str
    out: str

    @property
    def rounding(self) -> str:
        """The precision of the sums."""
        return "fp8_accumulator" if self.a.startswith("float8") else self.acc


TYPES = [
    Types("f16", "float16", "float16", "float32", "float16"),
    Types("f16acc16", "float16", "float16", "float16", "float16"),
    Types("bf16", "bfloat16", "bfloat16", "float32", "bfloat16"),
    Types("tf32", "float32", "float32", "float32", "float32"),
    Types("i8", "int8", "int8", "int32", "int32"),
    Types("u8", "uint8", "uint8", "int32", "int32"),
    Types("e4m3", "float8_e4m3", "float8_e4m3", "float32", "float16"),
    Types("e5m2", "float8_e5m2", "float8_e5m2", "float32", "float32"),
    Types("e4m3e5m2", "float8_e4m3", "float8_e5m2", "float32", "bfloat16"),
    Types("f64", "float64", "float64", "float64", "float64"),
]


def gemm(
    M: Any,
    N: Any,
    K: Any,
    tile: tuple[int, int, int],
    types: Types,
    transposes: str = "NN",
    policy: str = "Square",
    stages: int = 0,
    threads: int = 128,
    epilogue: str = "direct",
) -> Any:
    """C = op(A) @ op(B); `transposes` is a letter N or T for each; the epilogue goes straight or through shared memory."""
    bm, bn, bk = tile
    ta, tb = (letter == "T" for letter in transposes)

    @T.prim_func
    def main(
        A: T.Tensor((K, M) if ta else (M, K), types.a),
        B: T.Tensor((N, K) if tb else (K, N), types.b),
        C: T.Tensor((M, N), types.out),
    ):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As = T.alloc_shared((bk, bm) if ta else (bm, bk), types.a)
            Bs = T.alloc_shared((bn, bk) if tb else (bk, bn), types.b)
            Cl = T.alloc_fragment((bm, bn), types.acc)
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                if ta:
                    T.copy(A[k * bk, by * bm], As)
                else:
                    T.copy(A[by * bm, k * bk], As)
                if tb:
                    T.copy(B[bx * bn, k * bk], Bs)
                else:
                    T.copy(B[k * bk, bx * bn], Bs)
                T.gemm(As, Bs, Cl, transpose_A=ta, transpose_B=tb, policy=T.GemmWarpPolicy(POLICIES[policy]))
            if epilogue == "shared":
                Cs = T.alloc_shared((bm, bn), types.out)
                T.copy(Cl, Cs)
                T.copy(Cs, C[by * bm, bx * bn])
            else:
                T.copy(Cl, C[by * bm, bx * bn])

    return main


def operand(shape: tuple[int, int], dtype: str, device: str) -> torch.Tensor:
    """Inputs that every instruction for the dtype holds exactly."""
    return random_tf32(shape, device) if dtype == "float32" else random(shape, dtype, device)


def inputs(M: int, N: int, K: int, types: Types, transposes: str, device: str) -> list[torch.Tensor]:
    ta, tb = (letter == "T" for letter in transposes)
    return [operand((K, M) if ta else (M, K), types.a, device), operand((N, K) if tb else (K, N), types.b, device)]


def check(out: torch.Tensor, a: torch.Tensor, b: torch.Tensor, types: Types, transposes: str = "NN") -> None:
    """Compare with the product in float64 or int64."""
    wide = torch.float64 if is_float(types.a) else torch.int64
    x, y = a.cpu().to(wide), b.cpu().to(wide)
    x, y = (x.T if transposes[0] == "T" else x), (y.T if transposes[1] == "T" else y)
    assert_close(out, x @ y, terms=x.shape[1], scale=(x.abs() @ y.abs()).double(), arithmetic=types.rounding)
