"""What a small run leaves in a repository besides its code."""

from __future__ import annotations

from kwrap.repository import layout
from support import PYTHON, Kwrap

_SCRIPT = "for step in range(200): print(f'step {step} loss: {1 / (step + 1):.4f}')"


def test_a_small_run_leaves_ten_objects_and_forty_kilobytes_at_most(kwrap: Kwrap) -> None:
    (kwrap.project / "train.py").write_text(_SCRIPT)
    kwrap.run([PYTHON, "train.py"], check=True)
    stored = list(kwrap.repository.storage.list(""))
    assert len(stored) <= 10, [one.name for one in stored]
    code = (layout.TREES, layout.PACKS, layout.BLOBS)
    assert sum(one.size_bytes for one in stored if not one.name.startswith(code)) <= 40_000
    assert {one.name.split("/")[0] for one in stored} >= {"metadata", "log", "output", "series", "trees", "packs"}
