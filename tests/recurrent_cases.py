"""Reference values of recurrent networks, for tests/data/conformance/recurrent.json.

    recurrent_cases.py FILE > NEW

reads cases of the form that data/conformance/README.md describes, keeps their operands, attributes and cotangents, and
computes outputs and gradients again with PyTorch. The six cases of RNN, GRU and LSTM as first published do not follow
from their own operands: their weights' gradients are exactly zero, and PyTorch run on these operands disagrees by 0.3
to 1.7, for torch.nn modules keep a flat list of weights of their own that the substitution of parameters missed. Cases
of other operations pass through unchanged. Needs python3-torch.
"""
import json
import sys

import torch

MODULES = {"rnn_tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def to_tensor(array):
    return torch.tensor([float(x) for x in array["data"]], dtype=torch.float64).reshape(array["shape"])


def to_array(tensor):
    return {"shape": list(tensor.shape), "kind": "f64", "data": tensor.detach().reshape(-1).tolist()}


def recompute(case):
    attrs = case["attrs"]
    x, *weights = (to_tensor(a) for a in case["inputs"])
    module = MODULES[case["op"]](attrs["input_size"], attrs["hidden_size"], attrs["num_layers"]).double()
    with torch.no_grad():
        for name, weight in zip(attrs["parameter_names"], weights):
            getattr(module, name).copy_(weight)
    x.requires_grad_()
    y, _ = module(x)
    y.backward(to_tensor(case["cotangents"][0]))
    grads = [x.grad] + [getattr(module, name).grad for name in attrs["parameter_names"]]
    return {**case, "outputs": [to_array(y)], "grads": [to_array(g) for g in grads]}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        cases = json.load(file)
    json.dump([recompute(c) if c["op"] in MODULES else c for c in cases], sys.stdout)
    print()
