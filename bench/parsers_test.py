"""What load tools print, read back; run with `python3 -m unittest discover -s bench -p '*_test.py'`."""

import json
import unittest

import loads
import tables
from servers import Failed

WRK = """Running 1s test @ http://localhost:8080/1k.bin
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   421.11us  162.33us   5.22ms   92.48%
    Req/Sec    75.96k     2.95k   79.62k    80.00%
  75623 requests in 1.00s, 92.17MB read
{more}Requests/sec:  75623.10
Transfer/sec:     92.17MB
"""

H2LOAD = """starting benchmark...
finished in 4.00s, 12001.25 req/s, 12.10MB/s
requests: 48005 total, 48133 started, 48005 done, 48003 succeeded, {failed} failed, {failed} errored, 0 timeout
status codes: 48003 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 48.40MB (50755400) total, 1.10MB (1152000) headers (space savings 85.00%), 46.88MB (49155072) data
                     min         max         mean         sd        +/- sd
time for request:      213us     14.16ms      1.05ms       389us    86.91%
"""


class Parsing(unittest.TestCase):
    def test_wrk_without_errors_is_read(self):
        load = loads.parse_wrk(WRK.format(more=""))
        self.assertEqual((load.requests, load.requests_per_second, load.errors), (75623, 75623.10, 0))
        self.assertAlmostEqual(load.body_bytes, 92.17 * 1024 * 1024)

    def test_wrk_errors_of_both_kinds_count(self):
        more = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 10\n"
        self.assertEqual(loads.parse_wrk(WRK.format(more=more)).errors, 20)

    def test_h2load_is_read(self):
        load = loads.parse_h2load(H2LOAD.format(failed=0))
        self.assertEqual((load.requests, load.requests_per_second, load.errors), (48003, 12001.25, 0))
        self.assertEqual(load.body_bytes, 49155072)
        self.assertEqual(loads.parse_h2load(H2LOAD.format(failed=2)).errors, 2)

    def test_the_load_client_is_read(self):
        report = {"requests": 5, "requests_per_second": 2.5, "failed": 1, "body_bytes": 5120,
                  "first_response": {"fields": [["cache-status", "edge; hit"]]}}
        load = loads.parse_loadtest(json.dumps(report))
        self.assertEqual((load.requests, load.errors, load.fields), (5, 1, {"cache-status": "edge; hit"}))


class Checking(unittest.TestCase):
    def check(self, accepted, **outcome):
        load = loads.Load(**{"requests": 1000, "requests_per_second": 1.0, "errors": 0, "body_bytes": 1024e3,
                             "fields": {}, **outcome})
        try:
            loads.check(loads.Case("http1", "/1k.bin", 1024, 32, 1), load)
        except Failed:
            self.assertFalse(accepted, outcome)
        else:
            self.assertTrue(accepted, outcome)

    def test_only_whole_answers_without_errors_are_accepted(self):
        self.check(True)
        self.check(True, body_bytes=1400e3)
        self.check(False, errors=1)
        self.check(False, requests=0)
        self.check(False, body_bytes=900e3)
        self.check(False, body_bytes=4096e3)


class Tables(unittest.TestCase):
    def row(self, server, microseconds, rate, size=1024):
        run = {"requests_per_second": rate, "cpu_microseconds_per_request": microseconds, "server_busy": 1.0,
               "cpu_seconds_per_gibibyte": microseconds * 1e-6 * 2**30 / size}
        return {"case": "HTTP/1.1, 1 KiB", "bytes": size, "server": server, "summary": tables.summarise([run])}

    def test_ratios_are_to_the_first_server_of_a_case(self):
        rows = tables.with_ratios([self.row("Tidegate", 10, 50000), self.row("nginx", 12, 40000)])
        self.assertNotIn("cpu_ratio", rows[0])
        self.assertEqual((rows[1]["cpu_ratio"], rows[1]["rate_ratio"]), (1.2, 1.25))

    def test_a_failed_row_says_why_and_breaks_nothing(self):
        failed = {"case": "HTTP/1.1, 1 KiB", "server": "Tidegate", "failed": "no hit\nafter 10 s"}
        rows = tables.with_ratios([failed, self.row("nginx", 12, 40000)])
        self.assertIn("failed: no hit after 10 s", tables.table_row(rows[0]))
        self.assertIn("| 12.00 (12.00–12.00) | – |", tables.table_row(rows[1]))

    def test_large_objects_have_their_cost_a_gibibyte(self):
        row = tables.table_row(self.row("Tidegate", 500, 2000, size=4 * 1024 * 1024))
        self.assertIn("| 500 (500–500) | 0.128 (0.128–0.128) | 2,000", row)


if __name__ == "__main__":
    unittest.main()
