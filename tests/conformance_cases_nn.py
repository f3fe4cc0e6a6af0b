"""Cases of the families nnfunc and recurrent, for conformance_cases.py."""
import random

import torch
import torch.nn.functional as F

from conformance_cases import axis_of, between, index, number, pick

REDUCTIONS = ("mean", "sum", "none")


# ---- losses ---------------------------------------------------------------------------------------------------------

def losses(out, reduction):
    r = {"reduction": reduction}
    for s in ((1,), (7,), (5, 3), (0, 2), (), (2, 3, 2), (1, 2, 1, 2, 3)):
        x, y, t = torch.randn(s) * 1.5, torch.randn(s), torch.rand(s)
        p, sign = between(s, 0.05, 0.95), torch.randint(0, 2, s) * 2.0 - 1
        bound = pick(0.3, 0.7, 1.0, 2.0)
        out.add("mse_loss", r, lambda x, y: F.mse_loss(x, y, reduction=reduction), [x, y])
        out.add("l1_loss", r, lambda x, y: F.l1_loss(x, y, reduction=reduction), [x, y])
        out.add("smooth_l1_loss", {**r, "beta": bound},
                lambda x, y: F.smooth_l1_loss(x, y, reduction=reduction, beta=bound), [x, y])
        out.add("huber_loss", {**r, "delta": bound},
                lambda x, y: F.huber_loss(x, y, reduction=reduction, delta=bound), [x, y])
        out.add("binary_cross_entropy", r, lambda x, y: F.binary_cross_entropy(x, y, reduction=reduction), [p, t],
                constant=(1,))
        out.add("binary_cross_entropy_with_logits", r,
                lambda x, y: F.binary_cross_entropy_with_logits(x, y, reduction=reduction), [x * 3, t], constant=(1,))
        out.add("kl_div", r, lambda x, y: F.kl_div(x, y, reduction=reduction), [p.log(), t], constant=(1,))
        out.add("hinge_embedding_loss", {**r, "margin": bound},
                lambda x, y: F.hinge_embedding_loss(x, y, reduction=reduction, margin=bound), [x, sign], constant=(1,))
    for n, c, rest in ((1, 1, ()), (6, 3, ()), (1, 5, ()), (0, 4, ()), (3, 1, ()), (4, 7, ()), (2, 3, (4,)),
                       (2, 4, (2, 3)), (1, 3, (1, 2, 2))):
        if n > 0 or reduction != "mean":
            class_losses(out, r, n, c, rest)
    for n, d in ((1, 2), (4, 3), (6, 5), (0, 3), (2, 8)):
        a, b, y = torch.randn(n, d), torch.randn(n, d), torch.randint(0, 2, (n,)) * 2.0 - 1
        out.add("cosine_embedding_loss", r, lambda a, b, y: F.cosine_embedding_loss(a, b, y, reduction=reduction),
                [a, b, y], constant=(2,))
        out.add("cosine_embedding_loss", {**r, "margin": 0.3},
                lambda a, b, y: F.cosine_embedding_loss(a, b, y, margin=0.3, reduction=reduction), [a, b, y],
                constant=(2,))


def class_losses(out, r, n, c, rest):
    """Of n samples in c classes; `rest`: what follows the axis of classes."""
    reduction = r["reduction"]
    x, t, w = torch.randn((n, c) + rest) * 2, index((n,) + rest, c), between((c,), 0.2, 2)
    for extra in ({}, {"label_smoothing": 0.1}, {"ignore_index": random.randint(0, c - 1)}, {"ignore_index": -100},
                  {"label_smoothing": 0.25, "ignore_index": c - 1}):
        attrs = {**r, **extra}
        if "ignore_index" in extra and reduction == "mean" and bool((t == extra["ignore_index"]).all()):
            continue  # NaN in PyTorch, 0 here
        out.add("cross_entropy", attrs, lambda x, t: F.cross_entropy(x, t, **attrs), [x, t])
        out.add("cross_entropy", {**attrs, "weight_input": 2}, lambda x, t, w: F.cross_entropy(x, t, w, **attrs),
                [x, t, w], constant=(2,))
        if "label_smoothing" not in extra:
            out.add("nll_loss", attrs, lambda x, t: F.nll_loss(x, t, **attrs), [F.log_softmax(x, 1), t])
            out.add("nll_loss", {**attrs, "weight_input": 2}, lambda x, t, w: F.nll_loss(x, t, w, **attrs),
                    [F.log_softmax(x, 1), t, w], constant=(2,))
    soft = torch.rand(x.shape)
    soft = soft / soft.sum(1, keepdim=True)
    for attrs in (r, {**r, "label_smoothing": 0.2}):
        out.add("cross_entropy_soft", attrs, lambda x, t: F.cross_entropy(x, t, **attrs), [x, soft], constant=(1,))
        out.add("cross_entropy_soft", {**attrs, "weight_input": 2},
                lambda x, t, w: F.cross_entropy(x, t, w, **attrs), [x, soft, w], constant=(1, 2))
    if n > 0 and not rest:
        for attrs in (r, {**r, "margin": 0.4}, {**r, "p": 2}):
            out.add("multi_margin_loss", attrs, lambda x, t: F.multi_margin_loss(x, t, **attrs), [x, t])


# ---- layers ---------------------------------------------------------------------------------------------------------

def rms_norm(x, weight=None, eps=1e-6):
    y = x * torch.rsqrt((x * x).mean(-1, keepdim=True) + eps)
    return y if weight is None else y * weight


def norms(out):
    for s in ((4,), (3, 4), (1, 5), (2, 3, 4), (2, 1, 3, 2), (0, 4), (1, 2, 1, 2, 3)):
        for k in range(1, len(s) + 1):
            eps, inner = pick(1e-5, 1e-3), s[-k:]
            w, b = torch.randn(inner), torch.randn(inner)
            for affine in ([w, b], [], [None, None], [w], [w, None], [None, b]):
                out.add("layer_norm", {"normalized_ndim": k, "eps": eps},
                        lambda x, w=None, b=None: F.layer_norm(x, inner, w, b, eps), [torch.randn(s)] + affine)
        for affine in ([torch.randn(s[-1])], [], [None]):
            out.add("rms_norm", {"eps": 1e-6}, rms_norm, [torch.randn(s)] + affine)
        x, y, dim = torch.randn(s), torch.randn(s), axis_of(s)
        out.add("cosine_similarity", {"dim": dim}, lambda a, b: F.cosine_similarity(a, b, dim), [x, y],
                second=s[dim] != 1)
        out.add("cosine_similarity", {"dim": dim, "eps": 1e-3}, lambda a, b: F.cosine_similarity(a, b, dim, 1e-3),
                [x, y], second=s[dim] != 1)
        for p in (2.0, 1.0, 3.0, 2.5, float("inf")):
            out.add("normalize", {"p": number(p), "dim": dim}, lambda x, p=p: F.normalize(x, p, dim), [x],
                    second=s[dim] != 1)
        out.add("normalize", {"p": 2.0, "dim": dim, "eps": 3.0}, lambda x: F.normalize(x, 2.0, dim, 3.0), [x])
    for groups, s in ((1, (2, 3, 4)), (3, (2, 3, 4)), (2, (1, 6, 2, 3)), (2, (3, 4)), (4, (2, 4, 1, 2, 2)),
                      (1, (1, 2, 1)), (2, (0, 4, 3))):
        w, b, eps = torch.randn(s[1]), torch.randn(s[1]), pick(1e-5, 1e-2)
        for affine in ([w, b], [], [None, None], [w], [None, b]):
            out.add("group_norm", {"num_groups": groups, "eps": eps},
                    lambda x, w=None, b=None: F.group_norm(x, groups, w, b, eps), [torch.randn(s)] + affine)
    for s in ((5, 3), (2, 1), (2, 3, 4), (1, 2, 3, 2), (2, 2, 1, 2, 3), (7, 4, 1)):
        c, eps = s[1], pick(1e-5, 1e-3)
        w, b, mean, var = torch.randn(c), torch.randn(c), torch.randn(c), between((c,), 0.3, 2)
        for affine in ([w, b], [None, None], [w, None], [None, b]):
            out.add("batch_norm", {"training": True, "eps": eps},
                    lambda x, w, b: F.batch_norm(x, None, None, w, b, True, 0.1, eps), [torch.randn(s)] + affine)
            out.add("batch_norm", {"training": False, "eps": eps},
                    lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b, False, 0.1, eps),
                    [torch.randn(s)] + affine + [mean, var], constant=(3, 4))
        out.add("batch_norm", {"training": True, "eps": eps},
                lambda x: F.batch_norm(x, None, None, None, None, True, 0.1, eps), [torch.randn(s)])


def convolutions(out):
    for d in (1, 2):
        for _ in range(40):
            groups, k = pick(1, 1, 2, 3), [pick(1, 2, 3, 4) for _ in range(d)]
            stride, pad, dil = [pick(1, 2, 3)] * d, [pick(0, 1, 2) for _ in range(d)], [pick(1, 1, 2) for _ in range(d)]
            n, c, f = pick(0, 1, 2, 3), groups * pick(1, 2, 3), groups * pick(1, 2)
            size = [random.randint(max(1, (a - 1) * b + 1 - 2 * p), 9) for a, b, p in zip(k, dil, pad)]
            attrs = {"stride": stride, "padding": pad, "dilation": dil, "groups": groups}
            x, w, b = torch.randn([n, c] + size), torch.randn([f, c // groups] + k), torch.randn(f)
            fn = F.conv1d if d == 1 else F.conv2d
            out.add(f"conv{d}d", attrs, lambda x, w, b=None: fn(x, w, b, **attrs), [x, w] + pick([b], [b], [], [None]))
            more = [random.randint(0, max(a, b) - 1) for a, b in zip(stride, dil)]
            attrs = pick({**attrs, "output_padding": more}, {"stride": stride, "padding": pad, "output_padding": more})
            attrs = {**attrs, "output_padding": [min(o, a - 1) for o, a in zip(more, stride)]}
            rate = attrs.get("groups", 1)
            w, b = torch.randn([c, f if rate == 1 else f // groups] + k), torch.randn(f)
            left = [(i - 1) * t - 2 * q + (a - 1) * b + o for i, t, q, a, b, o in
                    zip(size, stride, pad, k, attrs.get("dilation", [1, 1]), attrs["output_padding"])]
            if d == 2 and min(left) >= 0:
                out.add("conv_transpose2d", attrs, lambda x, w, b=None: F.conv_transpose2d(x, w, b, **attrs),
                        [x, w] + pick([b], [b], [], [None]))


def pools(out):
    for d in (1, 2):
        for _ in range(30):
            k, stride = [pick(1, 2, 3) for _ in range(d)], [pick(1, 2, 3) for _ in range(d)]
            pad = [random.randint(0, a // 2) for a in k]
            x = torch.randn([pick(0, 1, 2), pick(1, 3)] + [random.randint(4, 9) for _ in range(d)])
            attrs = {"kernel": k, "stride": stride, "padding": pad}
            pool = F.max_pool1d if d == 1 else F.max_pool2d
            out.add(f"max_pool{d}d", attrs, lambda x: pool(x, k, stride, pad), [x])
            out.add(f"max_pool{d}d", {**attrs, "dilation": [2] * d}, lambda x: pool(x, k, stride, pad, 2), [x])
            if d == 1:
                continue
            for extra in ({}, {"count_include_pad": True}, {"count_include_pad": False}):
                out.add("avg_pool2d", {**attrs, **extra}, lambda x: F.avg_pool2d(x, k, stride, pad, **extra), [x])
            size = [random.randint(1, 10), random.randint(1, 10)]
            out.add("adaptive_avg_pool2d", {"output_size": size}, lambda x: F.adaptive_avg_pool2d(x, size), [x])
            scale = pick(1, 2, 3)
            out.add("upsample_nearest2d", {"scale": scale},
                    lambda x: F.interpolate(x, scale_factor=scale, mode="nearest"), [x])


def attention(q, k, v, mask=None, causal=False):
    score = q @ k.mT / q.shape[-1] ** 0.5
    if causal:
        score = score.masked_fill(~torch.ones(score.shape[-2:], dtype=torch.bool).tril(), -float("inf"))
    if mask is not None:
        score = score.masked_fill(~mask, -float("inf")) if mask.dtype == torch.bool else score + mask
    return score.softmax(-1) @ v


def attentions(out):
    for lead in ((), (1,), (3,), (2, 2), (0, 2), (2, 1, 2)):
        for q, k, d, e in ((1, 1, 1, 1), (3, 5, 4, 2), (5, 3, 2, 4), (4, 4, 3, 3), (7, 1, 2, 1)):
            x = [torch.randn(lead + (q, d)), torch.randn(lead + (k, d)), torch.randn(lead + (k, e))]
            out.add("scaled_dot_product_attention", {"is_causal": False}, attention, x)
            out.add("scaled_dot_product_attention", {"is_causal": True},
                    lambda q, k, v: attention(q, k, v, causal=True), x)
            shown = torch.rand((q, k)) < 0.6
            shown[:, 0] = True
            for mask in (shown, shown.expand(lead + (q, k)).clone(), torch.randn(q, k), torch.randn(lead + (q, k))):
                out.add("scaled_dot_product_attention", {"is_causal": False}, attention, x + [mask], constant=(3,))


def nnfunc(out):
    for reduction in REDUCTIONS:
        losses(out, reduction)
    norms(out)
    convolutions(out)
    pools(out)
    attentions(out)
    for s in ((), (3,), (1,), (2, 4), (0,), (2, 0), (2, 1, 3), (1, 2, 1, 2)):
        for rows, width in ((7, 3), (1, 1), (4, 5)):
            out.add("embedding", {}, lambda w, i: F.embedding(i, w), [torch.randn(rows, width), index(s, rows)])
            pad = random.randint(-rows, rows - 1)
            out.add("embedding", {"padding_idx": pad}, lambda w, i: F.embedding(i, w, pad),
                    [torch.randn(rows, width), index(s, rows)])


# ---- recurrent networks ---------------------------------------------------------------------------------------------

MODULES = {"rnn_tanh": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
ATTENTION = "multihead_attention"


def module_case(out, op, attrs, module, x, call):
    """Of a module whose parameters are the operands after x: drawn into the module itself, for it keeps lists of them
    that a substitution misses (recurrent_cases.py)."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape) * 0.5)
    names, weights = zip(*module.named_parameters())
    x.requires_grad_()
    y = call(module, x)
    cotangent, inputs = torch.randn(y.shape), [x, *weights]
    grads = torch.autograd.grad(y, inputs, cotangent)
    out.keep(op, {**attrs, "parameter_names": list(names), "layout": "batch,time,feature" if op == ATTENTION else
                  "time,batch,feature"}, {"inputs": inputs, "outputs": [y], "cotangents": [cotangent], "grads": grads})


def recurrent(out):
    for op, kind in MODULES.items():
        for t, b, i, h, layers in ((1, 1, 1, 1, 1), (4, 1, 2, 3, 3), (7, 3, 1, 2, 2), (2, 4, 5, 1, 1), (9, 2, 3, 6, 4),
                                   (1, 3, 4, 2, 2), (30, 1, 2, 5, 1), (3, 2, 6, 7, 2)):
            attrs = {"input_size": i, "hidden_size": h, "num_layers": layers}
            module_case(out, op, attrs, kind(i, h, layers), torch.randn(t, b, i), lambda m, x: m(x)[0])
    for t, b, e, heads in ((1, 1, 1, 1), (5, 2, 6, 3), (4, 1, 8, 8), (1, 3, 4, 1), (7, 2, 6, 2), (12, 3, 12, 4)):
        module = torch.nn.MultiheadAttention(e, heads, batch_first=True)
        module_case(out, ATTENTION, {"embed_dim": e, "num_heads": heads}, module, torch.randn(b, t, e),
                    lambda m, x: m(x, x, x, need_weights=False)[0])


FAMILIES = {"nnfunc": nnfunc, "recurrent": recurrent}
