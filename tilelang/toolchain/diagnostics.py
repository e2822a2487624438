"""What compilers say: kept for the curious, summed up for everyone else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tilelang.errors import CompilationError
from tilelang.log import logger

# ptxas reports as mere remarks that it serialised wgmma (C7510, C7512: insufficient registers) or ignored setmaxnreg
# (C7508). Either costs most of a kernel's speed and is a defect of the text, so it stops the compilation.
_SERIALISED = re.compile(r"\(?(C7508|C7510|C7512)\)?")


def tool_failure(tool: str, name: str, log: str, source: str, options: Sequence[str] = ()) -> CompilationError:
    """The exception for a compiler that refused the text of kernel `name`, with the user's `options`."""
    flags = f" with the flags {' '.join(options)}" if options else ""
    cause = "check the flags; otherwise this" if options else "this"
    error = CompilationError(
        f"{tool} could not compile the generated text of `{name}`{flags}",
        fix=f"{cause} is a defect of tilelang (the compiler's words are in the exception's `log`, and shown with "
        "TILELANG_VERBOSE=1)",
    )
    error.log, error.source = log, source
    return error


def check_log(tool: str, name: str, log: str, source: str, verbose: bool) -> None:
    """Show a successful compilation's log in verbose mode, and refuse the ptxas remarks that mean a slow kernel."""
    if verbose and log.strip():
        logger.warning("%s on `%s`:\n%s", tool, name, log.strip())
    found = _SERIALISED.search(log)
    if found:
        error = CompilationError(
            f"ptxas serialised matrix instructions or ignored a register request of `{name}` ({found.group(1)})",
            fix="use smaller tiles or fewer threads, so that accumulators fit the registers",
        )
        error.log, error.source = log, source
        raise error
