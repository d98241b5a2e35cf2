"""`name: value`, `name=value`, `name = value`, several on a line, with the axis in words: `Epoch 3/12 loss=0.5`.

Many programs print such pairs that train nothing, so a pair counts for what stands around it:
- a step or epoch is on the line: every pair, save what is known to be none (a port, a batch size);
- the line is one of a list under a header `step: 100`: also names that nobody knows, if they have a fraction;
- otherwise: a name that is known (`loss`, `val_acc`, `best F1`), on a line that is not a list of settings.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import NamedTuple

from kwrap.metrics import candidates
from kwrap.metrics.names import METRIC, QUALIFIERS, WEAK_RANK, Axis, Name, judge
from kwrap.metrics.numbers import NUMBER, count, to_float
from kwrap.metrics.reading import Reading, Value

# A name begins where a word begins, so that every byte is looked at once for a name and once for what follows it.
# What may not follow the number: the rest of a word, of a date, a time, a version or a path, a unit, a bar.
_ITEM = re.compile(
    rb"(?<![\w./@\\-])([A-Za-z_][\w./@-]{0,63})"
    rb"(?:([\"']?[ \t]{0,32}[:=][ \t]{0,32}[\"']?)|[ \t]{1,8}[\[#]?[ \t]{0,8}|[\[#])"
    rb"(" + NUMBER + rb")(?:[ \t]?/[ \t]?([0-9]+))?(%?)"
    rb"(?![\w%]|[.,:/+*^-][0-9]|[./\\-][A-Za-z_])(?!\|)"
)
# `Epoch [1][25/75]`, `Train Epoch: 1 [640/3000 (21%)]`: where in the epoch.
_WITHIN_EPOCH = re.compile(rb"\]?[ \t]?[\[(][ \t]*([0-9]{1,18})[ \t]*/[ \t]*[0-9]+")
# `Namespace(lr=0.1`, `Conv2d(3, 16, kernel_size=3`: settings and source code.
_CALL = re.compile(rb"\w\((?:[^()=]{0,64},)?[ \t]*[A-Za-z_]\w{0,63}=")
_ASSIGNMENT = re.compile(rb"[A-Za-z_)\]\"'][ \t]?[:=]")
_WORD_BEFORE = re.compile(rb"([A-Za-z]{2,16})\.?[ \t]$")
_BETWEEN_ITEMS = b" \t,;|-{}[]()"


class _Pair(NamedTuple):
    name: Name
    number: bytes
    percent: bool
    span: tuple[int, int]


class _Line(NamedTuple):
    """The items of a line, and whether there is nothing on the line besides."""

    pairs: list[_Pair]
    step: tuple[int, Axis, tuple[int, int]] | None
    epoch: tuple[float, tuple[int, int]] | None
    pure: bool


class KeyValue:
    """The recogniser. Remembers whether the last header stood alone on its line."""

    name = "key-value"
    triggers: tuple[re.Pattern[bytes], ...] = (
        candidates.COLON,
        candidates.COLON_BLANK,
        candidates.AT_COLON,
        candidates.EQUALS,
        candidates.EPOCH,
        candidates.EPOCH_IN_CAPITALS,
        candidates.STEP,
        candidates.ITERATION,
    )

    def __init__(self) -> None:
        self._in_list = False

    def read(self, line: bytes) -> Reading | None:
        found = _items(line)
        if not (found.pairs or found.step or found.epoch) or (b"(" in line and _CALL.search(line)):
            return None
        step, epoch = found.step, found.epoch
        explicit = epoch is not None or (step is not None and step[1].rank < WEAK_RANK)
        if explicit:
            values = [_value(pair) for pair in found.pairs if not pair.name.noise]
            self._in_list = not found.pairs and found.pure
        else:
            values = self._without_axes(line, found)
        if not (values or explicit):
            return None
        return Reading(
            values,
            step[0] if step else None,
            epoch[0] if epoch else None,
            step[2] if step else None,
            epoch[1] if epoch else None,
        )

    def _without_axes(self, line: bytes, found: _Line) -> list[Value]:
        known = [pair for pair in found.pairs if _is_known(pair)]
        if known:
            beside = [pair for pair in found.pairs if pair.name.kind != METRIC and not pair.name.noise]
            known = [pair for pair in found.pairs if pair in known or pair in beside]
            if len(_ASSIGNMENT.findall(line)) > 2 * len(known) + 2:
                return []
        if self._in_list and found.pure:
            known = [pair for pair in found.pairs if pair in known or _may_be_metric(pair)]
        return [_value(pair) for pair in known]


def _items(line: bytes) -> _Line:
    pairs: list[_Pair] = []
    step: tuple[int, Axis, tuple[int, int]] | None = None
    epoch: tuple[float, tuple[int, int]] | None = None
    pure, end = True, 0
    for item in _ITEM.finditer(line):
        word, separator, number, whole, percent = item.groups()
        name = judge(word.decode("ascii"))
        pure = pure and not line[end : item.start()].strip(_BETWEEN_ITEMS)
        end = item.end()
        if name.axis is None:
            if separator is None or whole is not None or _is_false_friend(name, word, separator, number):
                pure = False
                continue
            start = item.start()
            if start and line[start - 1] in b" \t":
                name = _with_words_before(name, line, start)
            pairs.append(_Pair(name, number, bool(percent), item.span(3)))
        elif name.axis.is_epoch:
            if epoch is None and (number.isdigit() or (separator is not None and isfinite(float(number)))):
                epoch = (float(number), item.span(3))
                within = _WITHIN_EPOCH.match(line, end)
                if within and step is None:
                    step = (int(within[1]), Axis(False, 3), within.span(1))
        else:
            at = count(number)
            if at is not None and (step is None or name.axis.rank < step[1].rank):
                step = (at, name.axis, item.span(3))
    pure = pure and not line[end:].strip(_BETWEEN_ITEMS)
    return _Line(pairs, step, epoch, pure)


def _is_false_friend(name: Name, word: bytes, separator: bytes, number: bytes) -> bool:
    """`host:8080`, `train.py:107` and `PORT=8080` look like pairs."""
    if name.strength == 2 or not _is_whole(number):
        return False
    return separator == b":" or (word.isupper() and separator == b"=")


def _with_words_before(name: Name, line: bytes, start: int) -> Name:
    """`val loss: 0.5` is the val_loss, and `loss train: 0.5` the train_loss."""
    text = name.text
    before = _WORD_BEFORE.search(line, max(0, start - 18), start)
    if before and text.lower() in QUALIFIERS:
        metric = before[1].decode("ascii")
        return judge(f"{text}_{metric}") if judge(metric).strength == 2 else name
    while before and before[1].decode("ascii").lower() in QUALIFIERS:
        text = f"{before[1].decode('ascii')}_{text}"
        start = before.start()
        before = _WORD_BEFORE.search(line, max(0, start - 18), start)
    return judge(text) if text != name.text else name


def _is_known(pair: _Pair) -> bool:
    return pair.name.strength == 2 or (pair.name.strength == 1 and (pair.percent or not _is_whole(pair.number)))


def _may_be_metric(pair: _Pair) -> bool:
    return not (pair.name.noise or pair.name.setting or _is_whole(pair.number))


def _value(pair: _Pair) -> Value:
    return Value(pair.name.text, to_float(pair.number), pair.name.kind, pair.span)


def _is_whole(number: bytes) -> bool:
    return number.lstrip(b"+-").isdigit()
