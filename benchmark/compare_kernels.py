"""Show how a change alters generated kernels: dump the text of every catalogued kernel for two commits and diff it.

    python benchmark/compare_kernels.py                    # main against the working tree
    python benchmark/compare_kernels.py HEAD~3 HEAD        # two commits
    python benchmark/compare_kernels.py --dump texts/      # only write the texts of the working tree

Both compilers get the same programs: `testing/programs/catalogue.py` of this checkout. A kernel that a compiler cannot
compile is dumped as its error. Exit code: 0 if the texts agree, 1 if they differ.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "testing" / "programs" / "catalogue.py"
ARCHES = ("sm_80", "sm_90a")


def import_from(tree: Path) -> None:
    """Import `tilelang` from a directory, also where an editable installation points to another one."""
    for finder in list(sys.meta_path):
        spec = finder.find_spec("tilelang", None)
        if spec is not None and (spec.origin is None or tree not in Path(spec.origin).resolve().parents):
            sys.meta_path.remove(finder)
    import tilelang

    if tree not in Path(tilelang.__file__).resolve().parents:
        raise SystemExit(f"tilelang is imported from {tilelang.__file__}, not from {tree}: nothing would be compared")


def dump(folder: Path, arches: tuple[str, ...], pattern: str) -> None:
    """Write the text of every kernel whose name holds `pattern`, compiled by whatever `tilelang` is importable."""
    from tilelang.engine import compile_prim_func
    from tilelang.errors import TileLangError
    from tilelang.target import Target

    spec = importlib.util.spec_from_file_location("catalogue", CATALOGUE)
    catalogue = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(catalogue)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (make, configs) in catalogue.KERNELS.items():
        if pattern not in name:
            continue
        for arch in arches:
            try:
                text = compile_prim_func(make(), Target("cuda", arch, True), configs).source
            except TileLangError as error:
                text = f"{type(error).__name__}: {error.message}\n"
            except Exception as error:  # an old compiler may fail in any way: that is a difference too
                text = f"{type(error).__name__}\n"
            (folder / f"{name}.{arch}.cu").write_text(text)


def dump_commit(commit: str, folder: Path, arguments: list[str]) -> None:
    """Dump with the compiler of a commit, from a worktree that is removed again."""
    with tempfile.TemporaryDirectory(prefix="kernels-") as scratch:
        tree = Path(scratch, "tree")
        subprocess.run(["git", "-C", str(ROOT), "worktree", "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            dump_tree(tree, folder, arguments)
        finally:
            subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=True)


def dump_tree(tree: Path, folder: Path, arguments: list[str]) -> None:
    """Dump with the compiler in a directory."""
    path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    command = [sys.executable, str(Path(__file__).resolve()), "--dump", str(folder), "--tree", str(tree.resolve()), *arguments]
    subprocess.run(command, env=environment, check=True, cwd=tree)


def differences(before: Path, after: Path) -> list[str]:
    """A unified diff of two dumps."""
    lines: list[str] = []
    for name in sorted({p.name for p in before.iterdir()} | {p.name for p in after.iterdir()}):
        old, new = ((folder / name).read_text().splitlines() if (folder / name).is_file() else [] for folder in (before, after))
        lines += difflib.unified_diff(old, new, f"before/{name}", f"after/{name}", lineterm="")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", nargs="?", default="main", help="commit (default: main)")
    parser.add_argument("after", nargs="?", help="commit (default: the working tree)")
    parser.add_argument("--dump", type=Path, metavar="FOLDER", help="write the texts of the importable compiler and stop")
    parser.add_argument("--tree", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--arch", action="append", help=f"architecture, may be repeated (default: {', '.join(ARCHES)})")
    parser.add_argument("--kernels", default="", metavar="PART", help="only kernels whose name holds this")
    options = parser.parse_args()
    arches = tuple(options.arch or ARCHES)
    if options.dump is not None:
        if options.tree is not None:
            import_from(options.tree)
        dump(options.dump, arches, options.kernels)
        return 0
    passed = ["--kernels", options.kernels, *(word for arch in arches for word in ("--arch", arch))]
    with tempfile.TemporaryDirectory(prefix="kernels-") as scratch:
        before, after = Path(scratch, "before"), Path(scratch, "after")
        dump_commit(options.before, before, passed)
        if options.after is None:
            dump_tree(ROOT, after, passed)
        else:
            dump_commit(options.after, after, passed)
        lines = differences(before, after)
        count = len(list(after.iterdir()))
    print("\n".join(lines) if lines else f"{count} kernel texts agree")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
