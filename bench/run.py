#!/usr/bin/env python3
"""Every CPU benchmark, one after the other; results in bench/results/*.json."""

import argparse
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="directory with the command")
    parser.add_argument("--model", type=pathlib.Path, default="out/demo/bf16", help="made by `make demo`")
    parser.add_argument("--directory", type=pathlib.Path, default="out/bench", help="20 GB of room")
    arguments = parser.parse_args()
    lowp = arguments.build.resolve() / "lowp"
    scripts = {
        "linear.py": ["--lowp", lowp],
        "torchao_layers.py": ["--lowp", lowp],
        "decode.py": ["--lowp", lowp, "--model", arguments.model, "--out", HERE / "results/decode.json"],
        "grouped_linear.py": [],
        "quantize_command.py": ["--command", lowp, "--directory", arguments.directory],
    }
    for script, options in scripts.items():
        print(f"== {script}", flush=True)
        environment = {**os.environ, "LOWP_LIBRARY": str(arguments.build.resolve() / "src/ops")}
        subprocess.run([sys.executable, HERE / script, *options], check=True, env=environment)


if __name__ == "__main__":
    main()
