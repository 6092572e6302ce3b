"""Makes mart.json: three steps of MART (Wang et al., ICLR 2020), by PyTorch.

    python make_mart.py

A ResNet-18 of width 8 as in NetworksTests/Fixtures/make_fixtures.py, values by its scheme, images as they are. In step b
attacked images are 0.9 of the clean ones plus 0.1 of others, made with a salt of their own; label[i] is (7i + 3b) mod 10.
Clean images are run first, both with batch moments. SGD with momentum and decay moves all parameters.

The loss is written from the paper, with the constants of the authors' code: cross entropy of the attacked images, minus the
logarithm of 1.0001 less the largest probability of a wrong class, plus BETA times KL(clean, attacked) times 1.0000001 less
the clean probability of the label.

In the file, for each step the loss and the right predictions of clean and attacked images, and at the end of some parameters
norm, values at spread places, and the distance of PyTorch's float32 from its float64.
"""
import os
import sys

import torch
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../NetworksTests/Fixtures"))

from make_fixtures import ResNet, case, distance, initialise, made_images, probes, text  # noqa: E402

IMAGE = dict(channels=3, size=16, mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0])
CASE = case("dense", IMAGE, width=8)
SALT, STEPS, RATE, MOMENTUM, DECAY, BETA, PROBES = "mart/0", 3, 0.02, 0.9, 0.01, 5.0, 4
NAMES = ["conv1.weight", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.conv2.weight",
         "layer4.1.bn2.weight", "fc.weight", "fc.bias"]


def mart(clean, attacked, labels):
    probabilities = F.softmax(attacked, 1)
    others = probabilities.scatter(1, labels[:, None], -1.0)
    boosted = F.cross_entropy(attacked, labels) - torch.log(1.0001 - others.max(1).values).mean()
    natural = F.softmax(clean, 1)
    divergence = (natural * (F.log_softmax(clean, 1) - F.log_softmax(attacked, 1))).sum(1)
    right = natural.gather(1, labels[:, None])[:, 0]
    return boosted + BETA * (divergence * (1.0000001 - right)).mean()


def train(precision):
    network = ResNet(CASE)
    initialise(network, SALT, CASE["gain"], CASE["router_gain"])
    network = network.to(precision)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=MOMENTUM, weight_decay=DECAY)
    network.train()
    steps = []
    for number in range(STEPS):
        images = made_images(f"{SALT}/batch{number}", IMAGE)
        others = made_images(f"{SALT}/attacked{number}", IMAGE)
        labels = torch.tensor([(7 * i + 3 * number) % 10 for i in range(len(images))])
        clean = network(images.to(precision))
        attacked = network((0.9 * images + 0.1 * others).to(precision))
        loss = mart(clean, attacked, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        steps.append(dict(loss=loss.item(), clean_right=int((clean.argmax(1) == labels).sum()),
                          attacked_right=int((attacked.argmax(1) == labels).sum())))
    return steps, dict(network.named_parameters())


def main():
    (steps, single), (_, double) = train(torch.float32), train(torch.float64)
    content = text(dict(
        salt=SALT, width=CASE["width"], size=IMAGE["size"], gain=CASE["gain"], rate=RATE, momentum=MOMENTUM,
        weight_decay=DECAY, beta=BETA, steps=steps,
        values={name: dict(norm=single[name].detach().double().norm().item(), values=probes(single[name], PROBES),
                           error=distance(single[name].detach(), double[name].detach())) for name in NAMES}))
    with open(os.path.join(HERE, "mart.json"), "w") as file:
        file.write(content + "\n")
    print(f"mart.json: {len(content) + 1} bytes, losses {[step['loss'] for step in steps]}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
