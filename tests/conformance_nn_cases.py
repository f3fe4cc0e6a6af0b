"""Cases for conformance_nn beyond those of data/conformance, in the same form: recurrent.json, optim.json, schedules.json.

    conformance_nn_cases.py SEED FOLDER [CASES [PARAMETERS [STEPS]]]

draws layers (both layouts, one to three of them, both directions, with and without biases, sizes from 1), hyperparameters of
the ten optimisers (the zeros that mean something, too) and schedules (the shortest, and many milestones), and computes
them with PyTorch in f64. tests/data/conformance_nn is the output of `1 FOLDER 12 70 3`. Needs python3-torch.
"""
import json
import os
import random
import sys
import warnings

import torch

pick, whole = (lambda *choices: random.choice(choices)), random.randint


def maybe():
    return random.random() < 0.5


def array(tensor):
    return {"shape": list(tensor.shape), "kind": "f64", "data": tensor.detach().reshape(-1).tolist()}


# ---- layers ---------------------------------------------------------------------------------------------------------

CELLS = {"rnn_tanh": torch.nn.RNN, "rnn_relu": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def layer(op, batch_first):
    """A module with its attributes, and the features of its input."""
    if op == "multihead_attention":
        heads = whole(1, 3)
        size = heads * whole(1, 3)
        module = torch.nn.MultiheadAttention(size, heads, bias=maybe() or maybe(), batch_first=batch_first)
        return module, {"embed_dim": size, "num_heads": heads}, size
    attrs = {"input_size": whole(1, 4), "hidden_size": whole(1, 4), "num_layers": whole(1, 3)}
    options = {"bidirectional": True} if maybe() else {}
    attrs.update(options)
    if op == "rnn_relu":
        options["nonlinearity"] = "relu"
    module = CELLS[op](attrs["input_size"], attrs["hidden_size"], attrs["num_layers"], batch_first=batch_first,
                       bias=maybe() or maybe(), **options)
    return module, attrs, attrs["input_size"]


def recurrent(number):
    batch_first, op = maybe(), pick(*CELLS, "multihead_attention")
    module, attrs, features = layer(op, batch_first)
    for parameter in module.parameters():
        parameter.data.normal_()
    x = torch.randn(whole(1, 4), whole(1, 4), features, requires_grad=True)
    y = module(x, x, x, need_weights=False)[0] if op == "multihead_attention" else module(x)[0]
    cotangent = torch.randn(y.shape)
    y.backward(cotangent)
    names, weights = zip(*module.named_parameters())
    attrs["parameter_names"] = list(names)
    attrs["layout"] = "batch,time,feature" if batch_first else "time,batch,feature"
    return {"name": f"recurrent/{op}_{number}", "op": op, "attrs": attrs,
            "inputs": [array(x)] + [array(w) for w in weights], "outputs": [array(y)],
            "cotangents": [array(cotangent)], "grads": [array(x.grad)] + [array(w.grad) for w in weights]}


# ---- optimisers -----------------------------------------------------------------------------------------------------

RULES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop,
         "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta, "adamax": torch.optim.Adamax,
         "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam, "rprop": torch.optim.Rprop}
DECAY, ADAM = {"weight_decay": (0, 0.01, 0.1)}, {"betas": ([0.9, 0.999], [0.5, 0.9], [0, 0]), "eps": (1e-8, 1e-3)}
CHOICES = {
    "sgd": {**DECAY, "momentum": (0, 0.9), "dampening": (0, 0.1)},
    "adam": {**DECAY, **ADAM, "amsgrad": (True, False)},
    "adamw": {**DECAY, **ADAM, "amsgrad": (True, False)},
    "rmsprop": {**DECAY, "alpha": (0.9, 0.99), "eps": (1e-8, 1e-3), "momentum": (0, 0.5), "centered": (True, False)},
    "adagrad": {**DECAY, "lr_decay": (0, 0.1), "initial_accumulator_value": (0, 0.1), "eps": (1e-10, 1e-3)},
    "adadelta": {**DECAY, "rho": (0.9, 0.5), "eps": (1e-6, 1e-3)},
    "adamax": {**DECAY, **ADAM},
    "nadam": {**DECAY, **ADAM, "momentum_decay": (0.004, 0.1, 0)},
    "radam": {**DECAY, **ADAM},
    "rprop": {"etas": ([0.5, 1.2], [0.3, 1.5]), "step_sizes": ([1e-6, 50], [1e-3, 0.03])},
}


def trajectory(number, a, b, x0, steps):
    rule = list(RULES)[number % len(RULES)]
    hyper = {key: pick(*values) for key, values in CHOICES[rule].items() if maybe()}
    if rule == "sgd" or maybe():
        hyper["lr"] = pick(0.05, 0.002)
    x = torch.nn.Parameter(x0.clone())
    optimizer = RULES[rule]([x], **hyper)
    path = []
    for _ in range(steps):
        optimizer.zero_grad()
        (a * x**2 + b * x**4).sum().backward()
        optimizer.step()
        path.append(x.tolist())
    return {"optimizer": f"{rule}_{number}", "hyper": hyper, "path": path}


def optim(cases, n, steps):
    a, b, x0 = torch.rand(n) * 1.5 + 0.5, torch.rand(n) * 0.4 + 0.2, torch.rand(n) * 2 - 1
    return {"objective": "sum(a*x^2 + b*x^4)", "a": a.tolist(), "b": b.tolist(), "x0": x0.tolist(), "steps": steps,
            "trajectories": [trajectory(i, a, b, x0, steps) for i in range(cases)]}


# ---- schedules ------------------------------------------------------------------------------------------------------

def rates(base, make, steps):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], base, momentum=0.9)
    schedule, values = make(optimizer), []
    for t in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if t + 1 < steps:
            schedule.step()
    return values


def schedules(rounds):
    at, base, values = torch.optim.lr_scheduler, pick(0.1, 1, 0.003), {}
    for _ in range(rounds):
        length, factor, low = whole(1, 9), pick(0.5, 0.1, 1), pick(0.01, 1e-5)
        values[f"step_size{length}_gamma{factor}"] = rates(base, lambda o: at.StepLR(o, length, factor), 30)
        stones = sorted(random.sample(range(1, 30), whole(1, 12)))
        values["multistep_" + "_".join(map(str, stones)) + f"_gamma{factor}"] = rates(
            base, lambda o: at.MultiStepLR(o, stones, factor), 30)
        values[f"exponential_{factor}"] = rates(base, lambda o: at.ExponentialLR(o, factor), 30)
        values[f"cosine_T{length}_min{low}"] = rates(base, lambda o: at.CosineAnnealingLR(o, length, low), 20)
        start, end = pick(0.25, 1), pick(1, 0.5)
        values[f"linear_{start}_to_{end}_over_{length}"] = rates(
            base, lambda o: at.LinearLR(o, start, end, length), 20)
        total, high = pick(1, 2, 3, whole(4, 40)), pick(0.5, 1)
        values[f"onecycle_max{high}_total{total}"] = rates(base, lambda o: at.OneCycleLR(o, high, total), total)
        times = whole(1, 3)
        values[f"warm_restarts_T{length}_mult{times}"] = rates(
            base, lambda o: at.CosineAnnealingWarmRestarts(o, length, times), 30)
    return {"base_lr": base, "values": values}


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    cases, n, steps = [int(x) for x in sys.argv[3:]] + [60, 7, 25][len(sys.argv) - 3:]
    random.seed(seed)
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)  # NAdam's product of momenta has it, too
    warnings.simplefilter("ignore")
    os.makedirs(folder, exist_ok=True)
    for name, document in (("recurrent", [recurrent(i) for i in range(cases)]), ("optim", optim(cases, n, steps)),
                           ("schedules", schedules((cases + 3) // 4))):
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(document, file)
            file.write("\n")


if __name__ == "__main__":
    main()
