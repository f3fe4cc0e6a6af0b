"""Weights saved here load by name into the same modules in PyTorch and give the same output, and back.

    exchange.py PROGRAM

PROGRAM is tests/exchange.c. It saves parameters and an input with its output; PyTorch loads them, strictly, and computes.
Then PyTorch saves modules of its own, and the program loads them and computes. f32 to 1e-6, f64 to 1e-12.
The suite has this test where python3 imports torch when the build is configured.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

import torch

TYPES = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        start, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(bytearray(body[start:end]), dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def write(path, tensors):
    names = {kind: name for name, kind in TYPES.items()}
    header, body = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def mlp():
    return torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 16), torch.nn.ReLU(),
                               torch.nn.Linear(16, 4))


def cnn():
    return torch.nn.Sequential(torch.nn.Conv2d(2, 6, 3, padding=1), torch.nn.BatchNorm2d(6), torch.nn.ReLU(),
                               torch.nn.Conv2d(6, 3, 2))


def signals():
    return torch.nn.Sequential(torch.nn.Conv1d(4, 6, 3, stride=2, dilation=2, groups=2, bias=False),
                               torch.nn.BatchNorm1d(6), torch.nn.ConvTranspose1d(6, 4, 3, 2, 1, 1),
                               torch.nn.GroupNorm(2, 4), torch.nn.InstanceNorm1d(4, affine=True))


def words():
    return torch.nn.Sequential(torch.nn.Embedding(9, 6, padding_idx=3), torch.nn.LayerNorm(6))


# How a module is made, the shape of its input, and how it reads that, if not as its only operand.
MODULES = {
    "mlp": (mlp, (5, 8)),
    "cnn": (cnn, (4, 2, 6, 5)),
    "lstm": (lambda: torch.nn.LSTM(3, 5, 2, bidirectional=True), (7, 4, 3)),
    "projected": (lambda: torch.nn.LSTM(3, 5, 2, bidirectional=True, proj_size=2), (7, 4, 3)),
    "gru": (lambda: torch.nn.GRU(3, 5, 2), (7, 4, 3)),
    "rnn": (lambda: torch.nn.RNN(3, 5), (7, 4, 3)),
    "encoder": (lambda: torch.nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=True), (3, 6, 8)),
    "stack": (lambda: torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(8, 2, 16, 0.1, "gelu", batch_first=True, norm_first=True), 2,
        torch.nn.LayerNorm(8)), (3, 6, 8)),
    "decoder": (lambda: torch.nn.TransformerDecoder(
        torch.nn.TransformerDecoderLayer(8, 2, 16, 0.1, batch_first=True), 2, torch.nn.LayerNorm(8)), (3, 6, 8),
        lambda m, x: m(x, x)),
    "attention": (lambda: torch.nn.MultiheadAttention(8, 4, batch_first=True), (3, 6, 8), lambda m, x: m(x, x, x)),
    "across": (lambda: torch.nn.MultiheadAttention(8, 4, batch_first=True, kdim=5, vdim=3, add_bias_kv=True,
                                                   add_zero_attn=True), (3, 6, 8),
               lambda m, x: m(x, x[..., :5], x[..., :3])),
    "signals": (signals, (3, 4, 9)),
    "words": (words, (4, 5)),
    "pair": (lambda: torch.nn.Bilinear(3, 4, 5), (4, 7), lambda m, x: m(x[:, :3], x[:, 3:])),
}


def run(name, module, x):
    return MODULES[name][2](module, x) if len(MODULES[name]) > 2 else module(x)


def compute(name, module, x):
    """In evaluation mode, by the ordinary functions: recording a gradient keeps PyTorch from its fused inference."""
    module.eval()
    y = run(name, module, x.clone().requires_grad_(x.is_floating_point()))
    return (y[0] if isinstance(y, tuple) else y).detach()  # recurrent ones give their states, too


def from_here(folder, name, dtype, tolerance):
    stem = f"{folder}/{name}.{dtype}"
    kind = TYPES[dtype.upper()]
    module = MODULES[name][0]().to(kind)
    module.load_state_dict(read(f"{stem}.safetensors"), strict=True)
    values = read(f"{stem}.values.safetensors")
    y = compute(name, module, values["x"])
    difference = (y - values["y"]).abs().max().item()
    good = y.shape == values["y"].shape and difference <= tolerance
    print(f"{name} {dtype}: loaded by PyTorch, largest difference {difference:.1e}{'' if good else ': TOO LARGE'}")
    return good


def for_there(folder, name, dtype):
    stem = f"{folder}/{name}.{dtype}"
    kind = TYPES[dtype.upper()]
    module = MODULES[name][0]().to(kind)
    x = torch.randint(9, MODULES[name][1]) if name == "words" else torch.randn(MODULES[name][1], dtype=kind)
    module.train()
    run(name, module, x)  # batch norm gathers
    write(f"{stem}.safetensors", module.state_dict())
    write(f"{stem}.values.safetensors", {"x": x, "y": compute(name, module, x)})


def main():
    torch.manual_seed(4)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        here, there = os.path.join(folder, "here"), os.path.join(folder, "there")
        os.mkdir(here)
        os.mkdir(there)
        subprocess.run([sys.argv[1], "save", here], check=True)
        for name in MODULES:
            for dtype, tolerance in (("f32", 1e-6), ("f64", 1e-12)):
                good = from_here(here, name, dtype, tolerance) and good
                for_there(there, name, dtype)
        sys.stdout.flush()
        good = subprocess.run([sys.argv[1], "load", there], check=False).returncode == 0 and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
