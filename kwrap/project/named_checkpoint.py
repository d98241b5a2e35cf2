"""Which checkpoint of an experiment a person means by what stands behind the `@`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kwrap.errors import UnknownId

if TYPE_CHECKING:
    from kwrap.project.checkpoint import Checkpoint
    from kwrap.project.experiment import Experiment

BEST, LATEST = "best", "latest"
_TAGS_SHOWN = 5
_SHORTEST_PREFIX = 4  # of a checkpoint's own id: fewer digits would be a number


def find(experiment: Experiment, which: str | int | None) -> Checkpoint:
    """By number, tag, `best` or `latest`; None: the best, else the latest. Raises UnknownId."""
    found = _found(experiment, which)
    if found is None:
        raise _unknown(experiment, which)
    return found


def _found(experiment: Experiment, which: str | int | None) -> Checkpoint | None:
    if which is None:
        return experiment.best() or experiment.latest()
    if which == BEST:
        return experiment.best()
    if which == LATEST:
        return experiment.latest()
    checkpoints = experiment.checkpoints
    found = [one for one in checkpoints if str(one.sequence) == str(which)]
    found = found or [one for one in checkpoints if which in one.tags]
    found = found or [one for one in checkpoints if _has_keepsake_id(one, str(which))]
    return found[-1] if found else None


def _has_keepsake_id(one: Checkpoint, which: str) -> bool:
    """Whether it came from Keepsake under an id that begins so."""
    known = one.record.extra.get("keepsake")
    known_id = str(known.get("id", "")) if isinstance(known, dict) else ""
    return len(which) >= _SHORTEST_PREFIX and known_id.startswith(which.lower())


def _unknown(experiment: Experiment, which: str | int | None) -> UnknownId:
    short_id = experiment.short_id
    if any(str(one.sequence) == str(which) for one in experiment.state.checkpoints):
        return UnknownId(f"checkpoint {short_id}@{which} was removed", hint=_those_there(experiment))
    if not experiment.checkpoints:
        return UnknownId(
            f"experiment {short_id} has no checkpoints",
            hint="weight files that a run writes are kept; --watch names more of them",
        )
    if which == BEST:
        name = experiment.primary_metric.name if experiment.primary_metric else None
        reason = f"none has the metric '{name}'" if name else "it has no primary metric"
        return UnknownId(
            f"no checkpoint of {short_id} is known to be best: {reason}",
            hint=f"{short_id}@latest is the latest; 'kwrap run --primary METRIC' says what best means",
        )
    return UnknownId(f"experiment {short_id} has no checkpoint '{which}'", hint=_those_there(experiment))


def _those_there(experiment: Experiment) -> str | None:
    checkpoints = experiment.checkpoints
    if not checkpoints:
        return None
    first, last = checkpoints[0].sequence, checkpoints[-1].sequence
    numbers = f"{experiment.short_id}@{first}" + (f" to @{last}" if first != last else "")
    names = [BEST] if experiment.best() else []
    names += [LATEST, *sorted({tag for one in checkpoints for tag in one.tags})[:_TAGS_SHOWN]]
    return f"it has {numbers}; also {', '.join(f'@{name}' for name in names)}"
