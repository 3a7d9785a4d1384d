// SPDX-License-Identifier: Apache-2.0
// A server on a real socket of the loopback interface, with a clock that the test moves, and raw clients.
#pragma once

#include "base/buf.h"
#include "net/http_server.h"

typedef struct fixture {
    uint64_t now_ns; // what the server takes for the time
    loop *l;
    int listen_fd;
    uint16_t port;
    http_server *server;
    http_server_options options;
    bool is_drained;
    // What the handler did and saw.
    int requests;
    int aborts;
    void *held_job;
    http_exchange *held; // by paths that do not answer at once
    char last_method[32];
    char last_scheme[8];
    char last_authority[64];
    char last_path[256];
    buf received; // request bodies that the handler read
} fixture;

// Paths: /hello answers "hello"; /hold keeps the exchange in `held`; /echo copies the body; /read reads the
// body and answers with its length; /none releases without a word; /chunks answers in three writes without a
// length; /big answers with 8 MiB as room comes; /fields answers with the names and values of the request's
// fields.
void fixture_start(fixture *f, const http_server_options *options);
void fixture_stop(fixture *f);

void fixture_release_held(fixture *f);

int client_connect(const fixture *f);
void client_send(int fd, const char *text);
typedef struct answer { // all that a client received
    char text[8192];
    size_t len;
    bool is_closed;
} answer;
// Turns the loop until nothing moves any more, and collects what the client received.
void client_collect(fixture *f, int fd, answer *a);
// A whole exchange on a connection of its own.
void exchange(fixture *f, const char *request, answer *a);
int answer_status(const answer *a); // of the first response; 0 when there is none
