// SPDX-License-Identifier: Apache-2.0
// The client of the control interface on a bus of this process, whose other end is the test.
#include "lattice/client.h"

#include "base/mem.h"
#include "bus/bus_local.h"
#include "test.h"

enum { TURNS_MAX = 64, SECOND = 1000000000, HOSTS = 3 };

typedef struct place {
    uint64_t now_ns;
    loop *l;
    bus *b;
    lattice_client client;
    // the other end
    bus_subscription hosts[HOSTS];
    const char *reply; // what each says; NULL: nothing
    char subject[BUS_SUBJECT_BYTES_MAX];
    char payload[512];
    size_t asked;
    // this end
    size_t ended;
    status code;
    bool success;
    char text[256];
    char response[256];
    size_t answers;
    char events[256];
} place;

static uint64_t now(void *arg) { return ((place *)arg)->now_ns; }

static void setup(place *p, const lattice_client_options *options) {
    loop_clock clock = {now, p};
    bus_local_options local = {.random = 7};
    lattice_client_options o = *options;
    err e = {0};
    p->now_ns = SECOND;
    EXPECT_OK(loop_new(&clock, &p->l, NULL));
    local.l = p->l;
    EXPECT_OK(bus_local_new(&local, &p->b, NULL));
    o.b = p->b;
    EXPECT_STATUS_ERR(lattice_client_init(&p->client, &o, &e), STATUS_OK, e);
}

static void teardown(place *p) {
    for (size_t i = 0; i < HOSTS; i++) {
        bus_unsubscribe(&p->hosts[i]);
    }
    bus_free(p->b);
    loop_free(p->l);
}

static void turns(place *p) {
    for (int i = 0; i < TURNS_MAX; i++) {
        loop_turn(p->l, false);
    }
}

static void on_question(void *arg, WRIT_UNUSED bus_subscription *s, const bus_message *m) {
    place *p = arg;
    snprintf(p->subject, sizeof p->subject, "%.*s", SLICE_ARG(m->subject));
    snprintf(p->payload, sizeof p->payload, "%.*s", SLICE_ARG(m->payload));
    p->asked++;
    if (p->reply != NULL) {
        const bus_message answer = {.subject = m->reply, .payload = slice_from_text(p->reply)};
        EXPECT_OK(bus_publish(p->b, &answer, NULL));
    }
}

static void listen(place *p, const char *subject, size_t count) {
    for (size_t i = 0; i < count; i++) {
        EXPECT_OK(
            bus_subscribe(p->b, &p->hosts[i], slice_from_text(subject), slice_empty(), on_question, p, NULL));
    }
}

static void on_answer(void *arg, const lattice_answer *a) {
    place *p = arg;
    auto_buf response;
    buf_init(&response, sizeof p->response - 1);
    p->code = a->code;
    p->success = a->success;
    snprintf(p->text, sizeof p->text, "%.*s",
             SLICE_ARG(a->code == STATUS_OK ? a->message : slice_from_text(a->text)));
    if (a->response != NULL) {
        EXPECT_OK(json_write(a->response, 0, &response));
    }
    snprintf(p->response, sizeof p->response, "%.*s", SLICE_ARG(buf_slice(&response)));
    p->answers++;
}

static void on_ended(void *arg, const lattice_answer *a) {
    on_answer(arg, a);
    ((place *)arg)->ended++;
}

static void ask(place *p, lattice_request *r, const char *command, const char *object, const char *body) {
    json_value *document = NULL;
    err e = {0};
    if (body != NULL) {
        EXPECT_OK(json_parse(slice_from_text(body), &document, NULL));
    }
    EXPECT_STATUS_ERR(
        lattice_request_start(&p->client, r, command, slice_from_text(object), document, on_ended, p, &e),
        STATUS_OK, e);
    json_free(document);
    turns(p);
}

// --- one answer --------------------------------------------------------------------------------------------

TEST(a_question_has_the_subject_and_the_answer_the_envelope_of_the_control_interface) {
    place p = {.reply = "{\"success\":true,\"message\":\"fine\",\"response\":{\"a\":1}}"};
    lattice_request r = {0};
    setup(&p, &(lattice_client_options){.lattice = SLICE_LITERAL("shop")});
    listen(&p, "wasmbus.ctl.v1.shop.>", 1);
    ask(&p, &r, "component.scale", "NHOST", "{\"count\":3}");
    EXPECT_TEXT(p.subject, "wasmbus.ctl.v1.shop.component.scale.NHOST");
    EXPECT_TEXT(p.payload, "{\"count\":3}");
    EXPECT_EQ(p.ended, 1);
    EXPECT_EQ(p.code, STATUS_OK);
    EXPECT(p.success);
    EXPECT_TEXT(p.text, "fine");
    EXPECT_TEXT(p.response, "{\"a\":1}");
    teardown(&p);
}

TEST(defaults_and_a_prefix_with_dots) {
    place p = {.reply = "{\"success\":false,\"message\":\"no\"}"};
    lattice_request r = {0};
    setup(&p, &(lattice_client_options){.prefix = SLICE_LITERAL("acme.ctl.eu")});
    listen(&p, "acme.ctl.eu.v1.default.claims.get", 1);
    ask(&p, &r, "claims.get", "", NULL);
    EXPECT_TEXT(p.payload, "");
    EXPECT_EQ(p.code, STATUS_OK);
    EXPECT(!p.success);
    EXPECT_TEXT(p.text, "no");
    EXPECT_TEXT(p.response, "");
    teardown(&p);
}

TEST(nobody_listens_or_nobody_answers) {
    place p = {0};
    lattice_request r = {0};
    setup(&p, &(lattice_client_options){.timeout_ns = SECOND});
    ask(&p, &r, "link.get", "", NULL);
    EXPECT_EQ(p.code, STATUS_NOT_FOUND);
    listen(&p, "wasmbus.ctl.v1.default.link.get", 1);
    ask(&p, &r, "link.get", "", NULL);
    EXPECT_EQ(p.ended, 1);
    p.now_ns += SECOND;
    turns(&p);
    EXPECT_EQ(p.ended, 2);
    EXPECT_EQ(p.code, STATUS_TIMEOUT);
    teardown(&p);
}

TEST(a_cancelled_request_is_not_answered) {
    place p = {.reply = "{\"success\":true,\"message\":\"\"}"};
    lattice_request r = {0};
    setup(&p, &(lattice_client_options){0});
    listen(&p, "wasmbus.ctl.v1.default.>", 1);
    EXPECT_OK(lattice_request_start(&p.client, &r, "link.get", slice_empty(), NULL, on_ended, &p, NULL));
    lattice_request_cancel(&r);
    turns(&p);
    EXPECT_EQ(p.ended, 0);
    teardown(&p);
}

TEST(what_is_no_answer_is_a_failure) {
    static const char *const wrong[] = {"",
                                        "null",
                                        "{}",
                                        "[true]",
                                        "{\"success\":1}",
                                        "{\"success\":true,\"message\":3}",
                                        "{\"success\":true"};
    place p = {0};
    setup(&p, &(lattice_client_options){0});
    listen(&p, "wasmbus.ctl.v1.default.>", 1);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lattice_request r = {0};
        p.reply = wrong[i];
        ask(&p, &r, "link.get", "", NULL);
        EXPECT_EQ(p.code, STATUS_INVALID);
        EXPECT(p.text[0] != '\0');
    }
    teardown(&p);
}

TEST(what_cannot_be_part_of_a_subject_is_refused) {
    static const char *const wrong[] = {"a.b", "a b", "*", ">", "a\n"};
    place p = {0};
    err e = {0};
    lattice_request r = {0};
    setup(&p, &(lattice_client_options){0});
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        EXPECT_STATUS(lattice_request_start(&p.client, &r, "config.get", slice_from_text(wrong[i]), NULL,
                                            on_ended, &p, &e),
                      STATUS_INVALID);
    }
    lattice_client c;
    static const char *const lattices[] = {"a.b", "*", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof lattices / sizeof lattices[0]; i++) {
        EXPECT_STATUS(
            lattice_client_init(&c, &(lattice_client_options){.lattice = slice_from_text(lattices[i])}, &e),
            STATUS_INVALID);
    }
    EXPECT_STATUS(lattice_client_init(&c, &(lattice_client_options){.prefix = SLICE_LITERAL("a.*")}, &e),
                  STATUS_INVALID);
    teardown(&p);
}

// --- signed ------------------------------------------------------------------------------------------------

static status sign(void *arg, slice subject, slice payload, buf *ret, err *e) {
    (void)subject, (void)payload, (void)ret;
    *(bool *)arg = true;
    return err_set(e, STATUS_DENIED, "no key today");
}

TEST(a_request_that_cannot_be_signed_is_not_sent) {
    place p = {0};
    err e = {0};
    bool was_asked = false;
    lattice_request r = {0};
    setup(&p, &(lattice_client_options){.signer = {sign, &was_asked}});
    listen(&p, "wasmbus.ctl.v1.default.>", 1);
    EXPECT_STATUS(lattice_request_start(&p.client, &r, "link.get", slice_empty(), NULL, on_ended, &p, &e),
                  STATUS_DENIED);
    turns(&p);
    EXPECT(was_asked);
    EXPECT_CONTAINS(e.message, "no key today");
    EXPECT_EQ(p.asked, 0);
    teardown(&p);
}

// --- the answers of all ------------------------------------------------------------------------------------

static void on_gathered(void *arg, status code) {
    place *p = arg;
    p->code = code;
    p->ended++;
}

TEST(all_answers_are_gathered_until_it_is_quiet) {
    place p = {.reply = "{\"success\":true,\"message\":\"\",\"response\":{\"id\":\"N1\"}}"};
    lattice_gather g = {.answer = on_answer, .ended = on_gathered, .arg = &p};
    setup(&p, &(lattice_client_options){.timeout_ns = 5ull * SECOND});
    listen(&p, "wasmbus.ctl.v1.default.host.ping", HOSTS);
    EXPECT_OK(lattice_gather_start(&p.client, &g, "host.ping", NULL, SECOND / 2, 0, NULL));
    turns(&p);
    EXPECT_EQ(p.answers, HOSTS);
    EXPECT_EQ(p.ended, 0);
    EXPECT_TEXT(p.response, "{\"id\":\"N1\"}");
    p.now_ns += SECOND / 2;
    turns(&p);
    EXPECT_EQ(p.ended, 1);
    EXPECT_EQ(p.code, STATUS_OK);
    teardown(&p);
}

TEST(what_is_no_answer_among_many_is_counted) {
    place p = {.reply = "{\"success\":1}"};
    lattice_gather g = {.answer = on_answer, .ended = on_gathered, .arg = &p};
    setup(&p, &(lattice_client_options){.timeout_ns = SECOND});
    listen(&p, "wasmbus.ctl.v1.default.host.ping", HOSTS);
    EXPECT_OK(lattice_gather_start(&p.client, &g, "host.ping", NULL, 0, 0, NULL));
    turns(&p);
    p.now_ns += SECOND;
    turns(&p);
    EXPECT_EQ(p.answers, 0);
    EXPECT_EQ(g.passed_over, HOSTS);
    EXPECT_EQ(p.ended, 1);
    teardown(&p);
}

// --- events ------------------------------------------------------------------------------------------------

static void on_event(void *arg, const lattice_event *event) {
    place *p = arg;
    slice id = slice_empty();
    size_t n = strlen(p->events);
    (void)json_as_text(json_get(event->data, "component_id"), &id);
    snprintf(p->events + n, sizeof p->events - n, "%.*s %.*s %.*s;", SLICE_ARG(event->name),
             SLICE_ARG(event->source), SLICE_ARG(id));
}

static void tell(place *p, const char *subject, const char *payload) {
    const bus_message m = {.subject = slice_from_text(subject), .payload = slice_from_text(payload)};
    EXPECT_OK(bus_publish(p->b, &m, NULL));
    turns(p);
}

TEST(events_have_a_name_a_source_and_data) {
    place p = {0};
    lattice_events w = {0};
    setup(&p, &(lattice_client_options){0});
    EXPECT_OK(lattice_events_start(&p.client, &w, on_event, &p, NULL));
    tell(&p, "wasmbus.evt.default.component_scaled",
         "{\"source\":\"N1\",\"time\":\"2026-01-31T12:00:00Z\",\"data\":{\"component_id\":\"web\"}}");
    tell(&p, "wasmbus.evt.other.component_scaled", "{\"source\":\"N1\",\"data\":{}}");
    tell(&p, "wasmbus.evt.default.host_stopped", "{\"source\":\"N1\",\"data\":\"text\"}");
    tell(&p, "wasmbus.evt.default.host_stopped", "no JSON");
    EXPECT_TEXT(p.events, "component_scaled N1 web;");
    EXPECT_EQ(w.passed_over, 2);
    lattice_events_stop(&w);
    tell(&p, "wasmbus.evt.default.component_scaled", "{\"source\":\"N1\",\"data\":{}}");
    EXPECT_TEXT(p.events, "component_scaled N1 web;");
    teardown(&p);
}
