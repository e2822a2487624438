"""What compilers say: kept for the curious, summed up for everyone else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tilelang.errors import CompilationError
from tilelang.log import logger

# ptxas reports as mere remarks that it serialised wgmma (C7510, C7512: registers; C7520: branches) or ignored setmaxnreg
# (C7508). The kernel computes the same, at a fraction of its speed.
_SERIALISED = re.compile(r"\((C7508)\)|\((C75\d\d)\) Potential Performance Loss")


USER_TEXT = "#include <tl/user_text.h>"  # stands in texts that hold an author's own C++


def tool_failure(
    tool: str,
    name: str,
    log: str,
    source: str,
    options: Sequence[str] = (),
    command: Sequence[str] = (),
    returncode: int | None = None,
) -> CompilationError:
    """The exception for a compiler that refused the text of kernel `name`, with the user's `options`."""
    flags = f" with the flags {' '.join(options)}" if options else ""
    mine = [*(["the flags"] if options else []), *(["the text of T.import_source"] if USER_TEXT in source else [])]
    cause = f"check {' and '.join(mine)}; otherwise this" if mine else "this"
    error = CompilationError(
        f"{tool} could not compile the generated text of `{name}`{flags}",
        fix=f"{cause} is a defect of tilelang (the compiler's words are in the exception's `log`, and shown with "
        "TILELANG_VERBOSE=1)",
    )
    error.log, error.source, error.command, error.returncode = log, source, tuple(command), returncode
    return error


def check_log(tool: str, name: str, log: str, verbose: bool) -> None:
    """Show a successful compilation's log in verbose mode."""
    if verbose and log.strip():
        logger.warning("%s on `%s`:\n%s", tool, name, log.strip())


def serialised(log: str) -> str | None:
    """The ptxas remark that means a slow kernel, if there is one."""
    found = _SERIALISED.search(log)
    return (found.group(1) or found.group(2)) if found else None


def warn_if_serialised(name: str, log: str) -> None:
    """Warn where a ptxas remark means a slow kernel."""
    found = serialised(log)
    if found:
        logger.warning(
            "`%s` will be slow: ptxas serialised its matrix instructions or ignored a register request (%s); smaller tiles or "
            "more threads let the accumulators fit the registers", name, found,
        )  # fmt: skip
