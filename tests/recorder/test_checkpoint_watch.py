"""Which weight files are checkpoints of a run, and which are not."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kwrap.recorder import checkpoints
from kwrap.recorder.checkpoints import CheckpointWatch
from support import wait_until

SECOND_NS = 1_000_000_000


def found(watch: CheckpointWatch) -> list[list[str]]:
    """What the last look finds: the names of each set."""
    return [[os.path.basename(seen.path) for seen in one.files] for one in watch.settled(final=True)]


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[CheckpointWatch]:
    """A watch that is at work on `tmp_path`."""
    watch = CheckpointWatch(str(tmp_path), (), (), time.time_ns())
    (tmp_path / "weights").mkdir()
    watch.start()
    yield watch
    watch.stop()


def test_a_project_whose_own_name_carries_a_number_is_no_set(tmp_path: Path) -> None:
    project = tmp_path / "mnist-2"
    project.mkdir()
    for name in ("a.pt", "b.pt", "train.py"):
        (project / name).write_text(name)
    assert found(CheckpointWatch(str(project), (), (), time.time_ns() - SECOND_NS)) == [["a.pt"], ["b.pt"]]


@pytest.mark.parametrize("directory", ["500", "checkpoint-500", "global_step100", "epoch=3", "ckpt_2", "model_1"])
def test_a_directory_of_a_step_is_one_set_with_all_that_is_in_it(tmp_path: Path, directory: str) -> None:
    (tmp_path / directory).mkdir()
    for name in ("config.json", "model.safetensors", "optimizer.pt"):
        (tmp_path / directory / name).write_text(name)
    watch = CheckpointWatch(str(tmp_path), (), (), time.time_ns() - SECOND_NS)
    assert found(watch) == [["model.safetensors", "optimizer.pt", "config.json"]]


@pytest.mark.parametrize("directory", ["exp3", "run-1", "version_0", "2024-05-01", "lr0.1"])
def test_a_directory_of_a_whole_run_is_none(tmp_path: Path, directory: str) -> None:
    (tmp_path / directory).mkdir()
    for name in ("best.pt", "last.pt", "log.txt"):
        (tmp_path / directory / name).write_text(name)
    assert found(CheckpointWatch(str(tmp_path), (), (), time.time_ns() - SECOND_NS)) == [["best.pt"], ["last.pt"]]


def test_what_is_no_regular_file_or_empty_is_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    (tmp_path / "directory.pt").mkdir()
    (tmp_path / "dangling.pt").symlink_to("nowhere")
    (tmp_path / "empty.pt").touch()
    assert found(CheckpointWatch(str(tmp_path), (), (), time.time_ns() - SECOND_NS)) == []


def test_names_with_newlines_and_bytes_that_are_no_utf8_are_found(tmp_path: Path) -> None:
    name = os.fsdecode(b"a\nb\xff.pt")
    (tmp_path / name).write_text("w")
    assert found(CheckpointWatch(str(tmp_path), (), (), time.time_ns() - SECOND_NS)) == [[name]]


def test_what_changed_after_the_run_had_ended_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").write_text("w")
    ended_ns = time.time_ns()
    (tmp_path / "later.pt").write_text("w")
    os.utime(tmp_path / "later.pt", ns=(ended_ns, ended_ns + SECOND_NS))
    assert found(CheckpointWatch(str(tmp_path), (), (), ended_ns - SECOND_NS, ended_ns)) == [["mine.pt"]]


def test_a_clock_that_is_set_back_loses_no_file(tmp_path: Path) -> None:
    watch = CheckpointWatch(str(tmp_path), (), (), time.time_ns() + 3600 * SECOND_NS)  # started before it was set back
    (tmp_path / "model.pt").write_text("w")
    assert found(watch) == []
    watch.started_by(time.time_ns() - 60 * SECOND_NS)
    assert found(watch) == [["model.pt"]]


def test_a_file_with_the_time_of_a_slow_file_server_is_not_taken_while_it_is_written(
    tmp_path: Path, watching: CheckpointWatch
) -> None:
    """Its time says that it has rested for a minute when it has only just been noticed."""
    path = tmp_path / "weights/model.pt"
    with path.open("wb") as file:
        file.write(b"half of it")
        file.flush()
        minute_ago = time.time_ns() - 60 * SECOND_NS
        os.utime(path, ns=(minute_ago, minute_ago))
        wait_until(lambda: watching.settled() or watching.busy, what="the file's being noticed")
        assert watching.settled() == []


def test_a_file_that_grows_for_a_while_is_one_set_once_it_rests(tmp_path: Path, watching: CheckpointWatch) -> None:
    sizes = []
    with (tmp_path / "weights/model.pt").open("wb", buffering=0) as file:
        for _ in range(15):
            file.write(b"x" * 1000)
            time.sleep(0.02)
            sizes += [one.files[0].size_bytes for one in watching.settled()]
    wait_until(lambda: sizes.extend(one.files[0].size_bytes for one in watching.settled()) or sizes, what="the set")
    assert sizes == [15_000]


def test_a_directory_that_is_removed_and_made_again_is_watched_on(tmp_path: Path, watching: CheckpointWatch) -> None:
    """As by a trainer that begins with `shutil.rmtree(out); os.makedirs(out)`, and rotates its files."""
    watching.settled()
    for round_ in range(2):
        shutil.rmtree(tmp_path / "weights")
        (tmp_path / "weights").mkdir()
        (tmp_path / f"weights/first-{round_}.pt").write_text("w")
        names = [f"first-{round_}.pt", f"second-{round_}.pt"]
        for name in names:
            (tmp_path / "weights" / name).write_text("w")
            sets = wait_until(watching.settled, limit_s=8, what=f"{name} in round {round_}")
            assert [os.path.basename(one.files[0].path) for one in sets] == [name]
            watching.mark_recorded(sets[0].files[0].path, sets[0].files[0].version)


def test_a_directory_that_is_renamed_into_place_is_found_with_all_its_files(
    tmp_path: Path, watching: CheckpointWatch
) -> None:
    (tmp_path / "weights/tmp-5").mkdir()
    (tmp_path / "weights/tmp-5/model.bin").write_text("w")
    (tmp_path / "weights/tmp-5").rename(tmp_path / "weights/checkpoint-5")
    sets = wait_until(watching.settled, limit_s=8, what="the set")
    assert [seen.path for seen in sets[-1].files] == [str(tmp_path / "weights/checkpoint-5/model.bin")]


def test_where_the_system_cannot_watch_it_is_looked_for_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers import Observer

    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(Observer, "schedule", refuse)
    monkeypatch.setattr(checkpoints, "_SCAN_EVERY_S", 0.05)
    watch = CheckpointWatch(str(tmp_path), (), (), time.time_ns())
    with pytest.raises(OSError, match="inotify"):
        watch.start()
    assert watch.settled() == []
    (tmp_path / "model.pt").write_text("w")
    old = time.time_ns() - 10 * SECOND_NS
    os.utime(tmp_path / "model.pt", ns=(old, old))
    assert len(wait_until(watch.settled, what="the set")) == 1
    watch.stop()
