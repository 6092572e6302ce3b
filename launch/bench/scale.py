"""Times a step at growing sizes, fits exponents, draws; see launch/bench/scale."""
import argparse
import math
import tempfile

import plot
import tables

COLUMNS = [
    "commit", "processor", "blas_kernel", "sweep", "series", "value", "ranks", "threads", "batch", "width",
    "attack_steps", "network", "work", "median_seconds", "min_seconds", "max_seconds", "images_per_second",
    "idle_share_before",
]
# Each sweep: the settings that all its points share, then series of (value, settings of the point).
NARROW = {"model.width": 16, "training.global_batch": 64, "attack.steps": 3, "distributed.threads": 1}
EXPERTS = {"model.width": 32, "training.global_batch": 64, "moe.kind": "conv", "moe.placement": "[layer4.1]",
           "moe.routes": "uniform", "attack.steps": 3, "distributed.threads": 1}


def points(key, values):
    return [(value, {key: value}) for value in values]


SWEEPS = {
    "batch": (NARROW, "images", {"dense": points("training.global_batch", [16, 32, 64, 128, 256, 512])}),
    # Multiply-adds grow with the square of the width.
    "width": ({**NARROW, "training.global_batch": 16, "attack.steps": 1}, "channels of the first stage",
              {"dense": points("model.width", [16, 32, 64, 96, 128])}),
    "experts": (EXPERTS, "experts", {
        f"top-{k}": [(count, {"moe.experts": count, "moe.top_k": k}) for count in (1, 2, 4, 8, 16, 32) if count >= k]
        for k in (1, 2)}),
    "steps": (NARROW, "attack steps", {"dense": points("attack.steps", [1, 2, 5, 10, 20, 50])}),
    "threads": ({**NARROW, "model.width": 32}, "threads of a rank", {"dense": points("distributed.threads", [1, 2])}),
    "ranks": ({**NARROW, "model.width": 32}, "ranks of a thread", {"dense": points("ranks", [1, 2])}),
}
# The most that the time may grow with: value to this power.
LIMITS = {"batch": 1, "width": 2, "experts": 1, "steps": 1, "threads": 0, "ranks": 0}


def measure(program, repetitions, settings):
    settings = dict(settings)
    ranks = settings.pop("ranks", 1)
    with tempfile.TemporaryDirectory() as directory:
        command = [program, "bench", "step", "--part", "adversarial", "--csv", f"{directory}/step.csv",
                   "--repetitions", str(repetitions)] + [f"{key}={value}" for key, value in settings.items()]
        if ranks > 1:
            command = ["mpirun", "-np", str(ranks), "--oversubscribe", "--bind-to", "none"] + command
        tables.run(command)
        return tables.read(f"{directory}/step.csv")[0]


def exponent(points):
    """The slope of a straight line through the logarithms."""
    x = [math.log(value) for value, _ in points]
    y = [math.log(seconds) for _, seconds in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)


def main():
    parser = argparse.ArgumentParser(prog="launch/bench/scale")
    parser.add_argument("--program", required=True)
    parser.add_argument("--sweeps", default=",".join(SWEEPS), help="of " + ", ".join(SWEEPS))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--output", default="results/benchmarks")
    options = parser.parse_args()
    for sweep in options.sweeps.split(","):
        common, axis, series = SWEEPS[sweep]
        drawn, rows = {}, []
        for name, values in series.items():
            found = []
            for value, change in values:
                idle = tables.idle_share(0.2)
                row = measure(options.program, options.repetitions, {**common, **change})
                # A disturbance only adds to the time: growth shows best in the least.
                found.append((value, float(row["min_seconds"])))
                rows.append({**row, **tables.machine(), "sweep": sweep, "series": name, "value": value,
                             "idle_share_before": f"{idle:.2f}"})
            drawn[name] = found
            print(f"{sweep}, {name}: " + ", ".join(f"{value}: {seconds:.3f} s" for value, seconds in found))
            slope = exponent(found)
            worst = max(math.log(b[1] / a[1]) / math.log(b[0] / a[0]) for a, b in zip(found, found[1:]))
            limit = LIMITS[sweep]
            # A twentieth is within the noise.
            verdict = "as promised or better" if slope <= limit + 0.05 else "STEEPER than promised"
            print(f"  time grows with {sweep} to the power {slope:.2f} (steepest pair {worst:.2f}), at most {limit}: {verdict}")
        tables.store(f"{options.output}/scale.csv", COLUMNS, rows, ["sweep", "series", "value"])
        plot.draw(f"{options.output}/scale-{sweep}.svg", axis, "seconds of a step", drawn, LIMITS[sweep])


if __name__ == "__main__":
    main()
