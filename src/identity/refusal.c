// SPDX-License-Identifier: Apache-2.0
#include "identity/refusal.h"

const char *refusal_name(refusal r) {
    switch (r) {
    case REFUSAL_NONE:
        return "none";
    case REFUSAL_UNSIGNED:
        return "unsigned";
    case REFUSAL_MALFORMED:
        return "malformed";
    case REFUSAL_WRONG_ALGORITHM:
        return "wrong-algorithm";
    case REFUSAL_WRONG_KEY_TYPE:
        return "wrong-key-type";
    case REFUSAL_BAD_SIGNATURE:
        return "bad-signature";
    case REFUSAL_HASH_MISMATCH:
        return "hash-mismatch";
    case REFUSAL_NOT_YET_VALID:
        return "not-yet-valid";
    case REFUSAL_EXPIRED:
        return "expired";
    case REFUSAL_UNKNOWN_ISSUER:
        return "unknown-issuer";
    case REFUSAL_WRONG_ISSUER:
        return "wrong-issuer";
    case REFUSAL_REVOKED:
        return "revoked";
    case REFUSAL_ROLLED_BACK:
        return "rolled-back";
    case REFUSAL_NOT_ALLOWED:
        return "not-allowed";
    }
    return "unknown";
}
