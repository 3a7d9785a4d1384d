// SPDX-License-Identifier: Apache-2.0
// wasi:sockets 0.2: what TCP and UDP sockets of guests have in common.
//
// A guest's socket has no descriptor until the connector has bound or connected one for it: the connector
// applies the workload's allow-list, in the supervisor when there is one. Creating a socket therefore never
// fails for lack of authority; binding and connecting answer access-denied. One request to the connector is
// under way at a time; its answer is kept until the guest collects it with finish-*.
//
// The descriptor and its watch live in the socket; streams are children of it and keep its memory alive, so
// they go on working after the guest let the socket go. Threads: that of the instance.
#pragma once

#include "capability/pollable.h"
#include "capability/wasi.h"
#include "loop/loop.h"
#include "net/connector.h"
#include "wasi/sockets_network.h"

typedef wasi_sockets_network_error_code socket_error;
typedef wasi_sockets_network_ip_socket_address guest_address;

enum { SOCKET_NO_ERROR = -1 }; // beside the values of socket_error, which start at 0

// --- addresses ---------------------------------------------------------------------------------------------

bool guest_address_is_v6(const guest_address *a);
uint16_t guest_address_port(const guest_address *a);
bool guest_address_is_unspecified(const guest_address *a); // 0.0.0.0 or ::
bool guest_address_is_mapped(const guest_address *a);      // ::ffff:a.b.c.d, which WASI refuses
bool guest_address_is_unicast(const guest_address *a);
loop_address guest_address_to_loop(const guest_address *a);
guest_address guest_address_from_loop(const loop_address *a);
wasi_sockets_network_ip_address guest_ip_from_loop(const loop_address *a);
// The literal address as text for the connector, without a port. `text` has NETWORK_ADDRESS_TEXT_BYTES.
slice guest_address_literal(const guest_address *a, char *text);

socket_error socket_error_of_errno(int number); // takes the positive value
socket_error socket_error_of_connect(const connect_result *r);

// --- options -----------------------------------------------------------------------------------------------

typedef enum socket_option {
    SOCKET_KEEP_ALIVE,
    SOCKET_KEEP_ALIVE_IDLE, // seconds
    SOCKET_KEEP_ALIVE_INTERVAL,
    SOCKET_KEEP_ALIVE_COUNT,
    SOCKET_HOP_LIMIT,
    SOCKET_RECEIVE_BUFFER, // bytes
    SOCKET_SEND_BUFFER,
    SOCKET_OPTION_COUNT,
} socket_option;

// --- sockets -----------------------------------------------------------------------------------------------

typedef struct guest_socket {
    wasi_resource base;
    bool is_v6;
    int fd; // -1 while there is none
    loop_watch watch;
    void (*progress)(
        struct guest_socket *s); // also called when armed events come; NULL = the guest alone acts
    bool option_is_set[SOCKET_OPTION_COUNT]; // by the guest, maybe before there is a descriptor
    int option_values[SOCKET_OPTION_COUNT];
    uint64_t request_id; // of the connector; 0 = none under way
    bool has_answer;     // not collected yet
    int answer_error;    // socket_error, or SOCKET_NO_ERROR when fd was set
} guest_socket;

void guest_socket_init(guest_socket *s, bool is_v6); // after wasi_resource_init
void guest_socket_done(guest_socket *s);             // gives up the request, closes the descriptor

// Asks the connector; SOCKET_NO_ERROR, or why it cannot be asked. The answer sets `fd` and wakes the guest.
int guest_socket_request(guest_socket *s, connect_request *request);
// STATE of a finish-*: false while the answer is still out.
bool guest_socket_collect(guest_socket *s, int *ret_error);
// Makes the descriptor's events wake the guest once. Harmless without a descriptor.
status guest_socket_arm(guest_socket *s, unsigned events, err *e) WRIT_MUST_USE;
void guest_socket_close(guest_socket *s);

// Both answer SOCKET_NO_ERROR or an error; values in the units of socket_option.
int guest_socket_option_set(guest_socket *s, socket_option option, uint64_t value);
int guest_socket_option_get(guest_socket *s, socket_option option, uint64_t *ret);
// What the guest set on `from`, as if it had set it here; a descriptor is not changed.
void guest_socket_options_copy(guest_socket *s, const guest_socket *from);

bool guest_socket_local(const guest_socket *s, guest_address *ret);
bool guest_socket_peer(const guest_socket *s, guest_address *ret);

struct wasi_sockets_network_network {
    wasi_resource base;
};

// Fills the error arm of any `result<..., error-code>` of this package.
#define SOCKET_FAIL(ret, error) ((ret)->is_err = true, (ret)->err = (socket_error)(error), STATUS_OK)
// Fills a `result<T, error-code>` with the value of an option as a T, the type `type`.
#define SOCKET_OPTION_RESULT(ret, type, socket, option)                              \
    do {                                                                             \
        uint64_t option_value_ = 0;                                                  \
        int option_error_ = guest_socket_option_get(socket, option, &option_value_); \
        (ret)->is_err = option_error_ != SOCKET_NO_ERROR;                            \
        if ((ret)->is_err) {                                                         \
            (ret)->err = (socket_error)option_error_;                                \
        } else {                                                                     \
            (ret)->ok = (type)option_value_;                                         \
        }                                                                            \
    } while (0)
// Fills a `result<_, error-code>` from SOCKET_NO_ERROR or an error.
#define SOCKET_RESULT(ret, error)                                                                  \
    ((ret)->is_err = (error) != SOCKET_NO_ERROR,                                                   \
     (ret)->err = (ret)->is_err ? (socket_error)(error) : WASI_SOCKETS_NETWORK_ERROR_CODE_UNKNOWN, \
     STATUS_OK)
