"""What the benchmark scripts share: running a program, tables that replace their own rows, and the machine's name."""
import csv
import os
import subprocess
import sys
import time


def run(command, allowed=(0,), **more):
    """The standard output of a command; ends the script, with the command's own words, where it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    if result.returncode not in allowed:
        sys.exit(f"{' '.join(command)}\nended with {result.returncode}\n{(result.stdout + result.stderr)[-3000:]}")
    return result.stdout


def processor():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def has_bf16(path="/proc/cpuinfo"):
    """Whether the processor multiplies bf16 numbers; where it does not, PyTorch emulates it, many times slower."""
    with open(path) as file:
        flags = next((line.split(":", 1)[1].split() for line in file if line.startswith(("flags", "Features"))), [])
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def machine():
    """The columns that every table begins with."""
    return {"commit": os.environ.get("ROBUSTMOE_COMMIT", "unknown"), "processor": processor()}


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def store(path, columns, rows, keys):
    """Adds rows to a table, in place of those with the same keys."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    new = {tuple(str(row.get(key, "")) for key in keys) for row in rows}
    old = []
    if os.path.exists(path):
        old = [row for row in read(path) if tuple(row.get(key, "") for key in keys) not in new]
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: row.get(key, "") for key in columns} for row in old + rows)


def processor_time():
    """Clock ticks of all cores so far: busy, idle, stolen."""
    with open("/proc/stat") as file:
        user, nice, system, idle, wait, irq, soft, steal = map(int, file.readline().split()[1:9])
    return user + nice + system + irq + soft, idle + wait, steal


class Account:
    """The share of idle and of stolen time since it was opened."""

    def __enter__(self):
        self.before = processor_time()
        return self

    def __exit__(self, *_):
        busy, idle, steal = (after - before for after, before in zip(processor_time(), self.before))
        total = max(1, busy + idle + steal)
        self.idle, self.steal = idle / total, steal / total


def idle_share(seconds=0.5):
    """How much of the machine is idle just now, from 0 to 1: what else runs here disturbs what is timed."""
    with Account() as account:
        time.sleep(seconds)
    return account.idle
