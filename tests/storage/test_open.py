"""From a URL to a storage."""

from __future__ import annotations

from pathlib import Path

import pytest

from kwrap.errors import StorageError
from kwrap.storage.open import open_storage


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("runs", "/base/runs"),
        ("./runs/", "/base/runs"),
        ("../runs", "/runs"),
        ("file://runs", "/base/runs"),
        ("file://../runs", "/runs"),
        ("file:///var/runs", "/var/runs"),
        ("FILE:///var/runs", "/var/runs"),
        ("/var/my runs", "/var/my runs"),
        ("a:b", "/base/a:b"),
        ("odd/a://b", "/base/odd/a:/b"),
    ],
)
def test_a_directory_is_relative_to_the_base(url: str, expected: str) -> None:
    assert open_storage(url, base="/base").url == expected


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert open_storage("~/runs", base="/base").url == "/home/ada/runs"


@pytest.mark.parametrize("url", ["ftp://host/path", "http://host", "://x", "", "file://", "a\0b"])
def test_what_names_no_storage_is_an_error_with_a_hint(url: str) -> None:
    with pytest.raises(StorageError) as raised:
        open_storage(url, base="/")
    assert "use a directory" in str(raised.value.hint)


def test_nothing_is_made_by_opening(tmp_path: Path) -> None:
    open_storage("runs", base=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_memory_is_the_same_by_its_name() -> None:
    open_storage("memory:one", base="/").write("a", b"1")
    assert open_storage("memory:one", base="/").read("a") == b"1"
    assert open_storage("memory:other", base="/").size("a") is None
