// SPDX-License-Identifier: Apache-2.0
//   "WRIT" | version 1 | length 1, topic | length 1, lattice | host 32 | time 8 | epoch 8 | sequence 8 |
//   length 2, token | length 4, content | signature 64 over a sentence and the SHA-256 of all before it
#include "lattice/statement.h"

#include "lattice/bytes.h"
#include "lattice/signing.h"

enum { VERSION = 1 };
static const slice MAGIC = SLICE_LITERAL("WRIT");
static const char SENTENCE[] = "writ-lattice statement 1";

static status put(const statement *s, const nkey_public *host, slice token, buf *b) {
    TRY(buf_append(b, MAGIC));
    TRY(bytes_put_number(b, VERSION, 1));
    TRY(bytes_put_run(b, s->topic, 1));
    TRY(bytes_put_run(b, s->lattice, 1));
    TRY(buf_append(b, slice_of(host->bytes, SIGN_PUBLIC_BYTES)));
    TRY(bytes_put_number(b, s->wall_ms, 8));
    TRY(bytes_put_number(b, s->epoch, 8));
    TRY(bytes_put_number(b, s->sequence, 8));
    TRY(bytes_put_run(b, token, 2));
    return bytes_put_run(b, s->content, 4);
}

status statement_write(const statement *s, const nkey *key, slice token, buf *ret, err *e) {
    const nkey_public host = nkey_public_of(key);
    size_t begin = ret->len;
    if (s->topic.len > STATEMENT_TOPIC_BYTES_MAX || s->content.len > STATEMENT_CONTENT_BYTES_MAX) {
        return err_set(e, STATUS_LIMIT, "a host says at most %d bytes at a time, and this is %zu",
                       STATEMENT_CONTENT_BYTES_MAX, s->content.len);
    }
    status code = put(s, &host, token, ret);
    if (code == STATUS_OK) {
        code = signing_put(key, SENTENCE, ret, begin, e);
    } else {
        err_set(e, code, "no room for a statement of %zu bytes", s->content.len);
    }
    if (code != STATUS_OK) {
        ret->len = begin;
    }
    return code;
}

// --- reading -----------------------------------------------------------------------------------------------

typedef struct parts {
    slice token, signed_bytes, signature;
} parts;

static bool split(slice bytes, statement *ret, parts *ret_parts) {
    bytes_reader r = {bytes, false};
    statement s = {.host.kind = NKEY_SERVER};
    bytes_take(&r, MAGIC.len + 1); // were looked at before
    s.topic = bytes_take_run(&r, 1);
    s.lattice = bytes_take_run(&r, 1);
    slice host = bytes_take(&r, SIGN_PUBLIC_BYTES);
    s.wall_ms = bytes_take_number(&r, 8);
    s.epoch = bytes_take_number(&r, 8);
    s.sequence = bytes_take_number(&r, 8);
    ret_parts->token = bytes_take_run(&r, 2);
    s.content = bytes_take_run(&r, 4);
    ret_parts->signed_bytes = slice_sub(bytes, 0, bytes.len - r.rest.len);
    ret_parts->signature = bytes_take(&r, SIGN_SIGNATURE_BYTES);
    if (r.is_short || r.rest.len != 0 || s.content.len > STATEMENT_CONTENT_BYTES_MAX) {
        return false;
    }
    memcpy(s.host.bytes, host.data, SIGN_PUBLIC_BYTES);
    *ret = s;
    return true;
}

static status refuse(lattice_refused why, lattice_refused *ret_why, err *e, const char *text) {
    *ret_why = why;
    return err_set(e, STATUS_DENIED, "%s", text);
}

status statement_read(slice bytes, slice expect_topic, slice expect_lattice, cluster *c, uint64_t wall_ms,
                      statement *ret, lattice_refused *ret_why, err *e) {
    statement s;
    parts p;
    if (bytes.len <= MAGIC.len || !slice_equal(slice_sub(bytes, 0, MAGIC.len), MAGIC)) {
        return refuse(LATTICE_REFUSED_MALFORMED, ret_why, e, "it is no statement of a host");
    }
    if (bytes.data[MAGIC.len] != VERSION) {
        return refuse(LATTICE_REFUSED_VERSION, ret_why, e, "a statement of a version that is not read here");
    }
    if (!split(bytes, &s, &p)) {
        return refuse(LATTICE_REFUSED_MALFORMED, ret_why, e, "a statement that is cut or too long");
    }
    if (!slice_equal(s.topic, expect_topic) || !slice_equal(s.lattice, expect_lattice)) {
        return refuse(LATTICE_REFUSED_NOT_FOR_US, ret_why, e,
                      "a statement for another purpose or another lattice");
    }
    if (!signing_is_near(s.wall_ms, wall_ms)) {
        return refuse(LATTICE_REFUSED_CLOCK, ret_why, e, "a statement too old or of a clock that is wrong");
    }
    TRY(cluster_check(c, p.token, expect_lattice, wall_ms / 1000, &s.member, ret_why, e));
    if (!nkey_public_equal(&s.member.host, &s.host) ||
        !signing_check(&s.host, SENTENCE, p.signed_bytes, p.signature)) {
        return refuse(LATTICE_REFUSED_BAD_SIGNATURE, ret_why, e,
                      "a statement that the host did not sign, or with another host's token");
    }
    *ret = s;
    return STATUS_OK;
}
