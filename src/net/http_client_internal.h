// SPDX-License-Identifier: Apache-2.0
// Insides of the HTTP client, shared by http_client.c (sockets, the queue),
// http_call.c (the life of a call and its bodies) and http_call_setup.c (a request as libcurl wants it).
#pragma once

#include <curl/curl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "net/curl_driver.h"
#include "net/http_client.h"

enum {
    HTTP_CALL_BODY_BYTES = 64 * 1024,    // buffered of each body
    HTTP_CALL_EARLY_BYTES_MAX = 1 << 20, // of the response to a request with a body
    HTTP_CALL_TEXT_BYTES_MAX = 1 << 20,
    HTTP_CALL_FAILURE_BYTES = 256,
    HTTP_SPARE_EASY_MAX = 64,
    // Asked of the connector at one time. A call that waits for its turn tries again whenever a connection
    // becomes idle, which costs more than the connection: 32 here made 1 000 waiting requests three times as
    // expensive.
    HTTP_CONNECTING_MAX = 512,
};

typedef enum http_call_state {
    HTTP_CALL_QUEUED,     // waits for a socket to become free
    HTTP_CALL_CONNECTING, // the connector was asked
    HTTP_CALL_RUNNING,    // libcurl has it
    HTTP_CALL_DONE,       // ended, well or badly
} http_call_state;

// A body on its way through memory: bytes [start, end), of which the first `lent` are in the reader's hands.
typedef struct http_call_body {
    uint8_t *bytes;  // allocated when first needed
    size_t capacity; // HTTP_CALL_BODY_BYTES or more
    size_t start;
    size_t end;
    size_t lent;
} http_call_body;

struct http_call {
    http_client *client;
    bool has_secrets;
    list_node node;   // among all calls
    list_node queued; // among those that wait for a socket
    http_call_progress progress;
    void *arg;
    http_call_state state;
    CURL *easy;
    arena text; // of the request's strings, then of the response's
    struct curl_slist *fields;
    struct curl_slist *connect_to;
    char host[CONNECT_HOST_BYTES_MAX + 1];
    uint16_t port;

    int fd;            // from the connector, -1 when libcurl has it or there is none
    bool wants_socket; // libcurl asked for one that was not there
    uint64_t connect_id;
    loop_timer deadline;
    uint64_t connect_deadline_ns;
    uint64_t first_byte_ns;
    uint64_t between_bytes_ns;

    http_failure failure;
    char failure_text[HTTP_CALL_FAILURE_BYTES];

    // The request's body.
    http_call_body out;
    bool has_body;
    bool is_body_ended;
    bool is_out_paused;
    bool is_out_touched; // libcurl took some of it: the call cannot begin anew
    bool wants_room;
    struct curl_slist *out_trailers;
    bool sends_trailers; // the request announced them

    // The response.
    http_response response;
    bool has_response;
    bool is_in_paused;
    http_call_body in;
    http_header *headers; // collected, then the response's; after it the trailers'
    size_t header_count;
    size_t header_bytes;
    http_header *trailers;
    size_t trailer_count;
};

struct http_client {
    loop *l;
    http_client_options options;
    curl_driver driver;
    list_node calls;
    list_node queue; // calls that wait for a socket
    uint32_t call_count;
    uint32_t connecting_count;
    uint32_t socket_count; // asked for, held and in libcurl's hands
    CURL *spare[HTTP_SPARE_EASY_MAX];
    uint32_t spare_count;
};

// Client.
void http_client_kick(http_client *c);
void http_client_take_socket_back(http_client *c, int fd); // closes it
void http_client_serve_queue(http_client *c);
void http_client_retry_queue(http_client *c);
// Gives the call to libcurl.
void http_client_run(http_client *c, http_call *call);
// Takes it back; what it was doing is cancelled.
void http_client_stop(http_client *c, http_call *call);

// Call.
void http_call_fail(http_call *call, http_failure failure, const char *text);
void http_call_on_curl_done(http_call *call, CURLcode result);
void http_call_ask_for_socket(http_call *call); // the connector, or the queue

// Setup.
status http_call_set_up(http_call *call, const http_call_request *request, err *e) WRIT_MUST_USE;

// libcurl's callbacks, in http_call.c.
curl_socket_t http_call_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address);
int http_call_socket_opened(void *arg, curl_socket_t fd, curlsocktype purpose);
int http_call_connected(void *arg, char *peer, char *local, int peer_port, int local_port);
size_t http_call_on_header(char *line, size_t size, size_t count, void *arg);
size_t http_call_on_body(char *bytes, size_t size, size_t count, void *arg);
size_t http_call_read_body(char *bytes, size_t size, size_t count, void *arg);
int http_call_read_trailers(struct curl_slist **list, void *arg);
int http_client_close_socket(void *arg, curl_socket_t fd);
