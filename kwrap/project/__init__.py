"""What `import kwrap` gives, and what every command is made of: projects, experiments, checkpoints.

    import kwrap

    for experiment in kwrap.experiments.list(filter="loss < 0.5", sort="loss"):
        print(experiment.short_id, experiment.params, experiment.best())

`kwrap.experiments` are those of the project around the working directory; `kwrap.Project(repository=…)` is any other.
"""

from __future__ import annotations

from kwrap.project.checkpoint import Checkpoint
from kwrap.project.experiment import Experiment
from kwrap.project.project import ExperimentList, Experiments, Project

__all__ = ["Checkpoint", "Experiment", "ExperimentList", "Experiments", "Project", "experiments"]

experiments = Project().experiments
