"""A program that computes a few things, and fails in one of them: see test_autodd.py."""

import json
import math

LIMIT = 40


class Store:
    """Keeps numbers."""

    def __init__(self, size):
        self.size = size
        self.items = []

    def add(self, value):
        if len(self.items) >= self.size:
            raise OverflowError("the store is full")
        self.items.append(value)

    def total(self):
        return sum(self.items)


def primes(limit):
    found = []
    for n in range(2, limit):
        if all(n % p for p in found):
            found.append(n)
    return found


def mean(values):
    return sum(values) / len(values)


def report(values, digits=3, title="values"):
    text = json.dumps([round(value, digits) for value in values])
    print(title, text)
    return text


def summary(store):
    values = {"mean": mean(store.items), "total": store.total()}
    for name in ("mean", "total"):
        if values[name] > 1:
            report([values[name], math.sqrt(values[name])], title=name)
    report([values["absent"]])
    return values


def main():
    store = Store(100)
    for p in primes(LIMIT):
        store.add(p)
    found = summary(store)
    print(found)
    report(store.items)
    print(store.total())


if __name__ == "__main__":
    main()
