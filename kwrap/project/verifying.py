"""`Project.verify`: whether everything that is recorded is there, and is what it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kwrap.errors import RepositoryError
from kwrap.repository.verify.check import Check, Reading, Steps
from kwrap.repository.verify.problems import Kind, Problem, Verified
from kwrap.repository.verify.repair import mend, shows_more
from kwrap.storage.base import Storage
from kwrap.storage.read_only import ReadOnly

if TYPE_CHECKING:
    from kwrap.project.project import Project

__all__ = ["Kind", "Problem", "Verified", "verify"]

_ROUNDS = 4  # a record names a tree, which names a pack: each is missed only once the one before it is there


def verify(
    project: Project, names: Sequence[str], *, full: bool, repair: bool, steps: Steps, reading: Reading
) -> Verified:
    """See `Project.verify`."""
    storage = _storage_of(project)
    ids = {project.experiments.get(name.partition("@")[0]).id for name in names}
    repaired: list[Problem] = []
    for again in range(_ROUNDS, 0, -1):
        check = Check(storage, sorted(ids) if names else None, full=full)
        found = check.run(steps, reading)
        if not repair:
            return found
        problems = mend(storage, check)
        repaired += (one for one in problems if one.repaired)
        if again == 1 or not any(shows_more(one) for one in problems):
            left = [one for one in problems if not one.repaired]
            found = dataclasses.replace(found, problems=(*repaired, *left))
            break
    return found


def _storage_of(project: Project) -> Storage:
    repository = project.repository
    if isinstance(repository.storage, ReadOnly):
        raise RepositoryError(
            f"{repository.url} is of another format, which this kwrap reads and cannot verify",
            hint="'kwrap copy' brings Keepsake's into one of kwrap's own, and names what is damaged",
        )
    return repository.storage
