"""What the words in a name mean: an axis, a metric people know, a learning rate, a time, a counter, a setting.

The words are English because the programs' are. A name is judged by its words, so that `val/top1_acc`, `valAcc` and
`Acc@1` need no entry of their own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

METRIC, LR, TIMING, PROGRESS = "metric", "lr", "timing", "progress"

LONGEST_NAME = 200


class Axis(NamedTuple):
    """A name that counts steps or epochs. Of several on a line, the one of the lowest rank counts."""

    is_epoch: bool
    rank: int = 0


def _vocabulary(words: str) -> frozenset[str]:
    return frozenset(words.split())


# `batch 5` is a step where nothing better stands on the line, and no sign that the line is one of a training.
WEAK_RANK = 4
_AXES = {
    "epoch": Axis(True),
    "global_step": Axis(False, 0),
    "globalstep": Axis(False, 0),
    "step": Axis(False, 1),
    "iter": Axis(False, 2),
    "iteration": Axis(False, 2),
    "round": Axis(False, 3),
    "update": Axis(False, 3),
    "episode": Axis(False, 3),
    "batch": Axis(False, WEAK_RANK),
}

# Names that say by themselves that a line is one of a training.
_STRONG = _vocabulary(
    """acc accuracy auc auroc auprc bleu cer cider deviance elbo f1 fid iou logloss loss losses mae map50 map75 mape
    mcc miou mrr mse ndcg nll perplexity ppl psnr reward rmse rouge ssim wer xent"""
)
# Names that other programs print as well: alone on a line, they count only with a fraction.
_WEAK = _vocabulary(
    """ap bce dice entropy err error gnorm kappa kl likelihood loglik map objective pearson precision r2 recall return
    rew score sensitivity spearman specificity"""
)
# The last word is the head of a name: alpha_loss is a loss, loss_alpha, accuracy_threshold and accuracy.py are not.
_SETTING_AFTER = _vocabulary(
    """alpha beta budget cfg clip coef coeff coefficient config cpp decay delta dim dir dtype epochs eps epsilon every
    factor file fn format freq frequency func function gamma id init interval js json lambda layers level limit margin
    mode momentum name num path patience power py reduction schedule scale size smoothing start steps temperature thr
    thresh threshold tol tolerance txt type version warmup weight weighting weights yaml"""
)
_SETTING_BEFORE = _vocabulary("default desired init initial num required target use")
# Never a metric, whatever stands on the line.
_NOISE = _vocabulary(
    """betas bs device dropout exitcode gpu gpus hidden host layers lineno momentum nodes pid port ram rank seed tid
    timestamp ts uid version wd worker workers"""
)
_NOISE_NAMES = _vocabulary("batch_size line size status weight_decay world_size id code")
_TIMING = _vocabulary(
    """dt dur duration elapsed eta flops flos fps gb gib hour hours kb latency mb mem memory mfu mib minutes ms
    runtime s sec second seconds secs speed sps tflops throughput time tok tps ups vram wps"""
)
_PROGRESS = _vocabulary(
    """batch batches count counter done episodes epochs examples idx index iteration iterations n num number pct percent
    processed progress remaining round sample samples seen skipped steps timestep timesteps token tokens total
    updates"""
)
# `PhaseWord loss`, `best acc`: words that belong to the name that follows them.
QUALIFIERS = _vocabulary(
    """average averaged avg balanced best cross current dev eval evaluation final macro max mean micro min overall
    running smoothed test testing top total train training val valid validation weighted"""
)

_EXCEPTION = re.compile(r"[A-Za-z.]*[a-z](?:Error|Exception|Warning)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORDS = re.compile(r"[a-z]+[0-9]*|[0-9]+")
_LAST_PART = re.compile(r"[^/.]*$")


class Name(NamedTuple):
    """What is known of a name. `strength`: 2 a metric by itself, 1 a metric if it has a fraction, 0 unknown."""

    text: str
    axis: Axis | None = None
    strength: int = 0
    kind: str = METRIC
    noise: bool = False
    setting: bool = False


@lru_cache(maxsize=4096)
def judge(text: str) -> Name:
    """What the words of a name say. Pure; remembered because a training prints few names."""
    last = _LAST_PART.search(text)
    axis = _AXES.get(last.group().lower()) if last else None
    if axis:
        return Name(text, axis, kind=PROGRESS)
    words = _words(text)
    strength, setting = _strength(words)
    if words and words[-1] in _TIMING:
        strength = 0
    noise = not _NOISE.isdisjoint(words) or text.lower() in _NOISE_NAMES or _EXCEPTION.match(text) is not None
    return Name(text, None, 0 if noise else strength, _kind(words, strength), noise, setting)


def _words(text: str) -> list[str]:
    one_word = text.replace("mAP", "map").replace("IoU", "iou")
    return _WORDS.findall(_CAMEL.sub("_", one_word).lower())


def _strength(words: list[str]) -> tuple[int, bool]:
    """How far the words name a metric, and whether they name a setting instead."""
    strength, head = 0, -1
    for place, word in enumerate(words):
        bare = word.rstrip("0123456789")
        if word in _STRONG or bare in _STRONG or (word == "norm" and "grad" in words):
            strength, head = 2, place
        elif word in _WEAK or bare in _WEAK:
            strength, head = max(strength, 1), place
    setting = not (_SETTING_AFTER.isdisjoint(words[head + 1 :]) and _SETTING_BEFORE.isdisjoint(words[: max(head, 0)]))
    return 0 if setting else strength, setting


def _kind(words: list[str], strength: int) -> str:
    if "lr" in words or ("learning" in words and "rate" in words):
        return LR
    if strength == 2:
        return METRIC
    if not _TIMING.isdisjoint(words):
        return TIMING
    return METRIC if _PROGRESS.isdisjoint(words) else PROGRESS
