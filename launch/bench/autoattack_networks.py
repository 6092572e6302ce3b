"""RobustMoE's checkpoints as PyTorch networks, and the public AutoAttack that judges them.

The networks are those of pytorch_network.py and pytorch_advmoe.py: ResNet-18 for small images, dense, with conv or block
experts, or with channel experts; what a checkpoint holds is read off the names and shapes of its tensors. AutoAttack is
a checkout of github.com/fra31/auto-attack that ROBUSTMOE_AUTOATTACK names; nothing of it is kept here.
"""
import os
import sys

import numpy
import torch
from torch import nn

import pytorch_advmoe
import pytorch_network

MODULE = "autoattack/autopgd_base.py"


def find_autoattack():
    """The class AutoAttack of the checkout; None, with a message, where there is none."""
    folder = os.environ.get("ROBUSTMOE_AUTOATTACK", "")
    if not os.path.exists(os.path.join(folder, MODULE)):
        print("left out: ROBUSTMOE_AUTOATTACK names no checkout of github.com/fra31/auto-attack"
              + (f" ({folder} has no {MODULE})" if folder else ""))
        return None
    sys.path.insert(0, folder)
    from autoattack import AutoAttack
    return AutoAttack


class Normalized(nn.Module):
    """A network behind the normalization of its images."""

    def __init__(self, network, mean, std):
        super().__init__()
        self.network = network
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))

    def forward(self, x):
        return self.network((x - self.mean) / self.std)


def latest(path):
    """The file of weights of a run, a checkpoint, or itself."""
    pointer = os.path.join(path, "checkpoints", "latest")
    if os.path.exists(pointer):
        with open(pointer) as file:
            path = os.path.join(path, "checkpoints", file.read().strip())
    return os.path.join(path, "model.safetensors") if os.path.isdir(path) else path


def common(paths):
    """The longest path, by whole components, that all paths lie below."""
    parts = os.path.commonprefix([path.split(".") for path in paths])
    return ".".join(parts)


def load(path):
    """The network of a checkpoint, in evaluation mode, and what kind it is."""
    tensors = pytorch_network.read_safetensors(latest(path))
    mean, std = tensors.pop("normalize.mean"), tensors.pop("normalize.std")
    width, classes = tensors["conv1.weight"].shape[0], tensors["fc.bias"].shape[0]
    experts = [name for name in tensors if ".experts." in name]
    routers = [name for name in tensors if name.endswith("router.weight") or name == "router.fc.weight"]
    if experts:
        layers = {name.split(".experts.")[0] for name in experts}
        count = 1 + max(int(name.split(".experts.")[1].split(".")[0]) for name in experts)
        kind = "conv" if any(layer.endswith(("conv1", "conv2")) for layer in layers) else "block"
        network = pytorch_network.ResNet18(width, classes, kind, common(layers), count)
    elif routers:
        kind = "channel"
        count = tensors[routers[0]].shape[0]
        slab = tensors["layer1.0.conv1.weight"].shape[0] // count
        scope = "image" if "router.fc.weight" in tensors else "layer"
        network = pytorch_advmoe.Network(width, slab / width, count, classes, scope)
    else:
        kind = "dense"
        network = pytorch_network.ResNet18(width, classes)
    own = {name for name in network.state_dict() if name not in ("mean", "std")}
    if own != set(tensors):
        raise SystemExit(f"{path}: PyTorch's network differs: {sorted(own ^ set(tensors))[:4]}")
    network.load_state_dict(tensors, strict=False)
    return Normalized(network, mean, std).eval().requires_grad_(False), kind


def images(path, count):
    """The first test images of CIFAR-10 in the binary layout, NCHW in [0, 1], and their labels."""
    with open(os.path.join(path, "test_batch.bin"), "rb") as file:
        data = numpy.frombuffer(file.read(3073 * count), numpy.uint8).reshape(-1, 3073)
    pixels = torch.from_numpy(data[:, 1:].reshape(-1, 3, 32, 32).astype(numpy.float32) / 255)
    return pixels, torch.from_numpy(data[:, 0].astype(numpy.int64))
