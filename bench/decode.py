#!/usr/bin/env python3
"""Decode and prompt speed of `lowp generate` beside transformers and, where its programs are given, llama.cpp,
interleaved, as JSON.

    bench/decode.py --lowp build/release/lowp --model DIR [--threads 2] [--rounds 5]
                    [--llama-bench PROGRAM --llama-version TEXT --gguf Q8_0=FILE --gguf Q4_0=FILE]

Every round runs each contestant once; the best round counts, since other work on the machine only ever
slows one down.
"""

import argparse
import collections
import datetime
import json
import os
import pathlib
import subprocess
import tempfile
import time

from common import commit, cpu_model

PROMPT_TOKENS, NEW_TOKENS = 512, 128
SCHEMES = {"W8A16": [], "W8A8": [], "W4A16": ["--group-size", 64], "W4A8": ["--group-size", 64]}
# With an int8 head, as GGUF files have one of 6 or 8 bits; made in memory, for the embedding that it is stays bf16.
INT8_HEAD = {"W8A16": "W8A16", "W4A16": "W4A16:64"}


def run(command):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True).stdout


def quantize(arguments, folder):
    """The directory of each scheme, bf16's included."""
    models = {"bf16": pathlib.Path(arguments.model)}
    for scheme, options in SCHEMES.items():
        models[scheme] = pathlib.Path(folder) / scheme
        run([arguments.lowp, "quantize", arguments.model, "-o", models[scheme], "--scheme", scheme, *options])
    return models


def weight_bytes(model):
    """What one token reads: all of a model whose embedding is also its last layer."""
    return sum(file.stat().st_size for file in model.glob("*.safetensors"))


def read_bandwidth(arguments):
    row = json.loads(run([arguments.lowp, "bench", "--operation", "bf16", "--shape", "64x64", "--group-size", 32,
                          "--rows", 1, "--threads", arguments.threads, "--seconds", 0.1, "--json"]))
    return row["limits"]["read_gb_per_second"]


def int8_head_saves(model):
    """Bytes a token: one a weight, less the bf16 scale of a row."""
    config = json.loads((model / "config.json").read_text())
    return config["vocab_size"] * (config["hidden_size"] - 2)


def run_lowp(arguments, prompt, model, options=()):
    row = json.loads(run([arguments.lowp, "generate", model, "--prompt-file", prompt, "--max-tokens", NEW_TOKENS,
                          "--ignore-eos", "--threads", arguments.threads, "--json", *options]))
    return row["prompt_tokens_per_second"], row["decode_tokens_per_second"]


def run_llama(arguments, gguf):
    """Prompt and decode tokens/s of llama-bench, which has no prompt text: tokens are random."""
    output = run([arguments.llama_bench, "-m", gguf, "-p", PROMPT_TOKENS, "-n", NEW_TOKENS, "-t", arguments.threads,
                  "-r", 1, "-o", "json"])
    speed = {row["n_gen"] > 0: row["avg_ts"] for row in json.loads(output)}
    return speed[False], speed[True]


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
    parser.add_argument("--llama-bench", help="llama.cpp's program")
    parser.add_argument("--llama-version", default="unknown")
    parser.add_argument("--gguf", action="append", default=[], metavar="NAME=FILE", help="the same model for llama.cpp")
    parser.add_argument("--out", type=pathlib.Path, help="default: bench/results/decode-DATE.json")
    arguments = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    peer = Transformers(arguments)
    tokenizer = peer.transformers.AutoTokenizer.from_pretrained(arguments.model)
    words = "Hackers write programs, and programs write programs. "
    ids = tokenizer(words * 200)["input_ids"][:PROMPT_TOKENS]

    ggufs = dict(entry.split("=", 1) for entry in arguments.gguf)
    speeds = collections.defaultdict(list)
    bandwidth = []
    with tempfile.TemporaryDirectory() as folder:
        models = quantize(arguments, folder)
        prompt = pathlib.Path(folder) / "prompt.txt"
        prompt.write_text(tokenizer.decode(ids))
        for _ in range(arguments.rounds):
            bandwidth.append(read_bandwidth(arguments))
            for name, model in models.items():
                speeds[name].append(run_lowp(arguments, prompt, model))
            for name, scheme in INT8_HEAD.items():
                options = ["--quantize", scheme, "--tensor-scheme", "lm_head=W8A16"]
                speeds[f"{name}, int8 lm_head"].append(run_lowp(arguments, prompt, models["bf16"], options))
            speeds["transformers bf16"].append(peer.run(ids, NEW_TOKENS))
            for name, gguf in ggufs.items():
                speeds[f"llama.cpp {name}"].append(run_llama(arguments, gguf))
        size = {name: weight_bytes(model) for name, model in models.items()}
        size |= {f"{name}, int8 lm_head": size[name] - int8_head_saves(models["bf16"]) for name in INT8_HEAD}

    rows = {name: {"prompt_tokens_per_second": max(prompt for prompt, _ in rounds),
                   "decode_tokens_per_second": max(decode for _, decode in rounds),
                   "rounds": rounds} for name, rounds in speeds.items()}
    for name, read in size.items():
        bound = max(bandwidth) * 1e9 / read
        rows[name] |= {"weight_bytes": read, "of_read_bound": rows[name]["decode_tokens_per_second"] / bound}
    result = {
        "benchmark": "decode",
        "device": cpu_model(),
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
        "threads": arguments.threads,
        "model": str(arguments.model),
        "prompt_tokens": PROMPT_TOKENS,
        "new_tokens": NEW_TOKENS,
        "read_gb_per_second": max(bandwidth),
        "peers": {"transformers": peer.transformers.__version__, "torch": peer.torch.__version__,
                  **({"llama.cpp": arguments.llama_version} if ggufs else {})},
        "results": rows,
    }
    out = arguments.out or pathlib.Path(__file__).parent / "results" / f"decode-{result['date']}.json"
    out.write_text(json.dumps(result, indent=2) + "\n")
    for name, row in rows.items():
        print(f"{name:18} prompt {row['prompt_tokens_per_second']:7.0f} tokens/s   "
              f"decode {row['decode_tokens_per_second']:6.1f} tokens/s")


if __name__ == "__main__":
    main()
