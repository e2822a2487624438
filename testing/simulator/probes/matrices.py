"""mma, wgmma, both with a sparse A, ldmatrix and stmatrix: the cases of their tests."""

from __future__ import annotations

import numpy as np

from testing.simulator import test_ldmatrix, test_mma, test_sparse, test_wgmma, test_wgmma_steps
from testing.simulator.probes.probe import Probe


def _mma(op: test_mma.Op, repeat: int) -> Probe:
    def make(rng):
        fragments = [
            np.stack([test_mma._to_fragments(op, test_mma._random(rng, t, s), f) for _ in range(repeat)])
            for t, s, f in ((op.a, (op.m, op.k), test_mma._a_index), (op.b, (op.k, 8), test_mma._b_index))
        ]
        integer = op.c is np.int32
        start = rng.integers(-9, 9, (op.m, 8), dtype=np.int32) if integer else test_mma._random(rng, op.c, (op.m, 8))
        return [*fragments, test_mma._to_fragments(op, start, test_mma._c_index), repeat]

    text = op.text().replace(op.name, f"{op.name}_x{repeat}")
    return Probe(f"{op.name}_x{repeat}", text, ("mma",), make, (2,))


def _wgmma(case: test_wgmma.Case) -> Probe:
    def make(rng):
        a, b, c = (
            test_wgmma._random(rng, t, s, 2)
            for t, s in ((case.a, (64, case.k)), (case.b, (case.n, case.k)), (case.c, (64, case.n)))
        )
        first = np.zeros(32768, np.uint8)
        if case.registers:
            raw = test_wgmma._a_fragments(case, a).view(np.uint8).reshape(-1)
            first[: raw.size] = raw
        else:
            first = case.image(a, case.trans_a)
        fragments = np.ascontiguousarray(c[test_wgmma._rows_and_columns(case.n)])
        return [first, case.image(b, case.trans_b), fragments, 1]

    return Probe(case.name, case.text(), (f"wgmma/m64n{case.n}",), make, (2,), block=128, shared=65536)


def _sparse(case: test_sparse.Case) -> Probe:
    def make(rng):
        kept, _, codes = test_sparse._sparse(rng, case)
        b, c = test_sparse._random(rng, case.b, (case.n, case.k)), test_sparse._random(rng, case.c, (case.rows, case.n))
        return test_sparse._arguments(case, kept, b, test_sparse._registers(case, codes), c)

    headers = ("mma_sp",) if case.warp else (f"wgmma/m64n{case.n}", f"wgmma_sp/m64n{case.n}")
    return Probe(case.name, case.text(), headers, make, (3,), block=case.rows * 2, shared=65536)


def _steps(case: test_wgmma_steps.Steps) -> Probe:
    def make(rng):
        return case.arguments(*case.matrices(rng))

    return Probe(case.name, case.text(), (f"wgmma/m64n{case.n}",), make, (2, 3), block=128, shared=65536)


def _ldmatrix() -> list[Probe]:
    texts = ["extern" + part for part in test_ldmatrix._text().split("\nextern")[1:]]
    forms = [(n, t) for n, t in test_ldmatrix._FORMS for _ in range(2)]
    probes = []
    for index, (text, (n, t)) in enumerate(zip(texts, forms, strict=True)):
        stores = index % 2 == 1

        def make(rng, n=n, stores=stores):
            rows = rng.permutation(64)[:32].astype(np.int32)
            shape = (32, n, 2) if stores else (64, 8)
            data = rng.permutation(int(np.prod(shape))).astype(np.uint16).reshape(shape)
            return [data, rows, np.full((64, 8) if stores else (32, n, 2), 0xBEEF, np.uint16)]

        form = f"x{n}{'_trans' if t else ''}"
        name = f"{'store' if stores else 'load'}_{form}"
        assert name in text
        probes.append(Probe(name, text, ("ldmatrix",), make, (2,), shared=1024))
    return probes


PROBES = [
    *[_mma(op, repeat) for op in test_mma.OPS for repeat in (1, 5)],
    *[_wgmma(case) for case in test_wgmma.CASES],
    *[_sparse(case) for case in test_sparse.CASES],
    *[_steps(case) for case in test_wgmma_steps.CASES],
    *_ldmatrix(),
]
