#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The conformance scripts as a suite of `make test`."""
import sys

import run

sys.exit(run.main([]))
