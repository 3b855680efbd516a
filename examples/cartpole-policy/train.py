"""Trains the Q-network of this example; writes model.onnx and golden.json.

Everything is NumPy: the cart and its pole, the network, and its training by double Q-learning.
"""

import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import golden  # noqa: E402

NAMES = ["position", "velocity", "angle", "angular_velocity"]
ACTIONS = ["left", "right"]
LONGEST = 500  # Steps of an episode.

# The cart-pole of Barto, Sutton and Anderson (1983), in metres, kilograms, seconds and radians.
GRAVITY, CART_MASS, POLE_MASS, HALF_POLE, FORCE, STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02
FURTHEST, STEEPEST = 2.4, np.deg2rad(12)

# Training. A step is worth 1 - DISCOUNT, so that values stay between 0 and 1.
CARTS, ROUNDS, MEMORY, SAMPLE = 32, 20_000, 50_000, 128
DISCOUNT, LEARNING_RATE, TARGET_RATE, HIDDEN = 0.99, 1e-3, 0.01, 32


def main():
    network = train(np.random.default_rng(0))
    returns = play(network, np.random.default_rng(1), 100)
    mean, least = returns.mean(), returns.min()
    print(f"mean return of 100 episodes: {mean:.1f} (least {least:.0f}, longest {LONGEST})")
    assert mean >= 195
    golden.save_model(inference_graph(network), HERE / "model.onnx")
    golden.save_golden(HERE, "policy", cases(), lambda rows: expected(network, rows), found)


def train(random):
    """The best network met in training, as [weights, biases, weights, biases, ...] in float32."""
    network = new_network(random)
    target, optimizer, memory = copy(network), Adam(network), Memory()
    best, best_return = network, -1.0
    carts, ages = start(random, CARTS), np.zeros(CARTS)
    for number in range(ROUNDS):
        explore = random.random(CARTS) < max(0.05, 1.0 - number / 2_000)
        actions = np.where(
            explore, random.integers(2, size=CARTS), values(network, carts).argmax(1)
        )
        after = move(carts, actions)
        memory.add(carts, actions, after, fallen(after))
        ages += 1
        over = fallen(after) | (ages >= LONGEST)
        carts = np.where(over[:, None], start(random, CARTS), after)
        ages[over] = 0
        optimizer.step(network, gradients(network, target, *memory.sample(random)))
        target = [old + TARGET_RATE * (new - old) for old, new in zip(target, network)]
        if number % 500 == 499:
            candidate = rounded(network)
            mean = play(candidate, np.random.default_rng(2), 200).mean()
            if mean > best_return:
                best, best_return = candidate, mean
            if best_return == LONGEST:
                break
    return best


def new_network(random):
    sizes = [len(NAMES), HIDDEN, HIDDEN, len(ACTIONS)]
    layers = zip(sizes, sizes[1:])
    return [
        part
        for a, b in layers
        for part in (random.normal(size=(a, b)) * np.sqrt(2 / a), np.zeros(b))
    ]


def copy(network):
    return [part.copy() for part in network]


def rounded(network):
    """The network as ONNX stores it."""
    return [part.astype(np.float32) for part in network]


def layers_of(network, rows):
    """What each layer puts out, the observations first."""
    outputs = [np.asarray(rows, dtype=np.float64)]
    pairs = list(zip(network[::2], network[1::2]))
    for index, (weights, biases) in enumerate(pairs):
        output = outputs[-1] @ weights.astype(np.float64) + biases
        outputs.append(output if index == len(pairs) - 1 else np.maximum(output, 0))
    return outputs


def values(network, rows):
    """The value [N, 2] of each action in each of the observed states."""
    return layers_of(network, rows)[-1]


def gradients(network, target, before, actions, after, ended):
    """Of the mean squared difference from a one-step look-ahead: double Q-learning."""
    chosen = values(network, after).argmax(1)
    ahead = np.take_along_axis(values(target, after), chosen[:, None], 1)[:, 0]
    wanted = (1 - DISCOUNT) + DISCOUNT * ahead * ~ended
    outputs = layers_of(network, before)
    rows = np.arange(len(actions))
    error = np.zeros_like(outputs[-1])
    error[rows, actions] = (outputs[-1][rows, actions] - wanted) / len(actions)
    found = []
    for index in reversed(range(len(network) // 2)):
        found[:0] = [outputs[index].T @ error, error.sum(0)]
        error = (error @ network[2 * index].T) * (outputs[index] > 0)
    return found


class Adam:
    """Kingma and Ba's optimiser."""

    def __init__(self, network):
        self.steps = 0
        self.first = [np.zeros_like(part) for part in network]
        self.second = [np.zeros_like(part) for part in network]

    def step(self, network, slopes):
        self.steps += 1
        for part, slope, first, second in zip(network, slopes, self.first, self.second):
            first += 0.1 * (slope - first)
            second += 0.001 * (slope**2 - second)
            scale = np.sqrt(second / (1 - 0.999**self.steps)) + 1e-8
            part -= LEARNING_RATE * first / (1 - 0.9**self.steps) / scale


class Memory:
    """The last steps of all carts."""

    def __init__(self):
        self.size = 0
        self.before = np.zeros((MEMORY, len(NAMES)))
        self.after = np.zeros((MEMORY, len(NAMES)))
        self.actions = np.zeros(MEMORY, dtype=int)
        self.ended = np.zeros(MEMORY, dtype=bool)

    def add(self, before, actions, after, ended):
        places = (self.size + np.arange(len(actions))) % MEMORY
        self.before[places], self.actions[places] = before, actions
        self.after[places], self.ended[places] = after, ended
        self.size += len(actions)

    def sample(self, random):
        places = random.integers(min(self.size, MEMORY), size=SAMPLE)
        return self.before[places], self.actions[places], self.after[places], self.ended[places]


def start(random, count):
    return random.uniform(-0.05, 0.05, size=(count, len(NAMES)))


def move(carts, actions):
    """The carts one step later, by Euler's method."""
    position, velocity, angle, angular = carts.T
    push = np.where(actions == 1, FORCE, -FORCE)
    sine, cosine = np.sin(angle), np.cos(angle)
    mass = CART_MASS + POLE_MASS
    thrust = (push + POLE_MASS * HALF_POLE * angular**2 * sine) / mass
    inertia = HALF_POLE * (4 / 3 - POLE_MASS * cosine**2 / mass)
    turning = (GRAVITY * sine - cosine * thrust) / inertia
    speeding = thrust - POLE_MASS * HALF_POLE * turning * cosine / mass
    change = np.stack([velocity, speeding, angular, turning], axis=1)
    return carts + STEP * change


def fallen(carts):
    return (np.abs(carts[:, 0]) > FURTHEST) | (np.abs(carts[:, 2]) > STEEPEST)


def play(network, random, episodes):
    """For how many steps the pole stays up, in each of some episodes."""
    carts, returns = start(random, episodes), np.zeros(episodes)
    standing = np.ones(episodes, dtype=bool)
    for _ in range(LONGEST):
        carts = move(carts, values(network, carts).argmax(1))
        returns += standing
        standing &= ~fallen(carts)
    return returns


def inference_graph(network):
    inputs = [helper.make_tensor_value_info("observation", TensorProto.FLOAT, ["N", len(NAMES)])]
    outputs = [helper.make_tensor_value_info("q_values", TensorProto.FLOAT, ["N", len(ACTIONS)])]
    names = [f"{part}_{layer}" for layer in (1, 2, 3) for part in ("weights", "biases")]
    initializers = [numpy_helper.from_array(part, name) for part, name in zip(network, names)]
    nodes = [
        helper.make_node("Gemm", ["observation", "weights_1", "biases_1"], ["sum_1"]),
        helper.make_node("Relu", ["sum_1"], ["hidden_1"]),
        helper.make_node("Gemm", ["hidden_1", "weights_2", "biases_2"], ["sum_2"]),
        helper.make_node("Relu", ["sum_2"], ["hidden_2"]),
        helper.make_node("Gemm", ["hidden_2", "weights_3", "biases_3"], ["q_values"]),
    ]
    graph = helper.make_graph(nodes, "cartpole-policy", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def cases():
    upright = [0.0, 0.0, 0.0, 0.0]
    to_the_left = [0.1, -0.2, -0.08, -0.4]
    to_the_right = [0.02, 0.3, 0.1, 0.8]
    named = dict(zip(NAMES, to_the_left))
    shuffled = dict(reversed(list(zip(NAMES, to_the_right))))
    return [
        golden.one("features", {"features": to_the_right}, to_the_right),
        golden.one("features by name", {"features": named}, to_the_left),
        golden.one("names in another order", shuffled, to_the_right),
        golden.one("the tensor's name", {"observation": upright}, upright),
        golden.one("below inputs", {"inputs": {"observation": to_the_left}}, to_the_left),
        golden.batch(
            "a batch",
            {"features": [to_the_left, upright, to_the_right]},
            [to_the_left, upright, to_the_right],
        ),
        golden.batch(
            "a batch by name", {"observation": [named, shuffled]}, [to_the_left, to_the_right]
        ),
    ]


def expected(network, rows):
    return decisions(values(network, rows))


def found(outputs):
    (q_values,) = outputs
    return decisions(q_values)


def decisions(q_values):
    return [
        {"label": ACTIONS[row.argmax()], "scores": dict(zip(ACTIONS, map(float, row)))}
        for row in q_values
    ]


if __name__ == "__main__":
    main()
