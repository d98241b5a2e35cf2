"""What a filter says, as a tree that prints as a filter that says the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from kwrap.analysis.fields import quoted, spelled


class Operator(Enum):
    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    GREATER = ">"
    AT_LEAST = ">="
    MATCHES = "=~"
    MATCHES_NOT = "!~"
    IN = "in"
    NOT_IN = "not in"
    CONTAINS = "contains"
    CONTAINS_NOT = "not contains"


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it was typed. In quotes it is text; without, what it looks like. `position` is where it stands."""

    text: str
    in_quotes: bool = False
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return quoted(self.text) if self.in_quotes else self.text


@dataclass(frozen=True, slots=True)
class Comparison:
    """A name, an operator, and one value; after `in` and `not in` any number of them."""

    name: str
    operator: Operator
    literals: tuple[Literal, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        values = ", ".join(map(str, self.literals))
        if self.operator in (Operator.IN, Operator.NOT_IN):
            values = f"[{values}]"
        return f"{spelled(self.name)} {self.operator.value} {values}"


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression

    def __str__(self) -> str:
        return f"not ({self.operand})" if isinstance(self.operand, (And, Or)) else f"not {self.operand}"


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(f"({one})" if isinstance(one, Or) else str(one) for one in self.operands)


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.operands))


Expression = Comparison | Not | And | Or


def both(operands: list[Expression]) -> Expression:
    """All of them, an `and` within an `and` being part of it."""
    flat = [part for one in operands for part in (one.operands if isinstance(one, And) else (one,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def either(operands: list[Expression]) -> Expression:
    """Any of them, an `or` within an `or` being part of it."""
    flat = [part for one in operands for part in (one.operands if isinstance(one, Or) else (one,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))
