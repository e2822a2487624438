"""Work in processes: an item that ends, hangs or is the last of its process."""

from __future__ import annotations

import os
import time

from testing.simulator.isolation import isolated


def _squares(items):
    for item in items:
        if item == 3:
            os._exit(7)
        if item == 5:
            time.sleep(60)
        yield item * item
        if item == 6:
            return


def test_a_lost_process_costs_one_item():
    seen = []
    got = isolated(_squares, [[1, 2, 3, 4], [5], [6, 7]], lambda item, how: (item, how), jobs=3, seconds=3, report=seen.append)
    assert got == [1, 4, (3, "its process ended with 7"), 16, (5, "no result in 3 s"), 36, 49]
    assert sorted(map(str, seen)) == sorted(map(str, got))
