# SPDX-License-Identifier: Apache-2.0
"""The text of metrics, read strictly."""
import re

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\"n])*",?)+)\})? (\d+(?:\.\d+)?)')


def parse(text):
    """Samples by name and labels; strict about what the format allows here."""
    samples, family, seen = {}, None, set()
    for line in text.splitlines():
        if line == "# EOF":
            continue
        comment = re.fullmatch(r"# (HELP|TYPE) ([a-z_]+) (.+)", line)
        if comment:
            family = comment[2]
            assert (comment[1], family) not in seen, f"{line}: a second time"
            assert comment[1] == "HELP" or comment[3] in ("counter", "gauge"), line
            seen.add((comment[1], family))
            continue
        found = SAMPLE.fullmatch(line)
        assert found, f"not a sample: {line!r}"
        assert found[1].startswith(family), f"{line}: below {family}"
        labels = tuple(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', found[2] or ""))
        assert (found[1], labels) not in samples, f"{line}: a second time"
        samples[found[1], labels] = float(found[3])
    return samples
