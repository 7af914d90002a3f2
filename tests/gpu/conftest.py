"""Writes the outcome of the GPU tests as JSON where LOWP_TEST_RESULT says."""

import json
import os
import pathlib
import subprocess
import time


def pytest_terminal_summary(terminalreporter):
    path = os.environ.get("LOWP_TEST_RESULT")
    if not path:
        return
    import torch

    counts = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "skipped", "error")}
    commit = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
    result = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "date": time.strftime("%Y-%m-%d"),
              "commit": commit or os.environ.get("LOWP_COMMIT", "unknown"), **counts}
    pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")
