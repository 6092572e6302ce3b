"""PyTorch's side of launch/bench/compare: the parts of a PGD adversarial training step, written as an expert would.

Channels-last; gradients of the input alone in attacks, batch norm frozen there; no pass that nobody needs; fused SGD; data
are drawn and augmented and weights updated within the time that is taken. Prints one JSON object.
"""
import argparse
import contextlib
import json
import resource
import statistics
import time

import torch
from torch.nn import functional as F

from pytorch_network import ResNet18, read_safetensors

EPSILON, STEP_SIZE = 8 / 255, 2 / 255


class Trainer:
    def __init__(self, options):
        self.model = ResNet18(
            options.width, kind=options.kind, placement=options.placement, experts=options.experts, top_k=options.top_k)
        if options.share:
            self.model.load_shared(f"{options.share}/model.safetensors")
        self.model = self.model.to(memory_format=torch.channels_last)
        self.call = torch.compile(self.model) if options.mode == "compile" else self.model
        self.is_bf16 = options.mode == "bf16"
        self.steps = options.steps
        self.weights = list(self.model.parameters())
        # The weights stand still, so that every repetition does the same work.
        is_mixture = options.kind != "none"
        # The fused step fails where an expert gets its first image, and so its momentum, after others have theirs.
        self.optimizer = torch.optim.SGD(
            self.weights, lr=1e-8, momentum=0.9, weight_decay=5e-4, fused=not is_mixture, foreach=is_mixture)

    def cast(self):
        return torch.autocast("cpu", dtype=torch.bfloat16) if self.is_bf16 else contextlib.nullcontext()

    @contextlib.contextmanager
    def frozen(self):
        self.model.eval()
        for weight in self.weights:
            weight.requires_grad_(False)
        yield
        for weight in self.weights:
            weight.requires_grad_(True)

    def forward(self, images):
        self.model.eval()
        with torch.no_grad(), self.cast():
            return self.call(images)

    def input_gradient(self, x, labels):
        x.requires_grad_(True)
        with self.cast():
            logits = self.call(x)
        loss = F.cross_entropy(logits.float(), labels, reduction="sum")
        return torch.autograd.grad(loss, x)[0]

    def attack_step(self, images, labels):
        with self.frozen():
            self.input_gradient(images.detach(), labels)

    def perturb(self, images, labels, start=None):
        with self.frozen():
            low, high = (images - EPSILON).clamp_(0, 1), (images + EPSILON).clamp_(0, 1)
            x = start
            if x is None:
                x = torch.empty_like(images).uniform_(-EPSILON, EPSILON).add_(images).clamp_(0, 1)
            for _ in range(self.steps):
                gradient = self.input_gradient(x, labels)
                x = x.detach().add_(gradient.sign_(), alpha=STEP_SIZE)
                x = torch.minimum(torch.maximum(x, low, out=x), high, out=x)
            return x

    def update(self, images, labels):
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self.cast():
            logits = self.call(images)
        loss = F.cross_entropy(logits.float(), labels)
        for mixture in self.model.mixtures():
            loss = loss + mixture.balance
        loss.backward()
        self.optimizer.step()


class Batches:
    """Random batches of a set in memory: zero-padded crops and mirror images, cut out by one index operation."""

    def __init__(self, images, labels, batch):
        self.padded = F.pad((images.permute(0, 2, 3, 1) * 255).to(torch.uint8), (0, 0, 4, 4, 4, 4))
        self.labels, self.batch = labels, batch

    def next(self):
        chosen = torch.randint(len(self.labels), (self.batch,))
        grid = torch.arange(32)
        rows = torch.randint(9, (self.batch, 1)) + grid
        columns = torch.randint(9, (self.batch, 1)) + torch.where(torch.rand(self.batch, 1) < 0.5, grid, 31 - grid)
        images = self.padded[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]
        return images.permute(0, 3, 1, 2).float().div_(255), self.labels[chosen]


def in_turn(works, repetitions):
    """Seconds of every repetition of every work, one work after the other, after a round that is not counted."""
    times = {name: [] for name in works}
    for repetition in range(repetitions + 1):
        for name, body in works.items():
            start = time.perf_counter()
            body()
            if repetition > 0:
                times[name].append(time.perf_counter() - start)
    return times


def losses(trainer, attack):
    """Mean losses on the batch that the other side attacked: clean, on its result, and after an attack of our own."""
    clean, start, end = (attack[name].contiguous(memory_format=torch.channels_last) for name in ("images", "start", "end"))
    labels = attack["labels"]
    own = trainer.perturb(clean, labels, start)
    loss = lambda x: F.cross_entropy(trainer.forward(x).float(), labels).item()
    theirs = attack["losses"].tolist()
    return {
        "clean": loss(clean), "on_their_result": loss(end), "attacked": loss(own), "their_clean": theirs[0],
        "their_attacked": theirs[1],
    }


def main():
    parser = argparse.ArgumentParser()
    for name, value in [
        ("threads", 2), ("batch", 64), ("width", 64), ("steps", 7), ("repetitions", 3), ("experts", 4), ("top-k", 1)
    ]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--mode", choices=["eager", "compile", "bf16"], default="eager")
    parser.add_argument("--kind", choices=["none", "conv", "block"], default="none")
    parser.add_argument("--placement", default="layer4")
    parser.add_argument("--share", help="directory with the other side's weights and attack")
    parser.add_argument("--parts", default="forward,attack,clean,adversarial")
    parser.add_argument("--no-peak", action="store_true", help="do not time torch.mm")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    trainer = Trainer(options)
    result = {"mode": options.mode, "torch": torch.__version__, "threads": torch.get_num_threads()}
    if options.share:
        attack = read_safetensors(f"{options.share}/attack.safetensors")
        images, labels = attack["images"], attack["labels"]
        result["losses"] = losses(trainer, attack)
        result["largest_share"] = max(
            (float(m.counts.max() / m.counts.sum()) for m in trainer.model.mixtures()), default=None)
    else:
        images, labels = torch.rand(options.batch, 3, 32, 32), torch.arange(options.batch) % 10
    batches = Batches(images, labels, options.batch)
    fixed = batches.next()
    bodies = {
        "forward": lambda: trainer.forward(fixed[0]),
        "attack": lambda: trainer.attack_step(*fixed),
        "clean": lambda: trainer.update(*batches.next()),
        "adversarial": lambda: step(trainer, *batches.next()),
    }
    works = {part: bodies[part] for part in options.parts.split(",") if part}
    a, b = torch.rand(2048, 2048), torch.rand(2048, 2048)
    if not options.no_peak:
        works["mm"] = lambda: torch.mm(a, b)
    times = in_turn(works, options.repetitions)
    result["seconds"] = times
    if "mm" in times:
        result["mm_gflops"] = 2 * 2048 ** 3 / statistics.median(times["mm"]) / 1e9
    result["peak_resident_mebibytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(result))


def step(trainer, images, labels):
    trainer.update(trainer.perturb(images, labels), labels)


main()
