"""`name: value`, `name=value`, `name = value`, several on a line, with the axis in words: `Epoch 3/12 loss=0.5`.

Many programs print such pairs that train nothing, so a pair counts for what stands around it:
- a step or epoch is on the line: every pair, save what is known to be none (a port, a batch size), and `loss 0.5`;
- the line is one of a list under a header `step: 100`: also names that nobody knows, if they have a fraction;
- otherwise: a name that is known (`loss`, `val_acc`, `best F1`), on a line that is not a list of settings.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import isfinite

from kwrap.metrics import candidates
from kwrap.metrics.names import METRIC, QUALIFIERS, WEAK_RANK, Name, judge
from kwrap.metrics.numbers import NUMBER, count, to_float
from kwrap.metrics.reading import Reading, Value

# A name begins where a word begins, so that every byte is looked at once for a name and once for what follows it.
# What may not follow the number: the rest of a word, of a date, a time, a version or a path, a unit, a bar.
_ITEM = re.compile(
    rb"(?<![\w./@\\-])([A-Za-z_][\w./@-]{0,63})"
    rb"(?:([\"']?[ \t]{0,32}[:=][ \t]{0,32}[\"']?)|[ \t]{1,8}[\[#]?[ \t]{0,8}|[\[#])"
    rb"(" + NUMBER + rb")(?:[ \t]?/[ \t]?([0-9]+))?(%?)"
    rb"(?![\w%<]|[.,:/+*^-][0-9]|[./\\-][A-Za-z_])(?!\|)"
)
# `Epoch [1][25/75]`, `Train Epoch: 1 [640/3000 (21%)]`: where in the epoch.
_WITHIN_EPOCH = re.compile(rb"\]?[ \t]?[\[(][ \t]*([0-9]{1,18})[ \t]*/[ \t]*[0-9]+")
# `Namespace(lr=0.1`, `Conv2d(3, 16, kernel_size=3`: settings and source code.
_CALL = re.compile(rb"\w\((?:[^()=]{0,64},)?[ \t]*[A-Za-z_]\w{0,63}=")
_ASSIGNMENT = re.compile(rb"[A-Za-z_)\]\"'][ \t]?[:=]")
_WORD_BEFORE = re.compile(rb"([A-Za-z]{2,16})\.?[ \t]$")
_MOST_QUALIFIERS = 3
_BETWEEN_ITEMS = b" \t,;|-{}[]()"


# A name that is no axis, its number as printed, the percent sign after it, where the number stands, and whether a
# separator stands between the two.
_Pair = tuple[Name, bytes, bytes, tuple[int, int], bool]
# The number of steps or epochs, and where it stands; for steps, also how much the word says (see `names.Axis`).
_Step = tuple[int, tuple[int, int], int]
_Epoch = tuple[float, tuple[int, int]]


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
        pairs, step, epoch = _items(line)
        if not (pairs or step or epoch) or (b"(" in line and _CALL.search(line)):
            return None
        if epoch or (step and step[2] < WEAK_RANK):
            values = [_value(pair) for pair in pairs if not pair[0].noise]
            self._in_list = not pairs and _is_pure(line)
        else:
            values = self._without_axes(line, [pair for pair in pairs if pair[4]])
            if not values:
                return None
        at, step_span = step[:2] if step else (None, None)
        epoch_at, epoch_span = epoch or (None, None)
        return Reading(values, at, epoch_at, step_span, epoch_span)

    def _without_axes(self, line: bytes, pairs: list[_Pair]) -> list[Value]:
        if self._in_list and _is_pure(line):
            return [_value(pair) for pair in pairs if _is_known(pair) or _may_be_metric(pair)]
        known = [pair for pair in pairs if _is_known(pair)]
        if known and len(pairs) > len(known):
            known = [pair for pair in pairs if _is_known(pair) or (pair[0].kind != METRIC and not pair[0].noise)]
        most = 2 * len(known) + 2
        if known and line.count(b":") + line.count(b"=") > most and len(_ASSIGNMENT.findall(line)) > most:
            return []
        return [_value(pair) for pair in known]


def _items(line: bytes) -> tuple[list[_Pair], _Step | None, _Epoch | None]:
    pairs: list[_Pair] = []
    step: _Step | None = None
    epoch: _Epoch | None = None
    for item in _ITEM.finditer(line):
        word, separator, number, whole, percent = item.groups()
        name = _judged(word)
        axis = name.axis
        if axis is None:
            if whole is not None or _is_false_friend(name, word, separator, number):
                continue
            start = item.start()
            if start and line[start - 1] in b" \t":
                name = _with_words_before(name, line, start)
            pairs.append((name, number, percent, item.span(3), separator is not None))
        elif axis.is_epoch:
            if epoch is None and (number.isdigit() or (separator is not None and isfinite(float(number)))):
                epoch = (float(number), item.span(3))
                within = _WITHIN_EPOCH.match(line, item.end())
                if within and step is None:
                    step = (int(within[1]), within.span(1), WEAK_RANK - 1)
        else:
            at = count(number)
            if at is not None and (step is None or axis.rank < step[2]):
                step = (at, item.span(3), axis.rank)
    return pairs, step, epoch


def _is_pure(line: bytes) -> bool:
    """Whether there is nothing but names and numbers on the line."""
    return not _ITEM.sub(b"", line).strip(_BETWEEN_ITEMS)


@lru_cache(maxsize=4096)
def _judged(word: bytes) -> Name:
    return judge(word.decode("ascii"))


def _is_false_friend(name: Name, word: bytes, separator: bytes | None, number: bytes) -> bool:
    """`took 5`, `host:8080`, `train.py:107` and `PORT=8080` look like pairs. `loss 0.5` is one."""
    whole = _is_whole(number)
    if separator is None:
        return whole or name.strength < 2
    if name.strength == 2 or not whole:
        return False
    return separator == b":" or (word.isupper() and separator == b"=")


def _with_words_before(name: Name, line: bytes, start: int) -> Name:
    """`val loss: 0.5` is the val_loss, and `loss train: 0.5` the train_loss."""
    text = name.text
    before = _WORD_BEFORE.search(line, max(0, start - 18), start)
    if before and text.lower() in QUALIFIERS:
        metric = before[1].decode("ascii")
        return judge(f"{text}_{metric}") if judge(metric).strength == 2 else name
    for _ in range(_MOST_QUALIFIERS):
        if not before or before[1].decode("ascii").lower() not in QUALIFIERS:
            break
        text = f"{before[1].decode('ascii')}_{text}"
        start = before.start()
        before = _WORD_BEFORE.search(line, max(0, start - 18), start)
    return judge(text) if text != name.text else name


def _is_known(pair: _Pair) -> bool:
    name, number, percent = pair[:3]
    return name.strength == 2 or (name.strength == 1 and (bool(percent) or not _is_whole(number)))


def _may_be_metric(pair: _Pair) -> bool:
    name, number = pair[:2]
    return not (name.noise or name.setting or _is_whole(number))


def _value(pair: _Pair) -> Value:
    name, number, _, span, _ = pair
    return Value(name.text, to_float(number), name.kind, span)


def _is_whole(number: bytes) -> bool:
    return number.lstrip(b"+-").isdigit()
