/* back/bus_link.c -- one connection to NATS that comes back by itself; the home of nats.c's client.
 *
 * What nats.c does (3.4 to 3.10), and this file rests on:
 * - The callbacks about a connection come in order on one thread of the library; the one that says
 *   "closed" is the last. A subscription's completion callback comes after its last message. So
 *   bus_link_close() waits for these, and nothing of ours is touched afterwards.
 * - A write that passes the write deadline shuts the socket down: a SUB or PUB is never lost
 *   without a reconnect. FlushTimeout() answers "ok" when it could not write its PING; the
 *   disconnect follows then.
 * - Two refusals with the same error close the connection for good, whatever the reconnect limit.
 *   With RetryOnFailedConnect, a refusal at the first attempt does so at once, and its reason is
 *   lost: so the first connection is tried again by the owner of the link.
 * - The library is shared with others in the process and stays open; its threads sleep when idle.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "back/bus_link.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>

#include <nats/nats.h>

#include "bus_link_trust.h"

enum {
    PINGS_OUT = 2, /* the third unanswered interval is the end */
    /* One write for what one flush sends; also the read buffer. */
    IO_BYTES = 256 * 1024,
    /* The bus publishes only while connected and keeps what waits itself; this takes what slips
     * in while nats.c notices a loss. */
    LOST_BYTES = 256 * 1024,
};

struct bus_link {
    struct bus_link_events events;
    int pending_messages, pending_bytes;
    natsOptions *options;
    natsConnection *nc; /* the owner's; NULL when closed */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    size_t subs;     /* whose completion callback has not come */
    bool is_over;    /* no callback about the connection comes any more */
    bool is_closing; /* because its owner wants it so */
};

/* ---- what nats.c tells ---- */

static void on_reconnected(natsConnection *nc, void *arg) {
    (void)nc;
    struct bus_link *l = arg;
    l->events.state(l->events.arg, BUS_LINK_UP);
}

static void on_disconnected(natsConnection *nc, void *arg) {
    (void)nc;
    struct bus_link *l = arg;
    l->events.state(l->events.arg, BUS_LINK_DOWN);
}

static void on_closed(natsConnection *nc, void *arg) {
    struct bus_link *l = arg;
    const char *text; /* may repeat what the server said: not for the log */
    natsStatus s = natsConnection_GetLastError(nc, &text);
    pthread_mutex_lock(&l->lock);
    bool is_asked = l->is_closing;
    pthread_mutex_unlock(&l->lock);
    if (!is_asked)
        l->events.trouble(l->events.arg, natsStatus_GetText(s));
    l->events.state(l->events.arg, BUS_LINK_CLOSED);
    pthread_mutex_lock(&l->lock);
    l->is_over = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static void on_error(natsConnection *nc, natsSubscription *sub, natsStatus s, void *arg) {
    (void)nc, (void)sub;
    struct bus_link *l = arg;
    if (s == NATS_SLOW_CONSUMER)
        l->events.slow(l->events.arg);
    else
        l->events.trouble(l->events.arg, natsStatus_GetText(s));
}

/* The payload is the row's JSON and nothing else (protocol, section 8), so the tag travels beside
 * it; clients that know no headers never see it. */
#define EPOCH_HEADER "Kez-Epoch"
enum { EPOCH_DIGITS = 16 };

static void print_tag(uint64_t tag, char out[EPOCH_DIGITS + 1]) {
    uint64_t big_endian = htobe64(tag);
    str_put_hex(&big_endian, sizeof big_endian, out);
    out[EPOCH_DIGITS] = '\0';
}

static uint64_t read_tag(natsMsg *msg) {
    const char *text;
    uint64_t big_endian;
    if (natsMsgHeader_Get(msg, EPOCH_HEADER, &text) != NATS_OK ||
        str_read_hex(str_of(text), &big_endian, sizeof big_endian) != RC_OK)
        return 0;
    return be64toh(big_endian);
}

static void on_message(natsConnection *nc, natsSubscription *sub, natsMsg *msg, void *arg) {
    (void)nc, (void)sub;
    struct bus_link *l = arg;
    int n = natsMsg_GetDataLength(msg);
    struct str payload = {natsMsg_GetData(msg), n > 0 ? (size_t)n : 0};
    l->events.message(l->events.arg, natsMsg_GetSubject(msg), payload, read_tag(msg));
    natsMsg_Destroy(msg);
}

static void on_complete(void *arg) {
    struct bus_link *l = arg;
    pthread_mutex_lock(&l->lock);
    if (--l->subs == 0)
        pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

/* ---- making and ending ---- */

static natsStatus set_manners(natsOptions *o, const struct bus_config *c, struct bus_link *l) {
    natsStatus s = natsOptions_SetName(o, c->name ? c->name : "kez-chat");
    if (s == NATS_OK)
        s = natsOptions_UseGlobalMessageDelivery(o, true);
    if (s == NATS_OK)
        s = natsOptions_SetNoEcho(o, true);
    if (s == NATS_OK)
        s = natsOptions_SetTimeout(o, LINK_CONNECT_MS);
    if (s == NATS_OK)
        s = natsOptions_SetMaxReconnect(o, -1);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectWait(o, c->reconnect_wait_ms);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectJitter(o, c->reconnect_jitter_ms, c->reconnect_jitter_ms);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectBufSize(o, LOST_BYTES);
    if (s == NATS_OK)
        s = natsOptions_SetPingInterval(o, c->ping_interval_ms);
    if (s == NATS_OK)
        s = natsOptions_SetMaxPingsOut(o, PINGS_OUT);
    if (s == NATS_OK)
        s = natsOptions_SetIOBufSize(o, IO_BYTES);
    if (s == NATS_OK)
        s = natsOptions_SetWriteDeadline(o, c->flush_timeout_ms);
    if (s == NATS_OK)
        s = natsOptions_SetReconnectedCB(o, on_reconnected, l);
    if (s == NATS_OK)
        s = natsOptions_SetDisconnectedCB(o, on_disconnected, l);
    if (s == NATS_OK)
        s = natsOptions_SetClosedCB(o, on_closed, l);
    if (s == NATS_OK)
        s = natsOptions_SetErrorHandler(o, on_error, l);
    return s;
}

static enum rc set_manners_or_say(struct bus_link *l, const struct bus_config *c,
                                  const char **why) {
    natsStatus s = set_manners(l->options, c, l);
    if (s == NATS_OK || s == NATS_NO_MEMORY)
        return s == NATS_OK ? RC_OK : RC_NO_MEMORY;
    *why = "a NATS time or limit is out of range";
    return RC_MALFORMED;
}

static int as_int(uint32_t n) { return n < INT32_MAX ? (int)n : INT32_MAX; }

enum rc bus_link_new(const struct bus_config *config, const struct bus_link_events *events,
                     struct bus_link **out, const char **why) {
    *why = rc_text(RC_NO_MEMORY);
    struct bus_link *l = calloc(1, sizeof *l);
    if (!l)
        return RC_NO_MEMORY;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->events = *events;
    l->pending_messages = as_int(config->pending_messages);
    l->pending_bytes = as_int(config->pending_bytes);
    l->is_over = true;

    enum rc rc = nats_Open(-1) == NATS_OK && natsOptions_Create(&l->options) == NATS_OK
                     ? RC_OK
                     : RC_NO_MEMORY;
    if (rc == RC_OK)
        rc = bus_link_set_trust(l->options, config, why);
    if (rc == RC_OK)
        rc = set_manners_or_say(l, config, why);
    if (rc == RC_OK)
        *out = l;
    else
        bus_link_free(l);
    return rc;
}

void bus_link_free(struct bus_link *l) {
    if (!l)
        return;
    natsOptions_Destroy(l->options);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

bool bus_link_connect(struct bus_link *l) {
    pthread_mutex_lock(&l->lock);
    l->is_over = l->is_closing = false;
    pthread_mutex_unlock(&l->lock);
    natsStatus s = natsConnection_Connect(&l->nc, l->options);
    if (s == NATS_OK)
        return true;
    /* Nothing was made: no callback will come. */
    pthread_mutex_lock(&l->lock);
    l->is_over = true;
    pthread_mutex_unlock(&l->lock);
    l->events.trouble(l->events.arg, natsStatus_GetText(s));
    return false;
}

void bus_link_close(struct bus_link *l) {
    pthread_mutex_lock(&l->lock);
    l->is_closing = true;
    pthread_mutex_unlock(&l->lock);
    natsConnection_Destroy(l->nc);
    l->nc = NULL;
    pthread_mutex_lock(&l->lock);
    while (!l->is_over || l->subs > 0)
        pthread_cond_wait(&l->changed, &l->lock);
    pthread_mutex_unlock(&l->lock);
    nats_ReleaseThreadMemory();
}

/* ---- using it ---- */

static natsSubscription *to_nats(struct bus_link_sub *sub) { return (natsSubscription *)sub; }

enum rc bus_link_subscribe(struct bus_link *l, const char *subject, struct bus_link_sub **out) {
    natsSubscription *sub = NULL;
    natsStatus s = natsConnection_Subscribe(&sub, l->nc, subject, on_message, l);
    if (s != NATS_OK)
        return s == NATS_NO_MEMORY ? RC_NO_MEMORY : RC_CLOSED;
    pthread_mutex_lock(&l->lock);
    l->subs++;
    pthread_mutex_unlock(&l->lock);
    s = natsSubscription_SetOnCompleteCB(sub, on_complete, l);
    if (s == NATS_OK)
        s = natsSubscription_SetPendingLimits(sub, l->pending_messages, l->pending_bytes);
    else
        on_complete(l); /* closed in the same moment: it will not call */
    if (s != NATS_OK) {
        natsSubscription_Destroy(sub);
        return RC_CLOSED;
    }
    *out = (struct bus_link_sub *)sub;
    return RC_OK;
}

void bus_link_unsubscribe(struct bus_link_sub *sub) { natsSubscription_Destroy(to_nats(sub)); }

static natsStatus publish(natsConnection *nc, const char *subject, struct str payload,
                          uint64_t epoch_tag) {
    char digits[EPOCH_DIGITS + 1];
    natsMsg *msg = NULL;
    if (epoch_tag == 0 || natsConnection_HasHeaderSupport(nc) != NATS_OK)
        return natsConnection_Publish(nc, subject, payload.p, (int)payload.n);
    print_tag(epoch_tag, digits);
    natsStatus s = natsMsg_Create(&msg, subject, NULL, payload.p, (int)payload.n);
    if (s == NATS_OK)
        s = natsMsgHeader_Set(msg, EPOCH_HEADER, digits);
    if (s == NATS_OK)
        s = natsConnection_PublishMsg(nc, msg);
    natsMsg_Destroy(msg);
    return s;
}

enum rc bus_link_publish(struct bus_link *l, const char *subject, struct str payload,
                         uint64_t epoch_tag) {
    switch ((int)publish(l->nc, subject, payload, epoch_tag)) {
    case NATS_OK:
        return RC_OK;
    case NATS_MAX_PAYLOAD:
        return RC_TOO_LARGE;
    case NATS_NO_MEMORY:
        return RC_NO_MEMORY;
    default:
        return RC_UNAVAILABLE;
    }
}

enum rc bus_link_flush(struct bus_link *l, uint32_t timeout_ms) {
    switch ((int)natsConnection_FlushTimeout(l->nc, timeout_ms)) {
    case NATS_OK:
        return RC_OK;
    case NATS_TIMEOUT:
        return RC_TIMEOUT;
    default:
        return RC_UNAVAILABLE;
    }
}
