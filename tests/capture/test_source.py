"""Which files a code snapshot holds."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kwrap.capture import source
from kwrap.capture.source import Selection
from kwrap.errors import KwrapError


def select(project: Path, **options: object) -> Selection:
    return source.select(os.fsencode(project), **options)  # type: ignore[arg-type]


def paths(selection: Selection) -> list[str]:
    return [os.fsdecode(file.path) for file in selection.files]


def left_out(selection: Selection) -> dict[str, str]:
    return {os.fsdecode(file.path): file.reason for file in selection.left_out}


def make(root: Path, *names: str, content: str = "x\n") -> None:
    """Files; a name that ends in a slash is a directory."""
    for name in names:
        place = root / name
        if name.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without git's settings, and a file system above the tests that is in no work tree."""
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return place


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """An empty git work tree."""
    place = tmp_path / "tree"
    subprocess.run(["git", "init", "-q", str(place)], check=True)
    return place


@contextmanager
def as_nobody() -> Iterator[None]:
    """Permissions count, even when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# In a git work tree


def test_a_work_tree_gives_tracked_files_and_untracked_ones_that_are_not_ignored(tree: Path) -> None:
    make(tree, "tracked.py", "deleted.py", "forced.log", "a/b/c.py")
    make(tree, ".gitignore", content="*.log\nout/\n")
    git(tree, "add", "-f", ".")
    (tree / "deleted.py").unlink()
    make(tree, "new.py", "ignored.log", "out/x.py", ".git/hidden")
    assert paths(select(tree)) == [".gitignore", "a/b/c.py", "forced.log", "new.py", "tracked.py"]


_NAMES = st.sampled_from(["a", "b", "c.log", "x y", "größe", "\udcff"])
_IGNORES = st.lists(st.sampled_from(["a", "/a", "*.log", "!c.log", "b/", "a/*", "!a/b", "**/b/a"]), max_size=3)


@settings(max_examples=40, deadline=None)
@given(
    files=st.lists(st.lists(_NAMES, min_size=1, max_size=3).map("/".join), max_size=8, unique=True),
    ignores=st.dictionaries(st.sampled_from(["", "a/", "b/a/"]), _IGNORES, max_size=2),
    added=st.integers(0, 8),
    removed=st.integers(0, 3),
    below=st.sampled_from(["", "a", "b/a"]),
)
@example(files=["a/a/b", "b"], ignores={"": ["a"]}, added=0, removed=0, below="")
def test_the_files_of_a_work_tree_are_those_git_lists(
    files: list[str], ignores: dict[str, list[str]], added: int, removed: int, below: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory, "tree")
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        made = [name for name in files if _try_to_make(root, name, "x")]
        for where, lines in ignores.items():
            _try_to_make(root, where + ".gitignore", "\n".join(lines))
        for name in made[:added]:
            git(root, "add", "-f", "--", name)
        for name in made[:removed]:
            (root / name).unlink()
        project = root / below
        if not project.is_dir():
            project = root
        listed = subprocess.run(
            ["git", "-C", str(project), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            capture_output=True,
            check=True,
        ).stdout.split(b"\0")
        expected = sorted(
            {name for name in listed if name and os.path.lexists(os.path.join(os.fsencode(project), name))}
        )
        found = select(project)
        if expected or project == root:  # a project that is ignored as a whole is walked instead
            assert [file.path for file in found.files if file.kind != "directory"] == expected
        empty = [os.fsdecode(file.path) for file in found.files if file.kind == "directory"]
        assert all(os.listdir(project / path) == [] for path in empty)


def _try_to_make(root: Path, name: str, content: str) -> bool:
    try:
        make(root, name, content=content)
    except OSError:
        return False
    return True


def test_empty_directories_of_a_work_tree_are_kept_unless_git_ignores_them(tree: Path) -> None:
    make(tree, "a.py", "data/empty/", "logs/", "deep/er/est/", "build/", "src/x.py", "src/out/", "src/tmp/")
    make(tree, "only-ignored/x.log", "only-ignored/inner/", ":(top)odd/", "__pycache__/")
    make(tree, ".gitignore", content="build/\n*.log\nsrc/tmp\n")
    assert paths(select(tree)) == [
        ".gitignore",
        ":(top)odd",
        "a.py",
        "data/empty",
        "deep/er/est",
        "logs",
        "src/out",
        "src/x.py",
    ]


def test_submodules_and_repositories_inside_are_entered(tree: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    make(library, "lib.py")
    make(library, ".gitignore", content="*.tmp\n")
    git(library, "init", "-q")
    git(library, "add", ".")
    git(library, "commit", "-qm", "x")
    git(tree, "submodule", "add", "-q", str(library), "vendor/library")
    git(tree, "commit", "-qm", "x")
    make(tree, "vendor/library/changed.py", "vendor/library/x.tmp")
    git(tree, "init", "-q", "nested")
    make(tree, "nested/own.py", "nested/secret/x", "nested/empty/")
    make(tree, ".kwrapignore", content="secret/\n")
    assert paths(select(tree)) == [
        ".gitmodules",
        ".kwrapignore",
        "nested/empty",
        "nested/own.py",
        "vendor/library/.gitignore",
        "vendor/library/changed.py",
        "vendor/library/lib.py",
    ]


def test_a_submodule_that_was_never_checked_out_comes_as_an_empty_directory(tree: Path, tmp_path: Path) -> None:
    make(tmp_path / "library", "lib.py")
    git(tmp_path / "library", "init", "-q")
    git(tmp_path / "library", "add", ".")
    git(tmp_path / "library", "commit", "-qm", "x")
    git(tree, "submodule", "add", "-q", str(tmp_path / "library"), "library")
    git(tree, "submodule", "deinit", "-f", "library")
    assert [(file.path, file.kind) for file in select(tree).files] == [
        (b".gitmodules", "file"),
        (b"library", "directory"),
    ]


def test_a_linked_worktree_and_a_project_below_the_top_are_work_trees(tree: Path, tmp_path: Path) -> None:
    make(tree, "sub/project/train.py", "sub/project/x.log", "top.py")
    make(tree, ".gitignore", content="*.log\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "x")
    assert paths(select(tree / "sub" / "project")) == ["train.py"]
    git(tree, "worktree", "add", "-q", str(tmp_path / "linked"))
    make(tmp_path / "linked", "y.log")
    assert paths(select(tmp_path / "linked")) == [".gitignore", "sub/project/train.py", "top.py"]


def test_a_project_that_the_repository_around_it_ignores_is_walked(tree: Path) -> None:
    make(tree, ".gitignore", content="*\n")
    make(tree, "experiments/mine/train.py", "experiments/mine/__pycache__/x.pyc")
    assert paths(select(tree / "experiments" / "mine")) == ["train.py"]


def test_what_points_git_at_another_repository_is_not_passed_on(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tree, "a.py")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    found = select(tree)
    assert (paths(found), found.notes) == (["a.py"], [])


def test_files_below_a_tracked_directory_that_is_a_symlink_now_are_not_followed(tree: Path, tmp_path: Path) -> None:
    make(tree, "data/x.csv", "data/deep/y.csv")
    git(tree, "add", ".")
    make(tmp_path, "elsewhere/x.csv", "elsewhere/deep/y.csv")
    subprocess.run(["rm", "-r", str(tree / "data")], check=True)
    (tree / "data").symlink_to(tmp_path / "elsewhere")
    assert [(file.path, file.kind) for file in select(tree).files] == [(b"data", "symlink")]


def test_unmerged_files_are_listed_once(tree: Path) -> None:
    make(tree, "a.py", content="1\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "x")
    git(tree, "checkout", "-qb", "other")
    make(tree, "a.py", content="2\n")
    git(tree, "commit", "-qam", "x")
    git(tree, "checkout", "-q", "-")
    make(tree, "a.py", content="3\n")
    git(tree, "commit", "-qam", "x")
    with pytest.raises(subprocess.CalledProcessError):
        git(tree, "merge", "other")
    assert paths(select(tree)) == ["a.py"]


def test_environments_caches_and_repositories_are_left_out_even_when_tracked(tree: Path) -> None:
    make(tree, "a.py", "__pycache__/a.pyc", "env/pyvenv.cfg", "env/lib/x.py", "c/conda-meta/x", "c/y", ".kwrap/x")
    git(tree, "add", "-f", ".")
    assert paths(select(tree)) == ["a.py"]


# When git cannot be used


def _programs(directory: Path, script: str | None) -> str:
    """A PATH on which git is this script, or is missing."""
    directory.mkdir()
    if script is not None:
        (directory / "git").write_text(f"#!/bin/sh\n{script}\n")
        (directory / "git").chmod(0o755)
    (directory / "sleep").symlink_to("/bin/sleep")
    return str(directory)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (None, "git is not installed"),
        ("echo 'fatal: detected dubious ownership' >&2; exit 128", "dubious ownership"),
        ("exit 3", "ended with status 3"),
        ("sleep 60 & sleep 60", "did not answer within 0.3 s"),
        ("echo partly; exec sleep 60", "did not answer within 0.3 s"),
    ],
)
def test_without_git_the_files_are_walked_by_its_ignore_files_and_that_is_said(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, why: str
) -> None:
    make(tree, "sub/a.py", "sub/x.log", "sub/keep.log", "sub/out/y", "sub/__pycache__/z.pyc", "sub/info.me")
    make(tree, ".gitignore", content="*.log\n")
    make(tree, "sub/.gitignore", content="out/\n!keep.log\n")
    make(tree, ".git/info/exclude", content="*.me\n")
    git(tree, "init", "-q", "sub/nested")
    make(tree, "sub/nested/b.py", "sub/nested/x.log")
    monkeypatch.setenv("PATH", _programs(tmp_path / "bin", script))
    started = time.monotonic()
    found = select(tree / "sub", git_limit_s=0.3)
    assert time.monotonic() - started < 5
    assert paths(found) == [".gitignore", "a.py", "keep.log", "nested/b.py", "nested/x.log"]
    assert len(found.notes) == 1
    assert why in found.notes[0]


def test_git_is_never_left_running(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", _programs(tmp_path / "bin", f"echo $$ > {tmp_path}/pid; exec sleep 60"))
    select(tree, git_limit_s=0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


# Outside git


def test_outside_git_everything_but_the_usual_junk_is_captured(tmp_path: Path) -> None:
    make(tmp_path, "train.py", "data/x.csv", "node_modules/x/y.js", "a/__pycache__/x.pyc", "x.pyc", ".DS_Store")
    make(tmp_path, ".venv/x", "myenv/pyvenv.cfg", "myenv/lib/y", "conda/conda-meta/history", "conda/bin/python")
    make(tmp_path, ".mypy_cache/x", "pkg.egg-info/PKG-INFO", ".ipynb_checkpoints/x", ".kwrap/repository.json")
    make(
        tmp_path,
        "wandb/run-1/x",
        "mlruns/0/x",
        "lib/wandb/__init__.py",
        ".hidden",
        ".gitignore",
        "empty/",
        "full/inner/",
    )
    assert paths(select(tmp_path)) == [
        ".gitignore",
        ".hidden",
        "data/x.csv",
        "empty",
        "full/inner",
        "lib/wandb/__init__.py",
        "train.py",
    ]


def test_a_work_tree_inside_a_project_outside_git_is_listed_by_git(tmp_path: Path) -> None:
    make(tmp_path, "train.py", "clone/model.py", "clone/x.log")
    make(tmp_path, "clone/.gitignore", content="*.log\n")
    git(tmp_path / "clone", "init", "-q")
    assert paths(select(tmp_path)) == ["clone/.gitignore", "clone/model.py", "train.py"]


def test_a_project_of_no_files_is_an_empty_selection(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert select(tmp_path / "empty") == Selection([], [], [])
    assert select(tree) == Selection([], [], [])


def test_the_project_directory_may_be_a_symlink(tmp_path: Path) -> None:
    make(tmp_path, "real/train.py", "real/runs/x")
    (tmp_path / "link").symlink_to("real")
    assert paths(select(tmp_path / "link", excluded=[os.fsencode(tmp_path / "link" / "runs")])) == ["train.py"]
    assert paths(select(tmp_path / "link", excluded=[os.fsencode(tmp_path / "real" / "runs")])) == ["train.py"]


def test_a_project_directory_that_is_missing_is_an_error_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(KwrapError, match="No such file") as caught:
        select(tmp_path / "nowhere")
    assert caught.value.hint is not None


def test_a_project_inside_an_environment_directory_is_captured_all_the_same(tmp_path: Path) -> None:
    make(tmp_path, "pyvenv.cfg", "train.py", "lib/python3.11/site-packages/numpy/x.py")
    assert paths(select(tmp_path)) == ["pyvenv.cfg", "train.py"]


# Ignore files


@pytest.mark.parametrize("in_git", [True, False])
def test_kwrapignore_counts_for_tracked_files_too_and_nested(tree: Path, tmp_path: Path, in_git: bool) -> None:
    root = tree if in_git else tmp_path / "plain"
    make(root, "a.bin", "keep/a.bin", "keep/b.bin", "big/x", "src/a.py")
    make(root, ".kwrapignore", content="*.bin\nbig/\n")
    make(root, "keep/.kwrapignore", content="!a.bin\n")
    if in_git:
        git(root, "add", ".")
    assert paths(select(root)) == [".kwrapignore", "keep/.kwrapignore", "keep/a.bin", "src/a.py"]


def test_keepsakeignore_is_read_in_a_directory_without_kwrapignore(tmp_path: Path) -> None:
    make(tmp_path, "a.old", "b.new", "sub/a.old", "sub/b.new")
    make(tmp_path, ".keepsakeignore", content="*.old\n")
    make(tmp_path, "sub/.kwrapignore", content="*.new\n!*.old\n")
    make(tmp_path, "sub/.keepsakeignore", content="*\n")
    assert paths(select(tmp_path)) == [
        ".keepsakeignore",
        "b.new",
        "sub/.keepsakeignore",
        "sub/.kwrapignore",
        "sub/a.old",
    ]


def test_an_ignore_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    make(tmp_path, "a.py")
    os.mkfifo(tmp_path / ".kwrapignore")
    found = select(tmp_path)
    assert paths(found) == ["a.py"]
    assert found.notes == [".kwrapignore cannot be read, so its patterns do not count"]


@pytest.mark.parametrize("in_git", [True, False])
def test_excluded_directories_are_never_captured(tree: Path, tmp_path: Path, in_git: bool) -> None:
    root = tree if in_git else tmp_path / "plain"
    make(root, "train.py", "runs/repository.json", "state/x", "state-of-the-art/y", "deep/runs/z", "deep/store/x")
    if in_git:
        git(root, "add", ".")
    excluded = [os.fsencode(root / name) for name in ("runs", "state", "deep/store")] + [
        b"/nowhere",
        os.fsencode(root.parent),
    ]
    assert paths(select(root, excluded=excluded)) == ["deep/runs/z", "state-of-the-art/y", "train.py"]


# Left out and named


@pytest.mark.parametrize("in_git", [True, False])
def test_secrets_are_left_out_and_named(tree: Path, tmp_path: Path, in_git: bool) -> None:
    root = tree if in_git else tmp_path / "plain"
    secrets = [".aws/credentials", ".env", ".env.local", ".netrc", "ID_RSA", "a/id_ed25519", "credentials.json"]
    secrets += ["keys/server.PEM", "keys/x.key", "prod.env", "service-account-7.json", ".npmrc", ".ssh/known_hosts"]
    make(root, *secrets)
    kept = [
        ".env.example",
        "credentials.py",
        "credentials/x.py",
        "environment.py",
        "example.env",
        "id_rsa.pub",
        "keys.py",
    ]
    make(root, *kept)
    os.symlink("../.env", root / "x.env")
    if in_git:
        git(root, "add", ".")
    found = select(root)
    assert left_out(found) == dict.fromkeys(sorted(secrets), "secret")
    assert paths(found) == sorted([*kept, "x.env"])


def test_a_file_over_the_limit_is_left_out_with_its_size(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(101))
    (tmp_path / "small.bin").write_bytes(bytes(100))
    found = select(tmp_path, max_file_bytes=100)
    assert paths(found) == ["small.bin"]
    assert found.left_out == [source.LeftOutFile(b"weights.bin", 101, "too large")]


def test_beyond_the_total_the_largest_files_go_first(tmp_path: Path) -> None:
    for name, size in (("a", 30), ("b", 50), ("c", 10), ("d", 50)):
        (tmp_path / name).write_bytes(bytes(size))
    found = select(tmp_path, max_total_bytes=100)
    assert paths(found) == ["a", "c", "d"]
    assert found.left_out == [source.LeftOutFile(b"b", 50, "total too large")]
    assert paths(select(tmp_path, max_total_bytes=140)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("in_git", [True, False])
def test_what_is_no_file_is_left_out(tree: Path, tmp_path: Path, in_git: bool) -> None:
    root = tree if in_git else tmp_path / "plain"
    make(root, "a.py")
    make(root, ".gitignore" if in_git else ".kwrapignore", content="ignored.*\n")
    os.mkfifo(root / "pipe")
    os.mkfifo(root / "ignored.pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "socket"))
        found = select(root)
    assert left_out(found) == {"pipe": "not a regular file", "socket": "not a regular file"}
    assert "a.py" in paths(found)


@pytest.mark.parametrize("in_git", [True, False])
def test_what_cannot_be_read_is_left_out(in_git: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as directory:  # pytest's own is closed to others
        root = Path(directory)
        for name in ("HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(name, directory)
        root.chmod(0o755)
        make(root, "a.py", "closed.py", "closed/x.py", "own.py")
        if in_git:
            git(root, "init", "-q")
            for key, value in (("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", "*")):
                monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
        (root / "closed.py").chmod(0)
        (root / "closed").chmod(0)
        with as_nobody():
            found = select(root)
        assert left_out(found) == {"closed": "unreadable", "closed.py": "unreadable"}
        assert paths(found) == ["a.py", "own.py"]


@pytest.mark.parametrize("in_git", [True, False])
def test_beyond_the_number_of_files_what_lies_near_the_top_is_kept(tree: Path, tmp_path: Path, in_git: bool) -> None:
    root = tree if in_git else tmp_path / "plain"
    make(root, "train.py", *(f"data/{part}/{number}.txt" for part in "ab" for number in range(4)))
    found = select(root, max_files=3)
    assert len(found.files) == 3
    assert "train.py" in paths(found)
    assert set(left_out(found).values()) == {"too many files"}


def test_symlinks_are_kept_and_never_followed(tmp_path: Path) -> None:
    make(tmp_path, "outside/x.py", "project/a.py", "project/sub/b.py")
    project = tmp_path / "project"
    (project / "to-directory").symlink_to("../outside")
    (project / "to-itself").symlink_to(".")
    (project / "dangling").symlink_to("nowhere")
    kinds = {os.fsdecode(file.path): file.kind for file in select(project).files}
    assert kinds == {
        "a.py": "file",
        "dangling": "symlink",
        "sub/b.py": "file",
        "to-directory": "symlink",
        "to-itself": "symlink",
    }


def test_names_that_are_no_utf8_and_names_with_newlines_are_selected(tree: Path) -> None:
    for name in (b"\xff\xfe.py", b"two\nlines.py", b'quo"te', "größe.py".encode()):
        with open(os.path.join(os.fsencode(tree), name), "wb"):
            pass
    names = [file.path for file in select(tree).files]
    assert names == sorted([b"\xff\xfe.py", b"two\nlines.py", b'quo"te', "größe.py".encode()])


def test_stats_are_those_of_the_file_and_empty_directories_have_none(tmp_path: Path) -> None:
    make(tmp_path, "a.py", "empty/")
    (tmp_path / "a.py").chmod(0o4750)
    found = (tmp_path / "a.py").stat()
    file, directory = select(tmp_path).files
    assert file == (b"a.py", "file", 2, 0o750, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    assert directory[3:] == ((tmp_path / "empty").stat().st_mode & 0o777, 0, 0, 0)
