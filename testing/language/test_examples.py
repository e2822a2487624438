"""Every example of the language's docstrings is traced and compiled, in a kernel that has what its names stand for."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap

import pytest

import tilelang.language as T
from tilelang.engine import compile_prim_func
from tilelang.language.dtypes import NAMES
from tilelang.simulator.compiler import host_compiler, include_directories
from tilelang.target import resolve_target

SM90 = {"kind": "cuda", "arch": "sm_90a"}
SM100 = {"kind": "cuda", "arch": "sm_100a"}
SM120 = {"kind": "cuda", "arch": "sm_120a"}

# Tensors by name: dtype; as many axes as the example indexes, two if it does not.
TENSORS = {"A": "float32", "B": "float32", "C": "float32", "D": "float32", "mask": "int32", "counts": "int32", "H": "float16"}
SCALARS = "n M N K lda".split()
INTEGERS = "i j k p row col g block".split()
DECLARATIONS = {
    "x y z a b c": '{} = T.alloc_var("float32", init=1.0)',
    "multiplier": '{} = T.alloc_var("int32", init=1)',
    "m key": '{} = T.alloc_var("int32", init=1)',
    "low high pair": "{} = T.Broadcast(T.float16(1), 2)",
    "v4": "{} = T.Broadcast(T.float16(1), 4)",
    "A_s A_shared As tile": '{} = T.alloc_shared((128, 64), "float16")',
    "B_s": '{} = T.alloc_shared((64, 128), "float16")',
    "B_shared": '{} = T.alloc_shared((64, 128), "float16")',
    "S part inbox": '{} = T.alloc_shared((64, 64), "float32")',
    "acc C_local scores": '{} = T.alloc_fragment((128, 128), "float32")',
    "words": '{} = T.alloc_fragment((128, 128), "int32")',
    "bits": '{} = T.alloc_fragment((128,), "int32")',
    "out": '{} = T.alloc_fragment((128,), "float32")',
    "A_kept": '{} = T.alloc_shared((128, 32), "float16")',
    "A_places": '{} = T.alloc_shared((128, 4), "int16")',
    "own total": '{} = T.alloc_local((1,), "float32")',
    "answer": '{} = T.alloc_shared((4,), "uint32")',
    "scale_words": '{} = T.alloc_shared((128,), "uint32")',
    "SFA SFB": '{} = T.alloc_tmem((128, 4), "uint32")',
    "A8 B8": '{} = T.alloc_shared((128, 64), "float8_e4m3fn")',
    "A4 B4": '{} = T.alloc_shared((128, 64), "float4_e2m1fn")',
    "C_tmem": '{} = T.alloc_tmem((128, 128), "float32")',
    "full empty done ready answered": "{} = T.alloc_cluster_barrier([128] * 3)",
}
# Names of T whose example stands elsewhere than in a kernel, or where some of its names stand for something else.
FUNCTION_LEVEL = {"Kernel", "ClusterKernel", "CUDASourceCodeKernel", "launch_thread", "Persistent"}
BEFORE_KERNEL = {"alloc_global", "call_packed", "env_thread", "match_buffer", "make_tensor"}
PYTHON = {"Fragment", "Layout", "AnyDType", "inline", "meta_class", "dynamic", "symbolic"}
EAGER = {"const", "empty"}
_PAIRS = "\n".join(f"{v} = T.Broadcast(T.float16(1), 2)" for v in "xyz")
_WORDS = "words = T.Broadcast(T.uint32(1), {})"
_ROW = 'x = T.alloc_shared((64,), "float32")'
_REDUCER = 'acc = T.alloc_reducer((128,), "float32")\nT.reducer_init(acc)'
_IMAGE = 'data_shared = T.alloc_shared((64, 32), "float16")'
_SUMS = 'c = T.alloc_local((8,), "float32")'
_HALVES = "\n".join(f'{v} = T.alloc_local((8,), "float16")' for v in "ab")
_DESC = "desc = T.alloc_wgmma_desc()"
_WGMMA = f'{_HALVES}\nc = T.alloc_local((32,), "float32")\ne = T.alloc_local((1,), "uint32")'
_TCGEN05 = "desc_a, desc_b = T.alloc_tcgen05_smem_desc(), T.alloc_tcgen05_smem_desc()\n"
_TCGEN05 += 'instr = T.alloc_tcgen05_instr_desc()\nA_tmem = T.alloc_tmem((128, 64), "float16")'
_MATRICES = "\n".join(
    f'wmma_{v} = T.alloc_buffer((256,), "{of}", scope="wmma.{scope}")'
    for v, of, scope in (("a", "float16", "matrix_a"), ("b", "float16", "matrix_b"), ("c", "float32", "accumulator"))
)
_MATRICES += '\nC_s = T.alloc_shared((64, 64), "float32")\n'
_MATRICES += "\n".join(f"T.tvm_fill_fragment(wmma_{v}.data, 16, 16, 16, 0, 0.0)" for v in "abc")
_WGMMA += "\nda, db = T.alloc_wgmma_desc(), T.alloc_wgmma_desc()"
BEFORE = {
    "Mod": 'a = T.alloc_var("int32", init=5)\nb = T.alloc_var("int32", init=3)',
    "__ffs": 'mask = T.alloc_var("uint32", init=6)',
    "__fns": 'mask = T.alloc_var("uint32", init=6)',
    **dict.fromkeys(("abs2", "add2", "sub2", "mul2", "fma2", "max2", "min2"), _PAIRS),
    **{f"{kind}{bits}": _WORDS.format(bits // 32) for kind in ("stg", "sts") for bits in (64, 128, 256)},
    **dict.fromkeys(("stg32", "sts32"), "words = T.uint32(1)"),
    "cumsum": f'{_ROW}\ny = T.alloc_shared((64, 8), "float32")\nx2 = T.alloc_shared((64, 8), "float32")',
    "cummax": _ROW,
    "finalize_reducer": _REDUCER,
    "reducer_init": 'acc = T.alloc_reducer((128,), "float32")',
    "reducer_update": f'x = T.alloc_shared((128, 8), "float32")\n{_REDUCER}',
    "reshape": 'scores = T.alloc_fragment((64, 64), "float32")',
    "async_copy": 'A_shared = T.alloc_shared((128, 32), "float32")',
    "tma_copy": 'A_s = T.alloc_shared((128, 64), "float32")',
    "copy_cluster": 'A_s = T.alloc_shared((128, 64), "float32")',
    "atomic_addx2": 'x = T.alloc_shared((128, 8), "float32")',
    "atomic_addx4": 'x = T.alloc_shared((128, 8), "float32")',
    "rng_rand": "T.rng_init(1)",
    "rng_rand_float": "T.rng_init(1)",
    "tvm_access_ptr": 'S = T.alloc_shared((64, 64), "float16")',
    "tvm_thread_allreduce": "tx = T.get_thread_binding()",
    "attr": 'tx = T.get_thread_binding()\nx = T.alloc_var("float32", init=1.0)\ny = T.alloc_local((1,), "float32")',
    "dp4a": "\n".join([f'{v}_local = T.alloc_local((4,), "int8")' for v in "ab"] + ['c_local = T.alloc_local((1,), "int32")']),
    "im2col": _IMAGE,
    "c2d_im2col": _IMAGE,
    "mma_gemm_blockscaled": "\n".join(f'{v} = T.alloc_shared((128, 4), "float8_e4m3fn")' for v in ("SFA", "SFB")),
    "tcgen05_gemm": 'B_s = T.alloc_shared((128, 64), "float16")',
    "mma_fill": _SUMS,
    "mma_store": f'{_SUMS}\nC_s = T.alloc_shared((16, 16), "float32")',
    "increase_descriptor_offset": _DESC,
    "initialize_wgmma_descriptor": _DESC,
    **dict.fromkeys(("ptx_wgmma_ss", "ptx_wgmma_rs", "ptx_wgmma_sp_ss", "ptx_wgmma_sp_rs"), _WGMMA),
    **dict.fromkeys(("ptx_tcgen05_mma_ss", "ptx_tcgen05_mma_ts"), _TCGEN05),
    **dict.fromkeys(("q_multiply_shift", "q_multiply_shift_per_axis"), 'x = T.alloc_var("int32", init=1)'),
    **dict.fromkeys(("tvm_fill_fragment", "tvm_load_matrix_sync", "tvm_mma_sync", "tvm_store_matrix_sync"), _MATRICES),
    "ptx_ldmatrix": f"{_HALVES}\ntx = T.get_thread_binding()",
    "ptx_mma": f"{_HALVES}\n{_SUMS}",
    "ptx_mma_sp": f'{_HALVES}\n{_SUMS}\ne = T.alloc_local((1,), "uint32")',
}
AROUND = dict.fromkeys(("break_loop", "continue_loop"), "for i in T.serial(8):")
AFTER = {"reducer_update": 'T.finalize_reducer(acc, T.alloc_fragment((128,), "float32"))'}
# They stand in signatures, are made by another name's call, or are part of another name's example.
ELSEWHERE = set(
    "BaseTileScheduler Buffer BufferLoad buffer_var CommReducer Else FragmentBuffer LocalBuffer PrimExpr PrimFunc Ptr Ref"
    " SharedBuffer StridedTensor TCGEN05DescriptorParams Tensor Then WGMMADescriptorParams axis buffer handle macro"
    " make_mma_swizzle_layout prim_func ptr void".split()
)
PARAMETERS = {
    "im2col": ['data: T.Tensor((2, 16, 16, 32), "float16")'],
    "c2d_im2col": ['data: T.Tensor((2, 16, 16, 32), "float16")'],
    "make_tensor": ["a_ptr: T.ptr"],
    "make_tensor_from_addr": ['table: T.Tensor((8,), "int64")'],
    "match_buffer": ["a: T.handle"],
    "buffer_store": ['A: T.Tensor((512,), "float32")'],
    "async_copy": ['A: T.Tensor((512, 512), "float32")'],
}
PRELUDE = '''
SOURCE = "__global__ void scale(float* A, int n) {}"
CPP = """
template <class T> __device__ inline T my_square(T x) { return x * x; }
template <class T> __device__ inline void touch(T* x) { *x = T(0); }
"""
'''


def examples() -> dict[str, str]:
    """The code of each name's example."""
    found: dict[str, str] = {}
    seen: set[int] = set()
    for name in sorted(set(T.__all__) - set(NAMES)):
        value = getattr(T, name)
        if id(value) in seen:
            continue
        seen.add(id(value))
        lines = [line.rstrip() for line in inspect.cleandoc(value.__doc__ or "").splitlines()]
        code = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
        if code:
            found[name] = "\n".join(code)
    return found


EXAMPLES = examples()


def free_names(code: str) -> tuple[list[str], dict[str, int]]:
    """The names that an example uses before it gives them a value, and by how many indices each is indexed."""
    tree = ast.parse(code)
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    read = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load) and n.id != "T"]
    augmented = {n.target.id for n in ast.walk(tree) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
    bound = {a.arg for n in ast.walk(tree) if isinstance(n, ast.arguments) for a in n.args} | (stored - augmented)
    ranks = {
        n.value.id: len(n.slice.elts) if isinstance(n.slice, ast.Tuple) else 1
        for n in ast.walk(tree)
        if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)
    }
    return list(dict.fromkeys([*(r for r in read if r not in bound), *augmented])), ranks


def program(name: str, code: str) -> str:
    """The source of a function with the example in it."""
    free, ranks = free_names(code)
    body = BEFORE.get(name, "").splitlines()
    declared = {line.split(" = ")[0] for line in body}
    body = ["T.import_source(CPP)", *body] if "my_square" in code or "touch" in code else body
    body += ["tx = T.get_thread_binding()"] if "tx" in free else []
    body += [
        f"{v} = T.get_thread_binding() // {2 + i}"
        for i, v in enumerate(INTEGERS)
        if v in free and not AROUND.get(name, "").startswith(f"for {v} ")
    ]
    for names, text in DECLARATIONS.items():
        body += [
            text.format(v)
            for v in names.split()
            if v in free and v not in declared and f"{v}:" not in "".join(PARAMETERS.get(name, ()))
        ]
    tensors = [(v, TENSORS[v], ranks.get(v, 2)) for v in TENSORS if v in free and v not in declared]
    if name in PARAMETERS:
        tensors = []
    elif not tensors:
        tensors = [("A", "float32", 1)]
    shapes = {1: "(65536,)", 2: "(512, 512)", 3: "(64, 64, 64)"}
    params = [f'{v}: T.Tensor({shapes[rank]}, "{of}")' for v, of, rank in tensors]
    params += PARAMETERS.get(name, [])
    params += [f"{v}: T.int32" for v in SCALARS if v in free]
    lines = ["import tilelang.language as T", PRELUDE, "@T.prim_func", f"def example({', '.join(params)}):"]
    if name in FUNCTION_LEVEL:
        inner = code
    elif name in BEFORE_KERNEL:
        inner = f"{code}\nwith T.Kernel(1, threads=32):\n    T.sync_threads()"
    else:
        dims = ", cluster_dims=4" if "cluster" in name or "cluster" in code or "barrier" in "".join(body) else ""
        code = f"{AROUND[name]}\n{textwrap.indent(code, '    ')}" if name in AROUND else code
        code = "\n".join([code, *AFTER.get(name, "").splitlines()])
        inner = f"with T.Kernel(8, 4, threads=256{dims}) as (bx, by):\n" + textwrap.indent("\n".join([*body, code]), "    ")
    return "\n".join([*lines, textwrap.indent(inner, "    "), ""])


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - PYTHON - EAGER))
def test_example(name, tmp_path):
    path = tmp_path / "example.py"
    path.write_text(program(name, EXAMPLES[name]))
    space: dict = {"__name__": "example"}
    sys.modules.pop("example", None)
    exec(compile(path.read_text(), str(path), "exec"), space)  # noqa: S102
    newer = "C_tmem" in EXAMPLES[name] or "tcgen05" in name or name.startswith(("clc_", "tma_gather4", "tma_scatter4"))
    target = SM120 if name == "mma_gemm_blockscaled" else SM100 if newer else SM90
    SOURCES[name] = compile_prim_func(space["example"].get(), resolve_target(target)).source


SOURCES: dict[str, str] = {}


def test_the_text_of_the_examples_is_cpp(tmp_path):
    """One translation unit of all kernels, so that the headers are read once."""
    lines: dict[str, None] = {}
    bodies = []
    for name, source in SOURCES.items():
        lines.update(dict.fromkeys(line for line in source.splitlines() if line.startswith("#include")))
        body = "\n".join(line for line in source.splitlines() if not line.startswith("#include"))
        bodies.append(f"namespace example_{name.strip('_')} {{\n{body.replace('example_kernel', f'kernel_{name}')}\n}}")
    text = tmp_path / "examples.cc"
    text.write_text("\n".join([*lines, *bodies]))
    includes = [flag for folder in include_directories() for flag in ("-I", str(folder))]
    done = subprocess.run(
        [host_compiler(), "-std=c++17", "-fsyntax-only", "-w", *includes, str(text)], capture_output=True, text=True
    )
    assert not done.returncode, done.stderr[:4000]


def test_every_name_has_an_example():
    seen = {id(getattr(T, n)) for n in EXAMPLES}
    assert not [n for n in set(T.__all__) - set(NAMES) - ELSEWHERE if id(getattr(T, n)) not in seen]
