// SPDX-License-Identifier: Apache-2.0
#include "host/grants_writ.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "driver/messaging/messaging.h"

// One of the two lists that must both allow an import, and how to speak of it.
typedef struct side {
    const allowance *allow;
    const char *who;  // "its writ"
    const char *help; // what to do; the capability follows
    const char *issuer;
} side;

static void refuse(grant_decision *d, const char *format, ...) WRIT_FORMAT(2, 3);
static void refuse(grant_decision *d, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(d->why, sizeof d->why, format, args);
    va_end(args);
    d->option[0] = '\0';
}

static bool covers_import(const side *s, const grants_question *q, grant_decision *d) {
    if (allowance_covers(s->allow, q->name, q->version)) {
        return true;
    }
    char version[64] = "";
    if (q->version != NULL) {
        snprintf(version, sizeof version, "@%u.%u.%u%s%.*s", q->version->major, q->version->minor,
                 q->version->patch, q->version->pre.len > 0 ? "-" : "",
                 SLICE_ARG(slice_sub(q->version->pre, 0, 24)));
    }
    refuse(d, "%s%s%s%s does not allow it, and no option can: %s %.*s%s", s->who,
           s->issuer != NULL ? " (" : "", s->issuer != NULL ? s->issuer : "", s->issuer != NULL ? ")" : "",
           s->help, SLICE_ARG(slice_sub(q->name, 0, 120)), version);
    return false;
}

// --- rules of the command line -----------------------------------------------------------------------------

static const network_policy *rules_of(const grants_question *q, const char **ret_option) {
    switch (q->authority) {
    case WASI_AUTHORITY_NETWORK:
        *ret_option = "--allow-net";
        return &q->config->net_policy;
    case WASI_AUTHORITY_HTTP:
        *ret_option = "--allow-http";
        return &q->config->http_policy;
    case WASI_AUTHORITY_NONE:
    case WASI_AUTHORITY_FILES:
    case WASI_AUTHORITY_ENVIRONMENT:
    case WASI_AUTHORITY_STDIO:
    case WASI_AUTHORITY_CONFIG:
    case WASI_AUTHORITY_LINK:
    case WASI_AUTHORITY_SECRETS:
        break;
    }
    return NULL;
}

// The list as people read it, cut where it does not fit.
static void list_rules(const network_policy *p, char *ret, size_t bytes) {
    auto_buf text;
    buf_init(&text, bytes - 8);
    size_t shown = 0;
    while (shown < p->rule_count) {
        size_t before = text.len;
        if ((shown > 0 && buf_append_text(&text, ", ") != STATUS_OK) ||
            network_policy_format(p, shown, &text) != STATUS_OK) {
            text.len = before;
            break;
        }
        shown++;
    }
    snprintf(ret, bytes, "%.*s%s", SLICE_ARG(buf_slice(&text)), shown < p->rule_count ? ", ..." : "");
}

static bool covers_rules(const side *s, const grants_question *q, const network_policy *hosts,
                         const network_policy *rules, const char *option, grant_decision *d) {
    size_t which = 0;
    if (network_policy_within(hosts, rules, &which)) {
        return true;
    }
    auto_buf rule;
    buf_init(&rule, NETWORK_NAME_BYTES_MAX + 16);
    WRIT_UNUSED status ignored = network_policy_format(rules, which, &rule);
    char listed[sizeof d->limits - 16];
    list_rules(hosts, listed, sizeof listed);
    slice shown = slice_sub(buf_slice(&rule), 0, 80);
    refuse(d, "%s %.*s reaches further than %s allows (%s%s); options only narrow: %s '%.*s;hosts=%.*s'",
           option, SLICE_ARG(shown), s->who, hosts->rule_count > 0 ? "hosts " : "no host", listed, s->help,
           SLICE_ARG(slice_sub(q->name, 0, 80)), SLICE_ARG(shown));
    return false;
}

static bool covers_hosts(const side *s, const grants_question *q, grant_decision *d) {
    const char *option = "";
    const network_policy *rules = rules_of(q, &option);
    network_policy hosts = {0};
    bool narrows = true, good = true;
    err e = {0};
    if (rules == NULL) {
        return true;
    }
    if (allowance_hosts(s->allow, q->name, q->version, &hosts, &narrows, &e) != STATUS_OK) {
        refuse(d, "%s cannot be compared with the options: %s", s->who, e.message);
        good = false;
    } else if (narrows) {
        good = covers_rules(s, q, &hosts, rules, option, d);
        char listed[sizeof d->limits - 16];
        list_rules(&hosts, listed, sizeof listed);
        if (good && d->limits[0] == '\0') {
            snprintf(d->limits, sizeof d->limits, "%s%s", hosts.rule_count > 0 ? "hosts " : "no host",
                     listed);
        }
    }
    network_policy_done(&hosts);
    return good;
}

// --- buckets of links --------------------------------------------------------------------------------------

// Which buckets there are is decided by a setting of the link; without it, by the guest.
static const char *setting_of(const grants_question *q) {
    return slice_starts_with(q->name, "wasi:blobstore/") ? "containers" : "buckets";
}

static bool covers_bucket(const side *s, const grants_question *q, const host_link *l, slice bucket,
                          grant_decision *d) {
    slice asked = bucket.len > 0 ? bucket : slice_from_text("*");
    if (allowance_covers_name(s->allow, q->name, q->version, ALLOWANCE_BUCKETS, asked)) {
        return true;
    }
    slice name = slice_sub(slice_from_text(l->name), 0, 40), shown = slice_sub(asked, 0, 60);
    if (bucket.len == 0) {
        refuse(
            d,
            "%s allows it some buckets only, and its link \"%.*s\" has any: name them in the link's setting "
            "%s, or %s %.*s",
            s->who, SLICE_ARG(name), setting_of(q), s->help, SLICE_ARG(slice_sub(q->name, 0, 80)));
    } else {
        refuse(d, "its link \"%.*s\" has the bucket %.*s, which %s does not allow: %s '%.*s;buckets=%.*s'",
               SLICE_ARG(name), SLICE_ARG(shown), s->who, s->help, SLICE_ARG(slice_sub(q->name, 0, 80)),
               SLICE_ARG(shown));
    }
    return false;
}

static bool covers_link(const side *s, const grants_question *q, const host_link *l, grant_decision *d) {
    slice buckets = slice_empty();
    for (size_t i = 0; i < l->setting_count; i++) {
        if (strcmp(l->settings[i].name, setting_of(q)) == 0) {
            buckets = slice_from_text(l->settings[i].value);
            break; // the first counts, as for drivers
        }
    }
    for (size_t at = 0; at <= buckets.len;) {
        size_t end = slice_find(buckets, at, ',');
        end = end == SIZE_MAX ? buckets.len : end;
        if (!covers_bucket(s, q, l, slice_sub(buckets, at, end), d)) {
            return false;
        }
        at = end + 1;
    }
    return true;
}

static bool covers_buckets(const side *s, const grants_question *q, grant_decision *d) {
    const host_links *links = &q->config->links;
    for (size_t i = 0; q->authority == WASI_AUTHORITY_LINK && i < links->count; i++) {
        const host_link *l = &links->items[i];
        for (size_t k = 0; k < l->interface_count; k++) {
            if (slice_equal_text(q->name, l->interfaces[k]) && !covers_link(s, q, l, d)) {
                return false;
            }
        }
    }
    return true;
}

// --- subjects of links -------------------------------------------------------------------------------------

static bool covers_subject(const side *s, const grants_question *q, const host_link *l, const char *setting,
                           slice subject, grant_decision *d) {
    if (allowance_covers_name(s->allow, q->name, q->version, ALLOWANCE_SUBJECTS, subject)) {
        return true;
    }
    slice shown = slice_sub(subject, 0, 60);
    refuse(d, "its link \"%.40s\" has %.*s among its %s, which %s does not allow: %s '%.*s;subjects=%.*s'",
           l->name, SLICE_ARG(shown), setting, s->who, s->help, SLICE_ARG(slice_sub(q->name, 0, 80)),
           SLICE_ARG(shown));
    return false;
}

static bool covers_lists(const side *s, const grants_question *q, const host_link *l,
                         const messaging_settings *m, grant_decision *d) {
    for (size_t i = 0; i < m->subject_count; i++) {
        if (!covers_subject(s, q, l, "subjects", m->subjects[i], d)) {
            return false;
        }
    }
    for (size_t i = 0; i < m->subscription_count; i++) {
        if (!covers_subject(s, q, l, "subscriptions", m->subscriptions[i].pattern, d)) {
            return false;
        }
    }
    return true;
}

static bool covers_messages(const side *s, const grants_question *q, const host_link *l, grant_decision *d) {
    messaging_settings m = {0};
    err e = {0};
    driver_value *values = mem_calloc(l->setting_count + 1, sizeof *values);
    for (size_t i = 0; i < l->setting_count; i++) {
        values[i] =
            (driver_value){slice_from_text(l->settings[i].name), slice_from_text(l->settings[i].value)};
    }
    bool good = messaging_settings_read(&(driver_values){values, l->setting_count}, &m, &e) == STATUS_OK;
    if (good) {
        good = covers_lists(s, q, l, &m, d);
    } else {
        refuse(d, "its link \"%.40s\": %s", l->name, e.message);
    }
    messaging_settings_done(&m);
    mem_free(values);
    return good;
}

static bool covers_subjects(const side *s, const grants_question *q, grant_decision *d) {
    const host_links *links = &q->config->links;
    for (size_t i = 0; slice_equal_text(q->name, MESSAGING_CONSUMER) && i < links->count; i++) {
        const host_link *l = &links->items[i];
        for (size_t k = 0; k < l->interface_count; k++) {
            if (slice_equal_text(q->name, l->interfaces[k]) && !covers_messages(s, q, l, d)) {
                return false;
            }
        }
    }
    return true;
}

bool grants_writ_allows(const grants_writ *w, const grants_question *q, grant_decision *d) {
    if (w == NULL) {
        return true;
    }
    const side sides[] = {
        {w->writ, "its writ", "sign it again with --cap", w->issuer},
        {w->trust, "the trust in its issuer", "allow the issuer more in the trust store:", w->issuer},
    };
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        if (sides[i].allow != NULL &&
            (!covers_import(&sides[i], q, d) || !covers_hosts(&sides[i], q, d) ||
             !covers_buckets(&sides[i], q, d) || !covers_subjects(&sides[i], q, d))) {
            return false;
        }
    }
    return true;
}
