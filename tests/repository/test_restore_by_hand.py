"""The commands of docs/repository-format.md, run as they stand there, give back what a real repository holds."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from record_makers import ID, checkpoint, experiment, point
from weight_files import safetensors, torch_zip

from kwrap.records import Source
from kwrap.repository import trees
from kwrap.repository.content import Content
from kwrap.repository.repository import Repository
from kwrap.repository.trees import TreeEntry

DOCUMENT = Path(__file__).parents[2] / "docs" / "repository-format.md"
TOOLS = ("bash", "jq", "zstd", "tar", "sha256sum", "base64")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

SMALL = {
    b"train.py": (b"print('hello')\n", 0o755),
    b"same.py": (b"print('hello')\n", 0o644),
    b"data with blanks/and 'quotes' \"too\" $HOME `x`.txt": (b"\r\n\0\xff", 0o600),
    b"-n": (b"a name like an option\n", 0o644),
    b"line\nbreak\ttab\\n": (b"odd", 0o644),
    "größe/☃.json".encode(): (b"{}", 0o640),
    b"latin-\xe9/\xff.bin": (b"not UTF-8", 0o644),
    b"empty": (b"", 0o444),
    b"deep/er/and/deeper/file": (b"x" * 5000, 0o644),
}
LARGE = {
    b"weights/incompressible.bin": (os.urandom(9_000_000), 0o444),
    b"weights/compressible.bin": (b"0123456789" * 1_000_000, 0o644),
    b"weights/model.safetensors": (safetensors({"up": os.urandom(5 << 20), "bias": bytes(300)}), 0o644),
    b"weights/model.pt": (torch_zip({"up": os.urandom(3 << 20), "down": bytes(2 << 20)}, "model"), 0o600),
    b"weights/some of each": (os.urandom(4 << 20) + bytes(6 << 20) + b"end", 0o600),
}
LINKS = {b"latest": b"weights/incompressible.bin", b"dangling \xff": b"no/where\xfe", b"-l": b"-x"}
EMPTY_DIRECTORIES = {b"logs": 0o755, b"closed/inner": 0o700}


def commands(*, of_checkpoint: bool) -> str:
    """The document's commands, from its last section; of the two ways to choose a tree, one."""
    section = DOCUMENT.read_text("utf-8").split("## Restoring by hand")[1]
    blocks = re.findall(r"^```bash( checkpoint)?\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    assert sum(bool(marked) for marked, _ in blocks) == 1
    chosen = [text for marked, text in blocks if not marked or of_checkpoint]
    return "\n".join(chosen)


def pack(content: Content, folder: Path) -> list[TreeEntry]:
    tar_path = folder / "pack.tar"
    by_hash = {hashlib.sha256(data).hexdigest(): data for data, _ in SMALL.values() if data}
    with tarfile.open(tar_path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(by_hash):
            member = tarfile.TarInfo(name)
            member.size = len(by_hash[name])
            tar.addfile(member, io.BytesIO(by_hash[name]))
    name = hashlib.sha256(tar_path.read_bytes()).hexdigest()
    content.upload_pack(str(tar_path), name)
    entries = []
    with tarfile.open(tar_path) as tar:
        for path, (data, mode) in SMALL.items():
            sha256 = hashlib.sha256(data).hexdigest()
            entry = TreeEntry(path=path, mode=mode, size_bytes=len(data), sha256=sha256)
            entries.append(entry._replace(pack=name, offset=tar.getmember(sha256).offset_data) if data else entry)
    return entries


def pieces(content: Content, folder: Path) -> list[TreeEntry]:
    entries = []
    for path, (data, mode) in LARGE.items():
        (folder / "large").write_bytes(data)
        entries.append(content.store_file(str(folder / "large"), path, mode))
    return entries


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository.open(str(tmp_path / "a repository"), create=True)
    code = [
        *pack(repository.content, tmp_path),
        *(TreeEntry(path=path, target=target) for path, target in LINKS.items()),
        *(TreeEntry(path=path, mode=mode, directory=True) for path, mode in EMPTY_DIRECTORIES.items()),
    ]
    code_tree = repository.content.store_tree(trees.encode(code))
    weights_tree = repository.content.store_tree(trees.encode(pieces(repository.content, tmp_path)))
    source = Source(tree=code_tree, content_sha256="0" * 64, files=len(code), size_bytes=0)
    repository.write_experiment(experiment(source=source, name="by hand"))
    repository.write_checkpoint(checkpoint(1, tree=weights_tree))
    repository.write_output_segment(ID, "r0-a1", 0, b"epoch 1\r\x1b[0m", b"")
    repository.write_output_segment(ID, "r0-a1", 12, b"done\n\xff\0", b"")
    repository.write_metrics_segment(ID, "r0-a1", 0, [point(1), point(2, name="accuracy")])
    repository.write_metrics_segment(ID, "r0-a1", 2, [point(3)])
    return repository


def run(repository: Repository, folder: Path, *, of_checkpoint: bool) -> str:
    environment = {**os.environ, "R": repository.url, "ID": ID, "LC_ALL": "C.UTF-8"}
    script = "set -euo pipefail\n" + commands(of_checkpoint=of_checkpoint)
    folder.mkdir()
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


def found(folder: Path) -> dict[bytes, tuple[object, int | None]]:
    """Every path below a folder but directories that hold something: its bytes, link or nothing, and its mode."""
    result: dict[bytes, tuple[object, int | None]] = {}
    top = os.fsencode(folder)
    for where, directories, files in os.walk(top):
        for name in files + directories:
            path = os.path.join(where, name)
            mode = stat.S_IMODE(os.lstat(path).st_mode)
            key = os.path.relpath(path, top)
            if os.path.islink(path):
                result[key] = (os.readlink(path), None)
            elif os.path.isdir(path):
                if not os.listdir(path):
                    result[key] = ("directory", mode)
            else:
                with open(path, "rb") as file:
                    result[key] = (file.read(), mode)
    return result


def test_the_code_comes_back_by_hand(repository: Repository, tmp_path: Path) -> None:
    printed = run(repository, tmp_path / "here", of_checkpoint=False)
    assert f"{ID}\t2026-11-21T20:30:36.123Z\tby hand\tpython train.py --lr 0.01" in printed
    assert "tree.json: OK" in printed
    assert "damaged" not in printed
    assert found(tmp_path / "here" / "out") == {
        **SMALL,
        **{path: (target, None) for path, target in LINKS.items()},
        **{path: ("directory", mode) for path, mode in EMPTY_DIRECTORIES.items()},
    }


def test_a_checkpoint_comes_back_by_hand(repository: Repository, tmp_path: Path) -> None:
    printed = run(repository, tmp_path / "here", of_checkpoint=True)
    assert "damaged" not in printed
    assert found(tmp_path / "here" / "out") == LARGE


def test_output_and_metrics_are_read_by_hand(repository: Repository, tmp_path: Path) -> None:
    run(repository, tmp_path / "here", of_checkpoint=False)
    assert (tmp_path / "here" / "output.log").read_bytes() == b"epoch 1\r\x1b[0mdone\n\xff\0"
    assert (tmp_path / "here" / "loss.tsv").read_text() == "1\t0.5\n3\t0.25\n"


def test_damage_is_told_by_hand(repository: Repository, tmp_path: Path) -> None:
    blob = next(path for path in Path(repository.url, "blobs").glob("*/*") if path.suffix != ".zst")
    data = bytearray(blob.read_bytes())
    data[100] ^= 1
    blob.write_bytes(data)
    assert "damaged: out/weights/" in run(repository, tmp_path / "here", of_checkpoint=True)
