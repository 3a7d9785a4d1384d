// SPDX-License-Identifier: Apache-2.0
// The S3 driver against a server that answers what the test says: losses, repetitions, nonsense.
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "test.h"
#include "unit/driver/helper_blobstore.h"

enum { REQUEST_BYTES_MAX = 8 << 20, ANSWERS_MAX = 16 };

// Answers the requests in their order; "" closes without a word, and so does one too many. The driver's probe
// gets an answer of its own.
typedef struct fake {
    blobs b;
    int listen_fd;
    uint16_t port;
    loop_watch listening;
    const char *answers[ANSWERS_MAX];
    int answered;
    int connections;
    char last[4096]; // the head of the last request
    driver_value settings[4];
} fake;

typedef struct client {
    fake *f;
    int fd;
    loop_watch watch;
    buf request;
} client;

static void client_free(client *c) {
    loop_watch_stop(&c->watch);
    close(c->fd);
    buf_done(&c->request);
    c->f->connections--;
    mem_free(c);
}

// Whether a whole request is there.
static bool is_whole(const client *c) {
    const char *text = (const char *)c->request.data;
    const char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\ncontent-length: ");
    size_t body = length != NULL && length < end ? strtoul(length + 18, NULL, 10) : 0;
    return end != NULL && c->request.len >= (size_t)(end - text) + 4 + body;
}

static void answer(client *c) {
    static const char probe[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    fake *f = c->f;
    bool is_probe = slice_starts_with(buf_slice(&c->request), "GET / ");
    const char *said = is_probe ? probe : f->answered < ANSWERS_MAX ? f->answers[f->answered] : NULL;
    if (!is_probe) {
        snprintf(f->last, sizeof f->last, "%.*s", SLICE_ARG(buf_slice(&c->request)));
        f->answered++;
    }
    buf_clear(&c->request);
    if (said == NULL || said[0] == '\0') {
        client_free(c);
        return;
    }
    (void)!send(c->fd, said, strlen(said), MSG_NOSIGNAL);
    if (strstr(said, "connection: close") != NULL) {
        client_free(c);
    }
}

static void on_client(void *arg, unsigned events) {
    client *c = arg;
    uint8_t *room;
    (void)events;
    CHECK(buf_reserve(&c->request, 65537, &room) == STATUS_OK);
    ssize_t n = read(c->fd, room, 65536);
    if (n <= 0) {
        client_free(c);
        return;
    }
    c->request.len += (size_t)n;
    if (buf_text(&c->request) != NULL && is_whole(c)) {
        answer(c);
    }
}

static void on_connection(void *arg, unsigned events) {
    fake *f = arg;
    (void)events;
    int fd = accept4(f->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        client *c = MEM_NEW(client);
        c->f = f;
        c->fd = fd;
        buf_init(&c->request, REQUEST_BYTES_MAX);
        f->connections++;
        CHECK(loop_watch_start(&c->watch, f->b.k.l, fd, LOOP_READABLE, on_client, c, NULL) == STATUS_OK);
    }
}

static void listen_again(fake *f) {
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(f->port)};
    socklen_t len = sizeof a;
    int on = 1;
    f->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(setsockopt(f->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(f->listen_fd, (struct sockaddr *)&a, len) == 0 && listen(f->listen_fd, 100) == 0 &&
          getsockname(f->listen_fd, (struct sockaddr *)&a, &len) == 0);
    f->port = ntohs(a.sin_port);
    CHECK(loop_watch_start(&f->listening, f->b.k.l, f->listen_fd, LOOP_READABLE, on_connection, f, NULL) ==
          STATUS_OK);
}

static void listen_no_more(fake *f) {
    loop_watch_stop(&f->listening);
    close(f->listen_fd);
}

// With one more setting.
static void start(fake *f, const char *name, const char *value) {
    static char endpoint[64];
    kv_start(&f->b.k);
    listen_again(f);
    snprintf(endpoint, sizeof endpoint, "http://localhost:%u", f->port);
    f->settings[0] = (driver_value){SLICE_LITERAL("endpoint"), slice_from_text(endpoint)};
    f->settings[1] = (driver_value){SLICE_LITERAL("containers"), SLICE_LITERAL("one,two")};
    f->settings[2] = (driver_value){slice_from_text(name), slice_from_text(value)};
    const driver_values settings = {f->settings, 3};
    EXPECT_OK(kv_open(&f->b.k, &blobstore_s3, &settings, NULL, NULL));
    kv_wait_up(&f->b.k);
}

static void stop(fake *f) {
    kv_close(&f->b.k);
    while (f->connections > 0) {
        kv_turn(&f->b.k);
    }
    listen_no_more(f);
    kv_stop(&f->b.k);
}

#define OK_HEAD "HTTP/1.1 200 OK\r\ncontent-length: "
#define PART "HTTP/1.1 206 OK\r\netag: \"e\"\r\ncontent-range: bytes 0-3/10\r\ncontent-length: 4\r\n\r\nabcd"
#define BUSY "HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n"
#define BROKEN "HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n"
#define EMPTY_OK OK_HEAD "0\r\n\r\n"

static blob_pending read_part(fake *f) {
    blob_pending p;
    blobstore_call c = blob_on_object(BLOBSTORE_READ, "one", slice_from_text("o"));
    c.len = 4;
    blob_call(&f->b, &c, &p);
    return p;
}

static void expect_read(const char *const *answers, int count, status code, const char *bytes, int requests) {
    fake f = {0};
    memcpy(f.answers, answers, (size_t)count * sizeof *answers);
    start(&f, "timeout-ms", "1000");
    blob_pending p = read_part(&f);
    EXPECT_STATUS(p.code, code);
    EXPECT(code != STATUS_OK || slice_equal_text(p.answer.bytes, bytes));
    // libcurl sends once more what went over a connection that was open.
    EXPECT(f.answered == requests || (answers[0][0] == '\0' && f.answered == requests + 1));
    blob_done(&p);
    stop(&f);
}

TEST(reads_are_sent_again) {
    expect_read((const char *const[]){PART}, 1, STATUS_OK, "abcd", 1);
    expect_read((const char *const[]){BUSY, PART}, 2, STATUS_OK, "abcd", 2);
    expect_read((const char *const[]){"", BROKEN, PART}, 3, STATUS_OK, "abcd", 3);
    expect_read(
        (const char *const[]){"HTTP/1.1 206 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nab", PART}, 2,
        STATUS_OK, "abcd", 2);
    expect_read((const char *const[]){"", "", "", "", PART}, 5, STATUS_CLOSED, "", 3);
}

static const char *finish_with(const char *const *answers, int count, int requests) {
    fake f = {0};
    blob_upload u;
    memcpy(f.answers, answers, (size_t)count * sizeof *answers);
    start(&f, "timeout-ms", "1000");
    EXPECT(blob_upload_begin(&f.b, "one", slice_from_text("o"), &u) == NULL);
    EXPECT(blob_upload_append(&f.b, &u, slice_from_text("text")) == NULL);
    const char *problem = blob_upload_finish(&f.b, &u);
    EXPECT_EQ(f.answered, requests);
    stop(&f);
    return problem == NULL ? "well" : problem;
}

// Another one may have written in between: what changes something is done once.
TEST(writes_are_not_sent_again) {
    EXPECT_TEXT(finish_with((const char *const[]){EMPTY_OK}, 1, 1), "well");
    EXPECT_TEXT(finish_with((const char *const[]){BUSY, EMPTY_OK}, 2, 2),
                "well"); // it says that it did nothing
    EXPECT_TEXT(finish_with((const char *const[]){BROKEN, EMPTY_OK}, 2, 1), "another error");
    EXPECT_TEXT(finish_with((const char *const[]){"", EMPTY_OK}, 2, 1), "closed");
}

TEST(answers_that_make_no_sense) {
    static const char *const wrong[] = {
        "HTTP/1.1 206 OK\r\netag: \"e\"\r\ncontent-range: bytes 0-3/10\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 206 OK\r\netag: \"e\"\r\ncontent-range: bytes 0-9/10\r\ncontent-length: "
        "10\r\n\r\nabcdefghij",
        "HTTP/1.1 206 OK\r\ncontent-range: bytes 0-3/10\r\ncontent-length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\netag: \"e\"\r\ncontent-length: 10\r\n\r\nabcdefghij",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        expect_read(&wrong[i], 1, STATUS_IO, "", 1);
    }
    expect_read(
        (const char *const[]){"HTTP/1.1 301 Moved\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n"}, 1,
        STATUS_OK, "", 1); // followed nowhere: an error of the contract
}

static blob_pending list(fake *f) {
    blob_pending p;
    blobstore_call c = blob_on_container(BLOBSTORE_LIST, "one");
    c.limit = 1;
    blob_call(&f->b, &c, &p);
    return p;
}

TEST(listings_that_make_no_sense) {
    static const char *const bodies[] = {
        "<ListBucketResult>",
        "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult/>",
        "<ListBucketResult><Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents></"
        "ListBucketResult>",
        "<a><b><c><d><e><f><g><h><i><j/></i></h></g></f></e></d></c></b></a>",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        fake f = {0};
        char text[1024];
        snprintf(text, sizeof text, OK_HEAD "%zu\r\n\r\n%s", strlen(bodies[i]), bodies[i]);
        f.answers[0] = text;
        start(&f, "timeout-ms", "1000");
        blob_pending p = list(&f);
        EXPECT_STATUS(p.code, STATUS_IO);
        blob_done(&p);
        stop(&f);
    }
}

// 200 is said, and then it goes wrong.
static void expect_bad_end(const char *end, const char *expected) {
    fake f = {0};
    blob_upload u;
    uint8_t *bytes = mem_zalloc(1 << 20);
    const char *answers[] = {
        OK_HEAD
        "78\r\n\r\n<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        "HTTP/1.1 200 OK\r\netag: \"p1\"\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\netag: \"p2\"\r\ncontent-length: 0\r\n\r\n",
        end,
        "HTTP/1.1 204 OK\r\n\r\n",
    };
    char first[256];
    snprintf(first, sizeof first, OK_HEAD "%zu\r\n\r\n%s", strlen(strstr(answers[0], "<")),
             strstr(answers[0], "<"));
    answers[0] = first;
    memcpy(f.answers, answers, sizeof answers);
    start(&f, "timeout-ms", "1000");
    EXPECT(blob_upload_begin(&f.b, "one", slice_from_text("a b"), &u) == NULL);
    for (int i = 0; i < 6; i++) {
        EXPECT(blob_upload_append(&f.b, &u, slice_of(bytes, 1 << 20)) == NULL);
    }
    EXPECT_EQ(f.answered, 2);
    const char *problem = blob_upload_finish(&f.b, &u);
    EXPECT_TEXT(problem != NULL ? problem : "well", expected);
    while (f.answered < 5) { // and the parts are forgotten
        kv_turn(&f.b.k);
    }
    EXPECT(strncmp(f.last, "DELETE /one/a%20b?uploadId=u1 ", 30) == 0);
    EXPECT(blob_upload_finish(&f.b, &u) != NULL);
    mem_free(bytes);
    stop(&f);
}

TEST(large_uploads_whose_end_goes_wrong) {
    expect_bad_end(OK_HEAD "41\r\n\r\n<Error><Code>InternalError</Code></Error>", "another error");
    expect_bad_end(OK_HEAD "40\r\n\r\n<Error><Code>InternalError</Code></Error", "io");
    expect_bad_end(EMPTY_OK, "io");
    expect_bad_end(OK_HEAD "4\r\n\r\n<a/>", "io");
}

TEST(a_server_that_goes_and_comes_back) {
    fake f = {0};
    driver_health h = {0};
    start(&f, "timeout-ms", "1000");
    listen_no_more(&f);
    blob_pending p = read_part(&f);
    blob_done(&p); // perhaps over the connection that is open
    p = read_part(&f);
    EXPECT_STATUS(p.code, STATUS_CLOSED);
    blob_done(&p);
    f.b.k.d->health(f.b.k.link, &h);
    EXPECT(h.state == DRIVER_DOWN && h.reason[0] != '\0' && h.next_try_ns != UINT64_MAX);
    listen_again(&f);
    kv_wait_up(&f.b.k); // by itself
    f.answered = 0;
    f.answers[0] = PART;
    p = read_part(&f);
    EXPECT_OK(p.code);
    blob_done(&p);
    stop(&f);
}

TEST(buckets_as_hosts) {
    fake f = {0};
    f.answers[0] = PART;
    start(&f, "style", "virtual-host");
    blob_pending p = read_part(&f);
    EXPECT_OK(p.code);
    EXPECT(strncmp(f.last, "GET /o ", 7) == 0 && strcasestr(f.last, "\r\nhost: one.localhost:") != NULL);
    EXPECT_TEXT(f.b.k.connector.last_host, "one.localhost");
    blob_done(&p);
    stop(&f);
}

static void count_peer(void *arg, slice host, uint16_t port) {
    char *found = arg;
    size_t len = strlen(found);
    snprintf(found + len, 256 - len, "%.*s:%u ", SLICE_ARG(host), port);
}

static bool has_peers(const driver_value *values, size_t count, const char *expected) {
    char found[256] = "";
    err e = {0};
    const driver_values v = {values, count};
    status s = blobstore_s3.peers(&v, count_peer, found, &e);
    bool ok = expected == NULL ? s != STATUS_OK && e.message[0] != '\0'
                               : s == STATUS_OK && strcmp(found, expected) == 0;
    if (!ok) {
        printf("    %s%s\n", found, e.message);
    }
    return ok;
}

#define SETTING(name, value) \
    { SLICE_LITERAL(name), SLICE_LITERAL(value) }

TEST(settings_say_where_it_connects) {
    EXPECT(has_peers(NULL, 0, "s3.us-east-1.amazonaws.com:443 "));
    EXPECT(has_peers((const driver_value[]){SETTING("region", "eu-x")}, 1, "s3.eu-x.amazonaws.com:443 "));
    EXPECT(has_peers((const driver_value[]){SETTING("endpoint", "https://a.b:9000/")}, 1, "a.b:9000 "));
    EXPECT(has_peers((const driver_value[]){SETTING("endpoint", "http://[::1]:9")}, 1, "::1:9 "));
    EXPECT(has_peers((const driver_value[]){SETTING("endpoint", "http://[::1]")}, 1, "::1:80 "));
    EXPECT(has_peers((const driver_value[]){SETTING("endpoint", "http://h"), SETTING("style", "virtual-host"),
                                            SETTING("containers", "a,b")},
                     3, "h:80 a.h:80 b.h:80 "));
    static const char *const wrong[] = {
        "h",          "ftp://h",       "http://",    "http://h:0", "http://h:65536",
        "http://h:x", "http://h/path", "http://u@h", "http://h h", "http://[::1",
        "http://:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const driver_value v = {SLICE_LITERAL("endpoint"), slice_from_text(wrong[i])};
        EXPECT(has_peers(&v, 1, NULL));
    }
    EXPECT(has_peers((const driver_value[]){SETTING("style", "virtual-host")}, 1, NULL));
    EXPECT(has_peers((const driver_value[]){SETTING("style", "sideways")}, 1, NULL));
    EXPECT(has_peers((const driver_value[]){SETTING("region", "a.b/c")}, 1, NULL));
}

TEST(keys_belong_together) {
    static const driver_value one[] = {SETTING("access-key-id", "id")};
    static const driver_value split[] = {SETTING("access-key-id", "i\nd"), SETTING("secret-access-key", "k")};
    blobs b = {0};
    err e;
    kv_start(&b.k);
    EXPECT_STATUS(kv_open(&b.k, &blobstore_s3, NULL, &(driver_values){one, 1}, &e), STATUS_INVALID);
    EXPECT_STATUS(kv_open(&b.k, &blobstore_s3, NULL, &(driver_values){split, 2}, &e), STATUS_INVALID);
    const driver_value shown[] = {SETTING("secret-access-key", "k")};
    EXPECT_STATUS(kv_open(&b.k, &blobstore_s3, &(driver_values){shown, 1}, NULL, &e), STATUS_INVALID);
    EXPECT(strstr(e.message, "credential") != NULL);
    const driver_value nobody[] = {SETTING("ca", "no certificate")};
    EXPECT_STATUS(kv_open(&b.k, &blobstore_s3, &(driver_values){nobody, 1}, NULL, &e), STATUS_INVALID);
    b.k.link = NULL;
    kv_stop(&b.k);
}
