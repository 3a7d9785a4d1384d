# SPDX-License-Identifier: Apache-2.0
"""What a provider of 1.x does with its keys, in plain Python, for tests: slow, and not for secrets.

X25519 (RFC 7748), Ed25519 signatures (RFC 8032), NaCl's box (XSalsa20, Poly1305), the texts of nkeys.
"""
import base64
import hashlib

P = 2 ** 255 - 19
ORDER = 2 ** 252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


# --- nkeys ---------------------------------------------------------------------------------------------------------


def crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ (0x1021 if crc & 0x8000 else 0)) & 0xffff
    return crc


def nkey_text(letter, key):
    body = bytes([(ord(letter) - ord("A")) << 3]) + key
    return base64.b32encode(body + crc16(body).to_bytes(2, "little")).decode().rstrip("=")


def nkey_bytes(text):
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    if crc16(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
        raise ValueError("a key with a wrong checksum")
    return raw[2:-2] if text[0] == "S" else raw[1:-2]


# --- X25519 --------------------------------------------------------------------------------------------------------


def x25519(secret, point):
    k = int.from_bytes(secret, "little") & ~7 & (1 << 255) - 1 | 1 << 254
    u = int.from_bytes(point, "little") & (1 << 255) - 1
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = (x2 + z2) % P, (x2 - z2) % P, (x3 + z3) % P, (x3 - z3) % P
        da, cb, aa, bb = d * a % P, c * b % P, a * a % P, b * b % P
        e = (aa - bb) % P
        x3, z3 = pow(da + cb, 2, P), u * pow(da - cb, 2, P) % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def x25519_public(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


# --- Ed25519 -------------------------------------------------------------------------------------------------------


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, p):
    q = (0, 1, 1, 0)
    while n:
        if n & 1:
            q = add(q, p)
        p, n = add(p, p), n >> 1
    return q


def base_point():
    y = 4 * pow(5, P - 2, P) % P
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if (x * x - xx) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    x = P - x if x & 1 else x
    return x, y, 1, x * y % P


def packed(p):
    z = pow(p[2], P - 2, P)
    x, y = p[0] * z % P, p[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def sha512_number(data):
    return int.from_bytes(hashlib.sha512(data).digest(), "little") % ORDER


def ed25519_expand(seed):
    h = hashlib.sha512(seed).digest()
    return int.from_bytes(h[:32], "little") & ~7 & (1 << 254) - 1 | 1 << 254, h[32:]


def ed25519_public(seed):
    return packed(times(ed25519_expand(seed)[0], base_point()))


def ed25519_sign(seed, message):
    a, prefix = ed25519_expand(seed)
    r = sha512_number(prefix + message)
    big_r = packed(times(r, base_point()))
    s = (r + sha512_number(big_r + packed(times(a, base_point())) + message) * a) % ORDER
    return big_r + s.to_bytes(32, "little")


# --- the box -------------------------------------------------------------------------------------------------------

SIGMA = b"expand 32-byte k"


def rotate(x, n):
    return (x << n | x >> 32 - n) & 0xffffffff


def salsa_rounds(state):
    x = list(state)
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
                           (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            x[b] ^= rotate((x[a] + x[d]) & 0xffffffff, 7)
            x[c] ^= rotate((x[b] + x[a]) & 0xffffffff, 9)
            x[d] ^= rotate((x[c] + x[b]) & 0xffffffff, 13)
            x[a] ^= rotate((x[d] + x[c]) & 0xffffffff, 18)
    return x


def words(data):
    return [int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)]


def salsa_state(key, block):
    k, n, s = words(key), words(block), words(SIGMA)
    return [s[0], *k[:4], s[1], *n, s[2], *k[4:], s[3]]


def hsalsa(key, block):
    x = salsa_rounds(salsa_state(key, block))
    return b"".join(x[i].to_bytes(4, "little") for i in (0, 5, 10, 15, 6, 7, 8, 9))


def salsa_stream(key, nonce, length):
    out = b""
    for counter in range((length + 63) // 64):
        state = salsa_state(key, nonce + counter.to_bytes(8, "little"))
        out += b"".join(((a + b) & 0xffffffff).to_bytes(4, "little") for a, b in zip(salsa_rounds(state), state))
    return out[:length]


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for i in range(0, len(message), 16):
        total = (total + int.from_bytes(message[i:i + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) & (1 << 128) - 1).to_bytes(16, "little")


def xkv1_open(own_seed, peer_public, sealed):
    """The plain bytes of what one curve nkey has sealed for another; both as texts."""
    if sealed[:4] != b"xkv1":
        raise ValueError("not sealed as xkv1")
    shared = hsalsa(x25519(nkey_bytes(own_seed), nkey_bytes(peer_public)), bytes(16))
    nonce, tag, hidden = sealed[4:28], sealed[28:44], sealed[44:]
    stream = salsa_stream(hsalsa(shared, nonce[:16]), nonce[16:], 32 + len(hidden))
    if poly1305(stream[:32], hidden) != tag:
        raise ValueError("sealed for somebody else, or changed")
    return bytes(a ^ b for a, b in zip(hidden, stream[32:]))
