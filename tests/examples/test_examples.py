"""Every example runs by itself, the same each time, and is recorded whole under `kwrap run`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kwrap.clock import SYSTEM
from kwrap.records import State, Status
from kwrap.repository.repository import Repository
from kwrap.repository.status import status

ROOT = Path(__file__).parents[2]
EPOCHS = 3

# What to run, what its weight files are called, and what kwrap has to be told besides.
EXAMPLES = {
    "digits": (["python", "train.py"], "npz", []),
    "c": (["./train"], "bin", []),
    "shell": (["./train.sh"], "txt", ["--watch", "weights/*.txt"]),
}
METRICS = {
    "digits": {"train_loss", "val_loss", "val_accuracy"},
    "c": {"train_loss", "val_loss", "val_accuracy"},
    "shell": {"loss", "accuracy"},
}
each_example = pytest.mark.parametrize("name", EXAMPLES)


@each_example
def test_an_example_prints_and_writes_the_same_every_time(name: str, tmp_path: Path) -> None:
    first, second = a_copy(name, tmp_path / "first"), a_copy(name, tmp_path / "second")
    assert train(name, first) == train(name, second)
    assert weights(first) == weights(second)


@each_example
def test_an_example_writes_one_line_and_one_weight_file_per_epoch(name: str, tmp_path: Path) -> None:
    project = a_copy(name, tmp_path / "project")
    lines = train(name, project).splitlines()
    assert [line.split()[1].split("/")[0] for line in lines] == ["1", "2", "3"]
    assert sorted(weights(project)) == weight_files(name)


@each_example
def test_another_learning_rate_gives_other_weights(name: str, tmp_path: Path) -> None:
    first, second = a_copy(name, tmp_path / "first"), a_copy(name, tmp_path / "second")
    train(name, first, "--lr", "0.01")
    train(name, second, "--lr", "0.02")
    assert all(weights(first)[path] != data for path, data in weights(second).items())


@pytest.mark.parametrize(("name", "accuracy"), [("digits", 0.93), ("c", 0.95), ("shell", 0.95)])
def test_an_example_learns(name: str, accuracy: float, tmp_path: Path) -> None:
    last = train(name, a_copy(name, tmp_path / "project"), epochs=6).splitlines()[-1]
    assert float(last.replace("=", " ").split()[-1]) > accuracy


def test_the_c_example_compiles_without_a_warning(tmp_path: Path) -> None:
    compile_c(ROOT / "examples/c/train.c", tmp_path / "train", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror")


@each_example
def test_a_recorded_example_has_its_parameters_metrics_and_weights(name: str, tmp_path: Path) -> None:
    project, environment = a_copy(name, tmp_path / "project"), an_environment(tmp_path)
    printed = kwrap_run(name, project, environment)
    repository = Repository.open(str(project / ".kwrap"))
    state = only_state(repository)
    experiment = state.experiment

    assert status(state, SYSTEM.wall_ns()) is Status.FINISHED
    assert {key: experiment.params[key].value for key in ("lr", "epochs")} == {"lr": 0.02, "epochs": EPOCHS}
    assert b"".join(chunk.data for chunk in repository.output(experiment.id, state.runs[0].run)) == printed.encode()
    points = list(repository.metric_points(experiment.id))
    assert {(point.name, point.epoch) for point in points if point.kind == "metric"} == {
        (metric, epoch) for metric in METRICS[name] for epoch in range(1, EPOCHS + 1)
    }
    recorded = {file.path for checkpoint in state.checkpoints for file in checkpoint.files}
    assert sorted(recorded) == weight_files(name)


@each_example
def test_a_checkout_of_a_recorded_example_gives_its_code_and_weights_back(name: str, tmp_path: Path) -> None:
    project, environment = a_copy(name, tmp_path / "project"), an_environment(tmp_path)
    kwrap_run(name, project, environment)
    kwrap(
        ["checkout", only_state(Repository.open(str(project / ".kwrap"))).experiment.id, "-o", "again"],
        project,
        environment,
    )
    program = EXAMPLES[name][0][-1]
    assert (project / "again" / program).read_bytes() == (project / program).read_bytes()
    given_back = weights(project / "again")
    assert given_back
    assert given_back.items() <= weights(project).items()


def test_the_demo_runs_from_end_to_end(tmp_path: Path) -> None:
    environment = an_environment(tmp_path) | {"TMPDIR": str(tmp_path), "DEMO_CLEAN": "1"}
    demo = subprocess.run(
        ["sh", "scripts/demo.sh"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    listed = demo.stdout.rpartition("$ ls again")[2].split()
    assert "train.py" in listed
    assert len([word for word in listed if word.endswith(".npz")]) == 1
    assert list(tmp_path.glob("kwrap-demo.*")) == []


def a_copy(name: str, to: Path) -> Path:
    """The example by itself, as a person would have it, compiled where that is needed."""
    shutil.copytree(ROOT / "examples" / name, to, ignore=shutil.ignore_patterns("weights", "train", "__pycache__"))
    if name == "c":
        compile_c(to / "train.c", to / "train")
    return to


def compile_c(source: Path, program: Path, *flags: str) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler here")
    subprocess.run(["cc", *flags, "-O2", source, "-o", program, "-lm"], check=True)


def an_environment(directory: Path) -> dict[str, str]:
    """This interpreter's programs first, and kwrap's state below a directory of the test's own."""
    programs = os.path.dirname(sys.executable)
    return os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "XDG_STATE_HOME": str(directory / "state")}


def train(name: str, project: Path, *options: str, epochs: int = EPOCHS) -> str:
    """Run an example without kwrap; what it printed."""
    command = [*EXAMPLES[name][0], "--epochs", str(epochs), *options]
    return subprocess.run(
        command, cwd=project, env=an_environment(project), check=True, capture_output=True, text=True, timeout=120
    ).stdout


def kwrap(arguments: list[str], project: Path, environment: dict[str, str]) -> str:
    command = [os.path.join(os.path.dirname(sys.executable), "kwrap"), *arguments]
    ended = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def kwrap_run(name: str, project: Path, environment: dict[str, str]) -> str:
    """Run an example under kwrap, with a learning rate of 0.02; what came out of kwrap's stdout."""
    command, _, told = EXAMPLES[name]
    return kwrap(["run", *told, "--", *command, "--epochs", str(EPOCHS), "--lr", "0.02"], project, environment)


def only_state(repository: Repository) -> State:
    states, damaged = repository.states()
    assert damaged == []
    (state,) = states
    return state


def weights(project: Path) -> dict[str, bytes]:
    return {str(path.relative_to(project)): path.read_bytes() for path in (project / "weights").iterdir()}


def weight_files(name: str) -> list[str]:
    return [f"weights/epoch-{epoch:02d}.{EXAMPLES[name][1]}" for epoch in range(1, EPOCHS + 1)]
