"""Makes the JSON fixtures that compare our networks with PyTorch: values, gradients and ten training steps.

    python make_fixtures.py                 all fixtures, with the salts below
    python make_fixtures.py dense-16 gates  only these
    python make_fixtures.py --search ...    look for the first salt that meets the margins, print it, use it
    python make_fixtures.py --check         finite differences in float64 instead of writing anything

Networks
    ResNet with a 3x3 stem of stride 1, no max-pool ("cifar"; "imagenet": 7x7 of stride 2, max-pool 3x3 of stride 2 and
    padding 1), stages of width, 2*width, 4*width, 8*width channels, batch norm (epsilon 1e-5, momentum 0.1), global
    average pooling, fc; ResNet-18 unless `blocks` and `bottleneck` say otherwise: bottleneck b has blocks of 1x1 to b
    times the stage's channels, 3x3 with the stride, 1x1 to four times the stage's channels. `architecture` says what is
    no such network: PreactivationResNet, WideResNet (`widening`, `skips`), VGG, DenseNet below, of as many stages as
    `blocks` has numbers; all of their widths are multiplied by `ratio` and truncated. Input images are in [0, 1];
    the network first computes (x - mean) / std per channel. The mixtures sit in the stage `placement`: "conv" replaces
    every convolution there, downsample.0 included; "block" replaces its residual blocks.
    router: one decision per image, s = softmax of
            gap-linear: router.weight @ mean_over_pixels(x) + router.bias; conv-gap: the mean over pixels of
            conv(x, router.weight), not padded; double-conv-gap: that of conv(batch_norm(conv(x))), not padded, eight
            channels between; fixed-projection: router.projection @ mean_over_pixels(x), not trained; first-channels:
            the first channels of mean_over_pixels(x).
    gate:   m = the k largest of s, ties to the lowest index, never differentiated;
            k = 1: r = m, differentiated as if r = s * m; k > 1: r = s * m / (sum_e s * m + 1e-5), m constant.
    layer:  y[t] = sum_e r[t, e] * expert_e(x[t]); an expert sees only its own images (so do a block expert's batch norms).
    loss:   P_e = mean_t s[t, e]; f_e = the fraction of images whose largest score is e (constant); H = entropy in nats;
            switch: E * sum_e f_e * P_e - 1;  entropy: mean_t H(s[t]) - H(P);  column-entropy: -H(P);
            variance: switch - mean_e std_t(s[t, e]) + 1, unbiased.
            outputs: max(0, 1 - sqrt(var_e(m_e) + 1e-4)), unbiased, m_e the mean of all elements that expert e put out,
            0 without images.
    task_loss = mean cross entropy; balance_loss = alpha * (the sum of the routers' losses) + variance_weight * (the sum
    of the layers' outputs losses); objective = their sum.

Values (`scheme`): every number comes from a hash, so no weight is stored.
    h = FNV-1a 64 of the UTF-8 bytes of salt + "/" + name (offset 0xCBF29CE484222325, prime 0x100000001B3)
    z = h + (i + 1) * 0x9E3779B97F4A7C15, wrapping; z ^= z >> 30; z *= 0xBF58476D1CE4E5B9; z ^= z >> 27;
    z *= 0x94D049BB133111EB; z ^= z >> 31; u(name, i) = (z >> 40) / 2^24; i is the flat index in PyTorch's layout.
    All formulas are evaluated in double precision, left to right as written, then rounded once to float32:
    convolution weight   (2u - 1) * (gain * sqrt(6 / fan_in)),  fan_in = in_channels * kernel_height * kernel_width
    batch norm           weight 0.8 + 0.4u, bias 0.2 * (2u - 1), running_mean 0.2 * (2u - 1), running_var 0.6 + 0.8u,
                         num_batches_tracked 0
    fc, classifier       weight (2u - 1) * (1 / sqrt(in_features)), bias 0.2 * (2u - 1)
    router               weight and projection (2u - 1) * (g / sqrt(C)), C times kernel^2 for convolutions; bias
                         0.2 * (2u - 1); batch norm as above
    images               0.25 * u("images", i) + 0.75 * u("patches", j): i the flat NCHW index, j the index of the pixel's
                         patch in a grid of 4 x 4 per image and channel, ((n * channels + c) * 4 + 4 * y / height) * 4 +
                         4 * x / width with integer divisions (images that differ send mixtures to different experts)
    labels               label[i] = 7 * i mod 10
    gain and g stand in each file (`gain`, `router_gain`).

File (one per case): float32 with as many digits (at most 9) as read back the same, doubles with 9, errors with 3
    train, eval: one forward and backward pass each, from the initial state (train: batch statistics):
        logits [batch][class], task_loss, balance_loss,
        routers {layer: {scores [batch][expert], routes [batch][k] ascending, loss (not weighted)}},
        input_gradient {task, objective: {norm (whole batch), values (images 0 and 1, flat NCHW, 1568 at most), error}}; a dense network
            has no `objective`, its balance loss being zero,
        parameters {name: null without gradient, else {norm, sum, values, error}} of the objective,
        train only: batch_norms {layer: {running_mean, running_var (first 4 values), num_batches_tracked}} afterwards.
    training: ten steps of SGD on the same batch in train mode: task_loss and balance_loss before each step, routes of each
        step {layer: [step][batch][k]}, then logits in eval mode, parameters {norm, values, error}, batch_norms.
    values: at the flat indices floor(j * n / c), j = 0 ..< c, c = min(probes, n). norm and sum are accumulated in double.
    error: the L2 norm of (float32 result - float64 result), both by PyTorch from the same float32 weights;
    logits_error: the largest absolute difference; spread: the same between float32 runs that round differently
    (batch reversed, other convolution kernels), the largest of three.
    margins, smallest over every pass of the file: `route` between the k-th and (k+1)-th score, `route_log` between
    their logarithms, `argmax` between the two largest scores; `relu`: the smallest absolute input of a ReLU in the
    train and eval passes.
    The salts are chosen so that no decision is closer than 1e-3 (two experts under the entropy loss: 1e-3 in the train
    and eval passes, then 5e-3 in the logarithm, since training drives the scores behind the first towards 0), that
    float32 runs agree after ten steps, and that routers use several experts. A unit that rounding carries over its
    kink moves a gradient by up to a per cent, and the next steps amplify that; the small rate keeps it below a
    thousandth of a parameter after ten steps, and the large decay then stands out.
"""

import copy
import json
import math
import os
import sys
from collections import OrderedDict

import numpy as np
import torch
from torch import nn
from torch.nn import functional

torch.set_num_threads(1)
HERE = os.path.dirname(os.path.abspath(__file__))

COLOUR = dict(channels=3, size=16, mean=[0.4914, 0.4822, 0.4465], std=[0.247, 0.2435, 0.2616])
GRAY = dict(channels=1, size=28, mean=[0.1307], std=[0.3081])
LARGE = dict(channels=1, size=48, mean=[0.1307], std=[0.3081])
ODD = dict(COLOUR, size=15)
BATCH, CLASSES, EXPERTS, WIDTH, ALPHA = 8, 10, 4, 16, 0.5
OPTIMISER = dict(lr=0.001, momentum=0.9, weight_decay=0.05, nesterov=True)
STEPS = 10
MARGIN, STABLE = 1e-3, 1e-3
INPUT_VALUES = 1568


def case(kind, image, k=None, loss=None, salt=0, gain=0.85, router_gain=4.0, probes=24, width=WIDTH,
         blocks=(2, 2, 2, 2), placement="layer4", bottleneck=None, stem="cifar", router="gap-linear", kernel=1,
         variance_weight=0.0, architecture="resnet", widening=None, skips=False, ratio=1.0):
    return dict(kind=kind, image=image, k=k, loss=loss, salt=salt, gain=gain, router_gain=router_gain, probes=probes,
                width=width, blocks=list(blocks), placement=placement, bottleneck=bottleneck, stem=stem, router=router,
                kernel=kernel, variance_weight=variance_weight, architecture=architecture, widening=widening,
                skips=skips, ratio=ratio)


def small(kind, image, k=None, loss=None, blocks=(1, 1, 2), placement="layer3", **options):
    """A network of three stages."""
    return case(kind, image, k, loss, probes=12, width=8, blocks=blocks, placement=placement, **options)


CASES = {
    "dense-16": case("dense", COLOUR, salt=8),
    "dense-28gray": case("dense", GRAY, salt=160),
    "conv-k1-entropy": case("conv", COLOUR, 1, "entropy", salt=193),
    "conv-k1-switch": case("conv", COLOUR, 1, "switch", salt=244),
    "conv-k2-entropy": case("conv", COLOUR, 2, "entropy", salt=1887, router_gain=2.0),
    "conv-k2-switch": case("conv", COLOUR, 2, "switch", salt=301),
    "block-k1-entropy": case("block", COLOUR, 1, "entropy", salt=173),
    "block-k1-switch": case("block", COLOUR, 1, "switch", salt=651),
    "block-k2-entropy": case("block", COLOUR, 2, "entropy", salt=3538, probes=16),
    "block-k2-switch": case("block", COLOUR, 2, "switch", salt=89, probes=16),
    "conv-k1-28gray": case("conv", GRAY, 1, "entropy", salt=1025),
    "dense-bottleneck-imagenet": small("dense", LARGE, bottleneck=1, stem="imagenet", salt=0),
    "conv-k1-variance": small("conv", COLOUR, 1, "variance", bottleneck=1, router="conv-gap", salt=22),
    "conv-k1-column-entropy": small("conv", COLOUR, 1, "column-entropy", router="conv-gap", kernel=3, salt=0),
    "conv-k2-variance": small("conv", COLOUR, 2, "variance", blocks=(1, 1, 1), router="double-conv-gap",
                              router_gain=2.0, salt=180),
    "conv-k2-column-entropy": small("conv", COLOUR, 2, "column-entropy", blocks=(1, 1, 1), bottleneck=2,
                                    variance_weight=0.25, salt=208),
    "block-k1-variance": small("block", COLOUR, 1, "variance", bottleneck=1, variance_weight=0.25, salt=31),
    "block-k1-column-entropy": small("block", COLOUR, 1, "column-entropy", blocks=(1, 2, 1), placement="layer2",
                                     router="double-conv-gap", kernel=3, router_gain=2.0, salt=1),
    "block-k2-variance": small("block", COLOUR, 2, "variance", router="first-channels", salt=40),
    "block-k2-column-entropy": small("block", LARGE, 2, "column-entropy", bottleneck=1, stem="imagenet",
                                     router="fixed-projection", salt=51),
    "preact": small("dense", COLOUR, blocks=(2, 1), architecture="preact", salt=0),
    "wrn": small("dense", COLOUR, blocks=(1, 2, 1), architecture="wrn", widening=2, salt=0),
    "wrn-skipping": small("dense", LARGE, blocks=(1, 2), architecture="wrn", widening=2, skips=True, stem="imagenet",
                          salt=0),
    "wrn-conv-experts": small("conv", COLOUR, 1, "entropy", blocks=(1, 1), architecture="wrn", widening=2,
                              placement="block2", salt=49),
    "vgg": small("dense", COLOUR, blocks=(1, 2, 1), architecture="vgg", ratio=0.7, salt=0),
    "densenet": small("dense", ODD, blocks=(2, 2), architecture="densenet", ratio=0.9, salt=1),
}


# Values from a hash

def uniforms(salt, name, count):
    """u(name, 0 ..< count) as float64."""
    h = 0xCBF29CE484222325
    for byte in (salt + "/" + name).encode("utf-8"):
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return (z >> np.uint64(40)).astype(np.float64) / 2.0**24


def filled(salt, name, shape, formula):
    values = formula(uniforms(salt, name, math.prod(shape))).astype(np.float32)
    return torch.from_numpy(values.reshape(shape))


def made_images(salt, image):
    channels, size = image["channels"], image["size"]
    pixels = uniforms(salt, "images", BATCH * channels * size * size).reshape(BATCH, channels, size, size)
    patches = uniforms(salt, "patches", BATCH * channels * 16).reshape(BATCH, channels, 4, 4)
    cell = 4 * np.arange(size) // size
    return torch.from_numpy((0.25 * pixels + 0.75 * patches[:, :, cell][:, :, :, cell]).astype(np.float32))


def initialise(network, salt, gain, router_gain):
    """Sets every parameter and buffer of a float32 network by the scheme."""
    with torch.no_grad():
        for path, module in network.named_modules():
            def put(attribute, formula):
                tensor = getattr(module, attribute)
                tensor.copy_(filled(salt, f"{path}.{attribute}", tuple(tensor.shape), formula))

            if isinstance(module, nn.Conv2d):
                fan = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
                bound = router_gain / math.sqrt(fan) if ".router" in path else gain * math.sqrt(6.0 / fan)
                put("weight", lambda u: (2 * u - 1) * bound)
            elif isinstance(module, FixedProjection):
                bound = router_gain / math.sqrt(module.projection.shape[1])
                put("projection", lambda u: (2 * u - 1) * bound)
            elif isinstance(module, nn.BatchNorm2d):
                put("weight", lambda u: 0.8 + 0.4 * u)
                put("bias", lambda u: 0.2 * (2 * u - 1))
                put("running_mean", lambda u: 0.2 * (2 * u - 1))
                put("running_var", lambda u: 0.6 + 0.8 * u)
                module.num_batches_tracked.zero_()
            elif isinstance(module, nn.Linear):
                bound = (router_gain if ".router" in path else 1.0) / math.sqrt(module.in_features)
                put("weight", lambda u: (2 * u - 1) * bound)
                put("bias", lambda u: 0.2 * (2 * u - 1))


# Gates

def selection(scores, k):
    """The mask of the k largest scores per row, ties to the lowest index."""
    order = torch.sort(scores, dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(scores).scatter_(1, order, 1.0)


class StraightThrough(torch.autograd.Function):
    """Weight 1 where the kept score is not zero; the gradient passes unchanged to the kept score."""

    @staticmethod
    def forward(context, kept):
        return (kept != 0).to(kept.dtype)

    @staticmethod
    def backward(context, gradient):
        return gradient


def routing_weights(scores, mask, straight_through):
    kept = scores * mask
    if straight_through:
        return StraightThrough.apply(kept)
    return kept / (kept.sum(dim=1, keepdim=True) + 1e-5)


def entropy(p):
    return -(p * torch.log(p + 1e-5 * (p == 0))).sum(dim=-1)


def balancing(kind, scores):
    share = scores.mean(dim=0)
    if kind == "entropy":
        return entropy(scores).mean() - entropy(share)
    if kind == "column-entropy":
        return -entropy(share)
    experts = scores.shape[1]
    fraction = selection(scores.detach(), 1).mean(dim=0)
    switch = experts * (fraction * share).sum() - 1
    if kind == "switch":
        return switch
    if kind == "variance":
        return switch - scores.std(dim=0).sum() / experts + 1
    raise ValueError(kind)


def averaged(x):
    return x.mean(dim=(2, 3))


class DoubleConvolution(nn.Module):
    def __init__(self, channels, experts, kernel):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 8, kernel, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, experts, kernel, bias=False)

    def forward(self, x):
        return self.conv2(self.bn1(self.conv1(x)))


class FixedProjection(nn.Module):
    def __init__(self, channels, experts):
        super().__init__()
        self.register_buffer("projection", torch.zeros(experts, channels))

    def forward(self, x):
        return averaged(x) @ self.projection.T


ROUTERS = {
    "gap-linear": lambda channels, experts, kernel: nn.Linear(channels, experts),
    "conv-gap": lambda channels, experts, kernel: nn.Conv2d(channels, experts, kernel, bias=False),
    "double-conv-gap": DoubleConvolution,
    "fixed-projection": lambda channels, experts, kernel: FixedProjection(channels, experts),
    "first-channels": lambda channels, experts, kernel: None,
}


class Mixture(nn.Module):
    """A router, k of the experts per image, and the weighted sum of their outputs."""

    def __init__(self, channels, experts, k, loss, straight_through=None, router="gap-linear", kernel=1):
        super().__init__()
        self.kind = router
        self.router = ROUTERS[router](channels, len(experts), kernel)
        self.experts = nn.ModuleList(experts)
        self.k, self.loss = k, loss
        self.straight_through = k == 1 if straight_through is None else straight_through
        self.frozen = None

    def logits(self, x):
        if self.kind == "gap-linear":
            return self.router(averaged(x))
        if self.kind == "first-channels":
            return averaged(x)[:, :len(self.experts)]
        return self.router(x) if self.kind == "fixed-projection" else averaged(self.router(x))

    def forward(self, x):
        scores = torch.softmax(self.logits(x), dim=1)
        self.scores, self.balance = scores, balancing(self.loss, scores)
        self.mask = selection(scores.detach(), self.k)
        weights = routing_weights(scores, self.mask, self.straight_through)
        if self.frozen is not None and self.straight_through:
            # A differentiable function with the straight-through gradient at the frozen scores (finite differences).
            weights = self.mask * (1 + scores - self.frozen)
        y, means = None, [torch.zeros((), dtype=x.dtype)] * len(self.experts)
        for e, expert in enumerate(self.experts):
            chosen = torch.nonzero(self.mask[:, e]).flatten()
            if len(chosen) == 0:
                continue
            out = expert(x[chosen])
            means[e] = out.mean()
            out = out * weights[chosen, e].reshape(-1, 1, 1, 1)
            if y is None:
                y = torch.zeros((x.shape[0],) + tuple(out.shape[1:]), dtype=out.dtype)
            y = y.index_add(0, chosen, out)
        self.outputs = functional.relu(1 - torch.sqrt(torch.stack(means).var() + 1e-4))
        return y

    @property
    def routes(self):
        return [torch.nonzero(row).flatten().tolist() for row in self.mask]


# Networks

class Rectifier(nn.Module):
    """ReLU that remembers the smallest absolute input and the active units of each call."""

    def forward(self, x):
        self.calls.append((x.detach().abs().min().item(), (x.detach() > 0)))
        return functional.relu(x)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, rectifier):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = rectifier
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + identity)


class Bottleneck(nn.Module):
    def __init__(self, inputs, channels, stride, rectifier, widening):
        super().__init__()
        inner, outputs = widening * channels, 4 * channels
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = rectifier
        self.downsample = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        return self.relu(self.bn3(self.conv3(y)) + identity)


class Normalise(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, -1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


class Network(nn.Module):
    """What all networks have in common: logits() is what is particular."""

    def __init__(self, c):
        super().__init__()
        image = c["image"]
        self.normalize = Normalise(image["mean"], image["std"])
        self.relu = Rectifier()
        self.relu.calls = []
        self.alpha, self.variance_weight = ALPHA, c["variance_weight"]

    def forward(self, x):
        self.relu.calls.clear()
        return self.logits(self.normalize(x))

    def mixtures(self):
        return {path: m for path, m in self.named_modules() if isinstance(m, Mixture)}

    def losses(self, logits, labels):
        task = functional.cross_entropy(logits, labels)
        balance = torch.zeros((), dtype=logits.dtype)
        for mixture in self.mixtures().values():
            balance = balance + ALPHA * mixture.balance
            if self.variance_weight > 0:
                balance = balance + self.variance_weight * mixture.outputs
        return task, balance


class ResNet(Network):
    def __init__(self, c):
        super().__init__(c)
        image, width = c["image"], c["width"]
        small = c["stem"] == "cifar"
        self.conv1 = nn.Conv2d(image["channels"], width, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.pool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        inputs, stages = width, []
        for stage, count in enumerate(c["blocks"], start=1):
            channels = width * 2 ** (stage - 1)
            outputs = channels if c["bottleneck"] is None else 4 * channels
            blocks = []
            for index in range(count):
                stride = 2 if stage > 1 and index == 0 else 1

                def block():
                    if c["bottleneck"] is None:
                        return Block(inputs, channels, stride, self.relu)
                    return Bottleneck(inputs, channels, stride, self.relu, c["bottleneck"])

                if f"layer{stage}" == c["placement"] and c["kind"] == "block":
                    blocks.append(mixture(inputs, [block() for _ in range(EXPERTS)], c))
                elif f"layer{stage}" == c["placement"] and c["kind"] == "conv":
                    blocks.append(with_mixed_convolutions(block(), c))
                else:
                    blocks.append(block())
                inputs = outputs
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            stages.append(f"layer{stage}")
        self.stages = stages
        self.fc = nn.Linear(inputs, CLASSES)

    def logits(self, x):
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.fc(x.mean(dim=(2, 3)))


class PreactivationBlock(nn.Module):
    """conv2(relu(bn2(conv1(a)))) + shortcut, a = relu(bn1(x)); the shortcut is x, or a 1x1 convolution of a where the
    shape changes. With `skips`, bn1's result is thrown away there, and x takes the place of a."""

    def __init__(self, inputs, outputs, stride, rectifier, skips):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.relu, self.skips = rectifier, skips
        self.changes = stride != 1 or inputs != outputs

    def forward(self, x):
        normed = self.bn1(x)
        a = x if self.changes and self.skips else self.relu(normed)
        y = self.conv2(self.relu(self.bn2(self.conv1(a))))
        return y + (self.shortcut(a) if self.changes else x)


class WideBlock(PreactivationBlock):
    def __init__(self, inputs, outputs, stride, rectifier, skips):
        super().__init__(inputs, outputs, stride, rectifier, skips)
        if self.changes:
            self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def shortcut(self, a):
        return self.convShortcut(a)


class NarrowBlock(PreactivationBlock):
    def __init__(self, inputs, outputs, stride, rectifier, skips):
        super().__init__(inputs, outputs, stride, rectifier, skips)
        if self.changes:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False))

    def shortcut(self, a):
        return self.downsample(a)


class Layers(nn.Module):
    """A stage, its blocks under `layer`."""

    def __init__(self, blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class Preactivated(Network):
    """Pre-activation blocks, one more batch norm and ReLU behind them; the ImageNet stem has bn0, ReLU and max-pooling."""

    def __init__(self, c, stem, block):
        super().__init__(c)
        image, ratio = c["image"], c["ratio"]
        inputs = int(ratio * stem)
        small = c["stem"] == "cifar"
        self.conv1 = nn.Conv2d(image["channels"], inputs, *((3, 1, 1) if small else (7, 2, 3)), bias=False)
        if not small:
            self.bn0, self.pool = nn.BatchNorm2d(inputs), nn.MaxPool2d(3, 2, 1)
        self.stages = []
        for stage, count in enumerate(c["blocks"], start=1):
            outputs, blocks = int(ratio * (c["width"] * 2 ** (stage - 1))), []
            for index in range(count):
                made = block(inputs, outputs, 2 if stage > 1 and index == 0 else 1, self.relu, c["skips"])
                if f"{self.prefix}{stage}" == c["placement"] and c["kind"] == "conv":
                    made = with_mixed_convolutions(made, c)
                blocks.append(made)
                inputs = outputs
            self.stages.append(f"{self.prefix}{stage}")
            setattr(self, self.stages[-1], self.stage(blocks))
        self.bn1 = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, CLASSES)

    def logits(self, x):
        x = self.conv1(x)
        if hasattr(self, "bn0"):
            x = self.pool(self.relu(self.bn0(x)))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.fc(self.relu(self.bn1(x)).mean(dim=(2, 3)))


class PreactivationResNet(Preactivated):
    prefix = "layer"

    def __init__(self, c):
        super().__init__(c, c["width"], NarrowBlock)

    def stage(self, blocks):
        return nn.Sequential(*blocks)


class WideResNet(Preactivated):
    prefix = "block"

    def __init__(self, c):
        super().__init__(c, c["width"] // c["widening"], WideBlock)

    def stage(self, blocks):
        return Layers(blocks)


class VGG(Network):
    """3x3 convolutions with batch norm and ReLU, max-pooling between stages, three linear layers over a 2x2 map."""

    def __init__(self, c):
        super().__init__(c)
        inputs, layers = c["image"]["channels"], []
        for stage, count in enumerate(c["blocks"]):
            if stage > 0:
                layers.append(nn.MaxPool2d(2, 2))
            outputs = int(c["ratio"] * (c["width"] * 2 ** min(stage, 3)))
            for _ in range(count):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), self.relu]
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Linear(4 * inputs, 256), self.relu, nn.Linear(256, 256), self.relu,
                                        nn.Linear(256, CLASSES))

    def logits(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class DenseLayer(nn.Module):
    def __init__(self, inputs, growth, rectifier):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.relu = rectifier

    def forward(self, x):
        return torch.cat([x, self.conv2(self.relu(self.norm2(self.conv1(self.relu(self.norm1(x))))))], 1)


class Transition(nn.Module):
    def __init__(self, inputs, rectifier):
        super().__init__()
        self.norm = nn.BatchNorm2d(inputs)
        self.conv = nn.Conv2d(inputs, inputs // 2, 1, bias=False)
        self.relu, self.pool = rectifier, nn.AvgPool2d(2, 2)

    def forward(self, x):
        return self.pool(self.conv(self.relu(self.norm(x))))


class DenseNet(Network):
    """DenseNet-BC: `width` channels from the stem, half of that from each layer."""

    def __init__(self, c):
        super().__init__(c)
        image, small = c["image"], c["stem"] == "cifar"
        inputs, growth = int(c["ratio"] * c["width"]), int(c["ratio"] * (c["width"] // 2))
        layers = [("conv0", nn.Conv2d(image["channels"], inputs, *((3, 1, 1) if small else (7, 2, 3)), bias=False))]
        if not small:
            layers += [("norm0", nn.BatchNorm2d(inputs)), ("relu0", self.relu), ("pool0", nn.MaxPool2d(3, 2, 1))]
        for stage, count in enumerate(c["blocks"], start=1):
            if stage > 1:
                layers.append((f"transition{stage - 1}", Transition(inputs, self.relu)))
                inputs //= 2
            block = OrderedDict()
            for index in range(count):
                block[f"denselayer{index + 1}"] = DenseLayer(inputs, growth, self.relu)
                inputs += growth
            layers.append((f"denseblock{stage}", nn.Sequential(block)))
        layers.append(("norm_final", nn.BatchNorm2d(inputs)))
        self.features = nn.Sequential(OrderedDict(layers))
        self.classifier = nn.Linear(inputs, CLASSES)

    def logits(self, x):
        return self.classifier(self.relu(self.features(x)).mean(dim=(2, 3)))


ARCHITECTURES = {"resnet": ResNet, "preact": PreactivationResNet, "wrn": WideResNet, "vgg": VGG, "densenet": DenseNet}


def mixture(channels, experts, c):
    return Mixture(channels, experts, c["k"], c["loss"], router=c["router"], kernel=c["kernel"])


def with_mixed_convolutions(block, c):
    def mixed(conv):
        return mixture(conv.in_channels, [copy.deepcopy(conv) for _ in range(EXPERTS)], c)

    block.conv1, block.conv2 = mixed(block.conv1), mixed(block.conv2)
    if c["bottleneck"] is not None:
        block.conv3 = mixed(block.conv3)
    if isinstance(block, WideBlock):
        if block.changes:
            block.convShortcut = mixed(block.convShortcut)
    elif block.downsample is not None:
        block.downsample[0] = mixed(block.downsample[0])
    return block


# Passes

class Margins:
    def __init__(self):
        self.route, self.route_log, self.argmax, self.largest, self.relu = 1.0, math.inf, 1.0, 0.0, math.inf

    def close(self, c, training=True):
        if training and c["k"] == 2 and c["loss"] == "entropy":
            return self.route_log < 5e-3
        return self.route < MARGIN or (c["loss"] in ("switch", "variance") and self.argmax < MARGIN)

    def see(self, network, relu=False):
        for m in network.mixtures().values():
            ordered = torch.sort(m.scores.detach(), dim=1, descending=True).values
            self.route = min(self.route, (ordered[:, m.k - 1] - ordered[:, m.k]).min().item())
            gap = torch.log(ordered[:, m.k - 1]) - torch.log(ordered[:, m.k])
            self.route_log = min(self.route_log, gap.min().item())
            self.argmax = min(self.argmax, (ordered[:, 0] - ordered[:, 1]).min().item())
            self.largest = max(self.largest, ordered[:, 0].max().item())
        if relu:
            self.relu = min([self.relu] + [call[0] for call in network.relu.calls])


def made(c, name, precision=torch.float32):
    salt = f"{name}/{c['salt']}"
    network = ARCHITECTURES[c["architecture"]](c)
    initialise(network, salt, c["gain"], c["router_gain"])
    image = c["image"]
    images = made_images(salt, image)
    labels = torch.tensor([7 * i % 10 for i in range(BATCH)])
    return network.to(precision), images.to(precision), labels


def one_pass(c, name, training, precision=torch.float32):
    """The network after one forward and backward pass of the objective, and its results."""
    network, images, labels = made(c, name, precision)
    network.train(training)
    x = images.clone().requires_grad_(True)
    logits = network(x)
    task, balance = network.losses(logits, labels)
    input_task = torch.autograd.grad(task, x, retain_graph=True)[0]
    (task + balance).backward()
    return dict(network=network, logits=logits.detach(), task=task.item(), balance=balance.item(),
                input_task=input_task, input_objective=x.grad,
                active=[call[1] for call in network.relu.calls])


def ten_steps(c, name, precision=torch.float32, margins=None, reverse=False):
    """Ten steps from the initial state; None as soon as the margins are too small."""
    network, images, labels = made(c, name, precision)
    if reverse:
        images, labels = images.flip(0), labels.flip(0)
    network.train(True)
    optimiser = torch.optim.SGD(network.parameters(), **OPTIMISER)
    tasks, balances, routes = [], [], {path: [] for path in network.mixtures()}
    for _ in range(STEPS):
        optimiser.zero_grad(set_to_none=True)
        task, balance = network.losses(network(images), labels)
        if margins is not None and c["kind"] != "dense":
            margins.see(network)
            if margins.close(c):
                return None
        (task + balance).backward()
        optimiser.step()
        tasks.append(task.item())
        balances.append(balance.item())
        for path, mixture in network.mixtures().items():
            routes[path].append(mixture.routes)
    network.train(False)
    with torch.no_grad():
        logits = network(images)
    if margins is not None:
        margins.see(network)
    if reverse:
        logits = logits.flip(0)
        routes = {path: [step[::-1] for step in steps] for path, steps in routes.items()}
    return dict(network=network, tasks=tasks, balances=balances, routes=routes, logits=logits)


def spread(c, name, single):
    """The largest differences of float32 runs that round differently from this one, None if they route differently."""
    parameters, logits = 0.0, 0.0
    for reverse, kernels in ((True, True), (False, False), (True, False)):
        with torch.backends.mkldnn.flags(enabled=kernels):
            other = ten_steps(c, name, reverse=reverse)
        if other is None or other["routes"] != single["routes"]:
            return None
        logits = max(logits, largest(single["logits"], other["logits"]))
        parameters = max(parameters, parameter_distance(single, other))
    return dict(logits=Rounded(logits), parameters=Rounded(parameters))


def parameter_distance(a, b):
    """The largest norm of a parameter's difference relative to its norm."""
    return max((distance(p, q) / p.detach().double().norm().item())
               for p, q in zip(a["network"].parameters(), b["network"].parameters()))


# Output

def text(value):
    if isinstance(value, Rounded):
        return number(float(value), 3)
    if isinstance(value, dict):
        return "{" + ",".join(json.dumps(k) + ":" + text(v) for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(text(v) for v in value) + "]"
    if isinstance(value, torch.Tensor):
        return text(list(value.detach().numpy()) if value.dim() > 0 else value.numpy()[()])
    if isinstance(value, np.ndarray):
        return text(list(value))
    if isinstance(value, np.float32):
        return shortest(value)
    if isinstance(value, np.integer):
        return str(int(value))
    if isinstance(value, float):
        assert math.isfinite(value)
        return number(value, 9)
    return json.dumps(value)


def number(value, digits):
    return format(value, f".{digits}g").replace("e-0", "e-").replace("e+0", "e")


def shortest(value):
    """The fewest significant digits, at most 9, that read back as the same float32."""
    assert np.isfinite(value)
    return next(t for t in (number(float(value), d) for d in range(1, 10)) if np.float32(t) == value)


class Rounded(float):
    """A figure of error: three digits are enough."""


def distance(a, b):
    return Rounded((a.double() - b.double()).norm().item())


def largest(a, b):
    return Rounded((a.double() - b.double()).abs().max().item())


def probes(tensor, most):
    flat = tensor.detach().flatten()
    count = min(most, len(flat))
    return flat[[j * len(flat) // count for j in range(count)]]


def batch_norm_probes(network):
    return {path: dict(running_mean=m.running_mean[:4], running_var=m.running_var[:4],
                       num_batches_tracked=m.num_batches_tracked.item())
            for path, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)}


def gradient_probes(c, single, double):
    result = {}
    for (name, p), (_, q) in zip(single.named_parameters(), double.named_parameters()):
        assert (p.grad is None) == (q.grad is None)
        result[name] = None if p.grad is None else dict(
            norm=p.grad.double().norm().item(), sum=p.grad.double().sum().item(), values=probes(p.grad, c["probes"]),
            error=distance(p.grad, q.grad))
    return result


def input_probes(single, double):
    return dict(norm=single.double().norm().item(), values=single[:2].flatten()[:INPUT_VALUES], error=distance(single, double))


def mode_record(c, single, double, training):
    network = single["network"]
    record = dict(
        logits=single["logits"], logits_error=largest(single["logits"], double["logits"]),
        task_loss=single["task"], balance_loss=single["balance"])
    if c["kind"] != "dense":
        for path, other in double["network"].mixtures().items():
            assert other.routes == network.mixtures()[path].routes
        record["routers"] = {path: dict(scores=m.scores, routes=m.routes, loss=m.balance.item())
                             for path, m in network.mixtures().items()}
    record["input_gradient"] = dict(task=input_probes(single["input_task"], double["input_task"]))
    if c["kind"] != "dense":
        record["input_gradient"]["objective"] = input_probes(single["input_objective"], double["input_objective"])
    record["parameters"] = gradient_probes(c, network, double["network"])
    if training:
        record["batch_norms"] = batch_norm_probes(network)
    return record


SCHEME = {
    "u": "h = FNV-1a 64 of UTF-8(salt + '/' + name); z = h + (i + 1) * 0x9E3779B97F4A7C15; z ^= z >> 30; "
         "z *= 0xBF58476D1CE4E5B9; z ^= z >> 27; z *= 0x94D049BB133111EB; z ^= z >> 31; u = (z >> 40) / 2^24",
    "rounding": "computed in double, rounded once to float32",
    "convolution.weight": "(2u - 1) * (gain * sqrt(6 / fan_in))",
    "batch_norm.weight": "0.8 + 0.4 * u",
    "batch_norm.bias": "0.2 * (2u - 1)",
    "batch_norm.running_mean": "0.2 * (2u - 1)",
    "batch_norm.running_var": "0.6 + 0.8 * u",
    "fc.weight": "(2u - 1) * (1 / sqrt(in_features))",
    "fc.bias": "0.2 * (2u - 1)",
    "router.weight": "(2u - 1) * (router_gain / sqrt(C * kernel^2))",
    "router.bias": "0.2 * (2u - 1)",
    "images": "0.25 * u('images', flat NCHW index) + 0.75 * u('patches', ((n * channels + c) * 4 + 4 * y / height) * 4 "
              "+ 4 * x / width), integer divisions",
    "labels": "7 * i mod 10",
}


def record(name, c):
    image, margins = c["image"], Margins()
    modes = {}
    for mode in ("train", "eval"):
        single = one_pass(c, name, mode == "train")
        double = one_pass(c, name, mode == "train", torch.float64)
        margins.see(single["network"], relu=True)
        assert all(torch.equal(a, b) for a, b in zip(single["active"], double["active"])), "a ReLU differs"
        modes[mode] = mode_record(c, single, double, mode == "train")
    single, double = ten_steps(c, name, margins=margins), ten_steps(c, name, torch.float64)
    assert single["routes"] == double["routes"]
    training = dict(
        task_loss=single["tasks"], balance_loss=single["balances"],
        task_loss_error=Rounded(max(abs(a - b) for a, b in zip(single["tasks"], double["tasks"]))),
        balance_loss_error=Rounded(max(abs(a - b) for a, b in zip(single["balances"], double["balances"]))))
    if c["kind"] != "dense":
        training["routes"] = single["routes"]
    training.update(
        spread=spread(c, name, single), logits=single["logits"], logits_error=largest(single["logits"], double["logits"]),
        parameters={n: dict(norm=p.detach().double().norm().item(), values=probes(p, c["probes"]), error=distance(p, q))
                    for (n, p), (_, q) in zip(single["network"].named_parameters(),
                                              double["network"].named_parameters())},
        batch_norms=batch_norm_probes(single["network"]))
    head = dict(
        case=name, kind=c["kind"], width=c["width"], classes=CLASSES, batch=BATCH, channels=image["channels"],
        height=image["size"], width_of_image=image["size"], mean=image["mean"], std=image["std"],
        salt=f"{name}/{c['salt']}", probes=c["probes"], gain=c["gain"], labels=[7 * i % 10 for i in range(BATCH)])
    # What a file does not mention is as in the first files: ResNet-18 with basic blocks and gap-linear routers.
    if c["blocks"] != [2, 2, 2, 2]:
        head.update(blocks=c["blocks"], bottleneck=c["bottleneck"], stem=c["stem"])
    if c["architecture"] != "resnet":
        head.update(architecture=c["architecture"], widening=c["widening"], skips=c["skips"], ratio=c["ratio"])
    if c["kind"] != "dense":
        head.update(placement=c["placement"], experts=EXPERTS, top_k=c["k"], loss=c["loss"], alpha=ALPHA,
                    router_gain=c["router_gain"])
        if c["blocks"] != [2, 2, 2, 2]:
            head.update(router=c["router"], router_kernel=c["kernel"], variance_weight=c["variance_weight"])
    head["margins"] = dict(relu=margins.relu) if c["kind"] == "dense" else dict(
        route=margins.route, route_log=margins.route_log, argmax=margins.argmax, relu=margins.relu)
    head["optimiser"] = dict(name="sgd", rate=OPTIMISER["lr"], momentum=OPTIMISER["momentum"], nesterov=True,
                             weight_decay=OPTIMISER["weight_decay"], steps=STEPS)
    head["scheme"] = SCHEME
    return {**head, **modes, "training": training}


def summary(name, r):
    line = [f"{name}: salt {r['salt']}", " ".join(f"{k} {v:.2g}" for k, v in r["margins"].items())]
    for mode in ("train", "eval"):
        m = r[mode]
        kept = [p for p in m["parameters"].values() if p is not None]
        worst = max((p["error"] / p["norm"], n) for n, p in m["parameters"].items() if p is not None)
        line.append(
            f"{mode}: |logits| {m['logits'].abs().max():.2f} (err {m['logits_error']:.1e}) task {m['task_loss']:.3f} "
            f"balance {m['balance_loss']:.3f} gradients worst relative {worst[0]:.1e} {worst[1]}, median "
            f"{np.median([p['error'] / p['norm'] for p in kept]):.1e}; none {len(m['parameters']) - len(kept)}; input "
            + " ".join(f"{k} {g['norm']:.2g} rel {g['error'] / g['norm']:.1e}" for k, g in m["input_gradient"].items()))
        for path, router in m.get("routers", {}).items():
            line.append(f"  {path} {router['routes']} loss {router['loss']:.3f} max s {router['scores'].max():.3f}")
    t = r["training"]
    worst = max((p["error"] / p["norm"], n) for n, p in t["parameters"].items())
    line.append(f"spread {t['spread']}")
    line.append("training: " + " ".join(f"{x:.3f}" for x in t["task_loss"]) + f" (err {t['task_loss_error']:.1e}) balance "
                + " ".join(f"{x:.3f}" for x in t["balance_loss"]) + f" (err {t['balance_loss_error']:.1e}); logits "
                f"{t['logits'].abs().max():.2f} err {t['logits_error']:.1e}; worst parameter {worst[0]:.1e} {worst[1]}")
    if "routes" in t:
        changes = {p: sum(a != b for a, b in zip(s, s[1:])) for p, s in t["routes"].items()}
        line.append(f"  route changes between steps {changes}")
    return "\n".join(line)


def acceptable(name, c):
    """None when this salt meets the margins and mixes experts, otherwise the reason against it."""
    margins = Margins()
    for training in (True, False):
        network, images, _ = made(c, name)
        network.train(training)
        with torch.no_grad():
            network(images)
        margins.see(network, relu=True)
        used = [int((m.mask.sum(dim=0) > 0).sum()) for m in network.mixtures().values()]
        several = sum(u > c["k"] for u in used)
        if several < (len(used) - len(used) // 5 if training else (len(used) + 1) // 3):
            return f"too few experts {used}"
    if margins.relu < 1e-6:
        return f"relu {margins.relu:.1e}"
    if c["kind"] == "dense":
        return unstable(name, c, margins)
    if margins.largest > 0.9995:
        return f"saturated {margins.largest}"

    if margins.close(c, training=False):
        return f"margin {margins.route:.1e} {margins.argmax:.1e}"
    return unstable(name, c, margins)


def unstable(name, c, margins):
    """None when ten steps keep the margins and do not amplify rounding errors, otherwise the reason."""
    single = ten_steps(c, name, margins=margins)
    if single is None or (c["kind"] != "dense" and margins.close(c)):
        return f"margin in training {margins.route:.1e} {margins.route_log:.1e} {margins.argmax:.1e}"
    double = ten_steps(c, name, torch.float64)
    if single["routes"] != double["routes"] or parameter_distance(single, double) > STABLE:
        return "float64 differs"
    between = spread(c, name, single)
    if between is None or between["parameters"] > STABLE:
        return f"float32 runs differ {between}"
    return None


def search(name, c, limit=5000):
    for c["salt"] in range(limit):
        if acceptable(name, c) is None:
            print(name, "salt", c["salt"])
            return
    raise SystemExit(f"{name}: no salt below {limit}")


# Gates: the small cases, in float32 as above, whose numbers are known from the specification

S = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]]
S2 = [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.8, 0.15, 0.05], [0.5, 0.3, 0.2], [0.9, 0.05, 0.05], [0.55, 0.25, 0.2]]
ROUTER_WEIGHT = [[0.1, -0.2], [0.3, 0.4], [-0.5, 0.6]]
ROUTER_BIAS = [0.01, 0.02, 0.03]
LAYER_INPUT = [[[1, 2, 3, 4], [-1, 0, 1, 2]], [[-2, -1, 0, 0.5], [3, 1, -1, 2]], [[0.5, 0.5, 0.5, -0.5], [-3, -2, -1, -2]]]


def assigned(scores, k, capacity):
    """The greedy assignment under capacity, without noise: the experts of each image, ascending."""
    tokens, experts = scores.shape
    z = scores / scores.std()
    allowed = max(math.ceil(np.float32(k * (tokens / experts) * min(capacity, tokens))), 1)
    room = torch.full((experts,), min(allowed, tokens))
    mask = torch.zeros_like(scores)
    for iteration in range(25):
        need = (k - mask.sum(dim=1)).long()
        limits = torch.full((experts,), tokens) if iteration == 24 else room
        g = torch.softmax(z, dim=1) * ((need[:, None] * limits[None, :]) != 0)
        wanted = torch.zeros_like(mask)
        for t in range(tokens):
            best = torch.sort(g[t], descending=True, stable=True).indices[:need[t]]
            wanted[t, best] = (g[t, best] > 0).to(wanted.dtype)
        picked = torch.zeros_like(mask)
        for e in range(experts):
            column = g[:, e] * wanted[:, e]
            best = torch.sort(column, descending=True, stable=True).indices[:int(limits[e])]
            picked[best, e] = (column[best] > 0).to(picked.dtype)
        mask = mask + picked
        z = torch.where(mask > 0, torch.full_like(z, -1e5), z)
        room = room - picked.sum(dim=0).long()
        if int(mask.sum()) == k * tokens:
            break
    return [torch.nonzero(row).flatten().tolist() for row in mask]


def weights_case(scores, k, straight_through, upstream):
    s = torch.tensor(scores, requires_grad=True)
    r = routing_weights(s, selection(s.detach(), k), straight_through)
    (r * torch.tensor(upstream)).sum().backward()
    return dict(top_k=k, straight_through=straight_through, scores=scores, upstream=upstream, weights=r.detach(),
                score_gradient=s.grad)


def balancing_case(kind, scores):
    s = torch.tensor(scores, requires_grad=True)
    loss = balancing(kind, s)
    loss.backward()
    return dict(loss=kind, scores=scores, value=loss.item(), score_gradient=s.grad)


def layer_case(k):
    experts = [nn.Conv2d(2, 2, 1, bias=False) for _ in range(3)]
    layer = Mixture(2, experts, k, "entropy")
    with torch.no_grad():
        layer.router.weight.copy_(torch.tensor(ROUTER_WEIGHT))
        layer.router.bias.copy_(torch.tensor(ROUTER_BIAS))
        for e, expert in enumerate(experts):
            expert.weight.copy_(((e + 1) / 10 * torch.tensor([[-1.5, -0.5], [0.5, 1.5]])).reshape(2, 2, 1, 1))
    x = torch.tensor(LAYER_INPUT, dtype=torch.float32).reshape(3, 2, 2, 2).requires_grad_(True)
    y = layer(x)
    upstream = (torch.arange(24) / 10 - 1).reshape(3, 2, 2, 2)
    balance = 0.5 * layer.balance
    objective = (y * upstream).sum() + balance
    objective.backward()
    return dict(
        top_k=k, loss="entropy", alpha=0.5, shape=[3, 2, 2, 2], input=x.detach().flatten(),
        router_weight=ROUTER_WEIGHT, router_bias=ROUTER_BIAS, experts=[e.weight.detach().flatten() for e in experts],
        upstream=upstream.flatten(), scores=layer.scores.detach(), balance_loss=balance.item(),
        output=y.detach().flatten(), objective=objective.item(), router_weight_gradient=layer.router.weight.grad,
        router_bias_gradient=layer.router.bias.grad, expert_gradients=[e.weight.grad.flatten() for e in experts],
        input_gradient=x.grad.flatten())


def gates():
    x = torch.arange(64.0).reshape(2, 2, 4, 4) / 10
    linear = torch.softmax(
        x.mean(dim=(2, 3)) @ torch.tensor(ROUTER_WEIGHT).T + torch.tensor(ROUTER_BIAS), dim=1)
    kernel = torch.arange(54.0).reshape(3, 2, 3, 3) / 100 - 0.25
    convolved = torch.softmax(functional.conv2d(x, kernel).mean(dim=(2, 3)), dim=1)
    upstream = [[(3 * t + e) / 10 for e in range(3)] for t in range(4)]
    infinite = 1e9
    return dict(
        routers=[
            dict(router="gap-linear", shape=[2, 2, 4, 4], input="arange / 10", weight=ROUTER_WEIGHT, bias=ROUTER_BIAS,
                 scores=linear),
            dict(router="conv-gap", shape=[2, 2, 4, 4], input="arange / 10", weight=kernel.flatten(),
                 weight_shape=[3, 2, 3, 3], scores=convolved)],
        weights=[weights_case(S, 1, True, upstream), weights_case(S, 2, False, upstream),
                 weights_case(S, 1, False, upstream)],
        capacity=[dict(scores=S2, top_k=k, capacity=None if c == infinite else c,
                       routes=assigned(torch.tensor(S2), k, c))
                  for k, c in ((1, 1.0), (1, 1.5), (1, infinite), (2, 1.0), (2, 1.5))],
        layers=[layer_case(1), layer_case(2)],
        balancing=[balancing_case(kind, S) for kind in ("switch", "variance", "entropy", "column-entropy")]
        + [balancing_case("entropy", [[0.0, 1.0], [0.0, 1.0], [math.cos(a), math.sin(a)], [1.0, 0.0]])
           for a in (0.0, math.pi / 2 * 74 / 99, math.pi / 2 * 98 / 99)])


PUBLISHED = {
    "routers.0.scores": [[0.0993072, 0.4773348, 0.4233580], [0.0140326, 0.8725154, 0.1134521]],
    "routers.1.scores": [[4.31593e-5, 6.547888e-3, 0.9934089], [4.29e-14, 2.07113e-7, 0.9999998]],
    "weights.0.weights": [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]],
    "weights.0.score_gradient": [[0, 0, 0], [0.3, 0, 0], [0, 0, 0.8], [0, 1, 0]],
    "weights.1.weights": [[0.7777691, 0.2222198, 0], [0.6666592, 0.3333296, 0], [0.1111099, 0, 0.8888790],
                          [0.3333289, 0.6666577, 0]],
    "weights.1.score_gradient": [[-0.0246908, 0.0864191, 0], [-0.0370325, 0.0740774, 0], [-0.1975191, 0, 0.0247007],
                                 [-0.0888704, 0.0444611, 0]],
    "weights.2.weights": [[0.9999857, 0, 0], [0.9999833, 0, 0], [0, 0, 0.9999875], [0, 0.9999800, 0]],
    "capacity.0.routes": [[2], [1], [0], [1], [0], [2]],
    "capacity.1.routes": [[0], [1], [0], [1], [0], [1]],
    "capacity.2.routes": [[0]] * 6,
    "capacity.3.routes": [[0, 1], [0, 1], [0, 2], [1, 2], [0, 2], [1, 2]],
    "capacity.4.routes": [[0, 1]] * 6,
    "layers.0.scores": [[0.2787454, 0.6265939, 0.0946607], [0.1444670, 0.2726124, 0.5829206],
                        [0.6679566, 0.2136252, 0.1184183]],
    "layers.0.balance_loss": -0.0984627,
    "layers.0.output": [-0.2, -0.6, -1, -1.4, -0.2, 0.2, 0.6, 1.0],
    "layers.0.objective": 1.2365375,
    "layers.0.router_weight_gradient": [[-0.8913724, 0.4048227], [1.1473919, -0.2073499], [-0.2560198, -0.1974730]],
    "layers.0.router_bias_gradient": [-0.6284605, 0.5688728, 0.0595876],
    "layers.0.expert_gradients": [[0.6, -5.8, 1, -9], [-8, -1.2, -4, -0.4], [0.55, -0.5, -0.45, 1.5]],
    "layers.0.input_gradient": [0.2764625, 0.2564625, 0.2364625, 0.2164625, -0.0355433, -0.0155433, 0.0044567, 0.0244567],
    "layers.1.output": [-0.1692091, -0.5076272, -0.8460454, -1.1844636, -0.1692091, 0.1692091, 0.5076272, 0.8460454],
    "layers.1.objective": 0.6158830,
    "layers.1.router_weight_gradient": [[-0.4622121, -0.3731272], [0.3969951, 0.4301221], [0.0652170, -0.0569949]],
    "layers.1.router_bias_gradient": [-0.0096720, -0.0072573, 0.0169293],
    "layers.1.expert_gradients": [[-2.0084939, -4.7639565, -0.4738773, -6.9421940]],
    "layers.1.input_gradient": [0.2089768, 0.1920559, 0.1751350, 0.1582141, -0.0377300, -0.0208091, -0.0038882, 0.0130327],
    "balancing.0.value": 0.0593750,
    "balancing.0.score_gradient": [[0.375, 0.1875, 0.1875]] * 4,
    "balancing.1.value": 0.7969313,
    "balancing.2.value": -0.2391526,
    "balancing.2.score_gradient": [[-0.1322110, 0.0796134, 0.2848586]],
    "balancing.3.value": -1.0837818,
    "balancing.3.score_gradient": [[0.0286202, -0.0727460, -0.0407877]] * 4,
    "balancing.4.value": -0.6931472,
    "balancing.5.value": -0.4860928,
    "balancing.6.value": -0.5473916,
}


def check_gates():
    """Compares gates() with the published numbers (their printed prefix where only one is printed)."""
    made_here = json.loads(text(gates()))
    worst = 0.0
    for path, expected in PUBLISHED.items():
        found = made_here
        for part in path.split("."):
            found = found[int(part)] if part.isdigit() else found[part]
        expected, found = np.atleast_1d(expected), np.atleast_1d(found)
        difference = np.abs(found[:len(expected)] - expected).max()
        worst = max(worst, difference)
        if difference > 3e-7 * max(1.0, np.abs(expected).max()):
            print("gates differ", path, difference)
    print(f"gates: {len(PUBLISHED)} published values, largest difference {worst:.1e}")


def check_gradients(name, c):
    """Central differences in float64, one random direction per parameter and one of the images, away from kinks."""
    for training in (True, False):
        network, images, labels = made(c, name, torch.float64)
        network.train(training)
        images.requires_grad_(True)
        generator = torch.Generator().manual_seed(1)

        def objective():
            value = sum(network.losses(network(images), labels))
            return value, [call[1] for call in network.relu.calls], [m.mask for m in network.mixtures().values()]

        value, active, masks = objective()
        value.backward()
        for mixture in network.mixtures().values():
            mixture.frozen = mixture.scores.detach()
        worst, compared, crossed = (0.0, ""), 0, []
        for parameter_name, p in [("images", images)] + list(network.named_parameters()):
            direction = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            direction /= direction.norm()
            analytic = 0.0 if p.grad is None else (p.grad * direction).sum().item()
            for step in (1e-5, 1e-6, 1e-7):
                values, clean = [], True
                with torch.no_grad():
                    for sign in (1, -1):
                        p.add_(direction, alpha=sign * step)
                        other, pattern, other_masks = objective()
                        p.add_(direction, alpha=-sign * step)
                        values.append(other.item())
                        clean = clean and all(torch.equal(a, b) for a, b in zip(active, pattern)) \
                            and all(torch.equal(a, b) for a, b in zip(masks, other_masks))
                if clean:
                    break
            if not clean:
                crossed.append(parameter_name)
                continue
            compared += 1
            numeric = (values[0] - values[1]) / (2 * step)
            size = 1e-3 if p.grad is None else max(p.grad.norm().item() / math.sqrt(p.numel()), 1e-3)
            worst = max(worst, (abs(numeric - analytic) / size, parameter_name))
        print(f"{name} {'train' if training else 'eval'}: {compared} directions, largest error {worst[0]:.1e} of the "
              f"typical derivative ({worst[1]}), at kinks {crossed}", flush=True)


def main(arguments):
    options = {a for a in arguments if a.startswith("--")}
    names = [a for a in arguments if not a.startswith("--")] or list(CASES) + ["gates"]
    for name in names:
        if name == "gates":
            if "--check" in options:
                check_gates()
                continue
            content = text(gates())
        else:
            c = CASES[name]
            if "--search" in options:
                search(name, c)
            if "--check" in options:
                check_gradients(name, c)
                continue
            made_here = record(name, c)
            print(summary(name, made_here), flush=True)
            content = text(made_here)
        with open(os.path.join(HERE, name + ".json"), "w") as file:
            file.write(content + "\n")
        print(f"{name}.json: {len(content) + 1} bytes", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
