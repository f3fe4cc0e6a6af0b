#!/usr/bin/python3
"""The steps of bench.c in PyTorch, eager, on one thread: the same names, networks, batches and losses.

    bench_torch.py [--rounds N] [--time SECONDS] [--only TEXT]

Prints JSON lines {"name", "us"}: the median over rounds, each of which repeats every step, in shuffled order, as
often as fills --time. The scalar networks are written as bench.c writes them, with one tensor a scalar: they are
slow, and one run fills a round.
"""
import argparse
import json
import random
import statistics
import time

import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
torch.manual_seed(1)

WIDTH = [2, 16, 16, 1]
SAMPLES = 100


def by_operations(w, x, b):
    for wi, xi in zip(w, x):
        b = b + wi * xi
    return b


def by_dot(w, x, b):
    return torch.dot(w, x) + b


def moons(affine):
    """Forward and backward of the scalar network; affine: a neuron's sum is one dot product."""
    kind = torch.float64
    layers = []
    for n_in, n_out in zip(WIDTH, WIDTH[1:]):
        units = []
        for _ in range(n_out):
            w = 0.5 * torch.randn(n_in, dtype=kind)
            w = w.requires_grad_() if affine else [v.clone().requires_grad_() for v in w]
            units.append((w, torch.randn((), dtype=kind).requires_grad_()))
        layers.append(units)
    leaves = [p for units in layers for w, b in units for p in ([w] if affine else w) + [b]]
    points = torch.randn(SAMPLES, WIDTH[0], dtype=kind)
    points = list(points) if affine else [list(x) for x in points]
    signs = [1.0 if i % 2 else -1.0 for i in range(SAMPLES)]

    def step():
        loss = torch.zeros((), dtype=kind)
        for x, sign in zip(points, signs):
            for depth, units in enumerate(layers):
                if affine:
                    y = [by_dot(w, x, b) for w, b in units]
                else:
                    y = [by_operations(w, x, b) for w, b in units]
                if depth + 1 < len(layers):
                    y = [torch.relu(v) for v in y]
                x = torch.stack(y) if affine else y
            loss = loss + torch.relu(1.0 - sign * x[0])
        loss = loss * (1.0 / SAMPLES)
        for p in leaves:
            p.grad = None
        loss.backward()

    return step


def mlp(size, batch, make_optimiser):
    """Forward, cross-entropy, backward and one update of a multi-layer perceptron with ReLU."""
    layers = []
    for n_in, n_out in zip(size, size[1:]):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    optimiser = make_optimiser(network.parameters())
    x = torch.randn(batch, size[0])
    target = torch.randint(size[-1], (batch,))

    def step():
        loss = functional.cross_entropy(network(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def network(layers, x, classes):
    """Forward, cross-entropy of every answer, backward and one update of Adam."""
    net = layers if isinstance(layers, nn.Module) else nn.Sequential(*layers)
    optimiser = adam(net.parameters())
    target = torch.randint(classes, (net(x).numel() // classes,))

    def step():
        loss = functional.cross_entropy(net(x).reshape(-1, classes), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def cnn():
    layers = [nn.Conv2d(1, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Linear(32 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10)]
    return network(layers, torch.randn(64, 1, 28, 28), 10)


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.body, self.head = nn.Embedding(65, 96), nn.LSTM(96, 128, batch_first=True), nn.Linear(128, 65)

    def forward(self, x):
        return self.head(self.body(self.embedding(x))[0])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        block = nn.TransformerEncoderLayer(96, 3, 384, 0.0, "gelu", batch_first=True, norm_first=True)
        self.embedding, self.head = nn.Embedding(65, 96), nn.Linear(96, 65)
        self.body = nn.TransformerEncoder(block, 2, nn.LayerNorm(96))
        self.mask = nn.Transformer.generate_square_subsequent_mask(64)

    def forward(self, x):
        return self.head(self.body(self.embedding(x), self.mask))


def texts():
    return torch.randint(65, (16, 64))


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=1e-3)


def adam(parameters):
    return torch.optim.Adam(parameters, lr=1e-3)


SMALL, LARGE = [2, 16, 16, 2], [784, 512, 512, 10]
CASES = {
    "moons scalar, operations": lambda: moons(False),
    "moons scalar, affine": lambda: moons(True),
    "mlp 2-16-16-2, batch 1, sgd": lambda: mlp(SMALL, 1, sgd),
    "mlp 2-16-16-2, batch 1, adam": lambda: mlp(SMALL, 1, adam),
    "mlp 2-16-16-2, batch 100, sgd": lambda: mlp(SMALL, 100, sgd),
    "mlp 2-16-16-2, batch 100, adam": lambda: mlp(SMALL, 100, adam),
    "mlp 784-512-512-10, batch 128, sgd": lambda: mlp(LARGE, 128, sgd),
    "mlp 784-512-512-10, batch 128, adam": lambda: mlp(LARGE, 128, adam),
    "cnn 16-32 maps of 5x5, batch 64, adam": cnn,
    "lstm 96-128, 16 x 64 steps, adam": lambda: network(Lstm(), texts(), 65),
    "transformer 2 x 96, 16 x 64, adam": lambda: network(Transformer(), texts(), 65),
}


def time_s(step, repeat):
    began = time.perf_counter()
    for _ in range(repeat):
        step()
    return (time.perf_counter() - began) / repeat


def calibrate(step, seconds):
    """How many runs fill `seconds`; this also warms up."""
    repeat = 1
    while time_s(step, repeat) * repeat < 0.5 * seconds:
        repeat *= 2
    return repeat


def main():
    parser = argparse.ArgumentParser(description="bench.c's steps in PyTorch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--time", type=float, default=0.02)
    parser.add_argument("--only", default="")
    options = parser.parse_args()

    chosen = [name for name in CASES if options.only in name]
    steps = {name: CASES[name]() for name in chosen}
    repeat = {name: calibrate(steps[name], options.time) for name in chosen}
    times = {name: [] for name in chosen}
    for _ in range(options.rounds):
        random.shuffle(chosen)
        for name in chosen:
            times[name].append(time_s(steps[name], repeat[name]))
    for name in steps:
        print(json.dumps({"name": name, "us": 1e6 * statistics.median(times[name])}), flush=True)


main()
