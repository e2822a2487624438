"""Write or check docs/coverage.md."""

from __future__ import annotations

import sys

from .table import TARGET, gaps, page


def main(arguments: list[str]) -> int:
    if "--gaps" in arguments:
        for kind, names in gaps().items():
            print(f"{kind}: {len(names)}\n  {' '.join(names)}")
        return 0
    text = page()
    if "--check" in arguments:
        if not TARGET.exists() or TARGET.read_text() != text:
            print("docs/coverage.md is out of date: run python -m testing.coverage", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
