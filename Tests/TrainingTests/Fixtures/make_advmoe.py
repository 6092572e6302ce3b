"""Makes the JSON fixtures that compare channel experts, TRADES and AdvMoE's two training steps with PyTorch.

    python make_advmoe.py                   all fixtures, with the salts below
    python make_advmoe.py advmoe-code       only these
    python make_advmoe.py --search ...      look for the first salt that is acceptable, print it, use it

Networks, the released iteration and what it repeats: launch/bench/pytorch_advmoe.py. Values, images and probes by the hashed
scheme of Tests/NetworksTests/Fixtures/make_fixtures.py; batch b has the salt SALT/batch<b>, labels (7 i + 3 b) mod 10 and
sample indices (37 (8 b + i) + 11) mod 101. Attacks start at x + 0.001 N(0, 1), the numbers being those of our own random
streams: Philox4x32-10 keyed by (seed + draw * 2^40, purpose 4), counted by (step, sample), Box-Muller in float64.

advmoe-pass-image, advmoe-pass-layer: one forward and backward pass of the mean cross entropy in train and eval mode, with
    one router on the image or one a layer: logits, routes, gradients of images, of all parameters and (image) of the scores.
advmoe-trades: three steps of TRADES on everything at once, one router on the image.
advmoe-code: three iterations of the released code, rates 0.5 r (1 + cos(pi (e - 1) / 100)) in epoch e, one step an epoch.
advmoe-paper: three iterations of the paper's algorithm: routers first, by TRADES on batch 2 s + 1 (draw 16), then the
    others by TRADES on batch 2 s (draw 0), a router in every layer; running statistics moved by the four training passes.
Training files hold, for each iteration: both attacked batches as (x' - x) * 255 at 512 spread places, the mean cross
entropy and beta * the mean divergence of the experts' update with the right predictions of both passes and the norm of its
gradient, and running statistics; momentum after the first and last iteration; weights after the last.
`error` is the L2 distance of PyTorch's float32 and float64 results, `spread` the largest between float32 runs that round
differently (batch reversed, other convolution kernels).

The salts are such that no choice of a router is closer than MARGIN, and that the runs above agree on every pixel of every
attack: then a run of ours that differs in more than a pixel or two does something else.
"""
import math
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
sys.path[:0] = [os.path.join(ROOT, "launch/bench"), os.path.join(HERE, "../../NetworksTests/Fixtures")]

from make_fixtures import BATCH, Rounded, distance, initialise, largest, made_images, probes, text  # noqa: E402
from pytorch_advmoe import Alternation, Network, ascend, divergence  # noqa: E402

WIDTH, CLASSES, EXPERTS, RATIO, SIZE = 8, 10, 2, 0.5, 16
SEED, STEPS, ITERATIONS, EPOCHS = 1234, 2, 3, 100
BETA, ALPHA, MOMENTUM, DECAY = 6.0, 6.0, 0.9, 5e-4
MARGIN = 3e-4
PROBES, NORM_PROBES, PIXELS, INPUT_VALUES = 6, 3, 512, 192

CASES = {
    "advmoe-pass-image": dict(scope="image", salt=0),
    "advmoe-pass-layer": dict(scope="layer", salt=0),
    "advmoe-trades": dict(scope="image", salt=0, method="trades"),
    "advmoe-code": dict(scope="image", salt=0, method="code"),
    "advmoe-paper": dict(scope="layer", salt=0, method="paper"),
}
GAIN, RATE = 0.85, 0.01
ROUTER_GAIN = {"image": 4.0, "layer": 8.0}


# Our random streams

def mixed(value):
    """SplitMix64's finalizer."""
    mask = 0xFFFFFFFFFFFFFFFF
    z = (value + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & mask
    return z ^ z >> 31


def philox(counters, key):
    """The ten-round block of each row of counters."""
    c, word = [counters[:, i].astype(np.uint64) for i in range(4)], np.uint64(0xFFFFFFFF)
    k = [np.uint64(part) for part in key]
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = [b >> np.uint64(32) ^ c[1] ^ k[0], b & word, a >> np.uint64(32) ^ c[3] ^ k[1], a & word]
        k = [k[0] + np.uint64(0x9E3779B9) & word, k[1] + np.uint64(0xBB67AE85) & word]
    return np.stack(c, axis=1)


def normals(seed, purpose, step, index, count):
    """The first draws of the standard normal distribution of a stream, float32."""
    key = mixed(seed ^ mixed(purpose))
    blocks = (2 * count + 3) // 4
    counters = np.zeros((blocks, 4), dtype=np.uint64)
    counters[:, 0] = np.arange(blocks)
    counters[:, 1:] = [step, index & 0xFFFFFFFF, index >> 32]
    words = philox(counters, (key & 0xFFFFFFFF, key >> 32)).reshape(-1)[:2 * count].astype(np.float64) * 2.0**-32
    return (np.sqrt(-2 * np.log(1 - words[0::2])) * np.cos(2 * np.pi * words[1::2])).astype(np.float32)


class Batch:
    """The images of one batch, in reverse if wanted: what a run makes of them must not depend on their order."""

    def __init__(self, salt, number, precision=torch.float32, reverse=False):
        order = range(BATCH - 1, -1, -1) if reverse else range(BATCH)
        self.images = made_images(f"{salt}/batch{number}", dict(channels=3, size=SIZE))[list(order)].to(precision)
        self.labels = torch.tensor([(7 * i + 3 * number) % 10 for i in order])
        self.samples = [(37 * (BATCH * number + i) + 11) % 101 for i in order]

    def start(self, step, draw):
        noise = np.stack([normals(SEED + (draw << 40), 4, step, sample, SIZE * SIZE * 3) for sample in self.samples])
        noise = torch.from_numpy(noise).reshape(BATCH, SIZE, SIZE, 3).permute(0, 3, 1, 2)
        return (self.images.float() + np.float32(0.001) * noise).to(self.images.dtype)


class Margins:
    """The smallest gap between the best two scores of any choice, and the experts that each layer uses."""

    def __init__(self, network):
        self.least, self.used = math.inf, {}
        for name, layer in network.mixtures().items():
            layer.register_forward_hook(lambda layer, _x, _y, name=name: self.see(name, layer.scores.detach()))

    def see(self, name, scores):
        best = scores.topk(2, dim=1)
        self.least = min(self.least, (best.values[:, 0] - best.values[:, 1]).min().item())
        self.used.setdefault(name, set()).update(best.indices[:, 0].tolist())


def salt_of(name, c):
    return f"{name}/{c['salt']}"


def made(name, c, precision):
    network = Network(WIDTH, RATIO, EXPERTS, CLASSES, c["scope"])
    initialise(network, salt_of(name, c), GAIN, ROUTER_GAIN[c["scope"]])
    return network.to(precision)


# One pass

def one_pass(name, c, training, precision=torch.float32):
    network, batch = made(name, c, precision), Batch(salt_of(name, c), 0, precision)
    margins = Margins(network)
    network.train(training)
    x = batch.images.requires_grad_(True)
    logits = network(x)
    scores = network.layer1[0].conv1.scores
    loss = F.cross_entropy(logits, batch.labels)
    of_scores = torch.autograd.grad(loss, scores, retain_graph=True)[0] if c["scope"] == "image" else None
    loss.backward()
    routes = {path: layer.scores.argmax(dim=1).tolist() for path, layer in network.mixtures().items()}
    return dict(network=network, logits=logits.detach(), loss=loss.item(), input=x.grad, margins=margins, routes=routes,
                scores=scores.detach(), of_scores=of_scores)


def probe(single, double, most=PROBES):
    return dict(norm=single.detach().double().norm().item(), values=probes(single, most), error=distance(single, double))


def pass_record(name, c, training):
    single, double = (one_pass(name, c, training, precision) for precision in (torch.float32, torch.float64))
    assert single["routes"] == double["routes"]
    record = dict(logits=single["logits"], logits_error=largest(single["logits"], double["logits"]), loss=single["loss"],
                  input_gradient=probe(single["input"], double["input"], INPUT_VALUES))
    if c["scope"] == "image":
        record.update(routes={"router": single["routes"]["layer1.0.conv1"]}, scores=single["scores"],
                      score_gradient=single["of_scores"], score_gradient_error=distance(single["of_scores"], double["of_scores"]))
    else:
        record["routes"] = single["routes"]
    record["parameters"] = {
        n: probe(p.grad, q.grad) for (n, p), (_, q) in zip(
            single["network"].named_parameters(), double["network"].named_parameters())}
    if training:
        record["statistics"] = statistics_of(single["network"])
    return record


def statistics_of(network):
    return {path: dict(mean=m.running_mean[:NORM_PROBES].clone(), variance=m.running_var[:NORM_PROBES].clone(),
                       tracked=m.num_batches_tracked.item())
            for path, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}


# Training

def trades(network, optimizers, x, labels, start):
    """One step of TRADES by some of the optimizers."""
    network.eval()
    with torch.no_grad():
        frozen = network(x)
    attacked = ascend(x, start, lambda images: divergence(frozen, network(images)), STEPS)
    network.train()
    clean = network(x)
    other = network(attacked)
    task, robust = F.cross_entropy(clean, labels), divergence(clean, other) / len(x)
    network.zero_grad()
    (task + BETA * robust).backward()
    for optimizer in optimizers:
        optimizer.step()
    right = [int((logits.argmax(1) == labels).sum()) for logits in (clean, other)]
    return attacked, [task.item(), BETA * robust.item()], right


def gradient_norm(parameters):
    return math.sqrt(sum(p.grad.double().square().sum().item() for p in parameters))


def released_step(alternation, batch, step):
    """The released code's step; its training passes are listened to for the right predictions."""
    passes = []
    hook = alternation.network.register_forward_hook(
        lambda network, _x, logits: passes.append(logits.detach()) if network.training else None)
    alternation.start = lambda _x, draw: batch.start(step, draw)
    for optimizer in alternation.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = 0.5 * RATE * (1 + math.cos(math.pi * (step - 1) / EPOCHS))
    attacked, (task, robust, _, _) = alternation.step(batch.images, batch.labels)
    hook.remove()
    right = [int((logits.argmax(1) == batch.labels).sum()) for logits in passes[1:3]]
    return attacked, [task.item(), BETA * robust.item()], right


def train(name, c, precision=torch.float32, reverse=False):
    """All iterations; a list of what each came to."""
    network = made(name, c, precision)
    margins = Margins(network)
    experts, routers = network.groups()
    salt = salt_of(name, c)
    batches = [Batch(salt, number, precision, reverse) for number in range(2 * ITERATIONS)]
    alternation = Alternation(network, RATE, steps=STEPS, momentum=MOMENTUM, decay=DECAY, beta=BETA, alpha=ALPHA)
    optimizers = alternation.optimizers
    iterations = []
    for step in range(ITERATIONS):
        batch = batches[2 * step]
        if c["method"] == "code":
            attacked, losses, right = released_step(alternation, batch, step)
            bases = [batch.images] * 2
            norm = gradient_norm(experts)
        else:
            attacked, bases = [], []
            if c["method"] == "paper":
                own = batches[2 * step + 1]
                attacked.append(trades(network, optimizers[1:], own.images, own.labels, own.start(step, 16))[0])
                bases.append(own.images)
            chosen = optimizers[:1] if c["method"] == "paper" else optimizers
            last, losses, right = trades(network, chosen, batch.images, batch.labels, batch.start(step, 0))
            attacked, bases = attacked + [last], bases + [batch.images]
            norm = gradient_norm(experts if c["method"] == "paper" else experts + routers)
        changes = [((a - b).double() * 255).flip(0) if reverse else (a - b).double() * 255
                   for a, b in zip(attacked, bases)]
        state = {parameter: values for optimizer in optimizers for parameter, values in optimizer.state.items()}
        iterations.append(dict(
            attacked=[change.detach() for change in changes], losses=losses, right=right, norm=norm,
            statistics=statistics_of(network),
            momentum={n: state[p]["momentum_buffer"].clone() for n, p in network.named_parameters()}))
    weights = {n: p.detach().clone() for n, p in network.named_parameters()}
    return dict(iterations=iterations, weights=weights, margins=margins)


def variants(name, c):
    """Float32 runs that round differently."""
    for reverse, kernels in ((True, True), (False, False), (True, False)):
        with torch.backends.mkldnn.flags(enabled=kernels):
            yield train(name, c, reverse=reverse)


def pixels_apart(a, b):
    return sum(int((p - q).abs().gt(0.01).sum()) for one, other in zip(a["iterations"], b["iterations"])
               for p, q in zip(one["attacked"], other["attacked"]))


def momentum_apart(a, b):
    """The largest distance of a momentum buffer, relative to its norm."""
    return max((distance(p, other["momentum"][n]) / p.double().norm().item())
               for one, other in zip(a["iterations"], b["iterations"]) for n, p in one["momentum"].items())


def training_record(name, c):
    single, double = train(name, c), train(name, c, torch.float64)
    assert pixels_apart(single, double) == 0
    others = list(variants(name, c))
    assert all(pixels_apart(single, other) == 0 for other in others)
    last = ITERATIONS - 1
    records = []
    for number, (one, two) in enumerate(zip(single["iterations"], double["iterations"])):
        record = dict(
            attacked=[[Rounded(v) for v in probes(change, PIXELS).tolist()] for change in one["attacked"]],
            losses=one["losses"], losses_error=Rounded(max(abs(a - b) for a, b in zip(one["losses"], two["losses"]))),
            right=one["right"], gradient_norm=one["norm"], statistics=one["statistics"])
        if number in (0, last):
            record["momentum"] = {n: probe(p, two["momentum"][n]) for n, p in one["momentum"].items()}
        records.append(record)
    return dict(
        iterations=records, spread=Rounded(max(momentum_apart(single, other) for other in others)),
        weights={n: probe(p, double["weights"][n]) for n, p in single["weights"].items()},
        margin=Rounded(single["margins"].least))


# Salts

def refusal(name, c):
    """Why a salt will not do, or None."""
    method = c.get("method")
    runs = [train(name, c)] if method else [one_pass(name, c, training) for training in (True, False)]
    for run in runs:
        if run["margins"].least < MARGIN:
            return f"margin {run['margins'].least:.1e}"
        several = sum(len(used) == EXPERTS for used in run["margins"].used.values())
        if several < 0.8 * len(run["margins"].used):
            return f"experts used in {several} of {len(run['margins'].used)} layers"
    if not method:
        return None
    for other in [train(name, c, torch.float64), *variants(name, c)]:
        apart = pixels_apart(runs[0], other)
        if apart:
            return f"{apart} pixels differ"
        if momentum_apart(runs[0], other) > 2e-3:
            return f"momentum differs by {momentum_apart(runs[0], other):.1e}"
    return None


def search(name, c):
    for salt in range(100000):
        c["salt"] = salt
        reason = refusal(name, c)
        print(f"{name} salt {salt}: {reason or 'accepted'}", flush=True)
        if reason is None:
            return


def record(name, c):
    head = dict(
        case=name, salt=salt_of(name, c), scope=c["scope"], width=WIDTH, ratio=RATIO, experts=EXPERTS, classes=CLASSES,
        batch=BATCH, size=SIZE, gain=GAIN, router_gain=ROUTER_GAIN[c["scope"]])
    if "method" not in c:
        return {**head, "train": pass_record(name, c, True), "eval": pass_record(name, c, False)}
    settings = dict(method=c["method"], seed=SEED, rate=RATE, momentum=MOMENTUM, weight_decay=DECAY, beta=BETA, alpha=ALPHA,
                    attack_steps=STEPS, epochs=EPOCHS)
    return {**head, **settings, **training_record(name, c)}


def main(arguments):
    names = [a for a in arguments if not a.startswith("--")] or list(CASES)
    for name in names:
        c = CASES[name]
        if "--search" in arguments:
            search(name, c)
        content = text(record(name, c))
        with open(os.path.join(HERE, name + ".json"), "w") as file:
            file.write(content + "\n")
        print(f"{name}.json: {len(content) + 1} bytes", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1:])
