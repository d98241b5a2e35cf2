"""kwrap: put `kwrap run --` in front of a training command.

    import kwrap

    best = kwrap.experiments.list(filter="status = finished")[0].best()
    with best.open("weights/model.npz") as stream: ...

Names are looked up when they are first used: the path to a child's start imports none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from kwrap.project import Checkpoint, Experiment, ExperimentList, Project, experiments

__all__ = ["Checkpoint", "Experiment", "ExperimentList", "Project", "__version__", "experiments"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("kwrap.project"), name)
    raise AttributeError(f"module 'kwrap' has no attribute '{name}'")
