"""The lock that keeps writers off a directory: many share it, one holds it alone, and it ends with its process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from kwrap.errors import StorageError
from kwrap.storage.disk import DiskStorage
from kwrap.storage.memory import MemoryStorage
from kwrap.storage.writers_lock import writers_lock
from support import wait_until


def test_writers_share_it_and_keep_out_whoever_would_be_alone(tmp_path: Path) -> None:
    root = str(tmp_path)
    with writers_lock(root, shared=True) as first, writers_lock(root, shared=True) as second:
        assert first and second
        alone = writers_lock(root, shared=False, limit_s=0.05)
        with pytest.raises(StorageError, match="somebody is storing content") as raised, alone:
            pass
        assert raised.value.transient
    with writers_lock(root, shared=False, limit_s=0.05) as held:
        assert held
        with pytest.raises(StorageError, match="gc --now"), writers_lock(root, shared=True, limit_s=0.05):
            pass
    with writers_lock(root, shared=True, limit_s=0.05):
        pass


def test_whoever_would_be_alone_is_not_kept_waiting_by_writers_who_come_later(tmp_path: Path) -> None:
    root, entered = str(tmp_path), threading.Event()

    def alone() -> None:
        with writers_lock(root, shared=False, limit_s=30):
            entered.set()

    with writers_lock(root, shared=True):
        waiting = threading.Thread(target=alone)
        waiting.start()

        def later_writers_wait() -> bool:
            try:
                with writers_lock(root, shared=True, limit_s=0):
                    return False
            except StorageError:
                return True

        wait_until(later_writers_wait, what="the turnstile to be held")
        assert not entered.is_set()
    waiting.join(30)
    assert entered.is_set()


def test_it_ends_with_its_process(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import sys, time
        from kwrap.storage.writers_lock import writers_lock
        with writers_lock(sys.argv[1], shared=True):
            print("held", flush=True)
            time.sleep(600)
    """)
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(StorageError), writers_lock(str(tmp_path), shared=False, limit_s=0):
        pass
    process.kill()
    process.wait()
    process.stdout.close()
    with writers_lock(str(tmp_path), shared=False, limit_s=5):
        pass


def test_a_file_that_was_removed_meanwhile_is_not_the_lock(tmp_path: Path) -> None:
    """`tmp/` may be emptied when nobody writes."""
    with writers_lock(str(tmp_path), shared=True):
        pass
    for path in (tmp_path / "tmp").iterdir():
        path.unlink()
    with writers_lock(str(tmp_path), shared=False) as alone:
        assert alone


def test_a_storage_that_has_none_says_so(tmp_path: Path) -> None:
    with DiskStorage(str(tmp_path)).writers_lock(shared=True) as held:
        assert held
    with MemoryStorage().writers_lock(shared=True) as held:
        assert not held
