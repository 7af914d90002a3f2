"""What both tests of the perplexity share: a model, a text, and the command's results."""

import json
import os
import pathlib

import pytest

import fake_quantization as fake

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GGUF = pathlib.Path(os.environ.get("LOWP_DEMO_GGUF", ROOT / "models/smollm2-135m-instruct.gguf"))
TEXT = ROOT / "models/jargon.txt"
EXHAUSTIVE = bool(os.environ.get("LOWP_EXHAUSTIVE"))

needs_model = pytest.mark.skipif(not GGUF.exists(), reason="scripts/setup.sh model fetches the model")


def tokens(count):
    """The published figures are over 20480 tokens; fewer keep the tests short, and both sides score the same ones."""
    return 20480 if EXHAUSTIVE else count


@pytest.fixture(scope="module")
def imported(tmp_path_factory, run_lowp):
    directory = tmp_path_factory.mktemp("perplexity") / "bf16"
    run_lowp("import", GGUF, "-o", directory)
    return directory


@pytest.fixture(scope="module")
def ids(imported):
    from transformers import AutoTokenizer

    text = TEXT.read_text(encoding="utf-8", errors="replace")[: tokens(6144) * 8]
    return AutoTokenizer.from_pretrained(imported)(text)["input_ids"]


def evaluate(run_lowp, directory, count, schemes=()):
    """Perplexities of the first `count` tokens by lowp, from one process: of bf16, then of each
    scheme; of one scheme, that alone."""
    quantize = [word for scheme in schemes for word in ("--quantize", scheme)]
    evaluated = run_lowp("eval", directory, *quantize, "--text", TEXT, "--tokens", count, "--context", fake.CONTEXT,
                         "--json", timeout=1800)
    result = json.loads(evaluated.stdout)
    return [row["perplexity"] for row in result.get("models", [result])]


def check_scheme(scheme, ours, directory, ids, *rounding):
    model = fake.load(directory)
    fake.replace_linears(model, *rounding)
    theirs = fake.perplexity(model, ids)
    print(f"{scheme}: {ours:.3f}, fake quantization {theirs:.3f}")
    assert ours == pytest.approx(theirs, rel=0.01)
