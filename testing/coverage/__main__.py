"""Write or check docs/coverage.md."""

from __future__ import annotations

import sys

from .table import TARGET, gaps, page, untrue


def main(arguments: list[str]) -> int:
    if "--gaps" in arguments:
        for kind, names in gaps().items():
            print(f"{kind}: {len(names)}\n  {' '.join(names)}")
        return 0
    if "--check" in arguments:
        for line in (wrong := untrue()):
            print(line, file=sys.stderr)
        return 1 if wrong else 0
    TARGET.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
