"""Reference cases beyond the published ones, of the form that data/conformance/README.md describes.

    conformance_cases.py DIR [--seed N] [--rounds N] [--family NAME]

writes DIR/FAMILY.json for each family, computed by PyTorch in float64: the operations and attribute names of the
published cases with other shapes (ranks 0 to 6, size 1, empty), axes, strides, paddings and groups, drawn at random
(the same seed, the same files). `conformance DIR` runs them, and all should pass. A drawn case that PyTorch itself
refuses is left out and counted. Never drawn is what PyTorch 1.13 gets wrong or leaves to rounding (the gradient of a
tall matrix's trace and of cosine_similarity below eps; second derivatives that are exactly 0), and what the engine
decides otherwise on purpose: NaN and infinities at some elementwise operations, the mean loss of an empty batch,
squeeze of an axis that is not 1. Needs python3-torch.
"""
import argparse
import json
import math
import os
import random

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

SHAPES = [(), (1,), (0,), (5,), (1, 1), (3, 0), (4, 3), (2, 1, 3), (2, 3, 2, 2), (1, 2, 0, 2), (1, 2, 1, 3, 2),
          (2, 1, 2, 1, 2, 2)]
NO_EMPTY = [s for s in SHAPES if 0 not in s]
RANKED = [s for s in SHAPES if s]


# ---- cases ----------------------------------------------------------------------------------------------------------

def number(x):
    return x if not isinstance(x, float) or math.isfinite(x) else "nan" if math.isnan(x) else "inf" if x > 0 else "-inf"


def to_array(x):
    if x is None:
        return None
    x = torch.zeros(x.shape) if x._is_zerotensor() else x  # which has no storage
    kind = "bool" if x.dtype == torch.bool else "i64" if x.dtype == torch.int64 else "f64"
    return {"shape": list(x.shape), "kind": kind, "data": [number(v) for v in x.reshape(-1).tolist()]}


def like(x):
    return torch.randn(x.shape)


def reference(fn, inputs, constant=(), second=True):
    """The arrays of a case: what `fn` gives for `inputs`, and the gradients of all operands but those numbered
    `constant`."""
    leaves = [i for i, x in enumerate(inputs) if x is not None and x.is_floating_point() and i not in constant]
    inputs = [x.detach().clone() if x is not None else None for x in inputs]
    for i in leaves:
        inputs[i].requires_grad_()
    outputs = fn(*inputs)
    outputs = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
    cotangents = [like(y) if y.is_floating_point() else None for y in outputs]
    case = {"inputs": inputs, "outputs": outputs, "cotangents": cotangents}
    roots = [(y, c) for y, c in zip(outputs, cotangents) if c is not None and y.requires_grad]
    if not roots:
        return case
    x = [inputs[i] for i in leaves]

    def spread(values):
        full = [None] * len(inputs)
        for i, v in zip(leaves, values):
            full[i] = v
        return full

    def gradient(pairs, again):
        ys, seeds = zip(*pairs)
        found = torch.autograd.grad(ys, x, seeds, create_graph=again, retain_graph=True, allow_unused=True)
        return [torch.zeros_like(v) if g is None else g for v, g in zip(x, found)]

    first = gradient(roots, second)
    case["grads"] = spread(first)
    if second:
        directions = [like(g) for g in first]
        pairs = [(g, d) for g, d in zip(first, directions) if g.requires_grad]
        try:
            again = gradient(pairs, False) if pairs else [torch.zeros_like(v) for v in x]
        except RuntimeError:  # PyTorch has no second derivative here
            return case
        case["directions"], case["second"] = spread(directions), spread(again)
    return case


class Family:
    def __init__(self, name):
        self.name, self.cases, self.refused = name, [], 0

    def add(self, op, attrs, fn, inputs, **how):
        try:
            arrays = reference(fn, inputs, **how)
        except (RuntimeError, IndexError, ValueError):
            self.refused += 1
        else:
            self.keep(op, attrs, arrays)

    def keep(self, op, attrs, arrays):
        case = {"name": f"{self.name}/{op}_{len(self.cases)}", "op": op, "attrs": attrs}
        case.update((key, [to_array(x) for x in value]) for key, value in arrays.items())
        self.cases.append(case)


# ---- drawing --------------------------------------------------------------------------------------------------------

def pick(*choices):
    return random.choice(choices)


def between(shape, lo, hi):
    return torch.rand(shape) * (hi - lo) + lo


def axis_of(shape):
    return random.randint(-len(shape), len(shape) - 1)


def axes_of(shape):
    chosen = random.sample(range(len(shape)), random.randint(1, len(shape)))
    return [d - pick(0, len(shape)) for d in chosen]


def broadcast(shape, n):
    """n shapes that broadcast to `shape`."""
    drawn = []
    for _ in range(n):
        kept = [pick(d, d, 1) for d in shape]
        drawn.append(tuple(kept[pick(0, 0, random.randint(0, len(kept))):]))
    return drawn


def index(shape, size):
    return torch.randint(0, max(size, 1), shape)


# ---- elementwise ----------------------------------------------------------------------------------------------------

PLAIN = {name: getattr(torch, name) for name in
         """neg abs sign square exp exp2 expm1 sin cos sinh cosh tanh asinh atan erf erfc floor ceil round trunc relu
         sigmoid""".split()}
PLAIN.update(relu6=F.relu6, log_sigmoid=F.logsigmoid, softplus=F.softplus, softsign=F.softsign, silu=F.silu,
             mish=F.mish, selu=F.selu, hardsigmoid=F.hardsigmoid, hardswish=F.hardswish, hardtanh=F.hardtanh)
DOMAINS = {"sqrt": (0.1, 4), "rsqrt": (0.2, 4), "reciprocal": (0.3, 3), "log": (0.1, 5), "log2": (0.1, 5),
           "log10": (0.1, 5), "log1p": (-0.8, 4), "tan": (-1.3, 1.3), "asin": (-0.9, 0.9), "acos": (-0.9, 0.9),
           "acosh": (1.1, 4), "atanh": (-0.9, 0.9), "lgamma": (0.1, 8)}


def with_attrs(name):
    """(operation, attributes, function) for the elementwise operations that have attributes."""
    a = round(random.uniform(0.05, 1.5), 2)
    if name == "gelu":
        a = pick("none", "tanh")
        return name, {"approximate": a}, lambda x: F.gelu(x, approximate=a)
    if name == "leaky_relu":
        return name, {"negative_slope": a}, lambda x: F.leaky_relu(x, a)
    if name == "elu":
        return name, {"alpha": a}, lambda x: F.elu(x, a)
    lo, hi = pick((-a, a), (-0.3, None), (None, 0.4), (0, 1))
    bounds = {"min": lo, "max": hi}
    return name, bounds, lambda x: torch.clamp(x, lo, hi)


def unary(out):
    for shape in SHAPES:
        for name, fn in PLAIN.items():
            out.add(name, {}, fn, [torch.randn(shape) * pick(1, 3)])
        for name, (lo, hi) in DOMAINS.items():
            out.add(name, {}, getattr(torch, name), [between(shape, lo, hi)])
        for name in ("gelu", "leaky_relu", "elu", "clamp"):
            out.add(*with_attrs(name), [torch.randn(shape) * 2])
        for c in (4.0, 3.0, 2.0, 1.0, 0.0, -1.0, -2.0):
            out.add("pow_scalar", {"exponent": c}, lambda x, c=c: x ** c, [between(shape, 0.3, 2) * pick(1, -1)])
        for c in (0.5, 1.5, -0.5, 2.7):
            out.add("pow_scalar", {"exponent": c}, lambda x, c=c: x ** c, [between(shape, 0.3, 2)])


BINARY = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "pow": torch.pow,
          "maximum": torch.maximum, "minimum": torch.minimum, "atan2": torch.atan2, "hypot": torch.hypot,
          "logaddexp": torch.logaddexp}


def binary(out):
    for shape in SHAPES:
        for _ in range(2):
            for name, fn in BINARY.items():
                a, b = (torch.randn(s) * 1.5 for s in broadcast(shape, 2))
                a, b = (a.abs() + 0.2 if name == "pow" else a), (b.sign() * (b.abs() + 0.3) if name == "div" else b)
                out.add(name, {}, fn, [a, b])
            m, a, b = broadcast(shape, 3)
            out.add("where", {}, torch.where, [torch.rand(m) < 0.5, torch.randn(a), torch.randn(b)])


def compare(out):
    for shape in SHAPES:
        for name in ("eq", "ne", "lt", "le", "gt", "ge"):
            a, b = (torch.randint(0, 3, s).double() for s in broadcast(shape, 2))
            out.add(name, {}, getattr(torch, name), [a, b])


# ---- special values -------------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 1.5, 6.0, 1e-300, -1e-300, 40.0, -40.0, 800.0, -800.0, 1e4,
           -1e4, math.inf, -math.inf, math.nan]


# Where the engine follows another convention than PyTorch, or is finite where PyTorch is not.
NO_NAN = "abs sign relu relu6 selu hardsigmoid hardswish hardtanh leaky_relu elu clamp pow_scalar".split()
FINITE = "softsign silu mish gelu hardswish atan2 hypot logaddexp pow_scalar".split()


def points(name):
    chosen = [x for x in SPECIAL if not (math.isnan(x) and name in NO_NAN or math.isinf(x) and name in FINITE)]
    dropped = {"rsqrt": [-0.0], "acosh": [x for x in SPECIAL if x < 1], "hypot": [0.0, -0.0], "pow_scalar": [-0.0], "atan2": [1e-300, -1e-300]}.get(name, [])
    return [x for x in chosen if str(x) not in map(str, dropped)]


def edge(out):
    for name, fn in PLAIN.items():
        out.add(name, {}, fn, [torch.tensor(points(name))], second=False)
    for name in DOMAINS:
        out.add(name, {}, getattr(torch, name), [torch.tensor(points(name))], second=False)
    for name in ("gelu", "leaky_relu", "elu", "clamp") * 2:
        out.add(*with_attrs(name), [torch.tensor(points(name))], second=False)
    for c in (0.0, 1.0, 2.0, 3.0, 0.5, -1.0, -0.5):
        x = torch.tensor(points("pow_scalar"))
        out.add("pow_scalar", {"exponent": c}, lambda x, c=c: x ** c, [x], second=False)
    for name, fn in BINARY.items():
        x = torch.tensor(points(name))
        for a in points(name):
            out.add(name, {}, fn, [torch.full_like(x, a), x], second=False)
    special_rows(out)


def special_rows(out):
    few = [0.0, 1.0, -2.0, 1000.0, -1000.0, math.inf, -math.inf, math.nan]
    for _ in range(12):
        x = torch.tensor([[pick(*few[:pick(3, 5, 8)]) for _ in range(pick(1, 3, 4))]])
        finite = x.nan_to_num(3.0, 500.0, -500.0)
        for name, fn in REDUCTIONS.items():
            attrs = {"dim": [1], "keepdim": False}
            out.add(name, attrs, lambda x, fn=fn: fn(x, [1], False), [finite if name == "logsumexp" else x],
                    second=False)
        for name in ("cumsum", "cumprod", "softmax", "log_softmax"):
            out.add(name, {"dim": 1}, lambda x, name=name: getattr(torch, name)(x, 1),
                    [x if name == "cumsum" else finite], second=False)
        for name in ("max", "min"):
            out.add(name + "_dim", {"dim": 1, "keepdim": False}, lambda x, name=name: tuple(getattr(torch, name)(x, 1)),
                    [x], second=False)
        for p in (1.0, 2.0, 3.0):
            out.add("norm", {"p": p, "dim": [1], "keepdim": False}, lambda x, p=p: torch.linalg.vector_norm(x, p, [1]),
                    [finite if p == 1 else x], second=False)


# ---- reductions -----------------------------------------------------------------------------------------------------

def every(x, dim):
    return list(range(x.dim())) if dim is None else dim


REDUCTIONS = {
    "sum": lambda x, d, k: torch.sum(x, every(x, d), k) if x.dim() else torch.sum(x),
    "mean": lambda x, d, k: torch.mean(x, every(x, d), k) if x.dim() else torch.mean(x),
    "amax": lambda x, d, k: torch.amax(x, every(x, d), k),
    "amin": lambda x, d, k: torch.amin(x, every(x, d), k),
    "logsumexp": lambda x, d, k: torch.logsumexp(x, every(x, d), k),
}


def reduce(out):
    for shape in SHAPES + [(3, 5, 2), (2, 3, 4, 2), (7,), (1, 4)]:
        whole = [(None, False)]
        some = [(axes_of(shape), pick(True, False)) for _ in range(3)] if shape else []
        for dim, keep in whole + some:
            x = torch.randn(shape)
            attrs = {"dim": dim, "keepdim": keep}
            for name, fn in REDUCTIONS.items():
                out.add(name, attrs, lambda x, fn=fn: fn(x, dim, keep), [x])
            for c in (0, 1, 2):
                count = x.numel() if dim is None else math.prod(shape[d] for d in dim)
                if count > c:
                    for name in ("var", "std"):
                        fn = getattr(torch, name)
                        if name == "std" and count == 1:
                            continue
                        out.add(name, {**attrs, "correction": c},
                                lambda x, fn=fn, c=c: fn(x, dim=dim, correction=c, keepdim=keep), [x], second=count > 2)
            for p in (2.0, 1.0, 3.0, 2.5, 0.0, math.inf, -math.inf):
                out.add("norm", {**attrs, "p": number(p)},
                        lambda x, p=p: torch.linalg.vector_norm(x, p, dim, keep), [x])
        x = torch.randn(shape)
        y = between(shape, 0.4, 1.6) * torch.randn(shape).sign()
        out.add("prod", {"dim": None, "keepdim": False}, torch.prod, [y])
        for _ in range(3):
            dim, keep = axis_of(shape) if shape else pick(0, -1), pick(True, False)
            attrs = {"dim": dim, "keepdim": keep}
            out.add("prod", {"dim": [dim], "keepdim": keep}, lambda x: torch.prod(x, dim, keep), [y])
            for name in ("max", "min"):
                out.add(name + "_dim", attrs, lambda x, name=name: tuple(getattr(torch, name)(x, dim, keep)), [x])
                out.add("arg" + name, attrs, lambda x, name=name: getattr(torch, "arg" + name)(x, dim, keep), [x])
            for name in ("cumsum", "cumprod", "softmax", "log_softmax"):
                out.add(name, {"dim": dim}, lambda x, name=name: getattr(torch, name)(x, dim), [y])


# ---- shapes and indices ---------------------------------------------------------------------------------------------

def shape(out):
    for s in SHAPES:
        x, n, r = torch.randn(s), math.prod(s), len(s)
        for new in ([n], [-1], [1, n], [n, 1, 1], list(s) + [1], list(reversed(s))):
            out.add("reshape", {"shape": new}, lambda x, new=new: x.reshape(new), [x])
        grown = [pick(2, 3)] * pick(0, 1, 2) + [pick(2, 3) if d == 1 else pick(d, -1) for d in s]
        out.add("expand", {"shape": grown}, lambda x: x.expand(grown), [x])
        reps = [pick(1, 2, 3, 0) for _ in range(random.randint(0, r + 1))]
        out.add("tile", {"reps": reps}, lambda x: x.tile(reps), [x])
        at = random.randint(-r - 1, r)
        out.add("unsqueeze", {"dim": at}, lambda x: x.unsqueeze(at), [x])
        for k in (1, 3):
            out.add("stack", {"dim": at}, lambda *xs: torch.stack(xs, at), [torch.randn(s) for _ in range(k)])
        for mask in broadcast(s, 2):
            value = pick(-2.5, 0.0, 3.0)
            out.add("masked_fill", {"value": value}, lambda x, m, value=value: x.masked_fill(m, value),
                    [x, torch.rand(mask) < 0.5])
        ends = sorted(random.randint(0, max(r - 1, 0)) for _ in range(2))
        start, end = ends[0], pick(ends[1], ends[1] - max(r, 1))
        out.add("flatten", {"start_dim": start, "end_dim": end}, lambda x: x.flatten(start, end), [x])
        out.add("diag_embed", {}, torch.diag_embed, [x])
        order = random.sample(range(r), r)
        out.add("permute", {"dims": [d - pick(0, r) for d in order]}, lambda x: x.permute(order), [x])
        if r == 0:
            continue
        for _ in range(3):
            along(out, x, s)
        k = random.randint(-3, 3)
        for name in ("tril", "triu") if r > 1 else ():
            out.add(name, {"diagonal": k}, lambda x, name=name: getattr(torch, name)(x, k), [x])
        out.add("diagonal", {"offset": k}, lambda x: torch.diagonal(x, k), [torch.randn(s[-2:])])
        edges = [random.randint(-min(1, min(s)), 2) for _ in range(2 * random.randint(1, r))]
        value = pick(0.0, 0.5, -1.0)
        out.add("pad", {"pad": edges, "value": value}, lambda x: F.pad(x, edges, value=value), [x])
        dims = axes_of(s)
        out.add("flip", {"dims": dims}, lambda x: x.flip(dims), [x])


def along(out, x, s):
    """The operations along one axis, on x of shape s."""
    dim, other = axis_of(s), axis_of(s)
    n, at = s[dim], dim % len(s)

    def sized(k):
        return s[:at] + (k,) + s[at + 1:]

    out.add("transpose", {"dim0": dim, "dim1": other}, lambda x: x.transpose(dim, other), [x])
    if n == 1:
        out.add("squeeze", {"dim": dim}, lambda x: x.squeeze(dim), [x])
    start, stop, step = random.randint(0, n), random.randint(0, n), pick(1, 2, 3, 7)
    start, stop = min(start, stop), max(start, stop)
    spans = [(start, stop, step), (0, n + 3, 2), (start - n - 1, stop, 1), (-n, -1, step)]
    for start, stop, step in spans:
        where = (slice(None),) * at + (slice(start, stop, step),)
        out.add("slice", {"dim": dim, "start": start, "stop": stop, "step": step}, lambda x: x[where], [x])
    i = random.randint(-n, n - 1) if n else 0
    out.add("select", {"dim": dim, "index": i}, lambda x: x.select(dim, i), [x])
    k = random.randint(0, 5) if n else 0
    picked = index((k,), n)
    out.add("index_select", {"dim": dim}, lambda x, i: x.index_select(dim, i), [x, picked])
    out.add("index_add", {"dim": dim}, lambda x, i, y: x.index_add(dim, i, y), [x, picked, torch.randn(sized(k))])
    smaller = tuple(k if d == at else random.randint(0, size) for d, size in enumerate(s))
    which = index(smaller, n)
    out.add("gather", {"dim": dim}, lambda x, i: x.gather(dim, i), [x, which])
    out.add("scatter_add", {"dim": dim}, lambda x, i, y: x.scatter_add(dim, i, y), [x, which, torch.randn(smaller)])
    parts = [torch.randn(sized(pick(0, 1, 2, 3))) for _ in range(pick(1, 2, 4))]
    out.add("cat", {"dim": dim}, lambda *xs: torch.cat(xs, dim), parts)
    size = random.randint(1, n + 2)
    out.add("split", {"size": size, "dim": dim}, lambda x: x.split(size, dim), [x])
    cut = random.randint(0, n)
    out.add("split", {"size": [cut, n - cut], "dim": dim}, lambda x: x.split([cut, n - cut], dim), [x])
    shift = random.randint(-7, 7)
    out.add("roll", {"shift": shift, "dim": dim}, lambda x: x.roll(shift, dim), [x])
    out.add("roll", {"shift": [shift, 1], "dim": [dim, other]}, lambda x: x.roll([shift, 1], [dim, other]), [x])
    repeats = pick(0, 1, 2, 3)
    out.add("repeat_interleave", {"repeats": repeats, "dim": dim}, lambda x: x.repeat_interleave(repeats, dim), [x])
    down = pick(True, False)
    out.add("sort", {"dim": dim, "descending": down}, lambda x: tuple(x.sort(dim, down)), [x])
    k, largest = random.randint(0, n), pick(True, False)
    attrs = {"k": k, "dim": dim} if largest else {"k": k, "dim": dim, "largest": False}
    out.add("topk", attrs, lambda x: tuple(x.topk(k, dim, largest)), [x])


FAMILIES = {f.__name__: f for f in (unary, edge, binary, compare, reduce, shape)}


def main():
    import conformance_cases_linalg
    import conformance_cases_nn

    families = {**FAMILIES, **conformance_cases_linalg.FAMILIES, **conformance_cases_nn.FAMILIES}
    parser = argparse.ArgumentParser(description="Writes reference cases, computed by PyTorch.")
    parser.add_argument("dir")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--family", choices=families)
    options = parser.parse_args()
    os.makedirs(options.dir, exist_ok=True)
    for name, draw in families.items():
        if options.family not in (None, name):
            continue
        random.seed(f"{name} {options.seed}")
        torch.manual_seed(options.seed)
        out = Family(name)
        for _ in range(options.rounds):
            draw(out)
        with open(os.path.join(options.dir, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(out.cases, file)
        print(f"{name}: {len(out.cases)} cases, {out.refused} refused by PyTorch")


if __name__ == "__main__":
    main()
