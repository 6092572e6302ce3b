"""Measures steps on one and two ranks, predicts them and those of up to 1,024 ranks; see launch/bench/scaling."""
import argparse
import json
import os
import statistics
import tempfile

import plan_errors
import tables
import two_hosts

WIRES = ["float32", "bfloat16", "int8"]
# Links of the table: Gbit/s, and seconds until a short message is there, which are assumed.
LINKS = [(100, 2e-6), (10, 2e-5), (1, 5e-5)]
MOST_RANKS = 1024
STRONG_BATCH = 4096
COLUMNS = ["commit", "processor", "place", "ranks", "wire", "batch", "width", "attack_steps", "measured_step_seconds", "least_seconds",
           "most_seconds", "measured_wait_seconds", "predicted_step_seconds", "error", "least_error", "most_error", "strong_efficiency",
           "weak_efficiency", "rounds"]
FIT_COLUMNS = ["commit", "processor", "place", "wire", "width", "attack_steps", "step_seconds", "seconds_of_image", "images_a_second",
               "update_share", "gradient_megabytes", "latency_microseconds", "gbit", "overlap_of_model", "overlap_seen"]
MODEL_COLUMNS = ["commit", "processor", "scaling", "wire", "link_gbit", "latency_microseconds", "ranks", "batch", "images_of_rank",
                 "step_seconds", "wait_seconds", "images_per_second", "efficiency"]
# What plan takes to be hidden behind an update.
OVERLAP = 0.6


def settings(options, wire, batch, samples=None):
    return [
        "data.dataset=synthetic", f"data.train_samples={samples or batch * (options.steps + 1)}", "data.test_samples=64",
        f"training.global_batch={batch}", "training.optimizer.rate=0.01", "training.method=pgd", f"attack.steps={options.attack_steps}",
        f"model.width={options.width}", "distributed.threads=1", f"distributed.wire={wire}", "evaluation.attacks=[]"]


class Measurement:
    """What the rounds found at one place, with one wire and one batch."""

    def __init__(self, place, wire, batch):
        self.place, self.wire, self.batch = place, wire, batch
        self.steps, self.waits, self.predicted, self.rates = [], [], [], []

    @property
    def errors(self):
        return [predicted / measured - 1 for predicted, measured in zip(self.predicted, self.steps)]

    def add(self, options, directory, rates):
        """One round: rates if there are none yet, the plan by them, and steps of a run."""
        if rates is None:
            rates = f"{directory}/rates-{len(os.listdir(directory))}.json"
            self.place.allowed("bench", "rates", "--measured", rates, *settings(options, self.wire, self.batch))
        row = planned(options, rates, self.wire, self.batch, self.place.ranks)
        output = tempfile.mkdtemp(dir=directory)
        self.place.allowed("train", "--output", f"{output}/run", "output.every_steps=1",
                           f"training.stop_after_steps={options.steps}", *settings(options, self.wire, self.batch))
        # The first step makes memory and connections.
        rows = [row for row in tables.read(f"{output}/run/metrics.csv") if row["split"] == "train"][1:]
        median = lambda key: statistics.median(float(row[key]) for row in rows)
        self.steps.append(self.batch / median("images_per_second"))
        self.waits.append(median("allreduce_seconds"))
        self.predicted.append(row["step_seconds"])
        self.rates.append(rates)
        print(f"{self.place.name}, {self.wire}, batch {self.batch}: step {self.steps[-1]:.4f} s, waits {self.waits[-1]:.4f} s, predicted "
              f"{self.predicted[-1]:.4f} s", flush=True)
        return rates

    def middle_rates(self):
        """The rates of the round whose step was the median's."""
        order = sorted(range(len(self.steps)), key=lambda number: self.steps[number])
        with open(self.rates[order[len(order) // 2]]) as file:
            return json.load(file)


def planned(options, rates, wire, batch, ranks):
    text = tables.run([options.program, "plan", "--json", "--measured", rates, "--threads", "1", *settings(options, wire, batch, 64)])
    return next(row for row in json.loads(text)["plan"]["rows"] if row["ranks"] == ranks)


def measure(options, directory):
    """All places, wires and batches in turn, round after round."""
    one = plan_errors.Place(options, directory, "one rank", 1)
    two = plan_errors.Place(options, directory, "two ranks of one host", 2)
    alone = [Measurement(one, "float32", options.batch), Measurement(one, "float32", options.batch // 2)]
    beside = [Measurement(two, wire, options.batch) for wire in WIRES]
    far = []
    if os.geteuid() == 0:
        for rate in map(int, filter(None, options.rates.split(","))):
            place = plan_errors.TwoHosts(options, directory, rate)
            far += [Measurement(place, wire, options.batch) for wire in WIRES]
    else:
        print("network namespaces need root: links of a set rate are left out")
    for _ in range(options.rounds):
        rates = alone[0].add(options, directory, None)
        alone[1].add(options, directory, rates)
        for measurement in beside:
            measurement.add(options, directory, None)
        if far:
            with two_hosts.hosts():
                for measurement in far:
                    measurement.add(options, directory, None)
        store(options, alone, beside, far)
    return alone, beside, far


def store(options, alone, beside, far):
    rows, fits = [], []
    strong, weak = (statistics.median(measurement.steps) for measurement in alone)
    for measurement in alone + beside + far:
        step, place = statistics.median(measurement.steps), measurement.place
        errors = measurement.errors
        row = {
            **tables.machine(), "place": place.name, "ranks": place.ranks, "wire": measurement.wire, "batch": measurement.batch,
            "width": options.width, "attack_steps": options.attack_steps, "measured_step_seconds": f"{step:.4g}",
            "least_seconds": f"{min(measurement.steps):.4g}", "most_seconds": f"{max(measurement.steps):.4g}",
            "measured_wait_seconds": f"{statistics.median(measurement.waits):.3g}",
            "predicted_step_seconds": f"{statistics.median(measurement.predicted):.4g}", "error": f"{statistics.median(errors):+.3f}",
            "least_error": f"{min(errors):+.3f}", "most_error": f"{max(errors):+.3f}", "rounds": len(measurement.steps)}
        if place.ranks > 1:
            row.update(strong_efficiency=f"{strong / (place.ranks * step):.3f}", weak_efficiency=f"{weak / step:.3f}")
            fits.append(fit(options, measurement))
        rows.append(row)
    tables.store(f"{options.output}/scaling.csv", COLUMNS, rows, ["place", "wire", "batch"])
    tables.store(f"{options.output}/scaling-fit.csv", FIT_COLUMNS, fits, ["place", "wire"])


def fit(options, measurement):
    """The plan's model in a few numbers: a line through steps over images, the link, and how much of an exchange was hidden."""
    rates = measurement.middle_rates()
    steps, link, exchange = rates["steps"], rates["link"], rates["exchange"]
    images, seconds = [step["images"] for step in steps], [step["seconds"] for step in steps]
    mean_x, mean_y = statistics.mean(images), statistics.mean(seconds)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(images, seconds)) / sum((x - mean_x) ** 2 for x in images)
    of_rank = measurement.batch // measurement.place.ranks
    own = min(steps, key=lambda step: abs(step["images"] - of_rank))
    update = own["seconds"] - own["attack_seconds"]
    sent = exchange["gradient_bytes"] / link["bytes_per_second"] + 2 * exchange["buckets"] * link["latency_seconds"]
    small = exchange["small_sums"] * 2 * link["latency_seconds"]
    hidden = (sent + small - statistics.median(measurement.waits)) / update
    return {
        **tables.machine(), "place": measurement.place.name, "wire": measurement.wire, "width": options.width,
        "attack_steps": options.attack_steps, "step_seconds": f"{mean_y - slope * mean_x:.3g}", "seconds_of_image": f"{slope:.3g}",
        "images_a_second": f"{1 / slope:.4g}", "update_share": f"{update / own['seconds']:.2f}",
        "gradient_megabytes": f"{exchange['gradient_bytes'] / 1e6:.3g}", "latency_microseconds": f"{link['latency_seconds'] * 1e6:.3g}",
        "gbit": f"{link['bytes_per_second'] * 8 / 1e9:.3g}", "overlap_of_model": OVERLAP,
        # Where all of an exchange fits behind the update, more could have been hidden than there was.
        "overlap_seen": f"{hidden:.2f}" if sent > update else f"at least {max(0, hidden):.2f}"}


def model(options, directory, beside):
    """The plan's table by the rates of two ranks of one host, on links that are assumed."""
    rows = []
    counts = [2 ** power for power in range(MOST_RANKS.bit_length()) if 2 ** power <= MOST_RANKS]
    for measurement in beside:
        rates = measurement.middle_rates()
        for gbit, latency in LINKS:
            rates["link"] = {"latency_seconds": latency, "bytes_per_second": gbit * 1e9 / 8, "origin": "assumed"}
            path = f"{directory}/assumed.json"
            with open(path, "w") as file:
                json.dump(rates, file)
            common = {**tables.machine(), "wire": measurement.wire, "link_gbit": gbit, "latency_microseconds": f"{latency * 1e6:g}"}
            text = tables.run([options.program, "plan", "--json", "--measured", path, "--threads", "1",
                               *settings(options, measurement.wire, STRONG_BATCH, 64)])
            for row in json.loads(text)["plan"]["rows"]:
                rows.append({**common, "scaling": "strong", **cells(row, STRONG_BATCH, row["efficiency"])})
            first = None
            for ranks in counts:
                batch = options.batch // 2 * ranks
                row = planned(options, path, measurement.wire, batch, ranks)
                first = first or row["step_seconds"]
                rows.append({**common, "scaling": "weak", **cells(row, batch, first / row["step_seconds"])})
    tables.store(f"{options.output}/scaling-model.csv", MODEL_COLUMNS, rows, ["scaling"])
    for scaling in ("strong", "weak"):
        print(f"{scaling} scaling, efficiency at " + ", ".join(map(str, counts[3::2])) + " ranks")
        for wire in WIRES:
            for gbit, _ in LINKS:
                own = {row["ranks"]: row["efficiency"] for row in rows
                       if (row["scaling"], row["wire"], row["link_gbit"]) == (scaling, wire, gbit)}
                print(f"  {wire}, {gbit} Gbit/s: " + ", ".join(own[ranks] for ranks in counts[3::2]))


def cells(row, batch, efficiency):
    return {"ranks": row["ranks"], "batch": batch, "images_of_rank": row["images_of_rank"], "step_seconds": f"{row['step_seconds']:.4g}",
            "wait_seconds": f"{row['wait_seconds']:.3g}", "images_per_second": f"{row['images_per_second']:.4g}",
            "efficiency": f"{efficiency:.3f}"}


def main():
    parser = argparse.ArgumentParser(prog="launch/bench/scaling")
    parser.add_argument("--program")
    for name, value in [("width", 32), ("batch", 64), ("steps", 5), ("attack-steps", 2), ("rounds", 3)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--rates", default="1000,200", help="Mbit/s of the link between two hosts; empty for none")
    parser.add_argument("--output", default="results/large-batch")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        _, beside, _ = measure(options, directory)
        model(options, directory, beside)


if __name__ == "__main__":
    main()
