#!/usr/bin/env python3
"""`lowp quantize` on a generated checkpoint larger than its memory bound: read rate, peak memory.

  bench/quantize_command.py --command build/release/lowp --directory /tmp/lowp-bench

The checkpoint has the shapes of an 8B Llama, one layer a shard: 20 shards are 8.7 GB. The peers are
plain readers and a copy of the same files in the same run. Cold means that the files were dropped from the page cache.
Results go to bench/results/quantize_command.json.
"""

import argparse
import datetime
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

from common import commit, cpu_model

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
    """Seconds and peak resident bytes of a program."""
    before = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - before
    if status != 0:
        sys.exit(f"{arguments} failed")
    return seconds, usage.ru_maxrss * 1024


def measure(arguments, source, output, cold, repeats):
    times, peak = [], 0
    for _ in range(repeats):
        shutil.rmtree(output, ignore_errors=True)
        (drop_cache if cold else warm_cache)(source)
        seconds, memory = run(arguments)
        times.append(seconds)
        peak = max(peak, memory)
    shutil.rmtree(output, ignore_errors=True)
    return statistics.median(times), peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(ROOT / "build/release/lowp"))
    parser.add_argument("--directory", type=pathlib.Path, required=True, help="room for the checkpoint and a copy")
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--schemes", nargs="+", default=["W8A8", "W4A16", "W4A16_ASYM", "FP8_DYNAMIC", "MXFP8", "NVFP4"])
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results/quantize_command.json")
    parser.add_argument("--keep", action="store_true", help="keep the generated checkpoint")
    options = parser.parse_args()

    source, output = options.directory / "source", options.directory / "output"
    if not source.exists():
        generate(source, options.shards)
    size = sum(path.stat().st_size for path in shards_of(source))
    files = [str(path) for path in shards_of(source)]
    programs = {
        "cat to /dev/null": ["cat", *files],
        f"cat, {options.threads} processes": ["xargs", "-n1", "-P", str(options.threads), "-a", str(options.directory / "list"), "cat"],
        "cp": ["cp", "-r", str(source), str(output)],
    }
    (options.directory / "list").write_text("\n".join(files))
    for scheme in options.schemes:
        programs[f"lowp quantize {scheme}"] = [
            options.command, "quantize", str(source), "-o", str(output), "--scheme", scheme,
            "--threads", str(options.threads), "-q",
        ]
    rows = []
    for name, arguments in programs.items():
        for cold in (False, True):
            seconds, peak = measure(arguments, source, output, cold, options.repeats)
            rows.append({"program": name, "cache": "cold" if cold else "warm", "seconds": round(seconds, 3),
                         "gigabytes_per_second": round(size / seconds / 1e9, 3), "peak_rss_bytes": peak})
            print(f"{name:28} {rows[-1]['cache']}  {rows[-1]['gigabytes_per_second']:7.2f} GB/s  "
                  f"{peak / 2**20:8.1f} MiB", flush=True)
    result = {
        "benchmark": "quantize_command",
        "device": cpu_model(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "threads": options.threads,
        "source_bytes": size,
        "shards": options.shards,
        "peak_rss_bound_bytes": 3 * LARGEST + (256 << 20),
        "peers": {"cat": subprocess.run(["cat", "--version"], capture_output=True, text=True).stdout.split("\n")[0]},
        "rows": rows,
    }
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(result, indent=2) + "\n")
    if not options.keep:
        shutil.rmtree(source)


if __name__ == "__main__":
    main()
