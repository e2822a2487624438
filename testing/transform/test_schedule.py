"""Typed schedules that are refused: those that contradict themselves, and those that would change the program's result."""

from __future__ import annotations

import re

import pytest

import tilelang
import tilelang.language as T
from tilelang.errors import DTypeError, ResourceError, SemanticError

SM90 = {"kind": "cuda", "arch": "sm_90a"}
ACQUIRE, COMMIT = T.WSSync("producer_acquire", "ab"), T.WSSync("producer_commit", "ab")
WAIT, RELEASE = T.WSSync("consumer_wait", "ab"), T.WSSync("consumer_release", "ab")
LOAD, USE = [ACQUIRE, "load_a", "load_b", COMMIT], [WAIT, "mma", RELEASE]


def program(
    load=LOAD, use=USE, *, depth=2, warps=8, threads=256, roles=None, pipelines=None, scopes=None, kind="whole", labels=True
):
    """A product with a schedule of these bodies."""
    roles = roles or [T.WSRole("load", warps_lo=4, warps_hi=8), T.WSRole("use", warps_lo=0, warps_hi=4)]

    @T.prim_func
    def main(A: T.Tensor((64, 256), "float16"), B: T.Tensor((256, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=threads):
            A_s = T.alloc_shared((64, 32), "float16")
            B_s = T.alloc_shared((32, 64), "float16")
            X_s = T.alloc_shared((64,), "float32")
            C_f = T.alloc_fragment((64, 64), "float32")
            D_f = T.alloc_fragment((64, 64), "float32")
            made = pipelines(A_s, B_s) if pipelines else [T.WSPipeline("ab", [A_s, B_s], depth)]
            main_scope = [T.WSScope("main", {"load": load, "use": use})]
            T.annotate_ws_schedule(T.WSSchedule(warps, roles, made, scopes or main_scope))
            T.clear(C_f)
            for k in T.serial(8, annotations={T.WSID: "main"}):
                if kind == "late":
                    T.gemm(A_s, B_s, C_f, annotations={T.WSID: "mma"})
                if kind == "half":
                    T.copy(A[0:32, k * 32 : k * 32 + 32], A_s[0:32, :], annotations={T.WSID: "load_a"})
                else:
                    T.copy(A[0, k * 32], A_s, annotations={T.WSID: "load_a"})
                T.copy(B[k * 32, 0], B_s, annotations={T.WSID: "load_b"})
                if kind == "exchange":
                    with T.ws_op("extra"):
                        for i in T.Parallel(64):
                            X_s[i] = k
                if kind == "registers":
                    T.fill(D_f, 1.0, annotations={T.WSID: "extra"})
                if kind == "break":
                    with T.ws_op("extra"):
                        if k > 5:
                            break
                if kind == "unlabelled":
                    T.clear(X_s)
                if kind != "late":
                    with T.ws_op("mma"):
                        T.gemm(A_s, B_s, C_f)
                        if kind in ("exchange", "registers"):
                            for i, j in T.Parallel(64, 64):
                                C_f[i, j] += X_s[i] if kind == "exchange" else D_f[i, j]
            if kind == "outside":
                T.copy(A_s, C[0:64, 0:32])
            T.copy(C_f, C)

    return main


def role(name, lo, hi, registers=0):
    return T.WSRole(name, warps_lo=lo, warps_hi=hi, max_nreg=registers)


REFUSED = [
    # the block and its roles
    (dict(threads=128), "the schedule has 8 warps, 256 threads; the block is 128 x 1 x 1 threads", "threads=256"),
    (dict(roles=[role("load", 3, 8), role("use", 0, 4)]), "roles 'load' and 'use' share warps", "one role"),
    (dict(roles=[role("load", 4, 6, 24), role("use", 6, 8)]), "warps 4 to 7 have roles of 24 and 0 registers", "same max_nreg"),
    (dict(scopes=[T.WSScope("main", {"load": LOAD, "eat": USE})]), "a body for 'eat', which is no role", "'load', 'use'"),
    (dict(scopes=[T.WSScope("loop", {"load": LOAD, "use": USE})]), "scope 'loop' of the schedule is no loop", "T.WSID: 'loop'"),
    # labels
    (dict(load=[ACQUIRE, "load_a", COMMIT]), "no role runs 'load_b' of scope 'main'", "list 'load_b'"),
    (dict(load=[*LOAD, "load_c"]), "role 'load' lists 'load_c', which is no label directly in scope 'main'", "'load_a'"),
    (dict(use=[WAIT, "mma", "mma", RELEASE]), "runs 'mma' twice in one iteration", "once"),
    (dict(kind="unlabelled"), "a statement of scope 'main' has no label", "T.ws_op"),
    (dict(kind="break", use=[*USE, "extra"]), "'extra' leaves the loop of scope 'main'", "trip count"),
    # pipelines
    (dict(load=LOAD[:3]), "never gives back 'ab', stage 0", "producer_commit"),
    (dict(load=LOAD[1:]), "producer_commit of 'ab', stage 0, without a producer_acquire before it", "goes before"),
    (dict(use=["mma", WAIT, RELEASE]), "which touches A_s, outside a section of 'ab'", "consumer_wait"),
    (dict(load=[T.WSSync("acquire", "xy"), *LOAD]), "role 'load' syncs on 'xy', which is no pipeline", "'ab'"),
    (dict(use=[WAIT, "mma", RELEASE, T.WSSync("wait", "ab", 1), T.WSSync("release", "ab", 1)]), "'load' 1, 'use' 2", "as often"),
    (dict(load=[T.WSSync("acquire", "ab", 1), *LOAD]), "with stage 1 comes after 0 others", "stage=0"),
    (dict(use=[*LOAD[:1], "mma", COMMIT]), "no role waits for and releases pipeline 'ab'", "consumer"),
    (dict(pipelines=lambda a, b: [T.WSPipeline("ab", [a], 2)]), "'load_b' writes B_s, which 'mma'", "T.WSPipeline"),
    (
        dict(pipelines=lambda a, b: [T.WSPipeline("ab", [a, b], 2), T.WSPipeline("b", [b], 2)]),
        "handed over by pipelines",
        "one of",
    ),
    (dict(kind="outside"), "A_s of pipeline 'ab' is touched outside the scopes", "label the statement"),
    # the program's result
    (dict(kind="late"), "'mma' reads A_s of the iteration before", "before it is read"),
    (dict(kind="half"), "'load_a' does not provably write all of A_s", "whole tile"),
    (dict(kind="exchange", load=[*LOAD, "extra"]), "'extra' writes X_s, which 'mma'", "T.WSPipeline"),
    (dict(kind="exchange", load=[*LOAD, "extra"], use=[WAIT, "extra", *USE[1:]]), "both run 'extra'", "one role runs it"),
    (dict(kind="exchange", use=[*USE, "extra"]), "runs 'mma' before 'extra', but both touch X_s", "order"),
    (dict(kind="registers", load=[*LOAD, "extra"]), "reads D_f in role 'use'; 'extra' writes it in role 'load'", "registers"),
]


@pytest.mark.parametrize("change, text, fix", REFUSED, ids=[r[1][:40] for r in REFUSED])
def test_refused(change, text, fix):
    with pytest.raises(SemanticError) as error:
        tilelang.compile(program(**change), target=SM90)
    message = re.sub(r" \(line \d+\)", "", str(error.value))
    assert text in message and fix in message
    assert error.value.span is not None and error.value.span.file.endswith("test_schedule.py")


def test_roles_that_wait_for_each_other():
    """Each of two roles waits for what the other one only hands over afterwards."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float16")):
        with T.Kernel(1, threads=64):
            a = T.alloc_shared((64, 64), "float16")
            b = T.alloc_shared((64, 64), "float16")
            first = [T.WSSync("wait", "b"), "use_b", T.WSSync("release", "b")]
            first = [*first, T.WSSync("acquire", "a"), "load_a", T.WSSync("commit", "a")]
            second = [T.WSSync("wait", "a"), "use_a", T.WSSync("release", "a")]
            second = [*second, T.WSSync("acquire", "b"), "load_b", T.WSSync("commit", "b")]
            pipelines = [T.WSPipeline("a", [a], 2), T.WSPipeline("b", [b], 2)]
            scope = T.WSScope("main", {"first": first, "second": second})
            T.annotate_ws_schedule(T.WSSchedule(2, [role("first", 0, 1), role("second", 1, 2)], pipelines, [scope]))
            for _ in T.serial(4, annotations={T.WSID: "main"}):
                T.copy(A, a, annotations={T.WSID: "load_a"})
                T.copy(A, b, annotations={T.WSID: "load_b"})
                T.copy(a, B, annotations={T.WSID: "use_a"})
                T.copy(b, C, annotations={T.WSID: "use_b"})

    with pytest.raises(
        SemanticError, match="'first' at consumer_wait of 'b' .fill 0.; 'second' at consumer_wait of 'a' .fill 0."
    ):
        tilelang.compile(main, target=SM90)


def test_registers_that_a_multiprocessor_does_not_have():
    roles = [role("load", 4, 8, 232), role("use", 0, 4, 240)]
    with pytest.raises(ResourceError, match="the roles ask for 81920 registers"):
        tilelang.compile(program(warps=12, threads=384, roles=roles), target=SM90)


@pytest.mark.parametrize(
    "make, error, text",
    [
        (lambda s: T.WSRole("a", warps_lo=4, warps_hi=4), SemanticError, "warps_hi of role 'a' is 4"),
        (lambda s: T.WSRole("a", warps_lo=0, warps_hi=4, max_nreg=25), SemanticError, "max_nreg=25"),
        (lambda s: T.WSRole(3, warps_lo=0, warps_hi=4), DTypeError, "name of T.WSRole is 3"),
        (lambda s: T.WSSync("pause", "a"), SemanticError, "one of 'producer_acquire'"),
        (lambda s: T.WSSync("wait", "a", -1), SemanticError, "stage of T.WSSync is -1"),
        (lambda s: T.WSPipeline("a", [], 2), SemanticError, "hands nothing over"),
        (lambda s: T.WSPipeline("a", ["A_s"], 2), DTypeError, "tiles of T.alloc_shared"),
        (lambda s: T.WSPipeline("a", [T.alloc_fragment((4,), "int32")], 2), SemanticError, "local.fragment"),
        (lambda s: T.WSPipeline("a", [s], 0), SemanticError, "depth of pipeline 'a' is 0"),
        (lambda s: T.WSScope("a", ["load"]), DTypeError, "role name"),
        (lambda s: T.WSScope("a", {"r": [7]}), DTypeError, "scope 'a' lists 7"),
        (lambda s: T.WSOpRef(""), DTypeError, "id of T.WSOpRef"),
        (lambda s: T.WSSchedule(0, [], [], []), SemanticError, "num_warps"),
        (lambda s: T.WSSchedule(4, ["r"], [], []), DTypeError, "T.WSRole(...)"),
        (lambda s: T.WSSchedule(4, [role("r", 0, 8)], [], []), SemanticError, "warps 0 to 7 of 4"),
        (lambda s: T.WSSchedule(8, [role("r", 0, 4), role("r", 4, 8)], [], []), SemanticError, "are called 'r'"),
        (lambda s: T.annotate_ws_schedule({}), DTypeError, "pass a T.WSSchedule"),
        (lambda s: T.annotate_ws_pipeline_depth([s]), DTypeError, "takes a dict"),
        (lambda s: T.annotate_ws_pipeline_depth({s: 0}), SemanticError, "an int from 1"),
        (lambda s: T.annotate_ws_pipeline_depth({3: 2}), DTypeError, "name a tile"),
        (lambda s: T.ws_op(None), DTypeError, "label of T.ws_op"),
    ],
)
def test_misuse(make, error, text):
    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=128):
            make(T.alloc_shared((8,), "float32"))

    with pytest.raises(error) as caught:
        tilelang.compile(main, target=SM90)
    assert text in str(caught.value)


def test_depth_of_a_pipelined_loop():
    """Without a schedule the annotation says how many slots a producer warp's tiles have."""

    @T.prim_func
    def main(A: T.Tensor((64, 512), "float16"), B: T.Tensor((512, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((64, 32), "float16")
            B_s = T.alloc_shared((32, 64), "float16")
            C_f = T.alloc_fragment((64, 64), "float32")
            T.annotate_ws_pipeline_depth({A_s: 5})
            T.clear(C_f)
            for k in T.Pipelined(16, num_stages=2):
                T.copy(A[0, k * 32], A_s)
                T.copy(B[k * 32, 0], B_s)
                T.gemm(A_s, B_s, C_f)
            T.copy(C_f, C)

    kernel = tilelang.compile(main, target=SM90)
    assert "A_s has 5 stages" in str(kernel.remarks)


def test_registers_move_where_the_role_runs():
    """ptxas ignores setmaxnreg in front of code that roles share: it stands in the role, as does what follows the loop."""
    roles = [role("load", 5, 6, 24), role("use", 8, 12, 240)]
    kernel = tilelang.compile(program(roles=roles, warps=12, threads=384), target=SM90)
    text = kernel.get_kernel_source()
    first, second = text.index("set_max_registers_decrease<24>"), text.index("set_max_registers_increase<240>")
    assert text.rindex("tma_load") < second and text.index("tma_load") > first  # the loader comes first, and gives back
    use = text[second:]
    assert use.index("wgmma_ss") < use.index("store<8>(C") and "warp_uniform" not in use[: use.index("store<8>(C")]
    assert "32 <= thread && thread < 64" in text  # one of the four warps whose registers move


@pytest.mark.parametrize(
    "kind, meaning",
    [
        ("acquire", "PRODUCER_ACQUIRE"),
        ("COMMIT", "PRODUCER_COMMIT"),
        ("full_wait", "CONSUMER_WAIT"),
        ("empty_arrive", "CONSUMER_RELEASE"),
    ],
)
def test_names_of_syncs(kind, meaning):
    assert T.WSSync(kind, "ab").kind is T.WSSyncKind[meaning]
