"""Random weights of RobustBench's model classes, and the losses that they give, for the test of layout robustbench.

    python3 launch/bench/robustbench.py PACKAGE OUTPUT
    ROBUSTMOE_ROBUSTBENCH=OUTPUT launch/test --filter RobustBench

PACKAGE is the folder `robustbench` of the package of that name (pip download robustbench; nothing of it is kept here). OUTPUT
gets a PreActResNet-18 and a WRN-28-10 with normalization of their own, 16 random test images in CIFAR-10's binary layout
beside as many for training, and the cross entropy of each test image.
"""
import argparse
import importlib.util
import json
import os

import numpy
import torch
from torch.nn import functional as F

IMAGES = 16


def module(package, name):
    """One file of architectures, without the package's own dependencies."""
    path = os.path.join(package, "model_zoo", "architectures", f"{name}.py")
    spec = importlib.util.spec_from_file_location(name, path)
    result = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(result)
    return result


def write(path, tensors):
    types = {torch.float32: "F32", torch.int64: "I64"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(values)]}
        data += values
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + data)


def randomize(network):
    """Statistics and factors that are no constants, so that a mix-up shows."""
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5)
            part.bias.data.normal_(0, 0.2)
            part.running_mean.normal_(0, 0.2)
            part.running_var.uniform_(0.5, 2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("output")
    options = parser.parse_args()
    torch.manual_seed(1)
    os.makedirs(options.output, exist_ok=True)
    resnet, wide = module(options.package, "resnet"), module(options.package, "wide_resnet")
    networks = {
        "preact-resnet18": resnet.PreActResNet(resnet.PreActBlockV2, [2, 2, 2, 2], bn_before_fc=True, out_shortcut=True),
        "wrn-28-10": wide.WideResNet(28, 10, 10, sub_block1=True)}
    pixels = torch.randint(256, (IMAGES, 3072), dtype=torch.uint8)
    labels = torch.arange(IMAGES) % 10
    records = numpy.concatenate([labels.numpy().astype(numpy.uint8)[:, None], pixels.numpy()], axis=1).tobytes()
    for name in ("test_batch.bin", "data_batch_1.bin"):
        with open(os.path.join(options.output, name), "wb") as file:
            file.write(records)
    with open(os.path.join(options.output, "batches.meta.txt"), "w") as file:
        file.write("\n".join("airplane automobile bird cat deer dog frog horse ship truck".split()) + "\n")
    x = pixels.view(IMAGES, 3, 32, 32).float() / 255
    mu, sigma = torch.tensor([0.49, 0.48, 0.45]).view(1, 3, 1, 1), torch.tensor([0.25, 0.24, 0.26]).view(1, 3, 1, 1)
    for name, network in networks.items():
        randomize(network)
        network.eval()
        with torch.no_grad():
            losses = F.cross_entropy(network((x - mu) / sigma), labels, reduction="none")
        write(os.path.join(options.output, f"{name}.safetensors"), {**network.state_dict(), "mu": mu, "sigma": sigma})
        write(os.path.join(options.output, f"{name}-losses.safetensors"), {"losses": losses})
        print(f"{name}: mean loss {losses.mean():.4f}")


if __name__ == "__main__":
    main()
