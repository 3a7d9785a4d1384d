// SPDX-License-Identifier: Apache-2.0
#include "cli/lattice_words.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "codec/utf.h"

enum { MS_NS = 1000000 };

status cli_words_add(cli_words *w, const char *word, err *e) {
    if (w->count == CLI_WORDS_MAX) {
        return err_set(e, STATUS_INVALID, "given more than %d times", CLI_WORDS_MAX);
    }
    w->items[w->count++] = word;
    return STATUS_OK;
}

status cli_pairs_add(cli_words *w, const char *pair, err *e) {
    const char *equals = strchr(pair, '=');
    if (equals == NULL || equals == pair) {
        return err_set(e, STATUS_INVALID, "\"%.80s\" is not NAME=VALUE", pair);
    }
    return cli_words_add(w, pair, e);
}

json_value *cli_words_json(const cli_words *w) {
    json_value *list = json_array_new();
    for (size_t i = 0; i < w->count; i++) {
        json_push(list, json_text(slice_from_text(w->items[i])));
    }
    return list;
}

json_value *cli_pairs_json(const cli_words *w) {
    json_value *object = json_object_new();
    for (size_t i = 0; i < w->count; i++) {
        const char *equals = strchr(w->items[i], '=');
        char *name = mem_slice_dup(slice_of(w->items[i], (size_t)(equals - w->items[i])));
        json_put_text(object, name, slice_from_text(equals + 1));
        mem_free(name);
    }
    return object;
}

void cli_tell(cli_lattice_args *a, const char *object, const char *what, json_value *more) {
    if (a->output == CLI_TEXT) {
        auto_buf line;
        buf_init(&line, 8192);
        cli_append_printable(&line, slice_from_text(object));
        (void)!buf_append_text(&line, ": ");
        cli_append_printable(&line, slice_from_text(what));
        printf("%.*s\n", SLICE_ARG(buf_slice(&line)));
        json_free(more);
        return;
    }
    json_value *change = more != NULL ? more : json_object_new();
    json_put_text(change, "object", slice_from_text(object));
    json_put_text(change, "result", slice_from_text(what));
    if (a->told == NULL) {
        a->told = json_array_new();
    }
    json_push(a->told, change);
}

// --- what becomes of a change ------------------------------------------------------------------------------

static void on_event(void *arg, const lattice_event *event) {
    cli_outcome *o = arg;
    slice id, text = slice_empty();
    int64_t instances;
    bool is_done = slice_equal_text(event->name, o->done);
    bool is_ours = (is_done || slice_equal_text(event->name, o->failed)) &&
                   slice_equal_text(event->source, o->host) &&
                   (o->member == NULL ||
                    (json_as_text(json_get(event->data, o->member), &id) && slice_equal(id, o->id)));
    if (!is_ours || o->is_known ||
        (is_done && o->instances >= 0 &&
         json_as_integer(json_get(event->data, "max_instances"), &instances) && instances != o->instances)) {
        return;
    }
    o->is_known = true;
    loop_stop(o->loop);
    if (!is_done) {
        (void)json_as_text(json_get(event->data, "error"), &text);
        utf8_shown(text.len > 0 ? text : slice_from_text("without a reason"), o->failure, sizeof o->failure);
    }
}

status cli_outcome_listen(cli_outcome *o, cli_lattice *l, err *e) {
    o->is_known = false;
    o->loop = cli_lattice_loop(l);
    o->failure[0] = '\0';
    return lattice_events_start(cli_lattice_client(l), &o->events, on_event, o, e);
}

status cli_outcome_wait(cli_outcome *o, cli_lattice *l, uint64_t time_ns, err *e) {
    status s = cli_lattice_wait(l, &o->is_known, time_ns);
    lattice_events_stop(&o->events);
    if (s == STATUS_OK && o->failure[0] != '\0') {
        return err_set(e, STATUS_CANCELLED, "%.*s on %s: %s", SLICE_ARG(o->id), o->host, o->failure);
    }
    return s == STATUS_OK
               ? s
               : err_set(e, STATUS_TIMEOUT,
                         "%.*s on %s: accepted, and nothing was heard of it since; --wait gives it longer, "
                         "writ get inventory shows what runs",
                         SLICE_ARG(o->id), o->host);
}

void cli_outcome_done(cli_outcome *o) { lattice_events_stop(&o->events); }

// --- hosts -------------------------------------------------------------------------------------------------

status cli_lattice_stop_host(cli_lattice *l, cli_lattice_args *a, slice host, uint64_t grace_ns,
                             uint64_t wait_ns, err *e) {
    cli_outcome o = {
        .done = "host_stopped", .failed = "", .id = slice_from_text("the host"), .instances = -1};
    (void)snprintf(o.host, sizeof o.host, "%.*s", SLICE_ARG(host));
    json_value *body = json_object_new();
    json_put_text(body, "host_id", host);
    if (grace_ns > 0) {
        json_put_integer(body, "timeout", (int64_t)(grace_ns / MS_NS));
    }
    status s = cli_outcome_listen(&o, l, e);
    s = s == STATUS_OK ? cli_lattice_ask(l, "host.stop", host, body, NULL, e) : s;
    s = s == STATUS_OK && wait_ns > 0 ? cli_outcome_wait(&o, l, wait_ns, e) : s;
    cli_outcome_done(&o);
    json_free(body);
    if (s == STATUS_OK) {
        cli_tell(a, o.host, wait_ns > 0 ? "stopped" : "stops", NULL);
    }
    return s;
}
