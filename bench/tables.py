"""From runs to figures: medians, spreads, ratios, and the table."""

import statistics


FIGURES = ("requests_per_second", "cpu_microseconds_per_request", "cpu_seconds_per_gibibyte", "server_busy")
BULK_BYTES = 1024 * 1024  # from here on the body is what costs, and CPU a byte says more than CPU a request


def summarise(runs):
    """Median, least and most of what each run gave."""
    def spread(name):
        values = [run[name] for run in runs]
        return {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: spread(name) for name in FIGURES}


def with_ratios(rows):
    """Adds to every row how it stands to the first server of its case: above 1 means that the first is better."""
    first = {}
    for row in rows:
        base = first.setdefault(row["case"], row)
        if "failed" in row or "failed" in base or base is row:
            continue
        def median(of, name):
            return of["summary"][name]["median"]
        row["cpu_ratio"] = ratio(median(row, "cpu_microseconds_per_request"),
                                 median(base, "cpu_microseconds_per_request"))
        row["rate_ratio"] = ratio(median(base, "requests_per_second"), median(row, "requests_per_second"))
    return rows


def ratio(dividend, divisor):
    return dividend / divisor if divisor else None


def spread(values, form):
    """Median, and least and most in brackets."""
    median, least, most = (form.format(value) for value in (statistics.median(values), min(values), max(values)))
    return f"{median} ({least}–{most})"


def markdown(machine, options, versions, rows):
    base = rows[0]["server"] if rows else "the first"
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Linux {machine['kernel']}; "
        + "; ".join(versions.values()) + f"; {machine['wrk']}; {machine['h2load']}.",
        f"{options['rounds']} rounds of {options['seconds']} s; server on core {options['server_core']}, load on core "
        f"{options['load_core']}; median (least–most).",
        "",
        "| Case | Server | CPU µs a request | CPU s a GiB | Requests/s | Server's core busy | "
        f"CPU, times {base}'s | Rate of {base}, times |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    return "\n".join(lines + [table_row(row) for row in rows])


def table_row(row):
    if "failed" in row:
        words = row["failed"].replace("\n", " ").replace("|", "/")[:300]
        return f"| {row['case']} | {row['server']} | failed: {words} | | | | | |"
    summary = row["summary"]
    def three(name, form):
        return spread(list(summary[name].values()), form)
    def times(name):
        return f"{row[name]:.2f}" if row.get(name) else "–"
    small = summary["cpu_microseconds_per_request"]["median"] < 100
    cells = [
        row["case"], row["server"],
        three("cpu_microseconds_per_request", "{:.2f}" if small else "{:.0f}"),
        three("cpu_seconds_per_gibibyte", "{:.3f}") if row["bytes"] >= BULK_BYTES else "–",
        three("requests_per_second", "{:,.0f}"),
        "{:.0f} %".format(summary["server_busy"]["median"] * 100),
        times("cpu_ratio"), times("rate_ratio"),
    ]
    return "| " + " | ".join(cells) + " |"
