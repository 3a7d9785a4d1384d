// SPDX-License-Identifier: Apache-2.0
#include "host/command.h"

#include "base/mem.h"

enum { RESULT_ARENA_BYTES_MAX = 4096, TRAP_TEXT_BYTES_MAX = 1500 };

struct command {
    const guest_place *place;
    guest *guest;
    command_ended ended;
    void *context;
    bool has_failed; // `run` returned an error
};

static status body(void *context, guest *g, component_instance *instance, err *e) {
    (void)g;
    command *c = context;
    auto_arena a;
    arena_init(&a, RESULT_ARENA_BYTES_MAX);
    component_value result = {0};
    TRY(component_call(instance, c->place->workload->entry, NULL, 0, &result, &a, e));
    c->has_failed = result.of.variant.tag != 0;
    return STATUS_OK;
}

static void log_failure(command *c, const guest_end *end) {
    char text[TRAP_TEXT_BYTES_MAX];
    guest_describe_trap(c->guest, end, text, sizeof text);
    bool is_late = end->outcome == GUEST_TIMED_OUT;
    logger_event(c->place->workload->logger, LOG_ERROR, is_late ? "timeout" : "trap",
                 LOG_FIELDS(LOG_TEXT("reason", slice_from_text(text))), "the command %s: %s",
                 is_late ? "was stopped" : "trapped", text);
}

static void on_end(void *context, guest *g, const guest_end *end) {
    (void)g;
    command *c = context;
    uint8_t exit_status = 0;
    switch (end->outcome) {
    case GUEST_RETURNED:
        exit_status = c->has_failed ? 1 : 0;
        break;
    case GUEST_EXITED:
        exit_status = end->exit_code;
        break;
    case GUEST_TIMED_OUT:
        log_failure(c, end);
        exit_status = COMMAND_EXIT_TIMEOUT;
        break;
    case GUEST_TRAPPED:
    case GUEST_CANCELLED:
        log_failure(c, end);
        exit_status = COMMAND_EXIT_TRAP;
        break;
    }
    c->ended(c->context, exit_status);
}

status command_start(const guest_place *place, command_ended ended, void *context, command **ret, err *e) {
    command *c = MEM_NEW(command);
    *c = (command){.place = place, .ended = ended, .context = context};
    status s = guest_new(place, &c->guest, e);
    if (s != STATUS_OK) {
        mem_free(c);
        return s;
    }
    *ret = c; // before it runs: it may end at once
    uint64_t wall_ns_max = place->workload->wall_ns_max;
    guest_run(c->guest, &(guest_run_options){
                            .body = body,
                            .ended = on_end,
                            .context = c,
                            .cpu_ns_max = place->workload->cpu_ns_max,
                            .deadline_ns = wall_ns_max == 0 ? 0 : loop_now_ns(place->loop) + wall_ns_max,
                        });
    return STATUS_OK;
}

void command_free(command *c) {
    if (c != NULL) {
        guest_free(c->guest);
        mem_free(c);
    }
}
