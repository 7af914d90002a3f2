"""Timing and bookkeeping of the GPU benchmarks.

A sample times LAUNCHES launches over rotating buffers that together exceed the L2 cache, queued
behind a pause so that the host is never waited for; the median of the samples counts. Short kernels
are captured in one CUDA graph, so that the gaps between launches are those of a decoding loop.
"""

import argparse
import datetime
import json
import os
import statistics
import time

import torch

from common import commit

LAUNCHES = 10
SAMPLES = 30
L2_BYTES = 64 << 20


def buffer_count(bytes_each):
    """How many buffers of this size exceed the L2 cache three times over."""
    return max(2, min(64, 3 * L2_BYTES // max(bytes_each, 1) + 1))


def milliseconds(launch, buffers, samples=SAMPLES, launches=LAUNCHES):
    """Median time of launch(i), i < buffers choosing the buffer."""
    for i in range(2 * buffers):
        launch(i % buffers)
    times = []
    for _ in range(samples):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(2_000_000)  # a millisecond: the launches queue up meanwhile
        start.record()
        for i in range(launches):
            launch(i % buffers)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / launches)
    return statistics.median(times)


def graph_milliseconds(launch, buffers, samples=SAMPLES):
    """The same for short kernels: one graph of a launch for each buffer, replayed."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for i in range(buffers):
            launch(i)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for i in range(buffers):
            launch(i)
    return milliseconds(lambda _: graph.replay(), 1, samples, launches=3) / buffers


def interleaved_milliseconds(calls, buffers, rounds=7, launches=6):
    """Median time of each call, taking turns: a power-limited card favours what runs after a rest."""
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(0.05)
            for i in range(2):
                call(i % buffers)
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            torch.cuda._sleep(500_000)
            start.record()
            for i in range(launches):
                call(i % buffers)
            end.record()
            torch.cuda.synchronize()
            times[name].append(start.elapsed_time(end) / launches)
    return {name: statistics.median(values) for name, values in times.items()}


def copy_terabytes_per_second(bytes_moved):
    """Bandwidth of a device copy that moves as many bytes, half of them read, half written."""
    count = buffer_count(bytes_moved)
    halves = [torch.empty(2, bytes_moved // 2, device="cuda", dtype=torch.uint8) for _ in range(count)]
    time = milliseconds(lambda i: halves[i][0].copy_(halves[i][1]), count)
    return bytes_moved / time / 1e9


def main(name, doc, run):
    """run() gives the list of results; prints and writes them with device, date and commit."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", help="write the JSON here too")
    arguments = parser.parse_args()
    result = {
        "benchmark": name,
        "script": f"bench/{name}.py",
        "device": torch.cuda.get_device_name(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "results": run(),
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        os.makedirs(os.path.dirname(arguments.out) or ".", exist_ok=True)
        with open(arguments.out, "w", encoding="utf-8") as file:
            file.write(text + "\n")
