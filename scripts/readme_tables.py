#!/usr/bin/env python3
"""Writes the tables of README.md from bench/results/*.json: `<!-- table NAME -->` to `<!-- end -->`.

  readme_tables.py           rewrite README.md
  readme_tables.py --check   fail if README.md is not what the results say
"""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import demo

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def demo_table():
    result = json.loads((RESULTS / "demo.json").read_text())
    caption = f"{result['model']}; {result['text']}. {result['device']}, {result['threads']} threads, {result['date']}."
    return f"{demo.table(result['models'])}\n\n{caption}"


def decode_table():
    result = json.loads((RESULTS / "decode.json").read_text())
    rows = result["results"]
    base = rows["bf16"]["decode_tokens_per_second"]
    lines = ["| | prompt tokens/s | decode tokens/s | decode vs lowp bf16 |", "|---|---|---|---|"]
    for name, row in rows.items():
        decode = row["decode_tokens_per_second"]
        lines.append(f"| {name} | {row['prompt_tokens_per_second']:.0f} | {decode:.1f} | {decode / base:.2f}x |")
    peers = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
    caption = (f"`bench/decode.py`: prompt of {result['prompt_tokens']} tokens, {result['new_tokens']} decoded, best of {len(rows['bf16']['rounds'])} rounds, "
               f"{result['threads']} threads, {result['device']}, {result['date']}, commit {result['commit']}; {peers}.")
    return "\n".join(lines) + f"\n\n{caption}"


def gpu_table():
    result = json.loads((RESULTS / "gpu_quantize_fp8.json").read_text())
    lines = ["| bf16 on the GPU to | bytes an element | TB/s | of copy bandwidth | vs compiled torch |", "|---|---|---|---|---|"]
    for row in result["results"]:
        elements = row["rows"] * row["cols"]
        if elements < 1 << 26:  # short kernels are bound by their launch, not by memory
            continue
        speedup = row.get("speedup_over_torch_compiled")
        lines.append(f"| {row.get('case', 'rows')}, {row['rows']}x{row['cols']} | {row['bytes'] / elements:.3g} "
                     f"| {row['terabytes_per_second']['lowp']:.2f} | {row['of_copy']:.0%} "
                     f"| {f'{speedup:.2f}x' if speedup else ''} |")
    caption = f"`bench/gpu_quantize_fp8.py`: {result['device']}, torch {result['torch']}, {result['date']}, commit {result['commit']}."
    return "\n".join(lines) + f"\n\n{caption}"


def quantize_table():
    result = json.loads((RESULTS / "quantize_command.json").read_text())
    rows = {(row["program"], row["cache"]): row for row in result["rows"]}
    programs = list(dict.fromkeys(program for program, _ in rows))
    size = result["source_bytes"] / 1e9
    # Of what a plain reader gets in the same state of the page cache.
    reader = {cache: max(row["gigabytes_per_second"] for (program, its), row in rows.items()
                         if its == cache and program.startswith("cat")) for cache in ("cold", "warm")}
    lines = ["| | cold GB/s | of reading | CPU s/GB | cached GB/s | of reading | CPU s/GB | peak MB |",
             "|---|---|---|---|---|---|---|---|"]
    for program in programs:
        cells = []
        for cache in ("cold", "warm"):
            row = rows[program, cache]
            rate = row["gigabytes_per_second"]
            cells.append(f"{rate:.2f} | {rate / reader[cache]:.0%} | {row['cpu_seconds'] / size:.2f}")
        peak = max(rows[program, cache]["peak_rss_bytes"] for cache in ("cold", "warm")) / 1e6
        lines.append(f"| {program} | {' | '.join(cells)} | {peak:.0f} |")
    start = result["start_seconds"]
    caption = (f"`bench/quantize_command.py`: {size:.1f} GB bf16 in {result['shards']} shards, {result['threads']} threads, best of "
               f"{len(result['rows'][0]['all_seconds'])}, load average {result['load_average'][0]}; bound of memory "
               f"{result['peak_rss_bound_bytes'] / 1e6:.0f} MB (3 x the largest tensor + 256 MiB); start: `lowp --version` "
               f"{start['lowp --version']['median'] * 1000:.0f} ms, `lowp inspect` {start['lowp inspect']['median'] * 1000:.0f} ms. "
               f"{result['device']}, {result['date']}, commit {result['commit']}.")
    return "\n".join(lines) + f"\n\n{caption}"


TABLES = {"demo": demo_table, "decode": decode_table, "gpu": gpu_table, "quantize": quantize_table}


def rewrite(text):
    def fill(match):
        return f"<!-- table {match[1]} -->\n{TABLES[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.S)


def main():
    path = ROOT / "README.md"
    old = path.read_text()
    new = rewrite(old)
    if "--check" in sys.argv:
        sys.exit(0 if new == old else "README.md differs from bench/results: run scripts/readme_tables.py")
    path.write_text(new)


if __name__ == "__main__":
    main()
