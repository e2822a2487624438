"""Identifiers for generated text: as close to the author's names as C++ and uniqueness allow."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

_RESERVED = frozenset(
    """alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class compl concept
    const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double
    dynamic_cast else enum explicit export extern false float for friend goto if inline int long mutable namespace new noexcept
    not not_eq nullptr operator or or_eq private protected public register reinterpret_cast requires return short signed sizeof
    static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename union
    unsigned using virtual void volatile wchar_t while xor xor_eq
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t NULL
    tl smem threadIdx blockIdx blockDim gridDim warpSize printf main assert linux unix""".split()
)


def identifier(hint: str) -> str:
    """A legal C++ identifier that resembles `hint`."""
    text = re.sub(r"\W", "_", hint, flags=re.ASCII) or "v"
    text = re.sub(r"__+", "_", text)
    if text[0].isdigit() or re.match(r"_[A-Z]", text):
        text = "v" + text
    return text + "_" if text in _RESERVED or text.startswith("TL_") else text


class Names:
    """Names by object, unique among all that are visible; a closed scope frees its names for siblings."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._names: dict[Hashable, str] = {}
        self._scopes: list[list[Hashable]] = [[]]

    def declare(self, key: Hashable, hint: str) -> str:
        """A fresh name for `key`."""
        base = name = identifier(hint)
        count = 0
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        self._names[key] = name
        self._scopes[-1].append(key)
        return name

    def __contains__(self, key: Hashable) -> bool:
        return key in self._names

    def __getitem__(self, key: Hashable) -> str:
        return self._names[key]

    def open(self) -> None:
        """Enter a block."""
        self._scopes.append([])

    def close(self) -> None:
        """Leave a block: its names may be used again."""
        for key in self._scopes.pop():
            self._taken.discard(self._names.pop(key))
