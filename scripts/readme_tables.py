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


TABLES = {"demo": demo_table}


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
