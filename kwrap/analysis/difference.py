"""What differs between two experiments, section by section: params, metrics, packages, whatever the caller puts in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from kwrap.analysis.values import same

Sections = Mapping[str, Mapping[str, object]]

_NOTHING: Mapping[str, object] = {}


class Change(str, Enum):
    """On which sides a field is."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """One field that differs. `added`: only the right has it; `removed`: only the left; `changed`: both, differently.

    A side that `change` says is there and that is None was recorded as null.
    """

    section: str
    name: str
    change: Change
    left: object = None
    right: object = None


def differences(left: Sections, right: Sections) -> list[FieldDifference]:
    """The fields that differ, in the order of the sections and fields on the left; those of the right alone follow.

    1 and 1.0 do not differ, nor do two not-a-numbers.
    """
    return [
        difference
        for section in _in_order(left, right)
        for difference in _differences(section, left.get(section, _NOTHING), right.get(section, _NOTHING))
    ]


def _differences(section: str, left: Mapping[str, object], right: Mapping[str, object]) -> list[FieldDifference]:
    found: list[FieldDifference] = []
    for name in _in_order(left, right):
        if name not in left:
            found.append(FieldDifference(section=section, name=name, change=Change.ADDED, right=right[name]))
        elif name not in right:
            found.append(FieldDifference(section=section, name=name, change=Change.REMOVED, left=left[name]))
        elif not same(left[name], right[name]):
            found.append(
                FieldDifference(section=section, name=name, change=Change.CHANGED, left=left[name], right=right[name])
            )
    return found


def _in_order(left: Mapping[str, object], right: Mapping[str, object]) -> list[str]:
    return [*left, *(name for name in right if name not in left)]
