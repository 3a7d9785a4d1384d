// SPDX-License-Identifier: Apache-2.0
#include "lattice/vouch.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/siphash.h"
#include "bus/nats.h"
#include "bus/nats_parse.h"
#include "codec/base64.h"
#include "lattice/signing.h"
#include "os/random.h"

static const char SENTENCE[] = "writ-lattice bucket 1\n";
static const char TIME[] = "Writ-Time", TOKEN[] = "Writ-Token", SIGNATURE[] = "Writ-Signature";

enum { TABLE_MIN = 256, NUMBER_BYTES = 24 };

typedef struct known { // the newest word about a key
    uint64_t hash;     // of bucket and key; 0: free
    uint64_t ms;
} known;

struct vouch {
    vouch_options options;
    char lattice[CLUSTER_LATTICE_BYTES_MAX + 1];
    siphash_key key;
    known *table; // open addressing, at most half full
    size_t size, count;
};

vouch *vouch_new(const vouch_options *options) {
    vouch *v = MEM_NEW(vouch);
    v->options = *options;
    (void)snprintf(v->lattice, sizeof v->lattice, "%.*s", SLICE_ARG(options->lattice));
    v->options.lattice = slice_from_text(v->lattice);
    random_fill(&v->key, sizeof v->key);
    v->size = TABLE_MIN;
    v->table = mem_calloc(v->size, sizeof *v->table);
    return v;
}

void vouch_free(vouch *v) {
    if (v != NULL) {
        mem_free(v->table);
        mem_free(v);
    }
}

// --- the newest word ---------------------------------------------------------------------------------------

static uint64_t hash_of(const vouch *v, slice bucket, slice key) {
    uint64_t h = siphash(v->key, key) ^ (siphash(v->key, bucket) << 1);
    return h == 0 ? 1 : h;
}

static known *place_of(const vouch *v, uint64_t hash) {
    size_t at = (size_t)hash & (v->size - 1);
    while (v->table[at].hash != 0 && v->table[at].hash != hash) {
        at = (at + 1) & (v->size - 1);
    }
    return &v->table[at];
}

static void grow(vouch *v) {
    known *old = v->table;
    size_t old_size = v->size;
    v->size *= 2;
    v->table = mem_calloc(v->size, sizeof *v->table);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].hash != 0) {
            *place_of(v, old[i].hash) = old[i];
        }
    }
    mem_free(old);
}

// False: there is no room for another key.
static bool remember(vouch *v, slice bucket, slice key, uint64_t ms) {
    const uint64_t hash = hash_of(v, bucket, key);
    known *k = place_of(v, hash);
    if (k->hash == 0) {
        if (v->count == VOUCH_KEYS_MAX) {
            return false;
        }
        if (++v->count * 2 > v->size) {
            grow(v);
            k = place_of(v, hash);
        }
        k->hash = hash;
    }
    k->ms = ms > k->ms ? ms : k->ms;
    return true;
}

static uint64_t newest(const vouch *v, slice bucket, slice key) {
    return place_of(v, hash_of(v, bucket, key))->ms;
}

// --- what is signed ----------------------------------------------------------------------------------------

static const char *kind_name(bus_kv_kind kind) {
    return kind == BUS_KV_PUT ? "put" : kind == BUS_KV_DELETE ? "delete" : "purge";
}

// Neither names of buckets nor keys have line ends.
static status write_text(slice bucket, const bus_kv_entry *entry, uint64_t ms, buf *ret) {
    TRY(buf_append_format(ret, "%.*s\n%.*s\n%s\n%llu\n", SLICE_ARG(bucket), SLICE_ARG(entry->key),
                          kind_name(entry->kind), (unsigned long long)ms));
    return buf_append(ret, entry->value);
}

static size_t text_bytes_max(const bus_kv_entry *entry) {
    return BUS_BUCKET_BYTES_MAX + BUS_KEY_BYTES_MAX + 2 * NUMBER_BYTES + entry->value.len;
}

static status put_headers(const vouch *v, slice signature, uint64_t ms, buf *ret) {
    char time[NUMBER_BYTES];
    auto_buf text = {0};
    (void)snprintf(time, sizeof time, "%llu", (unsigned long long)ms);
    buf_init(&text, 2 * SIGN_SIGNATURE_BYTES);
    TRY(base64_encode(BASE64_URL, signature, &text));
    TRY(nats_headers_begin(ret));
    TRY(nats_headers_put(ret, slice_from_text(TIME), slice_from_text(time)));
    TRY(nats_headers_put(ret, slice_from_text(TOKEN), buf_slice(v->options.token)));
    TRY(nats_headers_put(ret, slice_from_text(SIGNATURE), buf_slice(&text)));
    return nats_headers_end(ret);
}

status vouch_sign(vouch *v, slice bucket, const bus_kv_entry *change, uint64_t wall_ms, buf *ret, err *e) {
    auto_buf text = {0};
    const uint64_t before = newest(v, bucket, change->key);
    const uint64_t ms = wall_ms > before ? wall_ms : before + 1;
    buf_init(&text, text_bytes_max(change) + SIGN_SIGNATURE_BYTES);
    status code = write_text(bucket, change, ms, &text);
    const size_t len = text.len;
    code = code == STATUS_OK ? signing_put(v->options.key, SENTENCE, &text, 0, e) : code;
    code = code == STATUS_OK ? put_headers(v, slice_sub(buf_slice(&text), len, SIZE_MAX), ms, ret) : code;
    return code == STATUS_OK ? code : err_set(e, code, "a value of a bucket cannot be signed");
}

// --- what is believed --------------------------------------------------------------------------------------

static bool refuse(vouch *v, const bus_kv_entry *entry, lattice_refused why, const char *text,
                   uint64_t now_ns) {
    char sentence[BUS_KEY_BYTES_MAX + ERR_MESSAGE_BYTES_MAX + 64];
    (void)snprintf(sentence, sizeof sentence, "the value of %.*s in a bucket: %s", SLICE_ARG(entry->key),
                   text);
    lattice_refuse(v->options.refusals, why, slice_empty(), sentence, now_ns);
    return false;
}

static bool is_signed_by(const nkey_public *host, slice bucket, const bus_kv_entry *entry, uint64_t ms,
                         slice signature) {
    auto_buf text = {0}, bytes = {0};
    buf_init(&text, text_bytes_max(entry));
    buf_init(&bytes, SIGN_SIGNATURE_BYTES);
    return base64_decode(BASE64_URL, signature, &bytes) == STATUS_OK &&
           write_text(bucket, entry, ms, &text) == STATUS_OK &&
           signing_check(host, SENTENCE, buf_slice(&text), buf_slice(&bytes));
}

bool vouch_check(vouch *v, slice bucket, const bus_kv_entry *entry, uint64_t wall_ms, uint64_t now_ns) {
    slice time, token, signature;
    uint64_t ms;
    cluster_member member;
    lattice_refused why;
    err e;
    if (!nats_headers_find(entry->headers, SIGNATURE, &signature)) {
        return v->options.allows_unsigned ||
               refuse(v, entry, LATTICE_REFUSED_UNSIGNED, "no host vouches for it", now_ns);
    }
    if (!nats_headers_find(entry->headers, TIME, &time) || !slice_to_u64(time, &ms) ||
        !nats_headers_find(entry->headers, TOKEN, &token)) {
        return refuse(v, entry, LATTICE_REFUSED_MALFORMED, "the word of a host about it is incomplete",
                      now_ns);
    }
    if (ms > wall_ms && ms - wall_ms > VOUCH_SLACK_MS) { // it would outrank what comes
        return refuse(v, entry, LATTICE_REFUSED_CLOCK, "it is from the future", now_ns);
    }
    if (cluster_check(v->options.cluster, token, v->options.lattice, ms / 1000, &member, &why, &e) !=
        STATUS_OK) {
        return refuse(v, entry, why, e.message, now_ns);
    }
    if (!is_signed_by(&member.host, bucket, entry, ms, signature)) {
        return refuse(v, entry, LATTICE_REFUSED_BAD_SIGNATURE, "the signature is not of this value", now_ns);
    }
    if (ms + VOUCH_SLACK_MS < newest(v, bucket, entry->key)) {
        return refuse(v, entry, LATTICE_REFUSED_REPLAYED, "it is older than what was there", now_ns);
    }
    return remember(v, bucket, entry->key, ms) ||
           refuse(v, entry, LATTICE_REFUSED_FLOOD, "there are too many keys", now_ns);
}
