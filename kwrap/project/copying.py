"""Experiments of one repository brought into another: whole ones, and of each what is not there yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kwrap import config
from kwrap.errors import CredentialsError, Damaged, Denied, KwrapError, StorageError, Unreachable, UsageError
from kwrap.records import State
from kwrap.repository import status
from kwrap.repository.repository import Repository
from kwrap.repository.transfer import Transfer, told, wanted_bytes

if TYPE_CHECKING:
    from kwrap.project.experiment import Experiment
    from kwrap.repository.keepsake.repository import KeepsakeRepository

# What would meet every further experiment, too.
_ENDS_ALL = (CredentialsError, Denied, Unreachable)

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """What became of one experiment: `copied`, `updated`, `unchanged`, `removed` (in the target, which stays so) or
    `failed`, of which nothing is in the target that was not there before.

    `checkpoints` are those that are new there, `content_bytes` what was stored of code and weights, `series_bytes` of
    output and metrics; None where that was not counted. `id` is the one in the target. `problems`: what is damaged, a
    sentence each.
    """

    id: str
    state: str
    checkpoints: int = 0
    content_bytes: int | None = None
    series_bytes: int | None = None
    problems: tuple[str, ...] = ()


class Copying:
    """Copies experiments of one project's repository to another repository, which is made if nothing is there.

    Raises RepositoryError and StorageError as opening a repository does; UsageError when both are one.
    """

    def __init__(self, experiments: Sequence[Experiment], to: str) -> None:
        url = config.repository_url(None, to, "", config.working_directory())
        self._experiments = experiments
        self._source = experiments[0].project.repository if experiments else None
        if self._source is not None and _is_one_place(self._source.url, url):
            raise UsageError(f"{url} is where the experiments are", hint="--to names another repository")
        self._target = Repository.open(url, create=True)
        if self._source is not None and self._source.url == self._target.url:
            raise UsageError(f"{url} is where the experiments are", hint="--to names another repository")
        self.url = self._target.url
        self._told = told(self._target)

    @property
    def size_bytes(self) -> int:
        """Bytes of files that there are to go through; they need not all be stored."""
        return sum(wanted_bytes(one.brief_state(), self._told.brief_state(one.id)) for one in self._experiments)

    def run(self, progress: Progress | None = None) -> Iterator[Copied]:
        """Copy one after the other, and give what became of each.

        One that is damaged is not copied, and the others are. Raises StorageError when no other could be, either; what
        was copied by then stays, and is not copied again.
        """
        if self._source is None:
            return
        keepsake = _as_keepsake(self._source)
        transfer = Transfer(self._source, self._target)
        for experiment in self._experiments:
            yield self._attempt(experiment, keepsake, transfer, progress)
        try:
            self._target.compact_log()
        except KwrapError:
            pass  # whoever writes there next does it

    def _attempt(
        self, experiment: Experiment, keepsake: KeepsakeRepository | None, transfer: Transfer, progress: Progress | None
    ) -> Copied:
        try:
            if keepsake is not None:
                return _import(keepsake, experiment.state, self._target, progress)
            return self._copy(transfer, experiment, progress)
        except _ENDS_ALL:
            raise
        except (Damaged, StorageError) as error:
            return Copied(id=experiment.id, state="failed", problems=(_sentence(error),))

    def _copy(self, transfer: Transfer, experiment: Experiment, progress: Progress | None) -> Copied:
        if experiment.problems:
            return Copied(id=experiment.id, state="failed", problems=experiment.problems)
        known = self._told.brief_state(experiment.id)
        if known is not None and status.deleted(known):
            return Copied(id=experiment.id, state="removed")
        brought = transfer.bring(experiment.brief_state(), known, progress)
        state = "copied" if known is None else "updated" if brought.objects else "unchanged"
        return Copied(
            id=experiment.id,
            state=state,
            checkpoints=brought.checkpoints,
            content_bytes=brought.content_bytes,
            series_bytes=brought.series_bytes,
        )


def _import(source: KeepsakeRepository, state: State, target: Repository, progress: Progress | None) -> Copied:
    from kwrap.repository.keepsake.importing import import_experiment

    brought = import_experiment(source, state, target, progress)
    new = "copied" if brought.new else "updated" if brought.checkpoints else "unchanged"
    return Copied(id=brought.id, state=new, checkpoints=brought.checkpoints, problems=brought.problems)


def _as_keepsake(source: Repository) -> KeepsakeRepository | None:
    from kwrap.repository.keepsake.repository import KeepsakeRepository

    return source if isinstance(source, KeepsakeRepository) else None


def _is_one_place(source: str, target: str) -> bool:
    """Also by another path: writing into what is read must not even begin."""
    return "://" not in target and os.path.realpath(source) == os.path.realpath(target)


def _sentence(error: KwrapError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
