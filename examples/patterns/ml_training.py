"""Train and choose a model with sub-flows: prepare, a sub-flow for each candidate, evaluate.

The model is k nearest neighbours, in a few lines of Python; the flowers are Fisher's irises.
"""

import json
import random
from collections import Counter
from math import dist

from datasets import dataset

from penstock import flow, task

Flower = tuple[list[float], str]
MEASURES = ("sepalLength", "sepalWidth", "petalLength", "petalWidth")


@task
def load() -> list[Flower]:
    """Read the irises."""
    rows = json.loads(dataset("iris.json").read_text())
    return [([row[measure] for measure in MEASURES], row["species"]) for row in rows]


@task
def split(flowers: list[Flower], seed: int, parts: int) -> list[list[Flower]]:
    """Shuffle, and cut into parts of one size."""
    shuffled = random.Random(seed).sample(flowers, k=len(flowers))
    return [shuffled[part::parts] for part in range(parts)]


@task(task_run_name="fold {fold} with k={k}")
def score(fold: int, folds: list[list[Flower]], k: int) -> float:
    """Return how much of one part is told right by a model of the others."""
    known = [flower for part in folds if part is not folds[fold] for flower in part]
    right = sum(species == predict(known, measures, k) for measures, species in folds[fold])
    return right / len(folds[fold])


def predict(known: list[Flower], measures: list[float], k: int) -> str:
    """Return what most of the nearest neighbours are."""
    nearest = sorted(known, key=lambda flower: dist(flower[0], measures))[:k]
    return Counter(species for _, species in nearest).most_common(1)[0][0]


@flow(flow_run_name="k={k}")
def cross_validate(folds: list[list[Flower]], k: int) -> float:
    """Return the accuracy of one candidate."""
    scores = [score.submit(fold, folds, k) for fold in range(len(folds))]
    return sum(future.result() for future in scores) / len(folds)


@flow(log_prints=True)
def train(candidates: list[int] | None = None, seed: int = 7) -> dict[str, float]:
    """Choose the best k, and return it with its accuracy."""
    folds = split(load(), seed, parts=5)
    accuracies = {k: cross_validate(folds, k) for k in candidates or [1, 5, 15, 75]}
    best = max(accuracies, key=lambda k: accuracies[k])
    print(f"k={best} tells {accuracies[best]:.1%} of the irises right")
    return {"k": best, "accuracy": accuracies[best]}


if __name__ == "__main__":
    print(train())
