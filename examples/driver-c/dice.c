// SPDX-License-Identifier: Apache-2.0
//
// A driver of somebody else, as a program of its own: dice, behind the contract example:dice/roller
// (wit/dice.wit). src/driver/driver.h says what a driver has to do; what follows shows each of its parts.
#include "base/mem.h"
#include "cli/provider.h"
#include "codec/values.h"
#include "driver/driver.h"
#include "os/random.h"

enum { HISTORY_MAX = 100, COUNT_MAX = 50, ANSWER_BYTES_MAX = 64 << 10 };

typedef struct throw {
    uint32_t sides;
    uint32_t count;
    uint32_t values[COUNT_MAX];
}
throw;

// A link: one workload, with the settings that the link has there. All state is here; another link has its
// own.
struct driver_link {
    loop *l;
    uint64_t since_ns;
    uint64_t sides_max;
    void (*on_closed)(void *arg);
    void *arg;
    loop_soon closed;
    uint64_t thrown; // so many; the last HISTORY_MAX are kept
    throw history[HISTORY_MAX];
};

// --- answers -----------------------------------------------------------------------------------------------

// The cases of the contract's error, in its order.
enum { NO_SUCH_DIE, TOO_MANY };

// An error of the contract is an answer like any other.
static void answer_error(driver_call *c, uint32_t which, uint32_t number) {
    auto_buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    values_writer w = values_writer_of(&out);
    values_write_is_ok(&w, false);
    values_write_case(&w, which);
    values_write_u32(&w, number);
    driver_answer(c, buf_slice(&out));
}

static void write_throw(values_writer *w, const throw *t) {
    uint64_t total = 0;
    values_write_u32(w, t->sides);
    values_write_count(w, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        values_write_u32(w, t->values[i]);
        total += t->values[i];
    }
    values_write_u64(w, total);
}

static void answer_throws(driver_link *k, driver_call *c, uint64_t count, bool is_list) {
    auto_buf out;
    buf_init(&out, ANSWER_BYTES_MAX);
    values_writer w = values_writer_of(&out);
    values_write_is_ok(&w, true);
    if (is_list) {
        values_write_count(&w, (uint32_t)count);
    }
    for (uint64_t i = 1; i <= count; i++) {
        write_throw(&w, &k->history[(k->thrown - i) % HISTORY_MAX]);
    }
    err e;
    if (values_write_end(&w, "the answer", &e) != STATUS_OK) {
        driver_fail(c, STATUS_LIMIT, "%s", e.message);
    } else {
        driver_answer(c, buf_slice(&out));
    }
}

// --- functions ---------------------------------------------------------------------------------------------

// The arguments come from a component that nobody trusts: read them with the bounds of the contract.
static void roll(driver_link *k, driver_call *c) {
    values_reader r = values_reader_of(c->payload);
    uint32_t sides = values_read_u32(&r);
    uint32_t count = values_read_u32(&r);
    err e;
    if (values_read_end(&r, "arguments of roll", &e) != STATUS_OK) {
        driver_fail(c, STATUS_INVALID, "%s", e.message);
        return;
    }
    if (sides < 2 || sides > k->sides_max) {
        answer_error(c, NO_SUCH_DIE, sides);
        return;
    }
    if (count > COUNT_MAX) {
        answer_error(c, TOO_MANY, count);
        return;
    }
    throw *t = &k->history[k->thrown++ % HISTORY_MAX];
    *t = (throw){.sides = sides, .count = count};
    for (uint32_t i = 0; i < count; i++) {
        t->values[i] = (uint32_t)(random_u64() % sides) + 1;
    }
    answer_throws(k, c, 1, false);
}

static void history(driver_link *k, driver_call *c) {
    values_reader r = values_reader_of(c->payload);
    uint64_t count = values_read_u32(&r);
    err e;
    if (values_read_end(&r, "arguments of history", &e) != STATUS_OK) {
        driver_fail(c, STATUS_INVALID, "%s", e.message);
        return;
    }
    uint64_t kept = k->thrown < HISTORY_MAX ? k->thrown : HISTORY_MAX;
    answer_throws(k, c, count < kept ? count : kept, true);
}

static void call(driver_link *k, driver_call *c) {
    if (slice_equal_text(c->function, "roll")) {
        roll(k, c);
    } else if (slice_equal_text(c->function, "history")) {
        history(k, c);
    } else {
        driver_fail(c, STATUS_UNSUPPORTED, "dice have no function \"%.*s\"",
                    SLICE_ARG(slice_sub(c->function, 0, 60)));
    }
}

// Every call is answered from inside `call`, so none is left to be given up.
static void cancel(driver_link *k, driver_call *c) { (void)k, (void)c; }

// --- a link ------------------------------------------------------------------------------------------------

static status link_open(const driver_environment *env, const driver_link_options *options, driver_link **ret,
                        err *e) {
    uint64_t sides_max = 100;
    TRY(driver_values_number(&options->settings, "sides-max", 2, 1000000, &sides_max, e));
    driver_link *k = MEM_NEW(driver_link);
    k->l = env->l;
    k->since_ns = loop_now_ns(env->l);
    k->sides_max = sides_max;
    k->on_closed = options->on_closed;
    k->arg = options->arg;
    *ret = k;
    return STATUS_OK;
}

static void on_closed_soon(void *arg) {
    driver_link *k = arg;
    void (*on_closed)(void *) = k->on_closed;
    void *on_closed_arg = k->arg;
    mem_free(k);
    on_closed(on_closed_arg);
}

// Callbacks come from the loop, never from inside a function of the driver.
static void link_close(driver_link *k) {
    loop_soon_init(&k->closed, on_closed_soon, k);
    loop_soon_add(k->l, &k->closed);
}

// There is no backend that could be away.
static void health(const driver_link *k, driver_health *ret) {
    *ret = (driver_health){.state = DRIVER_UP, .since_ns = k->since_ns, .next_try_ns = UINT64_MAX};
}

// --- the driver --------------------------------------------------------------------------------------------

static const driver_setting settings[] = {
    {"sides-max", "how many sides a die may have; default 100", false, false},
    {NULL, NULL, false, false},
};

static const char *const interfaces[] = {"example:dice/roller", NULL};

static const driver dice = {
    .version = DRIVER_VERSION,
    .name = "dice",
    .interfaces = interfaces,
    .settings = settings,
    .link_open = link_open,
    .link_close = link_close,
    .call = call,
    .cancel = cancel,
    .health = health,
};

static const driver *const drivers[] = {&dice, NULL};

int main(int argc, char **argv) { return cli_provider_main(argc, argv, drivers); }
