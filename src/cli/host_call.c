// SPDX-License-Identifier: Apache-2.0
#include "cli/host_call.h"

#include "api/control_client.h"

status cli_host_ask(const char *host, const char *target, const json_value *body, json_value **ret, err *e) {
    const control_call c = {
        .host = host, .method = body == NULL ? "GET" : "POST", .target = target, .body = body};
    return control_client_call(&c, ret, e);
}

status cli_host_change(const char *host, const char *target, const json_value *body, int *ret_exit, err *e) {
    json_value *answer = NULL;
    slice report;
    int64_t code = CLI_EXIT_FAILED;
    TRY(cli_host_ask(host, target, body, &answer, e));
    // It comes from a process of ours that has escaped what is not its own.
    if (json_as_text(json_get(answer, "report"), &report) && report.len > 0) {
        fwrite(report.data, 1, report.len, stderr);
    }
    (void)json_as_integer(json_get(answer, "exit"), &code);
    *ret_exit = (int)code;
    json_free(answer);
    return STATUS_OK;
}
