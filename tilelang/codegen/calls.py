"""Operators whose call reads differently in C++: constants that become template arguments, options that become names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from .. import ir
from ..errors import SourceSpan, UnsupportedError
from ..tileop.base import attribute, dtype_bits
from .literals import string_literal
from .strength import PRIMARY
from .types import type_name
from .wgmma_use import WgmmaUse

_FULL_MASK = 0xFFFFFFFF
_ORDERS = ("relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst")


class CallPrinter(ABC):
    """`_op_<name>` prints a call of the operator `<name>` of any dialect; part of `ExprPrinter`, which has the rest."""

    num_threads: int
    wgmma: WgmmaUse

    @abstractmethod
    def render(self, expr: Any) -> tuple[str, int]:
        """The text of an expression and its binding strength."""

    @abstractmethod
    def argument(self, expr: Any) -> str:
        """The text of an argument of a device function."""

    @abstractmethod
    def use(self, header: str) -> None:
        """Include a header of the device library."""

    @abstractmethod
    def source(self, node: Any = None) -> SourceSpan | None:
        """Where a node comes from, for messages."""

    @abstractmethod
    def _call_function(self, op: str, args: list[Any], expr: Any) -> tuple[str, int]: ...

    @abstractmethod
    def _choice(self, condition: Any, yes: Any, no: Any) -> tuple[str, int]: ...

    def _refuse(self, expr: ir.Call, what: str, fix: str) -> UnsupportedError:
        return UnsupportedError(what, fix=fix, span=self.source(expr))

    def template_of(self, expr: ir.Call) -> list[str]:
        """Template arguments: those that the call carries, and its memory order."""
        template = [self._template_argument(str(t), expr) for t in attribute(expr, "template", ())]
        order = attribute(expr, "memory_order")
        if order is not None:
            if str(order) not in _ORDERS:
                raise self._refuse(expr, f"the memory order {order!r} does not exist", f"use one of {', '.join(_ORDERS)}")
            template.append(f"tl::memory_order::{'acquire' if str(order) == 'consume' else order}")
        return template

    def _template_argument(self, text: str, expr: ir.Call) -> str:
        """Text as it is; "dtype:float16" is the C++ type of an element type."""
        return type_name(text.removeprefix("dtype:"), self.source(expr)) if text.startswith("dtype:") else text

    # ------------------------------------------------------------------ of TIR

    def _op_if_then_else(self, expr: ir.Call) -> tuple[str, int]:
        return self._choice(*expr.args)

    def _op_likely(self, expr: ir.Call) -> tuple[str, int]:
        return self.render(expr.args[0])

    def _op_reinterpret(self, expr: ir.Call) -> tuple[str, int]:
        return self.called(f"tl::reinterpret<{type_name(ir.dtype_of(expr), self.source(expr))}>", list(expr.args)[-1:])

    def _op_load_as(self, expr: ir.Call) -> tuple[str, int]:
        self.use("tl/vector.h")
        return self.called(f"tl::load_as<{type_name(ir.dtype_of(expr), self.source(expr))}>", list(expr.args))

    def _op_call_extern(self, expr: ir.Call) -> tuple[str, int]:
        return self.called(str(expr.args[0].value), list(expr.args)[1:])

    # ------------------------------------------------------------------ barriers, warps

    def _op_sync_threads(self, expr: ir.Call) -> tuple[str, int]:
        if not len(expr.args):
            return self.called("tl::sync_threads", [])
        barrier = ir.const_int(expr.args[0])
        if barrier is None or not 0 <= barrier < 16:
            raise self._refuse(expr, f"the barrier id of T.sync_threads is {expr.args[0]}", "use a constant from 0 to 15")
        count = expr.args[1] if len(expr.args) > 1 else ir.const(self.num_threads)
        if (threads := ir.const_int(count)) is not None and (threads < 1 or threads % 32):
            raise self._refuse(expr, f"{threads} threads cannot meet at a named barrier", "use a positive multiple of 32")
        return self.called(f"tl::bar_sync<{barrier}>", [count])

    def _op_sync_warp(self, expr: ir.Call) -> tuple[str, int]:
        if not self._is_partial(expr, 0):
            return self.called("tl::sync_warp", [])
        self.use("tl/masked.h")
        return self.called("tl::sync_lanes", list(expr.args)[:1])

    def _is_partial(self, expr: ir.Call, position: int) -> bool:
        """True if a warp operation has a mask, other than that of all lanes."""
        if len(expr.args) <= position or ir.const_int(expr.args[position]) == _FULL_MASK:
            return False
        if ir.const_int(expr.args[position]) == 0:
            raise self._refuse(expr, "a warp operation with the mask 0", "set the bits of the lanes that take part")
        return True

    def _shuffle(self, expr: ir.Call) -> tuple[str, int]:
        width = ir.const_int(expr.args[2]) if len(expr.args) > 2 else 32
        if width not in (1, 2, 4, 8, 16, 32):
            raise self._refuse(expr, f"the width of a shuffle is {expr.args[2]}", "use a power of two up to 32")
        segment = "" if width == 32 else f"<{width}>"
        if self._is_partial(expr, 3):
            self.use("tl/masked.h")
            name = ir.call_name(expr).rpartition(".")[2]
            return self.called(f"tl::{name}_among{segment}", [*list(expr.args)[:2], expr.args[3]])
        self.use("tl/shuffle.h")
        return self.called(f"tl::{ir.call_name(expr).rpartition('.')[2]}{segment}", list(expr.args)[:2])

    _op_shfl = _op_shfl_xor = _op_shfl_up = _op_shfl_down = _shuffle

    def _vote(self, expr: ir.Call) -> tuple[str, int]:
        if self._is_partial(expr, 1):
            self.use("tl/masked.h")
            return self.called(f"tl::{ir.call_name(expr).rpartition('.')[2].removesuffix('_sync')}_among", list(expr.args)[:2])
        self.use("tl/shuffle.h")
        return self.called(f"tl::{ir.call_name(expr).rpartition('.')[2].removesuffix('_sync')}", list(expr.args)[:1])

    _op_any_sync = _op_all_sync = _op_ballot_sync = _op_match_any_sync = _op_match_all_sync = _vote

    def _warp_reduce(self, expr: ir.Call) -> tuple[str, int]:
        self.use("tl/reduce.h")
        kind = ir.call_name(expr).removeprefix("tl.warp_reduce_")
        return self.called(f"tl::warp_reduce<tl::op_{kind}, 32, 1>", list(expr.args))

    _op_warp_reduce_sum = _op_warp_reduce_max = _op_warp_reduce_min = _warp_reduce
    _op_warp_reduce_bitand = _op_warp_reduce_bitor = _warp_reduce

    def _wgmma(self, expr: ir.Call) -> tuple[str, int]:
        a, _, n, *more = attribute(expr, "template")
        name = ir.call_name(expr)
        self.wgmma.steps.add(int(more[2 if "ss" in name else 1]) if name.endswith("_steps") else 1)
        self.use(f"tl/wgmma/m64n{n}.h")  # one header an n: only the shapes used are compiled
        self.wgmma.bits.add(dtype_bits(str(a).removeprefix("dtype:")))
        args = list(expr.args)
        if ir.const_int(ir.simplify(args[-1])) == 0:
            self.wgmma.overwrites = True
            args[-1] = ir.call("tl.overwrite", ret="bool")
        return self._call_function(name, args, expr)

    _op_wgmma_ss = _op_wgmma_rs = _op_wgmma_ss_steps = _op_wgmma_rs_steps = _wgmma

    def _sparse_wgmma(self, expr: ir.Call) -> tuple[str, int]:
        a, _, n, *_ = attribute(expr, "template")
        self.use(f"tl/wgmma/m64n{n}.h")  # wgmma_pin
        self.wgmma.bits.add(dtype_bits(str(a).removeprefix("dtype:")))
        self.use(f"tl/wgmma_sp/m64n{n}.h")
        return self._call_function(ir.call_name(expr), list(expr.args), expr)

    _op_wgmma_sp_ss = _op_wgmma_sp_rs = _sparse_wgmma

    # ------------------------------------------------------------------ debugging

    def _op_print(self, expr: ir.Call) -> tuple[str, int]:
        self.use("tl/print.h")
        message = string_literal(str(attribute(expr, "msg", "")))
        if not len(expr.args):
            return f"tl::print_message({message})", PRIMARY
        return f"tl::print_value({message}, {self.argument(expr.args[0])})", PRIMARY

    def _op_device_assert(self, expr: ir.Call) -> tuple[str, int]:
        self.use("tl/print.h")
        if len(expr.args) > 1:
            return self.called("tl::device_assert", list(expr.args))
        message = string_literal(str(attribute(expr, "msg", "assertion failed")))
        return self.called("tl::device_assert", list(expr.args), message)

    def called(self, name: str, args: list[Any], *more: str) -> tuple[str, int]:
        """`name(args, more)`."""
        return f"{name}({', '.join([*(self.argument(a) for a in args), *more])})", PRIMARY
