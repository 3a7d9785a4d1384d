// SPDX-License-Identifier: Apache-2.0
// Values of a PostgreSQL server as values of the contract: which format to ask for, and the binary formats.
// Pure; safe for hostile bytes; fuzzed by fuzz/fuzz_postgres.c.
#pragma once

#include "driver/sql/pg_value.h"

enum { POSTGRES_OID_BYTEA = 17 };

// Whether values of the type are asked for in binary. The others come as text, and are `text` for the
// component.
bool postgres_is_binary(uint32_t oid);
// Writes the case and its payload. `text` is the value in the format that postgres_is_binary says. NULL, or
// what is wrong with it (a constant).
const char *postgres_value_write(uint32_t oid, slice text, values_writer *w);
