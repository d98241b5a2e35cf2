"""From the text of a filter to its tree.

    filter      = conjunction { "or" conjunction }
    conjunction = negation { "and" negation }
    negation    = "not" negation | "(" filter ")" | comparison
    comparison  = name operator value | name ["not"] "in" list
    list        = "[" [value { "," value }] "]" | "(" … ")"

An unquoted value is the rest of the text up to `and`, `or` or a closing parenthesis, so that
`command = train.py --lr 0.1` needs no quotes. What is open within a value is closed within it.
"""

from __future__ import annotations

from collections.abc import Callable

from kwrap.analysis import filter_lexer as lexer
from kwrap.analysis.filter_lexer import QUOTE_VALUE, problem
from kwrap.analysis.filter_syntax import Comparison, Expression, Literal, Not, Operator, both, either
from kwrap.analysis.text import cut
from kwrap.errors import FilterError

_OPERATORS = "operators are = != < <= > >= =~ !~ in, not in, contains, not contains"
_QUOTE_NAME = 'put a name that holds other characters in quotes: "learning rate" < 0.1'


def parse(text: str) -> Expression:
    """The tree of a filter. Raises FilterError, whose message points at the place."""
    return _Parser(text).whole()


class _Parser:
    """Reads from `at`. Every method leaves `at` behind what it read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0

    def whole(self) -> Expression:
        if not self.text.strip():
            raise FilterError("the filter is empty", hint="a filter reads: loss < 0.5 and status = finished")
        expression = self.disjunction()
        if self.next():
            raise self.unexpected()
        return expression

    def disjunction(self) -> Expression:
        operands = [self.conjunction()]
        while self.step_over("or"):
            operands.append(self.conjunction())
        return either(operands)

    def conjunction(self) -> Expression:
        operands = [self.negation()]
        while self.step_over("and"):
            operands.append(self.negation())
        return both(operands)

    def negation(self) -> Expression:
        if self.step_over("not"):
            return Not(self.nested(self.negation))
        if self.next() != "(":
            return self.comparison()
        opened = self.at
        self.at += 1
        expression = self.nested(self.disjunction)
        if not self.next():
            raise problem(self.text, opened, "this '(' is not closed", QUOTE_VALUE)
        if self.next() != ")":
            raise self.unexpected()
        self.at += 1
        return expression

    def nested(self, read: Callable[[], Expression]) -> Expression:
        self.depth += 1
        if self.depth > lexer.MAX_DEPTH:
            raise problem(self.text, self.at, f"nested more than {lexer.MAX_DEPTH} deep")
        expression = read()
        self.depth -= 1
        return expression

    def comparison(self) -> Comparison:
        self.next()
        position, name = self.at, self.name()
        operator = self.operator(name)
        in_list = operator in (Operator.IN, Operator.NOT_IN)
        return Comparison(name, operator, self.listed() if in_list else (self.value(),), position)

    def name(self) -> str:
        if self.next() in lexer.QUOTES:
            name, self.at = lexer.quoted(self.text, self.at)
            return name
        name = lexer.word(self.text, self.at)
        if name.lower() in ("", "and", "or"):
            raise problem(self.text, self.at, "expected a name here", f"a comparison reads: loss < 0.5; {_OPERATORS}")
        self.at += len(name)
        return name

    def operator(self, name: str) -> Operator:
        self.next()
        symbol = lexer.symbol(self.text, self.at)
        if symbol:
            self.at += len(symbol)
            return Operator("=" if symbol == "==" else symbol)
        negated = self.step_over("not")
        for word in ("in", "contains"):
            if self.step_over(word):
                return Operator(f"not {word}" if negated else word)
        hint = f"{_QUOTE_NAME}; {_OPERATORS}" if self.next() not in ("", ")", "!") else _OPERATORS
        raise problem(self.text, self.at, f"expected an operator after '{cut(name, 40)}'", hint)

    def listed(self) -> tuple[Literal, ...]:
        if self.next() not in ("[", "("):
            raise problem(self.text, self.at, "expected a list after 'in'", "a list reads: optimizer in [adam, sgd]")
        opened, closer = self.at, lexer.CLOSERS[self.next()]
        self.at += 1
        items: list[Literal] = []
        while self.next() not in ("", closer):
            items.append(self.item())
            if self.next() not in ("", ",", closer):
                raise problem(self.text, self.at, f"expected ',' or '{closer}' here", QUOTE_VALUE)
            self.at += self.next() == ","
        if not self.next():
            raise problem(self.text, opened, f"this '{self.text[opened]}' is not closed")
        self.at += 1
        return tuple(items)

    def item(self) -> Literal:
        if self.next() in (",", ")", "]"):
            raise problem(self.text, self.at, "expected a value here", QUOTE_VALUE)
        return self.literal(in_list=True)

    def value(self) -> Literal:
        if self.next() in ("", ")") or lexer.word(self.text, self.at).lower() in ("and", "or"):
            raise problem(self.text, self.at, "expected a value here", QUOTE_VALUE)
        if lexer.symbol(self.text, self.at):
            hint = "'not equal' is written !=" if self.text[self.at - 1 : self.at + 1] == "<>" else QUOTE_VALUE
            raise problem(self.text, self.at, "expected a value and not another operator", hint)
        literal = self.literal(in_list=False)
        behind = self.text[self.at : self.at + 1]
        if literal.in_quotes and behind not in ("", ")") and not behind.isspace():
            raise problem(self.text, self.at, "expected the value to end with its quotes", QUOTE_VALUE)
        return literal

    def literal(self, *, in_list: bool) -> Literal:
        position, in_quotes = self.at, self.next() in lexer.QUOTES
        if in_quotes:
            text, self.at = lexer.quoted(self.text, position)
        else:
            text, self.at = lexer.unquoted(self.text, position, in_list=in_list)
        return Literal(text, in_quotes, position)

    def step_over(self, wanted: str) -> bool:
        """Step over a word of the grammar, if it comes next."""
        self.next()
        if lexer.word(self.text, self.at).lower() != wanted:
            return False
        self.at += len(wanted)
        return True

    def next(self) -> str:
        """Step over blanks, and look at the character behind them; empty at the end."""
        self.at = lexer.skip_blanks(self.text, self.at)
        return self.text[self.at : self.at + 1]

    def unexpected(self) -> FilterError:
        if self.next() == ")":
            return problem(self.text, self.at, "this ')' was never opened", QUOTE_VALUE)
        return problem(self.text, self.at, "expected 'and' or 'or' here", lexer.JOIN)
