#!/usr/bin/env python3
"""Writes the tables of README.md and docs/*.md from bench/results/*.json: `<!-- table NAME -->` to
`<!-- end -->`.

  readme_tables.py           rewrite the documents
  readme_tables.py --check   fail if a document is not what the results say
"""

import itertools
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
    """A table for each machine that decode*.json are of."""
    return "\n\n".join(decode_table_of(json.loads(path.read_text())) for path in sorted(RESULTS.glob("decode*.json")))


def decode_table_of(result):
    rows = result["results"]
    base = rows["bf16"]["decode_tokens_per_second"]
    lines = [f"| {result['device']} | prompt tokens/s | decode tokens/s | decode vs lowp bf16 | of the read bound |",
             "|---|---|---|---|---|"]
    for name, row in rows.items():
        decode = row["decode_tokens_per_second"]
        bound = f"{row['of_read_bound']:.0%}" if "of_read_bound" in row else ""
        lines.append(f"| {name} | {row['prompt_tokens_per_second']:.0f} | {decode:.1f} | {decode / base:.2f}x | {bound} |")
    peers = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
    caption = (f"`bench/decode.py`: prompt of {result['prompt_tokens']} tokens, {result['new_tokens']} decoded, best of {len(rows['bf16']['rounds'])} rounds, "
               f"{result['threads']} threads, {result['device']}, {result['date']}, commit {result['commit']}; {peers}.")
    return "\n".join(lines) + f"\n\n{caption}"


def load(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(result, head, rows):
    """A table with the script, device and commit that its figures are from."""
    caption = f"`{result['script']}`: {result['device']}, torch {result['torch']}, {result['date']}, commit {result['commit']}."
    lines = [head, "|".join(["---"] * (head.count(" | ") + 1)), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines) + f"\n\n{caption}"


def times(ratio):
    return f"{ratio:.2f}x" if ratio else ""


def gpu_table():
    """What a decoding and a training step ask first: casts, products, few rows."""
    result = load("gpu_scaled_mm")
    rows = []
    for row in result["results"]:
        if row.get("product") == "linear":
            speed = row["speedup"]
            rows.append([f"{row['m']}x{row['k']}x{row['n']}", times(speed["fp8 row"]), times(speed["w8a8"])])
        elif "microseconds" in row:
            time = row["microseconds"]
            ratio = {name: time["torch bf16"] / time[name] for name in ("linear_fp8", "linear_w8a8")}
            rows.append([f"{row['m']}x{row['k']}x{row['n']}", times(ratio["linear_fp8"]), times(ratio["linear_w8a8"])])
    return table(result, "whole call, quantization included, against torch's bf16 linear, MxKxN | fp8 per row | int8 W8A8", rows)


def cast_rows(result, smallest):
    for row in result["results"]:
        elements = row["rows"] * row["cols"]
        if elements < smallest:  # short kernels are bound by their launch, not by memory
            continue
        yield [f"{row['case']}, {row['rows']}x{row['cols']}", f"{row['bytes'] / elements:.3g}",
               f"{row['terabytes_per_second']['lowp']:.2f}", f"{row['of_copy']:.0%}",
               times(row.get("speedup_over_torch_compiled"))]


CASTS = "bf16 to or from | bytes an element | TB/s | of copy bandwidth | vs compiled torch"


def gpu_quantize_table():
    result = load("gpu_quantize_fp8")
    return table(result, CASTS, cast_rows(result, 1 << 26))


def gpu_mx_table():
    result = load("gpu_quantize_mx")
    return table(result, CASTS, cast_rows(result, 1))


def gpu_tiles_table():
    result = load("gpu_linear_tiles")
    rows = ([row["format"], f"{row['m']}x{row['k']}x{row['n']}", f"{row['teraflops']['lowp']:.0f}",
             times(row["speedup"]["torch_bf16"])] for row in result["results"])
    return table(result, "weight-only, many rows | MxKxN | TFLOP/s | vs bf16", rows)


def gpu_rows_table():
    result = load("gpu_linear_weight_only")
    shapes = ((8192, 8192), (14336, 4096))
    rows = ([row["format"], f"{row['m']}x{row['k']}x{row['n']}", f"{row['microseconds']['lowp']:.1f}",
             times(row["speedup"]["bf16"]), times(row["speedup"].get("tinygemm"))]
            for row in result["results"] if (row["n"], row["k"]) in shapes)
    return table(result, "weight-only, few rows | MxKxN | us | vs bf16 | vs tinygemm", rows)


def gpu_matmul_table():
    result = load("gpu_scaled_mm")
    rows = ([row["product"], f"{row['m']}x{row['k']}x{row['n']}", f"{row['tflops']['lowp']}", times(row["speedup"]["lowp"])]
            for row in result["results"] if "lowp" in row.get("tflops", {}))
    blocks = load("gpu_scaled_mm_blocks")
    emulated = ([name, f"{row['m']}x{row['k']}x{row['n']}", f"{row['teraflops'][name]:.0f}", times(row["of_bf16"][name])]
                for row in blocks["results"] for name in ("mxfp8", "mxfp4", "nvfp4"))
    return (table(result, "scaled_mm | MxKxN | TFLOP/s | vs torch._scaled_mm", rows) + "\n\n" +
            table(blocks, "scaled_mm, decoded to bf16 | MxKxN | TFLOP/s | vs bf16", emulated))


def grouped_table():
    """A table for each level that was measured, on the most threads: ratios to the faster of torch's two."""
    parts = []
    for path in sorted(RESULTS.glob("grouped_linear_*.json")):
        result = json.loads(path.read_text())
        by_operation = {}
        threads = max(row["threads"] for row in result["rows"])
        for row in result["rows"]:
            if row["threads"] != threads:
                continue
            best = min(value for key, value in row.items() if key.startswith("ratio_to_"))
            case = row["model"], row["operation"].removeprefix("grouped ")
            by_operation.setdefault(case, {})[row["tokens"]] = f"{row['seconds'] * 1e3:.2f}, {best:.2f}x"
        tokens = list(next(iter(by_operation.values())))
        head = ["model", "weights", *(f"{count} tokens" for count in tokens)]
        lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for case, cells in by_operation.items():
            lines.append("| " + " | ".join(map(str, [*case, *(cells[count] for count in tokens)])) + " |")
        parts.append("\n".join(lines) + "\n\n" + f"Milliseconds, and against the faster of torch's bf16 linear in a loop and "
                     f"torch._grouped_mm. {threads} threads, {result['device']}, {result['date']}, commit {result['commit']}, torch {result['peers']['torch']}.")
    return "\n\n".join(parts)


def gpu_model_table():
    result = load("gpu_model")
    rows = ([row["scheme"], f"{row['cpu_perplexity']:.3f}", f"{row['perplexity']:.3f}", f"{row['relative_to_cpu']:+.2%}",
             f"{row['tokens_per_second']:.0f}", f"{row['decode_tokens_per_second']:.0f}"] for row in result["results"])
    head = "scheme | perplexity, CPU | GPU | difference | prompt tokens/s | decode tokens/s"
    return (table(result, head, rows) + f" {result['model']}, first {result['text_tokens']} tokens of jargon-text; the CPU: "
            f"{result['cpu']}. Without a CUDA graph bf16 decodes {result['launches_decode_tokens_per_second']:.0f} tokens/s.")


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


def linear_table(result, threads):
    """Each operation on one weight by rows of x, and where it is slowest against bf16 of all that was measured."""
    rows = [row for row in result["rows"] if row["threads"] == threads]
    all_m = sorted({row["m"] for row in rows if (row["n"], row["k"]) == (4096, 4096)})
    lines = [f"| {threads} threads, 4096x4096 | {' | '.join(f'M = {m}' for m in all_m)} | slowest of all shapes |",
             f"|---|{'---|' * (len(all_m) + 1)}"]
    for operation in dict.fromkeys(row["operation"] for row in rows):
        own = [row for row in rows if row["operation"] == operation]
        cells = {row["m"]: f"{row['share_of_limit']:.0%}, {row['ratio_to_torch_bf16']:.1f}x" for row in own
                 if (row["n"], row["k"]) == (4096, 4096)}
        worst = min(own, key=lambda row: row["ratio_to_torch_bf16"])
        lines.append(f"| {operation} | {' | '.join(cells.get(m, '') for m in all_m)} | "
                     f"{worst['ratio_to_torch_bf16']:.2f}x, M = {worst['m']}, {worst['n']}x{worst['k']} |")
    return "\n".join(lines)


def linear_tables():
    """Every machine's tables and plot, as bench/results has them."""
    parts = []
    for path in sorted(RESULTS.glob("linear_*.json")):
        result = load(path.stem)
        parts.append(f"### {path.stem.removeprefix('linear_')}")
        parts += [linear_table(result, threads) for threads in sorted({row["threads"] for row in result["rows"]})]
        peers = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
        parts.append(f"`bench/linear.py`: {result['device']}, {result['date']}, commit {result['commit']}; {peers}.")
        parts.append(f"![speed against bf16 by rows of x](plots/{path.stem}.svg)")
    return "\n\n".join(parts)


def torchao_tables():
    """A layer called from Python: milliseconds, and how many times as long torchao's takes; a table for as many threads."""
    parts = []
    for path in sorted(RESULTS.glob("torchao_layers_*.json")):
        result = load(path.stem)
        by_threads = itertools.groupby(result["rows"], key=lambda row: row["threads"])
        parts += [torchao_table(threads, list(rows)) for threads, rows in by_threads]
        peers = ", ".join(f"{name} {version}" for name, version in result["peers"].items())
        parts.append(f"`bench/torchao_layers.py`: {result['device']}, {result['date']}, commit {result['commit']}; {peers}.")
    return "\n\n".join(parts)


def torchao_table(threads, rows):
    shape = "{n}x{k}".format(**rows[0])
    lines = [f"| {shape}, {threads} threads | M | lowp, ms | torchao eager | torchao max-autotune | torch bf16 |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        ours = row["lowp_seconds"]
        cells = [f"{row[key] / ours:.1f}x" if row[key] else "refused"
                 for key in ("torchao_eager_seconds", "torchao_max_autotune_seconds", "torch_bf16_seconds")]
        lines.append(f"| {row['scheme']} | {row['m']} | {ours * 1e3:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLES = {"torchao": torchao_tables, "linear": linear_tables, "demo": demo_table, "decode": decode_table, "gpu": gpu_table, "quantize": quantize_table,
          "gpu_quantize": gpu_quantize_table, "gpu_mx": gpu_mx_table, "gpu_tiles": gpu_tiles_table,
          "gpu_rows": gpu_rows_table, "gpu_matmul": gpu_matmul_table, "gpu_model": gpu_model_table,
          "grouped": grouped_table}


def rewrite(text):
    def fill(match):
        return f"<!-- table {match[1]} -->\n{TABLES[match[1]]()}\n<!-- end -->"

    return re.sub(r"<!-- table (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.S)


def main():
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        old = path.read_text()
        new = rewrite(old)
        if "--check" not in sys.argv:
            path.write_text(new)
        elif new != old:
            sys.exit(f"{path.name} differs from bench/results: run scripts/readme_tables.py")


if __name__ == "__main__":
    main()
