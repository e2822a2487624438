"""Runs a tile program and finds conflicting accesses of different threads with no barrier between them.

Concrete and simple: every access of every unit becomes a set of (element, thread) pairs; thread None stands for "some thread".
"""

from __future__ import annotations

from itertools import product

from interpreter import Interpreter

from tilelang.transform.effects import is_block_barrier, ordering_call, unit_accesses, wait_depth


class RaceChecker(Interpreter):
    def __init__(self, arrays, scalars, plan, tid, threads) -> None:
        super().__init__(arrays, {**scalars, tid: 0}, self.note)
        self.plan, self.tid, self.threads = plan, tid, threads
        self.pending, self.races, self.unit = [], [], 0

    def touched(self, access):
        """element -> threads that touch it."""
        found = {}
        threads = range(self.threads) if access.own else [None]
        for thread in threads:
            self.values[self.tid] = 0 if thread is None else thread
            spans = [range(int(self.expr(lo)), int(self.expr(lo)) + int(self.expr(n))) for lo, n in access.ranges]
            for element in product(*spans):
                found.setdefault(element, set()).add(thread)
        self.values[self.tid] = 0
        return found

    def note(self, stmt, values) -> None:
        self.unit += 1
        call = ordering_call(stmt)
        if is_block_barrier(stmt):
            self.pending = [p for p in self.pending if p["groups"] is not None]
        elif call is not None and wait_depth(stmt) is None:
            for p in self.pending:
                if p["groups"] is not None:
                    p["groups"] += 1
        elif call is not None:
            for p in self.pending:
                if p["groups"] is not None and p["groups"] > wait_depth(stmt):
                    p["groups"] = None
        new = []
        for access in unit_accesses(stmt):
            if access.scope != "global" and not access.scope.startswith("shared"):
                continue
            record = {
                "access": access,
                "touched": self.touched(access),
                "unit": self.unit,
                "groups": 0 if access.asynchronous else None,
                "stmt": stmt,
            }
            for old in self.pending:
                if self.conflict(old, record):
                    self.races.append((old, record))
            new.append(record)
        self.pending += new

    def conflict(self, old, new) -> bool:
        a, b = old["access"], new["access"]
        if not (a.write or b.write) or (a.atomic and b.atomic):
            return False
        if not a.buffer.same_as(b.buffer):
            return self.plan.overlap(a.buffer, b.buffer)
        for element in old["touched"].keys() & new["touched"].keys():
            first, second = old["touched"][element], new["touched"][element]
            if old["groups"] is not None or None in first | second or len(first | second) > 1:
                return True
        return False


def find_races(body, arrays, scalars, plan, ctx):
    """The conflicting pairs, as text."""
    checker = RaceChecker({b: a.copy() for b, a in arrays.items()}, scalars, plan, ctx.tid, ctx.num_threads)
    checker.run(body)
    return [f"{a['stmt']}\n   and\n{b['stmt']}" for a, b in checker.races], checker
