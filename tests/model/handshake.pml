/* SPDX-License-Identifier: Apache-2.0
 *
 * The handshake between hosts (docs/lattice-security.md) and an attacker who is the network and has a host of its
 * own. Signatures cannot be made without the key, keys of X25519 are known to who made them, hashes do not collide.
 * What an honest host receives is any message that can be made of what was said so far; so there is no process for
 * the attacker: it is the choice of what is received.
 *
 * Hosts: A and B are honest, E is not. A has two lives: it greets in each. Everything that is said by a name is
 * numbered by the X25519 key in it, which is fresh for each greeting and each welcome of an honest host.
 *
 * With one of these the model is broken, and the search must find it:
 *   NO_TO         the hello does not say for whom it is, and keys are made of the X25519 secret alone
 *   NO_HASH       the welcome does not say which hello it answers
 *   UNSIGNED_KEY  the X25519 keys are not signed
 *   NO_EPOCH      a new life does not end the sessions of the old one
 * and with HONEST_NEVER_TALK, SECOND_LIFE_NEVER_TALKS it says what is not so, to show that there is something to find.
 */
#define A 0
#define B 1
#define E 2
#define NOBODY 3

/* X25519 keys: of hellos, of welcomes, and one of the attacker. */
#define A1 0 /* A's hello in its first life */
#define A2 1 /* ... in its second */
#define B1 2
#define RA 3 /* A's welcome */
#define RB 4 /* B's welcomes */
#define RC 5
#define XE 6
#define KEYS 7

#define OWNER(x) ((x) == A1 || (x) == A2 || (x) == RA -> A : ((x) == XE -> E : B))
#define EPOCH(x) ((x) == A2 -> 2 : 1)
#define IS_HELLO(x) ((x) <= B1)

/* What was said. */
bool hello_said[KEYS];
byte hello_to[KEYS];
bool welcome_said[KEYS];
byte welcome_to[KEYS];
byte welcome_key[KEYS]; /* the hello that it answers */

/* What who greeted believes: the other host and its key; a message was sealed with the keys. */
bool greeter_done[KEYS];
byte greeter_peer[KEYS];
byte greeter_key[KEYS];

/* What who was greeted believes. */
bool greeted_on[KEYS];
byte greeted_peer[KEYS];
byte greeted_key[KEYS];
byte greeted_epoch[KEYS];
bool greeted_used[KEYS];

/* Hellos that were answered, and the latest life of A that a host has seen. */
bool answered[14]; /* by A, then by B */
byte life_seen[2];

bool is_second_life; /* of A: the attacker has all keys of its first one */

/* --- what can be received ------------------------------------------------------------------------------------- */

#ifdef NO_HASH
#define SAME_HELLO(x, y) true
#else
#define SAME_HELLO(x, y) (welcome_key[y] == (x))
#endif
#ifdef NO_TO
#define SAME_TO(x, self) true
#else
#define SAME_TO(x, self) (hello_to[x] == (self))
#endif

/* A welcome that can be made: one that the peer has said, or any if the peer is the attacker. Nobody is there to take
 * one in A's first life when that is over. */
#define CAN_WELCOME(x, y, peer) \
    (!(x == A1 && is_second_life) && (peer == E || WELCOME_FITS(x, y, peer)))
/* A hello that can be made, was not answered yet, and is of no life that is over as far as the host knows. */
#define CAN_HELLO(x, from, self) \
    (!answered[self * KEYS + x] && \
     (from == E || (HELLO_FITS(x, from, self) && (from != A || EPOCH(x) >= life_seen[self]))))
#define WELCOME_OF(x, y, peer) (welcome_said[y] && OWNER(y) == (peer) && welcome_to[y] == OWNER(x) && SAME_HELLO(x, y))
#define HELLO_OF(x, from, self) (IS_HELLO(x) && hello_said[x] && OWNER(x) == (from) && SAME_TO(x, self))
#ifdef UNSIGNED_KEY
/* The other words stay, and the attacker's key stands in it. */
#define WELCOME_FITS(x, y, peer) (y == XE -> \
    (WELCOME_OF(x, RA, peer) || WELCOME_OF(x, RB, peer) || WELCOME_OF(x, RC, peer)) : WELCOME_OF(x, y, peer))
#define HELLO_FITS(x, from, self) (x == XE -> \
    (HELLO_OF(A1, from, self) || HELLO_OF(A2, from, self) || HELLO_OF(B1, from, self)) : HELLO_OF(x, from, self))
#else
#define WELCOME_FITS(x, y, peer) WELCOME_OF(x, y, peer)
#define HELLO_FITS(x, from, self) HELLO_OF(x, from, self)
#endif

/* --- who greets ----------------------------------------------------------------------------------------------- */

proctype greeter(byte x) {
    byte peer, y;
    (x != A2 || is_second_life);
    if
    :: peer = 1 - OWNER(x)
    :: peer = E
    fi;
    d_step {
        hello_said[x] = true;
        hello_to[x] = peer;
    }
    atomic {
        if
        :: CAN_WELCOME(x, RA, peer) -> y = RA
        :: CAN_WELCOME(x, RB, peer) -> y = RB
        :: CAN_WELCOME(x, RC, peer) -> y = RC
        :: CAN_WELCOME(x, XE, peer) -> y = XE
        fi;
        greeter_done[x] = true;
        greeter_peer[x] = peer;
        greeter_key[x] = y;
        /* Whom it believes to be with answered it, and nobody else knows the key. */
        assert(peer == E || y != XE);
        assert(peer == E || (greeted_on[y] && greeted_peer[y] == OWNER(x) && greeted_key[y] == x));
    }
}

/* --- who is greeted ------------------------------------------------------------------------------------------- */

/* A message sealed with the keys of the session can be made: by who greeted, or by the attacker. */
#ifdef NO_TO
#define SAME_WORDS(x, y) true
#else
#define SAME_WORDS(x, y) (greeter_peer[x] == OWNER(y) && greeted_peer[y] == OWNER(x))
#endif
#define SEALED_BY_GREETER(x, y) (IS_HELLO(x) && greeter_done[x] && greeter_key[x] == (y) && SAME_WORDS(x, y))
#define STOLEN(x) ((x) == A1 && is_second_life)
#define CAN_SEAL(x, y) ((x) == XE || SEALED_BY_GREETER(x, y) || (STOLEN(x) && greeter_done[x] && greeter_key[x] == (y)))

proctype greeted(byte y) {
    byte from, x, self, epoch;
    self = OWNER(y);
    atomic {
        if
        :: self == B && CAN_HELLO(A1, A, self) -> from = A; x = A1
        :: self == B && CAN_HELLO(A2, A, self) -> from = A; x = A2
        :: self == A && CAN_HELLO(B1, B, self) -> from = B; x = B1
        :: CAN_HELLO(A1, E, self) -> from = E; x = A1
        :: CAN_HELLO(A2, E, self) -> from = E; x = A2
        :: CAN_HELLO(B1, E, self) -> from = E; x = B1
        :: CAN_HELLO(XE, E, self) -> from = E; x = XE
#ifdef UNSIGNED_KEY
        :: CAN_HELLO(XE, 1 - self, self) -> from = 1 - self; x = XE
#endif
        fi;
        epoch = EPOCH(x);
        answered[self * KEYS + x] = (from != E); /* the attacker can always say another one */
#ifndef NO_EPOCH
        life_seen[self] = (from == A && epoch > life_seen[self] -> epoch : life_seen[self]);
#endif
        greeted_on[y] = true;
        greeted_peer[y] = from;
        greeted_key[y] = x;
        greeted_epoch[y] = epoch;
        welcome_said[y] = true;
        welcome_to[y] = from;
        welcome_key[y] = x;
    }
    /* The first message: it is of who signed the hello, who is in a session with us by the same keys. */
    atomic {
        (CAN_SEAL(x, y) && (from == E || epoch >= life_seen[self]));
        greeted_used[y] = true;
#ifdef HONEST_NEVER_TALK
        assert(from == E);
#endif
#ifdef SECOND_LIFE_NEVER_TALKS
        assert(!(from == A && epoch == 2));
#endif
        assert(from == E || x != XE);
        assert(from == E || STOLEN(x) || (greeter_done[x] && greeter_peer[x] == self && greeter_key[x] == y));
    }
    /* A later one: not of a life that has ended, as far as we were told. */
    atomic {
        (CAN_SEAL(x, y) && (from == E || epoch >= life_seen[self]));
        assert(!(from == A && epoch == 1 && greeted_on[RB] && greeted_peer[RB] == A && greeted_epoch[RB] == 2 && y == RC));
        assert(!(from == A && epoch == 1 && greeted_on[RC] && greeted_peer[RC] == A && greeted_epoch[RC] == 2 && y == RB));
    }
}

init {
    atomic {
        run greeter(A1);
        run greeter(A2);
        run greeter(B1);
        run greeted(RA);
        run greeted(RB);
        run greeted(RC);
    }
    is_second_life = true;
}
