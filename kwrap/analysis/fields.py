"""Names in filters and sort keys: what they stand for, and the value that a row has under each.

A row is what `ls` shows of one experiment, a mapping with these keys, each of which may be missing:
`id name user host command status note` (text), `created` (RFC 3339, or nanoseconds since the epoch), `duration`
(seconds), `step`, `tags` (a list), and the mappings `params` and `metrics`, name to plain value.

A name is a built-in field, else a metric of the row, else a parameter of the row; `params.` and `metrics.` in front of
it choose. What a row lacks is null.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from kwrap.analysis.text import cut, printable
from kwrap.errors import FilterError

Row = Mapping[str, object]

# What an unquoted name is made of: letters and digits of any script, and `_ - . / @`.
NAME = re.compile(r"[\w\-./@]+")
_WORDS_OF_THE_GRAMMAR = ("and", "or", "not")
_NOTHING: Mapping[str, object] = MappingProxyType({})
_NAMESPACES = ("params", "metrics")


class Kind(Enum):
    """How the values of a field compare, and how a typed one is read."""

    PLAIN = "plain"
    ID = "id"
    STATUS = "status"
    TAGS = "tags"
    TIME = "time"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Field:
    """What a name stands for. Without a namespace it is looked for among metrics, then among params."""

    name: str
    namespace: str | None = None
    kind: Kind = Kind.PLAIN

    def value(self, row: Row) -> object:
        """The row's value, None where it has none."""
        if self.namespace == "row":
            value = row.get(self.name)
            if isinstance(value, Enum):
                return value.value
            return None if self.kind is Kind.TAGS and not value else value
        if self.namespace is not None:
            return _mapping(row, self.namespace).get(self.name)
        value = _mapping(row, "metrics").get(self.name)
        return _mapping(row, "params").get(self.name) if value is None else value


BUILT_IN: Mapping[str, Field] = {
    "id": Field("id", "row", Kind.ID),
    "name": Field("name", "row"),
    "user": Field("user", "row"),
    "host": Field("host", "row"),
    "command": Field("command", "row"),
    "status": Field("status", "row", Kind.STATUS),
    "created": Field("created", "row", Kind.TIME),
    "started": Field("created", "row", Kind.TIME),
    "duration": Field("duration", "row", Kind.DURATION),
    "step": Field("step", "row"),
    "tags": Field("tags", "row", Kind.TAGS),
    "note": Field("note", "row"),
}


def resolve(name: str) -> Field:
    """What a name stands for, whether or not any row has it."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    namespace, dot, rest = name.partition(".")
    return Field(rest, namespace) if dot and rest and namespace in _NAMESPACES else Field(name)


def known_names(rows: Iterable[Row]) -> frozenset[str] | None:
    """What any of the rows has, as `params.lr` and `metrics.loss`; None when there are no rows."""
    found: set[str] = set()
    empty = True
    for row in rows:
        empty = False
        for namespace in _NAMESPACES:
            found.update(f"{namespace}.{name}" for name in _mapping(row, namespace))
    return None if empty else frozenset(found)


def is_known(name: str, known: Collection[str] | None) -> bool:
    """Whether any row has the name; of no rows at all nothing is known, so that every name may be meant."""
    field = resolve(name)
    if known is None or field.namespace == "row":
        return True
    namespaces = _NAMESPACES if field.namespace is None else (field.namespace,)
    return any(f"{namespace}.{field.name}" in known for namespace in namespaces)


def unknown(name: str, known: Collection[str], where: str = "") -> FilterError:
    """The error for a name that no row has; names near ones. `where` shows the place in what was typed."""
    field = resolve(name)
    prefix = f"{field.namespace}." if field.namespace else ""
    own = {one.removeprefix(prefix) if prefix else _shortest(one) for one in known if one.startswith(prefix)}
    names = sorted(own if prefix else own.union(BUILT_IN))
    near = difflib.get_close_matches(field.name, names, n=3, cutoff=0.6)
    near += [one for one in names if one.lower() == field.name.lower() and one not in near]
    if near:
        hint = f"did you mean {' or '.join(spelled(prefix + one) for one in near)}?"
    else:
        hint = f"names to choose from: {', '.join([*BUILT_IN, *(spelled(prefix + one) for one in sorted(own)[:12])])}"
    return FilterError(f"no experiment has '{cut(printable(name), 60)}'" + (f"\n{where}" if where else ""), hint=hint)


def spelled(name: str) -> str:
    """A name as it is typed: in quotes where it would be read as something else."""
    if NAME.fullmatch(name) and name.lower() not in _WORDS_OF_THE_GRAMMAR:
        return name
    return quoted(name)


def quoted(text: str) -> str:
    """Text in double quotes, as a filter or a sort key reads it back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _shortest(known: str) -> str:
    """`metrics.loss` as one would type it: `loss`, unless that means something else."""
    rest = known.partition(".")[2]
    return known if resolve(rest) != Field(rest) else rest


def _mapping(row: Row, key: str) -> Mapping[str, object]:
    found = row.get(key)
    return found if isinstance(found, Mapping) else _NOTHING
