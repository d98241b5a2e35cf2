"""A project and its experiments: where they are kept, which there are, and which one a name means."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, SupportsIndex, overload

from kwrap import config
from kwrap.analysis.fields import Row
from kwrap.clock import SYSTEM, Clock
from kwrap.errors import FilterError, RepositoryError, UnknownId
from kwrap.project import query
from kwrap.project.checkpoint import Checkpoint
from kwrap.project.experiment import Experiment
from kwrap.records import Status
from kwrap.repository.listing import Listing
from kwrap.repository.repository import Repository
from kwrap.storage.open import open_storage

if TYPE_CHECKING:
    from kwrap.repository.collector.collect import Collected
    from kwrap.repository.verify.problems import Verified

_VARIABLE = "KWRAP_REPOSITORY"
_ENDPOINT_VARIABLE = "KWRAP_ENDPOINT_URL"

_RUNNING = [f"status in [{Status.RUNNING.value}]"]

Filter = str | Sequence[str] | Callable[[Experiment], bool] | None


class Project:
    """A directory with code, and the repository of its experiments. Nothing is looked for before it is needed.

    `repository`: a directory or URL; else KWRAP_REPOSITORY, kwrap.yaml's, or `.kwrap` in the project. `directory`: the
    project's top; else the nearest directory upward with kwrap.yaml, else the git root, else the working directory.
    """

    def __init__(self, repository: str | None = None, directory: str | None = None, *, clock: Clock = SYSTEM) -> None:
        self._given_repository = repository
        self._given_directory = directory
        self._directory: str | None = None
        self._url: str | None = None
        self._repository: Repository | None = None
        self.clock = clock

    def __repr__(self) -> str:
        return f"Project(repository={self.repository_url!r}, directory={self.directory!r})"

    @property
    def directory(self) -> str:
        """The project's top, absolute. Raises UsageError when the directory that was given is none."""
        if self._directory is None:
            self._directory = config.find_project(config.working_directory(), self._given_directory)
        return self._directory

    @property
    def repository_url(self) -> str:
        """Where the experiments are kept, whether or not there are any. Raises ConfigError for a bad kwrap.yaml."""
        if self._url is None:
            _, settings = config.read_config(self.directory)
            configured = os.environ.get(_VARIABLE) or settings.get("repository")
            endpoint = os.environ.get(_ENDPOINT_VARIABLE) or settings.get("endpoint_url")
            self._url = config.repository_url(
                configured, self._given_repository, self.directory, config.working_directory(), endpoint
            )
        return self._url

    @property
    def repository(self) -> Repository:
        """The open repository. Raises RepositoryError when there is none, or none that this kwrap reads."""
        if self._repository is None:
            self._repository = Repository.open(self.repository_url)
        return self._repository

    @property
    def experiments(self) -> Experiments:
        return Experiments(self)

    def has_repository(self) -> bool:
        """Whether anything was ever recorded here. One that was named and is not there is an error when it is used."""
        if self._repository is not None or self._given_repository is not None:
            return True
        try:
            self._repository = Repository.open(self.repository_url)
        except RepositoryError:
            return not open_storage(self.repository_url, base=self.directory).is_empty()
        return True

    def find(self, name: str) -> Experiment | Checkpoint:
        """What a name means: an experiment, or with `@best`, `@latest`, `@3` or `@TAG` one of its checkpoints.

        An experiment is named by its id, a unique prefix of that or of the short id, its name, or a tag of it.
        Raises UnknownId and AmbiguousId.
        """
        before, at, which = name.rpartition("@")
        try:
            experiment = self.experiments.get(before if at else name)
        except UnknownId:
            checkpoint = self._keepsake_checkpoint(name)
            if checkpoint is not None:
                return checkpoint
            return self.experiments.get(name)  # one whose name holds an @, or an error that names all of it
        return experiment.checkpoint(which) if at else experiment

    def _keepsake_checkpoint(self, prefix: str) -> Checkpoint | None:
        """A checkpoint by its own id, which those of Keepsake's repositories have."""
        found = self.repository.find_checkpoint(prefix) if self.has_repository() else None
        return self.experiments.get(found[0]).checkpoint(found[1]) if found else None

    def collect(
        self,
        *,
        dry_run: bool = False,
        now: bool = False,
        wait: bool = False,
        force: bool = False,
        progress: Callable[[str], object] = lambda _: None,
    ) -> Collected:
        """Free what no experiment names any more: take the steps of a collection that are due.

        `dry_run`: only say how much there is. `wait`: stay until it is done, for about 80 minutes. `now`: at once,
        while writers are kept off; where the repository cannot keep them off, `force` says that there are none.
        `progress` is told in a word what is being done, possibly by several threads. Raises StorageError; Damaged when
        a record or manifest cannot be read, since then it is not known what it names.
        """
        from kwrap.project import collecting

        return collecting.collect(
            self.repository.storage, self.clock, dry_run=dry_run, now=now, wait=wait, force=force, progress=progress
        )

    def verify(
        self,
        names: Sequence[str] = (),
        *,
        full: bool = False,
        repair: bool = False,
        steps: Callable[[str], object] = lambda _: None,
        reading: Callable[[int], AbstractContextManager[Callable[[int], object]]] = lambda _: nullcontext(int),
    ) -> Verified:
        """Find what is missing, wrong or too much in the repository, or in some experiments.

        `full`: read every byte. `repair`: mend what can be mended from this machine; nothing is deleted. `steps` is
        told in a word what is being looked at; `reading` is given the bytes that will be read, and gives a function
        that is told of them. Both may be called by several threads. Raises StorageError, UnknownId.
        """
        from kwrap.project import verifying

        return verifying.verify(self, names, full=full, repair=repair, steps=steps, reading=reading)

    def make_repository(self) -> Repository:
        """Open the repository, and make it where nothing is. Raises RepositoryError where something else lies."""
        self._repository = Repository.open(self.repository_url, create=True)
        return self._repository


class ExperimentList(builtins.list[Experiment]):
    """Experiments in the order they were asked for."""

    def __init__(
        self,
        experiments: Sequence[Experiment] = (),
        listing: Listing | None = None,
        rows: Mapping[str, Row] = MappingProxyType({}),
        now_ns: int = 0,
    ) -> None:
        """`listing`: where they were found. `rows`: those that filters have looked at, as of `now_ns`."""
        super().__init__(experiments)
        self._listing = listing
        self._rows = rows
        self._now_ns = now_ns

    @overload
    def __getitem__(self, at: SupportsIndex) -> Experiment: ...
    @overload
    def __getitem__(self, at: slice) -> ExperimentList: ...
    def __getitem__(self, at: SupportsIndex | slice) -> Experiment | ExperimentList:
        if isinstance(at, slice):
            return ExperimentList(super().__getitem__(at), self._listing, self._rows, self._now_ns)
        return super().__getitem__(at)

    @property
    def total(self) -> int:
        """How many experiments the repository lists without any filter."""
        return self._listing.total if self._listing else 0

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each damaged object that was come upon and passed over."""
        return tuple(self._listing.problems()) if self._listing else ()

    def rows(self) -> builtins.list[Row]:
        """One mapping of plain values for each experiment, as filters see it, and what lists show besides."""
        if self._listing is None:
            return [one.row() for one in self]
        lacking = [one.id for one in self if one.id not in self._rows]
        if lacking:
            found = {str(row["id"]): row for row in self._listing.rows(lacking, self._now_ns)}
            self._rows = {**self._rows, **found}
        return [self._rows[one.id] for one in self if one.id in self._rows]

    def delete(self) -> None:
        """Mark all of them as removed."""
        for one in self:
            one.delete()

    def _repr_html_(self) -> str:
        from kwrap.project.html import experiment_table

        return experiment_table(self)


class Experiments:
    """The experiments of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def __repr__(self) -> str:
        return f"<experiments of {self._project!r}>"

    def __iter__(self) -> Iterator[Experiment]:
        return iter(self.list())

    def list(
        self,
        filter: Filter = None,  # noqa: A002 - as Keepsake calls it
        sort: str | None = None,
        status: str | Sequence[str] | None = None,
        last: int | None = None,
        strict: bool = False,
    ) -> ExperimentList:
        """Those that fulfil every filter, oldest first.

        `filter`: an expression such as `loss < 0.5 and optimizer in [adam, sgd]`, several of them, or a function of an
        experiment. `sort`: a key such as `loss`, `loss-desc` or `-created`. `last`: only the newest so many. `strict`:
        from the records themselves, which finds damage, and takes long where there are many. Raises FilterError.
        """
        project, now_ns = self._project, self._project.clock.wall_ns()
        if not project.has_repository():
            return ExperimentList()
        listing = project.repository.listing(strict=strict)

        def handle(experiment_id: str) -> Experiment:
            return Experiment.listed(project, listing, experiment_id)

        texts, states = _texts(filter), _status_filter(status)
        fulfils = (lambda key: filter(handle(key))) if callable(filter) else None
        if states == _RUNNING and not (texts or sort or fulfils):
            found, rows = query.running(listing, last, now_ns), dict[str, Row]()
        else:
            found, rows = query.chosen(listing, texts + states, sort, last, fulfils, now_ns)
        return ExperimentList([handle(key) for key in found], listing, rows, now_ns)

    def get(self, name: str) -> Experiment:
        """The experiment of that id, unique prefix of an id or short id, name or tag. Raises UnknownId, AmbiguousId."""
        project = self._project
        if not project.has_repository():
            raise UnknownId(
                f"no experiment matches '{name}': nothing was recorded in {project.repository_url} yet",
                hint="kwrap run -- COMMAND records one",
            )
        state, problems = project.repository.look_up(name)
        return Experiment(project, state, tuple(problems))

    def checkpoint(self, name: str) -> Checkpoint:
        """What `ID@best`, `ID@latest`, `ID@3` or `ID@TAG` names; of a bare `ID` the best checkpoint, else the last."""
        found = self._project.find(name)
        return found.checkpoint() if isinstance(found, Experiment) else found


def _texts(filter: Filter) -> builtins.list[str]:  # noqa: A002
    if filter is None or callable(filter):
        return []
    return [filter] if isinstance(filter, str) else list(filter)


def _status_filter(status: str | Sequence[str] | None) -> builtins.list[str]:
    """The statuses asked for as a filter; `stopped` finds whatever does not run, as it does in Keepsake."""
    given = [status] if isinstance(status, str) else list(status or ())
    wanted = [one.strip() for text in given for one in text.split(",")]
    known = [one.value for one in Status]
    for one in wanted:
        if one.lower() not in known:
            near = get_close_matches(one, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"statuses are {', '.join(known)}"
            raise FilterError(f"there is no status '{one}'", hint=hint)
    return [f"status in [{', '.join(wanted)}]"] if wanted else []
