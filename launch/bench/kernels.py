"""Runs both sides of launch/bench/kernels in turn, prints ratios and stores them; see there."""
import argparse
import os
import statistics
import tempfile

import tables

COLUMNS = [
    "commit", "processor", "blas_kernel", "threads", "batch", "width", "work", "gflops", "gflops_low", "gflops_high",
    "sgemm_gflops", "over_sgemm", "onednn_gflops", "over_onednn", "over_onednn_low", "over_onednn_high", "rounds",
    "idle_share_before",
]


def main():
    parser = argparse.ArgumentParser(prog="launch/bench/kernels")
    parser.add_argument("--program", required=True)
    parser.add_argument("--onednn", required=True)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--output", default="results/benchmarks")
    options = parser.parse_args()
    for threads in map(int, options.threads.split(",")):
        compare(options, threads)


def compare(options, threads):
    ours, theirs, kernel, idle = {}, {}, "", 1.0
    for _ in range(options.rounds):
        idle = min(idle, tables.idle_share())
        with tempfile.TemporaryDirectory() as directory:
            tables.run([
                options.program, "bench", "kernels", "--csv", f"{directory}/kernels.csv", "--repetitions",
                str(options.repetitions), f"training.global_batch={options.batch}", f"model.width={options.width}",
                f"distributed.threads={threads}"])
            for row in tables.read(f"{directory}/kernels.csv"):
                kernel = row["blas_kernel"]
                if row["gflop_per_second"]:
                    ours.setdefault(row["work"], []).append(float(row["gflop_per_second"]))
        lines = tables.run(
            [options.onednn, str(options.batch), str(options.width), str(options.repetitions)],
            env={**os.environ, "OMP_NUM_THREADS": str(threads)}).splitlines()
        names = lines[0].split(",")
        for line in lines[1:]:
            row = dict(zip(names, line.split(",")))
            theirs.setdefault(row["work"], []).append(float(row["gflop_per_second"]))
    peaks = ours.pop("sgemm 512")
    rows = []
    for work, rates in ours.items():
        pairs = [our / their for our, their in zip(rates, theirs[work])]
        median, other, peak = (statistics.median(values) for values in (rates, theirs[work], peaks))
        rows.append({
            **tables.machine(), "blas_kernel": kernel, "threads": threads, "batch": options.batch,
            "width": options.width, "work": work, "gflops": f"{median:.4g}", "gflops_low": f"{min(rates):.4g}",
            "gflops_high": f"{max(rates):.4g}", "sgemm_gflops": f"{peak:.4g}", "over_sgemm": f"{median / peak:.3f}",
            "onednn_gflops": f"{other:.4g}", "over_onednn": f"{median / other:.3f}",
            "over_onednn_low": f"{min(pairs):.3f}", "over_onednn_high": f"{max(pairs):.3f}",
            "rounds": options.rounds,
            "idle_share_before": f"{idle:.2f}"})
    tables.store(f"{options.output}/kernels.csv", COLUMNS, rows, ["threads", "batch", "width", "work"])
    print(f"{threads} thread{'s' if threads > 1 else ''}, sgemm {statistics.median(peaks):.0f} GFLOP/s ({kernel})")
    if idle < 0.95:
        print(f"warning: only {idle:.0%} of the machine was idle before one of the rounds")
    for row in rows:
        print(f"  {row['work']:24} {row['gflops']:>6} GFLOP/s, {row['over_sgemm']} of sgemm; oneDNN {row['onednn_gflops']:>6}:"
              f" {row['over_onednn']}x [{row['over_onednn_low']}, {row['over_onednn_high']}]")
    for name in ("forward", "input gradient", "weight gradient", ""):
        chosen = [row for row in rows if row["work"].endswith(name)]
        mean = lambda key: statistics.mean(float(row[key]) for row in chosen)
        print(f"  mean of {name or 'all'}: {mean('over_sgemm'):.2f} of sgemm, {mean('over_onednn'):.3f}x oneDNN")
    # A stage's forward and both gradients together: three times the operations over the sum of the times.
    for stage in dict.fromkeys(row["work"].split()[0] for row in rows):
        chosen = [float(row["over_sgemm"]) for row in rows if row["work"].startswith(stage + " ")]
        print(f"  {stage}, forward and both gradients: {len(chosen) / sum(1 / share for share in chosen):.2f} of sgemm")


if __name__ == "__main__":
    main()
