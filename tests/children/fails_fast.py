"""fails_fast.py: a traceback and exit status 1, within 10 ms of the interpreter's start."""


def train() -> None:
    raise ValueError("the training data has no labels")


train()
