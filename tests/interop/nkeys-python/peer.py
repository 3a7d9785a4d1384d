# SPDX-License-Identifier: Apache-2.0
"""The nkeys package of Python behind the lines that tests/interop/nkey_peer.c describes."""
import os
import sys

import nkeys

MESSAGE = b"one message"
KINDS = {"A": nkeys.PREFIX_BYTE_ACCOUNT, "C": nkeys.PREFIX_BYTE_CLUSTER, "N": nkeys.PREFIX_BYTE_SERVER,
         "O": nkeys.PREFIX_BYTE_OPERATOR, "U": nkeys.PREFIX_BYTE_USER}


def describe(seed):
    pair = nkeys.from_seed(bytearray(seed))
    return f"{pair.public_key.decode()} {pair.sign(MESSAGE).hex()}"


def answer(verb, *words):
    if verb == "make":
        seed = nkeys.encode_seed(os.urandom(32), KINDS[words[0]])
        return f"{bytes(seed).decode()} {describe(seed)}"
    if verb == "read":
        return describe(words[0].encode())
    return "no"  # the package has no keys without a seed, so it cannot check


def main():
    for line in sys.stdin:
        try:
            print(answer(*line.split()), flush=True)
        except (KeyError, nkeys.NkeysError):
            print("no", flush=True)


main()
