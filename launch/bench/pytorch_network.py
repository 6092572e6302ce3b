"""The networks of launch/bench/compare in PyTorch: a CIFAR-stem ResNet-18, dense or with mixtures of experts.

Names of parameters are those of RobustMoE's checkpoints, so that both sides time the same weights. A mixture is computed
the way the public implementations do it: each expert runs on the images that chose it, one expert after the other, and the
results are scattered back with their weights.
"""
import json

import numpy
import torch
from torch import nn
from torch.nn import functional as F


class Experts(nn.Module):
    """A mixture of `experts`: softmax router on pooled features, top-k, straight-through weights where k is 1."""

    balance_weight = 0.5

    def __init__(self, experts, inputs, top_k):
        super().__init__()
        self.experts = nn.ModuleList(experts)
        self.router = nn.Linear(inputs, len(experts))
        self.top_k = top_k
        self.balance = None
        self.counts = None

    # Which images go where is known at run time only: a compiled graph breaks here in any case, and experts compiled for
    # batches of any size gain nothing.
    @torch.compiler.disable
    def forward(self, x):
        scores = F.softmax(self.router(x.mean((2, 3))).float(), dim=1)
        if self.training:
            mean = scores.mean(0)
            self.balance = self.balance_weight * (entropy(scores).mean() - entropy(mean))
        chosen = scores.detach().topk(self.top_k).indices
        mask = torch.zeros_like(scores).scatter_(1, chosen, 1.0)
        kept = scores * mask
        weights = mask + kept - kept.detach() if self.top_k == 1 else kept / (kept.sum(1, keepdim=True) + 1e-5)
        output = None
        self.counts = mask.sum(0)
        for index, expert in enumerate(self.experts):
            images = mask[:, index].nonzero().squeeze(1)
            if images.numel() == 0:
                continue
            y = expert(x.index_select(0, images).contiguous(memory_format=torch.channels_last))
            y = y * weights[images, index].view(-1, 1, 1, 1)
            if output is None:
                output = torch.zeros(
                    (x.shape[0], *y.shape[1:]), dtype=y.dtype).contiguous(memory_format=torch.channels_last)
            output.index_add_(0, images, y)
        return output


def entropy(p):
    return -(p * p.clamp_min(1e-30).log()).sum(-1)


class Block(nn.Module):
    def __init__(self, convolution, inputs, outputs, stride):
        super().__init__()
        self.conv1 = convolution("conv1", inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = convolution("conv2", outputs, outputs, 3, 1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                convolution("downsample.0", inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


def plain(_, inputs, outputs, kernel, stride):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class ResNet18(nn.Module):
    """`kind` is none, conv or block; `placement` the path of the stage or block that gets experts, such as layer4.1."""

    def __init__(self, width, classes=10, kind="none", placement="layer4", experts=4, top_k=1):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3).view(1, 3, 1, 1))
        self.register_buffer("std", torch.ones(3).view(1, 3, 1, 1))
        self.conv1 = plain("", 3, width, 3, 1)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage in range(4):
            blocks = []
            for index in range(2):
                path = f"layer{stage + 1}.{index}"
                outputs, stride = width << stage, 2 if stage > 0 and index == 0 else 1

                def convolution(name, inputs, outputs, kernel, stride, path=path):
                    if kind != "conv" or not covers(placement, f"{path}.{name}"):
                        return plain(name, inputs, outputs, kernel, stride)
                    return Experts([plain(name, inputs, outputs, kernel, stride) for _ in range(experts)], inputs, top_k)

                if kind == "block" and covers(placement, path):
                    blocks.append(
                        Experts([Block(plain, inputs, outputs, stride) for _ in range(experts)], inputs, top_k))
                else:
                    blocks.append(Block(convolution, inputs, outputs, stride))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1((x - self.mean) / self.std)), inplace=True)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))

    def mixtures(self):
        return [module for module in self.modules() if isinstance(module, Experts)]

    def load_shared(self, path):
        """Takes every parameter and statistic from a checkpoint of RobustMoE's."""
        tensors = read_safetensors(path)
        self.mean.copy_(tensors.pop("normalize.mean").view(1, 3, 1, 1))
        self.std.copy_(tensors.pop("normalize.std").view(1, 3, 1, 1))
        own = {name for name in self.state_dict() if name not in ("mean", "std")}
        if own != set(tensors):
            raise SystemExit(f"{path}: the other side's network differs: {sorted(own ^ set(tensors))[:4]}")
        self.load_state_dict(tensors, strict=False)


def covers(placement, path):
    return path == placement or path.startswith(placement + ".")


def read_safetensors(path):
    """All tensors of a file by name; the format is a length, a JSON header and the numbers."""
    with open(path, "rb") as file:
        data = file.read()
    length = int.from_bytes(data[:8], "little")
    types = {"F32": numpy.float32, "I64": numpy.int64}
    result = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(data[start:end], types[entry["dtype"]]).reshape(entry["shape"])
        result[name] = torch.from_numpy(values.copy())
    return result
