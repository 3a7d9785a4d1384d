// SPDX-License-Identifier: Apache-2.0
// Our own policy: what this host should give to a component, and its bounds. Other tools keep it and look no
// further, because they ignore policies of types that they do not know.
#include "codec/quantity.h"
#include "codec/utf.h"
#include "deploy/manifest_internal.h"
#include "policy/network.h"

enum { COUNT_MAX = 1000000, WORDS_MAX = 1024 };

typedef struct policy_reader {
    manifest_reader *r;
    const manifest_policy *policy;
    const manifest_pair *pair; // that is read now
    manifest_workload *w;
    // How many of the lists are filled.
    manifest_pair *variables;
    manifest_directory *directories;
    manifest_texts components;
} policy_reader;

static void wrong(policy_reader *p, const char *advice) {
    char key[80], value[200];
    problems_add(p->r->found, p->pair->value_at, "workload-policy", advice,
                 "%s: `%s` does not mean anything here", utf8_shown(p->pair->key, key, sizeof key),
                 utf8_shown(p->pair->value, value, sizeof value));
}

// --- values ------------------------------------------------------------------------------------------------

static void read_count(policy_reader *p, uint64_t min, bool *ret_has, uint32_t *ret) {
    uint64_t value;
    if (!slice_to_u64(p->pair->value, &value) || value < min || value > COUNT_MAX) {
        wrong(p, min == 0 ? "write a number from 0 to 1000000" : "write a number from 1 to 1000000");
        return;
    }
    *ret_has = true;
    *ret = (uint32_t)value;
}

static void read_memory(policy_reader *p) {
    if (!quantity_size(p->pair->value, &p->w->memory_bytes_max) || p->w->memory_bytes_max == 0) {
        wrong(p, "write a size such as 64M, 512k or 1G");
    }
}
static void read_duration(policy_reader *p, uint64_t *ret_ns) {
    if (!quantity_duration(p->pair->value, ret_ns) || *ret_ns == 0) {
        wrong(p, "write a duration such as 250ms, 10s or 2m");
    }
}
static void read_cpu_time(policy_reader *p) { read_duration(p, &p->w->cpu_time_ns_max); }
static void read_timeout(policy_reader *p) { read_duration(p, &p->w->wall_time_ns_max); }
static void read_instances(policy_reader *p) { read_count(p, 1, &p->w->has_instances, &p->w->instances_max); }
static void read_queue(policy_reader *p) { read_count(p, 0, &p->w->has_queue, &p->w->queue_max); }
static void read_reuse(policy_reader *p) { read_count(p, 1, &p->w->has_reuse, &p->w->reuse_max); }

static void read_strict(policy_reader *p) {
    p->w->is_strict = slice_equal_text(p->pair->value, "true");
    if (!p->w->is_strict && !slice_equal_text(p->pair->value, "false")) {
        wrong(p, "write true or false");
    }
}

static void read_stdio(policy_reader *p) {
    p->w->stdio = (manifest_text){p->pair->value, p->pair->value_at};
    if (!slice_equal_text(p->pair->value, "inherit") && !slice_equal_text(p->pair->value, "none")) {
        wrong(p, "write inherit or none");
    }
}

static void read_token(policy_reader *p) {
    p->w->token = (manifest_text){p->pair->value, p->pair->value_at};
    if (p->pair->value.len == 0) {
        wrong(p, "write the path of a token, relative to the manifest");
    }
}

// --- lists of words ----------------------------------------------------------------------------------------

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static bool next_word(slice text, size_t *at, slice *ret) {
    while (*at < text.len && is_blank(text.data[*at])) {
        (*at)++;
    }
    size_t from = *at;
    while (*at < text.len && !is_blank(text.data[*at])) {
        (*at)++;
    }
    *ret = slice_sub(text, from, *at);
    return ret->len > 0;
}

static manifest_texts read_words(policy_reader *p) {
    slice word;
    size_t count = 0, at = 0;
    while (next_word(p->pair->value, &at, &word)) {
        count++;
    }
    if (count > WORDS_MAX) {
        wrong(p, "write 1024 words at most");
        return (manifest_texts){NULL, 0};
    }
    manifest_text *list = MANIFEST_ARRAY(p->r, manifest_text, count, p->pair->value_at);
    at = 0;
    for (size_t i = 0; list != NULL && next_word(p->pair->value, &at, &word); i++) {
        list[i] = (manifest_text){word, p->pair->value_at};
    }
    return (manifest_texts){list, list == NULL ? 0 : count};
}

static void read_hosts(policy_reader *p, manifest_texts *ret, network_default_port without_port) {
    network_policy rules = {0};
    *ret = read_words(p);
    for (size_t i = 0; i < ret->count; i++) {
        err e;
        if (network_policy_add(&rules, ret->texts[i].value, without_port, &e) != STATUS_OK) {
            char key[80];
            problems_add(p->r->found, p->pair->value_at, "workload-policy", NULL, "%s: %s",
                         utf8_shown(p->pair->key, key, sizeof key), e.message);
        }
    }
    network_policy_done(&rules);
}
static void read_http_hosts(policy_reader *p) { read_hosts(p, &p->w->http_hosts, NETWORK_PORT_OF_HTTP); }
static void read_net_hosts(policy_reader *p) { read_hosts(p, &p->w->net_hosts, NETWORK_PORT_ANY); }
static void read_grants(policy_reader *p) { p->w->grants = read_words(p); }
static void read_refusals(policy_reader *p) { p->w->refusals = read_words(p); }
static void read_components(policy_reader *p) { p->components = read_words(p); }

// A name, or "*." and a domain.
static bool is_host_name(slice text) {
    if (slice_starts_with(text, "*.") && text.len > 2) {
        text = slice_sub(text, 2, text.len);
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
        if (!ok) {
            return false;
        }
    }
    return text.len <= 253;
}

// A path that a request can have, without a query.
static bool is_path(slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= ' ' || text.data[i] >= 0x7f || text.data[i] == '?' || text.data[i] == '#') {
            return false;
        }
    }
    return text.len > 0 && text.data[0] == '/';
}

static void read_routes(policy_reader *p) {
    manifest_texts words = read_words(p);
    manifest_route *list = MANIFEST_ARRAY(p->r, manifest_route, words.count, p->pair->value_at);
    for (size_t i = 0; list != NULL && i < words.count; i++) {
        slice word = words.texts[i].value;
        size_t slash = slice_find(word, 0, '/');
        list[i].host = slice_sub(word, 0, slash == SIZE_MAX ? word.len : slash);
        list[i].path = slash == SIZE_MAX ? slice_from_text("/") : slice_sub(word, slash, word.len);
        list[i].at = p->pair->value_at;
        if (!is_host_name(list[i].host) || !is_path(list[i].path)) {
            wrong(p, "write HOST, /PATH or HOST/PATH in lower case without scheme and port, such as "
                     "shop.example/api");
        }
    }
    p->w->routes = list;
    p->w->route_count = list == NULL ? 0 : words.count;
}

// --- members that carry a name -----------------------------------------------------------------------------

static void read_variable(policy_reader *p, slice name) {
    if (name.len == 0 || slice_find(name, 0, '=') != SIZE_MAX) {
        wrong(p, "write env.NAME with a name that has no =");
        return;
    }
    manifest_pair *v = &p->variables[p->w->variable_count++];
    *v = *p->pair;
    v->key = name;
}

static bool take_suffix(slice *text, const char *suffix) {
    size_t n = strlen(suffix);
    if (text->len <= n || !slice_equal_text(slice_sub(*text, text->len - n, text->len), suffix)) {
        return false;
    }
    text->len -= n;
    return true;
}

static void read_directory(policy_reader *p, slice guest_path) {
    slice host_path = p->pair->value;
    bool read_only = take_suffix(&host_path, ":ro");
    if (guest_path.len == 0 || guest_path.data[0] != '/' || host_path.len == 0) {
        wrong(
            p,
            "write dir./PATH with an absolute path, and as its value a directory of this host, then :ro for "
            "reading only");
        return;
    }
    if (!read_only) {
        take_suffix(&host_path, ":rw");
    }
    p->directories[p->w->directory_count++] =
        (manifest_directory){guest_path, host_path, read_only, p->pair->value_at};
}

// --- the policy --------------------------------------------------------------------------------------------

typedef struct member {
    const char *name;
    void (*read)(policy_reader *p);
} member;

static const member members[] = {
    {"components", read_components},
    {"max-memory", read_memory},
    {"cpu-time", read_cpu_time},
    {"timeout", read_timeout},
    {"max-instances", read_instances},
    {"queue", read_queue},
    {"reuse", read_reuse},
    {"routes", read_routes},
    {"allow-http", read_http_hosts},
    {"allow-net", read_net_hosts},
    {"grant", read_grants},
    {"refuse", read_refusals},
    {"strict", read_strict},
    {"stdio", read_stdio},
    {"token", read_token},
};

static void read_member(policy_reader *p) {
    slice key = p->pair->key;
    char shown[80];
    if (slice_starts_with(key, "env.")) {
        read_variable(p, slice_sub(key, 4, key.len));
        return;
    }
    if (slice_starts_with(key, "dir.")) {
        read_directory(p, slice_sub(key, 4, key.len));
        return;
    }
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (slice_equal_text(key, members[i].name)) {
            members[i].read(p);
            return;
        }
    }
    problems_add(p->r->found, p->pair->at, "workload-policy",
                 "known are components, max-memory, cpu-time, timeout, max-instances, queue, reuse, routes, "
                 "allow-http, allow-net, grant, refuse, strict, stdio, token, env.NAME and dir./PATH",
                 "`%s` is not known in a policy of type " MANIFEST_WORKLOAD_POLICY,
                 utf8_shown(key, shown, sizeof shown));
}

// Gives the workload to each component that the policy names.
static void apply(policy_reader *p) {
    char name[80];
    const manifest_pair *pair = manifest_map_find(&p->policy->properties, "components");
    if (p->components.count == 0) {
        problems_add(p->r->found, pair == NULL ? p->policy->at : pair->value_at, "workload-policy",
                     "write `components: NAME ...` among its properties",
                     "a policy of type " MANIFEST_WORKLOAD_POLICY " names no component");
    }
    for (size_t i = 0; i < p->components.count; i++) {
        const manifest_text *t = &p->components.texts[i];
        manifest_component *c = (manifest_component *)(uintptr_t)manifest_find(p->r->m, t->value);
        utf8_shown(t->value, name, sizeof name);
        if (c == NULL || c->is_capability) {
            problems_add(p->r->found, t->at, "workload-policy",
                         "write the name of a component of type `component`",
                         "the policy is about `%s`, which is %s", name,
                         c == NULL ? "not in this manifest" : "a capability");
        } else if (c->workload.at.line != 0) {
            problems_add(p->r->found, t->at, "workload-policy",
                         manifest_path(p->r, "the other begins in line %u; write one for each component",
                                       c->workload.at.line),
                         "a second policy of this type is about `%s`", name);
        } else {
            c->workload = *p->w;
        }
    }
}

static void read_policy(manifest_reader *r, const manifest_policy *policy) {
    manifest_workload w = {.at = policy->at};
    policy_reader p = {.r = r, .policy = policy, .w = &w};
    size_t count = policy->properties.count;
    p.variables = MANIFEST_ARRAY(r, manifest_pair, count, policy->at);
    p.directories = MANIFEST_ARRAY(r, manifest_directory, count, policy->at);
    if (p.variables == NULL || p.directories == NULL) {
        return;
    }
    for (size_t i = 0; i < count; i++) {
        p.pair = &policy->properties.pairs[i];
        read_member(&p);
    }
    w.variables = p.variables;
    w.directories = p.directories;
    apply(&p);
}

void manifest_read_workloads(manifest_reader *r) {
    for (size_t i = 0; i < r->m->policy_count; i++) {
        if (slice_equal_text(r->m->policies[i].type.value, MANIFEST_WORKLOAD_POLICY)) {
            read_policy(r, &r->m->policies[i]);
        }
    }
}
