"""What a filter selects, and what it says when it cannot be read."""

from __future__ import annotations

import math
import warnings

import pytest

from kwrap.analysis import filter as filters
from kwrap.analysis.fields import Row, known_names
from kwrap.clock import from_rfc3339
from kwrap.errors import FilterError

NOW_NS = from_rfc3339("2026-11-21T19:00:00Z")

ADAM: Row = {
    "id": "20261121-183036-k3f9qx7a",
    "name": "wide",
    "user": "ann",
    "host": "gpu1",
    "command": "train.py --lr=0.1 --opt adam",
    "status": "running",
    "created": "2026-11-21T18:30:36.000Z",
    "duration": 192.4,
    "step": 300,
    "tags": ["baseline", "v2"],
    "note": "Première expérience (rapide)",
    "params": {"lr": 0.1, "opt": "adam", "layers": [64, 32], "augment": True, "version": "1.10", "big": 2**53 + 1},
    "metrics": {"loss": 0.5, "val/acc@1": 0.75, "a-b": 2},
}
SGD: Row = {
    "id": "20261120-120000-b2m4t6v8",
    "name": None,
    "user": "bob",
    "host": "gpu1",
    "command": "train.py --lr=1 --opt sgd",
    "status": "failed",
    "created": "2026-11-20T12:00:00Z",
    "duration": 7200,
    "step": 10,
    "tags": [],
    "note": None,
    "params": {"lr": 1, "opt": "sgd", "scheduler": None, "augment": False, "loss": "hinge"},
    "metrics": {"loss": math.nan},
}
BARE: Row = {"id": "20260101-000000-c9c9c9c9", "status": "finished", "created": "2026-01-01T00:00:00Z"}
ROWS = [ADAM, SGD, BARE]


def selected(*texts: str) -> list[str]:
    letters = {id(ADAM): "A", id(SGD): "S", id(BARE): "B"}
    return [letters[id(row)] for row in filters.apply(ROWS, texts, now_ns=NOW_NS)]


def error_of(*texts: str) -> FilterError:
    with pytest.raises(FilterError) as caught:
        filters.apply(ROWS, texts, now_ns=NOW_NS)
    return caught.value


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("loss < 0.6", "A"),
        ("loss<=0.5", "A"),
        ("lr > 1e-1", "S"),
        ("status = running", "A"),
        ("opt != adam", "SB"),
        ("opt == adam", "A"),
        ("opt = 'adam'", "A"),
        ('opt = "adam"', "A"),
        ("augment = TRUE", "A"),
        ("layers = [64, 32]", "A"),
        ("layers = [64.0,32]", "A"),
        ("big = 9007199254740993", "A"),
        ("big = 9007199254740992", ""),
        ("command = train.py --lr=0.1 --opt adam", "A"),
        ("command = train.py --lr=0.1 --opt adam and status = running", "A"),
        ("note = Première expérience (rapide)", "A"),
    ],
)
def test_keepsakes_forms_mean_what_they_meant(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


def test_several_texts_must_all_hold() -> None:
    assert selected("host = gpu1", "user = bob") == ["S"]
    assert selected() == ["A", "S", "B"]


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("opt = adam or opt = sgd and user = ann", "A"),
        ("(opt = adam or opt = sgd) and user = bob", "S"),
        ("not opt = adam", "SB"),
        ("not (opt = adam or status = failed)", "B"),
        ("not not opt = adam", "A"),
        ("NOT(opt=adam)AND(status = failed)", "S"),
        ("user = ann OR user = bob", "AS"),
    ],
)
def test_and_binds_tighter_than_or_and_not_tightest(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("opt in [adam, lamb]", "A"),
        ("opt in (adam, 'sgd',)", "AS"),
        ("opt not in [adam]", "SB"),
        ("lr in [1.0]", "S"),
        ("opt in []", ""),
        ("opt not in []", "ASB"),
        ("layers in [[64, 32], [128]]", "A"),
        ("name in [null, narrow]", "SB"),
        ("tags in [baseline, other]", "A"),
        ("command in [salt and pepper, x = y]", ""),
    ],
)
def test_in_takes_a_list_in_either_kind_of_brackets(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("note contains EXPÉRIENCE", "A"),
        ("note contains (rapide)", "A"),
        ("note not contains rapide", "SB"),
        ("tags contains baseline", "A"),
        ("tags contains base", ""),
        ("layers contains 64", "A"),
        ("layers contains 64.0", "A"),
        ("command contains lr=0.1", "A"),
        ("lr contains 1", ""),
    ],
)
def test_contains_looks_into_text_whatever_the_case_and_into_lists_for_members(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("opt =~ ^(ad|sg)", "AS"),
        ("opt !~ ^ad", "SB"),
        ("opt =~ AD", ""),
        ("opt =~ (?i)AD", "A"),
        (r"note =~ \(rapide\)$", "A"),
        (r"note =~ '\brapide\b'", "A"),
        ("tags =~ ^v[0-9]", "A"),
        ("lr =~ 1", ""),
    ],
)
def test_a_regular_expression_is_looked_for_anywhere_in_text(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


def test_integers_and_floats_are_one_kind_of_number() -> None:
    assert selected("lr = 1.0") == ["S"]
    assert selected("step >= 10.0") == ["A", "S"]
    assert selected("lr <= 1") == ["A", "S"]


def test_true_is_not_one() -> None:
    assert selected("augment = 1") == []
    assert selected("lr = true") == []


def test_what_is_missing_is_null() -> None:
    assert selected("name = null") == ["S", "B"]
    assert selected("name != null") == ["A"]
    assert selected("scheduler = null") == ["A", "S", "B"]
    assert selected("tags = null") == ["S", "B"]
    assert selected("duration = null") == ["B"]
    assert selected("created != None") == ["A", "S", "B"]


@pytest.mark.parametrize("operator", ["<", "<=", ">", ">="])
def test_no_order_holds_with_null_or_not_a_number(operator: str) -> None:
    assert "B" not in selected(f"loss {operator} 0.5") and "S" not in selected(f"loss {operator} 0.5")
    assert selected(f"lr {operator} null") == []
    assert selected(f"lr {operator} nan") == []


@pytest.mark.parametrize(
    "text", ["opt < 3", "opt > 3", "lr < adam", "lr >= 'a'", "layers > 1", "augment > 0", "lr < [1]"]
)
def test_values_of_different_kinds_have_no_order_and_are_no_error(text: str) -> None:
    assert selected(text) == []


def test_text_is_ordered_as_text() -> None:
    assert selected("opt < b") == ["A"]
    assert selected("opt > 'p q'") == ["S"]


def test_runs_that_diverged_can_be_found() -> None:
    assert selected("loss = nan") == ["S"]


def test_a_metric_goes_before_a_parameter_of_the_same_name_unless_a_prefix_chooses() -> None:
    assert selected("loss = hinge") == []
    assert selected("params.loss = hinge") == ["S"]
    assert selected("metrics.loss = 0.5") == ["A"]
    assert selected("metrics.loss = hinge") == []


def test_names_hold_dashes_dots_slashes_and_at_signs() -> None:
    assert selected("a-b<3") == ["A"]
    assert selected("val/acc@1>=0.75") == ["A"]


def test_a_name_in_quotes_may_hold_anything() -> None:
    row = {"params": {"learning rate": 1, "not": 2, 'a"b': 3}}
    for text in ('"learning rate" = 1', "'not' = 2", r'"a\"b" = 3', "params.not = 2"):
        assert filters.apply([row], text) == [row]


def test_an_unquoted_number_also_finds_the_text_that_spells_it() -> None:
    assert selected("version = 1.10") == ["A"]
    assert selected("version = 1.1") == []


def test_a_quoted_number_is_text() -> None:
    assert selected("version = '1.10'") == ["A"]
    assert selected("lr = '0.1'") == []


def test_an_id_is_found_by_any_prefix_and_by_the_part_that_people_see() -> None:
    assert selected("id = k3f9qx7a") == ["A"]
    assert selected("id in [K3F, 20261120]") == ["A", "S"]
    assert selected("id = ''") == []


def test_stopped_is_whatever_is_not_running() -> None:
    assert selected("status = stopped") == ["S", "B"]
    assert selected("status != stopped") == ["A"]
    assert selected("status in [Failed, running]") == ["A", "S"]


def test_a_status_that_does_not_exist_is_told() -> None:
    assert error_of("status = runing").hint == "did you mean running?"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("duration > 2min", "AS"),
        ("duration >= 2h", "S"),
        ("duration < 3 min 12 s or duration > 1h30m", "S"),
        ("duration > 190", "AS"),
        ("duration in [2 hours]", "S"),
    ],
)
def test_durations_are_written_with_units(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("created >= 2026-11-20T12:00:00Z", "AS"),
        ("created > 2026-11-20T12:00:00Z", "A"),
        ("created < 2026-11-20T14:00:00+02:00", "B"),
        ("started <= 2026-11-20T12:00:00Z", "SB"),
        ("created > 12 hours ago", "A"),
        ("created > 2 days ago and created < 1h ago", "S"),
        ("created < a month ago", "B"),
        ("created > 2025", "ASB"),
    ],
)
def test_dates_are_iso_or_so_long_ago(text: str, rows: str) -> None:
    assert selected(text) == list(rows)


@pytest.mark.parametrize("text", ["created > soon", "created = 2026-13-01", "created < 0000-01-01", "created > 10"])
def test_what_is_no_date_is_told(text: str) -> None:
    error = error_of(text)
    assert "this is not a date" in error.message and "2026-11-21" in str(error.hint)


def test_what_is_no_duration_is_told() -> None:
    assert "this is not a duration" in error_of("duration > 2 parsecs").message


def test_a_name_that_no_row_has_is_told_with_near_ones() -> None:
    error = error_of("los < 1")
    assert error.message.startswith("no experiment has 'los'")
    assert error.hint == "did you mean loss?"
    assert error_of("Step = 1").hint == "did you mean step?"
    assert error_of("params.los < 1").hint == "did you mean params.loss?"
    assert "names to choose from: id, name" in str(error_of("zzzz < 1").hint)


def test_a_name_in_the_other_namespace_is_unknown() -> None:
    assert "no experiment has 'metrics.lr'" in error_of("metrics.lr < 1").message


def test_with_no_rows_at_all_any_name_may_be_meant() -> None:
    assert known_names([]) is None
    assert filters.apply([], "whatever < 1") == []


def test_an_error_points_at_its_place() -> None:
    error = error_of("opt = adam and lr ? 3")
    assert error.message == "expected an operator after 'lr'\n  opt = adam and lr ? 3\n                    ^"
    assert error.code == "filter"


def test_the_caret_stands_under_its_place_behind_wide_characters_and_in_long_texts() -> None:
    text = "日本 = 日本 and !"
    line, caret = error_of(text).message.splitlines()[1:]
    assert line == "  日本 = 日本 and !"
    assert caret.index("^") == len(line) - 1 + 4  # four characters take two columns
    line, caret = error_of("opt = " + "x" * 500 + " and !" + " y" * 500).message.splitlines()[1:]
    assert len(line) < 120 and line[caret.index("^")] == "!"


def test_control_characters_in_a_broken_filter_stay_off_the_terminal() -> None:
    assert "\x1b" not in error_of("lr = 1 \x1b[31m !").message
    assert len(error_of("a =\n\n !=").message.splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the filter is empty", "a filter reads"),
        ("  ", "the filter is empty", "a filter reads"),
        ("opt", "expected an operator", "operators are"),
        ("lr <", "expected a value", "quotes"),
        ("lr < and opt = adam", "expected a value", "quotes"),
        ("= 3", "expected a name", "a comparison reads"),
        ("lr = 1 and", "expected a name", "a comparison reads"),
        ("lr <> 1", "another operator", "'not equal' is written !="),
        ("lr = = 1", "another operator", "quotes"),
        ("(lr = 1", "this '(' is not closed", "quotes"),
        ("lr = 1)", "this ')' was never opened", "quotes"),
        ("(lr = 'x' y)", "expected 'and' or 'or'", "join"),
        ("note = :(", "this '(' is not closed", "quotes"),
        ("note = 'it", "this quote is not closed", "\\'"),
        ("note = 'a'b", "end with its quotes", "quotes"),
        ("opt in adam", "expected a list", "[adam, sgd]"),
        ("opt in [adam", "this '[' is not closed", ""),
        ("opt in [adam,, sgd]", "expected a value", "quotes"),
        ("opt in ['a' b]", "expected ','", "quotes"),
        ("opt in (a], b)", "expected ','", "quotes"),
        ("learning rate = 3", "expected an operator", '"learning rate"'),
        ("lr < 0.5 opt = adam", "another comparison", "join"),
        ("lr<0.5 opt=adam", "another comparison", "join"),
        ("opt = adam tags contains x", "another comparison", "join"),
        ("lr = 1 && opt = adam", "another comparison", "join"),
        ("lr < 0.5 or so", "expected an operator", "operators are"),
        ("lr < 0.5 0.6", "one word", "join"),
        ("opt =~ a[", "this '[' is not closed", "quotes"),
        ("opt =~ 'a['", "this regular expression is broken at character 2", "contains"),
        ("opt =~ 'a{99999999999999999999}'", "this regular expression is broken", "contains"),
    ],
)
def test_what_cannot_be_read_is_told_with_what_to_do(text: str, message: str, hint: str) -> None:
    error = error_of(text)
    assert message in error.message
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "not " * 10_000 + "lr = 1", "lr = " + "[" * 10_000, "lr in " + "[" * 10_000]
)
def test_no_depth_of_nesting_ends_in_a_recursion_error(text: str) -> None:
    assert "nested more than 50 deep" in error_of(text).message


def test_a_million_characters_are_read_in_passing() -> None:
    assert selected(" or ".join(["lr = 1"] * 20_000)) == ["S"]
    assert selected("note = " + "very " * 200_000) == []


def test_a_regular_expression_that_python_warns_of_is_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        filters.compile("opt =~ '[[a]'")
