"""Reads the runs of launch/experiments/large-batch/run: which rate is best, what follows for other batches, and the tables."""
import csv
import glob
import json
import math
import os
import sys

OPTIMIZERS = ["sgd", "lars", "lamb"]
# The batch at which rates are chosen.
CHOSEN_AT = 512
# How a rate grows with the batch.
RULES = {"sgd": ("linear", 1.0), "lars": ("linear", 1.0), "lamb": ("square root", 0.5)}
RATE_COLUMNS = ["optimizer", "rate", "seed", "epochs", "images", "clean", "pgd_20", "chosen"]
COLUMNS = ["optimizer", "rule", "batch", "rate", "seed", "epochs", "steps", "test_images", "clean", "clean_low", "clean_high", "pgd_20",
           "pgd_20_low", "pgd_20_high", "train_accuracy", "images_per_second", "status"]


def read(path):
    if not os.path.exists(path):
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path, columns, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)


def runs(folder):
    """The directory and the settings of each run of a sweep."""
    for path in sorted(glob.glob(f"{folder}/*/sweep.json")):
        with open(path) as file:
            pairs = [text.partition("=") for text in json.load(file)["settings"]]
        yield os.path.dirname(path), {key: value for key, _, value in pairs}


def results(path):
    """The last rows of clean images and of PGD-20; nothing of a run that did not come so far."""
    rows = read(path)
    found = {row["attack"]: row for row in rows}
    return (found["none"], found["pgd-20"]) if {"none", "pgd-20"} <= found.keys() else None


def tried(output, optimizer):
    rows = []
    for directory, settings in runs(f"{output}/rates-{optimizer}"):
        row = {"optimizer": optimizer, "rate": settings["training.optimizer.rate"], "seed": settings["training.seed"],
               "epochs": settings["training.epochs"], "chosen": ""}
        if pair := results(f"{directory}/evaluation.csv"):
            clean, attacked = pair
            row.update(images=clean["samples"], clean=clean["accuracy"], pgd_20=attacked["accuracy"])
        rows.append(row)
    rows.sort(key=lambda row: float(row["rate"]))
    # A run whose numbers left their range has no accuracy.
    finished = [row for row in rows if "pgd_20" in row]
    if not finished:
        sys.exit(f"{output}: no run of {optimizer} came to its end")
    max(finished, key=lambda row: (float(row["pgd_20"]), -float(row["rate"])))["chosen"] = "yes"
    return rows


def scaled(output, optimizer, batch):
    rate = next(float(row["rate"]) for row in tried(output, optimizer) if row["chosen"])
    return f"{rate * (batch / CHOSEN_AT) ** RULES[optimizer][1]:.6g}"


def axis(output, optimizer, batches):
    """The values of launch/sweep's axis: each batch with its rate."""
    return "training.global_batch=" + ",".join(
        f"{batch}+training.optimizer.rate={scaled(output, optimizer, batch)}" for batch in batches)


def table(output):
    rows = []
    for optimizer in OPTIMIZERS:
        for directory, settings in runs(f"{output}/{optimizer}"):
            batch, rate = int(settings["training.global_batch"]), settings["training.optimizer.rate"]
            # What an earlier call did at a rate that is no longer the chosen one stays out.
            if rate != scaled(output, optimizer, batch):
                continue
            trained = [row for row in read(f"{directory}/metrics.csv") if row["split"] == "train"]
            row = {"optimizer": optimizer, "rule": RULES[optimizer][0], "batch": batch, "rate": rate, "seed": settings["training.seed"],
                   "epochs": settings["training.epochs"], "status": "did not come to its end"}
            if trained:
                row.update(steps=trained[-1]["step"], train_accuracy=trained[-1]["accuracy"],
                           images_per_second=trained[-1]["images_per_second"])
            if pair := results(f"{directory}/evaluate/evaluation.csv"):
                row.update(status="done", test_images=pair[0]["samples"])
                for name, found in zip(("clean", "pgd_20"), pair):
                    row.update({name: found["accuracy"], f"{name}_low": found["accuracy_low"], f"{name}_high": found["accuracy_high"]})
            rows.append(row)
    rows.sort(key=lambda row: (OPTIMIZERS.index(row["optimizer"]), row["batch"], int(row["seed"])))
    write(f"{output}/results.csv", COLUMNS, rows)
    with open(f"{output}/table.md", "w") as file:
        file.write("\n".join(markdown(rows)) + "\n")


def interval(own, name):
    """Mean over seeds with Wilson's 95% interval of all their images together."""
    images = sum(int(row["test_images"]) for row in own)
    share = sum(float(row[name]) * int(row["test_images"]) for row in own) / images
    z = 1.959964
    middle = (share + z * z / (2 * images)) / (1 + z * z / images)
    half = z * math.sqrt(share * (1 - share) / images + z * z / (4 * images * images)) / (1 + z * z / images)
    seeds = ", ".join(f"{float(row[name]):.1%}" for row in own)
    return f"{share:.1%} [{middle - half:.1%}, {middle + half:.1%}] ({seeds})"


def markdown(rows):
    lines = ["| optimizer | batch | rate | steps | clean: seeds together [95%] (each) | PGD-20 |", "|---|---|---|---|---|---|"]
    for optimizer, batch in dict.fromkeys((row["optimizer"], row["batch"]) for row in rows):
        own = [row for row in rows if (row["optimizer"], row["batch"]) == (optimizer, batch)]
        done = [row for row in own if row["status"] == "done"]
        cells = [interval(done, name) for name in ("clean", "pgd_20")] if done else ["did not come to its end"] * 2
        lines.append(f"| {optimizer} | {batch} | {float(own[0]['rate']):.3g} | {own[0].get('steps', '')} | {' | '.join(cells)} |")
    return lines


def main():
    command, output, *rest = sys.argv[1:]
    if command == "rates":
        write(f"{output}/rates.csv", RATE_COLUMNS, [row for optimizer in OPTIMIZERS for row in tried(output, optimizer)])
    elif command == "axis":
        print(axis(output, rest[0], [int(batch) for batch in rest[1].split(",")]))
    else:
        table(output)


if __name__ == "__main__":
    main()
