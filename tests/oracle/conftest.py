"""Fixtures of the oracle tests: the built command, and how to run it."""

import os
import pathlib
import subprocess
import sys

import pytest

# Nothing here may ask a network for a model.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))  # the package under test


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: runs over all 2^32 inputs if LOWP_EXHAUSTIVE=1")


@pytest.fixture(scope="session")
def lowp_command():
    """Path of the command: LOWP_COMMAND, else the release build's, else the torch-free build's."""
    if given := os.environ.get("LOWP_COMMAND"):
        path = (ROOT / given).resolve()
        assert path.is_file(), f"LOWP_COMMAND={given} is not a file"
        return path
    for preset in ("release", "core"):
        path = ROOT / "build" / preset / "lowp"
        if path.is_file():
            return path
    pytest.skip("no built command: run make build")


@pytest.fixture(scope="session")
def run_lowp(lowp_command):
    """run_lowp(*arguments, check=True, env=None) -> CompletedProcess with text stdout and stderr.

    With check, a non-zero exit code fails the test and shows stderr; env is added to the environment.
    """

    def run(*arguments, check=True, env=None, timeout=300):
        result = subprocess.run(
            [str(lowp_command), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
        )
        if check:
            assert result.returncode == 0, f"exit code {result.returncode}\n{result.stderr}"
        return result

    return run


@pytest.fixture(scope="session")
def demo_gguf():
    """SmolLM2-135M-Instruct as Q4_1: LOWP_DEMO_GGUF, else where `make test` puts it."""
    path = pathlib.Path(
        os.environ.get("LOWP_DEMO_GGUF", ROOT / "models" / "smollm2-135m-instruct.gguf")
    )
    if not path.is_file():
        pytest.skip(f"{path} is not there: run make test, or set LOWP_DEMO_GGUF")
    return path
