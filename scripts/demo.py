#!/usr/bin/env python3
"""The demo: a real language model imported, quantized, evaluated and heard, all by the command `lowp`.

Imports a GGUF, writes a checkpoint for each scheme that has one on disk, evaluates each against bf16
on a real text, generates a paragraph with each, and writes DIR/report.html, DIR/demo.json and a table.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import common  # noqa: E402

# name in the table: options of `lowp quantize`; checkpoints in the compressed-tensors layout
CHECKPOINTS = {
    "W8A16": ["--scheme", "W8A16"],
    "W8A8": ["--scheme", "W8A8"],
    "W4A16_ASYM g32": ["--scheme", "W4A16_ASYM", "--group-size", "32"],
    "FP8_DYNAMIC": ["--scheme", "FP8_DYNAMIC"],
    "MXFP8": ["--scheme", "MXFP8"],
    "NVFP4": ["--scheme", "NVFP4"],
}
# name in the table: scheme that is quantized in memory, for want of a checkpoint layout
IN_MEMORY = {"W4A16_FLOAT_ZERO g32": "W4A16_FLOAT_ZERO:32"}
TOKENS, CONTEXT = 20480, 512
PROMPT = "A hacker is"


class Demo:
    def __init__(self, arguments):
        self.lowp = pathlib.Path(arguments.lowp).resolve()
        self.out = pathlib.Path(arguments.out)
        self.model = arguments.model
        self.text = arguments.text
        self.tokens = arguments.tokens

    def run(self, *arguments, capture=False):
        """Runs lowp; its progress goes to the terminal, its output comes back if `capture`."""
        print("$ lowp", *arguments, flush=True)
        command = [str(self.lowp), *map(str, arguments)]
        result = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE if capture else None)
        return result.stdout

    def make_checkpoints(self):
        """Returns {name: directory}, bf16 first."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir(parents=True)
        directories = {"bf16": self.out / "bf16"}
        self.run("import", self.model, "-o", directories["bf16"])
        for name, options in CHECKPOINTS.items():
            directories[name] = self.out / name.replace(" ", "-")
            self.run("quantize", directories["bf16"], "-o", directories[name], *options,
                     "--report", self.report_directory(name))
        return directories

    def report_directory(self, name):
        return self.out / "reports" / name.replace(" ", "-")

    def evaluate(self, directories):
        """Every model against bf16, window by window in one process. Returns the rows."""
        quantize = [word for scheme in IN_MEMORY.values() for word in ("--quantize", scheme)]
        output = self.run("eval", *directories.values(), *quantize, "--against", directories["bf16"],
                          "--text", self.text, "--tokens", self.tokens, "--context", CONTEXT, "--json",
                          capture=True)
        rows = json.loads(output)["models"]
        for name, row in zip([*directories, *IN_MEMORY], rows, strict=True):
            row["name"] = name
        return rows

    def generate(self, directories, rows):
        """Adds a paragraph and the decode speed to each row."""
        for row in rows:
            name = row["name"]
            options = ["--quantize", IN_MEMORY[name]] if name in IN_MEMORY else []
            output = self.run("generate", directories.get(name, directories["bf16"]), *options, "--prompt", PROMPT,
                              "--max-tokens", 96, "--temperature", 0, "--json", capture=True)
            generated = json.loads(output)
            row["text"] = generated["text"]
            row["decode_tokens_per_second"] = generated["decode_tokens_per_second"]
            row["prompt_tokens_per_second"] = generated["prompt_tokens_per_second"]
            print(f"  {PROMPT}{row['text'].rstrip()[:300]}\n")




def table(rows):
    base = rows[0]["perplexity"]
    lines = ["| scheme | size MB | bits/weight | perplexity | vs bf16 | KL mean | top-1 | decode tokens/s |",
             "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['size_bytes'] / 1e6:.1f} | {row['bits_per_weight']:.2f} "
            f"| {row['perplexity']:.2f} ± {row['perplexity_error']:.2f} | {row['perplexity'] / base - 1:+.1%} "
            f"| {row['kl_mean']:.4f} | {row['top1']:.1%} | {row['decode_tokens_per_second']:.0f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lowp", required=True, help="the command")
    parser.add_argument("--model", required=True, help="a GGUF")
    parser.add_argument("--text", required=True)
    parser.add_argument("--out", required=True, help="directory, made anew")
    parser.add_argument("--tokens", type=int, default=TOKENS)
    demo = Demo(parser.parse_args())
    start = time.time()
    directories = demo.make_checkpoints()
    rows = demo.evaluate(directories)
    demo.generate(directories, rows)
    result = {
        "device": common.cpu_model(),
        "date": time.strftime("%Y-%m-%d"),
        "version": demo.run("--version", capture=True).strip(),
        "threads": rows[0].get("threads"),
        "model": "SmolLM2-135M-Instruct, imported from Q4_1 GGUF",
        "text": f"jargon-text, first {demo.tokens} tokens, context {CONTEXT}",
        "models": rows,
    }
    path = demo.out / "demo.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    reports = [demo.report_directory(name) for name in CHECKPOINTS]
    demo.run("report", *reports, path, "-o", demo.out / "report.html")
    print(f"\n{table(rows)}\n\n{demo.out}/report.html, {time.time() - start:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
