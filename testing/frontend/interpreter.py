"""A tiny interpreter of scalar TIR over NumPy, so that tests of the front end check meanings and not texts.

Each thread of each block runs by itself, one after the other: right for kernels whose threads do not talk to each other.
"""

from __future__ import annotations

import math

import numpy as np

from tilelang import ir


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


def _numpy_dtype(name):
    return np.dtype({"bfloat16": "float32", "bool": "bool"}.get(name, name))


def _c_div(a, b):
    return a / b if isinstance(a, (float, np.floating)) else int(math.trunc(a / b))


_BINARY = {
    "Add": lambda a, b: a + b, "Sub": lambda a, b: a - b, "Mul": lambda a, b: a * b, "Div": _c_div,
    "Mod": lambda a, b: a - _c_div(a, b) * b, "FloorDiv": lambda a, b: a // b, "FloorMod": lambda a, b: a % b,
    "Min": min, "Max": max, "EQ": lambda a, b: a == b, "NE": lambda a, b: a != b, "LT": lambda a, b: a < b,
    "LE": lambda a, b: a <= b, "GT": lambda a, b: a > b, "GE": lambda a, b: a >= b,
    "BitwiseAnd": lambda a, b: a & b, "BitwiseOr": lambda a, b: a | b, "BitwiseXor": lambda a, b: a ^ b,
    "LShift": lambda a, b: a << b, "RShift": lambda a, b: a >> b,
}  # fmt: skip
_CALLS = {"tl.exp": math.exp, "tl.sqrt": math.sqrt, "tl.fabs": abs, "tl.floor": math.floor, "tl.ceil": math.ceil,
          "bitwise_and": lambda a, b: a & b, "bitwise_or": lambda a, b: a | b, "bitwise_xor": lambda a, b: a ^ b,
          "bitwise_not": lambda a: ~a, "shift_left": lambda a, b: a << b, "shift_right": lambda a, b: a >> b}  # fmt: skip


class Interpreter:
    def __init__(self, func, arrays):
        self.func, self.env, self.asserted = func, {}, []
        for parameter, array in zip(func.params, arrays, strict=True):
            self.env[parameter] = array
            if ir.is_buffer_var(parameter):
                for extent, size in zip(parameter.ty.shape, array.shape, strict=True):
                    if isinstance(extent, ir.Var):
                        self.env[extent] = size

    def run(self):
        self.stmt(self.func.body)

    def stmt(self, node):
        getattr(self, "do_" + type(node).__name__)(node)

    def do_SeqStmt(self, node):
        for child in node.seq:
            self.stmt(child)

    def do_AttrStmt(self, node):
        assert node.attr_key == "thread_extent"
        for value in range(int(self.expr(node.value))):
            self.env[node.node.var] = value
            self.stmt(node.body)

    def do_AllocBuffer(self, node):
        buf = node.buffer
        shape = [int(self.expr(s)) for s in buf.ty.shape]
        self.env[buf] = np.full(shape, 77, _numpy_dtype(ir.buffer_dtype(buf)))  # poisoned

    def do_Bind(self, node):
        self.env[node.var] = self.expr(node.value)

    def do_BufferStore(self, node):
        index = tuple(int(self.expr(i)) for i in node.indices)
        assert all(0 <= i < n for i, n in zip(index, self.env[node.buffer].shape, strict=True)), "store out of bounds"
        self.env[node.buffer][index] = self.expr(node.value)

    def do_For(self, node):
        low, extent = int(self.expr(node.min)), int(self.expr(node.extent))
        for value in range(low, low + extent):
            self.env[node.loop_var] = value
            try:
                self.stmt(node.body)
            except _Continue:
                continue
            except _Break:
                break

    def do_While(self, node):
        while self.expr(node.condition):
            try:
                self.stmt(node.body)
            except _Continue:
                continue
            except _Break:
                break

    def do_IfThenElse(self, node):
        if self.expr(node.condition):
            self.stmt(node.then_case)
        elif node.else_case is not None:
            self.stmt(node.else_case)

    def do_Break(self, node):
        raise _Break

    def do_Continue(self, node):
        raise _Continue

    def do_Evaluate(self, node):
        call = node.value
        name = ir.call_name(call) if isinstance(call, ir.Call) else ""
        if name == "tl.copy":
            source, target = self.region(call.args[0]), self.region(call.args[1])
            target[...] = np.asarray(source).reshape(target.shape)
        elif name == "tl.fill":
            self.region(call.args[0])[...] = self.expr(call.args[1])
        elif name == "tl.device_assert":
            if not self.expr(call.args[0]):
                self.asserted.append(str(call.attrs["msg"]))
        elif name == "tl.assume":
            assert self.expr(call.args[0])
        else:
            self.expr(call)

    def region(self, node):
        box = tuple(slice(int(self.expr(r.min)), int(self.expr(r.min)) + int(self.expr(r.extent))) for r in node.region)
        return self.env[node.source][box]

    def expr(self, node):
        if isinstance(node, ir.Var):
            return self.env[node]
        if isinstance(node, (ir.IntImm, ir.FloatImm)):
            return node.value
        kind = type(node).__name__
        if kind in _BINARY:
            return _BINARY[kind](self.expr(node.a), self.expr(node.b))
        if kind == "And":
            return self.expr(node.a) and self.expr(node.b)
        if kind == "Or":
            return self.expr(node.a) or self.expr(node.b)
        if kind == "Not":
            return not self.expr(node.a)
        if kind == "BitwiseNot":
            return ~self.expr(node.a)
        if kind == "Cast":
            return np.asarray(self.expr(node.value)).astype(_numpy_dtype(ir.dtype_of(node))).item()
        if kind == "Select":
            return self.expr(node.true_value) if self.expr(node.condition) else self.expr(node.false_value)
        if isinstance(node, ir.BufferLoad):
            index = tuple(int(self.expr(i)) for i in node.indices)
            assert all(0 <= i < n for i, n in zip(index, self.env[node.source].shape, strict=True)), "load out of bounds"
            return self.env[node.source][index].item()
        if isinstance(node, ir.Call):
            return self.call(node)
        raise NotImplementedError(kind)

    def call(self, node):
        name = ir.call_name(node)
        short = name.split(".")[-1]
        if short == "if_then_else":
            return self.expr(node.args[1]) if self.expr(node.args[0]) else self.expr(node.args[2])
        if name == "tl.atomic_add":
            load = node.args[0].args[0]
            index = tuple(int(self.expr(i)) for i in load.indices)
            before = self.env[load.source][index].item()
            self.env[load.source][index] = before + self.expr(node.args[1])
            return before
        return _CALLS.get(short, _CALLS.get(name))(*[self.expr(a) for a in node.args])


def evaluate(func, *arrays):
    """Run a traced or decorated function on arrays, in place; returns the messages of failed device assertions."""
    interpreter = Interpreter(getattr(func, "prim_func", func), arrays)
    interpreter.run()
    return interpreter.asserted
