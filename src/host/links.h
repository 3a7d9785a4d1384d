// SPDX-License-Identifier: Apache-2.0
// The links of a host as configuration: which workload reaches which driver, for which contracts, with which
// settings. The number of a link is its place in the list of all links of a host: workers and drivers know it
// by that.
#pragma once

#include "base/attributes.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

enum {
    HOST_LINKS_MAX = 16384,
    HOST_LINK_INTERFACES_MAX = 32,
    HOST_LINK_SETTINGS_MAX = 256,
    HOST_LINK_TEXT_BYTES_MAX = 64 << 10, // of one setting
};

typedef struct host_setting {
    char *name;
    char *value;
} host_setting;

// A secret by its names; a value is never part of a configuration.
typedef struct host_secret {
    char *name;       // as the workload calls it, or the setting that gets it
    char *key;        // as the store calls it
    char *field;      // NULL = the only one
    char *version;    // NULL = the newest
    uint32_t backend; // 0 = the sealed store; else host_config.secret_backends, counted from 1
    char *origin;     // where it was asked for, "app.yaml:12:9"; NULL = by an option
} host_secret;

typedef struct host_link {
    uint32_t number;   // host_config_number_links, as `workload`
    char *workload;    // the name of whose link it is; empty until then
    char *name;        // "default"
    char **interfaces; // without versions: "wasi:keyvalue/store"
    size_t interface_count;
    char *driver;      // of driver/driver.h
    char *target;      // for people: "kv (sqlite)"
    char *target_name; // for rules of calls: the driver's, unless somebody gave it one
    host_setting *settings;
    size_t setting_count;
    host_secret *secrets; // that its credentials are fetched from; for the process that starts drivers
    size_t secret_count;
    host_setting *credentials; // never written to a log, an inventory or an error
    size_t credential_count;
    uint64_t timeout_ns; // of one call; 0 = none but the caller's own
    bool is_cut;         // calls through it are refused; for the process that starts drivers
} host_link;

typedef struct host_links {
    host_link *items;
    size_t count;
} host_links;

void host_links_done(host_links *l); // wipes credentials; accepts a zeroed list

// Each copies. STATUS_LIMIT over the numbers above. The pointer is valid until the next link is added.
status host_links_add(host_links *l, const char *name, const char *driver, host_link **ret,
                      err *e) WRIT_MUST_USE;
status host_link_add_interface(host_link *l, slice interface, err *e) WRIT_MUST_USE;
status host_link_add_setting(host_link *l, slice name, slice value, err *e) WRIT_MUST_USE;
status host_link_add_credential(host_link *l, slice name, slice value, err *e) WRIT_MUST_USE;
// The credential `name` is fetched when the link is opened. STATUS_EXISTS when it has one already.
status host_link_add_secret(host_link *l, const host_secret *added, err *e) WRIT_MUST_USE;

// The same, in place of one that the credential has.
status host_link_put_secret(host_link *l, const host_secret *added, err *e) WRIT_MUST_USE;
bool host_link_serves(const host_link *l, slice interface); // without a version

host_secret host_secret_copy(const host_secret *s);
void host_secret_done(host_secret *s);

// The same workload reaches the same thing in the same way: whatever a driver sees of the two is equal.
bool host_link_is_same(const host_link *a, const host_link *b);

void host_link_done(host_link *l); // wipes credentials; for one that was moved out of a list

size_t host_link_credential_bytes(const host_link *l); // that writing them takes

// For a memory file. Workers get theirs without settings and credentials.
enum { HOST_LINKS_WIRE_BYTES_MAX = 64 << 20 };
typedef enum host_links_audience { HOST_LINKS_FOR_DRIVERS, HOST_LINKS_FOR_WORKERS } host_links_audience;
status host_links_write(const host_links *l, host_links_audience audience, buf *ret, err *e) WRIT_MUST_USE;
// Fills a zeroed list; host_links_done it in any case.
status host_links_read(slice bytes, host_links *ret, err *e) WRIT_MUST_USE;
// The same as part of a larger message.
struct wire_reader;
struct wire_writer;
void host_links_put(const host_links *l, host_links_audience audience, struct wire_writer *w);
void host_links_take(struct wire_reader *r, host_links *ret);
