// SPDX-License-Identifier: Apache-2.0
// What the supervisor and a worker say to each other over their channel (os/channel.h). One function writes
// and one reads each kind of packet.
//
// From a worker everything is hostile input (a guest may have broken out of the engine): reading checks every
// field, and what a worker asks for is checked against the policy by whoever acts on it. Fuzzed by
// fuzz/fuzz_ipc.c.
#pragma once

#include "host/log.h"
#include "identity/secret_source.h"
#include "net/connector.h"
#include "os/channel.h"

typedef enum message_type {
    // to a worker
    MESSAGE_START = 1,   // with the descriptors of message_start_fd
    MESSAGE_COMPONENTS,  // the next components' bytes, as descriptors, until those of all workloads have come
    MESSAGE_MODULES,     // the next artifacts, likewise: those of the first workload, of the second, ...
    MESSAGE_DIRECTORIES, // the next directories, likewise
    MESSAGE_DRAIN,       // take no new requests, end when the running ones are done
    MESSAGE_CONNECTED,   // with one descriptor unless it failed or was a name lookup
    MESSAGE_LINKS,       // with two: the page of links (memory file), the connection to the drivers
    MESSAGE_DRIVERS,     // with one: a new connection to the drivers
    MESSAGE_RETIRE,      // accept nothing more, others do; end when all connections have ended
    MESSAGE_REVEALED,    // a part of a secret, or why there is none
    MESSAGE_HTTP, // with one: a connection with requests for the workload of a number; and to a supervisor,
                  // from
                  // who has its links: for the workload of the link of a number
    // to the drivers
    MESSAGE_SERVE = 50, // with one: their links (memory file); the payload is their directory
    MESSAGE_ATTACH,     // with one: the connection of a worker
    MESSAGE_SESSION,  // on their door; with one: the channel of one more supervisor, for all the others here
    MESSAGE_PUT_LINK, // with one: a list of one link (memory file) that is to take the place of its number
    MESSAGE_CUT_LINK, // there is no link of this number any more
    // from a worker
    MESSAGE_READY = 100, // it serves
    MESSAGE_FAILED,      // it could not start, and why; the process ends
    MESSAGE_FINISHED,    // the command has ended with this exit status
    MESSAGE_LOG,
    MESSAGE_CONNECT,
    MESSAGE_CANCEL, // of a MESSAGE_CONNECT
    MESSAGE_REVEAL, // a secret of a workload
    // from the drivers
    MESSAGE_OPENED = 150, // their links are; a bit for each tells whether it was open before
    MESSAGE_LINK_HEALTH,
    MESSAGE_LINK_PUT,  // the end of MESSAGE_PUT_LINK
    MESSAGE_LINK_LOST, // a call to the workload of a link was given up for good
    // from a compiler
    MESSAGE_COMPILED = 200, // one more module
} message_type;

enum message_start_fd {      // in this order
    MESSAGE_START_CONFIG,    // memory file: config_wire.h
    MESSAGE_START_CELL,      // memory file: cell.h
    MESSAGE_START_ADMISSION, // memory file: one page of admission.h for each workload
    MESSAGE_START_LISTENER,  // present when it serves
    MESSAGE_START_FDS_MAX,
};

enum {
    MESSAGE_MODULES_MAX = 8192, // of all workloads together
    MESSAGE_DIRECTORIES_MAX = 4096,
    MESSAGE_WORKERS_MAX = 256,
};

typedef struct message_start {
    uint32_t worker;       // 0, 1, ...
    uint32_t worker_count; // limits of a workload hold over all of them
    uint32_t workload_count;
    uint32_t module_count; // of all workloads together
    uint32_t directory_count;
    uint8_t engine_level; // the artifacts were compiled for
    bool has_listener;
    uint32_t link_count; // of all workloads; not 0: MESSAGE_LINKS comes after the directories
} message_start;

typedef struct message_failed {
    status code;
    slice text;
} message_failed;

typedef struct message_connect {
    uint64_t id;
    connect_request request; // deadline_ns is a duration from now
} message_connect;

typedef struct message_connected {
    uint64_t id;
    status code;
    int os_error;
    loop_address peer;
    slice text;
    loop_address addresses[LOOP_RESOLVE_ADDRESSES_MAX];
    uint32_t address_count;
} message_connected;

enum { MESSAGE_SECRET_PART_BYTES_MAX = 7168, MESSAGE_SECRET_NAME_BYTES_MAX = 128 };

typedef struct message_reveal {
    uint64_t id;
    uint32_t workload;
    slice name;
} message_reveal;

typedef struct message_revealed {
    uint64_t id;
    status code; // STATUS_OK: the rest is there, else only `text`
    slice text;
    secret_kind kind;
    uint64_t version;
    uint32_t total; // bytes of the whole
    uint32_t offset;
    slice part; // never empty; whoever reads it wipes the packet
} message_revealed;

typedef struct message_link { // what became of one, or what state its backend is in
    uint32_t number;
    uint8_t code; // a status, or a driver_state
    slice text;
} message_link;

// Each sends one packet; status and meaning as channel_send.
status message_send_start(channel *c, const message_start *m, const int *fds, size_t fd_count,
                          err *e) WRIT_MUST_USE;
status message_send_empty(channel *c, message_type type, err *e) WRIT_MUST_USE; // DRAIN, RETIRE, READY
// DRIVERS, ATTACH, SESSION, PUT_LINK: a message that is its descriptor, which the caller keeps.
status message_send_fd(channel *c, message_type type, int fd, err *e) WRIT_MUST_USE;
// `ca_file`: more authorities for TLS; empty = the system's alone.
status message_send_serve(channel *c, int links_fd, slice directory, slice ca_file, err *e) WRIT_MUST_USE;
status message_send_cut_link(channel *c, uint32_t number, err *e) WRIT_MUST_USE;
// HTTP; the caller keeps its descriptor.
status message_send_http(channel *c, uint32_t number, int fd, err *e) WRIT_MUST_USE;
status message_send_opened(channel *c, slice bits, err *e) WRIT_MUST_USE;
// LINK_HEALTH, LINK_PUT, LINK_LOST.
status message_send_link(channel *c, message_type type, const message_link *m, err *e) WRIT_MUST_USE;
// The whole list in as many packets as it takes, and the other side of it. On failure nothing was received.
status message_send_all_fds(channel *c, message_type type, const int *fds, size_t count,
                            err *e) WRIT_MUST_USE;
status message_receive_all_fds(channel *c, message_type type, int timeout_ms, int *ret_fds, size_t count,
                               err *e) WRIT_MUST_USE;
status message_send_failed(channel *c, const err *why, err *e) WRIT_MUST_USE;
status message_send_finished(channel *c, uint8_t exit_status, err *e) WRIT_MUST_USE;
status message_send_log(channel *c, uint32_t workload, const log_record *record, err *e) WRIT_MUST_USE;
status message_send_connect(channel *c, const message_connect *m, err *e) WRIT_MUST_USE;
status message_send_cancel(channel *c, uint64_t id, err *e) WRIT_MUST_USE;
status message_send_connected(channel *c, const message_connected *m, int fd,
                              err *e) WRIT_MUST_USE; // fd may be -1
status message_send_reveal(channel *c, const message_reveal *m, err *e) WRIT_MUST_USE;
// In as many packets as it takes, which are wiped.
status message_send_revealed(channel *c, uint64_t id, const secret_value *value, err *e) WRIT_MUST_USE;
status message_send_unrevealed(channel *c, uint64_t id, const err *why, err *e) WRIT_MUST_USE;

// Each reads the payload of a packet whose type has been looked at; slices are borrowed from it.
// STATUS_INVALID when it is malformed.
status message_read_start(const channel_packet *p, message_start *ret, err *e) WRIT_MUST_USE;
status message_read_empty(const channel_packet *p, err *e) WRIT_MUST_USE;
status message_read_serve(const channel_packet *p, slice *ret_directory, slice *ret_ca_file,
                          err *e) WRIT_MUST_USE;
status message_read_cut_link(const channel_packet *p, uint32_t *ret_number, err *e) WRIT_MUST_USE;
status message_read_http(const channel_packet *p, uint32_t *ret_number, err *e) WRIT_MUST_USE;
status message_read_opened(const channel_packet *p, uint32_t link_count, slice *ret_bits,
                           err *e) WRIT_MUST_USE;
status message_read_link(const channel_packet *p, uint32_t link_count, message_link *ret,
                         err *e) WRIT_MUST_USE;
status message_read_failed(const channel_packet *p, message_failed *ret, err *e) WRIT_MUST_USE;
status message_read_finished(const channel_packet *p, uint8_t *ret_exit, err *e) WRIT_MUST_USE;
status message_read_connect(const channel_packet *p, message_connect *ret, err *e) WRIT_MUST_USE;
status message_read_cancel(const channel_packet *p, uint64_t *ret_id, err *e) WRIT_MUST_USE;
status message_read_connected(const channel_packet *p, message_connected *ret, err *e) WRIT_MUST_USE;
status message_read_reveal(const channel_packet *p, message_reveal *ret, err *e) WRIT_MUST_USE;
status message_read_revealed(const channel_packet *p, message_revealed *ret, err *e) WRIT_MUST_USE;

enum { MESSAGE_LOG_OF_WORKER = UINT32_MAX }; // of no workload

typedef struct message_log { // a record with room for its parts
    uint32_t workload;       // whose event it is; the worker's own word for it
    log_record record;
    log_field fields[LOG_FIELDS_MAX];
    char names[LOG_FIELDS_MAX][LOG_NAME_BYTES_MAX + 1];
} message_log;
// `ret` is used in place and must not be moved.
status message_read_log(const channel_packet *p, message_log *ret, err *e) WRIT_MUST_USE;
