"""AdvMoE in PyTorch, computed the way its released code does: the other side of launch/bench/compare, and what parity is
tested against (Tests/TrainingTests/Fixtures/make_advmoe.py).

Every convolution computes the channels of all experts, masks them, and gathers those of the chosen one. Every pass that
the released code repeats is repeated, evaluation's gradients of all weights too: ten passes forward of the backbone and
sixteen of the router in a training step. Names of parameters are those of RobustMoE's checkpoints. As a program it prints
one JSON object: seconds of a training step ("adversarial"), of a gradient step of evaluation ("attack") and of a pass
("forward"), and losses of the other side's images.
"""
import argparse
import json
import resource
import statistics
import time

import torch
from torch import nn
from torch.nn import functional as F

from pytorch_network import read_safetensors

EPSILON, STEP_SIZE = 8 / 255, 5 / 255


class Choice(torch.autograd.Function):
    """One-hot of the largest score; the gradient passes unchanged to the scores (straight through)."""

    @staticmethod
    def forward(_, scores):
        return F.one_hot(scores.argmax(dim=1), scores.shape[1]).to(scores.dtype)

    @staticmethod
    def backward(_, gradient):
        return gradient


class SlabConvolution(nn.Conv2d):
    """Experts whose filters are consecutive slabs of one tensor; scores choose one for each image.

    The scores are the softmax of the layer's `router`'s logits, of the mean over pixels of what it sees, or else those set
    from outside.
    """

    def __init__(self, inputs, outputs, kernel, stride, experts, has_router=False):
        super().__init__(inputs, experts * outputs, kernel, stride, kernel // 2, bias=False)
        self.slab = outputs
        self.router = nn.Linear(inputs, experts) if has_router else None
        self.scores = None

    def forward(self, x):
        if self.router is not None:
            self.scores = F.softmax(self.router(x.mean((2, 3))), dim=1)
        mask = Choice.apply(self.scores).repeat_interleave(self.slab, dim=1)
        y = super().forward(x) * mask[:, :, None, None]
        chosen = mask.flatten().nonzero().squeeze(1)
        return y.flatten(0, 1)[chosen].unflatten(0, (len(x), self.slab))


def plain(inputs, outputs, kernel, stride=1):
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


class Block(nn.Module):
    """A basic residual block of convolutions that `convolution(inputs, outputs, stride)` makes."""

    def __init__(self, convolution, inputs, outputs, stride, pads_shortcut=False):
        super().__init__()
        self.conv1, self.bn1 = convolution(inputs, outputs, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = convolution(outputs, outputs, 1), nn.BatchNorm2d(outputs)
        self.missing = outputs - inputs
        self.downsample = None
        if not pads_shortcut and (stride != 1 or self.missing):
            self.downsample = nn.Sequential(plain(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def shortcut(self, x):
        if self.downsample is not None:
            return self.downsample(x)
        if self.missing == 0:
            return x
        front = self.missing // 2
        return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, front, self.missing - front))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


def stages(convolution, inputs, widths, blocks, **options):
    result = []
    for stage, (outputs, count) in enumerate(zip(widths, blocks)):
        layer = []
        for index in range(count):
            layer.append(Block(convolution, inputs, outputs, 2 if stage and not index else 1, **options))
            inputs = outputs
        result.append(nn.Sequential(*layer))
    return result


class Router(nn.Module):
    """A ResNet-20 that scores the experts for a whole image; its shortcuts pad channels of zeros."""

    def __init__(self, experts):
        super().__init__()
        self.conv1, self.bn1 = plain(3, 16, 3), nn.BatchNorm2d(16)
        convolution = lambda inputs, outputs, stride: plain(inputs, outputs, 3, stride)
        self.layer1, self.layer2, self.layer3 = stages(convolution, 16, [16, 32, 64], [3, 3, 3], pads_shortcut=True)
        self.fc = nn.Linear(64, experts)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class Network(nn.Module):
    """A ResNet-18 of channel experts behind a plain stem of full width; one router on the image, or one a layer."""

    def __init__(self, width=64, ratio=0.5, experts=2, classes=10, scope="image"):
        super().__init__()
        slabs = lambda inputs, outputs, stride: SlabConvolution(inputs, outputs, 3, stride, experts, scope == "layer")
        widths = [int(ratio * (width << stage)) for stage in range(4)]
        self.router = Router(experts) if scope == "image" else None
        self.conv1, self.bn1 = plain(3, width, 3), nn.BatchNorm2d(width)
        self.layer1, self.layer2, self.layer3, self.layer4 = stages(slabs, width, widths, [2, 2, 2, 2])
        self.fc = nn.Linear(widths[3], classes)

    def mixtures(self):
        return {name: module for name, module in self.named_modules() if isinstance(module, SlabConvolution)}

    def groups(self):
        """The parameters of everything but routers, and of routers."""
        named = list(self.named_parameters())
        of_router = lambda name: name.startswith("router.") or ".router." in name
        return [p for n, p in named if not of_router(n)], [p for n, p in named if of_router(n)]

    def forward(self, x):
        if self.router is not None:
            scores = self.router(x)
            for layer in self.mixtures().values():
                layer.scores = scores
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer4(self.layer3(self.layer2(self.layer1(x)))).mean((2, 3)))


def divergence(target, logits):
    """KL(softmax(target) ‖ softmax(logits)), summed over images; gradients reach both."""
    return F.kl_div(F.log_softmax(logits, dim=1), F.softmax(target, dim=1), reduction="sum")


def random_start(x, _draw=0):
    """Where an attack begins."""
    return x + 0.001 * torch.randn(x.shape)


def ascend(x, start, loss, steps=2):
    """Follows the sign of the gradient of loss(images) and stays within EPSILON of x and within [0, 1]."""
    attacked = start
    for _ in range(steps):
        attacked = attacked.detach().requires_grad_(True)
        gradient = torch.autograd.grad(loss(attacked), attacked)[0]
        attacked = attacked.detach() + STEP_SIZE * torch.sign(gradient)
        attacked = torch.min(torch.max(attacked, x - EPSILON), x + EPSILON).clamp(0, 1)
    return attacked


class Alternation:
    """The training step of the released code.

    `start(images, draw)` gives the first iterate of each of its two attacks, whose draws are 0 and 16; `climb` goes on.
    """

    def __init__(
        self, network, rate, start=random_start, climb=ascend, steps=2, momentum=0.9, decay=5e-4, beta=6.0, alpha=6.0
    ):
        self.network, self.start, self.climb, self.steps = network, start, climb, steps
        self.beta, self.alpha = beta, alpha
        self.optimizers = [
            torch.optim.SGD(group, lr=rate, momentum=momentum, weight_decay=decay) for group in network.groups()]

    def attack(self, x, scores, draw):
        network = self.network
        network.eval()
        clean = network(x)
        return self.climb(
            x, self.start(x, draw),
            lambda attacked: divergence(clean, network(attacked)) + divergence(scores, network.router(attacked)),
            self.steps)

    def step(self, x, labels):
        """Returns both attacked batches and what was minimised: the parts of the experts' loss and of the router's."""
        network, size = self.network, len(x)
        network.train()
        scores = network.router(x)
        network(x)

        attacked = self.attack(x, scores, 0)
        network.train()
        clean = network(x)
        task, robust = F.cross_entropy(clean, labels), divergence(clean, network(attacked)) / size
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        (task + self.beta * robust).backward()
        self.optimizers[0].step()

        attacked_again = self.attack(x, scores, 16)
        network.train()
        network(x)
        own_task = F.cross_entropy(scores, labels % scores.shape[1])
        own_robust = divergence(scores, network.router(attacked_again)) / size
        self.optimizers[1].zero_grad()
        (self.alpha * own_task + self.beta * own_robust).backward()
        self.optimizers[1].step()
        return (attacked, attacked_again), (task, robust, own_task, own_robust)


def evaluation_step(network, images, labels, beta=6.0):
    """The gradient that the released evaluation follows; those of all weights come with it."""
    network.eval()
    x = images.detach().requires_grad_(True)
    scores, logits = network.router(x), network(x)
    (F.cross_entropy(logits, labels) + beta * F.cross_entropy(scores, labels % scores.shape[1])).backward()
    return x.grad.sign()


def load_shared(network, path):
    """Takes every parameter and statistic from a checkpoint of RobustMoE's."""
    tensors = read_safetensors(path)
    if bool((tensors.pop("normalize.mean") != 0).any() | (tensors.pop("normalize.std") != 1).any()):
        raise SystemExit(f"{path}: expected model.normalize none")
    network.load_state_dict(tensors)


def losses(network, attack, steps):
    """Mean losses on the batch that the other side attacked: clean, on its result, and after an attack of our own."""
    network.eval()
    labels, theirs = attack["labels"], attack["losses"].tolist()
    loss = lambda x: F.cross_entropy(network(x), labels)
    own = ascend(attack["images"], attack["start"], loss, steps)
    with torch.no_grad():
        return {
            "clean": loss(attack["images"]).item(), "on_their_result": loss(attack["end"]).item(),
            "attacked": loss(own).item(), "their_clean": theirs[0], "their_attacked": theirs[1]}


def timed(body):
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser()
    for name, value in [("threads", 2), ("batch", 64), ("width", 64), ("steps", 2), ("repetitions", 3), ("experts", 2)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--ratio", type=float, default=0.5)
    parser.add_argument("--share", help="directory with the other side's weights and attack")
    parser.add_argument("--parts", default="forward,attack,adversarial")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    network = Network(options.width, options.ratio, options.experts)
    result = {"mode": "released", "torch": torch.__version__, "threads": torch.get_num_threads(), "largest_share": None}
    images, labels = torch.rand(options.batch, 3, 32, 32), torch.arange(options.batch) % 10
    if options.share:
        load_shared(network, f"{options.share}/model.safetensors")
        attack = read_safetensors(f"{options.share}/attack.safetensors")
        images, labels = attack["images"], attack["labels"]
        result["losses"] = losses(network, attack, options.steps)
    # The weights stand still, so that every repetition does the same work.
    alternation = Alternation(network, rate=1e-8, steps=options.steps)
    bodies = {
        "forward": lambda: network.eval()(images), "attack": lambda: evaluation_step(network, images, labels),
        "adversarial": lambda: alternation.step(images, labels)}
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    works = {**{part: bodies[part] for part in options.parts.split(",")}, "mm": lambda: torch.mm(a, b)}
    rounds = [{name: timed(body) for name, body in works.items()} for _ in range(options.repetitions + 1)]
    result["seconds"] = {name: [times[name] for times in rounds[1:]] for name in works}
    result["mm_gflops"] = 2 * 2048 ** 3 / statistics.median(result["seconds"]["mm"]) / 1e9
    result["peak_resident_mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
