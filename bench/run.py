#!/usr/bin/env python3
"""Every CPU benchmark, one after the other; results in bench/results/*.json."""

import argparse
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, required=True, help="directory with the command")
    arguments = parser.parse_args()
    lowp = arguments.build.resolve() / "lowp"
    for script in ("linear.py", "decode.py", "quantize_command.py"):
        print(f"== {script}", flush=True)
        subprocess.run([sys.executable, HERE / script, "--lowp", lowp], check=True)


if __name__ == "__main__":
    main()
