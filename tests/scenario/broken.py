# SPDX-License-Identifier: Apache-2.0
"""Component binaries that are broken below the level of text. The format: Component Model, design/mvp/Binary.md."""

import random

PREAMBLE = b"\0asm\x0d\0\x01\0"
CUSTOM, CORE_MODULE, COMPONENT, ALIAS, TYPE, IMPORT, EXPORT = 0, 1, 4, 6, 7, 10, 11


def leb(number):
    out = b""
    while True:
        number, low = number >> 7, number & 0x7F
        if number == 0:
            return out + bytes([low])
        out += bytes([low | 0x80])


def type_index(index):
    """A type index where a value type may stand: a signed number, so that primitive types can be negative ones."""
    out = b""
    while index > 0x3F:
        out += bytes([index & 0x7F | 0x80])
        index >>= 7
    return out + bytes([index])


def section(kind, content, claimed=None):
    return bytes([kind]) + leb(len(content) if claimed is None else claimed) + content


def nested(depth):
    """A component in a component in a component …"""
    data = PREAMBLE
    for _ in range(depth):
        data = PREAMBLE + section(COMPONENT, data)
    return data


def nested_types(depth):
    """list<list<list<…>>>, each a type of its own, and a function that takes it."""
    types = b"\x70\x7d" + b"".join(b"\x70" + type_index(i) for i in range(depth - 1))
    return PREAMBLE + section(TYPE, leb(depth) + types)


def nested_type_definitions(depth):
    """A component type that holds a component type that holds …"""
    inner = b"\x41\0"
    for _ in range(depth):
        inner = b"\x41\x01\x01" + inner
    return PREAMBLE + section(TYPE, b"\x01" + inner)


def doubling_tuples(depth):
    """Each type is a tuple of the one before, twice: 2^depth values when it is unfolded."""
    types = b"\x6f\x02\x7d\x7d" + b"".join(b"\x6f\x02" + type_index(i) * 2 for i in range(depth - 1))
    function = b"\x40\x01\x01x" + type_index(depth - 1) + b"\x01\0"
    return PREAMBLE + section(TYPE, leb(depth + 1) + types + function)


CASES = {
    "empty": b"",
    "one byte": b"\0",
    "text": b"This is not WebAssembly.\n" * 10,
    "magic only": b"\0asm",
    "a version that does not exist": b"\0asm\x0e\0\x01\0",
    "a core module": b"\0asm\x01\0\0\0",
    "a layer that does not exist": b"\0asm\x0d\0\x07\0",
    "an unknown section": PREAMBLE + section(99, b""),
    "a section longer than the file": PREAMBLE + section(TYPE, b"\x01\x40\0\x01\0", claimed=1000),
    "a section of 4 GiB": PREAMBLE + section(TYPE, b"\x01\x40\0\x01\0", claimed=0xFFFFFFFF),
    "a section shorter than its content": PREAMBLE + section(TYPE, b"\x02\x40\0\x01\0", claimed=3),
    "a section with bytes left over": PREAMBLE + section(TYPE, b"\x01\x40\0\x01\0\0\0\0"),
    "a size without end": PREAMBLE + bytes([TYPE]) + b"\x80" * 20,
    "a size of more than 32 bits": PREAMBLE + bytes([TYPE]) + b"\xff\xff\xff\xff\x7f",
    "four billion types": PREAMBLE + section(TYPE, leb(0xFFFFFFFF) + b"\x7d"),
    "four billion fields": PREAMBLE + section(TYPE, b"\x01\x72" + leb(0xFFFFFFFF)),
    "a name of 4 GiB": PREAMBLE + section(IMPORT, b"\x01\0" + leb(0xFFFFFFFF) + b"x"),
    "a name that is not UTF-8": PREAMBLE + section(IMPORT, b"\x01\0\x02\xff\xfe\x05\0"),
    "an alias of what is not there": PREAMBLE + section(ALIAS, b"\x01\x01\0\xe7\x07\x01f"),
    "an outer alias beyond the outermost": PREAMBLE + section(ALIAS, b"\x01\x03\x02\x64\0"),
    "an export of what is not there": PREAMBLE + section(EXPORT, b"\x01\0\x01f\x01\x63\0"),
    "a type that refers to itself": PREAMBLE + section(TYPE, b"\x01\x70\0"),
    "a type that refers forward": PREAMBLE + section(TYPE, b"\x02\x70\x01\x70\0"),
    "components 10 000 deep": nested(10000),
    "component types 10 000 deep": nested_type_definitions(10000),
    "lists 10 000 deep": nested_types(10000),
    "tuples that double 60 times": doubling_tuples(60),
    "a core module of nonsense": PREAMBLE + section(CORE_MODULE, b"\0asm\x01\0\0\0\x63\x05hello"),
    "a core module cut off": PREAMBLE + section(CORE_MODULE, b"\0asm\x01\0"),
    "one hundred thousand types": PREAMBLE + section(TYPE, leb(100000) + b"\x70\x7d" * 100000),
}

# In these cases the binary is sound and merely has nothing that could run, or is over a limit.
MAY_BE_SOUND = {"lists 10 000 deep", "one hundred thousand types", "component types 10 000 deep",
                "tuples that double 60 times"}


def cut(data, count, seed=1):
    """Prefixes of a component: the shortest, and a sample of all lengths."""
    lengths = set(range(0, 24)) | set(random.Random(seed).sample(range(24, len(data)), count))
    return [(f"first {length} bytes", data[:length]) for length in sorted(lengths)]


def flipped(data, count, seed=1):
    """Copies with one to four bits turned over."""
    source = random.Random(seed)
    for number in range(count):
        copy = bytearray(data)
        places = [source.randrange(len(data) * 8) for _ in range(source.randint(1, 4))]
        for place in places:
            copy[place // 8] ^= 1 << place % 8
        yield f"seed {seed}, copy {number}, bits {places}", bytes(copy)
