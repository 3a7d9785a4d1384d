// SPDX-License-Identifier: Apache-2.0
// What the files of the control socket share.
#pragma once

#include "api/control.h"
#include "base/list.h"
#include "net/http_server.h"

enum { CONTROL_ANSWER_BYTES_MAX = 16 << 20 };

typedef struct control_request control_request;

struct control {
    control_options options;
    http_server *server; // NULL until it serves
    char *url;
    uint64_t started_s;
    log_tap tap;
    list_node requests; // that are not answered
    list_node followers;
    control_request *waiting; // for the next generation; or NULL
    loop_watch answers;       // from the parent of generations
    bool is_change_open;      // the next generation is on its way
    bool is_retiring;
};

struct control_request {
    control *owner;
    http_exchange *exchange; // NULL: the client is gone
    buf body;
    list_node node;
    plan_change change; // of a link that is being put
};

// Each answers and frees the request.
void control_answer(control_request *r, uint16_t code, json_value *document); // takes the document
void control_fail(control_request *r, const err *e);

// control_status.c
json_value *control_status(const control *c);
// The links of the workload that the request is about; STATUS_NOT_FOUND names what there is.
status control_find_links(const control *c, slice workload, const host_link *asked, host_link ***ret,
                          size_t *ret_count, err *e) WRIT_MUST_USE;

// control_links.c
void control_put_link(control_request *r, const json_value *body);
void control_delete_link(control_request *r, const json_value *body);

// control_change.c: what needs the next generation
void control_apply(control_request *r, const json_value *body);
void control_remove(control_request *r, const json_value *body);
void control_scale(control_request *r, const json_value *body);
// Hands `next` on; the request waits for what becomes of it.
void control_ask_next(control_request *r, const plan *next);
// Copies what runs.
status control_copy_plan(const control *c, plan *ret, err *e) WRIT_MUST_USE;
const workload_config *control_find_workload(const control *c, slice name, err *e);
void control_on_answer(void *arg, unsigned events);

// control_logs.c
status control_follow(control *c, http_exchange *x, err *e) WRIT_MUST_USE; // takes the exchange, or fails
void control_end_followers(control *c);
