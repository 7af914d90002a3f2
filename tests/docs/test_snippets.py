"""Every snippet of README.md and docs/ compiles or runs: C++ is built against the tree, Python and
shell run in a directory that holds the demo's model under the names the documents use."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "release"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def snippets(language):
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if not path.exists():
            continue
        text = path.read_text()
        for match in FENCE.finditer(text):
            if match[1] == language:
                line = text[: match.start()].count("\n") + 1
                yield pytest.param(match[2], id=f"{path.name}:{line}")


def test_only_languages_that_are_checked():
    known = {"cpp", "python", "sh", "text", "cmake"}
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        if path.exists():
            assert {match[1] for match in FENCE.finditer(path.read_text())} <= known, path


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """A directory with the model as the documents name it."""
    gguf = ROOT / "models" / "smollm2-135m-instruct.gguf"
    if not gguf.exists():
        pytest.skip("the demo's model is not there: scripts/setup.sh model")
    directory = tmp_path_factory.mktemp("snippets")
    (directory / "model.gguf").symlink_to(gguf)
    text = (ROOT / "models" / "jargon.txt").read_text(encoding="utf-8", errors="replace")
    (directory / "text.txt").write_text(text[:20000])
    subprocess.run([BUILD / "lowp", "import", "model.gguf", "-o", "SmolLM2-bf16"], cwd=directory, check=True)
    return directory


def environment():
    return {
        **os.environ,
        "PATH": f"{BUILD}:{ROOT / '.venv/bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "python"),
        "LD_LIBRARY_PATH": f"{BUILD / 'src'}:{BUILD / 'src/ops'}",
    }


@pytest.mark.parametrize("code", list(snippets("cpp")))
def test_cpp(code, workspace, tmp_path):
    source = tmp_path / "snippet.cpp"
    source.write_text(code if "int main" in code else code + "\nint main() {}\n")
    [torch] = (ROOT / ".venv/lib").glob("python3*/site-packages/torch")
    program = tmp_path / "snippet"
    subprocess.run(
        ["g++", "-std=c++20", source, "-o", program, f"-I{ROOT / 'include'}",
         f"-isystem{torch / 'include'}", f"-isystem{torch / 'include/torch/csrc/api/include'}",
         "-Wall", "-Wextra", "-Werror", "-pedantic", f"-L{BUILD / 'src'}", f"-L{BUILD / 'src/ops'}",
         f"-L{torch / 'lib'}", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined", "-llowp", "-llowp_ops", "-ltorch_cpu",
         "-lc10", f"-Wl,-rpath,{torch / 'lib'}"],
        check=True)
    subprocess.run([program], cwd=workspace, env=environment(), check=True)


@pytest.mark.parametrize("code", list(snippets("python")))
def test_python(code, workspace):
    python = ROOT / ".venv/bin/python"
    subprocess.run([python, "-c", code], cwd=workspace, env=environment(), check=True)


# `make` targets and package managers are not run from a test: a dry run shows that they exist.
@pytest.mark.parametrize("code", list(snippets("sh")))
def test_shell(code, workspace):
    code = re.sub(r"^make ", f"make -C {ROOT} -n ", code, flags=re.M)
    code = re.sub(r"^lowp import ", "lowp import --force ", code, flags=re.M)  # the fixture made it already
    code = re.sub(r"^(git clone|cd|sudo|apt-get) .*$", "true", code, flags=re.M)
    subprocess.run(["bash", "-euo", "pipefail", "-c", code], cwd=workspace, env=environment(), check=True)


@pytest.mark.parametrize("script", ["readme_tables.py", "plots.py"])
def test_tables_and_plots_are_what_the_results_say(script):
    subprocess.run([ROOT / ".venv/bin/python", ROOT / "scripts" / script, "--check"], check=True)
