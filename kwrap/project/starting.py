"""Beginning with kwrap: a commented kwrap.yaml, and a repository. Nothing that is there is written over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kwrap.config import CONFIG_FILE, DEFAULT_REPOSITORY
from kwrap.errors import ConfigError
from kwrap.options import OPTIONS, Option
from kwrap.repository import layout
from kwrap.storage.open import open_storage

if TYPE_CHECKING:
    from kwrap.project.project import Project

_HEAD = f"""\
# {CONFIG_FILE}: settings of this project, for everyone who works on it. Where it lies is the project's top.
# An option of 'kwrap run' and a KWRAP_* variable come before what is said here. Every key may be left out.
"""
# For keys without a default, or whose default says nothing of what could be there.
_EXAMPLES: dict[str, Any] = {
    "tags": ["vision"],
    "params": {"dataset": "digits"},
    "metrics": [r"Validation loss: (?P<val_loss>\S+)"],
    "primary": "loss",
    "goal": "minimize",
    "watch": ["weights/*.bin"],
    "endpoint_url": "http://127.0.0.1:9000",
    "pty": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What was there and what was made. `ignored`: whether git is told to pass over a repository inside the project."""

    config_file: str
    wrote_config: bool
    repository: str
    made_repository: bool
    ignored: bool


def start(project: Project, given_repository: str | None = None) -> Started:
    """Make the repository where nothing is, and then write kwrap.yaml where there is none."""
    new = open_storage(project.repository_url, base=".").size(layout.REPOSITORY) is None
    repository = project.make_repository()
    path = os.path.join(project.directory, CONFIG_FILE)
    wrote = _write_new(path, example(_as_written(project, given_repository)))
    return Started(
        config_file=path,
        wrote_config=wrote,
        repository=repository.url,
        made_repository=new,
        ignored=_is_ignored(project),
    )


def example(repository: str = DEFAULT_REPOSITORY) -> str:
    """A kwrap.yaml with every key, all but the repository's commented out."""
    lines = [_HEAD]
    for section in dict.fromkeys(option.section for option in OPTIONS):
        keyed = [option for option in OPTIONS if option.key and option.section == section]
        if keyed:
            lines.append(f"# --- {section}\n")
            lines += [_entry(option, repository) for option in keyed]
    return "\n".join(lines)


def _entry(option: Option, repository: str) -> str:
    choices = f" One of: {', '.join(option.choices)}." if option.choices else ""
    comment = f"# {option.help}{choices}\n"
    if option.key == "repository":
        return f"{comment}{option.key}: {_yaml(repository)}\n"
    value = _EXAMPLES.get(option.key or "", option.default)
    return comment + "".join(f"# {line}\n" for line in _lines(option.key or "", value))


def _lines(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield f"{key}:"
        yield from (f"  {name}: {_yaml(item)}" for name, item in value.items())
    elif isinstance(value, (list, tuple)):
        yield f"{key}:"
        yield from (f"  - {_yaml(item)}" for item in value)
    else:
        yield f"{key}: {_yaml(value)}"


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    text = str(value)
    plain = text.replace("/", "").replace(".", "").replace("-", "").replace("_", "").isalnum()
    return text if plain else "'" + text.replace("'", "''") + "'"


def _as_written(project: Project, given: str | None) -> str:
    """The repository as kwrap.yaml should name it: relative to the project when it lies within."""
    if given is None:
        return DEFAULT_REPOSITORY
    inside = os.path.relpath(project.repository_url, project.directory)
    return project.repository_url if inside.startswith("..") or "://" in project.repository_url else inside


def _write_new(path: str, text: str) -> bool:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from error
    return True


def _is_ignored(project: Project) -> bool:
    """Whether git ignores a repository that lies within a working tree; True when there is nothing to ignore."""
    import subprocess

    url = project.repository_url
    if "://" in url or os.path.relpath(url, project.directory).startswith(".."):
        return True
    try:
        asked = subprocess.run(
            ["git", "-C", project.directory, "check-ignore", "-q", url], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return asked.returncode != 1
