// SPDX-License-Identifier: Apache-2.0
// What changed with a generation: workloads by a digest of their configuration and their component, links by
// what the process with the drivers says of them.
#include <string.h>

#include "base/mem.h"
#include "cli/up_internal.h"
#include "crypto/hash.h"
#include "host/config_wire.h"
#include "os/memory_file.h"
#include "os/whole_file.h"

enum { SUMMARY_BYTES_MAX = 16 << 20, COMPONENT_BYTES_MAX = 256 << 20, LABEL_BYTES_MAX = 1024 };

typedef enum change { KEPT, CHANGED, ADDED, REMOVED, CHANGES } change;
static const char *const change_names[CHANGES] = {"kept", "changed", "added", "removed"};

typedef struct changes { // labels
    json_value *workloads[CHANGES];
    json_value *links[CHANGES];
} changes;

// --- the summary -------------------------------------------------------------------------------------------

// Of all that makes it what it is, but for links, which are told apart, and what differs each time.
static void digest_workload(const workload_config *w, char ret[HASH_HEX_BYTES]) {
    auto_buf wire, binary = {0};
    uint8_t digest[HASH_BYTES];
    workload_config copy = *w;
    host_config alone = {.workloads = &copy, .workload_count = 1};
    buf_init(&wire, CONFIG_WIRE_BYTES_MAX);
    copy.links = (host_links){0};
    memset(copy.metadata_key, 0, sizeof copy.metadata_key);
    (void)!config_wire_write(&alone, &wire, NULL);
    (void)!file_read_whole(w->component_path, COMPONENT_BYTES_MAX, &binary, NULL);
    const slice parts[] = {buf_slice(&wire), buf_slice(&binary)};
    hash_sha256(parts, 2, digest);
    hash_hex(digest, ret);
}

static json_value *summarise_workloads(const host_config *c) {
    json_value *o = json_object_new();
    for (size_t i = 0; i < c->workload_count; i++) {
        char digest[HASH_HEX_BYTES];
        digest_workload(&c->workloads[i], digest);
        json_put_text(o, c->workloads[i].name, slice_from_text(digest));
    }
    return o;
}

static const char *label_of(const host_link *l, char text[LABEL_BYTES_MAX]) {
    (void)snprintf(text, LABEL_BYTES_MAX, "%s %s@%s", l->workload,
                   l->interface_count > 0 ? l->interfaces[0] : "", l->name);
    return text;
}

static json_value *summarise_links(const host_config *c) {
    json_value *o = json_object_new();
    for (size_t i = 0; i < c->workload_count; i++) {
        for (size_t n = 0; n < c->workloads[i].links.count; n++) {
            char text[LABEL_BYTES_MAX];
            json_put_bool(o, label_of(&c->workloads[i].links.items[n], text), true);
        }
    }
    return o;
}

static json_value *summarise(const host_config *c) {
    json_value *o = json_object_new();
    json_put(o, "workloads", summarise_workloads(c));
    json_put(o, "links", summarise_links(c));
    return o;
}

static void write_summary(const json_value *summary, int *ret_fd) {
    auto_buf text;
    buf_init(&text, SUMMARY_BYTES_MAX);
    if (json_write(summary, 0, &text) == STATUS_OK) {
        (void)!memory_file_from_bytes("writ-summary", buf_slice(&text), ret_fd, NULL);
    }
}

static json_value *read_summary(int fd) {
    memory_map map = {0};
    json_value *summary = NULL;
    if (fd >= 0 && memory_map_read(fd, SUMMARY_BYTES_MAX, &map, NULL) == STATUS_OK) {
        (void)!json_parse(memory_map_slice(&map), &summary, NULL);
        memory_map_done(&map);
    }
    return summary;
}

// --- comparing ---------------------------------------------------------------------------------------------

static change compare(const json_value *before, const json_value *now) {
    slice a, b;
    return before == NULL                                                           ? ADDED
           : json_as_text(before, &a) && json_as_text(now, &b) && slice_equal(a, b) ? KEPT
                                                                                    : CHANGED;
}

static void find_removed(const json_value *before, const json_value *now, json_value *ret) {
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(before, &at, &key, &value)) {
        char *name = mem_slice_dup(key);
        if (json_get(now, name) == NULL) {
            json_push(ret, json_text(key));
        }
        mem_free(name);
    }
}

static void compare_workloads(changes *c, const json_value *before, const json_value *now) {
    void *at = NULL;
    slice key;
    const json_value *value;
    while (json_next_member(now, &at, &key, &value)) {
        char *name = mem_slice_dup(key);
        json_push(c->workloads[compare(json_get(before, name), value)], json_text(key));
        mem_free(name);
    }
    find_removed(before, now, c->workloads[REMOVED]);
}

static void compare_link(changes *c, const host_status *s, const host_link *l, const json_value *before) {
    char text[LABEL_BYTES_MAX];
    host_link_state state = {0};
    if (s != NULL && s->changes != NULL) {
        s->changes->read_link(s->source, l->number, &state);
    }
    bool was_there = json_get(before, label_of(l, text)) != NULL;
    json_push(c->links[state.was_kept ? KEPT
                       : was_there    ? CHANGED
                                      : ADDED],
              json_text(slice_from_text(text)));
}

static void compare_links(changes *c, const host_config *config, const host_status *s,
                          const json_value *before, const json_value *now) {
    for (size_t i = 0; i < config->workload_count; i++) {
        for (size_t n = 0; n < config->workloads[i].links.count; n++) {
            compare_link(c, s, &config->workloads[i].links.items[n], before);
        }
    }
    find_removed(before, now, c->links[REMOVED]);
}

// --- telling -----------------------------------------------------------------------------------------------

static void print_list(const char *kind, const char *what, const json_value *list) {
    auto_buf line;
    buf_init(&line, SUMMARY_BYTES_MAX);
    for (size_t i = 0; i < json_count(list); i++) {
        slice name = slice_empty();
        (void)json_as_text(json_at(list, i), &name);
        (void)!buf_append_text(&line, i > 0 ? ", " : " ");
        cli_append_printable(&line, name);
    }
    if (line.len > 0) {
        fprintf(stderr, "  %-8s %s%.*s\n", kind, what, SLICE_ARG(buf_slice(&line)));
    }
}

static void tell_text(const changes *c) {
    fprintf(stderr, "writ: the change is taken\n");
    for (size_t i = 0; i < CHANGES; i++) {
        print_list(change_names[i], json_count(c->workloads[i]) == 1 ? "workload" : "workloads",
                   c->workloads[i]);
        print_list(change_names[i], json_count(c->links[i]) == 1 ? "link" : "links", c->links[i]);
    }
}

static json_value *lists_json(json_value *const lists[CHANGES]) {
    json_value *o = json_object_new();
    for (size_t i = 0; i < CHANGES; i++) {
        json_put(o, change_names[i], lists[i]);
    }
    return o;
}

static void tell_json(const changes *c) {
    json_value *document = json_object_new();
    json_put_text(document, "event", slice_from_text("changes"));
    json_put(document, "workloads", lists_json(c->workloads));
    json_put(document, "links", lists_json(c->links));
    cli_print_json_line(document, stderr);
}

static void tell(const up_args *a, const host_status *s, const json_value *before, const json_value *now) {
    changes c;
    for (size_t i = 0; i < CHANGES; i++) {
        c.workloads[i] = json_array_new();
        c.links[i] = json_array_new();
    }
    compare_workloads(&c, json_get(before, "workloads"), json_get(now, "workloads"));
    compare_links(&c, &a->host.config, s, json_get(before, "links"), json_get(now, "links"));
    if (a->host.output == CLI_JSON) {
        tell_json(&c);
        return;
    }
    tell_text(&c);
    for (size_t i = 0; i < CHANGES; i++) {
        json_free(c.workloads[i]);
        json_free(c.links[i]);
    }
}

void up_tell_changes(const up_args *a, const host_status *s, int before_fd, int *ret_summary_fd) {
    json_value *before = read_summary(before_fd);
    json_value *now = summarise(&a->host.config);
    if (before != NULL) {
        tell(a, s, before, now);
    }
    write_summary(now, ret_summary_fd);
    json_free(before);
    json_free(now);
}
