// SPDX-License-Identifier: Apache-2.0
// The supervisor with workers that keep to no rule: this program, started as a worker, speaks the protocol
// and misbehaves as the name of the workload says.
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "helper_secrets.h"
#include "host/config_wire.h"
#include "host/message.h"
#include "host/supervisor.h"
#include "os/fd.h"
#include "os/memory_file.h"
#include "os/process.h"

#include "os/socket_open.h"
#include "os/whole_file.h"

// --- the worker --------------------------------------------------------------------------------------------

enum { WORDS = 300, FLOOD = 20000 };

typedef struct fake {
    channel channel;
    int fds[MESSAGE_START_FDS_MAX];
    host_config config;
    uint32_t workload; // for which it speaks
    bool is_second;    // the one before has died
} fake;

static void must(bool ok) {
    if (!ok) {
        process_end(99);
    }
}

static bool is_first_of(const char *folder) {
    char path[80];
    (void)snprintf(path, sizeof path, "%s/first", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    fd_close(fd);
    return fd >= 0;
}

static void begin(fake *f) {
    channel_packet p;
    message_start start;
    memory_map bytes;
    process_begin_child();
    f->channel.fd = PROCESS_CHANNEL_FD;
    must(channel_wait(&f->channel, 10000, MESSAGE_START_FDS_MAX, &p, NULL) == STATUS_OK);
    must(message_read_start(&p, &start, NULL) == STATUS_OK);
    for (size_t i = 0; i < MESSAGE_START_FDS_MAX; i++) {
        f->fds[i] = channel_packet_take(&p, i);
    }
    host_config_init(&f->config);
    must(memory_map_read(f->fds[MESSAGE_START_CONFIG], CONFIG_WIRE_BYTES_MAX, &bytes, NULL) == STATUS_OK);
    must(start.workload_count == 1);
    must(config_wire_read(memory_map_slice(&bytes), &f->config, NULL) == STATUS_OK);
    f->is_second = !is_first_of(f->config.workloads[0].component_path);
    must(message_send_empty(&f->channel, MESSAGE_READY, NULL) == STATUS_OK);
}

// Sends once more whenever there is room again.
static void say(fake *f, const char *text) {
    log_record r = {LOG_WARN, slice_from_text("words"), slice_from_text(text), NULL, 0};
    for (;;) {
        status s = message_send_log(&f->channel, f->workload, &r, NULL);
        if (s == STATUS_OK) {
            return;
        }
        must(s == STATUS_LIMIT);
        (void)sched_yield();
    }
}

static void end_all(fake *f) {
    channel_packet p;
    (void)kill(getppid(), SIGTERM);
    (void)!channel_wait(&f->channel, 10000, 0, &p, NULL); // until it says DRAIN
    process_end(0);
}

// Stops the supervisor until this process has ended, so that it finds everything at once.
static void stop_supervisor_until_the_end(fake *f) {
    int ends[2];
    pid_t supervisor = getppid();
    must(pipe(ends) == 0);
    if (fork() == 0) {
        fd_close(ends[1]);
        channel_close(&f->channel);
        (void)!read(ends[0], &(char){0}, 1);
        (void)kill(supervisor, SIGCONT);
        process_end(0);
    }
    (void)kill(supervisor, SIGSTOP);
}

static void speak_at_length(fake *f) {
    stop_supervisor_until_the_end(f);
    for (int i = 0; i < WORDS; i++) {
        say(f, "one of many words");
    }
    (void)!message_send_finished(&f->channel, 7, NULL);
    process_end(0);
}

static void fail_late(fake *f) {
    if (f->is_second) {
        end_all(f);
    }
    err e;
    err_set(&e, STATUS_INVALID, "I say that I cannot start");
    (void)!message_send_failed(&f->channel, &e, NULL);
    (void)sleep(60); // alive and well
    process_end(0);
}

static void flood(fake *f) {
    static char text[1000];
    memset(text, 'x', sizeof text - 1);
    for (int i = 0; i < FLOOD; i++) {
        say(f, text);
    }
    end_all(f);
}

static void spoil_the_listener(fake *f) {
    int listener = f->fds[MESSAGE_START_LISTENER];
    int listens = 0;
    if (f->is_second) {
        must(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &(socklen_t){sizeof listens}) == 0);
        say(f, listens == 1 ? "it listens" : "it does not listen");
        end_all(f);
    }
    (void)shutdown(listener, SHUT_RD);
    process_end(3);
}

static void speak_for_others(fake *f) {
    if (f->is_second) {
        f->workload = MESSAGE_LOG_OF_WORKER;
        say(f, "and now myself");
        end_all(f);
    }
    f->workload = 1; // there is only 0
    say(f, "I am somebody else");
    (void)sleep(60);
    process_end(0);
}

static void connect_for_others(fake *f) {
    if (f->is_second) {
        end_all(f);
    }
    message_connect m = {.id = 1, .request = {.host = SLICE_LITERAL("127.0.0.1"), .port = 1, .workload = 1}};
    (void)!message_send_connect(&f->channel, &m, NULL);
    (void)sleep(60);
    process_end(0);
}

// For one that it was granted, then for one that it was not.
static void reveal_others(fake *f) {
    channel_packet p;
    message_revealed m;
    if (f->is_second) {
        end_all(f);
    }
    must(message_send_reveal(&f->channel, &(message_reveal){1, 0, SLICE_LITERAL("mine")}, NULL) == STATUS_OK);
    do { // the components come first
        must(channel_wait(&f->channel, 10000, CHANNEL_DESCRIPTORS_MAX, &p, NULL) == STATUS_OK);
    } while (p.type != MESSAGE_REVEALED);
    must(message_read_revealed(&p, &m, NULL) == STATUS_OK && m.code == STATUS_OK);
    say(f, slice_equal_text(m.part, "value of stored") ? "it is mine" : "it is another one");
    (void)!message_send_reveal(&f->channel, &(message_reveal){2, 0, SLICE_LITERAL("stored")}, NULL);
    (void)sleep(60);
    process_end(0);
}

// A line that looks like one of ours.
static void forge(fake *f) {
    (void)dprintf(STDERR_FILENO, "x\n2026-01-01T00:00:00.000Z info  forge: forged\n");
    end_all(f);
}

__attribute__((constructor)) static void be_a_worker(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)(fake *f);
    } ways[] = {{"speak", speak_at_length},
                {"fail", fail_late},
                {"flood", flood},
                {"spoil", spoil_the_listener},
                {"forge", forge},
                {"speak-for-others", speak_for_others},
                {"connect-for-others", connect_for_others},
                {"reveal-others", reveal_others}};
    if (argc != 2 || strcmp(argv[1], "__worker") != 0) {
        return;
    }
    fake f = {0};
    begin(&f);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(f.config.workloads[0].name, ways[i].name) == 0) {
            ways[i].run(&f);
        }
    }
    process_end(98);
}

// --- the supervisor ----------------------------------------------------------------------------------------

typedef struct outcome {
    size_t granted, refused; // reveals, in the audit log
    status code;
    int exit_status;
    size_t log_bytes;
    char log[1 << 16]; // its beginning
} outcome;

static const char *const record_files[] = {"audit.log", "audit.log.head", "audit.log.lock"};

static audit *open_record(const char *folder, nkey **ret_key) {
    char path[80];
    audit *record = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", folder, record_files[0]);
    EXPECT_OK(nkey_generate(NKEY_SERVER, ret_key, NULL));
    EXPECT_OK(audit_open(&(audit_options){.path = path, .key = *ret_key, .by = "test"}, &record, NULL));
    return record;
}

static void count_reveals(const char *folder, outcome *ret) {
    char path[80];
    auto_buf text = {0};
    (void)snprintf(path, sizeof path, "%s/%s", folder, record_files[0]);
    EXPECT_OK(file_read_whole(path, 1 << 20, &text, NULL));
    for (const char *at = buf_text(&text); (at = strstr(at, "\"kind\":\"")) != NULL; at++) {
        ret->granted += strncmp(at + 8, "secret.reveal\"", 14) == 0;
        ret->refused += strncmp(at + 8, "refusal\"", 8) == 0;
    }
    for (size_t i = 0; i < sizeof record_files / sizeof record_files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, record_files[i]);
        (void)unlink(path);
    }
}

static void supervise(const char *way, bool is_command, outcome *ret) {
    char folder[] = "/tmp/writ-test-XXXXXX", first[80];
    REQUIRE(mkdtemp(folder) != NULL);
    host_config c;
    workload_config *w;
    host_config_init(&c);
    EXPECT_OK(host_config_add_workload(&c, &w, NULL));
    w->name = mem_text_dup(way);
    w->component_path = mem_text_dup(folder);
    int log_fd = memfd_create("log", MFD_CLOEXEC), component_fd = -1, listener = -1;
    err e;
    logger *l;
    socket_address a;
    EXPECT_OK(logger_new(&(logger_options){.workload = slice_from_text(way), .fd = log_fd}, &l, &e));
    EXPECT_OK(memory_file_from_bytes("component", slice_empty(), &component_fd, &e));
    EXPECT(socket_address_parse(slice_from_text("127.0.0.1"), 0, &a));
    EXPECT_OK(socket_listen_group(&a, 1, &listener, &e));
    double_backend backend;
    double_backend_init(&backend);
    nkey *key = NULL;
    audit *record = open_record(folder, &key);
    const host_observer observer = {.audit = record};
    host_secrets *secrets = NULL;
    EXPECT_OK(workload_config_add_secret(w, &(host_secret){.name = "mine", .key = "stored"}, &e));
    EXPECT_OK(host_secrets_new(&(host_secrets_options){&c, 0, &backend.base, &observer, l}, &secrets, &e));
    prepared_workload prepared = {.config = w, .logger = l, .component_fd = component_fd};
    supervisor_options o = {.config = &c,
                            .workloads = &prepared,
                            .observer = &observer,
                            .logger = l,
                            .secrets = secrets,
                            .is_command = is_command,
                            .worker_count = 1,
                            .listener_fds = is_command ? NULL : &listener,
                            .url = ""};
    ret->code = supervisor_run(&o, &ret->exit_status, &e);
    ret->log_bytes = (size_t)lseek(log_fd, 0, SEEK_END);
    size_t n = 0;
    EXPECT_OK(fd_read_at(log_fd, ret->log, sizeof ret->log - 1, 0, &n, &e));
    ret->log[n] = '\0';
    host_secrets_free(secrets);
    audit_close(record);
    nkey_free(key);
    count_reveals(folder, ret);
    logger_free(l);
    host_config_done(&c);
    fd_close(log_fd);
    fd_close(component_fd);
    fd_close(listener);
    (void)snprintf(first, sizeof first, "%s/first", folder);
    (void)unlink(first);
    (void)rmdir(folder);
}

static bool has(const outcome *o, const char *text) {
    bool is_there = strstr(o->log, text) != NULL;
    if (!is_there) {
        printf("    no \"%s\" in:\n%.4000s\n", text, o->log);
    }
    return is_there;
}

TEST(last_words_are_heard_however_many) {
    static outcome o;
    supervise("speak", true, &o);
    EXPECT_OK(o.code);
    EXPECT_EQ(o.exit_status, 7);
    size_t count = 0;
    for (const char *p = o.log; (p = strstr(p, "one of many words")) != NULL; p++) {
        count++;
    }
    EXPECT_EQ(count, WORDS);
}

TEST(a_worker_that_serves_cannot_fail_to_start) {
    static outcome o;
    supervise("fail", false, &o);
    EXPECT_OK(o.code);
    EXPECT(has(&o, "is killed"));
    EXPECT(strstr(o.log, "I say that I cannot start") == NULL);
}

TEST(a_worker_cannot_flood_the_log) {
    static outcome o;
    supervise("flood", false, &o);
    EXPECT_OK(o.code);
    EXPECT(o.log_bytes < (size_t)FLOOD * 1000 / 2);
}

TEST(a_spoilt_listener_is_repaired_for_the_replacement) {
    static outcome o;
    supervise("spoil", false, &o);
    EXPECT_OK(o.code);
    EXPECT(has(&o, ": it listens"));
}

TEST(a_worker_cannot_forge_lines) {
    static outcome o;
    supervise("forge", false, &o);
    EXPECT_OK(o.code);
    EXPECT(has(&o, "worker 0 wrote: x\\n2026"));
}

TEST(a_worker_cannot_speak_for_a_workload_that_is_none) {
    static outcome o;
    supervise("speak-for-others", false, &o);
    EXPECT_OK(o.code);
    EXPECT(has(&o, "it logs for workload 1, which is none"));
    EXPECT(has(&o, "and now myself"));
    EXPECT(strstr(o.log, "I am somebody else") == NULL);
}

TEST(a_worker_cannot_connect_for_a_workload_that_is_none) {
    static outcome o;
    supervise("connect-for-others", false, &o);
    EXPECT_OK(o.code);
    EXPECT(has(&o, "it asks for a connection of workload 1, which is none"));
}

TEST(a_worker_cannot_have_secrets_that_were_not_granted) {
    static outcome o;
    supervise("reveal-others", false, &o);
    EXPECT_OK(o.code);
    EXPECT(has(&o, "it is mine"));
    EXPECT(has(&o, "it asks for a secret that workload 0 was not granted"));
    EXPECT_EQ(o.granted, 1);
    EXPECT_EQ(o.refused, 1);
}
