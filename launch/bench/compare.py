"""Runs both sides of launch/bench/compare in turn, prints ratios and stores every figure; see there."""
import argparse
import collections
import json
import os
import statistics
import sys
import tempfile

import tables

NETWORKS = {
    "dense": {},
    "conv-1": {"kind": "conv", "placement": "layer4.1", "experts": 4, "top_k": 1},
    "conv-2": {"kind": "conv", "placement": "layer4.1", "experts": 4, "top_k": 2},
    "block-1": {"kind": "block", "placement": "layer4", "experts": 4, "top_k": 1},
    "block-2": {"kind": "block", "placement": "layer4", "experts": 4, "top_k": 2},
    # Our side alone, beside our own dense network.
    "uniform": {"kind": "conv", "placement": "layer4.1", "experts": 16, "top_k": 1, "routes": "uniform"},
    # AdvMoE's training step and a gradient step of its evaluation, beside the released way of computing them.
    "advmoe": {"preset": "advmoe-code", "experts": 2},
    "advmoe-evaluation": {"preset": "advmoe-code", "experts": 2},
    # Our side alone: more channel experts of the same width, beside two.
    "advmoe-routes": {"preset": "advmoe-code"},
}
# The released code computes in one way only.
RELEASED = ["released"]
ADVMOE_STEPS, ADVMOE_RATIO = 2, 0.5
# Experts and routes of advmoe-routes, and two updates by TRADES, as routes that are given teach no router.
ROUTES = [(experts, routes) for routes in ("uniform", "0") for experts in (2, 4, 8)]
GIVEN_ROUTES = ["training.advmoe.router_objective=trades", "training.advmoe.statistics_updates=once",
                "attack.objective=kl"]
PARTS = {"forward": "forward, evaluation mode", "attack": "attack step", "clean": "training step, clean"}
COLUMNS = [
    "commit", "processor", "version", "blas_kernel", "threads", "batch", "width", "network", "work", "side", "mode",
    "round", "idle_share_before", "median_seconds", "min_seconds", "max_seconds", "images_per_second", "gflops", "peak_gflops",
    "loss_clean", "loss_attacked", "peak_resident_mebibytes",
]
SUMMARY = [
    "commit", "processor", "threads", "batch", "width", "network", "work", "against", "robustmoe_images_per_second",
    "other_images_per_second", "ratio", "ratio_low", "ratio_high", "rounds",
]

MEMORY = ["commit", "processor", "threads", "batch", "width", "side", "peak_resident_mebibytes", "filter_mebibytes"]


def parse():
    parser = argparse.ArgumentParser(prog="launch/bench/compare")
    parser.add_argument("--program", required=True)
    parser.add_argument("--networks", default=",".join(NETWORKS), help="of " + ", ".join(NETWORKS))
    parser.add_argument("--modes", default="eager,compile,bf16", help="of eager, compile, bf16; advmoe has one of its own")
    parser.add_argument("--parts", default="", help="of forward, attack, clean, adversarial; all for dense, else adversarial")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side, in turn")
    parser.add_argument("--repetitions", type=int, default=3, help="timed repetitions in a process")
    for name, value in [("batch", 64), ("width", 64), ("threads", os.cpu_count()), ("steps", 7)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--output", default="results/benchmarks")
    parser.add_argument("--no-memory", action="store_true", help="leave out the processes that measure memory")
    parser.add_argument("--quick", action="store_true", help="dense, one round, eager and bf16")
    options = parser.parse_args()
    if options.quick:
        options.networks, options.modes, options.rounds = "dense", "eager,bf16", 1
    options.networks, options.modes = options.networks.split(","), options.modes.split(",")
    unknown = [name for name in options.networks if name not in NETWORKS]
    if unknown:
        parser.error(f"--networks: {unknown[0]} is none of {', '.join(NETWORKS)}")
    if "bf16" in options.modes and not tables.has_bf16():
        options.modes.remove("bf16")
        print(f"{tables.processor()} has no instructions for bf16: that mode is left out", flush=True)
        if not options.modes:
            parser.error("--modes: bf16 alone cannot be compared here")
    return options


def parts_of(options, network):
    if options.parts:
        return options.parts.split(",")
    return {
        "dense": ["forward", "attack", "clean", "adversarial"], "uniform": ["attack", "adversarial"],
        "advmoe-evaluation": ["attack"], "advmoe-routes": ["attack", "adversarial"]}.get(network, ["adversarial"])


def is_advmoe(network):
    return "preset" in NETWORKS[network]


def modes_of(options, network):
    return [] if network in ("uniform", "advmoe-routes") else RELEASED if is_advmoe(network) else options.modes


def steps_of(options, network):
    return ADVMOE_STEPS if is_advmoe(network) else options.steps


def run_ours(options, network, parts, share, repetitions, settings=()):
    with tempfile.TemporaryDirectory() as directory:
        table = f"{directory}/step.csv"
        command = [
            options.program, "bench", "step", "--csv", table, "--repetitions", str(repetitions),
            f"training.global_batch={options.batch}", f"model.width={options.width}",
            f"attack.steps={steps_of(options, network)}", f"distributed.threads={options.threads}", *settings]
        for part in parts:
            command += ["--part", part]
        if share:
            command += ["--share", share]
        kind = NETWORKS[network]
        if is_advmoe(network):
            command += [f"preset={kind['preset']}", f"model.ratio={ADVMOE_RATIO}"]
        elif kind:
            command += [f"moe.kind={kind['kind']}", f"moe.placement=[{kind['placement']}]",
                        f"moe.experts={kind['experts']}", f"moe.top_k={kind['top_k']}",
                        f"moe.routes={kind.get('routes', 'learned')}"]
        if network == "uniform":
            command.append("--beside-dense")
        tables.run(command)
        return tables.read(table)


def run_theirs(options, network, parts, share, mode, repetitions, *more):
    command = [
        sys.executable, f"launch/bench/pytorch_{'advmoe' if is_advmoe(network) else 'step'}.py", "--parts",
        ",".join(parts), "--repetitions", str(repetitions), "--steps", str(steps_of(options, network)), *more]
    for name in ("batch", "width", "threads"):
        command += [f"--{name}", str(getattr(options, name))]
    if share:
        command += ["--share", share]
    kind = NETWORKS[network]
    if is_advmoe(network):
        command += ["--experts", str(kind["experts"]), "--ratio", str(ADVMOE_RATIO)]
    else:
        command += ["--mode", mode]
    if kind and not is_advmoe(network):
        command += ["--kind", kind["kind"], "--placement", kind["placement"], "--experts", str(kind["experts"]),
                    "--top-k", str(kind["top_k"])]
    return json.loads(tables.run(command).splitlines()[-1])


def forward_flops(options, network):
    """Operations of a direct forward pass: two a multiply-add, convolutions and classifier; experts k times."""
    kind = NETWORKS[network]
    total, side, inputs, width = 0, 32, options.width, options.width
    placement, top_k = kind.get("placement", "none"), kind.get("top_k", 1)
    total += side * side * 27 * width
    for stage in range(4):
        for index in range(2):
            outputs = width << stage
            if stage > 0 and index == 0:
                side //= 2
            costs = [side * side * 9 * inputs * outputs, side * side * 9 * outputs * outputs]
            if inputs != outputs:
                costs.append(side * side * inputs * outputs)
            path = f"layer{stage + 1}.{index}"
            times = top_k if (path + ".").startswith(placement + ".") else 1
            total += times * sum(costs)
            inputs = outputs
    return 2 * options.batch * (total + inputs * 10)


def passes(part, steps):
    """Passes of a forward's cost: a gradient of the input or of the weights costs as much each."""
    return {"forward": 1, "attack": 2, "clean": 3, "adversarial": 2 * steps + 3}[part]


def channel_flops(options, executed_experts):
    """Operations of a direct forward pass of channel experts' ResNet-18, and of its router."""
    side, inputs, total = 32, options.width, 32 * 32 * 27 * options.width
    for stage in range(4):
        for index in range(2):
            outputs = int(ADVMOE_RATIO * (options.width << stage))
            side //= 2 if stage and not index else 1
            total += executed_experts * side * side * 9 * (inputs + outputs) * outputs
            total += side * side * inputs * outputs if inputs != outputs else 0
            inputs = outputs
    router = 32 * 32 * 27 * 16
    for stage, side in enumerate((32, 16, 8)):
        width = 16 << stage
        router += side * side * 9 * width * ((width if stage == 0 else width // 2) + 5 * width)
    return 2 * options.batch * (total + inputs * 10), 2 * options.batch * router


def work_flops(options, network, part, is_released=False):
    """Operations of a work: what it needs, or what the released AdvMoE code executes for it."""
    if not is_advmoe(network):
        return forward_flops(options, network) * passes(part, options.steps)
    backbone, router = channel_flops(options, NETWORKS[network].get("experts", 2) if is_released else 1)
    if network == "advmoe-routes":
        # Nobody asks the router; two updates by TRADES, the frozen clean pass of each attack among them.
        return backbone * (2 if part == "attack" else 2 * (1 + 2 * ADVMOE_STEPS + 6))
    if part == "attack":
        return 3 * backbone + 6 * router if is_released else 2 * backbone + 2 * router
    attacks = 2 * (1 + 2 * ADVMOE_STEPS)
    if is_released:
        # Five more passes forward in the two halves, gradients of two; the router is asked twice as often, in attacks too.
        return backbone * (attacks + 4 + 4) + router * (2 * (1 + 4 * ADVMOE_STEPS) + 6 + 8)
    return backbone * (attacks + 3 + 4) + router * (attacks + 3 + 4)


class Comparison:
    def __init__(self, options):
        self.options = options
        self.parts = {**PARTS, "adversarial": f"training step, PGD-{options.steps}"}
        self.rows, self.notes, self.idle = [], [], 1.0
        self.least_idle = 1.0
        self.peak = 0.0
        self.times = collections.defaultdict(list)
        self.common = {
            **tables.machine(), "threads": options.threads, "batch": options.batch, "width": options.width}

    def works(self, network):
        """What our side calls each part."""
        advmoe = {"adversarial": f"training step, advmoe-{ADVMOE_STEPS}"} if is_advmoe(network) else {}
        return {**self.parts, **advmoe}

    def add(self, network, part, side, mode, number, seconds, **more):
        work = self.works(network).get(part, part)
        median = statistics.median(seconds)
        self.times[network, part, mode].append(median)
        flops = work_flops(self.options, network, part)
        self.rows.append({
            **self.common, "network": network, "work": work, "side": side, "mode": mode, "round": number,
            "idle_share_before": f"{self.idle:.2f}", "median_seconds": f"{median:.6g}", "min_seconds": f"{min(seconds):.6g}",
            "max_seconds": f"{max(seconds):.6g}", "images_per_second": f"{self.options.batch / median:.5g}",
            "gflops": f"{flops / median / 1e9:.5g}", **more})
        print(f"  {network}, {work}: {mode} {median * 1e3:.1f} ms, {self.options.batch / median:.1f} images/s",
              flush=True)

    def add_ours(self, network, number, rows, mode=None):
        names = {name: part for part, name in self.works(network).items()}
        for row in rows:
            seconds = [float(row[name]) for name in ("min_seconds", "median_seconds", "max_seconds")]
            own = "own dense" if network == "uniform" and row["network"] == "dense" else "robustmoe"
            self.add(network, names[row["work"]], "robustmoe", mode or own, number, seconds, blas_kernel=row["blas_kernel"],
                     peak_gflops=f"{self.peak:.5g}",
                     peak_resident_mebibytes=row["peak_resident_mebibytes"])

    def add_theirs(self, network, number, mode, result):
        losses = result.get("losses", {})
        for part in result["seconds"]:
            if part != "mm":
                self.add(
                    network, part, "pytorch", mode, number, result["seconds"][part], version=result["torch"],
                    peak_gflops=f"{result['mm_gflops']:.5g}" if "mm_gflops" in result else "",
                    loss_clean=losses.get("clean", ""), loss_attacked=losses.get("attacked", ""),
                    peak_resident_mebibytes=result["peak_resident_mebibytes"])
        if number > 1:
            return
        if losses:
            self.notes.append(
                f"{network}, {mode}: same weights, images and start; mean loss clean {losses['their_clean']:.5f} ours, "
                f"{losses['clean']:.5f} PyTorch; after our attack {losses['their_attacked']:.5f} ours, "
                f"{losses['on_their_result']:.5f} PyTorch on the same images; after PyTorch's own attack "
                f"{losses['attacked']:.5f}"
                + (f"; the busiest expert of a layer gets up to {result['largest_share']:.0%} of the choices"
                   if result["largest_share"] else ""))
            limit = 0.02 if mode == "bf16" else 1e-3
            for one, other, name in [("their_clean", "clean", "clean images"),
                                     ("their_attacked", "on_their_result", "the same attacked images")]:
                if abs(losses[one] - losses[other]) > limit * max(1, abs(losses[one])):
                    self.notes.append(f"warning: {network}, {mode}: losses of {name} differ: the sides do unlike work")
        if "mm_gflops" in result and mode != "bf16":
            shares = {part: work_flops(self.options, network, part, is_advmoe(network)) / statistics.median(times) / 1e9
                      / result["mm_gflops"] for part, times in result["seconds"].items() if part != "mm"}
            # The released way masks and gathers what it has computed: it may spend a part of its time on that.
            best = 1 if is_advmoe(network) else max(shares.values())
            self.notes.append(
                f"{network}, {mode}: PyTorch at {', '.join(f'{share:.2f} ({part})' for part, share in shares.items())} "
                f"of its torch.mm's {result['mm_gflops']:.0f} GFLOP/s (OpenBLAS's sgemm: {self.peak:.0f})"
                + ("" if best >= 0.9 else ": below 0.9, THE OPPONENT IS HAMPERED"))

    def measure_peak(self):
        """What OpenBLAS's matrix product reaches here, beside torch.mm."""
        with tempfile.TemporaryDirectory() as directory:
            tables.run([
                self.options.program, "bench", "kernels", "--csv", f"{directory}/kernels.csv", "--repetitions", "9",
                "training.global_batch=1", f"distributed.threads={self.options.threads}"])
            row = tables.read(f"{directory}/kernels.csv")[0]
            self.peak = float(row["gflop_per_second"])

    def run(self):
        options = self.options
        with tempfile.TemporaryDirectory() as shared:
            for number in range(1, options.rounds + 1):
                for network in options.networks:
                    parts = parts_of(options, network)
                    share = f"{shared}/{network}" if modes_of(options, network) else ""
                    print(f"round {number} of {options.rounds}, {network}", flush=True)
                    if number == 1 and share:
                        run_ours(options, network, ["forward"], share, 1)
                    self.look_around()
                    self.measure_peak()
                    if network == "advmoe-routes":
                        self.time_routes(number, parts)
                        continue
                    # Two networks of 16 experts a part: each in a process of its own, so that memory lasts.
                    for some in [[part] for part in parts] if network == "uniform" else [parts]:
                        self.add_ours(network, number, run_ours(options, network, some, share, options.repetitions))
                    for mode in modes_of(options, network):
                        self.look_around()
                        self.add_theirs(
                            network, number, mode,
                            run_theirs(options, network, parts, share, mode, options.repetitions))
            if self.least_idle < 0.95:
                self.notes.append(
                    f"warning: only {self.least_idle:.0%} of the machine was idle before one of the processes: "
                    "something else runs here, and the ratios are worth little")
            if "dense" in options.networks and not options.no_memory:
                self.compare_memory(f"{shared}/dense")
            if "advmoe-routes" in options.networks:
                self.summarise_routes()

    def time_routes(self, number, parts):
        """Numbers of experts in turn, images spread evenly over them or all sent to one."""
        for experts, routes in ROUTES:
            # A process for each part: two sets of prepared filters of eight experts would stand in each other's way.
            for part in parts:
                rows = run_ours(self.options, "advmoe-routes", [part], "", 3 * self.options.repetitions,
                                [f"moe.experts={experts}", f"moe.routes={routes}", *GIVEN_ROUTES])
                self.add_ours("advmoe-routes", number, rows, mode=f"{experts} experts, routes {routes}")

    def summarise_routes(self):
        """Ratios of the time of two experts to that of more, by the same routes."""
        for part in parts_of(self.options, "advmoe-routes"):
            time = lambda experts, routes: statistics.median(
                self.times["advmoe-routes", part, f"{experts} experts, routes {routes}"])
            for experts, routes in ROUTES:
                if experts > 2:
                    self.notes.append(
                        f"advmoe-routes, {self.works('advmoe-routes')[part]}: {experts} experts by routes {routes} take "
                        f"{time(experts, routes) / time(2, routes):.3f}x the time of 2, "
                        f"{time(experts, routes) / time(2, 'uniform'):.3f}x that of 2 by uniform ones")

    def look_around(self):
        """Notes how idle the machine is before a process is timed."""
        self.idle = tables.idle_share()
        self.least_idle = min(self.least_idle, self.idle)

    def compare_memory(self, share):
        """Processes that do nothing but the whole step, for the memory that it takes."""
        options = self.options
        for cap in (1024, 64):
            rows = run_ours(options, "dense", ["adversarial"], share, 1, [f"kernels.transform_cache_megabytes={cap}"])
            self.notes.append(
                f"memory of the whole step: robustmoe {rows[0]['peak_resident_mebibytes']} MiB resident at most, "
                f"{rows[0]['filter_mebibytes']} MiB of it transformed filters of a cap of {cap}; "
                f"{float(rows[0]['median_seconds']) * 1e3:.0f} ms")
            self.memory_row(f"robustmoe, cache cap {cap}", rows[0]["peak_resident_mebibytes"],
                            rows[0]["filter_mebibytes"])
        for mode in options.modes:
            idle = run_theirs(
                options, "dense", [], share, "eager", 0, "--no-peak")["peak_resident_mebibytes"] if mode == "eager" else None
            result = run_theirs(options, "dense", ["adversarial"], share, mode, 1, "--no-peak")
            self.notes.append(
                f"memory of the whole step: PyTorch {mode} {result['peak_resident_mebibytes']} MiB"
                + (f" ({idle} MiB of it before the first step)" if idle else ""))
            self.memory_row(f"pytorch {mode}", result["peak_resident_mebibytes"], "")

    def memory_row(self, side, resident, filters):
        tables.store(f"{self.options.output}/memory.csv", MEMORY, [{
            **self.common, "side": side, "peak_resident_mebibytes": resident, "filter_mebibytes": filters}],
            ["threads", "batch", "width", "side"])

    def summarise(self):
        summary = []
        for network in self.options.networks:
            for part in parts_of(self.options, network):
                ours = self.times.get((network, part, "robustmoe"), [])
                if not ours:
                    continue
                others = {mode: self.times[network, part, mode]
                          for mode in self.options.modes + RELEASED + ["own dense"] if (network, part, mode) in self.times}
                fp32 = [mode for mode in ("eager", "compile") if mode in others]
                if fp32:
                    others["best fp32"] = others[min(fp32, key=lambda mode: statistics.median(others[mode]))]
                for mode, theirs in others.items():
                    ratio = statistics.median(theirs) / statistics.median(ours)
                    pairs = [their / our for our, their in zip(ours, theirs)]
                    summary.append({
                        **self.common, "network": network, "work": self.works(network)[part], "against": mode,
                        "robustmoe_images_per_second": f"{self.options.batch / statistics.median(ours):.4g}",
                        "other_images_per_second": f"{self.options.batch / statistics.median(theirs):.4g}",
                        "ratio": f"{ratio:.3f}", "ratio_low": f"{min(pairs):.3f}", "ratio_high": f"{max(pairs):.3f}",
                        "rounds": len(pairs)})
        return summary


def main():
    options = parse()
    comparison = Comparison(options)
    comparison.run()
    summary = comparison.summarise()
    same = ["threads", "batch", "width", "network", "work"]
    tables.store(f"{options.output}/compare.csv", COLUMNS, comparison.rows, same)
    tables.store(f"{options.output}/compare-summary.csv", SUMMARY, summary, same)
    print()
    for note in comparison.notes:
        print(note)
    print()
    for row in summary:
        if row["against"] == "own dense":
            time = 1 / float(row["ratio"])
            print(f"{row['network']}, {row['work']}: {time:.2f}x the time of our dense network "
                  f"[{1 / float(row['ratio_high']):.2f}, {1 / float(row['ratio_low']):.2f}]")
        else:
            print(f"{row['network']}, {row['work']}: {row['ratio']}x PyTorch {row['against']} "
                  f"[{row['ratio_low']}, {row['ratio_high']}], {row['robustmoe_images_per_second']} against "
                  f"{row['other_images_per_second']} images/s")
    with open(f"{options.output}/compare-notes.txt", "w") as file:
        file.write("\n".join(comparison.notes) + "\n")


if __name__ == "__main__":
    main()
