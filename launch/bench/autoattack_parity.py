"""AutoAttack of the public repository and RobustMoE's on the same networks and images, verdict by verdict.

    launch/bench/autoattack parity --data $DATA RUN ...

Each RUN is a run or a checkpoint of a ResNet-18 for small images: dense, or with conv, block or channel experts. Compared are
the standard AutoAttack at 8/255, cumulative after each attack as the library prints it, over several seeds; and what
draws nothing: PGD and APGD from the image itself, targeted APGD likewise, FAB-T. Figures are stored in
parity.csv and parity-verdicts.csv; the exit status is 1 where accuracies are further apart than 0.3 points or two
standard errors, or where verdicts of what draws nothing agree on fewer than 99% of the images.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time

import torch
from torch.nn import functional as F

import autoattack_networks
import tables

EPSILON, STEP_SIZE = 8 / 255, 2 / 255
STANDARD = ["apgd-ce", "apgd-t", "fab-t", "square"]
LEAST_EQUAL, MOST_POINTS = 0.99, 0.3
COLUMNS = ["commit", "processor", "version", "network", "images", "after", "robustmoe", "autoattack", "difference",
           "allowed", "seeds", "robustmoe_seconds", "autoattack_seconds"]
VERDICTS = ["commit", "processor", "version", "network", "images", "attack", "robustmoe_right", "autoattack_right",
            "equal_verdicts", "equal_share"]


def parse():
    parser = argparse.ArgumentParser(prog="launch/bench/autoattack parity")
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", required=True, help="the folder of CIFAR-10 in the binary layout")
    parser.add_argument("--output", default="results/autoattack")
    for name, value in [("samples", 500), ("seeds", 3), ("threads", os.cpu_count()), ("steps", 100), ("queries", 5000)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--only", choices=["standard", "deterministic"], help="leave out the other half")
    parser.add_argument("--keep", help="folder for the verdicts of the public attacks, which a later call takes from there")
    parser.add_argument("--theirs", action="store_true", help="run the public attacks alone, for --keep")
    parser.add_argument("runs", nargs="+")
    return parser.parse_args()


def kept(options, run, key, make):
    """What `make` returns, or what an earlier call has kept under this key."""
    if not options.keep:
        return make()
    name = f"{os.path.basename(run.rstrip('/'))}-{options.samples}-{options.steps}-{options.queries}-{key}.json"
    path = os.path.join(options.keep, name)
    if not os.path.exists(path):
        os.makedirs(options.keep, exist_ok=True)
        result = make()
        with open(path + ".partial", "w") as file:
            json.dump(result, file)
        os.replace(path + ".partial", path)
    with open(path) as file:
        return json.load(file)


def evaluate(options, run, seed, attacks):
    """RobustMoE's rows and per-sample table of one evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        tables.run([
            options.program, "evaluate", "--checkpoint", run, "--output", f"{folder}/evaluation",
            f"data.path={options.data}", f"evaluation.samples={options.samples}", "evaluation.split=test",
            f"evaluation.seed={seed}", f"distributed.threads={options.threads}", f"evaluation.attacks=[{attacks}]"])
        return [tables.read(f"{folder}/evaluation/{name}.csv") for name in ("evaluation", "per_sample")]


class Public:
    """The public AutoAttack on one network."""

    def __init__(self, AutoAttack, model, options, seed):
        self.model = model
        self.attack = AutoAttack(
            model, norm="Linf", eps=EPSILON, seed=seed, verbose=False, version="custom", attacks_to_run=["apgd-ce"],
            device="cpu")
        self.attack.apgd.n_restarts = 1
        self.attack.fab.n_restarts = 1
        for part in (self.attack.apgd, self.attack.apgd_targeted, self.attack.fab):
            part.n_iter = options.steps
        for part in (self.attack.apgd, self.attack.apgd_targeted):
            part.n_iter_2 = max(int(0.22 * options.steps), 1)
            part.n_iter_min = max(int(0.06 * options.steps), 1)
            part.size_decr = max(int(0.03 * options.steps), 1)
        self.attack.fab.n_target_classes = 9
        self.attack.square.n_queries = options.queries

    def run(self, name, x, y):
        """Which images are right after one attack."""
        self.attack.attacks_to_run = [name]
        adversarial = self.attack.run_standard_evaluation(x, y, bs=250)
        return self.right(adversarial, y)

    def right(self, x, y):
        with torch.no_grad():
            return self.model(x).argmax(1) == y

    def standard(self, x, y):
        """Right images and seconds after each attack, each run on what is right."""
        right, result = self.right(x, y), {}
        for name in STANDARD:
            start, places = time.perf_counter(), right.nonzero().squeeze(1)
            if len(places):
                right[places] = self.run(name, x[places], y[places])
            result[name] = (int(right.sum()), time.perf_counter() - start)
        return result

    def from_the_image(self, name, x, y):
        """An attack whose random start is the image itself."""
        draw = torch.rand
        torch.rand = lambda shape, **options: torch.full(tuple(shape), 0.5, **options)
        try:
            return self.run(name, x, y)
        finally:
            torch.rand = draw

    def descend(self, x, y, steps):
        """PGD from the image itself."""
        attacked = x
        for _ in range(steps):
            attacked = attacked.detach().requires_grad_(True)
            loss = F.cross_entropy(self.model(attacked), y, reduction="sum")
            gradient = torch.autograd.grad(loss, attacked)[0]
            attacked = attacked.detach() + STEP_SIZE * gradient.sign()
            attacked = torch.min(torch.max(attacked, x - EPSILON), x + EPSILON).clamp(0, 1)
        return self.right(attacked.detach(), y)


def compare_standard(options, AutoAttack, run, model, x, y):
    """Cumulative accuracies of both sides over seeds, in points."""
    ours, theirs = {name: [] for name in STANDARD}, {name: [] for name in STANDARD}
    for seed in range(1, options.seeds + 1):
        public = kept(options, run, f"seed-{seed}", lambda: Public(AutoAttack, model, options, seed).standard(x, y))
        if options.theirs:
            continue
        rows, _ = evaluate(
            options, run, seed,
            f"{{id: aa, name: autoattack, epsilon: 8/255, steps: {options.steps}, queries: {options.queries}}}")
        found = {row["attack"]: row for row in rows}
        for name, (right, seconds) in public.items():
            row = found[f"aa/{name}"]
            ours[name].append((100 * float(row["accuracy"]), float(row["seconds"])))
            theirs[name].append((100 * right / len(y), seconds))
            print(f"  seed {seed}, after {name}: {ours[name][-1][0]:.1f}% and {theirs[name][-1][0]:.1f}%", flush=True)
    for name in [] if options.theirs else STANDARD:
        one, other = ([value[0] for value in side[name]] for side in (ours, theirs))
        # Of the difference of two means over seeds.
        error = sum(statistics.variance(side) / len(side) for side in (one, other)) ** 0.5 if options.seeds > 1 else 0
        yield {
            "after": name, "robustmoe": statistics.mean(one), "autoattack": statistics.mean(other),
            "difference": statistics.mean(one) - statistics.mean(other), "allowed": max(MOST_POINTS, 2 * error),
            "robustmoe_seconds": statistics.mean(value[1] for value in ours[name]),
            "autoattack_seconds": statistics.mean(value[1] for value in theirs[name])}


def compare_deterministic(options, AutoAttack, run, model, x, y):
    """Verdicts of what draws nothing, attack by attack, image by image."""
    budget = f"steps: {options.steps}, epsilon: 8/255"
    settings = {
        "pgd": f"name: pgd, step_size: 2/255, start: none, {budget}", "apgd-ce": f"name: apgd-ce, start: none, {budget}",
        "apgd-t": f"name: apgd-t, start: none, {budget}", "fab-t": f"name: fab-t, {budget}"}
    public = Public(AutoAttack, model, options, 1)

    def right(name):
        if name == "pgd":
            found = public.descend(x, y, options.steps)
        else:
            found = (public.run if name == "fab-t" else public.from_the_image)(name, x, y)
        return (found & public.right(x, y)).tolist()

    verdicts = {name: kept(options, run, name, lambda: right(name)) for name in settings}
    if options.theirs:
        return
    _, samples = evaluate(
        options, run, 1, ", ".join(f"{{id: {name}, {text}}}" for name, text in settings.items()))
    for name, theirs in verdicts.items():
        ours = [row["clean_prediction"] == row["label"] == row[f"{name}_prediction"] for row in samples]
        equal = sum(a == b for a, b in zip(ours, theirs, strict=True))
        yield {
            "attack": name, "robustmoe_right": sum(ours), "autoattack_right": sum(theirs), "equal_verdicts": equal,
            "equal_share": equal / len(y)}


def main():
    options = parse()
    AutoAttack = autoattack_networks.find_autoattack()
    if AutoAttack is None:
        return
    torch.set_num_threads(options.threads)
    x, y = autoattack_networks.images(options.data, options.samples)
    failures = []
    for run in options.runs:
        model, kind = autoattack_networks.load(run)
        network = f"{os.path.basename(run.rstrip('/'))} ({kind})"
        print(f"{network}, {len(y)} images", flush=True)
        own = {**tables.machine(), "version": torch.__version__, "network": network, "images": len(y)}
        if options.only != "standard":
            rows = []
            for row in compare_deterministic(options, AutoAttack, run, model, x, y):
                print(f"  {row['attack']}: {row['robustmoe_right']} and {row['autoattack_right']} right, "
                      f"{row['equal_verdicts']} verdicts equal", flush=True)
                if row["equal_share"] < LEAST_EQUAL:
                    failures.append(f"{network}, {row['attack']}: {row['equal_share']:.1%} equal verdicts")
                rows.append({**own, **row, "equal_share": f"{row['equal_share']:.4f}"})
            tables.store(f"{options.output}/parity-verdicts.csv", VERDICTS, rows, ["network", "attack"])
        if options.only != "deterministic":
            rows = []
            for row in compare_standard(options, AutoAttack, run, model, x, y):
                if abs(row["difference"]) > row["allowed"] + 1e-9:
                    failures.append(f"{network}, after {row['after']}: {row['difference']:+.2f} points")
                numbers = {name: f"{value:.4g}" for name, value in row.items() if name != "after"}
                rows.append({**own, "seeds": options.seeds, **row, **numbers})
                print(f"  after {row['after']}: {row['robustmoe']:.2f}% and {row['autoattack']:.2f}%, allowed "
                      f"{row['allowed']:.2f} points", flush=True)
            tables.store(f"{options.output}/parity.csv", COLUMNS, rows, ["network", "after"])
    if failures:
        sys.exit("further apart than expected: " + "; ".join(failures))


if __name__ == "__main__":
    main()
