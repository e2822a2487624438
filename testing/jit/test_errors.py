"""What a wrong program and a wrong call say: the argument or the line, the rule, the values, the fix."""

from __future__ import annotations

import pickle
import shutil

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import (
    ArgumentError,
    ArgumentTypeError,
    CompilationError,
    DeviceMismatchError,
    DTypeError,
    FrontendError,
    ResourceError,
    ShapeError,
    UnsupportedError,
)
from tilelang.jit import CudaJit
from tilelang.target import device_arch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SM90 = {"kind": "cuda", "arch": "sm_90a"}


def scale():
    n = T.dynamic("n")

    @T.prim_func
    def scale(
        A: T.Tensor((n, 32), "float32"),
        B: T.StridedTensor((n, 32), (64, 1), "float32"),
        factor: T.int32,
        C: T.Tensor((n, 32), "float32"),
    ):
        with T.Kernel(T.ceildiv(n, 32), threads=64) as bx:
            for i, j in T.Parallel(32, 32):
                C[bx * 32 + i, j] = A[bx * 32 + i, j] + B[bx * 32 + i, j] * factor

    return scale


@pytest.fixture(scope="module")
def kernel():
    return tilelang.compile(scale())


def arguments(**wrong):
    """Arguments that fit, except for those given."""
    fitting = {
        "A": torch.randn(40, 32, device=DEVICE),
        "B": torch.randn(40, 64, device=DEVICE)[:, :32],
        "factor": 2,
        "C": torch.full((40, 32), torch.nan, device=DEVICE),
    }
    return list({**fitting, **wrong}.values())


def refused(kind, words, call):
    """The exact class; every word in the message, and a fix."""
    with pytest.raises(kind) as caught:
        call()
    error, text = caught.value, str(caught.value)
    assert type(error) is kind
    for word in words:
        assert word in text
    assert error.fix and f"Fix: {error.fix}" in text
    return error


# ---------------------------------------------------------------------- arguments of a call


def test_fitting_arguments(kernel):
    a, b, factor, c = arguments()
    kernel(a, b, factor, c)
    torch.testing.assert_close(c, a + b * factor)


def tensor(*shape, dtype=torch.float32):
    return torch.zeros(shape, dtype=dtype, device=DEVICE)


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        pytest.param(
            lambda: {"A": tensor(40, 32, dtype=torch.float16)},
            ArgumentTypeError,
            ["`A` (position 0) of `scale`", "got float16", "expected float32", "A.to(torch.float32)"],
            id="dtype",
        ),
        pytest.param(
            lambda: {"A": tensor(40)}, ArgumentError, ["`A`", "1 dimensions (40,)", "expected 2: (n, 32)", "reshape"], id="rank"
        ),
        pytest.param(
            lambda: {"A": tensor(40, 31)}, ArgumentError, ["A.shape[1] is 31", "expected 32", "(n, 32)", "(40, 31)"], id="shape"
        ),
        pytest.param(
            lambda: {"C": tensor(41, 32)},
            ArgumentError,
            ["`C` (position 3)", "C.shape[0] is 41", "expected n = 40, which A.shape[0] determined"],
            id="shapes that disagree",
        ),
        pytest.param(
            lambda: {"B": tensor(40, 32)},
            ArgumentError,
            ["`B`", "B.stride(0) is 32", "expected 64", "strides (64, 1)", "(32, 1)"],
            id="stride",
        ),
        pytest.param(
            lambda: {"A": tensor(32, 40).T},
            ArgumentError,
            ["`A`", "must be contiguous", "strides (1, 40)", "A.contiguous()"],
            id="not contiguous",
        ),
        pytest.param(
            lambda: {"A": tensor(40 * 32 + 1)[1:].view(40, 32)},
            ArgumentError,
            ["`A`", "not a multiple of 16 bytes", "A.clone()", "slice"],
            id="misaligned slice",
        ),
        pytest.param(lambda: {"A": None}, ArgumentTypeError, ["`A`", "float32 (n, 32), got None", "pass a tensor"], id="None"),
        pytest.param(
            lambda: {"factor": None},
            ArgumentTypeError,
            ["`factor` (position 2)", "int32, got None", "Python int"],
            id="None for a scalar",
        ),
        pytest.param(
            lambda: {"factor": 2**40},
            ArgumentError,
            ["`factor`", "1099511627776", "int32 (-2147483648 .. 2147483647)", "wider type"],
            id="scalar out of range",
        ),
        pytest.param(lambda: {"A": [1.0]}, ArgumentTypeError, ["`A`", "got list [1.0]", "pass a tensor"], id="no tensor"),
        pytest.param(
            lambda: {"A": torch.empty(40, 32, device="meta")}, ArgumentTypeError, ["`A`", "meta", "has memory"], id="no memory"
        ),
    ],
)
def test_arguments(kernel, wrong, kind, words):
    given = arguments(**wrong())
    refused(kind, words, lambda: kernel(*given))
    assert given[3].isnan().all() or "C" in wrong()  # nothing ran


def test_argument_count(kernel):
    for given in (arguments()[:3], [*arguments(), 1]):
        words = [f"Kernel expected 4 inputs, but {len(given)} are provided", "`scale` takes (A, B, factor, C)", "in this order"]
        refused(ArgumentError, words, lambda given=given: kernel(*given))
    returning = tilelang.compile(scale(), out_idx=-1)
    words = ["expected 3 inputs, but 4 are provided", "do not pass the output(s) C"]
    refused(ArgumentError, words, lambda: returning(*arguments()))
    refused(ArgumentError, ["no argument `D`", "A, B, factor, C"], lambda: kernel(*arguments()[:3], D=1))


@pytest.mark.skipif(device_arch() is not None, reason="a GPU kernel with CPU tensors, where there is no GPU to run it")
def test_device(monkeypatch):
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    native = tilelang.compile(scale(), target=SM90, execution_backend="tvm_ffi")
    words = ["`A` (position 0)", "is on cpu", "runs on CUDA", "A.cuda()", 'execution_backend="simulator"']
    refused(DeviceMismatchError, words, lambda: native(*arguments()))


# ---------------------------------------------------------------------- programs


def line_of(error) -> str:
    """The user's line that the message shows, from the mark to its end."""
    assert error.span.file == __file__ and f"{__file__}:{error.span.line}" in str(error)
    rows = str(error).splitlines()
    marked = next(k for k, row in enumerate(rows) if set(row.partition("|")[2].strip()) == {"^"})
    return rows[marked - 1][rows[marked].index("^") :]


def test_tiles_too_large_for_shared_memory():
    @T.prim_func
    def large(A: T.Tensor((4096, 512), "float16"), C: T.Tensor((4096, 512), "float16")):
        with T.Kernel(16, threads=128) as bx:
            first = T.alloc_shared((256, 512), "float16")
            second = T.alloc_shared((256, 256), "float32")
            T.copy(A[bx * 256, 0], first)
            for i, j in T.Parallel(256, 256):
                second[i, j] = first[i, j + 256]
            for i, j in T.Parallel(256, 256):
                C[bx * 256 + i, j] = second[i, j] + first[i, j]

    words = ["524288 bytes", "sm_90a", "232448", "smaller tiles", "first is the largest"]
    error = refused(ResourceError, words, lambda: tilelang.compile(large, target=SM90))
    assert line_of(error).startswith("first = T.alloc_shared")
    table = [note.split() for note in "\n".join(error.notes).splitlines()]
    assert table[0] == ["buffer", "shape", "dtype", "bytes", "offset", "stages", "line"]
    assert table[1][:6] == ["first", "256", "x", "512", "float16", "262144"] and table[1][-1].endswith(f":{error.span.line}")
    assert table[2][:6] == ["second", "256", "x", "256", "float32", "262144"]


def test_too_many_threads():
    @T.prim_func
    def wide(A: T.Tensor((64,), "float16")):
        with T.Kernel(1, threads=2048):
            for i in T.Parallel(64):
                A[i] = 0

    words = ["2048 x 1 x 1 threads", "sm_90a", "at most 1024"]
    error = refused(ResourceError, words, lambda: tilelang.compile(wide, target=SM90))
    assert "T.Kernel(1, threads=2048)" in line_of(error)


def test_operation_that_the_element_type_lacks():
    @T.prim_func
    def bytes_(A: T.Tensor((64,), "int8")):
        with T.Kernel(1, threads=64):
            for i in T.Parallel(64):
                T.atomic_add(A[i], 1)

    error = refused(DTypeError, ["atomic_add into A", "int8", "use one of float16"], lambda: tilelang.compile(bytes_))
    assert line_of(error) == "T.atomic_add(A[i], 1)"


def test_operands_of_different_types():
    def mixed():
        @T.prim_func
        def gemm(C: T.Tensor((64, 64), "float32")):
            with T.Kernel(1, threads=128):
                a = T.alloc_shared((64, 32), "float16")
                b = T.alloc_shared((32, 64), "bfloat16")
                c = T.alloc_fragment((64, 64), "float32")
                T.gemm(a, b, c)
                T.copy(c, C)

        return tilelang.compile(gemm)

    error = refused(DTypeError, ["a (float16)", "b (bfloat16)", "different dtypes", "copy one"], mixed)
    assert line_of(error) == "T.gemm(a, b, c)"


def test_extents_that_differ():
    def copies():
        @T.prim_func
        def copy(A: T.Tensor((64, 64), "float16")):
            with T.Kernel(1, threads=128):
                a = T.alloc_shared((64, 32), "float16")
                T.copy(A[0:64, 0:64], a)

        return tilelang.compile(copy)

    error = refused(ShapeError, ["A is 64 x 64", "a is 64 x 32", "slice one side"], copies)
    assert line_of(error) == "T.copy(A[0:64, 0:64], a)"


@pytest.mark.parametrize("start", [8, 0])
def test_a_slice_that_cuts_through_threads(start):
    @T.prim_func
    def sliced(A: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a = T.alloc_shared((64, 64), "float16")
            c = T.alloc_fragment((96, 64), "float32")
            T.clear(c)
            T.copy(A, a)
            T.gemm(a, a, c[start : start + 64, :])
            T.copy(c[start : start + 64, :], C)

    words = ["fragment c along dimension 0", f"[{start} : +64]", "equal blocks of 96", "multiple"]
    error = refused(UnsupportedError, words, lambda: tilelang.compile(sliced))
    assert line_of(error).startswith("T.gemm(a, a, c[start")


def test_an_architecture_that_does_not_exist():
    words = ["'sm_60'", "use one of sm_80"]
    refused(UnsupportedError, words, lambda: tilelang.compile(scale(), target={"kind": "cuda", "arch": "sm_60"}))
    refused(UnsupportedError, ["'hip'", 'target="cuda"'], lambda: tilelang.compile(scale(), target="hip"))


def test_an_operation_that_no_version_has():
    def call():
        @T.prim_func
        def tensor_memory(A: T.Tensor((64,), "float16")):
            with T.Kernel(1, threads=64):
                T.alloc_tmem((128, 128), "float32")

        return tilelang.compile(tensor_memory)

    with pytest.raises(UnsupportedError, match=r"(?s)alloc_tmem.*Fix: ") as caught:
        call()
    assert line_of(caught.value) == 'T.alloc_tmem((128, 128), "float32")'


def test_a_construct_that_kernels_lack():
    def body():
        @T.prim_func
        def tries(A: T.Tensor((64,), "float16")):
            with T.Kernel(1, threads=64):
                try:
                    A[0] = 1
                except ValueError:
                    A[0] = 2

        return tilelang.compile(tries)

    refused(FrontendError, [f"{__file__}:", "try/except cannot be used in a kernel", "with if"], body)


# ---------------------------------------------------------------------- tools


def broken(verbose: bool):
    options = {"target": SM90, "execution_backend": "tvm_ffi", "compile_flags": ["--no-such-flag"], "verbose": verbose}
    return tilelang.compile(scale(), **options)


def test_a_compiler_speaks_only_when_asked(monkeypatch, caplog):
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    words = ["NVRTC could not compile", "`scale`", "with the flags --no-such-flag", "check the flags", "TILELANG_VERBOSE"]
    error = refused(CompilationError, words, lambda: broken(verbose=False))
    said = "unrecognized option"
    assert said in error.log and said not in str(error) and said not in caplog.text
    assert "scale_kernel" in error.source and "scale_kernel" not in str(error)
    with pytest.raises(CompilationError):
        broken(verbose=True)
    assert said in caplog.text


def test_a_compilers_words_survive_pickling(monkeypatch):
    """Errors cross processes when kernels are compiled in several."""
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    monkeypatch.delenv("TILELANG_SIMULATE", raising=False)
    with pytest.raises(CompilationError) as caught:
        broken(verbose=False)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (str(error), error.log, error.source) == (str(caught.value), caught.value.log, caught.value.source)


@pytest.mark.parametrize("how", ["simulator", "cpu", "nvcc"])
def test_a_refused_text_is_kept(how, tmp_path, monkeypatch):
    """Row A10: a compiler's refusal has the command, the status, what it said, the text, and where that is kept."""
    monkeypatch.setenv("TILELANG_TMP_DIR", str(tmp_path))
    monkeypatch.setenv("TILELANG_DISABLE_CACHE", "1")
    if how == "nvcc" and shutil.which("nvcc") is None:
        pytest.skip("needs nvcc")

    @T.prim_func
    def main(A: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            A[tx] = T.call_extern("float32", "no_such_function", A[tx])

    target = {"simulator": {"kind": "cuda", "arch": "sm_80"}, "cpu": "c", "nvcc": {"kind": "cuda", "arch": "sm_80"}}[how]
    nvcc = {"jit": CudaJit(), "execution_backend": "tvm_ffi"}
    options = {"simulator": {"execution_backend": "simulator"}, "cpu": {}, "nvcc": nvcc}
    with pytest.raises(CompilationError) as caught:
        tilelang.compile(main, target=target, **options[how])
    error = caught.value
    assert error.command and error.returncode and "no_such_function" in error.stderr == error.log
    assert error.source_path.read_text() == error.source and "no_such_function" in error.source
    assert error.source_path.parent == tmp_path and error.source_path.stat().st_mode & 0o77 == 0
    assert str(error.source_path) in str(error) and "test_errors.py:" in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert (again.source_path, again.command, again.stderr) == (error.source_path, error.command, error.stderr)
