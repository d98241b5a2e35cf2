"""Tags, notes and deletion marks: what may be written, and by whom it is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kwrap import ids
from kwrap.clock import from_rfc3339, to_rfc3339
from kwrap.errors import UsageError
from kwrap.records import Note, NoteKind, State

if TYPE_CHECKING:
    from kwrap.project.project import Project

_MILLISECOND_NS = 1_000_000


def add(project: Project, state: State, kind: NoteKind, text: str = "", checkpoint: int | None = None) -> None:
    """Append a note to an experiment, or to one of its checkpoints.

    It comes behind those that are known, whatever the clock says: an untag must not sort before its tag.
    """
    last_ns = max((from_rfc3339(note.at) for note in state.notes), default=0)
    now_ns = max(project.clock.wall_ns(), last_ns + _MILLISECOND_NS)
    project.repository.add_note(
        Note(
            id=ids.new_note_id(now_ns),
            experiment=state.experiment.id,
            at=to_rfc3339(now_ns),
            kind=kind,
            text=text,
            author=_author(),
            checkpoint=checkpoint,
        )
    )


def checked_tag(text: str) -> str:
    """The tag again. Raises UsageError for one that could not be typed again."""
    if not text or not text.isprintable() or text != text.strip() or "@" in text or text.startswith("-"):
        raise UsageError(
            f"'{text}' cannot be a tag", hint="a tag is a word without '@' that does not begin with '-' or a blank"
        )
    return text


def checked_note(text: str) -> str:
    """The note without the blanks around it. Raises UsageError for an empty one."""
    if not text.strip():
        raise UsageError("the note is empty", hint="kwrap note ID TEXT")
    return text.strip()


def tags_hint(tags: Sequence[str]) -> str:
    return f"its tags are {', '.join(tags)}" if tags else "it has no tags"


def _author() -> str | None:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return None
