"""Bringing back what a restore replaced, from its backup.

A restore may have been killed between any two steps: `undo` looks at what is there rather than trusting that a step was
done, and may itself be killed and called again. Nothing is lost by it: what was edited since the restore stays beside
the file, under its name with EDITED added.
"""

from __future__ import annotations

import json
import os
import stat
from typing import Any, NamedTuple

from kwrap.errors import KwrapError
from kwrap.repository.backup import JOURNAL, OTHER, SAVED, describe, holds, move, to_bytes

EDITED = b".edited"


class Undone(NamedTuple):
    """`paths`: how many are as they were before. `edited`: what was changed since the restore, under its new names."""

    paths: int
    edited: tuple[bytes, ...] = ()


def undo(backup: str, target: str) -> Undone:
    """Bring back what a restore into `target` changed; nothing when it never began.

    Raises KwrapError when it was undone already, or was of another directory.
    """
    directory, root = os.fsencode(backup), os.fsencode(target)
    steps = _read_journal(directory, root)
    count = 0
    edited: list[bytes] = []
    if not steps:
        return Undone(0)
    for step in reversed(steps):
        path = os.path.join(root, to_bytes(step["path"])) if step["path"] else root
        try:
            count += _undo_step(step, path, directory, edited)
        except OSError as error:
            raise KwrapError(
                f"{os.fsdecode(path)} cannot be brought back from {backup}: {error.strerror}",
                hint="put right what is in the way and undo again: what was done stays done",
            ) from error
    with open(os.path.join(directory, JOURNAL), "ab") as journal:
        journal.write(b'{"op": "undone"}\n')
    return Undone(count, tuple(os.path.relpath(path, root) for path in reversed(edited)))


def _read_journal(directory: bytes, root: bytes) -> list[dict[str, Any]]:
    """The steps in order. A torn last line is a step that was not taken."""
    name = os.fsdecode(directory)
    try:
        with open(os.path.join(directory, JOURNAL), "rb") as file:
            lines = file.read().split(b"\n")[:-1]
        steps = [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise KwrapError(
            f"the journal in {name} cannot be read: {error}", hint="what was saved is beside it"
        ) from error
    if not steps:
        return []
    begin, *steps = steps
    if steps and steps[-1]["op"] == "undone":
        raise KwrapError(f"what is saved in {name} has been brought back already")
    if to_bytes(begin["target"]) != os.path.realpath(root):
        raise KwrapError(
            f"{name} is the backup of {begin['target']}, not of {os.fsdecode(root)}", hint="undo it in that directory"
        )
    return steps


def _undo_step(step: dict[str, Any], path: bytes, directory: bytes, edited: list[bytes]) -> bool:
    if step["op"] == "mode":
        return _undo_mode(path, step["old"], step["new"])
    if step["op"] == "mkdir":
        return _undo_directory(path)
    if "temporary" in step:
        temporary = os.path.join(os.path.dirname(path), to_bytes(step["temporary"]))
        if os.path.lexists(temporary):
            os.unlink(temporary)
    saved = os.path.join(directory, SAVED, step["saved"].encode("ascii"))
    if not os.path.lexists(saved):
        # Nothing was there; or the restore was killed before it was saved, or an undo has brought it back.
        return not step["occupied"] and _clear(path, step["is"], edited)
    if _is_same(saved, path):  # killed before the new file came
        os.unlink(saved)
        return False
    if not _is_equal(saved, path):
        _clear(path, step.get("is"), edited)
    else:
        os.unlink(path)  # copied before the restore was killed, or put back by hand
    move(saved, path)
    return True


def _undo_mode(path: bytes, old: int, new: int) -> bool:
    try:
        found = os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISLNK(found) or stat.S_IMODE(found) != new:
        return False
    os.chmod(path, old)
    return True


def _undo_directory(path: bytes) -> bool:
    """Remove a directory that the restore made, unless something has come into it since."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def _clear(path: bytes, written: str | None, edited: list[bytes]) -> bool:
    """Take away what the restore put at a path; what is not that any more gets another name."""
    if not _is_there(path):
        return False
    if holds(path, written):
        os.unlink(path)
        return True
    kept, number = path + EDITED, 1
    while os.path.lexists(kept):
        number += 1
        kept = path + EDITED + b"-%d" % number
    os.rename(path, kept)
    edited.append(kept)
    return True


def _is_equal(saved: bytes, path: bytes) -> bool:
    """Whether two files, or symlinks, hold the same; of two sizes nothing is read."""
    if not _is_there(path) or os.lstat(saved).st_size != os.lstat(path).st_size:
        return False
    found = describe(saved)
    return found not in (None, OTHER) and found == describe(path)


def _is_there(path: bytes) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_same(one: bytes, other: bytes) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except (FileNotFoundError, NotADirectoryError):
        return False
