"""Settings of `kwrap run`: declared once, in OPTIONS, for the command line, its help, the environment and kwrap.yaml.

Precedence: option, `KWRAP_*` variable, kwrap.yaml, default. An unknown option or key is an error naming the nearest.
On the path to the child's start: PyYAML is imported only where a kwrap.yaml is found.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from kwrap.errors import ConfigError, UsageError

CONFIG_FILE = "kwrap.yaml"
DEFAULT_REPOSITORY = ".kwrap"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


class Option(NamedTuple):
    """One setting. `kind`: text, number, flag (given or not), switch (--x / --no-x, None when neither), list, pairs.

    `key` is its name in kwrap.yaml and, in capitals after KWRAP_, in the environment; None: on the command line only.
    """

    name: str
    flags: tuple[str, ...]
    kind: str
    help: str
    metavar: str = ""
    key: str | None = None
    default: Any = None
    choices: tuple[str, ...] = ()
    section: str = "What is recorded"


OPTIONS: tuple[Option, ...] = (
    Option("name", ("--name",), "text", "A name for the experiment.", "NAME"),
    Option("tags", ("--tag",), "list", "A tag; may be repeated.", "TAG", key="tags", default=()),
    Option("note", ("--note",), "text", "A sentence to remember it by.", "TEXT"),
    Option("params", ("--param", "-p"), "pairs", "A hyperparameter; may be repeated.", "K=V", key="params", default={}),
    Option(
        "metrics",
        ("--metric",),
        "list",
        "A regular expression with named groups that finds metrics in the output; may be repeated.",
        "REGEX",
        key="metrics",
        default=(),
    ),
    Option(
        "auto_metrics",
        ("--auto-metrics",),
        "switch",
        "Recognise metrics by themselves.",
        key="auto_metrics",
        default=True,
    ),
    Option(
        "primary", ("--primary",), "text", "The metric that says which checkpoint is best.", "METRIC", key="primary"
    ),
    Option(
        "goal",
        ("--goal",),
        "text",
        "Whether less or more of it is better.",
        "GOAL",
        key="goal",
        choices=("minimize", "maximize"),
    ),
    Option(
        "watch",
        ("--watch",),
        "list",
        "Weight files to keep, besides the known suffixes.",
        "GLOB",
        key="watch",
        default=(),
    ),
    Option("snapshot", ("--snapshot",), "switch", "Keep the code as it is at the start.", key="snapshot", default=True),
    Option(
        "max_file_size",
        ("--max-file-size",),
        "number",
        "Largest file kept with the code, MB.",
        "MB",
        "max_file_size",
        10.0,
    ),
    Option(
        "max_snapshot_size",
        ("--max-snapshot-size",),
        "number",
        "Largest code snapshot, MB.",
        "MB",
        "max_snapshot_size",
        200.0,
    ),
    Option(
        "repository",
        ("--repository", "-R"),
        "text",
        "Where experiments are kept.",
        "URL",
        key="repository",
        section="Where",
    ),
    Option("project_directory", ("--project-directory", "-D"), "text", "The project's top.", "DIR", section="Where"),
    Option(
        "offline",
        ("--offline",),
        "flag",
        "Keep the record on this machine; 'kwrap sync' sends it later.",
        section="Where",
    ),
    Option(
        "pty",
        ("--pty",),
        "switch",
        "Give the command a terminal, or pipes; by default as standard output is.",
        key="pty",
        section="How the command runs",
    ),
    Option(
        "unbuffer",
        ("--unbuffer",),
        "switch",
        "Set PYTHONUNBUFFERED=1 when output goes to a pipe.",
        key="unbuffer",
        default=True,
        section="How the command runs",
    ),
    Option(
        "grace",
        ("--grace",),
        "number",
        "Seconds from SIGTERM to SIGKILL.",
        "S",
        key="grace",
        default=30.0,
        section="How the command runs",
    ),
    Option(
        "wait",
        ("--wait",),
        "switch",
        "At the end, wait until the record is complete.",
        key="wait",
        default=True,
        section="How the command runs",
    ),
    Option(
        "dry_run",
        ("--dry-run",),
        "flag",
        "Start nothing; print what would be recorded.",
        section="How the command runs",
    ),
    Option("json", ("--json",), "flag", "With --dry-run: as JSON.", section="How the command runs"),
    Option("quiet", ("--quiet", "-q"), "flag", "Say nothing but errors.", section="How the command runs"),
    Option("verbose", ("--verbose", "-v"), "flag", "Say more.", section="How the command runs"),
)


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
    repository = repository_url(values["repository"], given.get("repository"), project, directory)
    values.update({name: _merged(values[name], value) for name, value in given.items()})
    return Settings(argv, project, repository, config_file, values)


def parse_arguments(arguments: Sequence[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What was given as options, and the command: all after `--`, or from the first word that is no option."""
    given: dict[str, Any] = {}
    by_flag = _flags()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            rest.insert(0, word)
            break
        flag, attached = _split(word, by_flag)
        if flag not in by_flag:
            raise UsageError(f"no such option: {flag}", hint=_nearest_option(flag, by_flag))
        option, meaning = by_flag[flag]
        if option.kind in ("flag", "switch"):
            if attached is not None:
                raise UsageError(f"{flag} takes no value")
            given[option.name] = meaning
            continue
        if attached is None:
            if not rest or rest[0] == "--":
                raise UsageError(f"{flag} needs a value: {flag} {option.metavar}")
            attached = rest.pop(0)
        _add(given, option, flag, attached)
    return given, tuple(rest)


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


def repository_url(configured: str | None, given: str | None, project: str, directory: str) -> str:
    """The repository: an option is relative to the working directory, kwrap.yaml's and the default to the project."""
    if given is not None:
        return _absolute(given, directory)
    return _absolute(configured or DEFAULT_REPOSITORY, project)


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
            near = _nearest(str(key), [name for name in by_key if name])
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
            _add(values, option, variable, text)
    return values


def _add(given: dict[str, Any], option: Option, flag: str, text: str) -> None:
    if option.kind == "list":
        given[option.name] = (*given.get(option.name, ()), text)
    elif option.kind == "pairs":
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{flag} needs NAME=VALUE, not '{text}'")
        given[option.name] = {**given.get(option.name, {}), name: value}
    elif option.kind == "number":
        try:
            given[option.name] = float(text)
        except ValueError:
            raise UsageError(f"{flag} needs a number, not '{text}'") from None
    else:
        if option.choices and text not in option.choices:
            near = _nearest(text, option.choices)
            hint = f"did you mean '{near}'?" if near else None
            raise UsageError(f"{flag} is one of {', '.join(option.choices)}, not '{text}'", hint=hint)
        given[option.name] = text


def _merged(before: Any, given: Any) -> Any:
    """Lists and pairs add up over the sources; anything else is replaced."""
    if isinstance(before, tuple) and isinstance(given, tuple):
        return before + given
    if isinstance(before, dict) and isinstance(given, dict):
        return {**before, **given}
    return given


def _flags() -> dict[str, tuple[Option, Any]]:
    found: dict[str, tuple[Option, Any]] = {}
    for option in OPTIONS:
        for flag in option.flags:
            found[flag] = (option, True)
            if option.kind == "switch":
                found["--no-" + flag[2:]] = (option, False)
    return found


def _split(word: str, by_flag: Mapping[str, Any]) -> tuple[str, str | None]:
    if word.startswith("--"):
        flag, equals, value = word.partition("=")
        return flag, value if equals else None
    if len(word) > 2 and word[:2] in by_flag:
        return word[:2], word[2:].removeprefix("=")
    return word, None


def _nearest_option(flag: str, by_flag: Mapping[str, Any]) -> str:
    near = _nearest(flag, list(by_flag))
    return f"did you mean '{near}'?" if near else "'kwrap run --help' lists them; the command comes after '--'"


def _nearest(word: str, words: Sequence[str]) -> str | None:
    import difflib

    return next(iter(difflib.get_close_matches(word, words, 1, 0.5)), None)


def _absolute(url: str, base: str) -> str:
    if "://" in url and not url.startswith("file://"):
        return url
    return os.path.normpath(os.path.join(base, os.path.expanduser(url.removeprefix("file://"))))
