# ruff: noqa: F401 - this module is a list of names for others
"""The TIR node classes that the rest of the package may name, under one roof.

TVM renames something in every release: a rename is mended here and nowhere else.
"""

from __future__ import annotations

import tvm
from tvm import DataType
from tvm.ir import Call, IRModule, Op, PointerType, PrimType, Range, SourceName, Span, StringImm, Var
from tvm.ir import TensorLoad as BufferLoad
from tvm.ir import TensorRegion as BufferRegion
from tvm.ir.prim.expr import (
    EQ,
    GE,
    GT,
    LE,
    LT,
    NE,
    Add,
    And,
    BinaryOpExpr,
    BitwiseAnd,
    BitwiseNot,
    BitwiseOr,
    BitwiseXor,
    Broadcast,
    Cast,
    CmpExpr,
    Div,
    FloatImm,
    FloorDiv,
    FloorMod,
    IntImm,
    Let,
    LogicalExpr,
    LShift,
    Max,
    Min,
    Mod,
    Mul,
    Not,
    Or,
    Ramp,
    RShift,
    Select,
    Shuffle,
    Sub,
)
from tvm.sym import Analyzer
from tvm.tirx import CallEffectKind, IterVar, PrimFunc, decl_buffer, is_buffer_var
from tvm.tirx.stmt import (
    AllocBuffer,
    AssertStmt,
    AttrStmt,
    Bind,
    Break,
    BufferStore,
    Continue,
    DeclBuffer,
    Evaluate,
    For,
    ForKind,
    IfThenElse,
    Return,
    SeqStmt,
    Stmt,
    While,
)

Expr = tvm.ir.Expr
Node = tvm.ir.Node
version = tvm.__version__

BINARY = (Add, Sub, Mul, Div, Mod, FloorDiv, FloorMod, Min, Max, EQ, NE, LT, LE, GT, GE, And, Or)
BITWISE = (BitwiseAnd, BitwiseOr, BitwiseXor, LShift, RShift)
