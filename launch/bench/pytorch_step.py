"""PyTorch's side of launch/bench/compare: the parts of a PGD adversarial training step of a CIFAR-stem ResNet-18.

Written as an expert would: channels-last, gradients of the input alone in the attack (batch norm in evaluation mode),
no needless pass, fused SGD, random data and optimizer inside the timed region. Prints one CSV row a kind of work:
work,median_seconds,images_per_second, and sgemm's rate in the same run.
"""
import argparse
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.shortcut is None else self.shortcut(x)), inplace=True)


class ResNet18(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1))
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        blocks, inputs = [], width
        for stage in range(4):
            for index in range(2):
                outputs = width << stage
                blocks.append(Block(inputs, outputs, 2 if stage > 0 and index == 0 else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1((x - self.mean) / self.std)), inplace=True)
        return self.fc(self.blocks(x).mean((2, 3)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = ResNet18(options.width, 10).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=1e-8, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=True)
    images = torch.rand(options.batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.arange(options.batch) % 10
    epsilon, size = 8 / 255, 2 / 255
    weights = list(model.parameters())

    def forward():
        model.eval()
        with torch.no_grad():
            model(images)

    def input_gradient(x):
        x.requires_grad_(True)
        loss = F.cross_entropy(model(x), labels, reduction="sum")
        return torch.autograd.grad(loss, x)[0]

    def attack_step():
        model.eval()
        for weight in weights:
            weight.requires_grad_(False)
        input_gradient(images.detach())
        for weight in weights:
            weight.requires_grad_(True)

    def perturb():
        model.eval()
        for weight in weights:
            weight.requires_grad_(False)
        low, high = (images - epsilon).clamp_(0, 1), (images + epsilon).clamp_(0, 1)
        x = (images + torch.empty_like(images).uniform_(-epsilon, epsilon)).clamp_(0, 1)
        for _ in range(options.steps):
            gradient = input_gradient(x)
            with torch.no_grad():
                x = torch.minimum(torch.maximum(x.detach() + size * gradient.sign(), low), high)
        for weight in weights:
            weight.requires_grad_(True)
        return x.detach()

    def update(x):
        model.train()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    def timed(body):
        body()
        times = []
        for _ in range(options.repetitions):
            start = time.perf_counter()
            body()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    print(f"sgemm,{2 * 2048 ** 3 / timed(lambda: torch.mm(a, b)) / 1e9:.1f} GFLOP/s,torch {torch.__version__}")
    for name, body in [
        ("forward, evaluation mode", forward),
        ("attack step", attack_step),
        ("training step, clean", lambda: update(images)),
        (f"training step, PGD-{options.steps}", lambda: update(perturb())),
    ]:
        seconds = timed(body)
        print(f'"{name}",{seconds:.6f},{options.batch / seconds:.2f}', flush=True)


main()
