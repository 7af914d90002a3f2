#!/usr/bin/env python3
"""Decode and prompt speed of `lowp generate` beside transformers, interleaved, as JSON.

    bench/decode.py --lowp build/release/lowp --model DIR [--threads 2] [--rounds 5]

Every round runs each contestant once; the best round counts, since other work on the machine only ever
slows one down.
"""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import tempfile
import time

from common import commit, cpu_model

PROMPT_TOKENS, NEW_TOKENS = 512, 128
SCHEMES = {"bf16": None, "W8A16": "W8A16", "W4A16": "W4A16:64"}


def run_lowp(arguments, prompt, scheme, new_tokens):
    command = [arguments.lowp, "generate", arguments.model, "--prompt-file", prompt, "--max-tokens", new_tokens,
               "--ignore-eos", "--threads", arguments.threads, "--json"]
    if scheme:
        command += ["--quantize", scheme]
    output = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout
    row = json.loads(output)
    return row["prompt_tokens_per_second"], row["decode_tokens_per_second"]


class Transformers:
    def __init__(self, arguments):
        import torch
        import transformers

        torch.set_num_threads(arguments.threads)
        self.torch, self.transformers = torch, transformers
        self.model = transformers.AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.bfloat16).eval()

    def run(self, ids, new_tokens):
        """Greedy, with the model's own cache; the first token counts as prompt."""
        with self.torch.inference_mode():
            start = time.perf_counter()
            out = self.model(self.torch.tensor([ids]), use_cache=True, logits_to_keep=1)
            token = out.logits[0, -1:].argmax(-1, keepdim=True)
            first = time.perf_counter()
            for _ in range(new_tokens - 1):
                out = self.model(token, past_key_values=out.past_key_values, use_cache=True)
                token = out.logits[0, -1:].argmax(-1, keepdim=True)
            end = time.perf_counter()
        return len(ids) / (first - start), (new_tokens - 1) / (end - first)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lowp", default="build/release/lowp")
    parser.add_argument("--model", required=True, help="a Hugging Face directory")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=pathlib.Path, help="default: bench/results/decode-DATE.json")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    peer = Transformers(arguments)
    tokenizer = peer.transformers.AutoTokenizer.from_pretrained(arguments.model)
    words = "Hackers write programs, and programs write programs. "
    ids = tokenizer(words * 200)["input_ids"][:PROMPT_TOKENS]

    speeds = {name: [] for name in [*SCHEMES, "transformers bf16"]}
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as prompt:
        prompt.write(tokenizer.decode(ids))
        prompt.flush()
        for _ in range(arguments.rounds):
            for name, scheme in SCHEMES.items():
                speeds[name].append(run_lowp(arguments, prompt.name, scheme, NEW_TOKENS))
            speeds["transformers bf16"].append(peer.run(ids, NEW_TOKENS))

    rows = {name: {"prompt_tokens_per_second": max(prompt for prompt, _ in rounds),
                   "decode_tokens_per_second": max(decode for _, decode in rounds),
                   "rounds": rounds} for name, rounds in speeds.items()}
    result = {
        "benchmark": "decode",
        "device": cpu_model(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "threads": arguments.threads,
        "model": str(arguments.model),
        "prompt_tokens": PROMPT_TOKENS,
        "new_tokens": NEW_TOKENS,
        "peers": {"transformers": peer.transformers.__version__, "torch": peer.torch.__version__},
        "results": rows,
    }
    out = arguments.out or pathlib.Path(__file__).parent / "results" / f"decode-{result['date']}.json"
    out.write_text(json.dumps(result, indent=2) + "\n")
    for name, row in rows.items():
        print(f"{name:18} prompt {row['prompt_tokens_per_second']:7.0f} tokens/s   "
              f"decode {row['decode_tokens_per_second']:6.1f} tokens/s")


if __name__ == "__main__":
    main()
