// SPDX-License-Identifier: Apache-2.0
// Values of SQLite as values of the contract. SQLite has five kinds of values; the declared type of a column
// says which case of pg-value one is given back as.
#pragma once

#include <sqlite3.h>

#include "driver/sql/sql.h"

// Binds the parameters of a request. False when something is noted in the request.
bool sqlite_values_bind(sqlite3_stmt *t, sql_request *q);
// Appends the row that the statement stands on. False when it does not fit, or something is noted.
bool sqlite_values_row(sqlite3_stmt *t, sql_request *q);
