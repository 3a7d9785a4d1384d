# SPDX-License-Identifier: Apache-2.0
"""unittest with the closing line that tools/test/run.py reads: `sys.exit(closing.main())` in a test script.

Arguments: -v shows each test; words run only the tests whose name contains one of them.
"""
import sys
import unittest


def _chosen(suite, words):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _chosen(item, words)
        elif not words or any(word in item.id() for word in words):
            yield item


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("-")]
    everything = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if "-v" in sys.argv else 1)
    result = runner.run(unittest.TestSuite(_chosen(everything, words)))
    failed = len({str(test) for test, _ in result.failures + result.errors}) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = max(0, result.testsRun - failed - skipped)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed else 0
