"""Draws layer configurations and runs each in PyTorch, in float64 and in float32.

Started by main.ts, which reads standard output: for each case the length of a safetensors file (8
bytes, little-endian) and the file. Its metadata say what the layer is; its tensors are what it was
given, and what came of it: `f64.*` in float64, `f32.*` in float32 (as float64 values).

    python3 torch_side.py COUNT SEED
"""
import json
import random
import struct
import sys

import torch
from torch import nn

BLOCK = 16  # fills the blocks of 8 and of 16 channels
MEANS = [0, 0, 1, 10, 100, 300, 1000, 3000]


def spatial(rng, axes, least=1):
    return [rng.randint(least, [40, 14, 7][axes - 1]) for _ in range(axes)]


def per_axis(rng, axes, low, high):
    """One number for all axes, or one for each."""
    return rng.randint(low, high) if rng.random() < 0.5 else [rng.randint(low, high) for _ in range(axes)]


def spread(value, axes):
    return value if isinstance(value, list) else [value] * axes


def window(rng, axes):
    return {"stride": per_axis(rng, axes, 1, 3), "dilation": per_axis(rng, axes, 1, 3)}


def room(sizes, kernel, padding, dilation):
    """Sizes in which a kernel fits at least once."""
    axes = len(sizes)
    reach = [d * (k - 1) + 1 - 2 * p for k, p, d in zip(spread(kernel, axes), spread(padding, axes), spread(dilation, axes))]
    return [max(s, r, 1) for s, r in zip(sizes, reach)]


def conv(rng, axes, blocks, transposed):
    groups = rng.choice([1, 1, 1, 2, 4, "each"])
    base = BLOCK * rng.randint(1, 2) if blocks else rng.randint(1, 9)
    if groups == "each":
        channels, outputs, groups = base, base * rng.randint(1, 2), base
    else:
        channels, outputs = (base, BLOCK * rng.randint(1, 2)) if blocks else (groups * base, groups * rng.randint(1, 8))
    o = {**window(rng, axes), "padding": per_axis(rng, axes, 0, 3), "groups": groups, "bias": rng.random() < 0.7}
    kernel = per_axis(rng, axes, 1, [7, 5, 3][axes - 1])
    sizes = spatial(rng, axes)
    if transposed:
        strides, dilations = spread(o["stride"], axes), spread(o["dilation"], axes)
        o["output_padding"] = [rng.randrange(max(s, d)) for s, d in zip(strides, dilations)]
        # The padding must leave something of the output.
        grown = [(n - 1) * s + d * (k - 1) + 1 for n, s, d, k in zip(sizes, strides, dilations, spread(kernel, axes))]
        o["padding"] = [min(p, (g - 1) // 2) for p, g in zip(spread(o["padding"], axes), grown)]
    else:
        sizes = room(sizes, kernel, o["padding"], o["dilation"])
    name = ("ConvTranspose" if transposed else "Conv") + f"{axes}d"
    return name, [channels, outputs, kernel], o, [channels, *sizes]


def pool(rng, axes, blocks, kind):
    channels = BLOCK if blocks else rng.randint(1, 6)
    kernel = per_axis(rng, axes, 1, [7, 4, 3][axes - 1])
    o = window(rng, axes)
    o["padding"] = [rng.randint(0, k // 2) for k in spread(kernel, axes)]
    o["ceil_mode"] = rng.random() < 0.5
    if kind == "Avg":
        del o["dilation"]
        o["count_include_pad"] = rng.random() < 0.5
    # PyTorch's avg_pool3d wants the kernel inside the input, padding or not.
    inside = 0 if kind == "Avg" and axes == 3 else o["padding"]
    sizes = room(spatial(rng, axes), kernel, inside, o.get("dilation", 1))
    return f"{kind}Pool{axes}d", [kernel], o, [channels, *sizes]


def adaptive(rng, axes, blocks, kind):
    channels = BLOCK if blocks else rng.randint(1, 6)
    size = per_axis(rng, axes, 1, 7)
    return f"Adaptive{kind}Pool{axes}d", [size], {}, [channels, *spatial(rng, axes)]


def norm(rng, axes, blocks):
    channels = BLOCK * rng.randint(1, 2) if blocks else rng.randint(1, 8)
    sizes = [rng.choice([1, 4, 8, 32, 64]) for _ in range(2)] if axes == 2 and rng.random() < 0.3 else spatial(rng, axes)
    if all(s == 1 for s in sizes):
        sizes[0] = 2
    affine, eps = rng.random() < 0.7, rng.choice([1e-5, 1e-5, 1e-3])
    kind = rng.choice(["Batch", "Batch", "Instance", "Group", "Layer", "LocalResponse"])
    if kind in ("Batch", "Instance"):
        o = {"eps": eps, "affine": affine, "momentum": rng.choice([0.1, 0.3])}
        if kind == "Instance":
            o["track_running_stats"] = rng.random() < 0.3
        return f"{kind}Norm{axes}d", [channels], o, [channels, *sizes]
    if kind == "Group":
        groups = rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
        return "GroupNorm", [groups, channels], {"eps": eps, "affine": affine}, [channels, *sizes]
    if kind == "Layer":
        last = ([channels] + sizes)[-rng.randint(1, axes + 1):]
        if all(s == 1 for s in last):
            last = [channels + 1, *sizes]
            channels += 1
        return "LayerNorm", [last], {"eps": eps, "elementwise_affine": affine}, [channels, *sizes]
    o = {"alpha": rng.choice([1e-4, 0.1]), "beta": rng.choice([0.5, 0.75]), "k": rng.choice([1.0, 2.0])}
    return "LocalResponseNorm", [rng.randint(1, 7)], o, [channels, *sizes]


def scale_factor(rng, size, mode):
    # Where an axis keeps or doubles its size by another factor, PyTorch's nearest forward and backward disagree.
    while True:
        factor = rng.choice([0.4, 0.5, 0.75, 1.0, 1.3, 1.5, 2.0, 2.1, 2.5, 3.0])
        grown = int(size * factor)
        odd = mode == "nearest" and grown in (size, 2 * size) and factor not in (1.0, 2.0)
        if grown >= 1 and not odd:
            return factor


def resize(rng, axes, blocks):
    channels = BLOCK if blocks else rng.randint(1, 5)
    modes = ["nearest", "nearest-exact", ["linear", "bilinear", "trilinear"][axes - 1]] + ["bicubic"] * (axes == 2)
    mode = rng.choice(modes)
    sizes = spatial(rng, axes)
    o = {"mode": mode}
    if rng.random() < 0.5:
        o["size"] = [rng.randint(1, [60, 20, 9][axes - 1]) for _ in range(axes)]
    else:
        o["scale_factor"] = [scale_factor(rng, s, mode) for s in sizes]
    if "linear" in mode or mode == "bicubic":
        o["align_corners"] = rng.random() < 0.5
    return "Upsample", [], o, [channels, *sizes]


ACTIVATIONS = [
    ("ReLU", lambda rng: {}), ("ReLU6", lambda rng: {}), ("Sigmoid", lambda rng: {}), ("Tanh", lambda rng: {}),
    ("LeakyReLU", lambda rng: {"negative_slope": rng.choice([0.01, 0.2])}), ("SiLU", lambda rng: {}),
    ("GELU", lambda rng: {"approximate": rng.choice(["none", "tanh"])}), ("Mish", lambda rng: {}),
    ("Hardsigmoid", lambda rng: {}), ("Hardswish", lambda rng: {}), ("Softsign", lambda rng: {}),
    ("Hardtanh", lambda rng: {"min_val": rng.choice([-1.0, -2.5]), "max_val": rng.choice([1.0, 3.0])}),
    ("ELU", lambda rng: {"alpha": rng.choice([1.0, 0.5])}), ("CELU", lambda rng: {"alpha": rng.choice([1.0, 2.0])}),
    ("SELU", lambda rng: {}), ("Softplus", lambda rng: {"beta": rng.choice([1, 2])}), ("LogSigmoid", lambda rng: {}),
    ("Softmax", lambda rng: {"dim": 1}), ("LogSoftmax", lambda rng: {"dim": -1}), ("GLU", lambda rng: {"dim": 1}),
    ("PReLU", lambda rng: {}),
]


def activation(rng, axes, blocks):
    channels = BLOCK if blocks else 2 * rng.randint(1, 4)
    name, options = rng.choice(ACTIVATIONS)
    positional = [rng.choice([1, channels])] if name == "PReLU" else []
    return name, positional, options(rng), [channels, *spatial(rng, axes)]


KINDS = {
    "convolution": lambda rng, axes, blocks: conv(rng, axes, blocks, False),
    "transposed convolution": lambda rng, axes, blocks: conv(rng, axes, blocks, True),
    "max pooling": lambda rng, axes, blocks: pool(rng, axes, blocks, "Max"),
    "average pooling": lambda rng, axes, blocks: pool(rng, axes, blocks, "Avg"),
    "adaptive pooling": lambda rng, axes, blocks: adaptive(rng, axes, blocks, rng.choice(["Avg", "Max"])),
    "normalisation": norm,
    "interpolation": resize,
    "activation": activation,
}
WEIGHTS = [4, 4, 2, 2, 2, 6, 3, 3]


def carrier(rng, channels, generator):
    """A 1x1 convolution that moves no value off float32: a permutation with signs and powers of two."""
    layer = nn.Conv2d(channels, channels, 1)
    weight = torch.zeros(channels, channels)
    order = torch.randperm(channels, generator=generator)
    weight[torch.arange(channels), order] = torch.tensor([rng.choice([-2.0, -1.0, 1.0, 0.5]) for _ in range(channels)])
    layer.weight.data = weight.reshape(channels, channels, 1, 1)
    layer.bias.data.zero_()
    return layer


def draw_case(rng, index, seed):
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    normal = lambda *shape: torch.randn(*shape, generator=generator)
    kind = rng.choices(list(KINDS), WEIGHTS)[0]
    axes = rng.choice([1, 2, 2, 2, 3])
    blocks = axes == 2 and rng.random() < 0.6
    name, arguments, options, (channels, *sizes) = KINDS[kind](rng, axes, blocks)
    given = lambda value: tuple(value) if isinstance(value, list) else value
    layer = getattr(nn, name)(*map(given, arguments), **{k: given(v) for k, v in options.items()})
    for parameter in layer.parameters():
        fan = parameter[0].numel() if parameter.dim() > 1 else 1
        parameter.data = normal(*parameter.shape) / fan**0.5 + (1.0 if "Norm" in name and parameter.dim() == 1 else 0.0)
    for key, buffer in layer.named_buffers():
        if buffer.is_floating_point():
            buffer.data = normal(*buffer.shape).abs() + 0.5
    batch = rng.choice([1, 2, 3, 4, 16]) if axes < 3 else rng.randint(1, 3)
    if name.startswith("BatchNorm") and batch * torch.Size(sizes).numel() < 2:
        batch = 2
    x = normal(batch, channels, *sizes)
    ratio = rng.choice(MEANS) if kind == "normalisation" else 0
    per_channel = (1, channels) + (1,) * axes
    x = (x + ratio * normal(*per_channel).sign()) * (normal(*per_channel).abs() + 0.1) if ratio else x
    grid = kind in ("activation", "max pooling", "adaptive pooling") and rng.random() < 0.3
    # Of hardswish at 3 PyTorch has two gradients: one in its vectorised loop, one at the end of an array.
    if grid and name != "Hardswish":  # equal values, zeros and the places where activations bend
        x = (2 * x).round() / 2
    training = rng.random() < 0.75
    around = [carrier(rng, channels, generator)] if blocks else []
    parts = [*around, layer]
    probe = nn.Sequential(*parts).eval()(x)
    if not probe.isfinite().all():  # a window of padding alone, which Fovea refuses
        return draw_case(rng, index, seed)
    if blocks and probe.dim() == 4 and probe.shape[1] % BLOCK == 0:
        parts.append(carrier(rng, probe.shape[1], generator))
    net = nn.Sequential(*parts).train(training)
    cotangent = normal(*probe.shape)
    about = {
        "index": index, "kind": kind, "layer": name, "arguments": arguments, "options": options,
        "blocks": blocks, "carriers": [p.weight.shape[0] for p in parts if p is not layer], "position": len(around),
        "training": training, "ratio": ratio, "grid": grid, "shape": list(x.shape),
    }
    return about, net, x, cotangent


def run(net, x, cotangent):
    """Output, gradients of everything, and new buffers."""
    x = x.detach().clone().requires_grad_()
    net.zero_grad()
    y = net(x)
    (y * cotangent).sum().backward()
    found = {"output": y, "grad.input": x.grad}
    found.update({f"grad.{k}": torch.zeros_like(p) if p.grad is None else p.grad for k, p in net.named_parameters()})
    found.update({f"state.{k}": b for k, b in net.named_buffers() if b.is_floating_point()})
    return {name: value.detach().clone() for name, value in found.items()}


def run_from(net, state, x, cotangent):
    net.load_state_dict(state)
    return run(net, x.double(), cotangent.double())


def half_unit(net, state, x, cotangent, about, generator):
    """The same in float64, from inputs that are each off by up to half a unit in float32's last place."""
    def off(t):
        noise = torch.rand(t.shape, generator=generator, dtype=torch.float64)
        return t.double() * (1 + (2 * noise - 1) * 2.0**-24)
    # A maximum or a bend may lie between a value and its neighbour.
    bends = about["kind"] in ("activation", "max pooling", "adaptive pooling")
    moved = {k: off(v) if v.is_floating_point() and "running" not in k else v for k, v in state.items()}
    return run_from(net, moved, x.double() if bends else off(x), off(cotangent))


def furthest(found, exact):
    return max((f.double() - exact).abs().max().item() if exact.numel() else 0.0 for f in found)


def safetensors(tensors, metadata):
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, tensor in tensors.items():
        blob = tensor.detach().double().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(blobs)


def main(count, seed):
    torch.set_num_threads(1)
    rng = random.Random(seed)
    for index in range(count):
        about, net, x, cotangent = draw_case(rng, index, seed)
        state = {k: v.clone() for k, v in net.state_dict().items()}
        tensors = {"x": x, "cotangent": cotangent, **{f"param.{k}": v for k, v in state.items()}}
        single = run(net, x, cotangent)
        net = net.double()
        double = run_from(net, state, x, cotangent)
        tensors.update({f"f64.{k}": v for k, v in double.items()})
        about["torch"] = torch.__version__
        about["torch_error"] = {k: furthest([single[k]], v) for k, v in double.items()}
        generator = torch.Generator().manual_seed(index)
        rounded = [half_unit(net, state, x, cotangent, about, generator) for _ in range(2)]
        about["condition"] = {k: furthest([r[k] for r in rounded], v) for k, v in double.items()}
        file = safetensors(tensors, {"case": json.dumps(about)})
        sys.stdout.buffer.write(struct.pack("<Q", len(file)) + file)
        sys.stdout.buffer.flush()


main(int(sys.argv[1]), int(sys.argv[2]))
