#!/usr/bin/env python3
"""Runs tests/gpu, a process a file, several at a time, and writes their counts by file as JSON.

  gpu_tests.py                     all of them; bench/results/gpu_tests.json
  gpu_tests.py --sanitize TOOL     each 16th test under compute-sanitizer's memcheck, racecheck, ...,
                                   lowp's kernels alone; bench/results/gpu_TOOL.json

A file that takes longer than --limit seconds is stopped, and fails by the name of the test that ran.
"""

import argparse
import concurrent.futures
import datetime
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SANITIZED_EVERY = 16
# Racecheck does not see the order in these files' kernels, linear_tiles and multiply_blocks: a lane
# arrives at a barrier for its warp after __syncwarp. Among what it reports of them was a true race;
# tests there launch a kernel a thousand times instead and compare bits.
NOT_RACECHECKED = {
    "test_linear_mxfp8",
    "test_linear_tiles",
    "test_linear_weight_only",
    "test_model",
    "test_module",
    "test_scaled_mm_blocks",
}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default=ROOT / "bench/results", type=pathlib.Path, help="folder of the JSON")
    parser.add_argument("--jobs", default=6, type=int, help="files at a time")
    parser.add_argument("--limit", default=600, type=int, help="seconds for a file")
    parser.add_argument("--every", type=int, help="each N-th test alone")
    parser.add_argument("--sanitize", metavar="TOOL", help="run under this tool of compute-sanitizer")
    parser.add_argument("files", nargs="*", type=pathlib.Path, help="default: all of tests/gpu")
    return parser.parse_args()


def sanitizer(tool, log):
    """What a command is put behind; errors go to `log`."""
    return ["compute-sanitizer", "--tool", tool, "--kernel-name", "kns=lowp", "--log-file", str(log)]


def sanitizer_errors(log):
    """Errors and their text; a log without a summary is an error."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    found = re.search(r"ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: (\d+) hazard", text)
    return (int(found[1] or found[2]) if found else 1), text


def run_file(path, arguments, folder):
    """Counts of one file, `failure` if it did not end well."""
    result = folder / f"{path.stem}.json"
    log = folder / f"{path.stem}.log"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", str(path)]
    every = arguments.every or (SANITIZED_EVERY if arguments.sanitize else 1)
    command += ["--every", str(every)]
    if arguments.sanitize:
        command = sanitizer(arguments.sanitize, log) + command
    threads = max((os.cpu_count() or 1) // arguments.jobs, 1)
    environment = {**os.environ, "LOWP_TEST_RESULT": str(result), "OMP_NUM_THREADS": str(threads)}
    output, code, timed_out = "", None, False
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=arguments.limit)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the sanitizer's child too
            output, _ = process.communicate()
            timed_out = True
    counts = json.loads(result.read_text()) if result.is_file() else {"passed": 0, "failed": 0, "skipped": 0}
    running = counts.pop("running", None)
    if timed_out:
        counts["failure"] = f"stopped after {arguments.limit} s in {running or 'the start'}"
    elif code not in (0, 5):  # 5: no test was taken
        counts["failure"] = f"exit code {code}" + (f" in {running}" if running else "")
    if arguments.sanitize:
        counts["errors"], text = sanitizer_errors(log)
        output = output[-2000:] + (text[-2000:] if counts["errors"] else "")
    if counts.get("failure") or counts.get("errors"):
        print(f"{path.name}: {output[-4000:]}", flush=True)
    return counts


def provenance():
    import torch

    commit = os.environ.get("LOWP_COMMIT")
    if not commit:
        found = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        commit = found.stdout.strip() or None
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
        "commit": commit,
    }


def main():
    arguments = parse_arguments()
    files = [path.resolve() for path in arguments.files] or sorted((ROOT / "tests/gpu").glob("test_*.py"))
    if arguments.sanitize == "racecheck":
        files = [path for path in files if path.stem not in NOT_RACECHECKED]
    # Those with the most tests first.
    files.sort(key=lambda path: -path.stat().st_size)
    counts = {}
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = {pool.submit(run_file, path, arguments, pathlib.Path(folder)): path for path in files}
        for run in concurrent.futures.as_completed(runs):
            counts[runs[run].stem] = run.result()
            print(f"{runs[run].stem}: {run.result()}", flush=True)
    totals = {}
    for of_file in counts.values():
        for name, value in of_file.items():
            if isinstance(value, int):
                totals[name] = totals.get(name, 0) + value
    outcome = {**provenance(), **totals, "files": dict(sorted(counts.items()))}
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = f"gpu_{arguments.sanitize}" if arguments.sanitize else "gpu_tests"
    (arguments.out / f"{name}.json").write_text(json.dumps(outcome, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(totals))
    bad = [of_file for of_file in counts.values() if of_file.get("failure") or of_file.get("errors")]
    return 1 if bad or totals.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
