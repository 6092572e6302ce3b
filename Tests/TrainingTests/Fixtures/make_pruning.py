"""Makes pruning.json: three steps of learning scores of filters (HYDRA, arXiv:2002.10509; whole filters), by PyTorch.

    python make_pruning.py            with the salt below
    python make_pruning.py --search   look for the first salt that meets the margins, print it, use it

A ResNet-18 of width 8 as in NetworksTests/Fixtures/make_fixtures.py, values by its scheme, images as they are. Every
convolution of its blocks, shortcuts aside, has scores s, which begin as sqrt(6 / fan_in)·w / max|w|, while w stands still; m is
0 for the int((1 - share)·filters) filters with the least sum of |s|, 1 for the others. What comes of a filter behind batch norm
and ReLU (behind batch norm, where the block's input is added) is multiplied by m; gradients pass m as it were 1, and reach |s| as
if w were w·|s|. Scores and the weights and biases of batch norms move, by SGD with momentum and decay, on the mean cross entropy
of clean images; a masked channel's weight and bias stand still, and only their momentum fades. label[i] of batch b is
(7i + 3b) mod 10.

In the file, for each step: the loss before it, the right predictions, and the filters kept after it; at the end scores and
batch norms: norm, values at spread places, and the distance of PyTorch's float32 from its float64. The salt is such that no
two filters, of which one is kept and one is not, are closer than MARGIN of their sums.
"""
import math
import os
import sys

import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../NetworksTests/Fixtures"))

from make_fixtures import ResNet, Rounded, case, distance, initialise, made_images, probes, text  # noqa: E402

IMAGE = dict(channels=3, size=16, mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0])
CASE = case("dense", IMAGE, width=8)
SHARE, STEPS, RATE, MOMENTUM, DECAY, MARGIN = 0.4, 3, 0.05, 0.9, 0.01, 2e-4
PROBES = 4


class Masked(torch.autograd.Function):
    """Zeros where the mask is 0; the gradient passes."""

    @staticmethod
    def forward(context, values, mask):
        return values * mask.view(1, -1, 1, 1)

    @staticmethod
    def backward(context, gradient):
        return gradient, None


class Scored(nn.Module):
    """A convolution whose filters have scores."""

    def __init__(self, convolution):
        super().__init__()
        self.convolution = convolution
        weight = convolution.weight
        weight.requires_grad_(False)
        fan = weight[0].numel()
        self.scores = nn.Parameter(math.sqrt(6 / fan) * weight / weight.abs().max())

    def forward(self, x):
        magnitudes = self.scores.abs()
        weight = self.convolution.weight * (1 + magnitudes - magnitudes.detach())
        return F.conv2d(x, weight, stride=self.convolution.stride, padding=self.convolution.padding)

    def mask(self):
        mask = torch.zeros(len(self.scores), dtype=self.scores.dtype)
        mask[self.kept()[0]] = 1
        return mask

    def kept(self):
        sums = self.scores.detach().abs().flatten(1).sum(1)
        order = sums.argsort(stable=True)
        dropped = int((1 - SHARE) * len(sums))
        gap = ((sums[order[dropped]] - sums[order[dropped - 1]]) / sums.mean()).item()
        return sorted(order[dropped:].tolist()), gap


class PrunedBlock(nn.Module):
    """A block whose convolutions have scores."""

    def __init__(self, block):
        super().__init__()
        self.conv1, self.bn1 = Scored(block.conv1), block.bn1
        self.conv2, self.bn2 = Scored(block.conv2), block.bn2
        self.relu, self.downsample = block.relu, block.downsample

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        y = Masked.apply(self.relu(self.bn1(self.conv1(x))), self.conv1.mask())
        return self.relu(Masked.apply(self.bn2(self.conv2(y)), self.conv2.mask()) + identity)


def step(optimizer, masked):
    """A step that leaves masked channels of batch norms as they are."""
    with torch.no_grad():
        before = [(p, p.clone(), scored.mask() == 0) for norm, scored in masked for p in norm.parameters()]
        for p, _, gone in before:
            p[gone] = p.grad[gone] = 0  # moves and decays nothing
        optimizer.step()
        for p, values, gone in before:
            p[gone] = values[gone]


def train(salt, precision):
    network = ResNet(CASE)
    initialise(network, salt, CASE["gain"], CASE["router_gain"])
    network = network.to(precision)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    norms = {path: m for path, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}
    scored, masked = {}, []
    for stage in network.stages:
        blocks = getattr(network, stage)
        for index in range(len(blocks)):
            blocks[index] = block = PrunedBlock(blocks[index])
            for name in ("1", "2"):
                scored[f"{stage}.{index}.conv{name}"] = getattr(block, f"conv{name}")
                masked.append((getattr(block, f"bn{name}"), getattr(block, f"conv{name}")))
    trained = [m.scores for m in scored.values()] + [p for m in norms.values() for p in m.parameters()]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = torch.optim.SGD(trained, lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    network.train()
    steps, margin = [], min(m.kept()[1] for m in scored.values())
    for number in range(STEPS):
        images = made_images(f"{salt}/batch{number}", IMAGE).to(precision)
        labels = torch.tensor([(7 * i + 3 * number) % 10 for i in range(len(images))])
        logits = network(images)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        step(optimizer, masked)
        kept = {path: m.kept() for path, m in scored.items()}
        margin = min([margin] + [gap for _, gap in kept.values()])
        steps.append(dict(loss=loss.item(), right=int((logits.argmax(1) == labels).sum()),
                          kept={path: filters for path, (filters, _) in kept.items()}))
    values = {f"{path}.weight": m.scores.detach() for path, m in scored.items()}
    values.update({f"{path}.{name}": p.detach() for path, m in norms.items() for name, p in m.named_parameters()})
    return steps, values, margin


def search():
    for number in range(1000):
        steps, _, margin = train(f"pruning/{number}", torch.float32)
        moves = steps[0]["kept"] != steps[-1]["kept"]
        print(f"salt {number}: margin {margin:.1e}, masks {'move' if moves else 'stay'}", flush=True)
        if margin >= MARGIN and moves:
            return number
    raise SystemExit("no salt found")


def main(arguments):
    salt = f"pruning/{search() if '--search' in arguments else 40}"
    (steps, single, margin), (_, double, _) = (train(salt, precision) for precision in (torch.float32, torch.float64))
    content = text(dict(
        salt=salt, width=CASE["width"], size=IMAGE["size"], gain=CASE["gain"], share=SHARE, rate=RATE, momentum=MOMENTUM,
        weight_decay=DECAY, margin=Rounded(margin), steps=steps,
        values={name: dict(norm=value.double().norm().item(), values=probes(value, PROBES),
                           error=distance(value, double[name])) for name, value in single.items()}))
    with open(os.path.join(HERE, "pruning.json"), "w") as file:
        file.write(content + "\n")
    print(f"pruning.json: {len(content) + 1} bytes, margin {margin:.1e}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
