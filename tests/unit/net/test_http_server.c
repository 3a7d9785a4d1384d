// SPDX-License-Identifier: Apache-2.0
// The HTTP server over real sockets, with a clock of the test's own.
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"
#include "unit/net/helper_server.h"

static const uint64_t second_ns = 1000000000;

static const char *body_of(const answer *a) {
    const char *end = strstr(a->text, "\r\n\r\n");
    return end == NULL ? "" : end + 4;
}

static int count_of(const answer *a, const char *part) {
    int n = 0;
    for (const char *at = a->text; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

static void turn(fixture *f, int times) {
    for (int i = 0; i < times; i++) {
        loop_turn(f->l, false);
    }
}

// Moves the clock in steps, as it would, so that everything with a time-out gets to see it.
static void pass_time(fixture *f, uint64_t ns) {
    for (int i = 0; i < 20; i++) {
        f->now_ns += ns / 20;
        turn(f, 3);
    }
}

TEST(answers_and_keeps_the_connection) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    answer a = {0};
    client_send(fd, "GET /hello?x=1 HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_TEXT(body_of(&a), "hello");
    EXPECT_CONTAINS(a.text, "Content-Length: 5\r\n");
    EXPECT_CONTAINS(a.text, "\r\nDate: ");
    EXPECT(strstr(a.text, "Connection:") == NULL);
    EXPECT(!a.is_closed);
    EXPECT_TEXT(f.last_method, "GET");
    EXPECT_TEXT(f.last_authority, "a.example:80");
    EXPECT_TEXT(f.last_path, "/hello?x=1");
    a = (answer){0};
    client_send(fd, "DELETE / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_CONTAINS(a.text, "Connection: close\r\n");
    EXPECT(a.is_closed);
    EXPECT_EQ(http_server_count(f.server).open, 0);
    close(fd);
    fixture_stop(&f);
}

// Every row is refused with its status and the connection ends; none reaches the handler.
static const struct {
    int expected;
    const char *request;
} malformed_requests[] = {
    {400, "GET / HTTP/1.1\r\n\r\n"},                       // no Host
    {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"}, // two of them
    {400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},              // an empty one
    {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nhello"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
          "chunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
    {501, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
    {400, "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {400, "GET / HTTP/1.1\nHost: a\n\n"}, // bare line feeds
    {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"}, // bare carriage returns
    {400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01z\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nX(: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n"},
    {400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n"},
    {505, "GET /\r\n\r\n"}, // HTTP/0.9
    {505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
    {505, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
    {505, "GET / HTTP/3\r\nHost: a\r\n\r\n"},
    {400, "GET / HTP/1.1\r\nHost: a\r\n\r\n"},
    {400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {501, "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"},
    {501, "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {501, "get / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {501, "\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03"}, // TLS
    {417, "POST / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\nContent-Length: 1\r\n\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"},
    {400, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nBad Name: 1\r\n\r\n"},
};

TEST(refuses_malformed_requests) {
    fixture f;
    fixture_start(&f, NULL);
    for (size_t i = 0; i < sizeof malformed_requests / sizeof malformed_requests[0]; i++) {
        answer a;
        exchange(&f, malformed_requests[i].request, &a);
        bool ok = EXPECT_EQ(answer_status(&a), malformed_requests[i].expected);
        ok = EXPECT(a.is_closed) && ok;
        ok = EXPECT_EQ(f.requests, 0) && ok;
        f.requests = 0;
        if (!ok) {
            printf("    request %zu: %s\n    answer: %s\n", i, malformed_requests[i].request, a.text);
        }
    }
    EXPECT_EQ(http_server_count(f.server).open, 0);
    EXPECT_EQ(http_server_count(f.server).refused, sizeof malformed_requests / sizeof malformed_requests[0]);
    fixture_stop(&f);
}

TEST(serves_unusual_requests) {
    static const struct {
        const char *path;
        const char *authority;
        const char *request;
    } rows[] = {
        {"/x?y", "h:81", "GET http://h:81/x?y HTTP/1.1\r\nHost: other\r\n\r\n"},
        {"/", "h", "GET HTTP://h HTTP/1.1\r\nHost: other\r\n\r\n"},
        {"*", "a", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"/", "[::1]:80", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"},
        {"/", "", "GET / HTTP/1.0\r\n\r\n"},
        {"/", "a", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
        {"/", "a", "GET / HTTP/1.1\r\nHOST:a\r\n\r\n"},
        {"/", "a", "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
        {"/", "a", "GET / HTTP/1.1\r\nHost: \t a \t\r\nEmpty:\r\n\r\n"},
        {"/%zz", "a", "QUERY /%zz HTTP/1.1\r\nHost: a\r\n\r\n"},
    };
    fixture f;
    fixture_start(&f, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        answer a;
        exchange(&f, rows[i].request, &a);
        if (!EXPECT_EQ(answer_status(&a), 200)) {
            printf("    request %zu: %s\n    answer: %s\n", i, rows[i].request, a.text);
        }
        EXPECT_TEXT(f.last_path, rows[i].path);
        EXPECT_TEXT(f.last_authority, rows[i].authority);
    }
    fixture_stop(&f);
}

TEST(takes_a_request_byte_by_byte) {
    fixture f;
    fixture_start(&f, NULL);
    const char *request =
        "POST /echo HTTP/1.1\r\nHost: a\r\nX-Long-Name: some value\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: t\r\nX-Empty:\r\n\r\n";
    int fd = client_connect(&f);
    answer a = {0};
    for (const char *at = request; *at != '\0'; at++) {
        client_send(fd, (const char[]){*at, '\0'});
        turn(&f, 2);
    }
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_CONTAINS(a.text, "Transfer-Encoding: chunked\r\n");
    EXPECT_CONTAINS(a.text, "\r\n0\r\nX-Trailer: t\r\nX-Empty: \r\n\r\n");
    EXPECT(!a.is_closed);
    // The same connection goes on.
    a = (answer){0};
    client_send(fd, "GET /fields HTTP/1.1\r\nHost: a\r\nX-One:  1 \r\nx-one: 2\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_TEXT(body_of(&a), "[Host]=[a]\n[X-One]=[1]\n[x-one]=[2]\n");
    close(fd);
    fixture_stop(&f);
}

TEST(pipelined_requests_are_answered_in_order) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    answer a = {0};
    client_send(fd, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
                    "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
                    "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_EQ(count_of(&a, "HTTP/1.1 200"), 1);
    EXPECT_EQ(f.requests, 2);
    REQUIRE(f.held != NULL);
    // A handler that answers later, from outside.
    EXPECT_OK(http_exchange_reply(f.held, 201, NULL, 0, slice_from_text("later"), NULL));
    fixture_release_held(&f);
    client_collect(&f, fd, &a);
    EXPECT_EQ(f.requests, 3);
    EXPECT_EQ(count_of(&a, "HTTP/1.1 20"), 3);
    EXPECT(strstr(a.text, "HTTP/1.1 201") < strstr(a.text, "later"));
    EXPECT(strstr(a.text, "later") < strstr(a.text, "hello"));
    close(fd);
    turn(&f, 5);
    EXPECT_EQ(http_server_count(f.server).open, 0);
    EXPECT_EQ(http_server_count(f.server).aborted, 0);
    fixture_stop(&f);
}

TEST(responses_without_body) {
    fixture f;
    fixture_start(&f, NULL);
    answer a;
    exchange(&f, "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\n", &a);
    EXPECT_CONTAINS(a.text, "Content-Length: 5\r\n");
    EXPECT_TEXT(body_of(&a), "");
    int fd = client_connect(&f);
    a = (answer){0};
    client_send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    client_collect(&f, fd, &a);
    REQUIRE(f.held != NULL);
    EXPECT_OK(http_exchange_reply(f.held, 204, NULL, 0, slice_from_text("dropped"), NULL));
    fixture_release_held(&f);
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 204);
    EXPECT_TEXT(body_of(&a), "");
    EXPECT(strstr(a.text, "Content-Length") == NULL);
    EXPECT(!a.is_closed);
    close(fd);
    fixture_stop(&f);
}

TEST(http_1_0) {
    fixture f;
    fixture_start(&f, NULL);
    answer a;
    exchange(&f, "GET /chunks HTTP/1.0\r\n\r\n", &a);
    EXPECT(a.is_closed);
    EXPECT_TEXT(body_of(&a), "onetwothree"); // no chunks, ended by the connection
    EXPECT(strstr(a.text, "Transfer-Encoding") == NULL);
    exchange(&f, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &a);
    EXPECT(!a.is_closed);
    EXPECT_CONTAINS(a.text, "Connection: keep-alive\r\n");
    fixture_stop(&f);
}

TEST(chunked_response_with_trailers) {
    fixture f;
    fixture_start(&f, NULL);
    answer a;
    exchange(&f, "GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n", &a);
    EXPECT_CONTAINS(a.text, "Transfer-Encoding: chunked\r\n");
    EXPECT(strstr(a.text, "gzip") == NULL); // framing is the server's
    EXPECT_TEXT(body_of(&a), "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\nX-Sum: 11\r\n\r\n");
    fixture_stop(&f);
}

TEST(continue_is_sent_when_the_body_is_read) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    answer a = {0};
    client_send(fd, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_TEXT(a.text, "HTTP/1.1 100 Continue\r\n\r\n");
    client_send(fd, "ab");
    a = (answer){0};
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT_TEXT(body_of(&a), "2");
    EXPECT(!a.is_closed);
    // A handler that does not read: a final answer at once, and the connection ends.
    a = (answer){0};
    client_send(fd, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT(a.is_closed);
    close(fd);
    fixture_stop(&f);
}

static http_body_state read_when_there(fixture *f, slice *ret) {
    http_body_state state = HTTP_BODY_WAIT;
    for (int i = 0; i < 1000 && state == HTTP_BODY_WAIT; i++) {
        state = http_exchange_read(f->held, 1000, ret);
    }
    return state;
}

// A reader that waited once and then found something itself does not wait any more.
TEST(bytes_that_were_handed_out_stay) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    client_send(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    turn(&f, 5);
    EXPECT(f.held != NULL);
    slice first = slice_empty();
    EXPECT_EQ(http_exchange_read(f.held, 1000, &first), HTTP_BODY_WAIT);
    client_send(fd, "first");
    EXPECT_EQ(read_when_there(&f, &first), HTTP_BODY_DATA);
    client_send(fd, "other");
    turn(&f, 20);
    EXPECT_BYTES(first, slice_from_text("first"));
    pass_time(&f, 100 * second_ns); // nobody waits for the client
    EXPECT(!http_exchange_is_aborted(f.held));
    slice second = slice_empty();
    EXPECT_EQ(read_when_there(&f, &second), HTTP_BODY_DATA);
    EXPECT_BYTES(second, slice_from_text("other"));
    close(fd);
    fixture_stop(&f);
}

TEST(limits) {
    http_server_options o = http_server_options_default();
    o.header_count_max = 70;
    o.header_bytes_max = 40000;
    o.target_bytes_max = 100;
    o.body_bytes_max = 10;
    fixture f;
    fixture_start(&f, &o);
    answer a;
    static char text[200000];
    // Too many fields; as many as are allowed (more than fit without allocation).
    for (int n = 69; n <= 70; n++) {
        int at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
        for (int i = 0; i < n; i++) {
            at += snprintf(text + at, sizeof text - (size_t)at, "X-%d: %d\r\n", i, i);
        }
        snprintf(text + at, sizeof text - (size_t)at, "\r\n");
        exchange(&f, text, &a);
        EXPECT_EQ(answer_status(&a), n == 69 ? 200 : 431);
    }
    // One huge field, below and over the limit.
    for (size_t n = 39900; n <= 40100; n += 200) {
        int at = snprintf(text, sizeof text, "GET /hello HTTP/1.1\r\nHost: a\r\nX: ");
        memset(text + at, 'v', n);
        memcpy(text + at + n, "\r\n\r\n", 5);
        exchange(&f, text, &a);
        EXPECT_EQ(answer_status(&a), n < 40000 ? 200 : 431);
    }
    memset(text, 0, sizeof text);
    int at = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nX:");
    memset(text + at, ' ', 100000); // counts nowhere but must not be endless
    exchange(&f, text, &a);
    EXPECT_EQ(answer_status(&a), 431);
    memset(text, 0, sizeof text);
    memcpy(text, "GET /", 5);
    memset(text + 5, 'p', 150);
    exchange(&f, text, &a);
    EXPECT_EQ(answer_status(&a), 414);
    exchange(&f, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", &a);
    EXPECT_EQ(answer_status(&a), 413);
    f.requests = 0;
    exchange(&f,
             "POST /read HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
             "chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n",
             &a);
    EXPECT_EQ(answer_status(&a), 413);
    EXPECT_EQ(f.requests, 0);
    fixture_stop(&f);
}

TEST(slow_heads_get_408) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    answer a = {0};
    client_send(fd, "GET / HTTP/1.1\r\n");
    turn(&f, 5);
    for (int i = 0; i < 20 && !a.is_closed; i++) { // a header line every second
        client_send(fd, "X: 1\r\n");
        f.now_ns += second_ns;
        client_collect(&f, fd, &a);
    }
    EXPECT_EQ(answer_status(&a), 408);
    EXPECT(a.is_closed);
    close(fd);
    // An idle connection is closed without a word.
    fd = client_connect(&f);
    a = (answer){0};
    turn(&f, 5);
    pass_time(&f, f.options.idle_ns_max + second_ns);
    client_collect(&f, fd, &a);
    EXPECT(a.is_closed);
    EXPECT_EQ(a.len, 0);
    close(fd);
    fixture_stop(&f);
}

TEST(slow_bodies_get_408_and_the_handler_hears_of_it) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    answer a = {0};
    client_send(fd, "POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    turn(&f, 5);
    EXPECT_EQ(f.requests, 1);
    for (int i = 0; i < 40 && !a.is_closed; i++) { // a byte a second
        client_send(fd, "x");
        f.now_ns += second_ns;
        client_collect(&f, fd, &a);
    }
    EXPECT_EQ(f.aborts, 1);
    EXPECT_EQ(answer_status(&a), 408);
    close(fd);
    // A client that sends nothing because nobody reads is not slow.
    fd = client_connect(&f);
    a = (answer){0};
    client_send(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    turn(&f, 5);
    pass_time(&f, 100 * second_ns);
    client_collect(&f, fd, &a);
    EXPECT(!a.is_closed);
    close(fd);
    fixture_stop(&f);
}

TEST(clients_that_do_not_read_are_cut) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    client_send(fd, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&f, 50);
    EXPECT_EQ(f.aborts, 0);
    pass_time(&f, 60 * second_ns);
    EXPECT_EQ(f.aborts, 1);
    EXPECT_EQ(http_server_count(f.server).open, 0);
    close(fd);
    fixture_stop(&f);
}

TEST(big_bodies_both_ways) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    client_send(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\nConnection: close\r\n\r\n");
    enum { TOTAL = 4000000 };
    size_t sent = 0;
    size_t received = 0;
    bool same = true;
    size_t head = 0;
    uint8_t bytes[30000];
    char start[1024] = {0};
    bool is_closed = false;
    while (!is_closed) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            bytes[i] = (uint8_t)((sent + i) * 2654435761u >> 13);
        }
        size_t n = TOTAL - sent < sizeof bytes ? TOTAL - sent : sizeof bytes;
        ssize_t took = n == 0 ? 0 : send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += took > 0 ? (size_t)took : 0;
        turn(&f, 1);
        ssize_t got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        is_closed = got == 0;
        for (ssize_t i = 0; i < got; i++) {
            if (head < 4) { // up to the empty line
                size_t at = strlen(start);
                start[at < sizeof start - 1 ? at : 0] = (char)bytes[i];
                bool is_next = bytes[i] == (uint8_t) "\r\n\r\n"[head];
                head = is_next ? head + 1 : bytes[i] == '\r' ? 1 : 0;
            } else {
                same = same && bytes[i] == (uint8_t)(received * 2654435761u >> 13);
                received++;
            }
        }
    }
    EXPECT_EQ(received, TOTAL);
    EXPECT(same);
    close(fd);
    fixture_stop(&f);
}

TEST(disconnects_are_told_to_the_handler) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    client_send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&f, 5);
    REQUIRE(f.held != NULL);
    close(fd);
    turn(&f, 5);
    EXPECT_EQ(f.aborts, 1);
    EXPECT_EQ(http_server_count(f.server).aborted, 1);
    // The same while the handler does not read the body.
    fd = client_connect(&f);
    client_send(fd, "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nsome");
    turn(&f, 5);
    close(fd);
    turn(&f, 5);
    EXPECT_EQ(f.aborts, 2);
    EXPECT_EQ(http_server_count(f.server).open, 0);
    fixture_stop(&f);
}

TEST(handlers_that_fail) {
    fixture f;
    fixture_start(&f, NULL);
    answer a;
    exchange(&f, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", &a);
    EXPECT_EQ(answer_status(&a), 500);
    EXPECT(!a.is_closed);
    // After the head the only way to say so is to cut the connection.
    int fd = client_connect(&f);
    a = (answer){0};
    client_send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    client_collect(&f, fd, &a);
    REQUIRE(f.held != NULL);
    http_response_head head = {200, NULL, 0, 100};
    EXPECT_OK(http_exchange_start(f.held, &head, NULL));
    EXPECT_OK(http_exchange_write(f.held, slice_from_text("part"), NULL));
    err e = {0};
    EXPECT_STATUS_ERR(http_exchange_end(f.held, NULL, 0, &e), STATUS_INVALID, e);
    fixture_release_held(&f);
    client_collect(&f, fd, &a);
    EXPECT_EQ(answer_status(&a), 200);
    EXPECT(a.is_closed);
    close(fd);
    // Malformed fields and too much body are refused.
    fd = client_connect(&f);
    client_send(fd, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&f, 5);
    http_header bad = {SLICE_LITERAL("X"), SLICE_LITERAL("a\r\nInjected: 1")};
    head = (http_response_head){200, &bad, 1, 2};
    EXPECT_STATUS_ERR(http_exchange_start(f.held, &head, &e), STATUS_INVALID, e);
    head.header_count = 0;
    EXPECT_OK(http_exchange_start(f.held, &head, NULL));
    EXPECT_STATUS_ERR(http_exchange_write(f.held, slice_from_text("abc"), &e), STATUS_INVALID, e);
    fixture_release_held(&f);
    close(fd);
    fixture_stop(&f);
}

TEST(unread_bodies_are_dropped_when_small) {
    fixture f;
    fixture_start(&f, NULL);
    int fd = client_connect(&f);
    answer a = {0};
    client_send(fd, "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    client_collect(&f, fd, &a);
    client_send(fd, "defGET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    client_collect(&f, fd, &a);
    EXPECT_EQ(count_of(&a, "HTTP/1.1 200"), 2);
    EXPECT(!a.is_closed);
    close(fd);
    fixture_stop(&f);
}

TEST(drains) {
    fixture f;
    fixture_start(&f, NULL);
    int idle = client_connect(&f);
    int busy = client_connect(&f);
    answer a = {0};
    answer b = {0};
    client_send(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&f, 5);
    REQUIRE(f.held != NULL);
    http_server_drain(f.server, f.now_ns + 10 * second_ns);
    client_collect(&f, idle, &a);
    EXPECT(a.is_closed);
    EXPECT(!f.is_drained);
    EXPECT_OK(http_exchange_reply(f.held, 200, NULL, 0, slice_from_text("last"), NULL));
    fixture_release_held(&f);
    client_collect(&f, busy, &b);
    EXPECT_CONTAINS(b.text, "Connection: close\r\n");
    EXPECT_TEXT(body_of(&b), "last");
    EXPECT(b.is_closed);
    turn(&f, 5);
    EXPECT(f.is_drained);
    close(idle);
    close(busy);
    fixture_stop(&f);
}

TEST(retires_without_cutting_who_may_be_sending) {
    fixture f;
    fixture_start(&f, NULL);
    int idle = client_connect(&f);
    int silent = client_connect(&f);
    turn(&f, 5);
    http_server_retire(f.server, f.now_ns + 10 * second_ns);
    answer a = {0};
    client_send(idle, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_collect(&f, idle, &a);
    EXPECT_CONTAINS(a.text, "HTTP/1.1 200");
    EXPECT_CONTAINS(a.text, "Connection: close\r\n");
    EXPECT(a.is_closed);
    EXPECT(!f.is_drained);
    pass_time(&f, 9 * second_ns);
    EXPECT(!f.is_drained);
    pass_time(&f, 2 * second_ns);
    EXPECT(f.is_drained); // the silent one was cut
    close(idle);
    close(silent);
    fixture_stop(&f);
}

TEST(drains_with_a_deadline) {
    fixture f;
    fixture_start(&f, NULL);
    int busy = client_connect(&f);
    client_send(busy, "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n");
    turn(&f, 5);
    http_server_drain(f.server, f.now_ns + 10 * second_ns);
    pass_time(&f, 9 * second_ns);
    EXPECT(!f.is_drained);
    pass_time(&f, 2 * second_ns);
    EXPECT(f.is_drained);
    EXPECT_EQ(f.aborts, 1);
    close(busy);
    fixture_stop(&f);
}

TEST(too_many_connections_wait) {
    http_server_options o = http_server_options_default();
    o.connections_max = 2;
    fixture f;
    fixture_start(&f, &o);
    int a = client_connect(&f);
    int b = client_connect(&f);
    int c = client_connect(&f);
    turn(&f, 10);
    EXPECT_EQ(http_server_count(f.server).open, 2);
    answer answered = {0};
    client_send(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_collect(&f, c, &answered);
    EXPECT_EQ(answered.len, 0);
    close(a);
    client_collect(&f, c, &answered);
    EXPECT_EQ(answer_status(&answered), 200);
    close(b);
    close(c);
    fixture_stop(&f);
}
