"""What compilers say: kept for the curious, summed up for everyone else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tilelang.errors import CompilationError
from tilelang.log import logger

# ptxas reports as mere remarks that it serialised wgmma (C7510, C7512: registers; C7520: branches) or ignored setmaxnreg
# (C7508). The kernel computes the same, at a fraction of its speed.
_SERIALISED = re.compile(r"\((C7508)\)|\((C75\d\d)\) Potential Performance Loss")


# What drivers of compilers print when one of their programs was stopped from outside, and programs that run out of something.
_STOPPED = re.compile(
    r"killed signal|signal terminated|unable to execute command: killed|terminated with signal|"
    r"out of memory|memory exhausted|cannot allocate memory|no space left",
    re.IGNORECASE,
)

USER_TEXT = "#include <tl/user_text.h>"  # stands in texts that hold an author's own C++


def stopped(tool: str, name: str, log: str, returncode: int | None) -> CompilationError | None:
    """The exception for a compiler that the system stopped, which says nothing about the text; None for any other failure."""
    said = [line for line in log.splitlines() if line[:1].strip()]  # the text that compilers quote is indented
    found = next((line for line in said if _STOPPED.search(line)), "")
    if not found and (returncode is None or returncode >= 0):
        return None
    error = CompilationError(
        f"{tool} was stopped while it compiled `{name}`: {found or f'signal {-(returncode or 0)}'}",
        fix="free memory or disk space, or compile fewer kernels at once (num_workers=)",
    )
    error.log, error.returncode = log, returncode
    return error


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
    outside = stopped(tool, name, log, returncode)
    if outside is not None:
        outside.source, outside.command = source, tuple(command)
        return outside
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
