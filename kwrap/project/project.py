"""A project and its experiments: where they are kept, which there are, and which one a name means."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import SupportsIndex, overload

from kwrap import config
from kwrap.analysis import fields
from kwrap.analysis import filter as filters
from kwrap.analysis import sort as sorting
from kwrap.analysis.fields import Row
from kwrap.clock import SYSTEM, Clock
from kwrap.errors import FilterError, UnknownId
from kwrap.project import rows
from kwrap.project.checkpoint import Checkpoint
from kwrap.project.experiment import Experiment
from kwrap.records import Status
from kwrap.repository import index, lookup
from kwrap.repository import status as standing
from kwrap.repository.repository import Repository
from kwrap.storage.open import open_storage

_VARIABLE = "KWRAP_REPOSITORY"

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
            self._url = config.repository_url(
                configured, self._given_repository, self.directory, config.working_directory()
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
        return not open_storage(self.repository_url, base=self.directory).is_empty()

    def find(self, name: str) -> Experiment | Checkpoint:
        """What a name means: an experiment, or with `@best`, `@latest`, `@3` or `@TAG` one of its checkpoints.

        An experiment is named by its id, a unique prefix of that or of the short id, its name, or a tag of it.
        Raises UnknownId and AmbiguousId.
        """
        before, at, which = name.rpartition("@")
        try:
            experiment = self.experiments.get(before if at else name)
        except UnknownId:
            return self.experiments.get(name)  # one whose name holds an @, or an error that names all of it
        return experiment.checkpoint(which) if at else experiment

    def make_repository(self) -> Repository:
        """Open the repository, and make it where nothing is. Raises RepositoryError where something else lies."""
        self._repository = Repository.open(self.repository_url, create=True)
        return self._repository


class ExperimentList(builtins.list[Experiment]):
    """Experiments in the order they were asked for. `problems`: a sentence for each damaged object passed over."""

    def __init__(
        self,
        experiments: Sequence[Experiment] = (),
        problems: Sequence[str] = (),
        total: int = 0,
        rows: Mapping[str, Row] = MappingProxyType({}),
    ) -> None:
        """`total`: how many experiments the repository lists without any filter. `rows`: those that the filters saw."""
        super().__init__(experiments)
        self.problems = tuple(problems)
        self.total = total
        self._rows = rows

    @overload
    def __getitem__(self, at: SupportsIndex) -> Experiment: ...
    @overload
    def __getitem__(self, at: slice) -> ExperimentList: ...
    def __getitem__(self, at: SupportsIndex | slice) -> Experiment | ExperimentList:
        if isinstance(at, slice):
            return ExperimentList(super().__getitem__(at), self.problems, self.total, self._rows)
        return super().__getitem__(at)

    def rows(self) -> builtins.list[Row]:
        """One mapping of plain values for each experiment, as filters see it."""
        return [self._rows.get(one.id) or one.row() for one in self]

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
    ) -> ExperimentList:
        """Those that fulfil every filter, oldest first.

        `filter`: an expression such as `loss < 0.5 and optimizer in [adam, sgd]`, several of them, or a function of an
        experiment. `sort`: a key such as `loss`, `loss-desc` or `-created`. `last`: only the newest so many.
        Raises FilterError.
        """
        project, now_ns = self._project, self._project.clock.wall_ns()
        if not project.has_repository():
            return ExperimentList()
        states, problems = project.repository.states()
        every = [Experiment(project, state) for state in states if not standing.deleted(state)]
        texts = _texts(filter) + _status_filter(status)
        listed = {one.id: rows.row(one.state, now_ns) for one in every} if texts or sort else {}
        # Names are checked against all the experiments, and not only against those that one filter has left.
        known = fields.known_names(listed.values())
        keys = sorting.parse(sort, known) if sort else ()
        found = every
        if texts:
            fulfils = filters.compile(texts, known, now_ns=now_ns)
            found = [one for one in found if fulfils(listed[one.id])]
        if callable(filter):
            found = [one for one in found if filter(one)]
        if last is not None:
            found = found[-last:] if last > 0 else []
        if keys:
            by_id = {one.id: one for one in found}
            found = [by_id[str(row["id"])] for row in sorting.apply([listed[one.id] for one in found], keys)]
        return ExperimentList(found, problems, len(every), listed)

    def get(self, name: str) -> Experiment:
        """The experiment of that id, unique prefix of an id or short id, name or tag. Raises UnknownId, AmbiguousId."""
        project = self._project
        if not project.has_repository():
            raise UnknownId(
                f"no experiment matches '{name}': nothing was recorded in {project.repository_url} yet",
                hint="kwrap run -- COMMAND records one",
            )
        repository = project.repository
        found = name
        if not (lookup.WHOLE_ID.fullmatch(name) and repository.has_experiment(name)):  # which spares listing them all
            found = lookup.find(
                name,
                repository.ids(),
                lambda: repository.states()[0],
                repository.url,
                lambda text: index.called(repository.storage, text),
            )
        state, problems = repository.state_and_problems(found)
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
    """The statuses asked for as a filter; `stopped` is Keepsake's word for whatever does not run."""
    given = [status] if isinstance(status, str) else list(status or ())
    wanted = [one.strip() for text in given for one in text.split(",")]
    known = [*(one.value for one in Status), "stopped"]
    for one in wanted:
        if one.lower() not in known:
            near = get_close_matches(one, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"statuses are {', '.join(known)}"
            raise FilterError(f"there is no status '{one}'", hint=hint)
    return [f"status in [{', '.join(wanted)}]"] if wanted else []
