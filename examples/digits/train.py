"""Train a small neural network on scikit-learn's handwritten digits: one line and one weight file per epoch.

An ordinary training script: it knows nothing of kwrap. Equal options give equal lines and equal weight files.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Weights = dict[str, Array]

BATCH_SIZE = 4
VALIDATION_SHARE = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=0.02, help="learning rate")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hidden", type=int, default=64, help="units of the hidden layer")
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    train_images, train_labels, val_images, val_labels = load(rng)
    weights = initial_weights(rng, train_images.shape[1], options.hidden, 10)
    os.makedirs("weights", exist_ok=True)
    for epoch in range(1, options.epochs + 1):
        train_loss = train_one_epoch(weights, train_images, train_labels, options.lr, rng)
        val_loss, val_accuracy = evaluate(weights, val_images, val_labels)
        print(
            f"epoch {epoch}/{options.epochs} train_loss: {train_loss:.4f} "
            f"val_loss: {val_loss:.4f} val_accuracy: {val_accuracy:.4f}"
        )
        save(weights, f"weights/epoch-{epoch:02d}.npz")


def load(rng: np.random.Generator) -> tuple[Array, Labels, Array, Labels]:
    """Training images, also moved by a pixel in every direction, and held-out images as they are."""
    digits = load_digits()
    images, labels = digits.images / 16.0, digits.target
    order = rng.permutation(len(images))
    held_out = int(len(images) * VALIDATION_SHARE)
    val, train = order[:held_out], order[held_out:]
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = np.concatenate([np.roll(images[train], move, axis=(1, 2)) for move in moves])
    return (
        moved.reshape(len(moved), -1),
        np.tile(labels[train], len(moves)),
        images[val].reshape(held_out, -1),
        labels[val],
    )


def initial_weights(rng: np.random.Generator, inputs: int, hidden: int, classes: int) -> Weights:
    return {
        "w1": rng.normal(0.0, np.sqrt(2.0 / inputs), (inputs, hidden)),
        "b1": np.zeros(hidden),
        "w2": rng.normal(0.0, np.sqrt(2.0 / hidden), (hidden, classes)),
        "b2": np.zeros(classes),
    }


def forward(weights: Weights, images: Array) -> tuple[Array, Array]:
    """Hidden activations and class probabilities."""
    hidden = np.maximum(images @ weights["w1"] + weights["b1"], 0.0)
    scores = hidden @ weights["w2"] + weights["b2"]
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, scores / scores.sum(axis=1, keepdims=True)


def cross_entropy(probabilities: Array, labels: Labels) -> float:
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())


def train_one_epoch(weights: Weights, images: Array, labels: Labels, lr: float, rng: np.random.Generator) -> float:
    """Stochastic gradient descent over all images once, in place; the mean loss of the batches."""
    losses = []
    order = rng.permutation(len(images))
    for start in range(0, len(order), BATCH_SIZE):
        batch = order[start : start + BATCH_SIZE]
        hidden, probabilities = forward(weights, images[batch])
        losses.append(cross_entropy(probabilities, labels[batch]))
        error = probabilities
        error[np.arange(len(batch)), labels[batch]] -= 1.0
        error /= len(batch)
        back = (error @ weights["w2"].T) * (hidden > 0)
        weights["w2"] -= lr * hidden.T @ error
        weights["b2"] -= lr * error.sum(axis=0)
        weights["w1"] -= lr * images[batch].T @ back
        weights["b1"] -= lr * back.sum(axis=0)
    return float(np.mean(losses))


def evaluate(weights: Weights, images: Array, labels: Labels) -> tuple[float, float]:
    """Loss and accuracy."""
    _, probabilities = forward(weights, images)
    return cross_entropy(probabilities, labels), float((probabilities.argmax(axis=1) == labels).mean())


def save(weights: Weights, path: str) -> None:
    """Written beside and renamed, so that nobody ever sees half a file."""
    with open(path + ".tmp", "wb") as file:
        np.savez(file, **weights)
    os.replace(path + ".tmp", path)


if __name__ == "__main__":
    main()
