// SPDX-License-Identifier: Apache-2.0
// The process with the drivers after it was taken over: this program, started in its place, speaks the
// protocol and misbehaves as the name of its directory says.
#include "host/drivers.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/message.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/socket_open.h"
#include "test.h"

// --- the process -------------------------------------------------------------------------------------------

enum { FLOOD = 5000, LAST_LINES = 300 };

typedef struct fake {
    channel channel;
    bool is_second; // the one before has ended
} fake;

static void must(bool ok) {
    if (!ok) {
        process_end(99);
    }
}

static void say(fake *f, const char *text) {
    log_record r = {LOG_WARN, slice_from_text("words"), slice_from_text(text), NULL, 0};
    for (;;) {
        status s = message_send_log(&f->channel, MESSAGE_LOG_OF_WORKER, &r, NULL);
        if (s == STATUS_OK) {
            return;
        }
        must(s == STATUS_LIMIT);
        (void)sched_yield();
    }
}

static const uint8_t none_kept[1] = {0};

static void be_ready(fake *f) {
    must(message_send_opened(&f->channel, slice_of(none_kept, 1), NULL) == STATUS_OK);
}

static void flood(fake *f) {
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    be_ready(f);
    for (int i = 0; i < FLOOD; i++) {
        say(f, text);
    }
    process_end(0);
}

static void shout(fake *f) {
    static char text[1000];
    memset(text, 'x', sizeof text);
    be_ready(f);
    for (int i = 0; i < FLOOD; i++) {
        (void)!write(STDERR_FILENO, text, sizeof text);
        (void)sched_yield();
    }
    process_end(0);
}

static void be_ready_often(fake *f) {
    be_ready(f);
    for (int i = 0; !f->is_second && i < 1000; i++) {
        (void)!message_send_opened(&f->channel, slice_of(none_kept, 1), NULL);
    }
    (void)sleep(60);
    process_end(0);
}

// To where no link leads.
static void wander(fake *f) {
    be_ready(f);
    message_connect m = {.id = 1, .request = {.host = SLICE_LITERAL("127.0.0.1"), .port = 1}};
    m.request.deadline_ns = 1000000000;
    m.request.purpose = CONNECT_SOCKETS;
    must(message_send_connect(&f->channel, &m, NULL) == STATUS_OK);
    channel_packet p;
    message_connected answer;
    must(channel_wait(&f->channel, 10000, 1, &p, NULL) == STATUS_OK);
    must(message_read_connected(&p, &answer, NULL) == STATUS_OK);
    say(f, answer.code == STATUS_DENIED ? "I was refused" : "I was let out");
    (void)sleep(60);
    process_end(0);
}

// Takes no connections of workers, so that the channel fills.
static void be_deaf(fake *f) {
    be_ready(f);
    (void)sleep(60);
    process_end(0);
}

// Says much and is gone before anybody has read it.
static void speak_and_die(fake *f) {
    char text[32];
    be_ready(f);
    for (int i = 1; i <= LAST_LINES; i++) {
        (void)snprintf(text, sizeof text, "line %d of %d", i, LAST_LINES);
        say(f, text);
    }
    (void)!write(STDERR_FILENO, "the reason", 10);
    process_end(1);
}

// Says that a link is put when it was cut already.
static void put_late(fake *f) {
    channel_packet p;
    be_ready(f);
    do {
        must(channel_wait(&f->channel, 10000, 1, &p, NULL) == STATUS_OK);
        channel_packet_done(&p);
    } while (p.type != MESSAGE_CUT_LINK);
    const message_link m = {0, STATUS_OK, slice_empty()};
    must(message_send_link(&f->channel, MESSAGE_LINK_PUT, &m, NULL) == STATUS_OK);
    (void)sleep(60);
    process_end(0);
}

__attribute__((constructor)) static void be_the_drivers(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(fake *f);
    } ways[] = {{"flood", flood},  {"shout", shout},         {"ready", be_ready_often}, {"wander", wander},
                {"deaf", be_deaf}, {"words", speak_and_die}, {"late", put_late}};
    if (argc != 2 || strcmp(argv[1], "__drivers") != 0) {
        return;
    }
    channel door = {PROCESS_CHANNEL_FD};
    fake f = {{-1}, false};
    channel_packet p;
    slice directory;
    slice ca_file;
    char first[200];
    process_begin_child();
    must(channel_wait(&door, 10000, 1, &p, NULL) == STATUS_OK && p.type == MESSAGE_SESSION);
    f.channel.fd = channel_packet_take(&p, 0);
    must(channel_wait(&f.channel, 10000, 1, &p, NULL) == STATUS_OK);
    must(message_read_serve(&p, &directory, &ca_file, NULL) == STATUS_OK);
    (void)snprintf(first, sizeof first, "%.*s/first", SLICE_ARG(directory));
    int fd = open(first, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    f.is_second = fd < 0;
    fd_close(fd);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        size_t n = strlen(ways[i].name);
        if (directory.len > n && memcmp(directory.data + directory.len - n, ways[i].name, n) == 0) {
            ways[i].run(&f);
        }
    }
    process_end(98);
}

// --- the supervisor ----------------------------------------------------------------------------------------

typedef struct place {
    char folder[40], directory[80];
    host_config config;
    loop *loop;
    logger *logger;
    int log_fd;
    char log[1 << 16]; // its beginning
    drivers *drivers;
    int replaced;
} place;

static void on_replaced(void *context) { ((place *)context)->replaced++; }

static void place_init(place *p, const char *way) {
    workload_config *w;
    host_link *l;
    err e;
    *p = (place){.folder = "/tmp/writ-test-XXXXXX"};
    REQUIRE(mkdtemp(p->folder) != NULL);
    (void)snprintf(p->directory, sizeof p->directory, "%s/%s", p->folder, way);
    host_config_init(&p->config);
    EXPECT_OK(host_config_add_workload(&p->config, &w, NULL));
    w->name = mem_text_dup("app");
    EXPECT_OK(host_links_add(&w->links, "default", "redis", &l, NULL));
    EXPECT_OK(host_link_add_interface(l, slice_from_text("wasi:keyvalue/store"), NULL));
    p->log_fd = memfd_create("log", MFD_CLOEXEC);
    EXPECT_OK(
        logger_new(&(logger_options){.workload = slice_from_text("app"), .fd = p->log_fd}, &p->logger, &e));
    EXPECT_OK(loop_new(NULL, &p->loop, &e));
    const drivers_options o = {.config = &p->config,
                               .link_count = 1,
                               .loop = p->loop,
                               .logger = p->logger,
                               .directory = p->directory,
                               .replaced = on_replaced,
                               .context = p};
    REQUIRE(drivers_new(&o, &p->drivers, &e) == STATUS_OK);
}

static bool has(place *p, const char *text) {
    size_t n = 0;
    EXPECT_OK(fd_read_at(p->log_fd, p->log, sizeof p->log - 1, 0, &n, NULL));
    p->log[n] = '\0';
    return strstr(p->log, text) != NULL;
}

static void turn_until(place *p, const char *text) {
    while (!has(p, text)) {
        loop_turn(p->loop, true);
    }
}

static size_t log_bytes(const place *p) { return (size_t)lseek(p->log_fd, 0, SEEK_END); }

static void place_done(place *p) {
    char first[100];
    drivers_free(p->drivers);
    loop_free(p->loop);
    logger_free(p->logger);
    host_config_done(&p->config);
    fd_close(p->log_fd);
    (void)snprintf(first, sizeof first, "%s/first", p->directory);
    (void)unlink(first);
    (void)rmdir(p->directory);
    (void)rmdir(p->folder);
}

static place p;

TEST(drivers_cannot_flood_the_log) {
    place_init(&p, "flood");
    while (p.replaced == 0) {
        loop_turn(p.loop, true);
    }
    EXPECT(log_bytes(&p) < (size_t)FLOOD * 1000 / 2);
    place_done(&p);
}

TEST(drivers_cannot_flood_the_log_with_their_errors) {
    place_init(&p, "shout");
    while (p.replaced == 0) {
        loop_turn(p.loop, true);
    }
    EXPECT(log_bytes(&p) < (size_t)FLOOD * 1000 / 2);
    place_done(&p);
}

TEST(drivers_are_ready_once) {
    place_init(&p, "ready");
    while (p.replaced == 0) {
        loop_turn(p.loop, true);
    }
    EXPECT(has(&p, "it says twice that it is ready"));
    EXPECT_EQ(p.replaced, 1);
    place_done(&p);
}

TEST(drivers_go_where_links_lead) {
    place_init(&p, "wander");
    turn_until(&p, "I was");
    EXPECT(has(&p, "I was refused"));
    place_done(&p);
}

TEST(the_last_words_of_drivers_are_heard) {
    siginfo_t ended;
    place_init(&p, "words");
    REQUIRE(waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT) == 0); // our only child
    turn_until(&p, "the process with the drivers ended");
    EXPECT(has(&p, "line 300 of 300"));
    EXPECT(has(&p, "the drivers wrote: the reason"));
    place_done(&p);
}

TEST(drivers_that_take_no_workers_are_replaced) {
    place_init(&p, "deaf");
    for (int i = 0; i < 100000 && !has(&p, "the process with the drivers ended"); i++) {
        int fd = -1;
        EXPECT_OK(drivers_connect(p.drivers, &fd, NULL));
        fd_close(fd);
        if (i % 100 == 99) {
            loop_turn(p.loop, false);
        }
    }
    turn_until(&p, "the process with the drivers ended");
    place_done(&p);
}

typedef struct put_end {
    int count;
    status code;
} put_end;

static void on_put(void *arg, status code, const err *e) {
    put_end *end = arg;
    (void)e;
    end->count++;
    end->code = code;
}

TEST(a_link_that_was_cut_is_not_opened_by_an_older_change) {
    put_end end = {0};
    host_link_state state;
    host_links links = {0};
    host_link *l;
    place_init(&p, "late");
    EXPECT_OK(host_links_add(&links, "default", "memory", &l, NULL));
    EXPECT_OK(host_link_add_interface(l, slice_from_text("wasi:keyvalue/store"), NULL));
    EXPECT_OK(drivers_put(p.drivers, l, on_put, &end, NULL));
    drivers_cut(p.drivers, 0);
    while (end.count == 0) {
        loop_turn(p.loop, true);
    }
    EXPECT_EQ(end.code, STATUS_DENIED);
    drivers_read_link(p.drivers, 0, &state);
    EXPECT(!state.is_open);
    EXPECT(p.config.workloads[0].links.items[0].is_cut);
    host_links_done(&links);
    place_done(&p);
}
