"""The mechanisms of Fovea's src/attention in PyTorch, after the documents and the papers, with the
same state_dict names. `python mechanisms.py ID CHANNELS OPTIONS KIND SETUP` is a contestant of one of them."""
import json
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


def conv_norm_relu(c_in, c_out, kernel, **options):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, bias=False, **options), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
    )


class SqueezeExcite(nn.Module):
    def __init__(self, c, ratio=16):
        super().__init__()
        self.reduce = nn.Conv2d(c, c // ratio, 1)
        self.expand = nn.Conv2d(c // ratio, c, 1)

    def forward(self, x):
        gate = self.expand(F.relu(self.reduce(F.adaptive_avg_pool2d(x, 1)), inplace=True))
        return x * torch.sigmoid(gate)


class Eca(nn.Module):
    def __init__(self, c):
        super().__init__()
        kernel = (c.bit_length() - 1 + 1) // 2
        kernel += 1 - kernel % 2
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def gate(self, x):
        y = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)
        return torch.sigmoid(self.conv(y).transpose(-1, -2).unsqueeze(-1))

    def forward(self, x):
        return x * self.gate(x)


class SelectiveKernel(nn.Module):
    def __init__(self, c, branches=2, reduction=16, least=32, groups=32):
        super().__init__()
        hidden = max(c // reduction, least)
        self.branches = nn.ModuleList(
            conv_norm_relu(c, c, 3, padding=1 + i, dilation=1 + i, groups=groups) for i in range(branches)
        )
        self.fuse = conv_norm_relu(c, hidden, 1)
        self.select = nn.Conv2d(hidden, branches * c, 1, bias=False)

    def forward(self, x):
        maps = [branch(x) for branch in self.branches]
        z = self.fuse(F.adaptive_avg_pool2d(sum(maps), 1))
        weights = self.select(z).reshape(x.shape[0], len(maps), x.shape[1], 1, 1).softmax(1)
        return sum(y * weights[:, i] for i, y in enumerate(maps))


class SelectiveFusion(nn.Module):
    def __init__(self, c, groups=32):
        super().__init__()
        self.branches = nn.ModuleList(
            conv_norm_relu(c, c, 3 + 2 * i, padding=1 + i, groups=groups) for i in range(2)
        )
        self.eca = Eca(c)
        self.eca.conv = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x):
        union = self.branches[0](x) + self.branches[1](x)
        return union * self.eca.gate(union)


class PositionAttention(nn.Module):
    """DANet's, and with another name of the scale SAGAN's."""

    def __init__(self, c, ratio=8, scale="alpha"):
        super().__init__()
        self.query = nn.Conv2d(c, c // ratio, 1)
        self.key = nn.Conv2d(c, c // ratio, 1)
        self.value = nn.Conv2d(c, c, 1)
        self.scale = scale
        self.register_parameter(scale, nn.Parameter(torch.zeros(1)))

    def forward(self, x):
        query = self.query(x).flatten(2).transpose(1, 2)
        attention = torch.bmm(query, self.key(x).flatten(2)).softmax(-1)
        gathered = torch.bmm(self.value(x).flatten(2), attention.transpose(1, 2))
        return getattr(self, self.scale) * gathered.view_as(x) + x


class ChannelSimilarityAttention(nn.Module):
    def __init__(self, c=None):
        super().__init__()
        self.beta = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        flat = x.flatten(2)
        attention = torch.bmm(flat, flat.transpose(1, 2)).softmax(-1)
        return self.beta * torch.bmm(attention, flat).view_as(x) + x


class NonLocal(nn.Module):
    def __init__(self, c):
        super().__init__()
        inner = c // 2
        self.theta = nn.Conv2d(c, inner, 1)
        self.phi = nn.Conv2d(c, inner, 1)
        self.g = nn.Conv2d(c, inner, 1)
        self.output = nn.Conv2d(inner, c, 1)
        self.norm = nn.BatchNorm2d(c)

    def forward(self, x):
        value = F.max_pool2d(self.g(x), 2).flatten(2).transpose(1, 2)
        query = self.theta(x).flatten(2).transpose(1, 2)
        key = F.max_pool2d(self.phi(x), 2).flatten(2)
        attended = torch.bmm(torch.bmm(query, key).softmax(-1), value)
        attended = attended.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])
        return self.norm(self.output(attended)) + x


class SimpleNonLocal(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.theta = nn.Conv2d(c, c // 2, 1, bias=False)
        self.phi = nn.Conv2d(c, c // 2, 1, bias=False)
        self.g = nn.Conv2d(c, c // 2, 1, bias=False)
        self.mask = nn.Conv2d(c // 2, c, 1, bias=False)

    def forward(self, x):
        query = self.theta(x).flatten(2).transpose(1, 2)
        attention = torch.bmm(query, self.phi(x).flatten(2)).softmax(-1)
        attended = torch.bmm(attention, self.g(x).flatten(2).transpose(1, 2)).transpose(1, 2)
        return self.mask(attended.reshape(x.shape[0], -1, *x.shape[2:])) + x


def channel_mlp(c, ratio=16):
    return nn.Sequential(
        nn.Conv2d(c, c // ratio, 1, bias=False), nn.ReLU(inplace=True), nn.Conv2d(c // ratio, c, 1, bias=False)
    )


class ChannelGate(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.transform = channel_mlp(c)

    def logits(self, x):
        return self.transform(F.adaptive_avg_pool2d(x, 1)) + self.transform(F.adaptive_max_pool2d(x, 1))

    def forward(self, x):
        return x * torch.sigmoid(self.logits(x))


class SpatialGate(nn.Module):
    def __init__(self, c=None, bias=False, maximum_first=False):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=bias)
        self.maximum_first = maximum_first

    def logits(self, x):
        pooled = [x.mean(1, keepdim=True), x.max(1, keepdim=True).values]
        return self.conv(torch.cat(pooled[::-1] if self.maximum_first else pooled, 1))

    def forward(self, x):
        return x * torch.sigmoid(self.logits(x))


class Cbam(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.channelGate = ChannelGate(c)
        self.spatialGate = SpatialGate()

    def forward(self, x):
        return self.spatialGate(self.channelGate(x))


class JointCbam(nn.Module):
    def __init__(self, c, positions, ratio=16):
        super().__init__()
        self.channelGate = ChannelGate(c)
        self.spatialGate = SpatialGate(bias=True, maximum_first=True)
        self.reduce = nn.Conv2d(c + positions, c // ratio, 1, bias=False)
        self.expand = nn.Conv2d(c // ratio, c + positions, 1, bias=False)

    def forward(self, x):
        b, c, h, w = x.shape
        joint = torch.cat([self.channelGate.logits(x), self.spatialGate.logits(x).reshape(b, h * w, 1, 1)], 1)
        weights = torch.sigmoid(self.expand(F.relu(self.reduce(joint), inplace=True)))
        return x * weights[:, :c] * weights[:, c:].reshape(b, 1, h, w)


class DualAttentionHead(nn.Module):
    def __init__(self, c, classes=19, dropout=0.1):
        super().__init__()
        inner = c // 4
        block = lambda width: conv_norm_relu(width, inner, 3, padding=1)
        classifier = lambda: nn.Sequential(nn.Dropout(dropout), nn.Conv2d(inner, classes, 1))
        self.positionIn, self.channelIn = block(c), block(c)
        self.position, self.channel = PositionAttention(inner), ChannelSimilarityAttention()
        self.positionOut, self.channelOut = block(inner), block(inner)
        self.classifier = classifier()
        self.positionClassifier = classifier()
        self.channelClassifier = classifier()

    def forward(self, x):
        position = self.positionOut(self.position(self.positionIn(x)))
        channel = self.channelOut(self.channel(self.channelIn(x)))
        return (
            self.classifier(position + channel),
            self.positionClassifier(position),
            self.channelClassifier(channel),
        )


class GatedFusion(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.first = nn.Conv2d(c, c, 1)
        self.second = nn.Conv2d(c, c, 1)

    def forward(self, a, b):
        gate = torch.sigmoid(self.first(a) + self.second(b))
        return gate * a + (1 - gate) * b


class ScaleSelection(nn.Module):
    def __init__(self, c, maps):
        super().__init__()
        self.describe = nn.ModuleList(nn.Conv2d(c, c, 1, bias=False) for _ in range(maps))

    def forward(self, maps):
        described = [layer(F.adaptive_avg_pool2d(y, 1)) for layer, y in zip(self.describe, maps)]
        weights = torch.sigmoid(torch.cat(described, 2)).softmax(2)
        return sum(y * weights[:, :, i : i + 1] for i, y in enumerate(maps))


class MultiScaleSelectiveFusion(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.selection = ScaleSelection(c, 4)
        self.project = conv_norm_relu(c, c, 1)

    def forward(self, *maps):
        return self.project(self.selection(maps))


class MultiFeatureExtraction(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.branches = nn.ModuleList(
            conv_norm_relu(c, c, 3, padding=rate, dilation=rate) for rate in (1, 2, 4, 8)
        )
        self.selection = ScaleSelection(c, 4)
        self.project = conv_norm_relu(c, c, 1)

    def forward(self, x):
        maps = [self.branches[0](x)]
        for branch in self.branches[1:]:
            maps.append(branch(maps[-1] + x))
        return self.project(self.selection(maps) + x)


class SpatiallyAdaptiveModulation(nn.Module):
    def __init__(self, c, levels=4):
        super().__init__()
        width = c // levels
        self.features = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, groups=width) for _ in range(levels)
        )
        self.aggregate = nn.Conv2d(c, c, 1)

    def forward(self, x):
        h, w = x.shape[2:]
        seen = []
        for i, (layer, part) in enumerate(zip(self.features, x.chunk(len(self.features), 1))):
            small = part if i == 0 else F.adaptive_max_pool2d(part, (h // 2**i, w // 2**i))
            seen.append(layer(small) if i == 0 else F.interpolate(layer(small), size=(h, w), mode="nearest"))
        return F.gelu(self.aggregate(torch.cat(seen, 1))) * x


class OverlappingReductionAttention(nn.Module):
    def __init__(self, c, heads=8, reduction=2):
        super().__init__()
        self.heads = heads
        kernel = reduction + 3
        self.query = nn.Conv2d(c, c, 1)
        self.keyValue = nn.Conv2d(c, 2 * c, 1)
        self.reduce = nn.Sequential(
            nn.Conv2d(c, c, kernel, reduction, kernel // 2, groups=c, bias=False),
            nn.BatchNorm2d(c),
            nn.GELU(),
            nn.Conv2d(c, c, 1, groups=c, bias=False),
            nn.BatchNorm2d(c),
        )
        self.local = nn.Conv2d(c, c, 3, padding=1, groups=c)

    def forward(self, x):
        b, c = x.shape[:2]
        size = c // self.heads
        reduced = self.reduce(x)
        query = self.query(x).reshape(b, self.heads, size, -1).transpose(-1, -2)
        both = self.keyValue(self.local(reduced) + reduced)
        key, value = (half.reshape(b, self.heads, size, -1) for half in both.chunk(2, 1))
        attention = (query @ key * size**-0.5).softmax(-1)
        return (attention @ value.transpose(-1, -2)).transpose(-1, -2).reshape(x.shape)


class MultiScaleAttentionAggregation(nn.Module):
    def __init__(self, c, factor=4, ratio=4):
        super().__init__()
        d = c // factor
        self.reduce = nn.Conv2d(3 * c, d, 1)
        self.squeeze = nn.Conv2d(d, d // ratio, 1, bias=False)
        self.excite = nn.Conv2d(d // ratio, d, 1, bias=False)
        self.conv3 = nn.Conv2d(d, d, 3, padding=1)
        self.conv5 = nn.Conv2d(d, d, 5, padding=2)
        self.conv7 = nn.Conv2d(d, d, 7, padding=3)
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.expand = nn.Conv2d(d, c, 1)

    def forward(self, *maps):
        fused = self.reduce(torch.cat(maps, 1))
        mlp = lambda pooled: self.excite(F.relu(self.squeeze(pooled), inplace=True))
        channel = torch.sigmoid(mlp(F.adaptive_avg_pool2d(fused, 1)) + mlp(F.adaptive_max_pool2d(fused, 1)))
        scales = self.conv3(fused) + self.conv5(fused) + self.conv7(fused)
        pooled = torch.cat([scales.mean(1, keepdim=True), scales.max(1, keepdim=True).values], 1)
        return self.expand(fused * channel + scales * torch.sigmoid(self.spatial(pooled)))


class FeedForward(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, hidden)
        self.reduce = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.reduce(F.gelu(self.expand(self.norm(x))))


class MultiHeadAttention(nn.Module):
    def __init__(self, dim, heads, size):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * heads * size, bias=False)
        self.output = nn.Linear(heads * size, dim, bias=False)

    def forward(self, x):
        b, t = x.shape[:2]
        query, key, value = (
            part.reshape(b, t, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm(x)).chunk(3, -1)
        )
        attention = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1)
        return self.output((attention @ value).transpose(1, 2).reshape(b, t, -1))


class TransformerLayer(nn.Module):
    def __init__(self, dim, heads, size, hidden):
        super().__init__()
        self.attention = MultiHeadAttention(dim, heads, size)
        self.feedForward = FeedForward(dim, hidden)

    def forward(self, x):
        x = self.attention(x) + x
        return self.feedForward(x) + x


class Transformer(nn.Module):
    def __init__(self, dim, depth, heads, size, hidden):
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(dim, heads, size, hidden) for _ in range(depth))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


class SimpleVit(nn.Module):
    def __init__(self, c, imageSize, dim, depth, heads, headDim, mlpDim, patch=32):
        super().__init__()
        self.patch = patch
        self.embedding = nn.Linear(patch * imageSize**2, dim)
        self.transformer = Transformer(dim, depth, heads, headDim, mlpDim)

    def forward(self, x):
        patches = x.reshape(x.shape[0], x.shape[1] // self.patch, -1)
        return self.transformer(self.embedding(patches)).mean(1).mean(1, keepdim=True)


MECHANISMS = {
    "se": SqueezeExcite,
    "eca": Eca,
    "sk": SelectiveKernel,
    "sf": SelectiveFusion,
    "sagan": lambda c: PositionAttention(c, scale="gamma"),
    "non-local": NonLocal,
    "simple-non-local": SimpleNonLocal,
    # With its default options Gather-Excite is Squeeze-and-Excitation.
    "gather-excite": SqueezeExcite,
    "cbam": Cbam,
    "cbam-channel": ChannelGate,
    "cbam-spatial": SpatialGate,
    "cbam-joint": JointCbam,
    "danet-position": PositionAttention,
    "danet-channel": ChannelSimilarityAttention,
    "danet-head": DualAttentionHead,
    "gated-fusion": GatedFusion,
    "msf": MultiScaleSelectiveFusion,
    "mfe": MultiFeatureExtraction,
    "safm": SpatiallyAdaptiveModulation,
    "osra": OverlappingReductionAttention,
    "msaa": MultiScaleAttentionAggregation,
    "simple-vit": SimpleVit,
}


def main():
    from protocol import read_safetensors, serve

    id, channels, options, kind, setup = sys.argv[1:6]
    tensors = read_safetensors(setup)
    take = lambda start: [tensors.pop(name) for name in sorted(tensors) if name.startswith(start)]
    maps, cotangents = take("input."), take("cotangent.")
    module = MECHANISMS[id](int(channels), **json.loads(options))
    module.load_state_dict(tensors)
    del tensors

    def loss_of():
        outputs = module(*maps)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum((y * c).sum() for y, c in zip(outputs, cotangents))

    def forward():
        with torch.inference_mode():
            return [loss_of().item()]

    def backward():
        for leaf in leaves:
            leaf.grad = None
        loss = loss_of()
        loss.backward()
        # One number for each gradient, so that both sides hand out the same.
        return [loss.item(), *torch.stack([(leaf.grad * leaf.grad).sum() for leaf in leaves]).tolist()]

    leaves = maps + [parameter for _, parameter in sorted(module.named_parameters())]
    module.train(kind == "backward")
    if kind == "backward":
        for x in maps:
            x.requires_grad_()
    serve(forward if kind == "forward" else backward, sum(p.numel() for p in module.parameters()), False)


if __name__ == "__main__":
    main()
