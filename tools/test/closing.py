# SPDX-License-Identifier: Apache-2.0
"""unittest with the closing line that tools/test/run.py reads: `sys.exit(closing.main())` in a test script.

What was skipped says why, each reason once, in lines `skipped: REASON` before it.

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


def _split(outcomes):
    """The tests themselves (a test with several failing parts once), and how many class set-ups came in between."""
    tests, before = set(), 0
    for item in outcomes:
        test = getattr(item, "test_case", item)
        if isinstance(test, unittest.TestCase):
            tests.add(test)
        else:
            before += 1
    return tests, before


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("-")]
    everything = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=2 if "-v" in sys.argv else 1)
    result = runner.run(unittest.TestSuite(_chosen(everything, words)))
    failed, failed_before = _split(test for test, _ in result.failures + result.errors)
    skipped, skipped_before = _split(test for test, _ in result.skipped)
    passed = result.testsRun - len(failed | skipped)
    failed = len(failed) + failed_before + len(result.unexpectedSuccesses)
    skipped = len(skipped) + skipped_before
    for reason in dict.fromkeys(str(reason) for _, reason in result.skipped):
        print(f"skipped: {' '.join(reason.split())}")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""), flush=True)
    return 1 if failed else 0
