"""Perplexity of bf16 and of each scheme of rounded weights against transformers and against the same arithmetic done
independently (fake_quantization.py)."""

import pytest

import fake_quantization as fake
from perplexity_cases import check_scheme, evaluate, ids, imported, needs_model, tokens  # noqa: F401

pytestmark = needs_model
TOKENS = tokens(1024)
# Another order of the same sums in bf16 moves the perplexity of 1024 tokens by half a percent.
TOKENS_OF_BF16 = tokens(2048)


@pytest.fixture(scope="module")
def ours(imported, run_lowp):
    return dict(zip(["bf16", *fake.WEIGHTS], evaluate(run_lowp, imported, TOKENS, fake.WEIGHTS), strict=True))


def test_bf16_is_within_half_a_percent_of_transformers(imported, ids, run_lowp):
    [mine] = evaluate(run_lowp, imported, TOKENS_OF_BF16)
    theirs = fake.perplexity(fake.load(imported), ids[:TOKENS_OF_BF16])
    print(f"bf16: {mine:.3f}, transformers {theirs:.3f}")
    assert mine == pytest.approx(theirs, rel=0.005)


@pytest.mark.parametrize("scheme", fake.WEIGHTS)
def test_scheme_is_within_one_percent_of_fake_quantization(scheme, imported, ids, ours):
    check_scheme(scheme, ours[scheme], imported, ids[:TOKENS], fake.WEIGHTS[scheme])
