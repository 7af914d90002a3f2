#!/usr/bin/env python3
"""Draws docs/plots/*.svg from bench/results/*.json, as scripts/readme_tables.py writes the tables.

  plots.py           draw them
  plots.py --check   fail if a plot is not what the results say
"""

import collections
import io
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402  the backend comes first

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
PLOTS = ROOT / "docs" / "plots"
# Text stays text and ids are fixed, so that equal results give equal files.
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "lowp", "font.size": 9, "axes.grid": True,
                     "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})


def load(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def where(result):
    return f"{result['device']}, {result['date']}, commit {result['commit']}"


def save(figure, name, caption):
    figure.supxlabel(caption, fontsize=7, color="gray")
    path = PLOTS / f"{name}.svg"
    drawn = io.StringIO()
    figure.savefig(drawn, metadata={"Date": None})
    plt.close(figure)
    if "--check" not in sys.argv:
        path.write_text(drawn.getvalue())
    elif not path.exists() or path.read_text() != drawn.getvalue():
        sys.exit(f"{path.name} differs from bench/results: run scripts/plots.py")


def ratio_by_rows(shapes, points):
    """One panel a shape, one line a format. points: {(n, k): {format: {m: ratio to torch's bf16 linear}}}."""
    columns = min(3, len(shapes))
    lines = -(-len(shapes) // columns)
    figure, panels = plt.subplots(lines, columns, figsize=(4.2 * columns, 3.2 * lines), squeeze=False,
                                  layout="constrained")
    names = list(dict.fromkeys(name for shape in shapes for name in points[shape]))
    colors = {name: plt.cm.tab20(index) for index, name in enumerate(names)}
    for panel in panels.flat[len(shapes):]:
        panel.set_visible(False)
    for panel, shape in zip(panels.flat, shapes):
        for name, line in points[shape].items():
            rows = sorted(line)
            panel.plot(rows, [line[m] for m in rows], marker=".", linewidth=1.2, color=colors[name])
        panel.axhline(1.0, color="black", linewidth=1)
        panel.set(title=f"{shape[0]}x{shape[1]}", xlabel="rows of x (M)", ylabel="speed, torch's bf16 linear = 1", xscale="log")
        panel.set_ylim(bottom=0)
        ticks = sorted({m for line in points[shape].values() for m in line})
        ticks = ticks if len(ticks) < 6 else ticks[::2]
        panel.set_xticks(ticks, ticks)
        panel.minorticks_off()
    handles = [plt.Line2D([], [], color=colors[name], marker=".", label=name) for name in names]
    figure.legend(handles=handles, fontsize=7, ncols=7, loc="outside upper center", frameon=False)
    return figure


def gpu_weight_only():
    """Few rows and many rows are two benchmarks, which name some formats differently."""
    few, many = load("gpu_linear_weight_only"), load("gpu_linear_tiles")
    same = {"w4a16_g128": "int4_g128", "w8a16": "int8_row", "fp8": "fp8_row"}
    points = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in few["results"]:
        points[row["n"], row["k"]][same.get(row["format"], row["format"])][row["m"]] = row["speedup"]["bf16"]
    for row in many["results"]:
        points[row["n"], row["k"]][row["format"]][row["m"]] = row["speedup"]["torch_bf16"]
    shapes = [(8192, 8192), (4096, 14336), (14336, 4096)]
    save(ratio_by_rows(shapes, points), "gpu_weight_only", where(few))


def gpu_casts():
    results = [load("gpu_quantize_fp8"), load("gpu_quantize_mx")]
    rows = [row for result in results for row in result["results"] if row["rows"] == 16384 and row["cols"] in (4096, 7168)]
    figure, axes = plt.subplots(figsize=(7, 0.19 * len(rows) + 1), layout="constrained")
    axes.barh([f"{row['case']}, {row['cols']} columns" for row in rows], [100 * row["of_copy"] for row in rows], color="C0")
    axes.axvline(100, color="black", linewidth=1)
    axes.set(xlabel="% of the bandwidth of a device copy", xlim=(0, 110), axisbelow=True)
    axes.tick_params(axis="y", labelsize=6)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    save(figure, "gpu_casts", where(results[0]))


def cpu_ratio(name):
    result = load(name)
    threads = max(row["threads"] for row in result["rows"])
    points = collections.defaultdict(lambda: collections.defaultdict(dict))
    for row in result["rows"]:
        if row["threads"] == threads:
            points[row["n"], row["k"]][row["operation"]][row["m"]] = row["ratio_to_torch_bf16"]
    save(ratio_by_rows(sorted(points), points), name, f"{where(result)}, {threads} threads")


def main():
    PLOTS.mkdir(exist_ok=True)
    gpu_weight_only()
    gpu_casts()
    for path in sorted(RESULTS.glob("linear_*.json")):
        cpu_ratio(path.stem)


if __name__ == "__main__":
    main()
