"""Trains across two network namespaces with a link of a given rate; see launch/bench/two-hosts.

The blocking exchange is the same one with a single bucket, which can start only after the whole backward pass.
"""
import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import tables

HOSTS = {"robustmoe-a": ("10.77.0.1", 0), "robustmoe-b": ("10.77.0.2", 1)}
FIRST, SECOND = HOSTS
PORT = 5201
ONE_BUCKET = 1 << 20
COLUMNS = [
    "commit", "processor", "exchange", "bucket_megabytes", "rate_limit_mbit", "measured_mbit", "round_trip_microseconds",
    "batch", "width", "attack_steps", "step_seconds", "waited_seconds", "span_seconds", "waited_share",
    "exposed_of_blocking", "steps",
]
WIRE_COLUMNS = [
    "commit", "processor", "round", "wire", "error_feedback", "bucket_megabytes", "rate_limit_mbit", "measured_mbit",
    "round_trip_microseconds", "batch", "width", "attack_steps", "step_seconds", "waited_seconds", "waited_share", "wire_bytes",
    "quantization_error", "steps",
]
# What gradients are written in, and whether what that leaves out is sent later.
WIRES = [("float32", False), ("bfloat16", False), ("int8", False), ("int8", True)]


def interface(host):
    return f"veth-{host[-1]}"


def call(*command, check=True):
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=None if check else subprocess.DEVNULL)


def inside(host, command):
    """A command as a process of one of the hosts: its network, its name, its core."""
    _, core = HOSTS[host]
    return ["ip", "netns", "exec", host, "taskset", "-c", str(core), "unshare", "--uts", "sh", "-c",
            f'hostname {host}; exec "$@"', "sh"] + command


@contextlib.contextmanager
def hosts():
    remove()
    try:
        for host in HOSTS:
            call("ip", "netns", "add", host)
        call("ip", "link", "add", interface(FIRST), "type", "veth", "peer", "name", interface(SECOND))
        for host, (address, _) in HOSTS.items():
            call("ip", "link", "set", interface(host), "netns", host)
            call("ip", "-n", host, "addr", "add", f"{address}/24", "dev", interface(host))
            call("ip", "-n", host, "link", "set", "lo", "up")
            call("ip", "-n", host, "link", "set", interface(host), "up")
        yield
    finally:
        remove()


def remove():
    for host in HOSTS:
        call("ip", "netns", "del", host, check=False)


def limit(megabits):
    """Limits both directions, or lifts the limit where `megabits` is None."""
    for host in HOSTS:
        call("tc", "-n", host, "qdisc", "del", "dev", interface(host), "root", check=False)
        if megabits:
            # The bucket holds what passes in 2 ms, and at least some packets of the largest size that veth joins them to.
            burst = max(262144, int(megabits * 1e6 / 8 * 0.002))
            call("tc", "-n", host, "qdisc", "add", "dev", interface(host), "root", "tbf", "rate", f"{megabits:.0f}mbit",
                 "burst", str(burst), "latency", "50ms")


def receive():
    """The receiving end of the probe: sends one byte back for each, then counts what comes."""
    with socket.create_server((HOSTS[FIRST][0], PORT)) as server:
        server.settimeout(20)
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(200):
                connection.sendall(connection.recv(1))
            buffer, count, start = bytearray(1 << 20), 0, None
            while size := connection.recv_into(buffer):
                # What arrives first may have waited in the shaper's bucket.
                now = time.perf_counter()
                if start is None and count > 4 << 20:
                    start, first = now, count
                count += size
            print((count - first) * 8 / (now - start) / 1e6)


def send(seconds):
    deadline = time.time() + 10
    while True:
        try:
            connection = socket.create_connection((HOSTS[FIRST][0], PORT), timeout=5)
            break
        except OSError:
            if time.time() > deadline:
                raise
            time.sleep(0.1)
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        times = []
        for _ in range(200):
            start = time.perf_counter()
            connection.sendall(b"x")
            connection.recv(1)
            times.append(time.perf_counter() - start)
        data, end = bytes(1 << 18), time.perf_counter() + seconds
        while time.perf_counter() < end:
            connection.sendall(data)
    print(statistics.median(times) * 1e6)


def probe(tries=5):
    """Rate in Mbit/s and round trip in microseconds, as TCP sees them now."""
    script = [sys.executable, os.path.abspath(__file__)]
    receiver = subprocess.Popen(inside(FIRST, script + ["--receive"]), stdout=subprocess.PIPE, text=True)
    sender = subprocess.run(inside(SECOND, script + ["--send", "2"]), stdout=subprocess.PIPE, text=True, check=True)
    rate = float(receiver.communicate(timeout=30)[0])
    if rate < 1 and tries > 1:
        return probe(tries - 1)
    if rate < 1:
        sys.exit("the probe of the link received nothing for most of its time: the machine was busy with something else")
    return rate, float(sender.stdout)


class Experiment:
    def __init__(self, options, directory):
        self.options, self.directory, self.rows = options, directory, []
        # What mpirun starts its daemon on the other host with, in place of ssh.
        self.agent = f"{directory}/agent"
        with open(self.agent, "w") as file:
            quoted = " ".join(f"'{word}'" for word in inside(SECOND, ["sh", "-c"]))
            file.write(f'#!/bin/sh\nshift\nexec {quoted} "$*"\n')
        os.chmod(self.agent, 0o755)

    def train(self, exchange, megabytes, rate, wire="float32", feedback=False):
        options = self.options
        limit(rate)
        measured, round_trip = probe()
        output = tempfile.mkdtemp(dir=self.directory)
        addresses = ",".join(f"{address}:1" for address, _ in HOSTS.values())
        # Nothing but TCP, on nothing but this link.
        mpi = ["mpirun", "-np", "2", "-H", addresses, "--bind-to", "none", "--mca", "plm_rsh_agent", self.agent,
               "--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "10.77.0.0/24",
               "--mca", "oob_tcp_if_include", "10.77.0.0/24", *options.mca]
        for name, value in os.environ.items():
            if name.startswith("ROBUSTMOE"):
                mpi += ["-x", name]
        tables.run(inside(FIRST, mpi + [
            options.program, "train", "--output", f"{output}/run", "data.dataset=synthetic",
            f"data.train_samples={options.batch * (options.steps + 1)}", "data.test_samples=1", "evaluation.every_epochs=1",
            f"training.global_batch={options.batch}", f"training.stop_after_steps={options.steps}",
            "training.optimizer.rate=0.01", "training.method=pgd", f"attack.steps={options.attack_steps}",
            f"model.width={options.width}", "distributed.threads=1", f"distributed.bucket_megabytes={megabytes}",
            f"distributed.wire={wire}", f"distributed.error_feedback={str(feedback).lower()}", "output.every_steps=1"]),
            allowed=(0, 75))
        # The first step makes memory and connections.
        steps = [row for row in tables.read(f"{output}/run/metrics.csv") if row["split"] == "train"][1:]
        median = lambda key: statistics.median(float(row[key]) for row in steps)
        seconds = options.batch / median("images_per_second")
        waited = median("allreduce_seconds")
        row = {
            **tables.machine(), "exchange": exchange, "bucket_megabytes": megabytes, "rate_limit_mbit": rate or "",
            "measured_mbit": f"{measured:.0f}", "round_trip_microseconds": f"{round_trip:.0f}", "batch": options.batch,
            "width": options.width, "attack_steps": options.attack_steps, "step_seconds": f"{seconds:.4g}",
            "waited_seconds": f"{waited:.4g}", "span_seconds": f"{median('communication_seconds'):.4g}",
            "waited_share": f"{waited / seconds:.4f}", "steps": len(steps), "wire": wire,
            "error_feedback": str(feedback).lower(), "wire_bytes": steps[-1]["wire_bytes"], "quantization_error": steps[-1]["quantization_error"]}
        self.rows.append(row)
        print(f"{exchange} (buckets of {megabytes} MiB, {name_of(wire, feedback)}), limit {rate or 'none'} Mbit/s, measured {measured:.0f} Mbit/s and "
              f"{round_trip:.0f} us: step {seconds:.3f} s, waits {waited:.3f} s after the last gradient "
              f"({waited / seconds:.1%})", flush=True)
        return row

    def run(self):
        options = self.options
        own = float(options.bucket_megabytes)
        fastest = self.train("blocking", ONE_BUCKET, None)
        self.train("overlapped", own, None)
        # The rate at which the wait of the blocking exchange is a tenth of the step.
        free = float(fastest["step_seconds"]) - float(fastest["waited_seconds"])
        rate = options.rate or 8 * gradient_bytes(options.width) / (free / 9) / 1e6
        blocking = self.train("blocking", ONE_BUCKET, round(rate))
        if not options.rate and not 0.08 < float(blocking["waited_share"]) < 0.12:
            rate *= float(blocking["waited_seconds"]) / (free / 9)
            blocking = self.train("blocking", ONE_BUCKET, round(rate))
        for megabytes in dict.fromkeys([own, 25.0]):
            row = self.train("overlapped", megabytes, round(rate))
            row["exposed_of_blocking"] = f"{float(row['waited_seconds']) / float(blocking['waited_seconds']):.3f}"
            print(f"  the overlapped exchange with buckets of {megabytes:g} MiB exposes "
                  f"{float(row['exposed_of_blocking']):.0%} of what the blocking one costs")
        self.store("two-hosts.csv", COLUMNS)

    def wires(self):
        """Every way to write gradients, in turn, on every rate; what is found is stored round by round."""
        for number in range(1, self.options.rounds + 1):
            for rate in [float(rate) if rate != "none" else None for rate in self.options.rates.split(",")]:
                for wire, feedback in WIRES:
                    row = self.train("overlapped", self.options.bucket_megabytes, rate, wire, feedback)
                    row["round"] = number
            self.store("wires.csv", WIRE_COLUMNS)
        for line in wire_table(self.rows):
            print(line)

    def store(self, name, columns):
        rows = [{key: row[key] for key in columns if key in row} for row in self.rows]
        tables.store(f"{self.options.output}/{name}", columns, rows, ["batch", "width", "attack_steps"])


def name_of(wire, feedback):
    return f"{wire}, error feedback" if feedback else wire


def wire_table(rows):
    """Medians over rounds with the least and the most, as a table in Markdown."""
    lines = ["| link, Mbit/s | wire | step, s | waits, s | MB sent a step | error | step over float32's of the round |",
             "|---|---|---|---|---|---|---|"]
    for rate in dict.fromkeys(row["rate_limit_mbit"] for row in rows):
        for wire, feedback in WIRES:
            own = [row for row in rows if row["rate_limit_mbit"] == rate and row["wire"] == wire
                   and row["error_feedback"] == str(feedback).lower()]
            plain = {row["round"]: float(row["step_seconds"]) for row in rows
                     if row["rate_limit_mbit"] == rate and row["wire"] == "float32"}
            ratios = [float(row["step_seconds"]) / plain[row["round"]] for row in own]
            spread = lambda values: f"{statistics.median(values):.3g} [{min(values):.3g}, {max(values):.3g}]"
            lines.append(
                f"| {rate or 'no limit'} | {name_of(wire, feedback)} | {spread([float(row['step_seconds']) for row in own])} | "
                f"{spread([float(row['waited_seconds']) for row in own])} | {int(own[0]['wire_bytes']) / 1e6:.3g} | "
                f"{float(own[0]['quantization_error'] or 0):.2g} | {spread(ratios)} |")
    return lines


def gradient_bytes(width):
    """Of a ResNet-18: what one rank sends in an exchange of two, and receives."""
    return 4 * 11.17e6 * (width / 64) ** 2


def main():
    parser = argparse.ArgumentParser(prog="launch/bench/two-hosts")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--send", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--program")
    for name, value in [("width", 64), ("batch", 64), ("steps", 4), ("attack-steps", 7)]:
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--bucket-megabytes", type=float, default=4, help="of the overlapped exchange")
    parser.add_argument("--rate", type=float, help="Mbit/s, in place of the rate that is looked for")
    parser.add_argument("--wires", action="store_true", help="compare distributed.wire's values on --rates instead")
    parser.add_argument("--rates", default="100,1000,none", help="Mbit/s of --wires")
    parser.add_argument("--rounds", type=int, default=2, help="of --wires, in turn")
    parser.add_argument("--mca", nargs=2, action="append", default=[], help="a parameter of Open MPI and its value")
    parser.add_argument("--output", default="results/benchmarks")
    options = parser.parse_args()
    options.mca = [word for pair in options.mca for word in ["--mca", *pair]]
    if options.receive:
        return receive()
    if options.send:
        return send(options.send)
    with tempfile.TemporaryDirectory() as directory, hosts():
        experiment = Experiment(options, directory)
        experiment.wires() if options.wires else experiment.run()


if __name__ == "__main__":
    main()
