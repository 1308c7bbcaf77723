/* back/store_sql.c -- the statements that run all day, prepared on every connection.
 *
 * Each is read committed and sees a snapshot of its own. All of them walk indexes, so that a plan
 * made for a small table is right for a large one: the session forbids the planner everything else,
 * and what is looked up for each of many is LATERAL with a LIMIT (or OFFSET 0), so that it cannot
 * turn the join around and walk the whole of a table that is small as yet. For the same reason
 * heads are updated by their place: they are locked, so they stay there.
 *
 * Lock order, the only one there is: conversations by sid; inboxes by id, all in one statement;
 * then letters, rows and remembered ids, which only the holder of their conversation or inbox
 * touches (but for forget_ids, which skips what is locked, and drop_letters, whose letters nobody
 * locks).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store_parts.h"

const char *const store_sql_names[SQL_COUNT] = {
#define X(name) [SQL_##name] = #name,
    STORE_STATEMENTS(X)
#undef X
};

/* In the transaction that has them locked. One that was made since is not among them, nor are the
 * inboxes of those in it: for this transaction it is not there. */
#define IS_LOCKED "sid = ANY ((SELECT string_to_array(current_setting('kez.locked'), ','))::text[])"

/* Of the row `told` that has a handle. */
#define EPOCH_OF_HANDLE                                                                            \
    "SELECT s.generation || '-' || a.inbox FROM kez.account AS a CROSS JOIN kez.store AS s"        \
    " WHERE a.handle = told.handle"

/* Of the account `a`. */
#define IS_BLOCKED "(SELECT blocked::int::bigint FROM kez.inbox WHERE id = a.inbox LIMIT 1)"

const char *const store_sql[SQL_COUNT] = {
    [SQL_begin] = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
    [SQL_commit] = "COMMIT",
    [SQL_rollback] = "ROLLBACK",

    /* $1 transaction. NULL when it is too long ago. */
    [SQL_xact_status] = "SELECT pg_xact_status($1::xid8)",
    /* How far the log is on the disk. */
    [SQL_flushed] = "SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint",
    /* $1 handle, $2 seq, $3 transaction, $4 created_at in ms. Whether that one made that row. */
    [SQL_row_stands] =
        "SELECT EXISTS (SELECT FROM kez.account AS a JOIN kez.inbox_row AS r ON r.inbox = a.inbox"
        " WHERE a.handle = $1::text AND r.seq = $2::bigint AND r.xmin = $3::xid8::xid"
        " AND round(extract(epoch FROM r.created_at) * 1000)::bigint = $4::bigint)",

    /* $1 inboxes. */
    [SQL_lock_inboxes] = "SELECT count(*) FROM ("
                         " SELECT 1 FROM kez.inbox WHERE id = ANY ($1::bigint[])"
                         " ORDER BY id FOR NO KEY UPDATE) AS locked",

    /* $1 inboxes, $2 senders, $3 ids, $4 envelopes of the posts, in order. Comes after
     * lock_inboxes in its transaction: this snapshot sees all that was committed to these inboxes,
     * and nobody can add to them. One row of (transaction, number, verdict, seq, created_at,
     * epoch) for each post. Verdicts: new, repeat, conflict, gone, forbidden (blocked). */
    [SQL_append_rows] =
        "WITH post AS MATERIALIZED ("
        " SELECT p.n, p.inbox, p.sender, p.id, p.envelope, i.place, i.head IS NULL AS gone,"
        "  coalesce(r.seq, k.seq) AS old_seq, coalesce(r.created_at, k.created_at) AS old_at,"
        "  CASE WHEN r.seq IS NOT NULL THEN r.envelope = p.envelope"
        "   WHEN k.seq IS NOT NULL THEN k.digest = sha256(convert_to(p.envelope, 'UTF8'))"
        "  END AS same,"
        "  i.head + row_number() OVER ("
        "   PARTITION BY p.inbox, coalesce(r.seq, k.seq) IS NULL ORDER BY p.n) AS seq"
        " FROM ROWS FROM (unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]),"
        "  unnest($4::text[])) WITH ORDINALITY AS p (inbox, sender, id, envelope, n)"
        " LEFT JOIN LATERAL (SELECT head, ctid AS place FROM kez.inbox"
        "  WHERE id = p.inbox AND NOT closed AND NOT blocked LIMIT 1) AS i ON true"
        " LEFT JOIN LATERAL (SELECT seq, created_at, envelope FROM kez.inbox_row"
        "  WHERE inbox = p.inbox AND sender = p.sender AND id = p.id LIMIT 1) AS r ON true"
        " LEFT JOIN LATERAL (SELECT seq, created_at, digest FROM kez.kept_id"
        "  WHERE inbox = p.inbox AND sender = p.sender AND id = p.id LIMIT 1) AS k ON true"
        "), added AS ("
        " INSERT INTO kez.inbox_row (inbox, seq, created_at, type, sender, id, envelope)"
        " SELECT inbox, seq, statement_timestamp(), 0, sender, id, envelope FROM post"
        " WHERE old_seq IS NULL AND NOT gone"
        "), moved AS ("
        " UPDATE kez.inbox AS i SET head = m.head FROM ("
        "  SELECT place, max(seq) AS head FROM post WHERE old_seq IS NULL AND NOT gone"
        "  GROUP BY place) AS m WHERE i.ctid = m.place"
        ") SELECT pg_current_xact_id(), n,"
        " CASE WHEN gone AND EXISTS (SELECT FROM kez.inbox AS b"
        "   WHERE b.id = post.inbox AND NOT b.closed) THEN 'f' WHEN gone THEN 'g' WHEN old_seq IS "
        "NULL THEN 'n' WHEN same THEN 'r' ELSE 'c'"
        "  END::\"char\","
        " coalesce(old_seq, seq),"
        " coalesce(old_at, statement_timestamp()::timestamptz(3)),"
        " (SELECT generation FROM kez.store) || '-' || inbox FROM post",

    /* $1 sids of the posts, in order. Two posts to one conversation have all inboxes in common and
     * would wait for each other there; here a change that waits too has its turn. (FOR SHARE lets
     * posts overtake it for ever.) */
    [SQL_lock_conversations] =
        "SELECT set_config('kez.locked', coalesce(string_agg(sid, ','), ''), true) FROM ("
        " SELECT sid FROM kez.conversation WHERE sid = ANY ($1::text[])"
        " ORDER BY sid FOR NO KEY UPDATE) AS locked",

    /* $1 as before, $2 rows at most. The inboxes of those posts, from the first on, whose rows are
     * not too many together. */
    [SQL_lock_participants] =
        "SELECT count(*) FROM ("
        " SELECT 1 FROM kez.inbox WHERE id = ANY (ARRAY ("
        "  SELECT p.inbox FROM ("
        "   SELECT u.sid, sum(c.size) OVER (ORDER BY u.n) AS upto"
        "   FROM unnest($1::text[]) WITH ORDINALITY AS u (sid, n) CROSS JOIN LATERAL ("
        "    SELECT size FROM kez.conversation WHERE sid = u.sid AND " IS_LOCKED " LIMIT 1) AS c"
        "  ) AS post CROSS JOIN LATERAL ("
        "   SELECT inbox FROM kez.participant WHERE sid = post.sid OFFSET 0"
        "  ) AS p WHERE post.upto <= $2::bigint))"
        " ORDER BY id FOR NO KEY UPDATE) AS locked",

    /* $1 sids, $2 senders' inboxes, $3 senders, $4 ids, $5 envelopes of the posts, in order; $6
     * rows at most; $7 1: an earlier attempt may have been committed. Comes after the two above in
     * its transaction. Rows of (transaction, number, verdict, created_at, handle, seq, body,
     * epoch): for each post, in order, one with a verdict (and a seq when it is a repeat); then
     * what is to be told of: for each row of a repeat one with number, handle, seq and epoch, and
     * for each inbox one with handle, its first new seq, epoch, and as body the numbers of the
     * posts whose rows stand there from that seq on, as 1,2,5. Verdicts: new, repeat, conflict,
     * gone; w: too many rows, later. The letters' numbers are assigned by the order of their keys
     * (k), which both sides know. */
    [SQL_append_letters] =
        "WITH post AS MATERIALIZED ("
        " SELECT p.n, p.sid, p.inbox, p.sender, p.id,"
        "  l.number AS old, l.sender_seq AS old_seq, l.created_at AS old_at,"
        "  CASE WHEN sum(c.size) OVER (ORDER BY p.n) > $6::bigint THEN 'w'"
        "   WHEN l.body = ($5::text[])[p.n::int] AND (m.is_in OR $7::bigint = 1) THEN 'r'"
        "   WHEN m.is_in IS NULL THEN 'g'"
        "   WHEN l.number IS NOT NULL THEN 'c'"
        "   ELSE 'n' END::\"char\" AS verdict"
        " FROM ROWS FROM (unnest($1::text[]), unnest($2::bigint[]), unnest($3::text[]),"
        "  unnest($4::text[])) WITH ORDINALITY AS p (sid, inbox, sender, id, n)"
        " LEFT JOIN LATERAL (SELECT size FROM kez.conversation"
        "  WHERE sid = p.sid AND " IS_LOCKED " LIMIT 1) AS c ON true"
        " LEFT JOIN LATERAL (SELECT true AS is_in FROM kez.participant"
        "  WHERE sid = p.sid AND inbox = p.inbox AND c.size IS NOT NULL LIMIT 1) AS m ON true"
        " LEFT JOIN LATERAL (SELECT number, sender_seq, created_at, body FROM kez.letter"
        "  WHERE conversation = p.sid AND sender = p.sender AND id = p.id LIMIT 1) AS l ON true"
        "), keyed AS MATERIALIZED ("
        " SELECT n, sid, verdict, row_number() OVER (PARTITION BY verdict"
        "  ORDER BY sid COLLATE \"C\", sender COLLATE \"C\", id COLLATE \"C\") AS k FROM post"
        "), talk AS MATERIALIZED ("
        " SELECT sid, count(*) AS size, string_agg(n::text, ',' ORDER BY n) AS posts"
        " FROM keyed WHERE verdict = 'n' GROUP BY sid"
        "), seat AS MATERIALIZED ("
        " SELECT p.inbox, p.handle, p.size, p.posts, i.head, i.place FROM ("
        "  SELECT p.inbox, min(p.handle) AS handle, sum(t.size)::bigint AS size,"
        "   string_agg(t.posts, ',') AS posts"
        "  FROM talk AS t CROSS JOIN LATERAL ("
        "   SELECT inbox, handle FROM kez.participant WHERE sid = t.sid OFFSET 0) AS p"
        "  GROUP BY p.inbox ORDER BY p.inbox) AS p"
        " CROSS JOIN LATERAL ("
        "  SELECT head, ctid AS place FROM kez.inbox WHERE id = p.inbox LIMIT 1) AS i"
        "), copy AS MATERIALIZED ("
        " SELECT s.inbox, s.head + u.nth AS seq, u.n::int AS n"
        " FROM seat AS s CROSS JOIN LATERAL unnest(string_to_array(s.posts, ',')::bigint[])"
        "  WITH ORDINALITY AS u (n, nth)"
        "), letter AS ("
        " INSERT INTO kez.letter (created_at, sender_seq, type, conversation, sender, id, body)"
        " SELECT statement_timestamp(), seq, 0, ($1::text[])[n], ($3::text[])[n], ($4::text[])[n],"
        "  ($5::text[])[n] FROM copy WHERE inbox = ($2::bigint[])[n] ORDER BY n"
        " RETURNING number, conversation, sender, id"
        "), added AS ("
        " INSERT INTO kez.inbox_row (inbox, seq, created_at, letter, type, sender)"
        " SELECT inbox, seq, statement_timestamp(), (ARRAY ("
        "  SELECT number FROM letter ORDER BY conversation, sender, id))["
        "   (ARRAY (SELECT k FROM keyed ORDER BY n))[n]::int], 0, '' FROM copy"
        "), moved AS ("
        " UPDATE kez.inbox AS i SET head = s.head + s.size FROM seat AS s WHERE i.ctid = s.place"
        ") SELECT * FROM ("
        " SELECT pg_current_xact_id(), n, verdict,"
        "  coalesce(old_at, statement_timestamp()::timestamptz(3)), NULL::text AS handle,"
        "  old_seq, NULL::text AS body, NULL::text FROM post"
        " UNION ALL SELECT NULL, NULL, NULL, NULL, handle, head + 1, posts,"
        "  (SELECT generation FROM kez.store) || '-' || inbox FROM seat"
        " UNION ALL SELECT NULL, p.n, NULL, NULL, a.handle, r.seq, NULL,"
        "  (SELECT generation FROM kez.store) || '-' || r.inbox FROM post AS p"
        "  CROSS JOIN LATERAL (SELECT inbox, seq FROM kez.inbox_row WHERE letter = p.old OFFSET 0"
        "   ) AS r CROSS JOIN LATERAL ("
        "   SELECT handle FROM kez.account WHERE inbox = r.inbox LIMIT 1) AS a"
        "  WHERE p.verdict = 'r' AND $7::bigint = 1"
        ") AS told ORDER BY handle IS NOT NULL, body IS NOT NULL, n",

    /* $1 caller's inbox, $2 sid, $3 title, $4 handles (the caller's first), $5 participants at
     * most, $6 1: an earlier attempt may have been committed. Rows as above; with body where the
     * verdict needs one. */
    [SQL_make_conversation] =
        "SELECT pg_current_xact_id(), 1::bigint, verdict, created_at, handle, seq, body, "
        "(" EPOCH_OF_HANDLE ") FROM kez.make_conversation_4("
        " $1::bigint, $2::text, $3::text, $4::text[], $5::bigint, $6::bigint = 1) AS told",

    /* $1 caller's inbox, $2 sid, $3 version seen, $4 title, $5 handles to add, $6 to remove (each
     * NULL for none), $7 participants at most. The same rows. */
    [SQL_change_conversation] =
        "SELECT pg_current_xact_id(), 1::bigint, verdict, created_at, handle, seq, body, "
        "(" EPOCH_OF_HANDLE ") FROM kez.change_conversation_4("
        " $1::bigint, $2::text, $3::bigint, $4::text, $5::text[], $6::text[], $7::bigint) AS told",

    /* $1 caller's inbox, $2 sid. */
    [SQL_show_conversation] =
        "SELECT kez.conversation_json_2($2::text) WHERE EXISTS ("
        " SELECT FROM kez.participant WHERE sid = $2::text AND inbox = $1::bigint)",

    /* $1 caller's inbox, $2 the sid before the first (NULL: none), $3 conversations at most. NULL
     * when the caller is not in $2. */
    [SQL_list_conversations] =
        "WITH mine AS MATERIALIZED ("
        " SELECT p.sid, coalesce((SELECT max(number) FROM kez.letter AS l"
        "  WHERE l.conversation = p.sid), 0) AS latest"
        " FROM kez.participant AS p WHERE p.inbox = $1::bigint"
        ") SELECT '[' || coalesce(string_agg("
        "  kez.conversation_json_2(sid), ',' ORDER BY latest DESC, sid DESC), '') || ']' FROM ("
        "  SELECT sid, latest FROM mine WHERE $2::text IS NULL"
        "   OR (latest, sid) < (SELECT latest, sid FROM mine WHERE sid = $2::text)"
        "  ORDER BY latest DESC, sid DESC LIMIT $3::bigint) AS page"
        " HAVING $2::text IS NULL OR EXISTS (SELECT FROM mine WHERE sid = $2::text)",

    /* $1 handles, or primaries. One row of (number, inbox, handle, primary, 1 when it is blocked)
     * for each that is there. */
    [SQL_find_handles] = "SELECT u.n, a.inbox, a.handle, a.primary_key, " IS_BLOCKED
                         " FROM unnest($1::text[]) WITH ORDINALITY AS u (handle, n)"
                         " CROSS JOIN LATERAL ("
                         "  SELECT * FROM kez.account WHERE handle = u.handle LIMIT 1) AS a",
    [SQL_find_primaries] = "SELECT u.n, a.inbox, a.handle, a.primary_key, " IS_BLOCKED
                           " FROM unnest($1::bytea[]) WITH ORDINALITY AS u (primary_key, n)"
                           " CROSS JOIN LATERAL (SELECT * FROM kez.account"
                           "  WHERE primary_key = u.primary_key LIMIT 1) AS a",

    /* $1 inbox. */
    [SQL_read_record] = "SELECT registered_at, proofs FROM kez.account WHERE inbox = $1::bigint",

    /* $1 inbox, $2 after, $3 rows at most, $4 bytes of envelopes at most (and one row more). The
     * head stands in each row, and in one without a seq when there is none to give. The size of a
     * large envelope is known without reading it. What is not in the row is in its letter. */
    [SQL_read_rows] =
        "SELECT i.head, i.first, s.generation || '-' || i.id,"
        " r.seq, r.type, r.created_at, r.sender, r.id, r.body, r.conversation"
        " FROM kez.inbox AS i CROSS JOIN kez.store AS s LEFT JOIN LATERAL ("
        "  SELECT * FROM ("
        "   SELECT w.seq, w.type, w.created_at, coalesce(l.sender, w.sender) AS sender,"
        "    coalesce(l.id, w.id) AS id, coalesce(l.body, w.envelope) AS body, l.conversation,"
        "    sum(octet_length(coalesce(l.body, w.envelope)))"
        "     OVER (ORDER BY w.seq ROWS UNBOUNDED PRECEDING)"
        "    - octet_length(coalesce(l.body, w.envelope)) AS before FROM ("
        "    SELECT * FROM kez.inbox_row"
        "    WHERE inbox = i.id AND seq > $2::bigint ORDER BY seq LIMIT $3::bigint) AS w"
        "   LEFT JOIN LATERAL (SELECT * FROM kez.letter WHERE number = w.letter LIMIT 1"
        "    ) AS l ON true"
        "  ) AS summed WHERE before < $4::bigint"
        " ) AS r ON true WHERE i.id = $1::bigint AND NOT i.blocked ORDER BY r.seq",

    /* $1 inboxes. One row of (number, head, first, epoch) for each that is there and not blocked.
     */
    [SQL_read_heads] = "SELECT u.n, i.head, i.first, s.generation || '-' || i.id"
                       " FROM unnest($1::bigint[]) WITH ORDINALITY AS u (id, n)"
                       " CROSS JOIN LATERAL ("
                       "  SELECT * FROM kez.inbox WHERE id = u.id AND NOT blocked LIMIT 1) AS i"
                       " CROSS JOIN kez.store AS s",

    /* $1 handle, $2 primary. The inbox; no row when either is taken. */
    [SQL_add_account] = "WITH made AS ("
                        " INSERT INTO kez.account (handle, primary_key, registered_at)"
                        " VALUES ($1::text, $2::bytea, statement_timestamp())"
                        " ON CONFLICT DO NOTHING RETURNING inbox"
                        "), box AS (INSERT INTO kez.inbox (id) SELECT inbox FROM made)"
                        " SELECT inbox FROM made",
    /* The same, when it was there; comes after add_account and sees what stood in its way. */
    [SQL_same_account] = "SELECT a.inbox FROM kez.account AS a CROSS JOIN LATERAL ("
                         "  SELECT 1 FROM kez.inbox WHERE id = a.inbox AND NOT closed LIMIT 1) AS i"
                         " WHERE a.handle = $1::text AND a.primary_key = $2::bytea",

    /* $1 inbox, $2 proofs. */
    [SQL_set_proofs] = "UPDATE kez.account SET proofs = $2::text WHERE inbox = $1::bigint"
                       " RETURNING registered_at",

    /* $1 inbox. */
    [SQL_lock_inbox] = "SELECT id FROM kez.inbox WHERE id = $1::bigint FOR NO KEY UPDATE",
    /* $1 inbox, $2 upto, $3 rows at most, $4 hours that an id is remembered. Comes after
     * lock_inbox. (head, first), as they are afterwards. */
    [SQL_trim_rows] =
        "WITH trim AS MATERIALIZED ("
        " SELECT least($2::bigint, first + $3::bigint - 1) AS upto FROM kez.inbox"
        " WHERE id = $1::bigint AND $2::bigint BETWEEN first AND head"
        "), gone AS ("
        " DELETE FROM kez.inbox_row WHERE inbox = $1::bigint AND seq <= (SELECT upto FROM trim)"
        " RETURNING inbox, sender, id, seq, created_at, envelope"
        "), kept AS ("
        " INSERT INTO kez.kept_id (inbox, sender, id, seq, created_at, digest)"
        " SELECT inbox, sender, id, seq, created_at, sha256(convert_to(envelope, 'UTF8'))"
        " FROM gone WHERE id IS NOT NULL"
        " AND created_at > statement_timestamp() - make_interval(hours => $4::bigint::int)"
        "), moved AS ("
        " UPDATE kez.inbox SET first = trim.upto + 1 FROM trim WHERE id = $1::bigint"
        " RETURNING first"
        ") SELECT i.head, coalesce(m.first, i.first) FROM kez.inbox AS i"
        " LEFT JOIN moved AS m ON true WHERE i.id = $1::bigint",
    /* $1 inbox. */
    [SQL_close_inbox] = "UPDATE kez.inbox SET closed = true WHERE id = $1::bigint RETURNING id",
    /* $1 inbox, $2 rows at most, the oldest. Comes after lock_inbox. No row when it is gone. */
    [SQL_empty_inbox] = "WITH gone AS ("
                        " DELETE FROM kez.inbox_row WHERE inbox = $1::bigint AND seq <"
                        "  (SELECT first FROM kez.inbox WHERE id = $1::bigint) + $2::bigint"
                        ") UPDATE kez.inbox SET first = least(head + 1, first + $2::bigint)"
                        " WHERE id = $1::bigint RETURNING first",
    /* $1 inbox. Comes after empty_inbox, and does it when that has left no row. */
    [SQL_delete_account] = "DELETE FROM kez.account AS a USING kez.inbox AS i"
                           " WHERE a.inbox = $1::bigint AND i.id = $1::bigint AND i.first > i.head"
                           " RETURNING a.inbox",
    /* $1 inbox, $2 1: blocked. */
    [SQL_block_inbox] = "UPDATE kez.inbox SET blocked = $2::bigint = 1 WHERE id = $1::bigint"
                        " RETURNING id",

    /* $1 hours, $2 ids at most. */
    [SQL_forget_ids] =
        "DELETE FROM kez.kept_id WHERE ctid = ANY (ARRAY ("
        " SELECT ctid FROM kez.kept_id"
        " WHERE created_at < statement_timestamp() - make_interval(hours => $1::bigint::int)"
        " ORDER BY created_at LIMIT $2::bigint FOR UPDATE SKIP LOCKED))",

    /* ---- of the keeper (store_keep.c) ---- */

    /* 1: this session has the role, until it ends. The lock's number is "kez-keep" in ASCII. */
    [SQL_take_keeper_role] = "SELECT pg_try_advisory_lock(7738725870199989616)::int::bigint",

    /* $1 after this inbox, $2 inboxes at most, $3 days (0: any age stays), $4 rows that stay (0:
     * any number). (inbox, 1 when its first row may go), by inbox. */
    [SQL_find_old_rows] = "SELECT i.id, (i.first <= i.head AND ("
                          " ($4::bigint > 0 AND i.first <= i.head - $4::bigint)"
                          " OR ($3::bigint > 0 AND (SELECT created_at FROM kez.inbox_row"
                          "  WHERE inbox = i.id AND seq = i.first LIMIT 1) <"
                          "  statement_timestamp() - make_interval(days => $3::bigint::int))"
                          "))::int::bigint"
                          " FROM kez.inbox AS i WHERE i.id > $1::bigint"
                          " ORDER BY i.id LIMIT $2::bigint",
    /* $1 inboxes, $2 rows of each at most, $3 bytes of envelopes of each at most (and one row
     * more), $4 days and $5 rows as before, $6 hours that an id is remembered. Comes after
     * lock_inboxes. What goes is a prefix: up to the first row that stays, whatever is behind it.
     * (inbox, rows dropped, 1 when there may be more) for each that lost any. */
    [SQL_drop_old_rows] =
        "WITH doomed AS MATERIALIZED ("
        " SELECT i.id AS inbox, i.place AS box, r.* FROM unnest($1::bigint[]) AS u (id)"
        " CROSS JOIN LATERAL (SELECT id, first, head, ctid AS place FROM kez.inbox"
        "  WHERE id = u.id LIMIT 1) AS i"
        " CROSS JOIN LATERAL ("
        "  SELECT * FROM ("
        "   SELECT w.*, sum(bytes) OVER so_far - bytes AS before,"
        "    bool_and(($5::bigint > 0 AND seq <= i.head - $5::bigint) OR ($4::bigint > 0 AND"
        "     created_at < statement_timestamp() - make_interval(days => $4::bigint::int)))"
        "     OVER so_far AS goes FROM ("
        "    SELECT ctid AS place, seq, created_at, sender, id AS name, envelope,"
        "     coalesce(octet_length(envelope), 0) AS bytes FROM kez.inbox_row"
        "    WHERE inbox = i.id AND seq >= i.first ORDER BY seq LIMIT $2::bigint) AS w"
        "   WINDOW so_far AS (ORDER BY seq ROWS UNBOUNDED PRECEDING)"
        "  ) AS judged WHERE goes AND before < $3::bigint"
        " ) AS r"
        "), gone AS ("
        " DELETE FROM kez.inbox_row WHERE ctid = ANY (ARRAY (SELECT place FROM doomed))"
        "), kept AS ("
        " INSERT INTO kez.kept_id (inbox, sender, id, seq, created_at, digest)"
        " SELECT inbox, sender, name, seq, created_at, sha256(convert_to(envelope, 'UTF8'))"
        " FROM doomed WHERE name IS NOT NULL"
        " AND created_at > statement_timestamp() - make_interval(hours => $6::bigint::int)"
        "), moved AS ("
        " UPDATE kez.inbox AS i SET first = m.first FROM ("
        "  SELECT box, max(seq) + 1 AS first FROM doomed GROUP BY box) AS m WHERE i.ctid = m.box"
        ") SELECT inbox, count(*), (count(*) = $2::bigint OR sum(bytes) >= $3::bigint)::int::bigint"
        " FROM doomed GROUP BY inbox",

    /* $1 after this letter, $2 letters at most to look at, $3 hours that an id is remembered.
     * (number of the last one seen, how many were seen, how many went).
     *
     * A letter that has no row never gets one: its rows are added in its own transaction and by
     * none after, so whoever sees the letter sees them all, or sees that they have gone. A post
     * under way is not seen at all. A repeat that finds the letter while it goes is answered from
     * its own snapshot; one that comes later has outlived its id's memory.
     *
     * The latest letter of a conversation that has participants says where that stands in their
     * lists. It stays, also when two of these run at once: one goes only if a later one is there,
     * and so on up to the latest. */
    [SQL_drop_letters] =
        "WITH seen AS MATERIALIZED ("
        " SELECT number FROM kez.letter WHERE number > $1::bigint"
        " ORDER BY number LIMIT $2::bigint"
        "), spare AS MATERIALIZED ("
        " SELECT l.place FROM seen AS s CROSS JOIN LATERAL ("
        "  SELECT ctid AS place, number, conversation, created_at FROM kez.letter"
        "  WHERE number = s.number LIMIT 1) AS l"
        " WHERE (SELECT 1 FROM kez.inbox_row WHERE letter = s.number LIMIT 1) IS NULL"
        " AND l.created_at < statement_timestamp() - make_interval(hours => $3::bigint::int)"
        " AND ((SELECT 1 FROM kez.letter AS later WHERE later.conversation = l.conversation"
        "   AND later.number > l.number LIMIT 1) IS NOT NULL"
        "  OR (SELECT 1 FROM kez.participant WHERE sid = l.conversation LIMIT 1) IS NULL)"
        "), gone AS ("
        " DELETE FROM kez.letter WHERE ctid = ANY (ARRAY (SELECT place FROM spare)) RETURNING 1"
        ") SELECT coalesce(max(number), 0), count(*), (SELECT count(*) FROM gone) FROM seen",
};
