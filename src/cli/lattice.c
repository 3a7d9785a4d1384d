// SPDX-License-Identifier: Apache-2.0
#include "cli/lattice.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/lattice_connect.h"
#include "codec/utf.h"
#include "identity/nkey.h"

enum {
    SECOND_NS = 1000000000,
    TIMEOUT_S = 2,
    QUIET_PART = 4, // of the time of a request, after the last answer of many
    ID_BYTES_MIN = 8,
};

struct cli_lattice {
    cli_connection connection;
    lattice_client client;
    char name[LATTICE_NAME_BYTES_MAX + 1];
    uint64_t timeout_ns;
};

// --- opening -----------------------------------------------------------------------------------------------

static status init_client(cli_lattice *l, const cli_lattice_args *a, err *e) {
    const char *lattice = a->values[CLI_LATTICE], *prefix = a->values[CLI_PREFIX];
    lattice_client_options o = {.b = l->connection.b,
                                .prefix = slice_from_text(prefix),
                                .lattice = slice_from_text(lattice),
                                .timeout_ns = l->timeout_ns,
                                .signer = l->connection.signer};
    (void)snprintf(l->name, sizeof l->name, "%s", lattice != NULL ? lattice : LATTICE_NAME_DEFAULT);
    return lattice_client_init(&l->client, &o, e);
}

static status open_all(cli_lattice *l, cli_lattice_args *a, err *e) {
    l->timeout_ns = (uint64_t)TIMEOUT_S * SECOND_NS;
    TRY(cli_lattice_resolve(a, e));
    if (a->values[CLI_TIMEOUT] != NULL &&
        cli_parse_duration(a->values[CLI_TIMEOUT], &l->timeout_ns, e) != STATUS_OK) {
        return err_wrap(e, "timeout");
    }
    TRY(cli_connection_open(&l->connection, a, l->timeout_ns, e));
    return init_client(l, a, e);
}

status cli_lattice_open(cli_lattice_args *a, cli_lattice **ret, err *e) {
    cli_lattice *l = MEM_NEW(cli_lattice);
    status s = open_all(l, a, e);
    if (s != STATUS_OK) {
        cli_lattice_close(l);
        return s;
    }
    *ret = l;
    return STATUS_OK;
}

void cli_lattice_close(cli_lattice *l) {
    if (l != NULL) {
        cli_connection_close(&l->connection);
        mem_free(l);
    }
}

const char *cli_lattice_name(const cli_lattice *l) { return l->name; }
uint64_t cli_lattice_timeout_ns(const cli_lattice *l) { return l->timeout_ns; }
bus *cli_lattice_bus(cli_lattice *l) { return l->connection.b; }
loop *cli_lattice_loop(cli_lattice *l) { return l->connection.l; }
lattice_client *cli_lattice_client(cli_lattice *l) { return &l->client; }

int cli_lattice_run_with(cli_lattice_args *a, cli_lattice_run run) {
    cli_lattice *l = NULL;
    err e = {0};
    status s = cli_lattice_open(a, &l, &e);
    s = s == STATUS_OK ? run(a, l, &e) : s;
    cli_lattice_close(l);
    if (a->told != NULL) {
        json_value *document = json_object_new();
        json_put(document, "changes", a->told);
        cli_print_json(document);
    }
    cli_lattice_args_done(a);
    return s == STATUS_OK ? CLI_EXIT_OK : cli_fail(&e, a->output);
}

int cli_lattice_command(const cli_command *command, int argc, char **argv, cli_lattice_args *a,
                        cli_lattice_run run) {
    cli_command whole = *command;
    err e = {0};
    whole.shared = cli_lattice_options;
    whole.shared_count = CLI_LATTICE_OPTION_COUNT;
    status s = cli_parse(&whole, argc, argv, a, &e);
    if (s != STATUS_OK) {
        return s == STATUS_CANCELLED ? CLI_EXIT_OK : (cli_fail(&e, a->output), CLI_EXIT_USAGE);
    }
    return cli_lattice_run_with(a, run);
}

// --- waiting -----------------------------------------------------------------------------------------------

static void on_late(void *arg) { loop_stop(arg); }

status cli_lattice_wait(cli_lattice *l, const bool *is_done, uint64_t time_ns) {
    loop_timer timer = {0};
    loop_timer_init(&timer, l->connection.l, on_late, l->connection.l);
    loop_timer_start_in(&timer, time_ns);
    while (!*is_done && loop_timer_is_active(&timer)) {
        loop_run(l->connection.l);
    }
    loop_timer_stop(&timer);
    return *is_done ? STATUS_OK : STATUS_TIMEOUT;
}

// --- one answer --------------------------------------------------------------------------------------------

typedef struct asking {
    loop *l;
    const char *command;
    bool is_done;
    status code;
    cli_answer answer;
    err *e;
} asking;

static const char *advice(status code) {
    return code == STATUS_NOT_FOUND ? "; no host of this lattice listens: is the name of the lattice right?"
           : code == STATUS_TIMEOUT ? "; --timeout gives it longer"
           : code == STATUS_CLOSED  ? "; look before doing it again: it may have been done"
                                    : "";
}

static void on_answer(void *arg, const lattice_answer *a) {
    asking *q = arg;
    q->is_done = true;
    q->code = a->code;
    loop_stop(q->l);
    if (a->code != STATUS_OK) {
        (void)err_set(q->e, a->code, "%s: %s%s", q->command, a->text, advice(a->code));
        return;
    }
    utf8_shown(a->message, q->answer.message, sizeof q->answer.message);
    if (!a->success) {
        q->code = err_set(q->e, STATUS_CANCELLED, "the lattice says no to %s: %s", q->command,
                          q->answer.message[0] != '\0' ? q->answer.message : "without a reason");
        return;
    }
    q->answer.response = a->response != NULL ? json_clone(a->response) : NULL;
    q->answer.next = a->next;
}

status cli_lattice_ask(cli_lattice *l, const char *command, slice object, const json_value *body,
                       cli_answer *ret, err *e) {
    asking q = {.l = l->connection.l, .command = command, .e = e};
    lattice_request r = {0};
    TRY(lattice_request_start(&l->client, &r, command, object, body, on_answer, &q, e));
    while (!q.is_done) {
        loop_run(l->connection.l);
    }
    if (ret != NULL && q.code == STATUS_OK) {
        *ret = q.answer;
    } else {
        json_free(q.answer.response);
    }
    return q.code;
}

static json_value *page_request(uint64_t skip) {
    json_value *page = json_object_new();
    json_value *body = json_object_new();
    json_put_integer(page, "skip", (int64_t)skip);
    json_put(body, "writ", page);
    return body;
}

status cli_lattice_list(cli_lattice *l, const char *command, json_value **ret, err *e) {
    json_value *all = json_array_new();
    uint64_t skip = 0;
    do {
        cli_answer answer = {0};
        json_value *body = page_request(skip);
        status s = cli_lattice_ask(l, command, slice_empty(), body, &answer, e);
        json_free(body);
        if (s != STATUS_OK) {
            json_free(all);
            return s;
        }
        for (size_t i = 0; i < json_count(answer.response); i++) {
            json_push(all, json_clone(json_at(answer.response, i)));
        }
        json_free(answer.response);
        skip = answer.next > skip ? answer.next : 0; // a host that says the same again is not asked again
    } while (skip > 0);
    *ret = all;
    return STATUS_OK;
}

// --- the answers of all ------------------------------------------------------------------------------------

typedef struct gathering {
    loop *l;
    json_value *responses;
    bool is_done;
    status code;
} gathering;

static void on_response(void *arg, const lattice_answer *a) {
    gathering *g = arg;
    if (a->success && a->response != NULL) {
        json_push(g->responses, json_clone(a->response));
    }
}

static void on_gathered(void *arg, status code) {
    gathering *g = arg;
    g->code = code;
    g->is_done = true;
    loop_stop(g->l);
}

status cli_lattice_gather(cli_lattice *l, const char *command, const json_value *body, size_t max,
                          json_value **ret, err *e) {
    gathering all = {.l = l->connection.l, .responses = json_array_new()};
    lattice_gather g = {.answer = on_response, .ended = on_gathered, .arg = &all};
    all.code = lattice_gather_start(&l->client, &g, command, body, l->timeout_ns / QUIET_PART, max, e);
    if (all.code != STATUS_OK) {
        json_free(all.responses);
        return all.code;
    }
    while (!all.is_done) {
        loop_run(l->connection.l);
    }
    if (all.code != STATUS_OK && all.code != STATUS_NOT_FOUND) {
        json_free(all.responses);
        return err_set(e, all.code, "%s: the connection was lost", command);
    }
    *ret = all.responses;
    return STATUS_OK;
}

// --- hosts -------------------------------------------------------------------------------------------------

slice cli_host_id(const json_value *host) {
    slice id = slice_empty();
    (void)json_as_text(json_get(host, "id"), &id);
    return id;
}

static bool is_known(const json_value *hosts, slice id) {
    for (size_t i = 0; i < json_count(hosts); i++) {
        if (slice_equal(cli_host_id(json_at(hosts, i)), id)) {
            return true;
        }
    }
    return false;
}

status cli_lattice_hosts(cli_lattice *l, json_value **ret, err *e) {
    json_value *answers = NULL, *hosts = json_array_new();
    size_t strange = 0;
    status s = cli_lattice_gather(l, "host.ping", NULL, 0, &answers, e);
    for (size_t i = 0; i < json_count(answers); i++) {
        const json_value *host = json_at(answers, i);
        nkey_public key;
        if (nkey_public_parse(cli_host_id(host), &key, NULL) != STATUS_OK || key.kind != NKEY_SERVER ||
            is_known(hosts, cli_host_id(host))) {
            strange++;
        } else {
            json_push(hosts, json_clone(host));
        }
    }
    json_free(answers);
    if (s != STATUS_OK) {
        json_free(hosts);
        return s;
    }
    if (strange > 0) {
        fprintf(stderr, "passed over %zu answer%s of no host, or of one that had answered\n", strange,
                strange == 1 ? "" : "s");
    }
    *ret = hosts;
    return STATUS_OK;
}

static bool means(const json_value *host, const char *text) {
    slice id = cli_host_id(host), name = slice_empty();
    (void)json_as_text(json_get(host, "friendly_name"), &name);
    return slice_equal_text(name, text) || slice_equal_text(id, text) ||
           (strlen(text) >= ID_BYTES_MIN && slice_starts_with(id, text));
}

status cli_find_host(const json_value *hosts, const char *text, const json_value **ret, err *e) {
    const json_value *found = NULL;
    for (size_t i = 0; i < json_count(hosts); i++) {
        const json_value *host = json_at(hosts, i);
        if (means(host, text) && found != NULL) {
            return err_set(e, STATUS_INVALID, "\"%.80s\" means several hosts; name one by its key", text);
        }
        found = means(host, text) ? host : found;
    }
    if (found == NULL) {
        return err_set(e, STATUS_NOT_FOUND, "no host of this lattice is \"%.80s\"; writ get hosts shows them",
                       text);
    }
    *ret = found;
    return STATUS_OK;
}

status cli_lattice_host(cli_lattice *l, const char *text, json_value **ret_hosts, const json_value **ret,
                        err *e) {
    json_value *hosts = NULL;
    TRY(cli_lattice_hosts(l, &hosts, e));
    status s = cli_find_host(hosts, text, ret, e);
    if (s != STATUS_OK) {
        json_free(hosts);
        return s;
    }
    *ret_hosts = hosts;
    return STATUS_OK;
}

status cli_lattice_inventory(cli_lattice *l, slice host, json_value **ret, err *e) {
    cli_answer answer = {0};
    TRY(cli_lattice_ask(l, "host.get", host, NULL, &answer, e));
    if (!json_is_object(answer.response)) {
        json_free(answer.response);
        return err_set(e, STATUS_INVALID, "host %.*s does not say what runs there",
                       SLICE_ARG(slice_sub(host, 0, 64)));
    }
    *ret = answer.response;
    return STATUS_OK;
}

// One that does not answer is told, and no reason to tell nothing of the others.
static status add_inventories(cli_lattice *l, const json_value *hosts, const json_value *one, json_value *ret,
                              err *e) {
    for (size_t i = 0; i < json_count(hosts); i++) {
        json_value *inventory = NULL;
        if (one != NULL && one != json_at(hosts, i)) {
            continue;
        }
        status s = cli_lattice_inventory(l, cli_host_id(json_at(hosts, i)), &inventory, e);
        if (s == STATUS_OK) {
            json_push(ret, inventory);
        } else if (one != NULL) {
            return s;
        } else {
            (void)cli_fail(e, CLI_TEXT);
        }
    }
    return STATUS_OK;
}

status cli_lattice_inventories(cli_lattice *l, const char *host, json_value **ret, err *e) {
    json_value *hosts = NULL, *list = json_array_new();
    const json_value *one = NULL;
    status s = cli_lattice_hosts(l, &hosts, e);
    s = s == STATUS_OK && host != NULL ? cli_find_host(hosts, host, &one, e) : s;
    s = s == STATUS_OK ? add_inventories(l, hosts, one, list, e) : s;
    json_free(hosts);
    if (s != STATUS_OK) {
        json_free(list);
        return s;
    }
    *ret = list;
    return STATUS_OK;
}

static void find_in(cli_running *r, const json_value *inventory, const char *member, const char *id) {
    const json_value *list = json_get(inventory, member);
    for (size_t i = 0; i < json_count(list) && r->count < CLI_RUNNING_MAX; i++) {
        slice found = slice_empty(), host = slice_empty();
        (void)json_as_text(json_get(json_at(list, i), "id"), &found);
        if (slice_equal_text(found, id) && json_as_text(json_get(inventory, "host_id"), &host)) {
            const json_value *configs = json_get(json_get(inventory, "writ"), "config");
            r->items[r->count].host = host;
            r->items[r->count].tells_config = json_is_object(configs);
            r->items[r->count].configs = json_get(configs, id);
            r->items[r->count++].item = json_at(list, i);
        }
    }
}

status cli_running_find(cli_lattice *l, const char *member, const char *id, const char *host,
                        cli_running *ret, err *e) {
    ret->inventories = NULL;
    ret->count = 0;
    TRY(cli_lattice_inventories(l, host, &ret->inventories, e));
    for (size_t i = 0; i < json_count(ret->inventories); i++) {
        find_in(ret, json_at(ret->inventories, i), member, id);
    }
    if (ret->count == 0) {
        cli_running_done(ret);
        return err_set(e, STATUS_NOT_FOUND,
                       "%.80s runs on no host%s%.80s; writ get inventory shows what does", id,
                       host != NULL ? " " : " of the lattice", host != NULL ? host : "");
    }
    return STATUS_OK;
}

void cli_running_done(cli_running *r) {
    json_free(r->inventories);
    r->inventories = NULL;
}
