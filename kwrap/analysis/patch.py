"""Code differences as text: what `git apply` reads, and people who know `git diff`.

Text holds bytes that are not UTF-8 as surrogates; encode it with `surrogateescape` before it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kwrap.analysis.code_difference import FileChange, FileDifference, FileKind
from kwrap.analysis.lines import NO_NEWLINE
from kwrap.analysis.table import format_size

_NOWHERE = "/dev/null"
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\\": "\\\\", '"': '\\"'}


def patch(differences: Iterable[FileDifference]) -> bytes:
    """One patch of all the differences. Of a binary or too large file, and of empty directories, it has only a word."""
    lines = [line for difference in differences for line in patch_lines(difference)]
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")


def patch_lines(difference: FileDifference) -> Iterator[str]:
    """The lines of one file, without their newlines."""
    old, new = _name("a", difference.old_path or difference.path), _name("b", difference.path)
    if difference.kind is FileKind.DIRECTORY:
        yield f"# {difference.change.value}: empty directory {new}"
        return
    if difference.binary or difference.too_large:
        # Under `diff --git` git would look for what it needs to apply it, and refuse the whole patch.
        yield f"# {difference.change.value}: {new}, {_why_not(difference)}"
        return
    modes = list(_modes(difference))
    if difference.change is FileChange.MODE and not modes:
        yield f"# {new}: mode {difference.left_mode} and {difference.right_mode}, which git does not tell apart"
        return
    yield f"diff --git {old} {new}"
    yield from modes
    if difference.change is FileChange.RENAMED:
        yield from ("similarity index 100%", f"rename from {_name('', difference.old_path or '')}")
        yield f"rename to {_name('', difference.path)}"
    body = list(_body(difference))
    if body:
        yield f"--- {_NOWHERE if difference.change is FileChange.ADDED else old}"
        yield f"+++ {_NOWHERE if difference.change is FileChange.REMOVED else new}"
        yield from body


def _why_not(difference: FileDifference) -> str:
    sizes = (difference.left_size_bytes, difference.right_size_bytes)
    shown = " → ".join(format_size(size) for size in sizes if size is not None)
    return f"{'too large to compare by lines' if difference.too_large else 'binary'}, {shown}"


def _modes(difference: FileDifference) -> Iterator[str]:
    left, right = _git_mode(difference, difference.left_mode), _git_mode(difference, difference.right_mode)
    if difference.change is FileChange.ADDED:
        yield f"new file mode {right}"
    elif difference.change is FileChange.REMOVED:
        yield f"deleted file mode {left}"
    elif left != right:
        yield from (f"old mode {left}", f"new mode {right}")
    elif difference.change is FileChange.SYMLINK:
        yield f"index 0000000..0000000 {left}"


def _git_mode(difference: FileDifference, mode: str | None) -> str:
    """git knows whether a file is executable, and nothing more of its mode."""
    if difference.kind is FileKind.SYMLINK:
        return "120000"
    return "100755" if int(mode or "0", 8) & 0o100 else "100644"


def _body(difference: FileDifference) -> Iterator[str]:
    """The hunks; of a symlink, those of a file that holds nothing but where it points."""
    if difference.kind is FileKind.SYMLINK:
        left = [] if difference.left_target is None else [f"-{difference.left_target}", NO_NEWLINE]
        right = [] if difference.right_target is None else [f"+{difference.right_target}", NO_NEWLINE]
        yield f"@@ -{'1' if left else '0,0'} +{'1' if right else '0,0'} @@"
        yield from left + right
    for hunk in difference.hunks:
        yield hunk.header
        yield from hunk.lines


def _name(side: str, path: str) -> str:
    """A path as git writes it: in quotes, with escapes, where it holds anything unusual."""
    name = f"{side}/{path}" if side else path
    if all(one.isprintable() and one not in _ESCAPES for one in name):
        return name
    return '"' + "".join(map(_escaped, name)) + '"'


def _escaped(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    if one.isprintable():
        return one
    return "".join(f"\\{byte:03o}" for byte in one.encode("utf-8", "surrogateescape"))
