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
Training files hold, for each iteration: of both attacks the signs of the gradients, a bit for each value of the batch in
PyTorch's order and for each attack step; the mean cross entropy and beta * the mean divergence of the experts' update with
the right predictions of both passes and the norm of its gradient; running statistics; momentum and weights after the last one.
`error` is the L2 distance of PyTorch's float32 and float64 results, the latter on the attacked images of the former: an
attack begins where the divergence is nearly 0, a difference of logits that agree to three digits, so that rounding decides
the sign of a few pixels, and these would then decide about everything that follows.

The salts are such that no choice of a router is closer than MARGIN and that at least AGREEING of the signs that float64
would have followed are those of float32.
"""
import base64
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
from pytorch_advmoe import EPSILON, STEP_SIZE, Alternation, Network, divergence  # noqa: E402

WIDTH, CLASSES, EXPERTS, RATIO, SIZE = 8, 10, 2, 0.5, 16
SEED, STEPS, ITERATIONS, EPOCHS = 1234, 2, 3, 100
BETA, ALPHA, MOMENTUM, DECAY = 6.0, 6.0, 0.9, 0.05
MARGIN, AGREEING = 2e-5, 0.99
PROBES, NORM_PROBES, INPUT_VALUES = 3, 2, 48

CASES = {
    "advmoe-pass-image": dict(scope="image", salt=92),
    "advmoe-pass-layer": dict(scope="layer", salt=2),
    "advmoe-trades": dict(scope="image", salt=1, method="trades"),
    "advmoe-code": dict(scope="image", salt=2, method="code"),
    "advmoe-paper": dict(scope="layer", salt=0, method="paper"),
}
GAIN, RATE = 0.85, 1e-4
ROUTER_GAIN = {"image": 4.0, "layer": 1.0}


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
    """The images of one batch, their labels, and where attacks on them start."""

    def __init__(self, salt, number, precision=torch.float32):
        self.images = made_images(f"{salt}/batch{number}", dict(channels=3, size=SIZE)).to(precision)
        self.labels = torch.tensor([(7 * i + 3 * number) % 10 for i in range(BATCH)])
        self.samples = [(37 * (BATCH * number + i) + 11) % 101 for i in range(BATCH)]

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

class Climb:
    """Attacks that note the signs of their gradients, or follow those of other attacks and count where theirs agree."""

    def __init__(self, known=None):
        self.known, self.signs = known, []
        self.agreeing, self.all = 0, 0

    def __call__(self, x, start, loss, steps):
        attacked, signs = start, []
        for step in range(steps):
            attacked = attacked.detach().requires_grad_(True)
            sign = torch.sign(torch.autograd.grad(loss(attacked), attacked)[0])
            assert (sign != 0).all()
            if self.known is not None:
                known = self.known[len(self.signs)][step].to(sign.dtype)
                self.agreeing += int((sign == known).sum())
                self.all += sign.numel()
                sign = known
            signs.append(sign)
            attacked = attacked.detach() + STEP_SIZE * sign
            attacked = torch.min(torch.max(attacked, x - EPSILON), x + EPSILON).clamp(0, 1)
        self.signs.append(signs)
        return attacked


def trades(network, optimizers, climb, x, labels, start):
    """One step of TRADES by some of the optimizers."""
    network.eval()
    with torch.no_grad():
        frozen = network(x)
    attacked = climb(x, start, lambda images: divergence(frozen, network(images)), STEPS)
    network.train()
    clean = network(x)
    other = network(attacked)
    task, robust = F.cross_entropy(clean, labels), divergence(clean, other) / len(x)
    network.zero_grad()
    (task + BETA * robust).backward()
    for optimizer in optimizers:
        optimizer.step()
    return [task.item(), BETA * robust.item()], [int((logits.argmax(1) == labels).sum()) for logits in (clean, other)]


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
    _, (task, robust, _, _) = alternation.step(batch.images, batch.labels)
    hook.remove()
    return [task.item(), BETA * robust.item()], [int((logits.argmax(1) == batch.labels).sum()) for logits in passes[1:3]]


def train(name, c, precision=torch.float32, known=None):
    """All iterations: what each came to, the weights, and the attacks."""
    network = made(name, c, precision)
    margins, climb = Margins(network), Climb(known)
    experts, routers = network.groups()
    batches = [Batch(salt_of(name, c), number, precision) for number in range(2 * ITERATIONS)]
    alternation = Alternation(
        network, RATE, climb=climb, steps=STEPS, momentum=MOMENTUM, decay=DECAY, beta=BETA, alpha=ALPHA)
    optimizers = alternation.optimizers
    iterations = []
    for step in range(ITERATIONS):
        batch = batches[2 * step]
        if c["method"] == "code":
            losses, right = released_step(alternation, batch, step)
            norm = gradient_norm(experts)
        else:
            if c["method"] == "paper":
                own = batches[2 * step + 1]
                trades(network, optimizers[1:], climb, own.images, own.labels, own.start(step, 16))
            chosen = optimizers[:1] if c["method"] == "paper" else optimizers
            losses, right = trades(network, chosen, climb, batch.images, batch.labels, batch.start(step, 0))
            norm = gradient_norm(experts if c["method"] == "paper" else experts + routers)
        state = {parameter: values for optimizer in optimizers for parameter, values in optimizer.state.items()}
        iterations.append(dict(
            losses=losses, right=right, norm=norm, statistics=statistics_of(network),
            momentum={n: state[p]["momentum_buffer"].clone() for n, p in network.named_parameters()}))
    weights = {n: p.detach().clone() for n, p in network.named_parameters()}
    return dict(iterations=iterations, weights=weights, margins=margins, climb=climb)


def packed(sign):
    return base64.b64encode(np.packbits((sign > 0).numpy().reshape(-1))).decode()


def training_record(name, c):
    single = train(name, c)
    signs = single["climb"].signs
    double = train(name, c, torch.float64, known=signs)
    calls = len(signs) // ITERATIONS
    records = []
    for number, (one, two) in enumerate(zip(single["iterations"], double["iterations"])):
        record = dict(
            signs=[[packed(sign) for sign in call] for call in signs[calls * number:calls * (number + 1)]],
            losses=one["losses"], losses_error=Rounded(max(abs(a - b) for a, b in zip(one["losses"], two["losses"]))),
            right=one["right"], gradient_norm=one["norm"], statistics=one["statistics"])
        if number == ITERATIONS - 1:
            record["momentum"] = {n: probe(p, two["momentum"][n]) for n, p in one["momentum"].items()}
        records.append(record)
    worst = max((distance(p, two["momentum"][n]) / p.norm().item(), n)
                for one, two in zip(single["iterations"], double["iterations"]) for n, p in one["momentum"].items())
    print(f"{name}: margin {single['margins'].least:.1e}, {agreement(double):.5f} of the signs agree, momentum of float32 "
          f"and float64 differs by {worst[0]:.1e} ({worst[1]})")
    return dict(
        iterations=records, weights={n: probe(p, double["weights"][n]) for n, p in single["weights"].items()},
        margin=Rounded(single["margins"].least), agreeing=Rounded(agreement(double)))


def agreement(run):
    return run["climb"].agreeing / run["climb"].all


# Salts

def refusal(name, c):
    """Why a salt will not do, or None."""
    runs = [train(name, c)] if "method" in c else [one_pass(name, c, training) for training in (True, False)]
    for run in runs:
        if run["margins"].least < MARGIN:
            return f"margin {run['margins'].least:.1e}"
        several = sum(len(used) == EXPERTS for used in run["margins"].used.values())
        if several < 0.35 * len(run["margins"].used):
            return f"experts used in {several} of {len(run['margins'].used)} layers"
    if "method" not in c:
        return None
    other = train(name, c, torch.float64, known=runs[0]["climb"].signs)
    if agreement(other) < AGREEING:
        return f"{agreement(other):.4f} of the signs agree"
    worst = max(distance(p, two["momentum"][n]) / p.norm().item()
                for one, two in zip(runs[0]["iterations"], other["iterations"]) for n, p in one["momentum"].items())
    return f"momentum differs by {worst:.1e}" if worst > 1e-3 else None


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
