"""Finds the clusters of this example; writes model.onnx and golden.json."""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
# What the clusters are called in serverless.yaml, by number.
CLUSTERS = ["medium", "small", "large"]
SMALL = [5.1, 3.5, 1.4, 0.2]
MEDIUM = [5.7, 2.8, 4.5, 1.3]
LARGE = [6.9, 3.1, 5.8, 2.1]


def main():
    data = load_iris().data
    estimator = KMeans(n_clusters=3, n_init=10, random_state=0).fit(data)
    by_petal_length = [CLUSTERS[index] for index in np.argsort(estimator.cluster_centers_[:, 2])]
    assert by_petal_length == ["small", "medium", "large"]
    model = to_onnx(estimator, data[:1].astype(np.float32), target_opset=golden.OPSETS)
    leave_out_distances(model.graph)
    golden.save_model(model, HERE / "model.onnx")
    golden.save_golden(HERE, "cluster", cases(), lambda rows: expected(estimator, rows), found)


def leave_out_distances(graph):
    """Remove the second output and the node that makes it: the answer is the cluster alone."""
    distances = graph.output[1]
    (maker,) = [node for node in graph.node if distances.name in node.output]
    graph.node.remove(maker)
    graph.output.remove(distances)


def cases():
    named = dict(zip(NAMES, MEDIUM))
    shuffled = dict(reversed(list(zip(NAMES, LARGE))))
    return [
        golden.one("features", {"features": SMALL}, SMALL),
        golden.one("features by name", {"features": named}, MEDIUM),
        golden.one("names in another order", shuffled, LARGE),
        golden.one("the tensor's name", {"X": LARGE}, LARGE),
        golden.one("below inputs", {"inputs": {"X": MEDIUM}}, MEDIUM),
        golden.batch("a batch", {"features": [SMALL, MEDIUM, LARGE]}, [SMALL, MEDIUM, LARGE]),
        golden.batch("a batch by name", {"features": [named, shuffled]}, [MEDIUM, LARGE]),
    ]


def expected(estimator, rows):
    return [CLUSTERS[index] for index in estimator.predict(rows)]


def found(outputs):
    (indices,) = outputs
    return [CLUSTERS[index] for index in indices]


if __name__ == "__main__":
    main()
