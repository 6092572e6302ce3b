"""Runs one rank, two ranks and two strangers in turn; see launch/bench/weak-scaling."""
import argparse
import os
import statistics
import subprocess
import tempfile

import tables

COLUMNS = [
    "commit", "processor", "blas_kernel", "round", "arrangement", "batch_of_a_rank", "width", "attack_steps",
    "step_seconds", "images_per_second", "efficiency", "idle_share_before", "stolen_share",
]


def step_seconds(path):
    row = tables.read(path)[0]
    return float(row["median_seconds"]), row["blas_kernel"]


def command(options, table, ranks):
    result = [
        options.program, "bench", "step", "--part", "adversarial", "--repetitions", str(options.repetitions), "--csv",
        table, f"model.width={options.width}", f"training.global_batch={options.batch * ranks}",
        f"attack.steps={options.steps}", "distributed.threads=1"]
    if ranks > 1:
        return ["mpirun", "-np", str(ranks), "--bind-to", "core"] + result
    return result


def pinned(core, arguments):
    return ["taskset", "-c", str(core)] + arguments


def main():
    parser = argparse.ArgumentParser(prog="launch/bench/weak-scaling")
    parser.add_argument("--program", required=True)
    for name, value in [("rounds", 3), ("repetitions", 5), ("width", 64), ("batch", 32), ("steps", 7)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--output", default="results/benchmarks")
    options = parser.parse_args()
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("expected at least two cores, found one")
    rows = []
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory() as directory:
            tables_of = lambda name: f"{directory}/{name}.csv"
            quiet = tables.idle_share(1)
            found = {}
            with tables.Account() as account:
                tables.run(pinned(0, command(options, tables_of("one"), 1)))
            found["one rank"] = step_seconds(tables_of("one")) + (account.steal,)
            with tables.Account() as account:
                processes = [
                    subprocess.Popen(pinned(core, command(options, tables_of(f"stranger{core}"), 1)),
                                     stdout=subprocess.DEVNULL) for core in (0, 1)]
                if any([process.wait() for process in processes]):
                    raise SystemExit("one of two processes that ran beside each other failed")
            both = [step_seconds(tables_of(f"stranger{core}")) for core in (0, 1)]
            found["two strangers"] = (max(both)[0], both[0][1], account.steal)
            with tables.Account() as account:
                tables.run(command(options, tables_of("two"), 2))
            found["two ranks"] = step_seconds(tables_of("two")) + (account.steal,)
        base = found["one rank"][0]
        for arrangement, (seconds, kernel, steal) in found.items():
            processes = 1 if arrangement == "one rank" else 2
            rows.append({
                **tables.machine(), "blas_kernel": kernel, "round": number, "arrangement": arrangement,
                "batch_of_a_rank": options.batch, "width": options.width, "attack_steps": options.steps,
                "step_seconds": f"{seconds:.5g}", "images_per_second": f"{processes * options.batch / seconds:.4g}",
                "efficiency": f"{base / seconds:.3f}", "idle_share_before": f"{quiet:.3f}",
                "stolen_share": f"{steal:.4f}"})
            print(f"round {number}, {arrangement}: {seconds:.3f} s a step, efficiency {base / seconds:.1%}; machine "
                  f"idle before {quiet:.0%}, stolen {steal:.1%}", flush=True)
    tables.store(f"{options.output}/weak-scaling.csv", COLUMNS, rows, ["width", "batch_of_a_rank", "attack_steps"])
    median = lambda name: statistics.median(float(row["step_seconds"]) for row in rows if row["arrangement"] == name)
    one, control, two = (median(name) for name in ("one rank", "two strangers", "two ranks"))
    print(f"efficiency of two ranks {one / two:.1%} (medians); of two processes that know nothing of each other "
          f"{one / control:.1%}; so of what the second core could give {control / two:.1%}")


if __name__ == "__main__":
    main()
