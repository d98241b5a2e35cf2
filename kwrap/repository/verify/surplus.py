"""What takes room and is named by nothing, and what lies in a repository and is nothing of kwrap's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from kwrap.errors import KwrapError
from kwrap.repository import header, layout
from kwrap.repository.collector import condemned
from kwrap.repository.collector.condemned import DAY_NS, MINUTE_NS
from kwrap.repository.collector.removed import Removed
from kwrap.repository.verify import names
from kwrap.repository.verify.problems import Kind, Problem
from kwrap.storage.base import Storage, Stored
from kwrap.storage.leftovers import strangers, unfinished

_UNFINISHED_NS = 10 * MINUTE_NS  # what is younger is most likely being written


def report_surplus(
    storage: Storage,
    unnamed: Iterable[Stored],
    strange: Iterable[Stored],
    removed: Removed,
    report: Callable[[Problem], object],
) -> None:
    """`unnamed`: content that no tree or record names; `strange`: what lies among content and is none."""

    def surplus(name: str, what: str, size_bytes: int) -> None:
        message = f"{storage.url}/{name} {what}"
        report(Problem(kind=Kind.SURPLUS, object=name, message=message, size_bytes=max(size_bytes, 0)))

    now_ns = storage.now_ns()
    for stored in unnamed:
        young = stored.modified_ns + DAY_NS > now_ns
        surplus(stored.name, "is named by nothing" + (" yet" if young else ""), stored.size_bytes)
    for stored in strange:
        surplus(stored.name, "is nothing of kwrap's", stored.size_bytes)
    for stored in names.all_but_content(storage):
        if not names.is_known(stored.name):
            surplus(stored.name, "is nothing of kwrap's", stored.size_bytes)
        elif _is_of_removed(stored.name, removed):
            surplus(stored.name, "is of an experiment that was removed", stored.size_bytes)
        elif stored.name.startswith(layout.GC + layout.LOCK) and stored.modified_ns + DAY_NS < now_ns:
            surplus(stored.name, "was left by a collector", stored.size_bytes)
    for found in strangers(storage):
        surplus(found.path, "is nothing of kwrap's", found.size_bytes)
    for found in unfinished(storage):
        if found.modified_ns + _UNFINISHED_NS < now_ns:
            surplus(found.path, "was begun by a writer and never finished", found.size_bytes)


def report_bookkeeping(storage: Storage, report: Callable[[Problem], object]) -> None:
    """What belongs to no experiment: the header, and the collector's lists."""
    readings: list[tuple[str, Callable[[], object]]] = [(layout.REPOSITORY, partial(header.find_header, storage))]
    for one in condemned.look(storage).live():
        readings += [(layout.condemned(one.id), partial(condemned.read, storage, one.id))]
    for name, read in readings:
        message = _failure(read)
        if message is not None:
            report(Problem(kind=Kind.WRONG, object=name, message=message))


def _failure(read: Callable[[], object]) -> str | None:
    try:
        read()
    except KwrapError as error:
        return error.message
    return None


def _is_of_removed(name: str, removed: Removed) -> bool:
    """Whether it is a record or segment that 'kwrap gc' has yet to delete. Delete marks stay for a while."""
    if name.startswith((layout.OUTPUT, layout.SERIES)):
        return name.split("/")[1] in removed.experiments
    if name.startswith("metadata/") and not name.startswith(layout.NOTES):
        return layout.of_experiment(name) in removed.experiments
    return False
