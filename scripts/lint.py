#!/usr/bin/env python3
"""The lint: clang-format, clang-tidy, and rules of this project. Unchanged files are not checked again.

  lint.py --format          rewrite the sources in the project's format
  lint.py                   check format and lengths
  lint.py --build DIR       clang-tidy too; DIR holds compile_commands.json
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 800
MEDIAN_LINES = 200
CLANG_TIDY = ROOT / ".venv/bin/clang-tidy"
# GCC's warnings have other names, and its std::stable_sort calls what C++17 deprecates.
TIDY_FLAGS = ["-Wno-unknown-warning-option", "-Wno-deprecated-declarations"]
# Units with libtorch's, CLI11's or the JSON library's headers, which cost half a minute each.
SLOW_FOLDERS = ["nn", "quantize", "moe", "models", "cli"]
SOURCE = re.compile(r"\.(h|cpp|cu|cuh)$")


def tracked_files():
    """Files that git tracks or would track."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listing.splitlines() if (ROOT / line).is_file()]


def check_format(files, rewrite):
    mode = ["-i"] if rewrite else ["--dry-run", "--Werror"]
    return subprocess.run(["clang-format-14", *mode, *map(str, files)], cwd=ROOT).returncode == 0


def check_lengths(files):
    counts = sorted(len(path.read_text(errors="replace").splitlines()) for path in files)
    ok = True
    for path in files:
        lines = len(path.read_text(errors="replace").splitlines())
        if lines > MAX_LINES:
            print(f"{path.relative_to(ROOT)}: {lines} lines, at most {MAX_LINES}")
            ok = False
    if counts and counts[len(counts) // 2] > MEDIAN_LINES:
        print(f"median source file has {counts[len(counts) // 2]} lines, at most {MEDIAN_LINES}")
        ok = False
    return ok


def project_includes(path, seen):
    """The project's own headers that `path` includes, directly or not."""
    if path in seen or not path.is_file():
        return
    seen.add(path)
    for name in re.findall(r'#include [<"]([^>"]+)[>"]', path.read_text(errors="replace")):
        for base in (ROOT / "src", ROOT / "include", ROOT / "tests", path.parent):
            project_includes((base / name).resolve(), seen)


def tidy_key(path, command):
    """Changes with the file, its project headers, the checks and the compiler flags."""
    seen = set()
    project_includes(path, seen)
    digest = hashlib.sha256(command.encode())
    for file in [*sorted(seen), ROOT / ".clang-tidy", ROOT / "scripts/requirements.txt"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def write_tidy_database(commands, folder):
    """compile_commands.json without GCC's precompiled header, which clang cannot read."""
    for entry in commands:
        entry["command"] = re.sub(r"-Winvalid-pch -include \S+", "", entry["command"])
    (folder / "compile_commands.json").write_text(json.dumps(commands))


def run_tidy(path, database):
    command = [str(CLANG_TIDY), "-p", str(database), "--quiet", *(f"--extra-arg={flag}" for flag in TIDY_FLAGS)]
    result = subprocess.run([*command, str(path)], capture_output=True, text=True)
    return result.returncode, result.stdout


def check_tidy(build, everything):
    commands = json.loads((build / "compile_commands.json").read_text())
    cache = build / "lint"
    cache.mkdir(exist_ok=True)
    write_tidy_database(commands, cache)
    todo = {}
    for entry in commands:
        path = pathlib.Path(entry["file"])
        # Tests and benchmarks are formatted but not tidied: GoogleTest's headers cost 20 s a file.
        if path.suffix != ".cpp" or not path.is_relative_to(ROOT / "src"):
            continue
        if not everything and any(path.is_relative_to(ROOT / "src" / d) for d in SLOW_FOLDERS):
            continue
        key = cache / tidy_key(path, entry.get("command", ""))
        if not key.exists():
            todo.setdefault(path, []).append(key)  # a file of two libraries is checked as both
    ok = True
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        jobs = {pool.submit(run_tidy, path, cache): path for path in todo}
        for job in concurrent.futures.as_completed(jobs):
            code, output = job.result()
            if code == 0:
                for key in todo[jobs[job]]:
                    key.touch()
            else:
                ok = False
                print(output)
    print(f"clang-tidy: {len(todo)} files checked")
    return ok


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", action="store_true")
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="clang-tidy on the units with slow headers too")
    arguments = parser.parse_args()
    files = [path for path in tracked_files() if SOURCE.search(path.name)]
    ok = check_format(files, rewrite=arguments.format)
    ok = check_lengths(files) and ok
    if arguments.build:
        ok = check_tidy(arguments.build.resolve(), arguments.all) and ok
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
