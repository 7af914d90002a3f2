#!/usr/bin/env python3
"""`lowp quantize` on a generated checkpoint larger than its memory bound: read rate, peak memory.

  bench/quantize_command.py --command build/release/lowp --directory /tmp/lowp-bench

The checkpoint has the shapes of an 8B Llama, one layer a shard: 20 shards are 8.7 GB. The peers are
plain readers and a copy of the same files in the same run. Cold means that the files were dropped
from the page cache. All programs run once, then all again: a busy machine hits them alike; the
best time of each counts. cp is done when its copy is in memory, `cp, sync` and lowp when it is on
the disk. Of the program's CPU time, a rate of `threads` / cpu_seconds is the most it could reach.
Results go to bench/results/quantize_command.json.
"""

import argparse
import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import time

from common import environment

ROOT = pathlib.Path(__file__).resolve().parent.parent
HIDDEN, INTERMEDIATE, KV = 4096, 14336, 1024
LAYER = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (KV, HIDDEN),
    "self_attn.v_proj": (KV, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INTERMEDIATE, HIDDEN),
    "mlp.up_proj": (INTERMEDIATE, HIDDEN),
    "mlp.down_proj": (HIDDEN, INTERMEDIATE),
}
LARGEST = INTERMEDIATE * HIDDEN * 2  # bytes of the largest tensor


def generate(directory, shards):
    """Random bf16 weights of normal distribution; a few MB of them repeat at odd offsets."""
    import numpy as np  # not in the process that measures, see run

    directory.mkdir(parents=True)
    random = np.random.default_rng(0)
    pool = (random.standard_normal(1 << 22, dtype=np.float32) * 0.02).view(np.uint32)
    pool = ((pool + 0x8000) >> 16).astype(np.uint16)
    weight_map = {}
    for layer in range(shards):
        file = f"model-{layer + 1:05}-of-{shards:05}.safetensors"
        header, position = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in LAYER.items():
            name = f"model.layers.{layer}.{name}.weight"
            size = shape[0] * shape[1] * 2
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [position, position + size]}
            weight_map[name] = file
            position += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(directory / file, "wb") as stream:
            stream.write(len(text).to_bytes(8, "little") + text)
            while position > 0:
                start = int(random.integers(1 << 16))
                part = pool[start:].tobytes()[:position]
                stream.write(part)
                position -= len(part)
    index = {"metadata": {}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN}
    (directory / "config.json").write_text(json.dumps(config))


def shards_of(directory):
    return sorted(directory.glob("*.safetensors"))


def drop_cache(directory):
    """Forgets the files' pages; needs no privilege."""
    for path in shards_of(directory):
        with open(path, "rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def warm_cache(directory):
    for path in shards_of(directory):
        subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)


def run(arguments):
    """Seconds, CPU seconds and peak resident bytes of a program.

    The peak of a child begins at what this process holds when it forks: keep that small.
    """
    before = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - before
    if status != 0:
        sys.exit(f"{arguments} failed")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def measure(arguments, source, output, cold):
    shutil.rmtree(output, ignore_errors=True)
    os.sync()  # what was written before is none of this program's work
    (drop_cache if cold else warm_cache)(source)
    try:
        return run(arguments)
    finally:
        shutil.rmtree(output, ignore_errors=True)


def row_of(name, cold, runs, size):
    seconds = [run[0] for run in runs]
    return {
        "program": name,
        "cache": "cold" if cold else "warm",
        "seconds": round(min(seconds), 3),
        "gigabytes_per_second": round(size / min(seconds) / 1e9, 3),
        "all_seconds": [round(value, 3) for value in seconds],
        "cpu_seconds": round(min(run[1] for run in runs), 3),
        "peak_rss_bytes": max(run[2] for run in runs),
    }


def start_time(arguments, repeats=20):
    """Best and median of `repeats` runs; the checkpoint's headers are in memory."""
    times = sorted(run(arguments)[0] for _ in range(repeats))
    return {"best": round(times[0], 4), "median": round(times[repeats // 2], 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(ROOT / "build/release/lowp"))
    parser.add_argument("--directory", type=pathlib.Path, required=True, help="room for the checkpoint and a copy")
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--schemes", nargs="+", default=["W8A8", "W8A16", "W4A16"])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results/quantize_command.json")
    parser.add_argument("--keep", action="store_true", help="keep the generated checkpoint")
    options = parser.parse_args()

    source, output = options.directory / "source", options.directory / "output"
    if not source.exists():
        child = multiprocessing.Process(target=generate, args=(source, options.shards))
        child.start()
        child.join()
        if child.exitcode != 0:
            sys.exit("the checkpoint could not be generated")
    size = sum(path.stat().st_size for path in shards_of(source))
    files = [str(path) for path in shards_of(source)]
    programs = {
        "cat to /dev/null": ["cat", *files],
        f"cat, {options.threads} processes": ["xargs", "-n1", "-P", str(options.threads), "-a", str(options.directory / "list"), "cat"],
        "cp": ["cp", "-r", str(source), str(output)],
        "cp, sync": ["sh", "-c", 'cp -r "$0" "$1" && sync "$1"/*', str(source), str(output)],
    }
    (options.directory / "list").write_text("\n".join(files))
    for scheme in options.schemes:
        programs[f"lowp quantize {scheme}"] = [
            options.command, "quantize", str(source), "-o", str(output), "--scheme", scheme,
            "--threads", str(options.threads), "-q",
        ]
    runs = {(name, cold): [] for name in programs for cold in (False, True)}
    for _ in range(options.repeats):
        for name, cold in runs:
            runs[name, cold].append(measure(programs[name], source, output, cold))
            row = row_of(name, cold, runs[name, cold], size)
            print(f"{name:22} {row['cache']}  {row['gigabytes_per_second']:6.2f} GB/s  {row['cpu_seconds']:6.2f} s CPU  "
                  f"{row['peak_rss_bytes'] / 2**20:7.1f} MiB", flush=True)
    rows = [row_of(name, cold, values, size) for (name, cold), values in runs.items()]
    result = {
        "benchmark": "quantize_command",
        **environment(),
        "threads": options.threads,
        "source_bytes": size,
        "shards": options.shards,
        "peak_rss_bound_bytes": 3 * LARGEST + (256 << 20),
        "peers": {"cat": subprocess.run(["cat", "--version"], capture_output=True, text=True).stdout.split("\n")[0]},
        "load_average": [round(value, 1) for value in os.getloadavg()],
        "start_seconds": {
            "lowp --version": start_time([options.command, "--version"]),
            "lowp inspect": start_time([options.command, "inspect", str(source)]),
        },
        "rows": rows,
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(result, indent=2) + "\n")
    if not options.keep:
        shutil.rmtree(source)


if __name__ == "__main__":
    main()
