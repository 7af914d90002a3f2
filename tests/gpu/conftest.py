"""Keeps the outcome of the GPU tests as JSON where LOWP_TEST_RESULT says, also of a run that is
stopped; --every N takes each N-th test alone."""

import json
import os
import pathlib


def pytest_addoption(parser):
    parser.addoption("--every", type=int, default=1, help="take each N-th test of those collected")


def pytest_collection_modifyitems(config, items):
    every = config.getoption("--every")
    config.hook.pytest_deselected(items=[item for i, item in enumerate(items) if i % every])
    items[:] = items[::every]


class Outcome:
    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.counts = {"passed": 0, "failed": 0, "skipped": 0, "running": None}

    def write(self):
        self.path.write_text(json.dumps(self.counts) + "\n", encoding="utf-8")

    def pytest_runtest_logstart(self, nodeid):
        self.counts["running"] = nodeid
        self.write()

    def pytest_runtest_logreport(self, report):
        """A test counts with its call, or with what keeps it from being called."""
        if report.when == "call" or not report.passed:
            self.counts[report.outcome] += 1

    def pytest_sessionfinish(self):
        self.counts["running"] = None
        self.write()


def pytest_configure(config):
    if path := os.environ.get("LOWP_TEST_RESULT"):
        config.pluginmanager.register(Outcome(path), "lowp-outcome")
