/* bench/scan.c -- an event-stream reader of 40 bytes.
 *
 * Names are at most 8 bytes and so fit one word; the rest of a data line is passed over by memchr,
 * which is what makes reading cheap beside receiving.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/scan.h"

#include <string.h>

enum state {
    AT_NAME,  /* at a line's start or in its field name */
    AT_SPACE, /* after the colon: one space may follow */
    IN_ID,
    IN_EVENT,
    IN_DATA,
    IN_SENT, /* the three numbers of a mark */
    IN_HANDLE,
    IN_POST,
    IN_REST, /* of a line that says nothing more to us */
};

enum flag { HAS_DATA = 1, HAS_ID = 2, HAS_MARK = 4, BAD_ID = 8, IS_ID = 16, IS_EVENT = 32 };

enum { WORD_BYTES = 8, DIGITS_MAX = 19 };

/* A name of up to 8 bytes as collect() leaves it in `word`. */
static uint64_t word_of(const char *name) {
    uint64_t word = 0;
    for (; *name; name++)
        word = word << 8 | (uint8_t)*name;
    return word;
}

static void collect(struct scan *s, char c) {
    if (s->count < WORD_BYTES)
        s->word = s->word << 8 | (uint8_t)c;
    if (s->count < UINT8_MAX)
        s->count++;
}

static bool collected(const struct scan *s, const char *name) {
    return s->count <= WORD_BYTES && s->word == word_of(name);
}

static void restart(struct scan *s, enum state state) {
    s->state = (uint8_t)state;
    s->word = 0;
    s->count = 0;
}

/* The field name is whole: what follows the colon, or the line's end. */
static void end_name(struct scan *s) {
    s->flags &= (uint8_t) ~(IS_ID | IS_EVENT);
    if (collected(s, "data"))
        s->flags |= HAS_DATA;
    else if (collected(s, "id"))
        s->flags |= IS_ID;
    else if (collected(s, "event"))
        s->flags |= IS_EVENT;
    bool is_data = collected(s, "data");
    bool says_more = is_data || (s->flags & (IS_ID | IS_EVENT));
    restart(s, says_more ? AT_SPACE : IN_REST);
}

static enum state value_state(const struct scan *s) {
    if (s->flags & IS_ID)
        return IN_ID;
    return s->flags & IS_EVENT ? IN_EVENT : IN_DATA;
}

/* False when c is not a digit, or one too many. */
static bool digit(struct scan *s, char c) {
    if (c < '0' || c > '9' || s->count >= DIGITS_MAX)
        return false;
    s->word = s->word * 10 + (uint64_t)(c - '0');
    s->count++;
    return true;
}

static void end_event(struct scan *s) {
    s->event = SCAN_OTHER;
    if (s->count == 0 || collected(s, "message"))
        s->event = SCAN_ROW;
    else if (collected(s, "ready"))
        s->event = SCAN_READY;
    else if (collected(s, "resync"))
        s->event = SCAN_RESYNC;
    else if (collected(s, "drain"))
        s->event = SCAN_DRAIN;
}

static void end_id(struct scan *s) {
    s->flags &= (uint8_t)~HAS_ID;
    if (!(s->flags & BAD_ID) && s->count > 0) {
        s->flags |= HAS_ID;
        s->id = s->word;
    }
    s->flags &= (uint8_t)~BAD_ID;
}

/* A line ended that was not empty. */
static void end_line(struct scan *s) {
    if (s->state == AT_NAME)
        end_name(s); /* a field without a colon: its value is empty */
    if (s->state == AT_SPACE)
        s->state = (uint8_t)value_state(s);
    if (s->state == IN_ID)
        end_id(s);
    else if (s->state == IN_EVENT)
        end_event(s);
    restart(s, AT_NAME);
}

/* An empty line: true when there is a frame to hand out (9.2.6: none without data). */
static bool dispatch(struct scan *s, struct scan_frame *out) {
    bool has_data = s->flags & HAS_DATA;
    if (has_data)
        *out = (struct scan_frame){.event = (enum scan_event)s->event,
                                   .has_id = s->flags & HAS_ID,
                                   .has_mark = s->flags & HAS_MARK,
                                   .id = s->id,
                                   .mark = s->mark};
    s->event = SCAN_ROW;
    s->flags = 0;
    restart(s, AT_NAME);
    return has_data;
}

/* One of the numbers of a mark: a digit, or the semicolon that ends it. */
static void mark_byte(struct scan *s, char c) {
    if (digit(s, c))
        return;
    if (c != ';' || s->count == 0 || (s->state != IN_SENT && s->word > UINT32_MAX)) {
        restart(s, IN_DATA); /* an '@' of somebody else's */
        return;
    }
    if (s->state == IN_SENT) {
        s->mark.sent_ns = s->word;
        restart(s, IN_HANDLE);
    } else if (s->state == IN_HANDLE) {
        s->mark.handle = (uint32_t)s->word;
        restart(s, IN_POST);
    } else {
        s->mark.post = (uint32_t)s->word;
        s->flags |= HAS_MARK;
        restart(s, IN_REST);
    }
}

/* Passes over a line's bytes up to what matters: its end, or the start of a mark. */
static void skip(struct scan *s, struct str *in) {
    const char *lf = memchr(in->p, '\n', in->n);
    size_t line = lf ? (size_t)(lf - in->p) : in->n;
    const char *at = NULL;
    if (s->state == IN_DATA && !(s->flags & HAS_MARK))
        at = memchr(in->p, '@', line);
    if (at) {
        restart(s, IN_SENT);
        line = (size_t)(at - in->p) + 1;
    }
    *in = str_from(*in, line);
}

/* A byte of a line, not its end. */
static void line_byte(struct scan *s, char c) {
    switch ((enum state)s->state) {
    case AT_NAME:
        if (c == ':')
            end_name(s);
        else
            collect(s, c);
        break;
    case AT_SPACE:
        s->state = (uint8_t)value_state(s);
        if (c != ' ')
            line_byte(s, c);
        break;
    case IN_ID:
        if (!digit(s, c))
            s->flags |= BAD_ID;
        break;
    case IN_EVENT:
        collect(s, c);
        break;
    case IN_DATA:
        if (c == '@' && !(s->flags & HAS_MARK))
            restart(s, IN_SENT);
        break;
    case IN_SENT:
    case IN_HANDLE:
    case IN_POST:
        mark_byte(s, c);
        break;
    case IN_REST:
        break;
    }
}

bool scan_next(struct scan *s, struct str *in, struct scan_frame *out) {
    while (in->n > 0) {
        if (s->state == IN_DATA || s->state == IN_REST) {
            skip(s, in);
            if (in->n == 0)
                break;
        }
        char c = in->p[0];
        *in = str_from(*in, 1);
        if (c == '\r')
            continue;
        if (c != '\n') {
            line_byte(s, c);
        } else if (s->state == AT_NAME && s->count == 0) {
            if (dispatch(s, out))
                return true;
        } else {
            end_line(s);
        }
    }
    return false;
}
