"""What `@tilelang.jit` returns."""

from __future__ import annotations


class JITImpl:
    pass


def kernel_of_prim_func(func, out_idx, target, execution_backend, verbose, pass_configs, compile_flags):
    raise NotImplementedError
