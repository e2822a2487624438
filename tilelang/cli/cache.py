"""`tilelang cache`."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import click

from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.files import MANIFEST
from tilelang.cache.inventory import EntryInfo, entries, inspect
from tilelang.cache.key import difference, explain
from tilelang.cache.prune import PruneReport
from tilelang.cli.output import age_text, emit_json, emit_table, json_option, size_text
from tilelang.config import kinds
from tilelang.env import env

AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def _store() -> DirectoryStore:
    return DirectoryStore(env.TILELANG_CACHE_DIR)


def _age(ctx: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])", text)
    if not found:
        raise click.BadParameter(f"{text!r} is no age: write such as 12h, 30d or 4w")
    return float(found.group(1)) * AGES[found.group(2)]


def _size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return kinds.parse_size(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r}: {error}") from None


def filters(command: Callable) -> Callable:
    """The options that pick entries."""
    for option in (
        click.option("--hash", "prefix", metavar="HEX", help="Digests that begin so."),
        click.option("--dtype", metavar="NAME", help="Kernels with a parameter of this element type."),
        click.option("--backend", metavar="NAME", help="Kernels of this execution backend."),
        click.option("--target", metavar="TEXT", help="Targets that contain this, such as sm_90a."),
        click.option("--kernel", metavar="NAME", help="Kernels of this name."),
    ):
        command = option(command)
    return command


def matcher(
    kernel: str | None, target: str | None, backend: str | None, dtype: str | None, prefix: str | None
) -> Callable[[EntryInfo], bool]:
    """Whether an entry passes all filters that are given."""

    def matches(entry: EntryInfo) -> bool:
        return (
            (kernel is None or entry.name == kernel)
            and (target is None or target in entry.target)
            and (backend is None or entry.meta.get("execution_backend") == backend)
            and (dtype is None or dtype in entry.meta.get("dtypes", ()))
            and (prefix is None or entry.digest.startswith(prefix))
        )

    return matches


def _one(prefix: str) -> EntryInfo:
    store = _store()
    found = [key for key in store.keys() if key.startswith(prefix)]
    if len(found) != 1:
        which = "no entry" if not found else f"{len(found)} entries"
        raise click.UsageError(f"{which} of {store.root} begin{'s' if not found else ''} with {prefix!r}; `tilelang cache list`")
    entry = inspect(store, found[0])
    assert entry is not None
    return entry


@click.group()
def cache() -> None:
    """The kernels that are kept on disk."""


@cache.command()
@json_option
def path(as_json: bool) -> None:
    """Print the cache directory."""
    root = _store().root
    emit_json({"path": root, "exists": root.exists()}) if as_json else click.echo(str(root))


@cache.command("list")
@filters
@json_option
def list_command(as_json: bool, **chosen: Any) -> None:
    """Print the entries, the last used first."""
    found = sorted(filter(matcher(**chosen), entries(_store())), key=lambda entry: -entry.used)
    if as_json:
        emit_json(found)
        return
    now = time.time()
    rows = []
    for entry in found:
        name = "(corrupt)" if entry.error else entry.name
        rows.append((entry.digest[:12], name, entry.target, size_text(entry.size), age_text(now - entry.used)))
    emit_table(rows, ("DIGEST", "KERNEL", "TARGET", "SIZE", "USED AGO"))
    click.echo(f"{len(found)} kernels, {size_text(sum(entry.size for entry in found))} in {_store().root}")


@cache.command()
@click.argument("digest")
@click.option("--source", is_flag=True, help="Print the CUDA C++ text only.")
@json_option
def show(digest: str, source: bool, as_json: bool) -> None:
    """Print how the entry DIGEST (its first digits will do) came to be."""
    entry = _one(digest)
    if source:
        click.echo((entry.path / "kernel.cu").read_text())
        return
    files = sorted(file.name for file in entry.path.iterdir() if file.name != MANIFEST)
    if as_json:
        emit_json({**vars(entry), "files": files})
        return
    facts = {"digest": entry.digest, "path": entry.path, "files": " ".join(files), "size": size_text(entry.size)}
    if entry.error:
        facts["corrupt"] = entry.error
    facts |= {key: value for key, value in entry.meta.items() if key != "key"}
    emit_table(facts.items())
    click.echo("\nmade of\n" + explain(entry.meta.get("key", {})))


@cache.command()
@click.argument("first")
@click.argument("second")
@json_option
def diff(first: str, second: str, as_json: bool) -> None:
    """Print why two entries are not one: the parts of their keys that differ."""
    differing = difference(_one(first).meta.get("key", {}), _one(second).meta.get("key", {}))
    if as_json:
        emit_json({name: {"first": a, "second": b} for name, (a, b) in differing.items()})
        return
    for name, (a, b) in differing.items():
        click.echo(f"{name}\n  - {a}\n  + {b}")


@cache.command()
@click.option("--repair", is_flag=True, help="Remove what is corrupt; it is compiled again when it is needed.")
@json_option
@click.pass_context
def verify(ctx: click.Context, repair: bool, as_json: bool) -> None:
    """Check every file of every entry against its checksum."""
    store = _store()
    found = list(entries(store, thorough=True))
    corrupt = [entry for entry in found if entry.error]
    removed: list[str] = []
    if repair and corrupt:
        from tilelang.cache.prune import clear

        digests = {entry.digest for entry in corrupt}
        removed = [entry.digest for entry in clear(store, lambda entry: entry.digest in digests).removed]
    if as_json:
        emit_json({"checked": len(found), "corrupt": corrupt, "removed": removed})
    else:
        for entry in corrupt:
            click.echo(f"{entry.digest[:12]}  {entry.error}" + ("  (removed)" if entry.digest in removed else ""))
        click.echo(f"{len(found)} entries, {len(corrupt)} corrupt")
    if len(removed) < len(corrupt):
        ctx.exit(1)


@cache.command()
@click.option("--max-size", callback=_size, help="Remove the least recently used kernels until the rest fits, such as 2G.")
@click.option("--older-than", callback=_age, help="Remove kernels that were not used for so long, such as 30d.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def prune(max_size: int | None, older_than: float | None, dry_run: bool, as_json: bool) -> None:
    """Make room; without options, remove what killed processes and older versions left."""
    from tilelang.cache.prune import prune as run

    _report(run(_store(), max_size=max_size, older_than=older_than, dry_run=dry_run), dry_run, as_json)


@cache.command()
@filters
@click.option("--all", "everything", is_flag=True, help="All entries, and the digests that are kept beside them.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
def clear(everything: bool, dry_run: bool, as_json: bool, **chosen: Any) -> None:
    """Remove the entries that pass all filters, or --all; what others put into the directory stays."""
    from tilelang.cache.prune import clear as run
    from tilelang.cache.prune import clear_all

    given = any(value is not None for value in chosen.values())
    if everything == given:
        raise click.UsageError("say what to remove: a filter (--kernel, --target, --backend, --dtype, --hash), or --all")
    report = clear_all(_store(), dry_run=dry_run) if everything else run(_store(), matcher(**chosen), dry_run=dry_run)
    _report(report, dry_run, as_json)


def _report(report: PruneReport, dry_run: bool, as_json: bool) -> None:
    if as_json:
        emit_json({**vars(report), "removed_bytes": report.removed_bytes, "dry_run": dry_run})
        return
    for entry in report.removed:
        click.echo(f"{entry.digest[:12]}  {entry.name}  {entry.target}  {size_text(entry.size)}")
    verb = "would remove" if dry_run else "removed"
    click.echo(f"{verb} {len(report.removed)} kernels ({size_text(report.removed_bytes)}), {report.kept} stay")
    if report.locked:
        click.echo(f"{len(report.locked)} are being built and stay")
