"""Compares the per-sample tables of an evaluation under fast and under exact arithmetic; see launch/bench/verdicts."""
import os
import sys

import tables

COLUMNS = [
    "commit", "processor", "model_sha256", "network", "images", "inputs", "correct_fast", "correct_exact",
    "equal_verdicts", "equal_verdict_share", "equal_predictions",
]
LEAST = 0.998


def main():
    checkpoint, scratch, steps, output = sys.argv[1:]
    fast, exact = (tables.read(f"{scratch}/{kind}/per_sample.csv") for kind in ("fast", "exact"))
    digest = tables.read(f"{scratch}/fast/evaluation.csv")[0]["checkpoint_sha256"]
    rows = []
    for column, inputs in [("clean_prediction", "clean"), ("attacked_prediction", f"PGD-{steps}")]:
        pairs = [(a["label"], a[column], b[column]) for a, b in zip(fast, exact, strict=True)]
        equal = sum((a == label) == (b == label) for label, a, b in pairs)
        rows.append({
            **tables.machine(), "model_sha256": digest, "network": os.path.basename(checkpoint.rstrip("/")),
            "images": len(pairs), "inputs": inputs,
            "correct_fast": sum(a == label for label, a, _ in pairs),
            "correct_exact": sum(b == label for label, _, b in pairs), "equal_verdicts": equal,
            "equal_verdict_share": f"{equal / len(pairs):.4f}", "equal_predictions": sum(a == b for _, a, b in pairs)})
    tables.store(f"{output}/verdicts.csv", COLUMNS, rows, ["network", "inputs"])
    for row in rows:
        print(f"{row['network']}, {row['inputs']}: {row['equal_verdicts']} of {row['images']} verdicts are equal "
              f"({float(row['equal_verdict_share']):.1%}), {row['equal_predictions']} predictions; "
              f"{row['correct_fast']} right under fast, {row['correct_exact']} under exact arithmetic")
    if any(float(row["equal_verdict_share"]) < LEAST for row in rows):
        sys.exit(f"expected at least {LEAST:.1%} equal verdicts")


if __name__ == "__main__":
    main()
