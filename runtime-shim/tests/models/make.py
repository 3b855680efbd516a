"""Makes the models of the shim's tests: small, and the same bytes on every run.

    python -m venv /tmp/venv && /tmp/venv/bin/pip install -r requirements.txt
    /tmp/venv/bin/python make.py
"""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

HERE = Path(__file__).parent
TYPES = {
    "bool": TensorProto.BOOL,
    "int8": TensorProto.INT8,
    "int16": TensorProto.INT16,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "uint8": TensorProto.UINT8,
    "uint16": TensorProto.UINT16,
    "uint32": TensorProto.UINT32,
    "uint64": TensorProto.UINT64,
    "float16": TensorProto.FLOAT16,
    "bfloat16": TensorProto.BFLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "string": TensorProto.STRING,
}


def save(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    opset = helper.make_opsetid("", 21)
    model = helper.make_model(graph, producer_name="mlfn", opset_imports=[opset], ir_version=10)
    onnx.checker.check_model(model)
    write(name, model)


def write(name, model):
    # Some exporters keep these in a set.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def identity(name, kind, shape):
    save(
        name,
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", kind, shape)],
        [tensor("y", kind, shape)],
    )


def of_requests(name):
    """The model that a file of `tests/requests` describes, if it has one input."""
    lines = (HERE.parent / "requests" / f"{name}.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("input "))
    _, tensor_name, kind, shape = line.split(" ", 3)
    assert tensor_name == "x"
    dims = [None if dim == "?" else int(dim) if dim.isdigit() else dim for dim in shape[1:-1].split(", ")]
    identity(f"requests_{name}", TYPES[kind], dims)


def two_inputs():
    """total = sum of a over its columns + b, for as many rows as both have."""
    save(
        "two_inputs",
        [
            helper.make_node("Cast", ["b"], ["b_float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceSum", ["a", "axis"], ["a_sum"], keepdims=1),
            helper.make_node("Add", ["a_sum", "b_float"], ["total"]),
        ],
        [
            tensor("a", TensorProto.FLOAT, ["batch", 2]),
            tensor("b", TensorProto.INT64, ["batch", 1]),
        ],
        [tensor("total", TensorProto.FLOAT, ["batch", 1])],
        [helper.make_tensor("axis", TensorProto.INT64, [1], [1])],
    )


def sequence_of_tensors():
    save(
        "sequence_of_tensors",
        [helper.make_node("SplitToSequence", ["x"], ["parts"], axis=0, keepdims=0)],
        [tensor("x", TensorProto.FLOAT, ["N", 2])],
        [helper.make_tensor_sequence_value_info("parts", TensorProto.FLOAT, [2])],
    )


def unsupported():
    save(
        "sequence_input",
        [helper.make_node("SequenceLength", ["items"], ["count"])],
        [helper.make_tensor_sequence_value_info("items", TensorProto.FLOAT, None)],
        [tensor("count", TensorProto.INT64, [])],
    )
    of = helper.make_tensor_type_proto(TensorProto.FLOAT, ["N"])
    save(
        "optional_input",
        [helper.make_node("OptionalHasElement", ["maybe"], ["there"])],
        [helper.make_value_info("maybe", helper.make_optional_type_proto(of))],
        [tensor("there", TensorProto.BOOL, [])],
    )
    save(
        "float8_input",
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
        [tensor("x", TensorProto.FLOAT8E4M3FN, ["N"])],
        [tensor("y", TensorProto.FLOAT, ["N"])],
    )


def failing():
    """Loads, and fails for every number of values but four."""
    save(
        "reshape",
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [tensor("x", TensorProto.FLOAT, ["N"])],
        [tensor("y", TensorProto.FLOAT, [2, 2])],
        [helper.make_tensor("shape", TensorProto.INT64, [2], [2, 2])],
    )


def slow():
    """Counts to n: takes as long as one wants."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["condition_in"], ["condition_out"]),
            helper.make_node("Add", ["count_in", "one"], ["count_out"]),
        ],
        "body",
        [
            tensor("iteration", TensorProto.INT64, []),
            tensor("condition_in", TensorProto.BOOL, []),
            tensor("count_in", TensorProto.INT64, []),
        ],
        [
            tensor("condition_out", TensorProto.BOOL, []),
            tensor("count_out", TensorProto.INT64, []),
        ],
        [helper.make_tensor("one", TensorProto.INT64, [], [1])],
    )
    save(
        "slow",
        [helper.make_node("Loop", ["n", "", "zero"], ["count"], body=body)],
        [tensor("n", TensorProto.INT64, [])],
        [tensor("count", TensorProto.INT64, [])],
        [helper.make_tensor("zero", TensorProto.INT64, [], [0])],
    )


def hungry():
    """Answers n numbers: takes as much memory as one wants."""
    save(
        "hungry",
        [helper.make_node("ConstantOfShape", ["n"], ["y"])],
        [tensor("n", TensorProto.INT64, [1])],
        [tensor("y", TensorProto.FLOAT, [None])],
    )


def scikit_learn():
    features = np.array([[0, 0], [0, 1], [5, 5], [5, 6], [9, 0], [9, 1]], dtype=np.float32)
    classes = np.array([0, 0, 1, 1, 2, 2])
    names = np.array(["ant", "ant", "bee", "bee", "cow", "cow"])
    integers = LogisticRegression().fit(features, classes)
    texts = LogisticRegression().fit(features, names)
    options = {id(integers): {"zipmap": False}}
    regressor = LinearRegression().fit(features, features.sum(axis=1))
    kmeans = KMeans(3, n_init=1, random_state=0).fit(features)
    expect(integers, texts, regressor, kmeans)
    for name, model, options in [
        ("classifier_int", integers, None),
        ("classifier_string", texts, None),
        ("classifier_tensor", integers, options),
        ("regressor", regressor, None),
        ("kmeans", kmeans, None),
    ]:
        write(name, to_onnx(model, features[:1], options=options, target_opset=21, name=name))


def trees():
    """Ensembles of trees that answer numbers: one, two, and what their average and an offset make."""
    features = np.random.default_rng(0).uniform(-1, 1, (200, 3)).astype(np.float32)
    one = features[:, 0] * 3 + np.sin(5 * features[:, 1]) * 10 + features[:, 2]
    two = np.stack([one, -2 * one], axis=1)
    forest = RandomForestRegressor(6, max_depth=3, random_state=0).fit(features, one)
    boosted = GradientBoostingRegressor(n_estimators=6, max_depth=3, random_state=0)
    extra = ExtraTreesRegressor(5, max_depth=3, random_state=0).fit(features, two)
    for name, model, changed in [
        ("trees_forest", forest, {"aggregate_function": "SUM"}),
        ("trees_boosted", boosted.fit(features, one), {}),
        ("trees_two", extra, {}),
        ("trees_average", extra, {"aggregate_function": "AVERAGE", "base_values": [0.5, -1.0]}),
    ]:
        made = to_onnx(model, features[:1], target_opset=21, name=name)
        (node,) = made.graph.node
        for key, value in changed.items():
            node.attribute.append(helper.make_attribute(key, value))
        onnx.checker.check_model(made)
        write(name, made)


def expect(integers, texts, regressor, kmeans):
    """What scikit-learn itself says of some rows."""
    rows = np.array([[0.5, 0.5], [4, 6], [8, 1]], dtype=np.float32)
    expected = {
        "rows": rows.tolist(),
        "integers": integers.predict(rows).tolist(),
        "texts": texts.predict(rows).tolist(),
        "probabilities": integers.predict_proba(rows).round(6).tolist(),
        "numbers": regressor.predict(rows).round(6).tolist(),
        "clusters": kmeans.predict(rows).tolist(),
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


def main():
    for name, kind in TYPES.items():
        identity(f"identity_{name}", kind, ["N", "M"])
    identity("scalar", TensorProto.FLOAT, [])
    # Its output is its input, not a copy.
    same = tensor("x", TensorProto.FLOAT, ["N", "M"])
    save("same", [], [same], [same])
    identity("rank4", TensorProto.FLOAT, ["N", 1, 2, 2])
    for name in ["floats", "int64", "names", "string"]:
        of_requests(name)
    two_inputs()
    sequence_of_tensors()
    unsupported()
    failing()
    slow()
    hungry()
    scikit_learn()
    trees()
    whole = (HERE / "regressor.onnx").read_bytes()
    (HERE / "broken.onnx").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main()
