"""Makes optimizers.json: three steps of Adam and AdamW (torch.optim), LARS and LAMB (written from the papers), in float64.

    python make_optimizers.py

Three tensors: a matrix, one of zeros, a vector. Their values, and the gradients of each step, are in the file. LARS is that of
arXiv:1708.03888 (rate inside of the velocity, no ratio and no decay for vectors); LAMB that of arXiv:1904.00962 with weights'
norms of at most 10, with corrected moments and without.
"""
import json
import os

import torch

RATES = [0.1, 0.05, 0.02]
SHAPES = {"matrix": (3, 4), "zeros": (2, 3), "vector": (4,)}


def value(name, index, salt):
    """Multiples of 1/64 between -1 and 1, exact in float32."""
    return ((index * 37 + salt * 23 + len(name) * 11) % 129 - 64) / 64


def made(name, salt):
    count = torch.Size(SHAPES[name]).numel()
    values = [0.0 if name == "zeros" and salt == 0 else value(name, index, salt) for index in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(SHAPES[name])


class Lars(torch.optim.Optimizer):
    def __init__(self, parameters, lr, momentum=0.9, weight_decay=0.01, trust=0.001, epsilon=1e-9):
        super().__init__(parameters, dict(lr=lr, momentum=momentum, decay=weight_decay, trust=trust, epsilon=epsilon))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                g, decay, ratio = w.grad, group["decay"], 1.0
                if w.dim() == 1:
                    decay = 0.0
                elif w.norm() > 0 and g.norm() > 0:
                    ratio = group["trust"] * w.norm() / (g.norm() + decay * w.norm() + group["epsilon"])
                velocity = self.state[w].setdefault("velocity", torch.zeros_like(w))
                velocity.mul_(group["momentum"]).add_(group["lr"] * ratio * (g + decay * w))
                w.sub_(velocity)


class Lamb(torch.optim.Optimizer):
    def __init__(self, parameters, lr, correct, betas=(0.9, 0.999), weight_decay=0.01, epsilon=1e-6):
        super().__init__(parameters, dict(lr=lr, correct=correct, betas=betas, decay=weight_decay, epsilon=epsilon))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for w in group["params"]:
                state, (first, second) = self.state[w], group["betas"]
                state["t"] = state.get("t", 0) + 1
                m = state.setdefault("m", torch.zeros_like(w)).mul_(first).add_((1 - first) * w.grad)
                v = state.setdefault("v", torch.zeros_like(w)).mul_(second).add_((1 - second) * w.grad ** 2)
                if group["correct"]:
                    m, v = m / (1 - first ** state["t"]), v / (1 - second ** state["t"])
                r = m / (v.sqrt() + group["epsilon"]) + group["decay"] * w
                ratio = min(w.norm(), 10.0) / r.norm() if w.norm() > 0 and r.norm() > 0 else 1.0
                w.sub_(group["lr"] * ratio * r)


RULES = {
    "adam": lambda p: torch.optim.Adam(p, lr=0, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0, weight_decay=0.01),
    "lars": lambda p: Lars(p, lr=0),
    "lamb": lambda p: Lamb(p, lr=0, correct=False),
    "lamb-corrected": lambda p: Lamb(p, lr=0, correct=True),
}


def run(rule):
    weights = {name: made(name, 0).clone().requires_grad_(True) for name in SHAPES}
    optimizer = RULES[rule](list(weights.values()))
    for step, rate in enumerate(RATES, 1):
        for group in optimizer.param_groups:
            group["lr"] = rate
        for name, w in weights.items():
            w.grad = made(name, step)
        optimizer.step()
    return {name: w.detach().flatten().tolist() for name, w in weights.items()}


if __name__ == "__main__":
    result = {
        "torch": torch.__version__, "rates": RATES,
        "values": {name: [made(name, salt).flatten().tolist() for salt in range(len(RATES) + 1)] for name in SHAPES},
        "results": {rule: run(rule) for rule in RULES}}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.json")
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
