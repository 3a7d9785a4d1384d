// SPDX-License-Identifier: Apache-2.0
#include "api/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "os/memory_file.h"

enum {
    NAME_BYTES_MAX = 1024,
    PATH_BYTES_MAX = 4096,
    MANIFEST_TEXT_BYTES_MAX = 8 << 20,
    NAMES_BYTES_MAX = 4096
};

// --- the end -----------------------------------------------------------------------------------------------

static void free_application(plan_application *a) {
    mem_free(a->file);
    mem_free(a->name);
    mem_free(a->text);
}

void plan_change_done(plan_change *c) {
    mem_free(c->file);
    mem_free(c->workload);
    host_link_done(&c->link);
    *c = (plan_change){0};
}

void plan_done(plan *p) {
    for (size_t i = 0; i < p->application_count; i++) {
        free_application(&p->applications[i]);
    }
    for (size_t i = 0; i < p->change_count; i++) {
        plan_change_done(&p->changes[i]);
    }
    mem_free(p->applications);
    mem_free(p->changes);
    *p = (plan){0};
}

// --- reading -----------------------------------------------------------------------------------------------

static status wrong(const char *what, err *e) {
    return err_set(e, STATUS_INVALID, "%s is missing, or not what it must be", what);
}

static status read_text(const json_value *v, const char *what, size_t max, char **ret, err *e) {
    slice text;
    if (!json_as_text(v, &text) || text.len == 0 || text.len > max ||
        memchr(text.data, 0, text.len) != NULL) {
        return wrong(what, e);
    }
    *ret = mem_slice_dup(text);
    return STATUS_OK;
}

static status read_optional(const json_value *v, const char *what, size_t max, char **ret, err *e) {
    return json_is_absent(v) ? STATUS_OK : read_text(v, what, max, ret, e);
}

static status read_bool(const json_value *v, const char *what, bool *ret, err *e) {
    return json_is_absent(v) || json_as_bool(v, ret) ? STATUS_OK : wrong(what, e);
}

static status read_known(const json_value *v, const char *const *known, size_t count, const char *what,
                         err *e) {
    const char *unknown = json_is_object(v) ? json_unknown_member(v, known, count) : NULL;
    if (!json_is_object(v)) {
        return wrong(what, e);
    }
    return unknown == NULL ? STATUS_OK
                           : err_set(e, STATUS_INVALID, "%s has no member \"%.40s\"", what, unknown);
}

#define READ_KNOWN(v, what, e, ...)                     \
    read_known((v), (const char *const[]){__VA_ARGS__}, \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *), (what), (e))

static status read_interfaces(const json_value *v, host_link *l, err *e) {
    for (size_t i = 0; i < json_count(v); i++) {
        slice one;
        if (!json_as_text(json_at(v, i), &one) || one.len == 0 || one.len > NAME_BYTES_MAX ||
            memchr(one.data, 0, one.len) != NULL) {
            return wrong("an interface", e);
        }
        TRY(host_link_add_interface(l, one, e));
    }
    return l->interface_count > 0 ? STATUS_OK : wrong("the list \"interfaces\"", e);
}

static status read_settings(const json_value *v, host_link *l, err *e) {
    void *at = NULL;
    slice key, text;
    const json_value *value;
    if (!json_is_absent(v) && !json_is_object(v)) {
        return wrong("\"settings\"", e);
    }
    while (json_next_member(v, &at, &key, &value)) {
        if (!json_as_text(value, &text) || key.len > NAME_BYTES_MAX ||
            memchr(text.data, 0, text.len) != NULL) {
            return wrong("the text of a setting", e);
        }
        TRY(host_link_add_setting(l, key, text, e));
    }
    return STATUS_OK;
}

static status read_secret(slice name, const json_value *v, host_link *l, err *e) {
    host_secret s = {.name = mem_slice_dup(name)};
    status done = READ_KNOWN(v, "a secret", e, "key", "field", "version");
    done = done == STATUS_OK ? read_text(json_get(v, "key"), "the key of a secret", NAME_BYTES_MAX, &s.key, e)
                             : done;
    done = done == STATUS_OK ? read_optional(json_get(v, "field"), "its field", NAME_BYTES_MAX, &s.field, e)
                             : done;
    done = done == STATUS_OK
               ? read_optional(json_get(v, "version"), "its version", NAME_BYTES_MAX, &s.version, e)
               : done;
    done = done == STATUS_OK ? host_link_add_secret(l, &s, e) : done;
    host_secret_done(&s);
    return done;
}

static status read_secrets(const json_value *v, host_link *l, err *e) {
    void *at = NULL;
    slice key;
    const json_value *value;
    if (!json_is_absent(v) && !json_is_object(v)) {
        return wrong("\"secrets\"", e);
    }
    while (json_next_member(v, &at, &key, &value)) {
        TRY(read_secret(slice_sub(key, 0, NAME_BYTES_MAX), value, l, e));
    }
    return STATUS_OK;
}

status plan_link_read(const json_value *v, host_link *ret, err *e) {
    char *name = NULL, *driver = NULL;
    host_links list = {0};
    host_link *made = NULL;
    TRY(READ_KNOWN(v, "a link", e, "name", "interfaces", "driver", "settings", "secrets", "cut"));
    status s = read_optional(json_get(v, "name"), "the name of a link", NAME_BYTES_MAX, &name, e);
    s = s == STATUS_OK ? read_optional(json_get(v, "driver"), "its driver", NAME_BYTES_MAX, &driver, e) : s;
    s = s == STATUS_OK
            ? host_links_add(&list, name != NULL ? name : "default", driver != NULL ? driver : "", &made, e)
            : s;
    s = s == STATUS_OK ? read_interfaces(json_get(v, "interfaces"), made, e) : s;
    s = s == STATUS_OK ? read_settings(json_get(v, "settings"), made, e) : s;
    s = s == STATUS_OK ? read_secrets(json_get(v, "secrets"), made, e) : s;
    s = s == STATUS_OK ? read_bool(json_get(v, "cut"), "\"cut\"", &made->is_cut, e) : s;
    if (s == STATUS_OK) {
        *ret = *made;
        list.count = 0;
    }
    host_links_done(&list);
    mem_free(name);
    mem_free(driver);
    return s;
}

static status read_application(const json_value *v, plan_application *a, err *e) {
    TRY(READ_KNOWN(v, "an application", e, "file", "name", "text", "unsigned"));
    TRY(read_text(json_get(v, "file"), "the file of an application", PATH_BYTES_MAX, &a->file, e));
    TRY(read_optional(json_get(v, "name"), "its name", NAME_BYTES_MAX, &a->name, e));
    TRY(read_optional(json_get(v, "text"), "its text", MANIFEST_TEXT_BYTES_MAX, &a->text, e));
    return read_bool(json_get(v, "unsigned"), "\"unsigned\"", &a->is_unsigned, e);
}

static status read_change(const json_value *v, plan_change *c, err *e) {
    int64_t n = 0;
    TRY(READ_KNOWN(v, "a change", e, "file", "workload", "instances", "link"));
    TRY(read_text(json_get(v, "file"), "the file of a change", PATH_BYTES_MAX, &c->file, e));
    TRY(read_text(json_get(v, "workload"), "its workload", NAME_BYTES_MAX, &c->workload, e));
    if (json_is_absent(json_get(v, "instances"))) {
        return plan_link_read(json_get(v, "link"), &c->link, e);
    }
    if (!json_as_integer(json_get(v, "instances"), &n) || n < 1 || n > UINT32_MAX) {
        return wrong("\"instances\"", e);
    }
    c->instances_max = (uint32_t)n;
    return STATUS_OK;
}

static status read_applications(const json_value *list, plan *p, err *e) {
    size_t count = json_count(list);
    if (count > PLAN_APPLICATIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "a host runs at most %d applications", PLAN_APPLICATIONS_MAX);
    }
    p->applications = mem_calloc(PLAN_APPLICATIONS_MAX, sizeof *p->applications);
    for (size_t i = 0; i < count; i++) {
        p->application_count = i + 1;
        TRY(read_application(json_at(list, i), &p->applications[i], e));
    }
    return STATUS_OK;
}

static status read_changes(const json_value *list, plan *p, err *e) {
    size_t count = json_count(list);
    if (count > PLAN_CHANGES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d changes by hand", PLAN_CHANGES_MAX);
    }
    p->changes = mem_calloc(PLAN_CHANGES_MAX, sizeof *p->changes);
    for (size_t i = 0; i < count; i++) {
        p->change_count = i + 1;
        TRY(read_change(json_at(list, i), &p->changes[i], e));
    }
    return STATUS_OK;
}

status plan_read(slice text, plan *ret, err *e) {
    json_value *v = NULL;
    TRY(json_parse(text, &v, e));
    status s = READ_KNOWN(v, "a plan", e, "applications", "changes", "json");
    s = s == STATUS_OK ? read_applications(json_get(v, "applications"), ret, e) : s;
    s = s == STATUS_OK ? read_changes(json_get(v, "changes"), ret, e) : s;
    s = s == STATUS_OK ? read_bool(json_get(v, "json"), "\"json\"", &ret->is_json, e) : s;
    json_free(v);
    return s;
}

// --- writing -----------------------------------------------------------------------------------------------

static void put_optional(json_value *o, const char *key, const char *text) {
    if (text != NULL) {
        json_put_text(o, key, slice_from_text(text));
    }
}

static json_value *secrets_json(const host_link *l) {
    json_value *all = json_object_new();
    for (size_t i = 0; i < l->secret_count; i++) {
        json_value *one = json_object_new();
        json_put_text(one, "key", slice_from_text(l->secrets[i].key));
        put_optional(one, "field", l->secrets[i].field);
        put_optional(one, "version", l->secrets[i].version);
        json_put(all, l->secrets[i].name, one);
    }
    return all;
}

json_value *plan_link_json(const host_link *l) {
    json_value *o = json_object_new(), *interfaces = json_array_new(), *settings = json_object_new();
    for (size_t i = 0; i < l->interface_count; i++) {
        json_push(interfaces, json_text(slice_from_text(l->interfaces[i])));
    }
    for (size_t i = 0; i < l->setting_count; i++) {
        json_put_text(settings, l->settings[i].name, slice_from_text(l->settings[i].value));
    }
    json_put_text(o, "name", slice_from_text(l->name));
    json_put(o, "interfaces", interfaces);
    if (l->driver[0] != '\0') {
        json_put_text(o, "driver", slice_from_text(l->driver));
    }
    json_put(o, "settings", settings);
    json_put(o, "secrets", secrets_json(l));
    json_put_bool(o, "cut", l->is_cut);
    return o;
}

static json_value *application_json(const plan_application *a) {
    json_value *o = json_object_new();
    json_put_text(o, "file", slice_from_text(a->file));
    put_optional(o, "name", a->name);
    put_optional(o, "text", a->text);
    json_put_bool(o, "unsigned", a->is_unsigned);
    return o;
}

static json_value *change_json(const plan_change *c) {
    json_value *o = json_object_new();
    json_put_text(o, "file", slice_from_text(c->file));
    json_put_text(o, "workload", slice_from_text(c->workload));
    if (c->instances_max > 0) {
        json_put_integer(o, "instances", c->instances_max);
    } else {
        json_put(o, "link", plan_link_json(&c->link));
    }
    return o;
}

status plan_write(const plan *p, buf *ret, err *e) {
    json_value *o = json_object_new(), *applications = json_array_new(), *changes = json_array_new();
    for (size_t i = 0; i < p->application_count; i++) {
        json_push(applications, application_json(&p->applications[i]));
    }
    for (size_t i = 0; i < p->change_count; i++) {
        json_push(changes, change_json(&p->changes[i]));
    }
    json_put(o, "applications", applications);
    json_put(o, "changes", changes);
    json_put_bool(o, "json", p->is_json);
    status s = json_write(o, 0, ret);
    json_free(o);
    return s == STATUS_OK ? s : err_set(e, STATUS_LIMIT, "the manifests together are too large");
}

status plan_write_file(const plan *p, int *ret_fd, err *e) {
    auto_buf text;
    buf_init(&text, PLAN_BYTES_MAX);
    TRY(plan_write(p, &text, e));
    return memory_file_from_bytes("writ-plan", buf_slice(&text), ret_fd, e);
}

status plan_read_file(int fd, plan *ret, err *e) {
    memory_map map = {0};
    TRY(memory_map_read(fd, PLAN_BYTES_MAX, &map, e));
    status s = plan_read(memory_map_slice(&map), ret, e);
    memory_map_done(&map);
    return s;
}

// --- changing ----------------------------------------------------------------------------------------------

static void remove_change(plan *p, size_t at) {
    plan_change_done(&p->changes[at]);
    memmove(&p->changes[at], &p->changes[at + 1], (--p->change_count - at) * sizeof p->changes[0]);
}

static void forget_changes(plan *p, const char *file) {
    for (size_t i = p->change_count; i-- > 0;) {
        if (strcmp(p->changes[i].file, file) == 0) {
            remove_change(p, i);
        }
    }
}

static void forget_text(plan_application *a) {
    mem_free(a->text);
    a->text = NULL;
}

status plan_take(plan *p, const char *file, bool is_unsigned, err *e) {
    plan_application *a = NULL;
    for (size_t i = 0; i < p->application_count && a == NULL; i++) {
        a = strcmp(p->applications[i].file, file) == 0 ? &p->applications[i] : NULL;
    }
    if (a == NULL && p->application_count == PLAN_APPLICATIONS_MAX) {
        return err_set(e, STATUS_LIMIT, "a host runs at most %d applications", PLAN_APPLICATIONS_MAX);
    }
    if (a == NULL) {
        p->applications = p->applications == NULL ? mem_calloc(PLAN_APPLICATIONS_MAX, sizeof *p->applications)
                                                  : p->applications;
        a = &p->applications[p->application_count++];
        *a = (plan_application){.file = mem_text_dup(file)};
    }
    a->is_unsigned = is_unsigned;
    forget_text(a);
    forget_changes(p, a->file);
    return STATUS_OK;
}

void plan_take_all(plan *p, bool keeps_changes) {
    for (size_t i = 0; i < p->application_count; i++) {
        forget_text(&p->applications[i]);
        if (!keeps_changes) {
            forget_changes(p, p->applications[i].file);
        }
    }
}

static status no_application(const plan *p, slice name, err *e) {
    auto_buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    for (size_t i = 0; i < p->application_count; i++) {
        (void)!buf_append_format(&names, "%s%s", i > 0 ? ", " : "",
                                 p->applications[i].name != NULL ? p->applications[i].name : "?");
    }
    return err_set(e, STATUS_NOT_FOUND, "there is no application \"%.*s\"; there are: %.*s",
                   SLICE_ARG(slice_sub(name, 0, 80)), SLICE_ARG(buf_slice(&names)));
}

status plan_remove(plan *p, slice application, err *e) {
    for (size_t i = 0; i < p->application_count; i++) {
        plan_application *a = &p->applications[i];
        if (a->name != NULL && slice_equal_text(application, a->name)) {
            forget_changes(p, a->file);
            free_application(a);
            memmove(a, a + 1, (--p->application_count - i) * sizeof *a);
            return STATUS_OK;
        }
    }
    return no_application(p, application, e);
}

static bool is_same_interfaces(const host_link *a, const host_link *b) {
    bool is_same = a->interface_count == b->interface_count;
    for (size_t i = 0; is_same && i < a->interface_count; i++) {
        is_same = strcmp(a->interfaces[i], b->interfaces[i]) == 0;
    }
    return is_same;
}

static bool is_about_same(const plan_change *a, const plan_change *b) {
    if (strcmp(a->workload, b->workload) != 0 || (a->instances_max == 0) != (b->instances_max == 0)) {
        return false;
    }
    return a->instances_max > 0 ||
           (strcmp(a->link.name, b->link.name) == 0 && is_same_interfaces(&a->link, &b->link));
}

status plan_put(plan *p, plan_change *c, err *e) {
    for (size_t i = p->change_count; i-- > 0;) {
        if (is_about_same(&p->changes[i], c)) {
            remove_change(p, i);
        }
    }
    if (p->change_count == PLAN_CHANGES_MAX) {
        return err_set(e, STATUS_LIMIT, "more than %d changes by hand; write them into the manifests",
                       PLAN_CHANGES_MAX);
    }
    p->changes = p->changes == NULL ? mem_calloc(PLAN_CHANGES_MAX, sizeof *p->changes) : p->changes;
    p->changes[p->change_count++] = *c;
    *c = (plan_change){0};
    return STATUS_OK;
}

// --- applying ----------------------------------------------------------------------------------------------

static bool covers(const char *what, const char *interface) {
    size_t n = strlen(what);
    return strncmp(what, interface, n) == 0 && (interface[n] == '\0' || interface[n] == '/');
}

bool plan_link_is_about(const host_link *l, const host_link *asked) {
    bool is_about = strcmp(l->name, asked->name) == 0;
    for (size_t i = 0; is_about && i < l->interface_count; i++) {
        bool is_covered = false;
        for (size_t n = 0; n < asked->interface_count; n++) {
            is_covered |= covers(asked->interfaces[n], l->interfaces[i]);
        }
        is_about = is_covered;
    }
    return is_about;
}

static void copy_settings(const host_link *from, host_link *to) {
    for (size_t i = 0; i < from->setting_count; i++) {
        (void)!host_link_add_setting(to, slice_from_text(from->settings[i].name),
                                     slice_from_text(from->settings[i].value), NULL);
    }
    for (size_t i = 0; i < from->secret_count; i++) {
        (void)!host_link_add_secret(to, &from->secrets[i], NULL);
    }
}

// For people: "store (redis)", or "redis" where it has no name of its own.
static void name_target(host_link *l) {
    size_t n = strlen(l->target_name) + strlen(l->driver) + 4;
    if (strcmp(l->target_name, l->driver) != 0) {
        mem_free(l->target);
        l->target = mem_zalloc(n);
        (void)snprintf(l->target, n, "%s (%s)", l->target_name, l->driver);
    }
}

void plan_link_fill(const host_link *l, const host_link *asked, host_link *ret) {
    host_links list = {0};
    host_link *made = NULL;
    if (host_links_add(&list, l->name, asked->driver, &made, NULL) != STATUS_OK) {
        return; // a list of one has room
    }
    for (size_t i = 0; i < l->interface_count; i++) {
        (void)!host_link_add_interface(made, slice_from_text(l->interfaces[i]), NULL);
    }
    copy_settings(asked, made);
    made->number = l->number;
    made->timeout_ns = l->timeout_ns;
    mem_free(made->workload);
    mem_free(made->target_name);
    made->workload = mem_text_dup(l->workload);
    made->target_name = mem_text_dup(l->target_name);
    name_target(made);
    *ret = *made;
    list.count = 0;
    host_links_done(&list);
}

static void apply_to_links(const host_link *asked, host_links *links) {
    for (size_t i = 0; i < links->count; i++) {
        host_link *l = &links->items[i];
        if (!plan_link_is_about(l, asked)) {
            continue;
        }
        if (!asked->is_cut) {
            host_link by = {0};
            plan_link_fill(l, asked, &by);
            host_link_done(l);
            *l = by;
        }
        l->is_cut = asked->is_cut;
    }
}

void plan_apply(const plan *p, host_config *c) {
    for (size_t i = 0; i < p->change_count; i++) {
        const plan_change *change = &p->changes[i];
        uint32_t n = host_config_find(c, slice_from_text(change->workload));
        if (n < HOST_WORKLOADS_MAX && change->instances_max > 0) {
            c->workloads[n].limits.instances_max = change->instances_max;
        } else if (n < HOST_WORKLOADS_MAX) {
            apply_to_links(&change->link, &c->workloads[n].links);
        }
    }
}
