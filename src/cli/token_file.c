// SPDX-License-Identifier: Apache-2.0
#include "cli/token_file.h"

#include <string.h>

#include "os/whole_file.h"

enum { WHITE_SPACE_BYTES_MAX = 64 };

status cli_token_load(const char *path, buf *ret, err *e) {
    buf_init(ret, TOKEN_BYTES_MAX + WHITE_SPACE_BYTES_MAX);
    TRY(file_read_whole(strcmp(path, "-") == 0 ? "/dev/stdin" : path, ret->max, ret, e));
    slice token = slice_trimmed(buf_slice(ret));
    if (token.len == 0) {
        return err_set(e, STATUS_INVALID, "%s: the file holds no token", path);
    }
    size_t before = (size_t)(token.data - ret->data);
    ret->len = before + token.len;
    buf_consume(ret, before);
    return STATUS_OK;
}

status cli_chain_add(cli_chain *c, const char *path, err *e) {
    if (c->count == TOKEN_CHAIN_MAX) {
        return err_set(e, STATUS_LIMIT, "at most %d tokens", TOKEN_CHAIN_MAX);
    }
    c->paths[c->count++] = path;
    return STATUS_OK;
}

status cli_chain_load(const cli_chain *c, arena *memory, token_claims *claims, err *e) {
    slice *texts = ARENA_ARRAY(memory, slice, c->count + 1);
    for (size_t i = 0; texts != NULL && i < c->count; i++) {
        auto_buf text = {0};
        TRY(cli_token_load(c->paths[i], &text, e));
        texts[i] = arena_copy(memory, buf_slice(&text));
        texts = texts[i].data != NULL ? texts : NULL;
    }
    if (texts == NULL) {
        return err_set(e, STATUS_LIMIT, "the chain needs too much memory");
    }
    claims->chain = (token_texts){c->count, texts};
    token_claims links[TOKEN_CHAIN_MAX];
    size_t count;
    refusal why;
    if (token_read_chain(claims, memory, links, &count, &why, e) != STATUS_OK) {
        return err_wrap(e, "--chain (the issuer's own token comes first)");
    }
    return STATUS_OK;
}
