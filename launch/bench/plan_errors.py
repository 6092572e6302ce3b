"""Predictions of `robustmoe plan` beside measured runs; see launch/bench/plan."""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile

import tables
import two_hosts

COLUMNS = [
    "commit", "processor", "network", "place", "rates_from", "ranks", "batch", "link_gbit", "predicted_step_seconds",
    "measured_step_seconds", "error", "predicted_wait_seconds", "measured_wait_seconds", "predicted_mebibytes",
    "measured_mebibytes", "rounds",
]
NETWORKS = {
    "dense": ["moe.kind=none"],
    "conv": ["moe.kind=conv", "moe.placement=[layer4]", "moe.experts=4"],
    "channel": ["moe.kind=channel", "moe.scope=image", "moe.router=resnet20", "moe.experts=2"],
}


def settings(options, network):
    return NETWORKS[network] + [
        "data.dataset=synthetic", f"data.train_samples={options.batch * (options.steps + 1)}", "data.test_samples=64",
        f"training.global_batch={options.batch}", "training.optimizer.rate=0.01", "training.method=pgd",
        f"attack.steps={options.attack_steps}", f"model.width={options.width}", "distributed.threads=1"]


def as_rank(arguments):
    """Runs the program as a rank, and leaves the most memory that it has held in a file of its own."""
    path, program = arguments[0], arguments[1:]
    code = subprocess.run(program).returncode
    with open(f"{path}/peak-{os.environ.get('OMPI_COMM_WORLD_RANK', '0')}", "w") as file:
        file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
    sys.exit(code)


class Place:
    """Where ranks run: the words before the program."""

    def __init__(self, options, directory, name, ranks):
        self.options, self.directory, self.name, self.ranks = options, directory, name, ranks

    def words(self):
        if self.ranks == 1:
            return []
        return ["mpirun", "-np", str(self.ranks), "--map-by", f"ppr:{self.ranks}:node:PE=1", "--bind-to", "core"]

    def allowed(self, *arguments):
        return tables.run(self.words() + [self.options.program, *arguments], allowed=(0, 75))

    def rates(self, network):
        name = "".join(letter if letter.isalnum() else "-" for letter in f"{self.name}-{network}")
        path = f"{self.directory}/{name}.json"
        self.allowed("bench", "rates", "--measured", path, *settings(self.options, network))
        return path

    def train(self, network):
        """Seconds of a step and of its wait, and the MiB of the largest rank."""
        output = tempfile.mkdtemp(dir=self.directory)
        tables.run(
            self.words() + [sys.executable, os.path.abspath(__file__), "--as-rank", output, self.options.program, "train",
                            "--output", f"{output}/run", "evaluation.attacks=[]", "output.every_steps=1",
                            f"training.stop_after_steps={self.options.steps}", *settings(self.options, network)],
            allowed=(0, 75))
        # The first step makes memory and connections.
        rows = [row for row in tables.read(f"{output}/run/metrics.csv") if row["split"] == "train"][1:]
        median = lambda key: statistics.median(float(row[key]) for row in rows)
        peaks = [int(open(f"{output}/{name}").read()) for name in os.listdir(output) if name.startswith("peak-")]
        return self.options.batch / median("images_per_second"), median("allreduce_seconds"), max(peaks) / 1024


class TwoHosts(Place):
    """Two network namespaces with a link between them."""

    def __init__(self, options, directory, megabits):
        name = "two hosts, no limit" if megabits is None else f"two hosts, {megabits} Mbit/s"
        super().__init__(options, directory, name, 2)
        self.megabits = megabits
        self.agent = f"{directory}/agent"
        with open(self.agent, "w") as file:
            quoted = " ".join(f"'{word}'" for word in two_hosts.inside(two_hosts.SECOND, ["sh", "-c"]))
            file.write(f'#!/bin/sh\nshift\nexec {quoted} "$*"\n')
        os.chmod(self.agent, 0o755)

    def words(self):
        two_hosts.limit(self.megabits)
        addresses = ",".join(f"{address}:1" for address, _ in two_hosts.HOSTS.values())
        return two_hosts.inside(two_hosts.FIRST, [
            "mpirun", "-np", "2", "-H", addresses, "--bind-to", "none", "--mca", "plm_rsh_agent", self.agent,
            "--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "10.77.0.0/24",
            "--mca", "oob_tcp_if_include", "10.77.0.0/24"])


def predicted(options, rates, network, ranks, link=None):
    """The plan's row of so many ranks."""
    given = ["--link", f"{link:g}"] if link else []
    text = tables.run([
        options.program, "plan", "--json", "--measured", rates, "--threads", "1", *given, *settings(options, network),
        "evaluation.attacks=[]"])
    plan = json.loads(text)["plan"]
    row = next(row for row in plan["rows"] if row["ranks"] == ranks)
    return row, plan["link"]["bytes_per_second"] * 8 / 1e9


def store(options, found):
    """Writes what was found up to now; returns it in words."""
    rows, lines = [], []
    for (network, _, source), (place, rounds) in found.items():
        middle = lambda value: statistics.median(map(value, rounds))
        step, measured = middle(lambda r: r[0]["step_seconds"]), middle(lambda r: r[2][0])
        rows.append({
            **tables.machine(), "network": network, "place": place.name, "rates_from": source, "ranks": place.ranks,
            "batch": options.batch, "link_gbit": f"{middle(lambda r: r[1]):.3g}" if place.ranks > 1 else "",
            "predicted_step_seconds": f"{step:.4g}", "measured_step_seconds": f"{measured:.4g}",
            "error": f"{middle(lambda r: r[0]['step_seconds'] / r[2][0] - 1):+.3f}",
            "predicted_wait_seconds": f"{middle(lambda r: r[0]['wait_seconds']):.3g}",
            "measured_wait_seconds": f"{middle(lambda r: r[2][1]):.3g}",
            "predicted_mebibytes": f"{middle(lambda r: r[0]['rank_bytes']) / 1048576:.0f}",
            "measured_mebibytes": f"{middle(lambda r: r[2][2]):.0f}", "rounds": len(rounds)})
        lines.append(
            f"{network}, {place.name}, rates of {source}: predicted {step:.3f} s, measured {measured:.3f} s, "
            f"error {rows[-1]['error']}; memory {rows[-1]['predicted_mebibytes']} and {rows[-1]['measured_mebibytes']} MiB")
    tables.store(f"{options.output}/errors.csv", COLUMNS, rows, ["network", "place", "rates_from"])
    return lines


def main():
    if sys.argv[1:2] == ["--as-rank"]:
        as_rank(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="launch/bench/plan")
    parser.add_argument("--program")
    for name, value in [("width", 32), ("batch", 64), ("steps", 5), ("attack-steps", 3), ("rounds", 3)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--networks", default="dense,conv")
    parser.add_argument("--rates", default="1000,200", help="Mbit/s of the link, beside no limit")
    parser.add_argument("--output", default="results/plan")
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        one, two = Place(options, directory, "one rank", 1), Place(options, directory, "two ranks of one host", 2)

        def add(network, place, source, prediction, measurement):
            row, link = prediction
            found.setdefault((network, place.name, source), (place, []))[1].append((row, link, measurement))

        def compare(network, place, others=()):
            """Measures rates, predicts by them and by others, and runs."""
            own = place.rates(network)
            measurement = place.train(network)
            add(network, place, "the same ranks", predicted(options, own, network, place.ranks), measurement)
            for source, rates, link in others:
                add(network, place, source, predicted(options, rates, network, place.ranks, link), measurement)
            return own

        for _ in range(options.rounds):
            for network in options.networks.split(","):
                alone = compare(network, one)
                compare(network, two, [("one rank, link unknown", alone, None)])
                store(options, found)
        if os.geteuid() != 0:
            print("network namespaces need root: links of a set rate are left out")
        else:
            with two_hosts.hosts():
                for _ in range(options.rounds):
                    for network in options.networks.split(","):
                        free = compare(network, TwoHosts(options, directory, None))
                        for megabits in map(int, options.rates.split(",")):
                            compare(network, TwoHosts(options, directory, megabits), [
                                ("two hosts, no limit, and --link", free, megabits / 1000)])
                        store(options, found)
    for line in store(options, found):
        print(line, flush=True)


if __name__ == "__main__":
    main()
