"""The networks of Fovea's src/models in PyTorch, with the same state_dict names."""
import torch.nn as nn
import torch.nn.functional as F


class PaddedShortcut(nn.Module):
    """Option A of He et al. 2016: every second row and column, and channels of zeros on both sides."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.stride = stride
        self.before = (channels_out - channels_in) // 2
        self.behind = channels_out - channels_in - self.before

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.behind))


def make_shortcut(kind, channels_in, channels_out, stride):
    if stride == 1 and channels_in == channels_out:
        return nn.Identity()
    if kind == "padding":
        return PaddedShortcut(channels_in, channels_out, stride)
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out)
    )


class BasicBlock(nn.Module):
    def __init__(self, channels_in, channels, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = make_shortcut(shortcut, channels_in, channels, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)).add_(self.shortcut(x)), inplace=True)


class ResNet(nn.Module):
    def __init__(self, width, depths, shortcut, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = len(depths)
        channels = width
        for stage, depth in enumerate(depths):
            inner = width * 2**stage
            blocks = []
            for i in range(depth):
                stride = 2 if stage > 0 and i == 0 else 1
                blocks.append(BasicBlock(channels, inner, stride, shortcut))
                channels = inner
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(channels, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.linear(x.mean((2, 3)))


def create(name):
    if name == "resnet20":
        return ResNet(16, [3, 3, 3], "padding")
    if name == "resnet18":
        return ResNet(64, [2, 2, 2, 2], "projection")
    raise ValueError(name)
