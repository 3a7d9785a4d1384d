// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL server of the test program's own: loopback, a free port, a folder of its own, with TLS. One
// for all tests of a program; it ends with the program.
//
// Users, all with the password "open sesame": writ (SCRAM), secured (SCRAM, TLS only), plain (asks for the
// password in the clear), hashed (MD5); trusted is asked for none. The certificate is for "db.example" and
// 127.0.0.1.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define POSTGRES_PASSWORD "open sesame"

// NULL, or why it cannot be had.
const char *postgres_process_need(uint16_t *ret_port);
// A new, empty database of this name.
bool postgres_process_database(const char *name);
// Runs SQL as the server's owner and reads the first line of what it says.
bool postgres_process_say(const char *database, const char *sql, char *ret, size_t size);
// The authority that the server's certificate comes from, or another one, as PEM; into an empty buffer.
bool postgres_process_authority(bool is_right, buf *ret);
// As a crash, and up again. The port stays.
bool postgres_process_restart(void);
