"""Every call that the recording of a whole run makes to its storage, gone wrong in every way: nothing is lost, and no
reader is ever shown something torn."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty import Fault, Faulty
from recorded_run import RecordedRun, check_objects, check_told, everything

from kwrap.recorder.recovery import recover
from kwrap.recorder.session import record
from kwrap.rundir import KEPT, RECORDED
from kwrap.storage import open as opening
from kwrap.storage import retry
from kwrap.storage.base import Storage
from kwrap.storage.disk import DiskStorage
from kwrap.storage.memory import MemoryStorage

URL = "memory:faulty"
KINDS: dict[str, Callable[[Path], Storage]] = {
    "memory": lambda path: MemoryStorage(str(path / "memory")),
    "disk": lambda path: DiskStorage(str(path / "repository")),
}


@pytest.mark.usefixtures("asked_once")
@pytest.mark.parametrize("fault", [one for one in Fault if one is not Fault.OUTAGE])
def test_what_passes_is_tried_again_and_the_run_recorded_at_once(
    recorded_run: RecordedRun, fault: Fault, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As buckets are: whichever call fails once, it is tried again, and nothing is left for later."""
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 0.001)

    def try_recording(number: int) -> Faulty:
        state = quick_path / f"state-{number}"
        monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(state))
        storage = MemoryStorage(URL)
        faulty = Faulty(storage, fault, number)
        monkeypatch.setitem(opening._memories, URL, retry.Retrying(faulty, 5.0))
        assert record(recorded_run.copy(state, URL), None) == RECORDED
        check_objects(storage)
        check_told(storage)
        seen = everything(storage)
        assert seen == expected or not expected
        expected.update(seen)
        return faulty

    expected: dict[str, object] = {}
    undisturbed = try_recording(0)
    for number in range(1, undisturbed.calls + 10):
        if not try_recording(number).has_failed:
            break
    assert number >= undisturbed.calls > 30


@pytest.mark.usefixtures("asked_once")
@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("kind", KINDS)
def test_whichever_call_fails_the_run_is_recorded_whole_in_the_end(
    recorded_run: RecordedRun, kind: str, fault: Fault, quick_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def try_recording(number: int) -> Faulty:
        """With the fault at that call, and then without it."""
        place = quick_path / f"try-{number}"
        place.mkdir()
        monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(place / "state"))
        directory = recorded_run.copy(place / "state", URL)
        storage = KINDS[kind](place)
        faulty = Faulty(storage, fault, number)
        monkeypatch.setitem(opening._memories, URL, faulty)
        status = record(directory, None)
        assert status in (RECORDED, KEPT)
        check_objects(storage)
        seen = everything(storage)
        if status == KEPT:
            monkeypatch.setitem(opening._memories, URL, storage)
            assert [found.state for found in recover()] == ["completed"]
            check_objects(storage)
            seen = everything(storage)
        assert recover() == []
        check_told(storage)
        assert seen == expected or not expected
        expected.update(seen)
        shutil.rmtree(place)
        return faulty

    expected: dict[str, object] = {}
    undisturbed = try_recording(0)
    for number in range(1, undisturbed.calls + 10):
        if not try_recording(number).has_failed:
            break
    assert number >= undisturbed.calls > 30
