/* back/store_epoch.c -- which server a connection leads to, and whether its history is the one that
 * clients know.
 *
 * Epoch: the store's generation and the inbox (read_heads in store_sql.c), so that renewing the one
 * row of kez.store renews every inbox's. PostgreSQL's system identifier, timeline and database oid
 * are noted beside it; where others are found, the history may have gone back. What leaves no such
 * trace is known by nodes that ran meanwhile: the log is shorter than they have seen it
 * (core/history.h).
 *
 * A generation is renewed once, by whoever comes first: the others find one that is not the one
 * that has to go.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store_epoch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "base/log.h"

enum rc store_ask(struct link *l, const char *sql, size_t n, const char *const params[],
                  struct pg_result **out) {
    link_send_sql(l, sql, n, params);
    link_sync(l);
    enum rc rc = link_collect(l, 1, out);
    if (rc == RC_OK && PQntuples(*out) == 0) {
        link_clear(1, out);
        rc = RC_IO;
    }
    return rc;
}

static bool is_true(const PGresult *r, int col) { return PQgetvalue(r, 0, col)[0] == 't'; }

static void copy_text(const PGresult *r, int col, char *out, size_t size) {
    (void)snprintf(out, size, "%s", PQgetvalue(r, 0, col));
}

static uint64_t number(const PGresult *r, int col) {
    return strtoull(PQgetvalue(r, 0, col), NULL, 10);
}

/* The timeline comes from the log's position: the control file tells of a promotion only after the
 * next checkpoint. */
enum rc epoch_look(struct link *l, struct server *out) {
    PGresult *r;
    enum rc rc = store_ask(
        l,
        "SELECT s.standby, current_setting('transaction_read_only')::boolean,"
        " current_setting('server_encoding') = 'UTF8',"
        " to_regclass('kez.schema_version') IS NOT NULL,"
        " (SELECT system_identifier FROM pg_control_system()),"
        " CASE WHEN NOT s.standby THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END,"
        " (SELECT oid FROM pg_database WHERE datname = current_database()),"
        " (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint,"
        " CASE WHEN NOT s.standby THEN"
        "  (SELECT checkpoint_lsn - '0/0' FROM pg_control_checkpoint()) END,"
        " CASE WHEN NOT s.standby THEN pg_current_wal_flush_lsn() - '0/0' END"
        " FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS s",
        0, NULL, &r);
    if (rc != RC_OK)
        return rc;
    *out = (struct server){.is_standby = is_true(r, 0),
                           .is_read_only = is_true(r, 1),
                           .is_utf8 = is_true(r, 2),
                           .has_schema = is_true(r, 3),
                           .started_us = number(r, 7),
                           .checkpoint = number(r, 8),
                           .flushed = number(r, 9)};
    copy_text(r, 4, out->system_identifier, sizeof out->system_identifier);
    copy_text(r, 5, out->timeline, sizeof out->timeline);
    copy_text(r, 6, out->database_oid, sizeof out->database_oid);
    PQclear(r);
    return RC_OK;
}

/* More than were ever made between a backup and its loss. */
#define INBOXES_PASSED_OVER "4294967296"

/* The history that is lost may have given inboxes to handles that it took with it, and nodes may
 * hold them still, with streams open: such a number must not become another's. */
static enum rc pass_over_inboxes(struct link *l, const struct server *now, const char *lost) {
    const char *const params[] = {now->system_identifier, now->timeline, now->database_oid, lost};
    PGresult *r;
    enum rc rc =
        store_ask(l,
                  "SELECT coalesce(bool_and(CASE WHEN has_sequence_privilege(q, 'UPDATE')"
                  "  THEN setval(q, nextval(q) + " INBOXES_PASSED_OVER ") > 0 ELSE false END),"
                  "  true) FROM kez.store AS s"
                  " CROSS JOIN pg_get_serial_sequence('kez.account', 'inbox') AS q"
                  " WHERE (s.system_identifier, s.timeline, s.database_oid) <> ($1, $2, $3)"
                  "  OR s.generation = $4",
                  4, params, &r);
    if (rc != RC_OK)
        return rc;
    if (!is_true(r, 0))
        log_warn("store gives numbers of inboxes again that may be lost: the database user may not"
                 " UPDATE the sequence of kez.account");
    PQclear(r);
    return RC_OK;
}

/* Notes what the server is, with a new generation where the history may have gone back, or when it
 * is still the one that is lost (NULL: none is known to be). One statement: it waits for another's
 * row lock and judges what that one noted. */
static enum rc note_server(struct link *l, const struct server *now, bool keep_timeline,
                           const char *lost, char generation[HISTORY_GENERATION_MAX + 1]) {
    const char *const params[] = {now->system_identifier, now->timeline, now->database_oid,
                                  keep_timeline ? "t" : "f", lost};
    PGresult *r;
    enum rc rc = pass_over_inboxes(l, now, lost);
    if (rc != RC_OK)
        return rc;
    rc = store_ask(
        l,
        "INSERT INTO kez.store AS s (generation, system_identifier, timeline, database_oid)"
        " VALUES (left(replace(gen_random_uuid()::text, '-', ''), 16), $1, $2, $3)"
        " ON CONFLICT (only_one) DO UPDATE SET"
        " generation = CASE WHEN s.system_identifier = $1 AND s.database_oid = $3"
        "  AND (s.timeline = $2 OR $4::boolean) AND s.generation IS DISTINCT FROM $5"
        "  THEN s.generation ELSE excluded.generation END,"
        " system_identifier = $1, timeline = $2, database_oid = $3"
        " RETURNING generation",
        5, params, &r);
    if (rc != RC_OK)
        return rc;
    copy_text(r, 0, generation, HISTORY_GENERATION_MAX + 1);
    log_info("store generation is %s", generation);
    PQclear(r);
    return RC_OK;
}

/* The generation of what is noted, or "" where that is not this server. */
static enum rc read_generation(struct link *l, const struct server *now,
                               char generation[HISTORY_GENERATION_MAX + 1]) {
    const char *const params[] = {now->system_identifier, now->timeline, now->database_oid};
    PGresult *r;
    enum rc rc = store_ask(l,
                           "SELECT coalesce(max(generation), '') FROM kez.store"
                           " WHERE system_identifier = $1 AND timeline = $2 AND database_oid = $3",
                           3, params, &r);
    if (rc != RC_OK)
        return rc;
    copy_text(r, 0, generation, HISTORY_GENERATION_MAX + 1);
    PQclear(r);
    return RC_OK;
}

static void remember(struct store *s, struct link *l, const struct server *now,
                     const struct sighting *sighting) {
    char note[LINK_NOTE_MAX + 1];
    (void)snprintf(note, sizeof note, "%s %s %s %s", now->system_identifier, now->timeline,
                   now->database_oid, sighting->generation);
    link_set_note(l, note);
    link_set_number(l, history_enter(s->history, sighting));
}

/* Writes only when something changed: connections are made all the time. */
enum rc epoch_check(struct store *s, struct link *l, const struct server *now,
                    const struct history_view *before) {
    bool keep_timeline = s->config.keep_epoch_on_timeline_change;
    struct sighting found = {.timeline = (uint32_t)strtoul(now->timeline, NULL, 16),
                             .started_us = now->started_us,
                             .checkpoint = now->checkpoint,
                             .flushed = now->flushed};
    enum rc rc = read_generation(l, now, found.generation);
    if (rc == RC_OK && found.generation[0] == '\0')
        rc = note_server(l, now, keep_timeline, NULL, found.generation);
    if (rc == RC_OK && history_went_back(before, &found)) {
        char lost[HISTORY_GENERATION_MAX + 1];
        memcpy(lost, found.generation, sizeof lost);
        log_warn("store has lost what this node saw in it; every inbox gets a new epoch");
        rc = note_server(l, now, keep_timeline, lost, found.generation);
    }
    if (rc == RC_OK)
        remember(s, l, now, &found);
    return rc;
}

enum rc epoch_renew(struct link *l, const struct server *now) {
    char lost[HISTORY_GENERATION_MAX + 1], generation[HISTORY_GENERATION_MAX + 1];
    enum rc rc = read_generation(l, now, lost);
    return rc == RC_OK ? note_server(l, now, false, lost, generation) : rc;
}
