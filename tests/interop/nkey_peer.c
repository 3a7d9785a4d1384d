// SPDX-License-Identifier: Apache-2.0
// Our keys behind lines that implementations of other languages answer too, so that a test can hold them
// against each other. A line of standard input is one request, answered by one line:
//
//   make LETTER            SEED PUBLIC SIGNATURE     a new key of that kind
//   read SEED              PUBLIC SIGNATURE
//   check PUBLIC SIGNATURE yes | no                  is the signature good?
//
// Signatures are hexadecimal and over the text "one message"; "-" where the kind cannot sign, and to check
// the public key alone. "no" answers what is refused.
#include <stdio.h>
#include <string.h>

#include "identity/nkey.h"

enum { LINE_BYTES_MAX = 512 };

static const slice message = SLICE_LITERAL("one message");

static void print_pair(const nkey *k) {
    uint8_t signature[SIGN_SIGNATURE_BYTES];
    nkey_public p = nkey_public_of(k);
    printf("%s ", nkey_public_text(&p).text);
    if (nkey_sign(k, message, signature, NULL) != STATUS_OK) {
        printf("-");
    } else {
        for (size_t i = 0; i < sizeof signature; i++) {
            printf("%02x", signature[i]);
        }
    }
}

static bool make(const char *letter) {
    for (int kind = 0; kind < NKEY_KIND_COUNT; kind++) {
        nkey *k = NULL;
        if (letter[0] != nkey_kind_letter((nkey_kind)kind)) {
            continue;
        }
        auto_secret seed = {0};
        bool made = nkey_generate((nkey_kind)kind, &k, NULL) == STATUS_OK &&
                    nkey_seed_text(k, &seed, NULL) == STATUS_OK;
        if (made) {
            printf("%.*s ", SLICE_ARG(secret_slice(&seed)));
            print_pair(k);
        }
        nkey_free(k);
        return made;
    }
    return false;
}

static bool read_seed(const char *seed) {
    nkey *k = NULL;
    if (nkey_from_seed_text(slice_from_text(seed), &k, NULL) != STATUS_OK) {
        return false;
    }
    print_pair(k);
    nkey_free(k);
    return true;
}

static bool check(const char *text, const char *signature_text) {
    nkey_public p;
    uint8_t signature[SIGN_SIGNATURE_BYTES] = {0};
    if (nkey_public_parse(slice_from_text(text), &p, NULL) != STATUS_OK) {
        return false;
    }
    if (strcmp(signature_text, "-") == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof signature; i++) {
        unsigned byte = 0;
        if (sscanf(signature_text + 2 * i, "%2x", &byte) != 1) {
            return false;
        }
        signature[i] = (uint8_t)byte;
    }
    return nkey_verify(&p, message, signature);
}

static void answer(char *line) {
    char *rest = NULL, *verb = strtok_r(line, " \n", &rest), *first = strtok_r(NULL, " \n", &rest),
         *second = strtok_r(NULL, " \n", &rest);
    if (verb != NULL && first != NULL && strcmp(verb, "make") == 0) {
        puts(make(first) ? "" : "no");
    } else if (verb != NULL && first != NULL && strcmp(verb, "read") == 0) {
        puts(read_seed(first) ? "" : "no");
    } else if (verb != NULL && second != NULL && strcmp(verb, "check") == 0) {
        puts(check(first, second) && strlen(second) <= 2 * SIGN_SIGNATURE_BYTES ? "yes" : "no");
    } else {
        puts("what?");
    }
}

int main(void) {
    char line[LINE_BYTES_MAX];
    while (fgets(line, sizeof line, stdin) != NULL) {
        answer(line);
        fflush(stdout);
    }
    return 0;
}
