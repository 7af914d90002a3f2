"""What every benchmark script says of where it ran: device, commit, versions of the peers."""

import json
import os
import pathlib
import platform
import subprocess
import time
from importlib import metadata

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit():
    """The commit, with -dirty if what runs differs from it: anything but results and Markdown. LOWP_COMMIT
    says it where there is no repository."""
    if given := os.environ.get("LOWP_COMMIT"):
        return given

    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True).stdout.strip()

    changes = git("status", "--porcelain", "--untracked-files=no", ":!bench/results", ":!*.md")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("-dirty" if changes else "")


def environment(peers=()):
    """`peers`: names of Python packages that were measured too."""
    return {
        "device": f"{cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "peers": {name: metadata.version(name) for name in peers},
    }


def write_result(name, result):
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"wrote {path.relative_to(ROOT)}")
