"""`name: value` and its like: what counts, on which step, and what does not."""

from __future__ import annotations

import math

import pytest
from printed import placed, points, values


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("loss: 0.5", [("loss", 0.5)]),
        ("loss=0.5", [("loss", 0.5)]),
        ("loss = 0.5", [("loss", 0.5)]),
        ("loss : 0.5", [("loss", 0.5)]),
        ("  loss: 0.5", [("loss", 0.5)]),
        ("loss:0.5,acc:0.9", [("loss", 0.5), ("acc", 0.9)]),
        ("map@5:0.5", [("map@5", 0.5)]),
        ("f1: 0.5", [("f1", 0.5)]),
        ("loss: 1e-3", [("loss", 0.001)]),
        ("loss: +0.5", [("loss", 0.5)]),
        ("loss: -.5", [("loss", -0.5)]),
        ("loss: 5.", [("loss", 5.0)]),
        ("loss: inf", [("loss", math.inf)]),
        ("loss: -Infinity", [("loss", -math.inf)]),
        ("val_acc: 82.5%", [("val_acc", 82.5)]),
        ("reward: -142", [("reward", -142.0)]),
        ("Epoch 1: loss: 0.5 acc: 0.9", [("loss", 0.5), ("acc", 0.9)]),
        ("[INFO] loss: 0.2", [("loss", 0.2)]),
        ("2026-11-21 10:23:45,123 INFO trainer: loss: 0.2", [("loss", 0.2)]),
        ("INFO:root:loss = 0.2", [("loss", 0.2)]),
        ("13/13 - 0s - 38ms/step - loss: 0.34 - accuracy: 0.8", [("loss", 0.34), ("accuracy", 0.8)]),
        ("{'loss': 0.9, 'eval_acc': '0.5'}", [("loss", 0.9), ("eval_acc", 0.5)]),
        ("val loss: 0.5 | best F1: 0.7", [("val_loss", 0.5), ("best_F1", 0.7)]),
        ("Avg. loss: 0.5", [("Avg_loss", 0.5)]),
        ("step 3 | loss train: 0.5", [("train_loss", 0.5)]),
        ("step 3: train loss 3.05, val loss 3.04", [("train_loss", 3.05), ("val_loss", 3.04)]),
        ("train/loss: 0.5 mAP50: 0.3 Acc@1: 0.2", [("train/loss", 0.5), ("mAP50", 0.3), ("Acc@1", 0.2)]),
        ("\x1b[32mloss\x1b[0m: \x1b[1m0.5\x1b[0m", [("loss", 0.5)]),
    ],
)
def test_a_known_name_with_a_number_is_a_point(line: str, expected: list[tuple[str, float]]) -> None:
    assert values(line + "\n") == expected


def test_not_a_number_is_a_point() -> None:
    (point,) = points("step 8 train/loss=nan\n")
    assert math.isnan(point.value)
    assert point.step == 8


@pytest.mark.parametrize(
    "line",
    [
        "http: 8080",
        "Serving on http://localhost:8080",
        "started at 10:23:45",
        "Date: 2026-11-21",
        "eta: 0:01:23",
        "loss.py:107: warning",
        "Version: 2:9.0.1378",
        "loss version: 1.2.3",
        "Collecting six==1.16.0",
        "Loading: 45%",
        " 45%|████      | 45/100 [00:12<00:15,  3.52it/s]",
        "Saved runs/epoch=3-val_loss=0.21.ckpt",
        "python train.py --lr=0.1 --loss=0.5",
        "Namespace(lr=0.001, epochs=90, loss=0.5, accuracy=0.8)",
        "(1): BatchNorm2d(16, eps=1e-05, momentum=0.1)",
        "loss_weight: 0.5",
        "accuracy_threshold: 0.8",
        "target_accuracy=0.759",
        "precision: 16",
        "KeyError: 3",
        "TYPE_MAP = 2",
        "FLAG_HIGH_ACCURACY = 1<<10,",
        "ValueError: 0.5",
        "Size: 719960",
        "accuracy: 578/1000",
        "loss: 3ms",
        "tps: 193,838",
        "batch_size: 16 lr: 0.1",
        "step: 10",
        "loss: 0x1f",
        "loss: infeasible",
        "loss >= 0.5",
        "iou=0.7, conf=None, imgsz=640, a=b, c=d, e=f, box=7.5, cls=0.5, dfl=1.5",
    ],
)
def test_a_line_that_is_no_training_line_has_no_points(line: str) -> None:
    assert values(line + "\n") == []


def test_source_lines_of_a_traceback_have_no_points() -> None:
    text = (
        "Traceback (most recent call last):\n"
        '  File "train.py", line 8, in <module>\n'
        "    loss = 0.5\n"
        "RuntimeError: loss: 0.7\n"
        "loss: 0.9\n"
    )
    assert values(text) == [("loss", 0.9)]


def test_on_a_line_with_a_step_unknown_names_count() -> None:
    assert placed("step=3 temperature=0.7 alpha: 2\n") == [("temperature", 0.7, 3, None), ("alpha", 2.0, 3, None)]


def test_on_a_line_with_a_step_settings_of_the_machine_do_not_count() -> None:
    assert values("[pid: 123] step 3 rank: 0 batch_size=16 momentum=0.9 loss: 0.5\n") == [("loss", 0.5)]


@pytest.mark.parametrize(
    ("line", "step", "epoch"),
    [
        ("Epoch 3/12 loss: 0.5", None, 3.0),
        ("Epoch: 003, loss: 0.5", None, 3.0),
        ("EPOCH 3: loss: 0.5", None, 3.0),
        ("Epoch [3][25/75] loss: 0.5", 25, 3.0),
        ("Train Epoch: 3 [640/3000 (21%)]\tloss: 0.5", 640, 3.0),
        ("{'loss': 0.5, 'epoch': 0.25}", None, 0.25),
        ("step 100 loss: 0.5", 100, None),
        ("[step 100] loss: 0.5", 100, None),
        ("Step 100/ 300; loss: 0.5", 100, None),
        ("loss: 0.5 (step 100)", 100, None),
        ("loss: 0.5, step = 100", 100, None),
        ("Iteration 100, loss = 0.5", 100, None),
        ("global_step=100, loss=0.5", 100, None),
        ("epoch 3 iter 7 step 100 loss: 0.5", 100, 3.0),
        ("epoch 3 batch 7 loss: 0.5", 7, 3.0),
    ],
)
def test_the_step_or_epoch_on_the_line_is_the_points(line: str, step: int | None, epoch: float | None) -> None:
    assert placed(line + "\n") == [("loss", 0.5, step, epoch)]


def test_a_header_gives_its_epoch_to_the_lines_after_it() -> None:
    text = "Epoch 1/3\n  loss: 0.9\n  acc: 0.1\nEpoch 2/3\n  loss: 0.8\n"
    assert placed(text) == [("loss", 0.9, None, 1.0), ("acc", 0.1, None, 1.0), ("loss", 0.8, None, 2.0)]


def test_under_a_header_of_the_same_form_unknown_names_count() -> None:
    text = "step: 15\nloss: 0.7\ntau: 0.62\nport: 8080\nseed: 0.5\n\nstep: 30\nloss: 0.6\n"
    assert placed(text) == [("loss", 0.7, 15, None), ("tau", 0.62, 15, None), ("loss", 0.6, 30, None)]


def test_a_line_after_one_with_a_step_belongs_to_that_step() -> None:
    text = "Iteration 1, loss = 0.7\nValidation score: 0.48\nIteration 2, loss = 0.6\nValidation score: 0.5\n"
    assert [(name, step) for name, _, step, _ in placed(text)] == [
        ("loss", 1),
        ("Validation_score", 1),
        ("loss", 2),
        ("Validation_score", 2),
    ]


def test_a_new_epoch_forgets_the_step() -> None:
    assert placed("Epoch 1\nstep 10 loss: 0.5\nEpoch 2\nval_loss: 0.6\n")[1] == ("val_loss", 0.6, None, 2.0)


def test_without_any_axis_a_repetition_is_the_next_step() -> None:
    text = "loss: 0.9\nacc: 0.1\nloss: 0.8\nacc: 0.2\nloss: 0.8\nacc: 0.2\n"
    assert [(name, step) for name, _, step, _ in placed(text)] == [
        ("loss", 0),
        ("acc", 0),
        ("loss", 1),
        ("acc", 1),
        ("loss", 2),
        ("acc", 2),
    ]


def test_kinds_tell_metrics_from_rates_times_and_counters() -> None:
    line = "step 5 loss: 0.5 lr: 0.1 time: 0.3 samples_per_second: 30.5 num_tokens: 100.5 grad_norm: 2.5\n"
    assert [(point.name, point.kind) for point in points(line)] == [
        ("loss", "metric"),
        ("lr", "lr"),
        ("time", "timing"),
        ("samples_per_second", "timing"),
        ("num_tokens", "progress"),
        ("grad_norm", "metric"),
    ]


def test_the_same_line_printed_twice_is_one_point() -> None:
    assert values("step 5 loss: 0.5\nstep 5 loss: 0.5\nstep 6 loss: 0.5\n") == [("loss", 0.5), ("loss", 0.5)]


def test_a_redrawn_bar_gives_only_what_changed() -> None:
    bar = "\rEpoch 1:  2%|▏| 1/50 [00:00<00:01, loss={0}]\rEpoch 1:  4%|▎| 2/50 [00:00<00:01, loss={0}]"
    assert values(bar.format("0.5") + bar.format("0.4") + "\n") == [("loss", 0.5), ("loss", 0.4)]


def test_a_redrawn_line_without_axes_is_no_repetition() -> None:
    assert placed("loss: 0.5\rloss: 0.5\rloss: nan\rloss: nan\n")[0::1][0] == ("loss", 0.5, 0, None)
    assert len(placed("loss: 0.5\rloss: 0.5\rloss: nan\rloss: nan\n")) == 2


def test_points_say_where_they_stand() -> None:
    text = b"hello\r\nEpoch 1\r\n\xff\xfe loss: 0.5\r\nacc: 0.9"
    first, second = points(text)
    assert (first.line, text[first.offset : first.end_offset]) == (3, b"\xff\xfe loss: 0.5")
    assert (second.line, text[second.offset : second.end_offset]) == (4, b"acc: 0.9")


def test_without_automatic_nothing_is_found() -> None:
    assert values("step 1 loss: 0.5\n", automatic=False) == []
