"""Steps a second of APGD and FAB and queries a second of Square, beside the public AutoAttack; see launch/bench/autoattack.

Both sides attack the same 64 images by the same weights with the same threads. Labels are what the network says, and the
radius is next to nothing, so that every image is carried on until the end whatever an attack does with fooled ones. The
dense ResNet-18 is the plain one, channels last; the mixture of channel experts is computed the released way.
"""
import argparse
import collections
import os
import statistics
import sys
import tempfile
import time

import torch

import autoattack_networks
import pytorch_network
import tables

EPSILON = 1e-5
NETWORKS = {"dense": [], "channel": ["preset=advmoe-code", "model.ratio=0.5", "moe.experts=2", "training.method=standard"]}
# Gradient steps, or queries, of one attack against one target class.
WORK = {"apgd-ce": 10, "apgd-t": 10, "fab-t": 10, "square": 200}
# What our side is asked for each attack.
SETTINGS = {
    "apgd-ce": ["attack.steps=10", "attack.objective=cross-entropy"], "apgd-t": ["attack.steps=10", "attack.targets=1"],
    "fab-t": ["attack.steps=10", "attack.targets=1"], "square": ["attack.queries=200"]}
GOALS = {"dense": 2.5, "channel": 6.0}
COLUMNS = ["commit", "processor", "version", "threads", "batch", "width", "network", "attack", "side", "round",
           "idle_share_before", "median_seconds", "per_second"]
SUMMARY = ["commit", "processor", "threads", "batch", "width", "network", "attack", "robustmoe_per_second",
           "autoattack_per_second", "ratio", "ratio_low", "ratio_high", "rounds"]


class Laid(torch.nn.Module):
    """A network that sees its images channels last."""

    def __init__(self, network):
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.network(x.contiguous(memory_format=torch.channels_last))


def parse():
    parser = argparse.ArgumentParser(prog="launch/bench/autoattack speed")
    parser.add_argument("--program", required=True)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="of " + ", ".join(NETWORKS))
    parser.add_argument("--attacks", default=",".join(WORK), help="of " + ", ".join(WORK))
    parser.add_argument("--output", default="results/autoattack")
    for name, value in [("rounds", 3), ("repetitions", 3), ("batch", 64), ("width", 64), ("threads", os.cpu_count())]:
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def run_ours(options, network, attack, share):
    """The median time of our attack."""
    with tempfile.TemporaryDirectory() as folder:
        tables.run([
            options.program, "bench", "step", "--part", "search", "--share", share, "--csv", f"{folder}/step.csv",
            "--repetitions", str(options.repetitions), f"training.global_batch={options.batch}",
            f"model.width={options.width}", f"distributed.threads={options.threads}", *NETWORKS[network],
            f"attack.name={attack}", f"attack.epsilon={EPSILON}", *SETTINGS[attack]])
        return float(tables.read(f"{folder}/step.csv")[0]["median_seconds"])


def theirs(AutoAttack, model, attack):
    """The public attack with the same number of steps, against one target class where it has any."""
    public = AutoAttack(
        model, norm="Linf", eps=EPSILON, seed=1, verbose=False, version="custom", attacks_to_run=[attack], device="cpu")
    part = {"apgd-ce": public.apgd, "apgd-t": public.apgd_targeted, "fab-t": public.fab, "square": public.square}[attack]
    part.n_restarts = 1
    if attack == "square":
        part.n_queries = WORK[attack]
        return part.perturb
    part.n_iter = WORK[attack]
    if attack == "apgd-ce":
        part.loss = "ce"
    else:
        part.n_target_classes = 1
    if attack == "fab-t":
        part.targeted = True
    else:
        part.n_iter_2, part.n_iter_min, part.size_decr = (max(int(share * part.n_iter), 1) for share in (.22, .06, .03))
    return part.perturb


def run_theirs(options, AutoAttack, attack, share):
    """The median time of the public attack."""
    network, kind = autoattack_networks.load(f"{share}/model.safetensors")
    model = Laid(network) if kind == "dense" else network
    x = pytorch_network.read_safetensors(f"{share}/attack.safetensors")["images"]
    with torch.no_grad():
        y = model(x).argmax(1)
    perturb, seconds = theirs(AutoAttack, model, attack), []
    for _ in range(options.repetitions + 1):
        start = time.perf_counter()
        attacked = perturb(x, y)
        seconds.append(time.perf_counter() - start)
    with torch.no_grad():
        if not bool((model(attacked).argmax(1) == y).all()):
            print(f"warning: {attack} fooled images within {EPSILON}: fewer were carried on")
    return statistics.median(seconds[1:])


def main():
    options = parse()
    AutoAttack = autoattack_networks.find_autoattack()
    if AutoAttack is None:
        return
    torch.set_num_threads(options.threads)
    common = {**tables.machine(), "threads": options.threads, "batch": options.batch, "width": options.width}
    times, rows, least_idle = collections.defaultdict(list), [], 1.0
    networks, attacks = options.networks.split(","), options.attacks.split(",")
    with tempfile.TemporaryDirectory() as shared:
        for number in range(1, options.rounds + 1):
            for network in networks:
                share = f"{shared}/{network}"
                for attack in attacks:
                    for side in ("robustmoe", "autoattack"):
                        if number == 1 and not os.path.exists(share):
                            run_ours(options, network, attack, share)
                        idle = tables.idle_share()
                        least_idle = min(least_idle, idle)
                        seconds = run_ours(options, network, attack, share) if side == "robustmoe" else \
                            run_theirs(options, AutoAttack, attack, share)
                        times[network, attack, side].append(seconds)
                        rows.append({
                            **common, "version": torch.__version__ if side == "autoattack" else "", "network": network,
                            "attack": attack, "side": side, "round": number, "idle_share_before": f"{idle:.2f}",
                            "median_seconds": f"{seconds:.6g}", "per_second": f"{WORK[attack] / seconds:.5g}"})
                        print(f"round {number} of {options.rounds}, {network}, {attack}: {side} "
                              f"{WORK[attack] / seconds:.2f} a second", flush=True)
    summary = []
    for network in networks:
        for attack in attacks:
            ours, public = times[network, attack, "robustmoe"], times[network, attack, "autoattack"]
            pairs = [their / our for our, their in zip(ours, public)]
            ratio = statistics.median(public) / statistics.median(ours)
            summary.append({
                **common, "network": network, "attack": attack,
                "robustmoe_per_second": f"{WORK[attack] / statistics.median(ours):.4g}",
                "autoattack_per_second": f"{WORK[attack] / statistics.median(public):.4g}", "ratio": f"{ratio:.3f}",
                "ratio_low": f"{min(pairs):.3f}", "ratio_high": f"{max(pairs):.3f}", "rounds": len(pairs)})
            print(f"{network}, {attack}: {ratio:.2f}x the public AutoAttack [{min(pairs):.2f}, {max(pairs):.2f}]; at least "
                  f"2, goal {GOALS[network]}")
    same = ["threads", "batch", "width", "network", "attack"]
    tables.store(f"{options.output}/speed.csv", COLUMNS, rows, same)
    tables.store(f"{options.output}/speed-summary.csv", SUMMARY, summary, same)
    if least_idle < 0.95:
        print(f"warning: only {least_idle:.0%} of the machine was idle before one of the processes: the ratios are worth "
              "little")


if __name__ == "__main__":
    sys.exit(main())
