"""Run one candidate in this process: as a script, and of an exception print what it says.

No traceback: it would repeat lines of the program, and a text that is searched for would be found where it is only written.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback


def run(path: str, directory: str) -> int:
    """Run the file as `__main__`.

    Parameters
    ----------
    path : str
        The candidate.
    directory : str
        Where the original lies, for its imports.

    Returns
    -------
    int
        The exit status.
    """
    sys.argv = [path]
    sys.path[0:1] = [directory]
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as error:
        code = error.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
        return code if isinstance(code, int) else 0 if code is None else 1
    except BaseException as error:
        print(said(error), file=sys.stderr)
        return 1
    return 0


def said(error: BaseException) -> str:
    """The message of an exception and of those that it came from."""
    parts: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        parts.append("".join(traceback.format_exception_only(type(current), current)).rstrip())
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(parts)


if __name__ == "__main__":
    status = run(sys.argv[1], sys.argv[2])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # threads and exit handlers of a candidate are of no interest
