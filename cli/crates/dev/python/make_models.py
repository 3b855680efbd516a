"""Writes the larger models that benchmarks need. Nothing of it is committed.

    python3 make_models.py FOLDER                       all of forest, mobilenet, transformer
    python3 make_models.py FOLDER forest                one of them
    python3 make_models.py FOLDER --weights 500MB       a file with that many bytes of weights
    python3 make_models.py FOLDER --weights 3GB --external

- `forest.onnx`: a random forest of 300 trees on scikit-learn's digits, by skl2onnx.
- `mobilenet.onnx`: a network of the shape of MobileNetV2 (14 MB).
- `transformer.onnx`: a text encoder of 6 layers with 384 channels, and its embeddings (90 MB).
- `weights-<size>.onnx`: a chain of matrices, written piece by piece, so that memory stays small.

But for the forest, weights are random; the shapes alone decide how long loading and computing take.
The same versions of the packages write the same bytes each time. Needs the packages of
`examples/requirements.txt`; the forest alone needs scikit-learn and skl2onnx.
"""

import argparse
import re
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
IR_VERSION = 10
PRODUCER = "mlfn-dev"
KINDS = ["forest", "mobilenet", "transformer"]
UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}

# Protobuf refuses messages of 2 GiB; the rest of a chain's file takes far less than this.
LARGEST_INLINE = 2**31 - 2**20


def main():
    arguments = parse()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    makers = {"forest": forest, "mobilenet": mobilenet, "transformer": transformer}
    kinds = arguments.kinds or ([] if arguments.weights else KINDS)
    for kind in kinds:
        path = arguments.folder / f"{kind}.onnx"
        path.write_bytes(makers[kind]().SerializeToString(deterministic=True))
        report(path)
    if arguments.weights:
        path = arguments.folder / f"weights-{arguments.weights}.onnx"
        write_chain(path, byte_count(arguments.weights), arguments.external)
        report(path)


def parse():
    parser = argparse.ArgumentParser(description="Writes models for benchmarks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--weights", metavar="SIZE", help="e.g. 500MB; rounded down to 4 kB")
    parser.add_argument("--external", action="store_true", help="weights in a file of their own")
    arguments = parser.parse_args()
    for kind in arguments.kinds:
        if kind not in KINDS:
            parser.error(f"{kind} is not one of {', '.join(KINDS)}")
    if arguments.weights:
        size = byte_count(arguments.weights)
        if not size or size < Chain.ROW_BYTES:
            parser.error(f"{arguments.weights} is not a size from 4KB on, such as 500MB or 1GiB")
        if size > LARGEST_INLINE and not arguments.external:
            parser.error(
                f"an ONNX file holds less than 2 GiB; add --external for {arguments.weights}"
            )
    return arguments


def byte_count(text):
    """The bytes of `500MB` or `1GiB`; None for anything else."""
    match = re.fullmatch(r"(\d+)([A-Za-z]+)", text)
    unit = match and UNITS.get(match[2].upper())
    return unit and int(match[1]) * unit


def report(path):
    print(f"{path}: {path.stat().st_size} bytes")


def forest():
    """A random forest of 300 trees, as people train and export it."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    digits = load_digits()
    estimator = RandomForestClassifier(n_estimators=300, random_state=0)
    estimator.fit(digits.data, digits.target)
    sample = digits.data[:1].astype(np.float32)
    model = to_onnx(estimator, sample, target_opset={"": OPSET, "ai.onnx.ml": 3})
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    model.producer_name, model.producer_version, model.graph.name = PRODUCER, "", "forest"
    return model


class Graph:
    """A graph under construction: each method adds a node and gives the name of its output."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.initializers = []

    def weights(self, *shape):
        """Random numbers of the scale that keeps the variance, for a layer of that shape."""
        fan_in = max(1, int(np.prod(shape[1:])) if len(shape) == 4 else shape[0])
        values = self.random.standard_normal(shape, dtype=np.float32) / np.float32(fan_in**0.5)
        return self.constant(values)

    def constant(self, values, dtype=np.float32):
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype=dtype), name))
        return name

    def integers(self, *values):
        return self.constant(values, np.int64)

    def add(self, operator, *inputs, **attributes):
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name

    def linear(self, rows, width_in, width_out):
        """Rows times a matrix, plus a bias."""
        product = self.add("MatMul", rows, self.weights(width_in, width_out))
        return self.add("Add", product, self.constant(np.zeros(width_out)))

    def model(self, name, inputs, output):
        """The finished model; `output` is (name, shape) of a tensor of floats."""
        result, shape = output
        self.nodes.append(helper.make_node("Identity", [result], ["output"], "output"))
        outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, self.initializers)
        model = finished(graph)
        onnx.checker.check_model(model, full_check=True)
        return model


def finished(graph):
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=PRODUCER
    )


# Sandler et al. (2018), table 2: how much wider inside, channels, blocks, stride of the first.
BOTTLENECKS = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
]  # fmt: skip


def mobilenet():
    """Images [N, 3, 224, 224] to scores [N, 1000], normalisation folded into the convolutions."""
    graph = Graph(seed=1)
    limits = graph.constant(0), graph.constant(6)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 224, 224])
    current = clipped(graph, convolution(graph, "image", 3, 32, size=3, stride=2), limits)
    width = 32
    for expansion, channels, blocks, first_stride in BOTTLENECKS:
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            shape = (width, channels, expansion, stride)
            current = bottleneck(graph, current, shape, limits)
            width = channels
    current = clipped(graph, convolution(graph, current, width, 1280), limits)
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", current))
    scores = graph.linear(pooled, 1280, 1000)
    return graph.model("mobilenet", [image], (scores, ["N", 1000]))


def bottleneck(graph, inputs, shape, limits):
    """Widen, filter each channel for itself, narrow; add the inputs where the shapes allow it."""
    width, channels, expansion, stride = shape
    inside = width * expansion
    current = inputs
    if expansion > 1:
        current = clipped(graph, convolution(graph, current, width, inside), limits)
    filtered = convolution(graph, current, inside, inside, size=3, stride=stride, groups=inside)
    narrow = convolution(graph, clipped(graph, filtered, limits), inside, channels)
    unchanged = stride == 1 and width == channels
    return graph.add("Add", inputs, narrow) if unchanged else narrow


def convolution(graph, inputs, width_in, width_out, *, size=1, stride=1, groups=1):
    weights = graph.weights(width_out, width_in // groups, size, size)
    bias = graph.constant(np.zeros(width_out))
    edge = size // 2
    return graph.add(
        "Conv", inputs, weights, bias, kernel_shape=[size, size], strides=[stride, stride],
        pads=[edge] * 4, group=groups,
    )  # fmt: skip


def clipped(graph, inputs, limits):
    return graph.add("Clip", inputs, *limits)


WORDS, PLACES, WIDTH, HEADS, LAYERS = 30_522, 512, 384, 12, 6


def transformer():
    """Token numbers and their mask [N, S] to one vector [N, 384] for each text."""
    graph = Graph(seed=2)
    shape = ["N", "S"]
    inputs = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, shape),
        helper.make_tensor_value_info("attention_mask", TensorProto.INT64, shape),
    ]
    mask = graph.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    current = normalized(graph, embedded(graph))
    hidden = masked_scores(graph, mask)
    for _ in range(LAYERS):
        attended = graph.add("Add", current, attention(graph, current, hidden))
        current = normalized(graph, attended)
        wide = graph.add("Gelu", graph.linear(current, WIDTH, 4 * WIDTH))
        current = normalized(graph, graph.add("Add", current, graph.linear(wide, 4 * WIDTH, WIDTH)))
    return graph.model("transformer", inputs, (pooled(graph, current, mask), ["N", WIDTH]))


def embedded(graph):
    """The vectors of the words, plus those of their places."""
    words = graph.add("Gather", graph.weights(WORDS, WIDTH), "input_ids")
    length = graph.add("Shape", "input_ids", start=1, end=2)
    places = graph.add("Slice", graph.weights(PLACES, WIDTH), graph.integers(0), length)
    return graph.add("Add", words, places)


def normalized(graph, rows):
    scale, bias = graph.constant(np.ones(WIDTH)), graph.constant(np.zeros(WIDTH))
    return graph.add("LayerNormalization", rows, scale, bias, axis=-1)


def masked_scores(graph, mask):
    """What is added to attention scores: 0 for words, a large negative number for padding."""
    padding = graph.add("Sub", graph.constant(1), mask)
    return graph.add(
        "Unsqueeze", graph.add("Mul", padding, graph.constant(-1e9)), graph.integers(1, 2)
    )


def attention(graph, rows, hidden):
    """Attention of Vaswani et al. (2017), with several heads."""
    split = graph.integers(0, 0, HEADS, WIDTH // HEADS)
    queries, keys, values = (
        graph.add("Reshape", graph.linear(rows, WIDTH, WIDTH), split) for _ in range(3)
    )
    queries = graph.add("Transpose", queries, perm=[0, 2, 1, 3])
    keys = graph.add("Transpose", keys, perm=[0, 2, 3, 1])
    values = graph.add("Transpose", values, perm=[0, 2, 1, 3])
    scale = graph.constant((WIDTH // HEADS) ** -0.5)
    scores = graph.add("Mul", graph.add("MatMul", queries, keys), scale)
    shares = graph.add("Softmax", graph.add("Add", scores, hidden), axis=-1)
    mixed = graph.add("Transpose", graph.add("MatMul", shares, values), perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", mixed, graph.integers(0, 0, WIDTH))
    return graph.linear(joined, WIDTH, WIDTH)


def pooled(graph, rows, mask):
    """The mean over the words of each text, without padding."""
    column = graph.add("Unsqueeze", mask, graph.integers(2))
    axis = graph.integers(1)
    total = graph.add("ReduceSum", graph.add("Mul", rows, column), axis, keepdims=0)
    return graph.add("Div", total, graph.add("ReduceSum", column, axis, keepdims=0))


class Chain:
    """Matrices of 1000 rows, multiplied one after the other: as many columns as bytes allow."""

    ROWS = 1000
    ROW_BYTES = 4 * ROWS

    def __init__(self, size):
        columns = size // self.ROW_BYTES
        self.columns = [self.ROWS] * (columns // self.ROWS)
        if columns % self.ROWS:
            self.columns.append(columns % self.ROWS)

    def matrices(self):
        """For each matrix its name, its shape, its place among all bytes, and how many it has."""
        place = 0
        for index, columns in enumerate(self.columns):
            size = columns * self.ROW_BYTES
            yield f"matrix_{index}", (self.ROWS, columns), place, size
            place += size

    def nodes(self):
        current = "features"
        for index in range(len(self.columns)):
            last = index == len(self.columns) - 1
            product = "output" if last else f"product_{index}"
            yield helper.make_node("MatMul", [current, f"matrix_{index}"], [product])
            current = product


def write_chain(path, size, external):
    """Write a chain of `size` bytes of weights, holding no more than one matrix in memory."""
    chain = Chain(size)
    graph = helper.make_graph(
        list(chain.nodes()), "weights", chain_inputs(), chain_outputs(chain), []
    )
    if external:
        data = path.with_name(path.name + ".data")
        graph.initializer.extend(outside(tensor, data.name) for tensor in chain.matrices())
        path.write_bytes(finished(graph).SerializeToString(deterministic=True))
        with data.open("wb") as file:
            for weights in chain_weights(chain):
                file.write(weights)
    else:
        with path.open("wb") as file:
            write_inline(file, chain, graph)


def chain_inputs():
    return [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", Chain.ROWS])]


def chain_outputs(chain):
    shape = ["N", chain.columns[-1]]
    return [helper.make_tensor_value_info("output", TensorProto.FLOAT, shape)]


def chain_weights(chain):
    random = np.random.default_rng(3)
    scale = np.float32(Chain.ROWS**-0.5)
    for _, shape, _, _ in chain.matrices():
        yield (random.standard_normal(shape, dtype=np.float32) * scale).tobytes()


def outside(matrix, file_name):
    """A tensor whose bytes are in another file."""
    name, shape, place, size = matrix
    tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file_name), ("offset", place), ("length", size)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def write_inline(file, chain, graph):
    """Write a model whose tensors hold their bytes.

    Protobuf puts the length of a message before it, and the fields of a message may come in pieces
    one after the other. So the lengths are computed, and the weights written as they are made.
    """
    heads = [tensor_head(matrix) for matrix in chain.matrices()]
    sizes = [size for _, _, _, size in chain.matrices()]
    rest = graph.SerializeToString(deterministic=True)
    length = len(rest) + sum(len(head) + size for head, size in zip(heads, sizes, strict=True))
    model = finished(onnx.GraphProto())
    model.ClearField("graph")
    file.write(model.SerializeToString(deterministic=True))
    file.write(field_head(onnx.ModelProto, "graph", length))
    file.write(rest)
    for head, weights in zip(heads, chain_weights(chain), strict=True):
        file.write(head)
        file.write(weights)


def tensor_head(matrix):
    """All of an initializer in a graph that comes before its bytes."""
    name, shape, _, size = matrix
    tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
    inside = tensor.SerializeToString(deterministic=True)
    inside += field_head(TensorProto, "raw_data", size)
    return field_head(onnx.GraphProto, "initializer", len(inside) + size) + inside


def field_head(message, field, length):
    """The tag and length of a field of bytes or of a message, in protobuf's wire format."""
    length_delimited = 2
    number = message.DESCRIPTOR.fields_by_name[field].number
    return varint(number << 3 | length_delimited) + varint(length)


def varint(number):
    """A number in groups of 7 bits, the lowest first; the top bit says that more follow."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


if __name__ == "__main__":
    main()
