#!/usr/bin/env python3
"""A language model on the GPU beside the CPU: perplexity of every scheme on both, decode speed on the GPU.

    bench/model_on_gpu.py --lowp build/release/lowp --model out/demo/bf16 --text models/jargon.txt
"""

import argparse
import datetime
import json
import pathlib
import subprocess

import torch
from common import cpu_model
from gpu_common import commit

# All that `--quantize` takes; groups that divide SmolLM2's 576 columns
SCHEMES = ["W8A8", "W8A16", "W4A16:64", "W4A16_ASYM:32", "W4A16_FLOAT_ZERO:32", "FP8", "FP8_DYNAMIC", "FP8_BLOCK",
           "FP8_WEIGHT_ONLY", "MXFP8", "MXFP8A16", "MXFP4", "NVFP4"]
NEW_TOKENS = 256


def run(arguments, *words):
    command = [arguments.lowp, *map(str, words), "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def evaluate(arguments, device):
    """{scheme: row of `lowp eval`}, all against bf16 on the same device."""
    quantize = [word for scheme in SCHEMES for word in ("--quantize", scheme)]
    rows = run(arguments, "eval", arguments.model, *quantize, "--against", arguments.model, "--text", arguments.text,
               "--tokens", arguments.tokens, "--context", 512, "--device", device)["models"]
    return dict(zip(["bf16", *SCHEMES], rows, strict=True))


def decode(arguments, scheme, *more):
    """Tokens a second of the best of three runs."""
    quantize = [] if scheme == "bf16" else ["--quantize", scheme]
    rows = [run(arguments, "generate", arguments.model, *quantize, "--prompt", "A hacker is", "--ignore-eos",
                "--max-tokens", NEW_TOKENS, "--device", "cuda", *more) for _ in range(3)]
    return max(row["decode_tokens_per_second"] for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lowp", default="build/release/lowp")
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--text", required=True)
    parser.add_argument("--tokens", type=int, default=20480)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    arguments = parser.parse_args()

    on_gpu, on_cpu = evaluate(arguments, "cuda"), evaluate(arguments, "cpu")
    results = []
    for scheme, row in on_gpu.items():
        cpu = on_cpu[scheme]
        results.append({
            "scheme": scheme,
            "perplexity": row["perplexity"],
            "perplexity_error": row["perplexity_error"],
            "cpu_perplexity": cpu["perplexity"],
            "relative_to_cpu": row["perplexity"] / cpu["perplexity"] - 1,
            "tokens_per_second": row["tokens_per_second"],
            "cpu_tokens_per_second": cpu["tokens_per_second"],
            "decode_tokens_per_second": decode(arguments, scheme),
        })
        print(results[-1], flush=True)
    arguments.out.write_text(json.dumps({
        "benchmark": "gpu_model",
        "script": "bench/model_on_gpu.py",
        "device": torch.cuda.get_device_name(),
        "cpu": cpu_model(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "torch": torch.__version__,
        "model": "SmolLM2-135M-Instruct",
        "text_tokens": arguments.tokens,
        "launches_decode_tokens_per_second": decode(arguments, "bf16", "--no-cuda-graph"),
        "results": results,
    }, indent=2) + "\n")


if __name__ == "__main__":
    main()
