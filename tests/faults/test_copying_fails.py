"""Every call of a copy gone wrong, on either side: what the target shows is whole, and copying again completes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faulty import Fault, Faulty
from recorded_run import RecordedRun, check_objects, check_told, everything

from kwrap.errors import Damaged, StorageError
from kwrap.recorder.session import record
from kwrap.repository.repository import Repository
from kwrap.repository.transfer import Transfer, told
from kwrap.rundir import RECORDED
from kwrap.storage import open as opening
from kwrap.storage.base import Storage
from kwrap.storage.memory import MemoryStorage

URL = "memory:source"


@pytest.fixture
def source(recorded_run: RecordedRun, quick_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A repository with one experiment."""
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(quick_path / "state"))
    storage = MemoryStorage(URL)
    monkeypatch.setitem(opening._memories, URL, storage)
    assert record(recorded_run.copy(quick_path / "state", URL), None) == RECORDED
    return storage


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("fault", Fault)
def test_whichever_call_of_a_copy_fails_doing_it_again_completes_it(source: Storage, fault: Fault, side: str) -> None:
    expected = everything(source)
    undisturbed = try_copying(source, fault, side, 0)
    for number in range(1, undisturbed.calls + 10):
        if not try_copying(source, fault, side, number, expected).has_failed:
            break
    assert number >= undisturbed.calls > 10


def try_copying(
    source: Storage, fault: Fault, side: str, number: int, expected: dict[str, object] | None = None
) -> Faulty:
    """With the fault at that call, and then without it."""
    target = MemoryStorage("memory:target")
    faulty = Faulty(source if side == "source" else target, fault, number)
    try:
        copy(faulty if side == "source" else source, faulty if side == "target" else target)
    except (StorageError, Damaged):
        assert faulty.has_failed
    check_objects(target)
    seen = everything(target)
    assert expected is None or all(is_part_of(seen[key], expected[key]) for key in seen)
    copy(source, target)
    check_told(target)
    assert expected is None or everything(target) == expected
    return faulty


def is_part_of(seen: Any, expected: Any) -> bool:
    """Whether nothing is there that is not in the source, and nothing is half there: records come last."""
    return (
        all(seen[key] == expected[key] for key in ("output", "points"))
        and all(seen["files"][tree] == expected["files"][tree] for tree in seen["files"])
        and all(seen["records"][key] == expected["records"][key] for key in ("experiment", "runs"))
        and all(one in expected["records"]["checkpoints"] for one in seen["records"]["checkpoints"])
    )


def copy(source: Storage, target: Storage) -> None:
    one, other = Repository(source, "one"), Repository(target, "other")
    states, problems = one.states()
    if problems:
        raise Damaged(problems[0])
    (state,) = states
    Transfer(one, other).bring(state, told(other).brief_state(state.experiment.id))
