"""Settings of one `kwrap run`, from every source; the project it belongs to, and its repository.

Precedence: option, `KWRAP_*` variable, kwrap.yaml, default. An unknown key is an error that names the nearest. On the
path to the child's start: PyYAML is imported only where a kwrap.yaml is found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kwrap.arguments import add, nearest, parse_arguments
from kwrap.errors import ConfigError, UsageError
from kwrap.options import OPTIONS, Option

CONFIG_FILE = "kwrap.yaml"
DEFAULT_REPOSITORY = ".kwrap"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Settings(NamedTuple):
    """What one `kwrap run` was asked for, from every source, with the project and repository made absolute."""

    argv: tuple[str, ...]
    project_directory: str
    repository: str
    config_file: str | None
    values: Mapping[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            raise AttributeError(name) from None


def load(arguments: Sequence[str], environment: Mapping[str, str], directory: str) -> Settings:
    """Settings from the words after `kwrap run`. Raises UsageError and ConfigError."""
    given, argv = parse_arguments(arguments)
    project = find_project(directory, given.get("project_directory"))
    config_file, from_file = read_config(project)
    values = {option.name: option.default for option in OPTIONS}
    values.update(from_file)
    values.update(_from_environment(environment))
    repository = repository_url(
        values["repository"], given.get("repository"), project, directory, values["endpoint_url"]
    )
    values.update({name: _merged(values[name], value) for name, value in given.items()})
    return Settings(argv, project, repository, config_file, values)


def working_directory() -> str:
    """Raises UsageError where it was removed."""
    try:
        return os.getcwd()
    except OSError as error:
        raise UsageError(
            f"the working directory cannot be used: {error.strerror}", hint="cd to one that exists"
        ) from error


def find_project(directory: str, chosen: str | None = None) -> str:
    """The project's top: as given; else the nearest directory upward with kwrap.yaml, else the git root, else here."""
    if chosen is not None:
        path = os.path.abspath(os.path.join(directory, chosen))
        if not os.path.isdir(path):
            raise UsageError(f"no such directory: {chosen}", hint="-D names the project's top directory")
        return path
    git_root = None
    place = os.path.abspath(directory)
    while True:
        if os.path.isfile(os.path.join(place, CONFIG_FILE)):
            return place
        if git_root is None and os.path.exists(os.path.join(place, ".git")):
            git_root = place
        parent = os.path.dirname(place)
        if parent == place:
            return git_root or os.path.abspath(directory)
        place = parent


def repository_url(
    configured: str | None, given: str | None, project: str, directory: str, endpoint_url: str | None = None
) -> str:
    """The repository: an option is relative to the working directory, kwrap.yaml's and the default to the project.

    An endpoint becomes part of an s3:// URL that names none: from here on, the URL says all.
    """
    if given is not None:
        return _with_endpoint(_absolute(given, directory), endpoint_url)
    return _with_endpoint(_absolute(configured or DEFAULT_REPOSITORY, project), endpoint_url)


def _with_endpoint(url: str, endpoint_url: str | None) -> str:
    if not endpoint_url or not url.lower().startswith("s3://") or "endpoint_url=" in url:
        return url
    escaped = endpoint_url.replace("%", "%25").replace("&", "%26").replace("#", "%23")
    return f"{url}{'&' if '?' in url else '?'}endpoint_url={escaped}"


def read_config(project: str) -> tuple[str | None, dict[str, Any]]:
    """kwrap.yaml of a project, by option name; (None, {}) where there is none."""
    path = os.path.join(project, CONFIG_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None, {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return path, _config_values(path, _parse_yaml(path, text))


def _parse_yaml(path: str, text: str) -> dict[str, Any]:
    import yaml

    try:
        data = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: {error.problem or 'not YAML'}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected 'key: value' lines", hint="kwrap.yaml.example shows every key")
    return data


def _config_values(path: str, data: dict[str, Any]) -> dict[str, Any]:
    by_key = {option.key: option for option in OPTIONS if option.key}
    values = {}
    for key, value in data.items():
        option = by_key.get(key)
        if option is None:
            near = nearest(str(key), [name for name in by_key if name])
            hint = f"did you mean '{near}'?" if near else "known keys: " + ", ".join(sorted(filter(None, by_key)))
            raise ConfigError(f"{path}: unknown key '{key}'", hint=hint)
        values[option.name] = _typed(option, value, f"{path}: '{key}'")
    return values


def _typed(option: Option, value: Any, where: str) -> Any:
    """A YAML value as the option's kind; what YAML already typed is kept."""
    if option.kind == "list":
        items = value if isinstance(value, list) else [value]
        if all(isinstance(item, (str, int, float)) for item in items):
            return tuple(str(item) for item in items)
        raise ConfigError(f"{where} is a list of texts")
    if option.kind == "pairs":
        if isinstance(value, dict):
            return {str(name): item for name, item in value.items()}
        raise ConfigError(f"{where} is a mapping of names to values")
    if option.kind in ("flag", "switch"):
        if isinstance(value, bool):
            return value
        raise ConfigError(f"{where} is true or false, not {value!r}")
    if option.kind == "number":
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        raise ConfigError(f"{where} is a number, not {value!r}")
    if not isinstance(value, str):
        raise ConfigError(f"{where} is a text, not {value!r}", hint="put it in quotes")
    if option.choices and value not in option.choices:
        raise ConfigError(f"{where} is one of {', '.join(option.choices)}, not {value!r}")
    return value


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for option in OPTIONS:
        variable = f"KWRAP_{option.key.upper()}" if option.key else ""
        text = environment.get(variable)
        if not text:
            continue
        if option.kind in ("flag", "switch"):
            if text.lower() not in _TRUE + _FALSE:
                raise UsageError(f"{variable} is one of {', '.join(_TRUE + _FALSE)}, not '{text}'")
            values[option.name] = text.lower() in _TRUE
        elif option.kind == "list":
            values[option.name] = tuple(text.split(os.pathsep)) if option.name == "watch" else (text,)
        else:
            add(values, option, variable, text)
    return values


def _merged(before: Any, given: Any) -> Any:
    """Lists and pairs add up over the sources; anything else is replaced."""
    if isinstance(before, tuple) and isinstance(given, tuple):
        return before + given
    if isinstance(before, dict) and isinstance(given, dict):
        return {**before, **given}
    return given


def _absolute(url: str, base: str) -> str:
    if "://" in url and not url.startswith("file://"):
        return url
    return os.path.normpath(os.path.join(base, os.path.expanduser(url.removeprefix("file://"))))
