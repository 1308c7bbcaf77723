/* back/store_tables.c -- the schema, version by version: tables, indexes, functions.
 *
 * What is here is the contract between nodes of different versions on one database, so a version
 * that was released never changes. A new one only adds; a function that must do something else gets
 * another name, and the old one stays for the older nodes.
 *
 * Version 1 has all that reading an inbox needs, version 2 what conversations need beside, version
 * 3 that a handle can be blocked, version 4 that an account which is being deleted takes nothing
 * new.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "store_parts.h"

static const char tables_1[] =
    /* One row: see the epoch in store_schema.c. */
    "CREATE TABLE kez.store ("
    " only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),"
    " generation text NOT NULL,"
    " system_identifier text NOT NULL, timeline text NOT NULL, database_oid text NOT NULL);"

    "CREATE TABLE kez.account ("
    " inbox bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY," /* never given twice */
    " handle text COLLATE \"C\" NOT NULL UNIQUE,"
    " primary_key bytea NOT NULL UNIQUE,"
    " registered_at timestamptz(3) NOT NULL,"
    " proofs text NOT NULL DEFAULT '[]');"

    /* The head of each inbox, apart and in half-filled pages: it is updated with every batch, and
     * no index knows of it. */
    "CREATE TABLE kez.inbox ("
    " id bigint PRIMARY KEY REFERENCES kez.account ON DELETE CASCADE,"
    " head bigint NOT NULL DEFAULT 0,"  /* seq of the newest row */
    " first bigint NOT NULL DEFAULT 1)" /* lowest seq kept; head + 1 when none */
    " WITH (fillfactor = 50);"

    /* type: enum row_type. A direct message has its envelope in the row, and sender ('' when
     * unsigned) and id. A row of a conversation has its letter instead, and these are there.
     * Envelopes are ciphertext mostly: trying to compress them is in vain. */
    "CREATE TABLE kez.inbox_row ("
    " inbox bigint NOT NULL, seq bigint NOT NULL,"
    " created_at timestamptz(3) NOT NULL,"
    " letter bigint,"
    " type smallint NOT NULL,"
    " sender text COLLATE \"C\" NOT NULL,"
    " id text COLLATE \"C\","
    " envelope text,"
    " PRIMARY KEY (inbox, seq));"
    "ALTER TABLE kez.inbox_row ALTER envelope SET STORAGE EXTERNAL;"
    "CREATE UNIQUE INDEX inbox_row_id ON kez.inbox_row (inbox, sender, id) WHERE id IS NOT NULL;"
    /* Who still needs this letter? */
    "CREATE INDEX inbox_row_letter ON kez.inbox_row (letter) WHERE letter IS NOT NULL;"

    /* What many inboxes have in common: a message to a conversation (body: the envelope), or what
     * became of one (body: the data; sender '', no id). Kept while a row needs it; while its id
     * must be remembered; and the latest of each conversation, which says when that was. */
    "CREATE TABLE kez.letter ("
    " number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " created_at timestamptz(3) NOT NULL,"
    " sender_seq bigint," /* of the row in the sender's own inbox */
    " type smallint NOT NULL,"
    " conversation text COLLATE \"C\" NOT NULL,"
    " sender text COLLATE \"C\" NOT NULL,"
    " id text COLLATE \"C\","
    " body text NOT NULL);"
    "ALTER TABLE kez.letter ALTER body SET STORAGE EXTERNAL;"
    "CREATE UNIQUE INDEX letter_id ON kez.letter (conversation, sender, id) WHERE id IS NOT NULL;"
    "CREATE INDEX letter_latest ON kez.letter (conversation, number);"

    /* Ids of rows that were dropped while they must still be remembered. */
    "CREATE TABLE kez.kept_id ("
    " inbox bigint NOT NULL, sender text COLLATE \"C\" NOT NULL, id text COLLATE \"C\" NOT NULL,"
    " seq bigint NOT NULL, created_at timestamptz(3) NOT NULL,"
    " digest bytea NOT NULL," /* SHA-256 of the envelope */
    " PRIMARY KEY (inbox, sender, id));"
    "CREATE INDEX kept_id_age ON kez.kept_id (created_at);"

    /* A foreign key on inbox_row would be looked up for each row that is added. */
    "CREATE FUNCTION kez.drop_rows() RETURNS trigger LANGUAGE plpgsql AS $$"
    " BEGIN"
    "  DELETE FROM kez.inbox_row WHERE inbox = OLD.id;"
    "  DELETE FROM kez.kept_id WHERE inbox = OLD.id;"
    "  RETURN NULL;"
    " END $$;"
    "CREATE TRIGGER drop_rows AFTER DELETE ON kez.inbox"
    " FOR EACH ROW EXECUTE FUNCTION kez.drop_rows();";

/* The functions run in a transaction of their own between BEGIN and COMMIT, and each of their
 * statements sees what was committed before it: what is read after a lock is what the lock guards.
 * They lock as all do: the conversation, then inboxes by id in one statement, then the rest. What
 * store_sql.c says about plans holds here, too. */
static const char tables_2[] =
    /* creator_inbox is who the creator is, should the handle be made anew. size: of participants,
     * at least; an account that is deleted is not counted off. */
    "CREATE TABLE kez.conversation ("
    " sid text COLLATE \"C\" PRIMARY KEY,"
    " creator_inbox bigint NOT NULL,"
    " version bigint NOT NULL,"
    " created_at timestamptz(3) NOT NULL, updated_at timestamptz(3) NOT NULL,"
    " size int NOT NULL,"
    " creator text COLLATE \"C\" NOT NULL,"
    " title text NOT NULL);"

    /* place: in the order of joining. */
    "CREATE TABLE kez.participant ("
    " sid text COLLATE \"C\" NOT NULL REFERENCES kez.conversation ON DELETE CASCADE,"
    " inbox bigint NOT NULL REFERENCES kez.inbox ON DELETE CASCADE,"
    " place bigint NOT NULL,"
    " handle text COLLATE \"C\" NOT NULL,"
    " PRIMARY KEY (sid, inbox));"
    "CREATE UNIQUE INDEX participant_inbox ON kez.participant (inbox, sid);"

    /* The conversation as protocol, section 6, has it; NULL when there is none. */
    "CREATE FUNCTION kez.conversation_json_2(its_sid text) RETURNS text LANGUAGE sql STABLE AS $$"
    " SELECT format('{\"sid\":%s,\"title\":%s,\"creator\":%s,\"participants\":[%s],"
    "\"created_at\":\"%s\",\"updated_at\":\"%s\",\"version\":%s}',"
    "  to_json(c.sid), to_json(c.title), to_json(c.creator),"
    "  (SELECT string_agg(format('{\"handle\":%s,\"primary\":\"ed25519:%s\"}',"
    "    to_json(p.handle), encode(a.primary_key, 'hex')), ',' ORDER BY p.place)"
    "   FROM kez.participant AS p CROSS JOIN LATERAL ("
    "    SELECT primary_key FROM kez.account WHERE inbox = p.inbox LIMIT 1) AS a"
    "   WHERE p.sid = c.sid),"
    "  to_char(c.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
    "  to_char(c.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
    "  c.version)"
    " FROM kez.conversation AS c WHERE c.sid = its_sid $$;"

    /* What a change gives: first the verdict (store_parts.h) with the conversation as body, or the
     * handle that is missing; then each row to tell of, with handle and seq. created_at and body
     * of such a row are those of the verdict where they are NULL. */
    "CREATE TYPE kez.told_2 AS ("
    " verdict \"char\", created_at timestamptz, handle text, seq bigint, body text);"

    /* As it is stored, whatever the type of the column rounds. */
    "CREATE FUNCTION kez.moment_2() RETURNS timestamptz LANGUAGE sql AS $$"
    " SELECT date_trunc('milliseconds', clock_timestamp()) $$;"

    /* Puts a row about the conversation, as it is now, into these inboxes, which are locked. */
    "CREATE FUNCTION kez.tell_conversation_2("
    " its_sid text, inboxes bigint[], moment timestamptz)"
    " RETURNS SETOF kez.told_2 LANGUAGE plpgsql AS $$"
    " DECLARE"
    "  data text := kez.conversation_json_2(its_sid);"
    "  its_number bigint;"
    " BEGIN"
    "  INSERT INTO kez.letter (created_at, type, conversation, sender, body)"
    "  VALUES (moment, 1, its_sid, '', data) RETURNING number INTO its_number;"
    "  RETURN NEXT ROW('n', moment, NULL, NULL, data)::kez.told_2;"
    "  RETURN QUERY WITH moved AS ("
    "   UPDATE kez.inbox SET head = head + 1 WHERE id = ANY (inboxes) RETURNING id, head"
    "  ), added AS ("
    "   INSERT INTO kez.inbox_row (inbox, seq, created_at, letter, type, sender)"
    "   SELECT id, head, moment, its_number, 1, '' FROM moved"
    "  ) SELECT NULL::\"char\", NULL::timestamptz, a.handle, m.head, NULL::text"
    "   FROM moved AS m CROSS JOIN LATERAL ("
    "    SELECT handle FROM kez.account WHERE inbox = m.id LIMIT 1) AS a;"
    " END $$;"

    /* names: the caller's first. again: an earlier attempt may have been committed, so that one
     * that is there is told of like a new one. */
    "CREATE FUNCTION kez.make_conversation_2("
    " caller bigint, its_sid text, its_title text, names text[], most bigint, again boolean)"
    " RETURNS SETOF kez.told_2 LANGUAGE plpgsql AS $$"
    " DECLARE"
    "  there kez.conversation;"
    "  missing text;"
    "  inboxes bigint[];"
    "  moment timestamptz := kez.moment_2();"
    " BEGIN"
    "  SELECT * INTO there FROM kez.conversation WHERE sid = its_sid;"
    "  IF NOT FOUND THEN"
    "   missing := (SELECT u.name FROM unnest(names) WITH ORDINALITY AS u (name, n)"
    "    LEFT JOIN LATERAL (SELECT inbox FROM kez.account WHERE handle = u.name LIMIT 1"
    "     ) AS a ON true"
    "    WHERE a.inbox IS NULL OR (u.n = 1 AND a.inbox <> caller) ORDER BY u.n LIMIT 1);"
    "   IF missing IS NOT NULL THEN"
    "    RETURN NEXT ROW('m', NULL, NULL, NULL, missing)::kez.told_2;"
    "    RETURN;"
    "   ELSIF cardinality(names) > most THEN"
    "    RETURN NEXT ROW('l', NULL, NULL, NULL, NULL)::kez.told_2;"
    "    RETURN;"
    "   END IF;"
    "   INSERT INTO kez.conversation"
    "    (sid, creator_inbox, version, created_at, updated_at, size, creator, title)"
    "   VALUES (its_sid, caller, 1, moment, moment, cardinality(names), names[1], its_title)"
    "    ON CONFLICT DO NOTHING;"
    "   IF FOUND THEN"
    "    inboxes := ARRAY (SELECT inbox FROM kez.account WHERE handle = ANY (names));"
    "    PERFORM 1 FROM kez.inbox WHERE id = ANY (inboxes) ORDER BY id FOR NO KEY UPDATE;"
    "    INSERT INTO kez.participant (sid, inbox, place, handle)"
    "    SELECT its_sid, a.inbox, u.n, u.name FROM unnest(names) WITH ORDINALITY AS u (name, n)"
    "     CROSS JOIN LATERAL (SELECT inbox FROM kez.account WHERE handle = u.name LIMIT 1) AS a"
    "     WHERE a.inbox = ANY (inboxes);"
    "    RETURN QUERY SELECT * FROM kez.tell_conversation_2(its_sid, inboxes, kez.moment_2());"
    "    RETURN;"
    "   END IF;"
    /* Somebody was quicker. */
    "   SELECT * INTO there FROM kez.conversation WHERE sid = its_sid;"
    "  END IF;"
    "  IF there.creator_inbox IS DISTINCT FROM caller"
    "   OR NOT EXISTS (SELECT FROM kez.participant WHERE sid = its_sid AND inbox = caller) THEN"
    "   RETURN NEXT ROW('c', NULL, NULL, NULL, NULL)::kez.told_2;"
    "   RETURN;"
    "  END IF;"
    "  RETURN NEXT ROW('r', NULL, NULL, NULL, kez.conversation_json_2(its_sid))::kez.told_2;"
    "  IF again THEN"
    "   RETURN QUERY SELECT NULL::\"char\", l.created_at::timestamptz, a.handle, r.seq, l.body"
    "    FROM (SELECT * FROM kez.letter WHERE conversation = its_sid AND type = 1"
    "     AND created_at >= there.created_at ORDER BY number LIMIT 1) AS l"
    "    CROSS JOIN LATERAL ("
    "     SELECT inbox, seq FROM kez.inbox_row WHERE letter = l.number OFFSET 0) AS r"
    "    CROSS JOIN LATERAL (SELECT handle FROM kez.account WHERE inbox = r.inbox LIMIT 1) AS a;"
    "  END IF;"
    " END $$;"

    /* new_title, added, removed: NULL for none. */
    "CREATE FUNCTION kez.change_conversation_2("
    " caller bigint, its_sid text, seen bigint, new_title text, added text[], removed text[],"
    " most bigint)"
    " RETURNS SETOF kez.told_2 LANGUAGE plpgsql AS $$"
    " DECLARE"
    "  there kez.conversation;"
    "  me kez.participant;"
    "  verdict \"char\";"
    "  body text;"
    "  n_there bigint;"
    "  come bigint[];"
    "  gone bigint[];"
    "  inboxes bigint[];"
    "  moment timestamptz;"
    " BEGIN"
    "  SELECT * INTO there FROM kez.conversation WHERE sid = its_sid FOR NO KEY UPDATE;"
    "  SELECT * INTO me FROM kez.participant WHERE sid = its_sid AND inbox = caller;"
    "  IF there.sid IS NULL OR me.sid IS NULL THEN"
    "   verdict := 'g';"
    "  ELSIF there.creator_inbox <> caller AND EXISTS ("
    "    SELECT FROM unnest(removed) AS u (name) WHERE u.name <> me.handle) THEN"
    "   verdict := 'f';"
    "  ELSIF there.version <> seen THEN"
    "   verdict := 'c';"
    "  ELSE"
    "   inboxes := ARRAY (SELECT inbox FROM kez.participant WHERE sid = its_sid);"
    "   body := (SELECT u.name FROM unnest(added) WITH ORDINALITY AS u (name, n)"
    "    LEFT JOIN LATERAL (SELECT inbox FROM kez.account WHERE handle = u.name LIMIT 1"
    "     ) AS a ON true WHERE a.inbox IS NULL ORDER BY u.n LIMIT 1);"
    "   come := ARRAY (SELECT a.inbox FROM unnest(added) WITH ORDINALITY AS u (name, n)"
    "    CROSS JOIN LATERAL (SELECT inbox FROM kez.account WHERE handle = u.name LIMIT 1) AS a"
    "    WHERE a.inbox <> ALL (inboxes) ORDER BY u.n);"
    "   gone := ARRAY (SELECT inbox FROM kez.participant"
    "    WHERE sid = its_sid AND handle = ANY (removed));"
    "   n_there := cardinality(inboxes) - cardinality(gone) + cardinality(come);"
    "   IF body IS NOT NULL THEN"
    "    verdict := 'm';"
    "   ELSIF n_there > most THEN"
    "    verdict := 'l';"
    "   ELSIF cardinality(come) + cardinality(gone) = 0"
    "    AND coalesce(new_title, there.title) = there.title THEN"
    "    verdict := 'u';"
    "    body := kez.conversation_json_2(its_sid);"
    "   ELSE"
    "    inboxes := inboxes || come;"
    "    PERFORM 1 FROM kez.inbox WHERE id = ANY (inboxes) ORDER BY id FOR NO KEY UPDATE;"
    "    moment := kez.moment_2();"
    "    INSERT INTO kez.participant (sid, inbox, place, handle)"
    "    SELECT its_sid, u.inbox, u.n + (SELECT max(place) FROM kez.participant"
    "     WHERE sid = its_sid), a.handle FROM unnest(come) WITH ORDINALITY AS u (inbox, n)"
    "     CROSS JOIN LATERAL (SELECT handle FROM kez.account WHERE inbox = u.inbox LIMIT 1) AS a;"
    "    DELETE FROM kez.participant WHERE sid = its_sid AND inbox = ANY (gone);"
    "    UPDATE kez.conversation SET title = coalesce(new_title, title), version = version + 1,"
    "     size = n_there, updated_at = moment WHERE sid = its_sid;"
    "    RETURN QUERY SELECT * FROM kez.tell_conversation_2(its_sid, inboxes, moment);"
    "    IF n_there = 0 THEN"
    "     DELETE FROM kez.conversation WHERE sid = its_sid;"
    "    END IF;"
    "    RETURN;"
    "   END IF;"
    "  END IF;"
    "  RETURN NEXT ROW(verdict, NULL, NULL, NULL, body)::kez.told_2;"
    " END $$;";

/* Who runs the server can block a handle. A node of before does not look. */
static const char tables_3[] = "ALTER TABLE kez.inbox ADD blocked boolean NOT NULL DEFAULT false;";

/* What is closed is on its way out: nobody posts to it or adds it anywhere, so that the deletion
 * has an end. A node of before does not look. */
static const char tables_4[] =
    "ALTER TABLE kez.inbox ADD closed boolean NOT NULL DEFAULT false;"

    /* The first of these handles that is closed; NULL when none is. One that is closed after this
     * look may be added once more: its deletion, which begins after that, leaves again. */
    "CREATE FUNCTION kez.first_closed_4(names text[]) RETURNS text LANGUAGE sql STABLE AS $$"
    " SELECT u.name FROM unnest(names) WITH ORDINALITY AS u (name, n)"
    "  CROSS JOIN LATERAL (SELECT inbox FROM kez.account WHERE handle = u.name LIMIT 1) AS a"
    "  CROSS JOIN LATERAL (SELECT closed FROM kez.inbox WHERE id = a.inbox LIMIT 1) AS i"
    "  WHERE i.closed ORDER BY u.n LIMIT 1 $$;"

    /* What the functions of version 2 do, with a closed handle as one that is missing; but a
     * conversation that was made is there, whoever has gone since. */
    "CREATE FUNCTION kez.make_conversation_4("
    " caller bigint, its_sid text, its_title text, names text[], most bigint, again boolean)"
    " RETURNS SETOF kez.told_2 LANGUAGE plpgsql AS $$"
    " DECLARE closed text := kez.first_closed_4(names);"
    " BEGIN"
    "  IF closed IS NOT NULL AND NOT EXISTS ("
    "   SELECT FROM kez.conversation WHERE sid = its_sid) THEN"
    "   RETURN NEXT ROW('m', NULL, NULL, NULL, closed)::kez.told_2;"
    "  ELSE"
    "   RETURN QUERY SELECT * FROM kez.make_conversation_2("
    "    caller, its_sid, its_title, names, most, again);"
    "  END IF;"
    " END $$;"

    /* Whether the caller may change it at all comes first. */
    "CREATE FUNCTION kez.change_conversation_4("
    " caller bigint, its_sid text, seen bigint, new_title text, added text[], removed text[],"
    " most bigint)"
    " RETURNS SETOF kez.told_2 LANGUAGE plpgsql AS $$"
    " DECLARE closed text := kez.first_closed_4(added);"
    " BEGIN"
    "  IF closed IS NOT NULL AND EXISTS ("
    "   SELECT FROM kez.participant AS p JOIN kez.conversation AS c ON c.sid = p.sid"
    "   WHERE p.sid = its_sid AND p.inbox = caller AND c.version = seen"
    "    AND (c.creator_inbox = caller OR NOT EXISTS ("
    "     SELECT FROM unnest(removed) AS u (name) WHERE u.name <> p.handle))) THEN"
    "   RETURN NEXT ROW('m', NULL, NULL, NULL, closed)::kez.told_2;"
    "  ELSE"
    "   RETURN QUERY SELECT * FROM kez.change_conversation_2("
    "    caller, its_sid, seen, new_title, added, removed, most);"
    "  END IF;"
    " END $$;";

const struct migration store_migrations[STORE_VERSION] = {
    {.version = 1, .least = 1, .sql = tables_1},
    {.version = 2, .least = 1, .sql = tables_2},
    {.version = 3, .least = 1, .sql = tables_3},
    {.version = 4, .least = 1, .sql = tables_4},
};
