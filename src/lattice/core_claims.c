// SPDX-License-Identifier: Apache-2.0
// Claims: of what runs here, and those of the whole lattice, which hosts keep in CLAIMS_{subject}.
#include <stdio.h>

#include "lattice/core_internal.h"

enum { TAGS_BYTES_MAX = 256 << 10, REVISION_BYTES_MAX = 12, KEY_BYTES_MAX = 160 };

// --- of what runs ------------------------------------------------------------------------------------------

static void pack_claims(core_packer *p, const token_claims *from, core_claims *ret) {
    lattice_texts tags = {.count = from->tags.count, .items = from->tags.at};
    const nkey_text issuer = nkey_public_text(&from->issuer);
    const nkey_text subject = nkey_public_text(&from->subject);
    *ret = (core_claims){
        .issuer = core_pack_text(p, slice_from_text(issuer.text)),
        .subject = core_pack_text(p, slice_from_text(subject.text)),
        .name = core_pack_text(p, from->name),
        .version = core_pack_text(p, from->version),
        .call_alias = core_pack_text(p, from->call_alias),
        .config_schema = core_pack_text(p, from->config_schema),
        .tags = core_pack_texts(p, tags),
        .has_revision = from->has_revision,
        .revision = from->has_revision ? from->revision : 0,
        .has_not_before = from->has_not_before,
        .has_expiry = from->has_expiry,
        .not_before_s = from->not_before_s,
        .expires_at_s = from->expires_at_s,
    };
}

core_claims *core_claims_copy(const token_claims *from) {
    core_claims ret;
    if (from == NULL) {
        return NULL;
    }
    core_packer count = {0};
    (void)core_pack(&count, 1, sizeof ret);
    pack_claims(&count, from, &ret);
    core_packer p = {.data = mem_alloc(count.used)};
    core_claims *copy = core_pack(&p, 1, sizeof *copy);
    pack_claims(&p, from, copy);
    return copy;
}

lattice_claims core_claims_view(const core_claims *claims) {
    return claims == NULL ? (lattice_claims){0}
                          : (lattice_claims){.issuer = claims->issuer,
                                             .subject = claims->subject,
                                             .name = claims->name,
                                             .version = claims->version,
                                             .revision = claims->revision};
}

static json_value *stored_form(const core_claims *claims, bool is_provider) {
    char revision[REVISION_BYTES_MAX];
    (void)snprintf(revision, sizeof revision, "%d", claims->revision);
    json_value *v = json_object_new();
    if (!is_provider) {
        json_put_text(v, "call_alias", claims->call_alias);
    }
    json_put_text(v, "issuer", claims->issuer);
    json_put_text(v, "name", claims->name);
    json_put_text(v, "revision", slice_from_text(revision));
    json_put_text(v, "subject", claims->subject);
    if (!is_provider) {
        json_put(v, "tags", core_json_texts(claims->tags));
    }
    json_put_text(v, "version", claims->version);
    if (is_provider && claims->config_schema.len > 0) {
        json_put_text(v, "config_schema", claims->config_schema);
    }
    return v;
}

void core_claims_store(lattice_core *c, const core_claims *claims, bool is_provider) {
    char key[KEY_BYTES_MAX];
    if (claims == NULL) {
        return;
    }
    (void)snprintf(key, sizeof key, "CLAIMS_%.*s", SLICE_ARG(claims->subject));
    json_value *v = stored_form(claims, is_provider);
    auto_buf text;
    buf_init(&text, CORE_REQUEST_BYTES_MAX);
    const core_stored_claims *known = core_table_find(&c->claims, claims->subject);
    if (json_write(v, 0, &text) == STATUS_OK &&
        (known == NULL || known->mark.hash != siphash(c->key, buf_slice(&text)))) {
        core_store(c, CORE_LATTICE_DATA, slice_from_text(key), buf_slice(&text), BUS_KV_ANY);
    }
    json_free(v);
}

// --- of the lattice ----------------------------------------------------------------------------------------

void core_claims_drop(lattice_core *c, core_stored_claims *s) {
    core_table_remove(&c->claims, &s->record);
    mem_free(s->block);
    mem_free(s);
}

// A member by its name or its old one; false when it is neither.
static bool read_either(const json_value *o, const char *name, const char *old, slice *ret) {
    return json_as_text(json_get(o, name), ret) || (old != NULL && json_as_text(json_get(o, old), ret));
}

// A list of texts, or one text with commas, as the text with commas.
static bool read_tags(const json_value *v, buf *text, slice *ret) {
    if (json_as_text(v, ret)) {
        return true;
    }
    bool is_good = json_is_array(v);
    for (size_t i = 0; is_good && i < json_count(v); i++) {
        slice tag;
        is_good = json_as_text(json_at(v, i), &tag) && (i == 0 || buf_append_byte(text, ',') == STATUS_OK) &&
                  buf_append(text, tag) == STATUS_OK;
    }
    *ret = buf_slice(text);
    return is_good;
}

enum { COMPONENT_MEMBERS = 10, PROVIDER_MEMBERS = 9 };

// What clients are told of stored claims: old and new names, in the order of names.
static bool read_claims(const json_value *o, slice subject, buf *text, lattice_pair ret[COMPONENT_MEMBERS],
                        size_t *ret_count, bool *ret_is_provider) {
    slice issuer, name, revision, found, version;
    slice alias = {0};
    slice tags = {0};
    slice schema = {0};
    if (!read_either(o, "issuer", "iss", &issuer) || !read_either(o, "name", NULL, &name) ||
        !read_either(o, "revision", "rev", &revision) || !read_either(o, "subject", "sub", &found) ||
        !read_either(o, "version", NULL, &version) || !slice_equal(found, subject)) {
        return false;
    }
    bool is_component =
        read_either(o, "call_alias", NULL, &alias) && read_tags(json_get(o, "tags"), text, &tags);
    (void)read_either(o, "config_schema", NULL, &schema);
    *ret_is_provider = !is_component;
    const lattice_pair members[] = {
        is_component ? (lattice_pair){SLICE_LITERAL("call_alias"), alias}
                     : (lattice_pair){SLICE_LITERAL("config_schema"), schema},
        {SLICE_LITERAL("iss"), issuer},
        {SLICE_LITERAL("issuer"), issuer},
        {SLICE_LITERAL("name"), name},
        {SLICE_LITERAL("rev"), revision},
        {SLICE_LITERAL("revision"), revision},
        {SLICE_LITERAL("sub"), found},
        {SLICE_LITERAL("subject"), found},
    };
    size_t count = sizeof members / sizeof members[0];
    memcpy(ret, members, sizeof members);
    if (is_component) {
        ret[count++] = (lattice_pair){SLICE_LITERAL("tags"), tags};
    }
    ret[count++] = (lattice_pair){SLICE_LITERAL("version"), version};
    *ret_count = count;
    return true;
}

static core_stored_claims *claims_of(lattice_core *c, slice subject) {
    core_stored_claims *s = core_table_find(&c->claims, subject);
    if (s == NULL && c->claims.count < CORE_CLAIMS_MAX) {
        s = core_record_new(sizeof *s, subject);
        core_table_add(&c->claims, &s->record);
    }
    return s;
}

static void set_claims(lattice_core *c, slice subject, slice value, core_mark mark) {
    json_value *document = NULL;
    lattice_pair members[COMPONENT_MEMBERS];
    size_t count = 0;
    bool is_provider = false;
    auto_buf tags;
    buf_init(&tags, TAGS_BYTES_MAX);
    bool is_good = value.len <= CORE_REQUEST_BYTES_MAX && json_parse(value, &document, NULL) == STATUS_OK &&
                   read_claims(document, subject, &tags, members, &count, &is_provider);
    core_stored_claims *s = is_good ? claims_of(c, subject) : core_table_find(&c->claims, subject);
    c->counters.bad_entries += is_good && s != NULL ? 0 : 1;
    if (s != NULL && !is_good) {
        core_claims_drop(c, s);
    } else if (s != NULL) {
        mem_free(s->block);
        s->members = core_pairs_copy((lattice_pairs){.count = count, .items = members}, &s->block);
        s->is_provider = is_provider;
        s->mark = mark;
    }
    json_free(document);
}

void core_claims_set(lattice_core *c, slice subject, const slice *value, uint64_t revision) {
    core_stored_claims *s = core_table_find(&c->claims, subject);
    core_mark mark;
    if (!core_is_news(c, CORE_LATTICE_DATA, s == NULL ? NULL : &s->mark, value, revision, &mark)) {
        return;
    }
    if (!core_text_fits(subject, CORE_TEXT_ID, CORE_ID_BYTES_MAX)) {
        c->counters.bad_entries++;
    } else if (value != NULL) {
        set_claims(c, subject, *value, mark);
    } else if (s != NULL) {
        core_claims_drop(c, s);
    }
}

static size_t claims_bytes(const core_stored_claims *s) {
    size_t bytes = 2;
    for (size_t i = 0; i < s->members.count; i++) {
        bytes += s->members.items[i].key.len + s->members.items[i].value.len + 6;
    }
    return bytes;
}

static void push_claims(const lattice_core *c, bool is_provider, core_page *page) {
    for (size_t i = 0; i < c->claims.count && !page->is_full; i++) {
        const core_stored_claims *s = (const core_stored_claims *)(const void *)c->claims.items[i];
        if (s->is_provider == is_provider && core_page_takes(page, claims_bytes(s))) {
            json_push(page->items, core_json_pairs(s->members));
        }
    }
}

void core_on_claims_get(core_request *q) {
    core_page page;
    if (core_page_begin(q, &page)) {
        push_claims(q->c, false, &page);
        push_claims(q->c, true, &page);
        core_page_answer(q, &page);
    }
}
