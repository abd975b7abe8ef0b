"""The results of compare.py: kept as JSON, shown as a text or Markdown table."""

import json
import math
import platform
import re
import sys

BEGIN = "<!-- written by bench/compare.sh: begin -->"
END = "<!-- written by bench/compare.sh: end -->"
ISA = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "asimd", "sve")
TITLES = {
    "coppice": "Coppice",
    "untuned": "Coppice untuned",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
    "best": "fastest peer",
}


def load(path):
    if path and path.exists():
        return json.loads(path.read_text())
    return {"rows": []}


def save(results, path):
    path.write_text(json.dumps(results, indent=1) + "\n")


def find(results, network, batch):
    for row in results["rows"]:
        if (row["network"], row["batch"]) == (network, batch):
            return row
    return None


def put(results, row):
    """In place of the row of the same network and batch, else at the end."""
    old = find(results, row["network"], row["batch"])
    if old is None:
        results["rows"].append(row)
        results["rows"].sort(key=lambda r: r["batch"])
    else:
        results["rows"][results["rows"].index(old)] = row


def machine():
    """What the numbers depend on, as far as the system tells."""
    try:
        text = open("/proc/cpuinfo", encoding="utf-8").read()
    except OSError:
        text = ""

    def field(name):
        found = re.search(rf"^{name}\s*:\s*(.*)$", text, re.MULTILINE)
        return found.group(1) if found else ""

    flags = set(field("flags").split()) | set(field("Features").split())
    return {
        "cpu": field("model name") or platform.processor() or platform.machine(),
        "family_model": "/".join(filter(None, (field("cpu family"), field("model")))),
        "processors": len(re.findall(r"^processor\s*:", text, re.MULTILINE)),
        "isa": [flag for flag in ISA if flag in flags],
        "system": " ".join([platform.system(), *platform.release().split(".")[:1]]),
        "python": platform.python_version(),
    }


def one_line(row):
    parts = [f"{row['network']} batch {row['batch']}:"]
    for name, ms in row["median_ms"].items():
        part = f"{name} {ms:.2f} ms"
        if name in row["speedup"]:
            s = row["speedup"][name]
            part += f" ({s['median']:.3f}, {s['low']:.3f} to {s['high']:.3f})"
        parts.append(part)
    worst = max(row["differences"].values())
    parts.append(f"outputs agree within {worst:.0e}; {row['disturbed']} turns disturbed")
    return " ".join(parts)


def columns(results):
    """Names of all that were timed, in the order of the rows."""
    names = {}
    for row in results["rows"]:
        names |= dict.fromkeys(row["median_ms"])
    return list(names)


def ratio_columns(results):
    names = {}
    for row in results["rows"]:
        names |= dict.fromkeys(row["speedup"])
    return list(names)


def mean(results, name, batch):
    """Geometric mean of the speed-ups over the networks of one batch size (None: all), and
    how many of them it is of where some are missing."""
    rows = [row for row in results["rows"] if batch in (None, row["batch"])]
    ratios = [row["speedup"][name]["median"] for row in rows if name in row["speedup"]]
    if not ratios:
        return "-"
    text = f"{math.exp(sum(map(math.log, ratios)) / len(ratios)):.3f}"
    return text if len(ratios) == len(rows) else f"{text} of {len(ratios)}"


def cells(results):
    """The table as rows of text; the first holds the titles."""
    timed, ratios = columns(results), ratio_columns(results)

    def title(name):
        return TITLES.get(name, name)

    head = ["network", "batch"]
    head += [f"{title(name)} ms" for name in timed]
    head += [f"{title(name)} / Coppice" for name in ratios]
    table = [head]
    for row in results["rows"]:
        line = [row["network"], str(row["batch"])]
        line += [f"{row['median_ms'][n]:.2f}" if n in row["median_ms"] else "-" for n in timed]
        for name in ratios:
            s = row["speedup"].get(name)
            line.append(f"{s['median']:.2f} ({s['low']:.2f}-{s['high']:.2f})" if s else "-")
        table.append(line)
    batches = sorted({row["batch"] for row in results["rows"]})
    for batch in batches + ([None] if len(batches) > 1 else []):
        line = ["geometric mean", "all" if batch is None else str(batch)]
        line += [""] * len(timed)
        line += [mean(results, name, batch) for name in ratios]
        table.append(line)
    return table


def first_cells(results):
    timed = columns(results)
    table = [["network", "batch"] + [f"{TITLES.get(n, n)} ms" for n in timed]]
    for row in results["rows"]:
        first = row["first_ms"]
        table.append(
            [row["network"], str(row["batch"])]
            + [f"{first[n]:.0f}" if n in first else "-" for n in timed]
        )
    return table


def text_of(table):
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]

    def justified(line):
        return "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()

    return "\n".join(justified(line) for line in table)


def text_table(results):
    if not results["rows"]:
        return "nothing was measured"
    return (
        "median milliseconds of one run, and how many times as long as Coppice the others"
        " took\n(median of pairs, quartiles)\n\n"
        + text_of(cells(results))
        + "\n\nmilliseconds from opening the file to the first result, in a fresh process\n\n"
        + text_of(first_cells(results))
    )


def markdown_of(table):
    rule = ["---"] + ["---:"] * (len(table[0]) - 1)
    return "\n".join("| " + " | ".join(line) + " |" for line in [table[0], rule, *table[1:]])


def versions(results):
    found = {}
    for row in results["rows"]:
        found |= row["versions"]
    return sorted(set(found.values()))


def markdown(results):
    m = results["machine"]
    rows = results["rows"]
    worst = max(max(row["differences"].values()) for row in rows)
    commits = sorted({f"{row['commit']} ({row['date']})" for row in rows})
    threads = ", ".join(sorted({str(row["threads"]) for row in rows}))
    lines = [
        BEGIN,
        f"- Machine: {m['cpu']} (family/model {m['family_model']}), {m['processors']} processors,"
        f" {' '.join(m['isa'])}; {m['system']}",
        f"- Threads of each runtime: {threads}; float32",
        f"- Timed: {'; '.join(versions(results))}; Python {m['python']}",
        f"- Coppice's commit: {', '.join(commits)}",
        f"- Command: `{results['command']}`",
        f"- Outputs agree within {worst:.0e} of their largest element",
        "",
        "One run, milliseconds; and how many times as long as Coppice each of the others took"
        " (median of pairs, quartiles; above 1 Coppice is faster):",
        "",
        markdown_of(cells(results)),
        "",
        "From opening the file to the first result in a fresh process, milliseconds:",
        "",
        markdown_of(first_cells(results)),
        END,
    ]
    return "\n".join(lines)


def renew(path, results):
    """Puts the tables between the two marks of a Markdown file."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or not results["rows"]:
        sys.exit(f"{path}: no one pair of marks to write between, or nothing to write")
    before, rest = text.split(BEGIN)
    path.write_text(before + markdown(results) + rest.split(END)[1])
