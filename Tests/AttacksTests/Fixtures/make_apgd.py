"""Makes apgd.json: what AutoAttack's public APGD does, step by step.

    AUTOATTACK=<checkout of fra31/auto-attack> python make_apgd.py

"schedules": searches whose losses were recorded, on a model whose losses do not depend on the image. For every image the
    loss of the start, that after each step, and how often its step had been halved when each step was made.
"searches": searches of softmax regression from the clean images (`weights`, `[classes][pixels]`; logits w x; images in
    [0, 1]) for every norm and loss; for every image the losses after each step and the result. "targeted" is APGD-T.

Losses are softplus of a random walk with a drift of its own for each image, so that steps are halved early, late and never.
"""

import json
import os
import sys

import numpy as np
import torch

sys.path.insert(0, os.environ["AUTOATTACK"])
from autoattack.autopgd_base import APGDAttack, APGDAttack_targeted  # noqa: E402


def traced(attack, *arguments, **named):
    """Runs a search and returns its result, the losses after each step and the step sizes by which each was made."""
    sizes, losses, starts = {}, {}, []

    def local(frame, event, _):
        variables = frame.f_locals
        if event == "line" and "i" in variables and "step_size" in variables:
            # The first sight of an iteration is before anything of it has been done.
            sizes.setdefault(variables["i"], variables["step_size"].flatten().tolist())
        if event == "line" and "loss_best" in variables and not starts:
            starts.append(variables["loss_best"].tolist())
        if event == "return":
            losses["all"] = variables["loss_steps"].tolist()
        return local

    def tracer(frame, _, __):
        return local if frame.f_code.co_name == "attack_single_run" else None

    sys.settrace(tracer)
    try:
        result = attack.attack_single_run(*arguments, **named)
    finally:
        sys.settrace(None)
    return result, starts[0], losses["all"], [sizes[step] for step in sorted(sizes)]


def rounded(value):
    """Nine digits, which tell every float32 from its neighbors."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def halvings(sizes, epsilon):
    return [[round(float(np.log2(2 * epsilon / size))) for size in row] for row in sizes]


def transposed(rows):
    return [list(column) for column in zip(*rows)]


def schedule(steps, images, rng):
    drift = np.linspace(-0.3, 1.2, images)
    walk = np.cumsum(drift + rng.normal(size=(steps + 1, images)), axis=0) / 8
    calls = []

    def model(x):
        logits = torch.tensor(walk[len(calls)], dtype=torch.float32)[:, None] + 0 * x.sum((1, 2, 3))[:, None]
        calls.append(0)
        return torch.cat([torch.zeros_like(logits), logits], 1)

    attack = APGDAttack(model, n_iter=steps, eps=0.5, norm="Linf", device="cpu")
    attack.init_hyperparam(torch.zeros(images, 1, 2, 2))
    _, start, losses, sizes = traced(attack, torch.full((images, 1, 2, 2), 0.5), torch.zeros(images, dtype=torch.long))
    return {"steps": steps, "start": start, "losses": transposed(losses), "halvings": transposed(halvings(sizes, 0.5))}


def searches(rng):
    classes, pixels, images, steps = 5, 12, 6, 25
    weights = torch.tensor(rng.normal(size=(classes, pixels)), dtype=torch.float32)
    x = torch.tensor(rng.uniform(size=(images, pixels)), dtype=torch.float32)
    labels = (x @ weights.T).argmax(1)
    result = {"weights": weights.tolist(), "images": x.tolist(), "labels": labels.tolist(), "runs": []}
    shaped = x.reshape(images, pixels, 1, 1)

    def model(x):
        return x.flatten(1) @ weights.T

    for norm, epsilon in [("Linf", 0.045), ("L2", 0.13)]:
        for loss in ["ce", "dlr", "targeted"]:
            named = dict(n_iter=steps, eps=epsilon, norm=norm, device="cpu")
            if loss == "targeted":
                attack = APGDAttack_targeted(model, **named)
                attack.y_target = model(shaped).sort(dim=1)[1][:, -2]
            else:
                attack = APGDAttack(model, loss=loss, **named)
            attack.init_hyperparam(shaped)
            (best, accuracy, _, fooling), _, losses, _ = traced(attack, shaped, labels, x_init=shaped)
            found = torch.where(accuracy.bool()[:, None], best.flatten(1), fooling.flatten(1))
            result["runs"].append({
                "norm": norm.lower(), "epsilon": epsilon, "loss": loss, "steps": steps,
                "losses": transposed(losses), "isRobust": [bool(value) for value in accuracy], "found": found.tolist(),
            })
    return result


if __name__ == "__main__":
    rng = np.random.default_rng(14)
    torch.set_num_threads(1)
    fixture = {
        "schedules": [schedule(steps, 8, rng) for steps in [7, 20, 50, 100]],
        "searches": searches(rng),
    }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "apgd.json"), "w") as file:
        json.dump(rounded(fixture), file)
