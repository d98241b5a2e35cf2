"""Weight files that appear or change while the command runs become numbered checkpoints."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from support import PYTHON, Kwrap, child


def weights(step: int, size: int = 100_000) -> str:
    return hashlib.sha256(random.Random(step).randbytes(size)).hexdigest()


@pytest.mark.parametrize("manner", ["rename", "direct", "slowly"])
def test_each_weight_file_becomes_a_checkpoint_with_the_metrics_known_then(kwrap: Kwrap, manner: str) -> None:
    kwrap.run(child("writes_weights.py", 3, manner, 0.6), "--primary", "loss", check=True)
    found = kwrap.state_of_only().checkpoints
    assert [one.sequence for one in found] == [1, 2, 3]
    assert [one.files[0].path for one in found] == [f"weights/step-{step}.npz" for step in (1, 2, 3)]
    assert [one.files[0].sha256 for one in found] == [weights(step) for step in (1, 2, 3)]
    assert [one.step for one in found] == [1, 2, 3]
    assert [one.metrics["loss"] for one in found] == [1.0, 0.5, 0.3333]


def test_a_file_that_is_overwritten_is_a_checkpoint_each_time(kwrap: Kwrap) -> None:
    kwrap.run(child("writes_weights.py", 3, "overwrite", 0.8), check=True)
    found = kwrap.state_of_only().checkpoints
    assert [one.files[0].path for one in found] == ["weights/model.npz"] * 3
    assert [one.files[0].sha256 for one in found] == [weights(step) for step in (1, 2, 3)]


def test_a_file_written_at_the_very_end_is_not_missed(kwrap: Kwrap) -> None:
    kwrap.run([PYTHON, "-c", "open('model.pt', 'wb').write(b'weights')"], check=True)
    (only,) = kwrap.state_of_only().checkpoints
    assert only.files[0].path == "model.pt"


def test_files_that_were_there_before_and_do_not_change_are_none(kwrap: Kwrap) -> None:
    (kwrap.project / "old.pt").write_bytes(b"old")
    import time

    time.sleep(0.1)
    kwrap.run([PYTHON, "-c", "import time; time.sleep(1)"], check=True)
    assert kwrap.state_of_only().checkpoints == ()


def test_watch_names_files_that_no_suffix_tells(kwrap: Kwrap) -> None:
    kwrap.run(["sh", "-c", "mkdir out; echo w > out/weights.dat; echo n > out/notes.dat"], "--watch", "out/w*.dat")
    (only,) = kwrap.state_of_only().checkpoints
    assert [file.path for file in only.files] == ["out/weights.dat"]


def test_files_that_share_a_numbered_directory_are_one_checkpoint(kwrap: Kwrap) -> None:
    script = "mkdir checkpoint-5; echo a > checkpoint-5/model.safetensors; echo b > checkpoint-5/config.json"
    kwrap.run(["sh", "-c", script])
    (only,) = kwrap.state_of_only().checkpoints
    assert [file.path for file in only.files] == ["checkpoint-5/model.safetensors", "checkpoint-5/config.json"]


def test_a_trainer_that_rotates_its_files_cannot_take_them_away(kwrap: Kwrap) -> None:
    script = (
        "import time; time.sleep(0.7)\n"
        "for n in range(4):\n"
        "    open('model.pt', 'wb').write(b'%d' % n * 1000); time.sleep(0.7)\n"
        "import os; os.remove('model.pt')\n"
    )
    kwrap.run([PYTHON, "-c", script], check=True)
    found = kwrap.state_of_only().checkpoints
    wanted = [hashlib.sha256(b"%d" % number * 1000).hexdigest() for number in range(4)]
    assert [one.files[0].sha256 for one in found] == wanted


def test_the_same_weights_again_cost_no_bytes(kwrap: Kwrap) -> None:
    script = "import os; data = b'x' * 3_000_000; open('a.pt','wb').write(data); open('b.pt','wb').write(data)"
    kwrap.run([PYTHON, "-c", script], check=True)
    assert len(kwrap.state_of_only().checkpoints) == 2
    blobs = [path for path in (kwrap.project / ".kwrap/blobs").rglob("*") if path.is_file()]
    assert len(blobs) == 1


def test_the_repository_and_junk_are_not_watched(kwrap: Kwrap, tmp_path: Path) -> None:
    script = "import os; os.makedirs('node_modules/x'); open('node_modules/x/model.pt','w').write('no')"
    kwrap.run([PYTHON, "-c", script], check=True)
    assert kwrap.state_of_only().checkpoints == ()


def test_what_a_run_wrote_as_checkpoints_is_no_code_of_the_next(kwrap: Kwrap) -> None:
    (kwrap.project / "train.py").write_text("open('model.pt', 'wb').write(b'weights')")
    kwrap.run([PYTHON, "train.py"], check=True)
    kwrap.run([PYTHON, "train.py"], check=True)
    first, second = (state.experiment.source for state in kwrap.states())
    assert first is not None
    assert second is not None
    assert first.content_sha256 == second.content_sha256
    assert [(file.path, file.reason) for file in second.left_out] == [("model.pt", "checkpoint of an earlier run")]
