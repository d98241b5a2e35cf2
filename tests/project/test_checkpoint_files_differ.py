"""`diff` knows of large weight files whether they are the same: by their pieces, else by their bytes."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "repository"))

from record_makers import ID, checkpoint, experiment

from kwrap.project.difference import diff
from kwrap.project.project import Project
from kwrap.records import CheckpointFile
from kwrap.repository import pieces, trees
from kwrap.repository.repository import Repository
from kwrap.repository.trees import TreeEntry

MIB = 1 << 20
DATA = os.urandom(9 * MIB)


def cut(repository: Repository, data: bytes, length: int) -> TreeEntry:
    """An entry as another kwrap might have cut it."""
    found = []
    for start in range(0, len(data), length):
        piece = memoryview(data)[start : start + length]
        sha256 = hashlib.sha256(piece).hexdigest()
        pieces.write(repository.storage, sha256, piece)
        found.append((sha256, len(piece)))
    return TreeEntry(b"model.pt", 0o644, len(data), None, pieces=tuple(found))


@pytest.mark.parametrize(
    ("first", "second", "differ"),
    [
        ((DATA, 4 * MIB), (DATA, 4 * MIB), False),
        ((DATA, 4 * MIB), (DATA, 3 * MIB), False),
        ((DATA, 4 * MIB), (DATA[:-1] + bytes([DATA[-1] ^ 1]), 4 * MIB), True),
        ((DATA, 4 * MIB), (DATA[:-1] + bytes([DATA[-1] ^ 1]), 5 * MIB), True),
        ((DATA, 4 * MIB), (DATA[:-1], 4 * MIB), True),
    ],
    ids=["the same", "cut differently", "another byte", "another byte, cut differently", "shorter"],
)
def test_weight_files_in_pieces_are_compared(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: tuple[bytes, int],
    second: tuple[bytes, int],
    differ: bool,
) -> None:
    monkeypatch.setenv("KWRAP_STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    repository = Repository.open(str(tmp_path / "repository"), create=True)
    repository.write_experiment(experiment())
    for sequence, (data, length) in enumerate((first, second), 1):
        entry = cut(repository, data, length)
        file = CheckpointFile(path="model.pt", size_bytes=len(data), pieces_sha256=trees.pieces_sha256(entry.pieces))
        tree = repository.content.store_tree(trees.encode([entry]))
        repository.write_checkpoint(checkpoint(sequence, tree=tree, files=(file,), size_bytes=len(data)))
    found = Project(repository.url).experiments.get(ID)
    one, two = found.checkpoints
    fields = [field for field in diff(one, two).fields if field.section == "files"]
    assert bool(fields) is differ
