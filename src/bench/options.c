/* bench/options.c -- what kez-bench was asked to do.
 *
 * Every flag is a line of a table: name, kind, where it goes, what is allowed, what it says.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "bench/options.h"

#include <inttypes.h>
#include <string.h>

enum kind { KIND_NUMBER, KIND_TEXT, KIND_FLAG, KIND_LIST, KIND_PID, KIND_DIALECT };

struct flag {
    const char *name;
    enum kind kind;
    size_t at; /* offset in struct options */
    uint64_t min, max;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct flag flags[] = {
    {"node", KIND_LIST, AT(nodes), 0, 0, "URL of a node; may be given again"},
    {"post-node", KIND_LIST, AT(post_nodes), 0, 0, "posts go to these nodes instead"},
    {"stream-node", KIND_LIST, AT(stream_nodes), 0, 0, "streams hang on these nodes instead"},
    {"server", KIND_TEXT, AT(server), 0, 0, "the nodes' --server name"},
    {"seed", KIND_TEXT, AT(seed), 0, 0, "text that the users' keys come from"},
    {"prefix", KIND_TEXT, AT(prefix), 0, 0, "how the users' handles begin"},
    {"streams", KIND_NUMBER, AT(streams), 0, 1000000, "event streams to open"},
    {"handles", KIND_NUMBER, AT(handles), 1, IDENTITY_MAX, "users that they are spread over"},
    {"connections", KIND_NUMBER, AT(connections), 1, 4096, "keep-alive connections for requests"},
    {"posts", KIND_NUMBER, AT(posts), 0, UINT32_MAX, "end after this many posts"},
    {"seconds", KIND_NUMBER, AT(seconds), 0, 86400, "post for this long, after the warm-up"},
    {"warmup", KIND_NUMBER, AT(warmup_s), 0, 3600, "seconds of posting that are not measured"},
    {"rate", KIND_NUMBER, AT(rate), 0, 1000000, "posts per second; 0: as fast as answered"},
    {"body", KIND_NUMBER, AT(body_bytes), ASK_BODY_MIN, ASK_BODY_MAX, "bytes of an envelope"},
    {"window", KIND_NUMBER, AT(window), 0, 1000000,
     "frames that may be under way for each stream; 0: any number"},
    {"hold", KIND_NUMBER, AT(hold_s), 0, 86400, "seconds that the streams idle before posting"},
    {"opening", KIND_NUMBER, AT(opening), 1, 4096, "streams that may be opening at once"},
    {"fanout-streams", KIND_NUMBER, AT(fanout_streams), 0, 1000000,
     "of the fan-out beside a conversation; 0: none"},
    {"timeout", KIND_NUMBER, AT(timeout_s), 1, 3600, "seconds for an answer, or for silence"},
    {"pid", KIND_PID, 0, 1, INT32_MAX, "process of a node, for its memory; may be given again"},
    {"node-pid", KIND_PID, 0, 1, INT32_MAX, "the same"},
    {"database-url", KIND_TEXT, AT(database_url), 0, 0, "run pgbench there, too (posts)"},
    {"dialect", KIND_DIALECT, AT(dialect), 0, 0, "kez or nchan"},
    {"signed-posts", KIND_FLAG, AT(signed_posts), 0, 0, "sign every post (with an id)"},
    {"ids", KIND_FLAG, AT(ids), 0, 0, "give every post an id"},
    {"no-register", KIND_FLAG, AT(no_register), 0, 0, "the users are there already"},
    {"no-compare", KIND_FLAG, AT(no_compare), 0, 0,
     "no send() loop beside fanout, no fan-outs beside conversation"},
    {"json", KIND_FLAG, AT(json), 0, 0, "print one flat JSON object"},
    {"quiet", KIND_FLAG, AT(quiet), 0, 0, "no progress on standard error"},
};

enum { FLAGS = sizeof flags / sizeof flags[0] };

/* What each scenario does when no flag says otherwise. */
static const struct options defaults[SCENARIO_COUNT] = {
    [SCENARIO_IDLE] = {.streams = 9000, .connections = 32, .hold_s = 5},
    [SCENARIO_FANOUT] = {.streams = 9000,
                         .handles = 100,
                         .connections = 32,
                         .seconds = 10,
                         .warmup_s = 2,
                         .window = 4},
    [SCENARIO_POSTS] = {.handles = 9000, .connections = 32, .seconds = 10, .warmup_s = 2},
    [SCENARIO_LATENCY] = {.streams = 100,
                          .handles = 100,
                          .connections = 8,
                          .rate = 1000,
                          .seconds = 10,
                          .warmup_s = 2},
    [SCENARIO_CONVERSATION] =
        {.handles = 100, .connections = 32, .seconds = 10, .warmup_s = 2, .fanout_streams = 9000},
    [SCENARIO_SENDLOOP] = {.streams = 9000, .handles = 1, .connections = 1, .seconds = 5},
    [SCENARIO_RUN] = {.streams = 100, .handles = 10, .connections = 8, .posts = 1000},
};

static const struct {
    const char *name, *help;
} scenarios[SCENARIO_COUNT] = {
#define X(name, text, help) {text, help},
    SCENARIO_LIST(X)
#undef X
};

const char *options_scenario(enum scenario scenario) { return scenarios[scenario].name; }

/* Not given: the default depends on other flags. */
#define NOT_GIVEN UINT64_MAX

static void set_defaults(struct options *o, enum scenario scenario) {
    *o = defaults[scenario];
    o->scenario = scenario;
    o->streams = o->handles = o->seconds = o->warmup_s = o->window = NOT_GIVEN;
    o->server = "localhost";
    o->seed = "kez-bench";
    o->prefix = "bench-";
    o->body_bytes = 200;
    o->opening = 64;
    o->timeout_s = 10;
}

static const char about_conversation[] =
    "\nconversation: each participant has one stream; they post in turn, signed, through all "
    "nodes,\n"
    "as fast as answered or at --rate. Before and after, by as many connections, with as many\n"
    "deliveries a post, the same body and time, and no more frames under way for a stream than in\n"
    "the scenario fanout (or --window, which then holds for all):\n"
    "  fanout_ratio      to that scenario: 9,000 streams (--fanout-streams) on many handles\n"
    "  fanout_few_ratio  to a fan-out to the conversation's number of streams, all on one handle\n"
    "A post of a fan-out is one row, one of a conversation a row for each participant. With "
    "--window\n"
    "0 the rows of the one handle share their sends, and its fan-out shows what those rows cost.\n";

static void put_help(struct buf *say) {
    buf_put(say, STR("kez-bench SCENARIO [--flag value]...\n\nscenarios:\n"));
    for (unsigned i = 0; i < SCENARIO_COUNT; i++)
        buf_putf(say, "  %-14s %s\n", scenarios[i].name, scenarios[i].help);
    buf_put(say, STR("\nflags:\n"));
    for (unsigned i = 0; i < FLAGS; i++)
        buf_putf(say, "  --%-14s %s\n", flags[i].name, flags[i].help);
    buf_put(say, str_of(about_conversation));
    buf_put(say, STR("\nExit status: 0 when nothing was lost, repeated or out of order and nothing "
                     "failed; 1 otherwise; 2 for wrong usage.\n"));
}

static enum rc find_scenario(const char *name, enum scenario *out) {
    for (unsigned i = 0; i < SCENARIO_COUNT; i++) {
        if (strcmp(name, scenarios[i].name) == 0) {
            *out = (enum scenario)i;
            return RC_OK;
        }
    }
    return RC_NOT_FOUND;
}

static const struct flag *find_flag(struct str name) {
    for (unsigned i = 0; i < FLAGS; i++)
        if (str_eq(name, str_of(flags[i].name)))
            return &flags[i];
    return NULL;
}

static enum rc add_to_list(struct options_list *list, const struct flag *f, const char *value,
                           struct buf *say) {
    if (list->n == OPTIONS_LIST_MAX) {
        buf_putf(say, "--%s: at most %d times", f->name, OPTIONS_LIST_MAX);
        return RC_MALFORMED;
    }
    list->at[list->n++] = value;
    return RC_OK;
}

static enum rc read_number(const struct flag *f, const char *value, uint64_t *out,
                           struct buf *say) {
    if (str_read_u64(str_of(value), f->max, out) == RC_OK && *out >= f->min)
        return RC_OK;
    buf_putf(say, "--%s: a number from %" PRIu64 " to %" PRIu64, f->name, f->min, f->max);
    return RC_MALFORMED;
}

static enum rc add_pid(struct options *o, const struct flag *f, const char *value,
                       struct buf *say) {
    uint64_t pid;
    if (read_number(f, value, &pid, say) != RC_OK)
        return RC_MALFORMED;
    if (o->n_pids == OPTIONS_LIST_MAX) {
        buf_putf(say, "--%s: at most %d times", f->name, OPTIONS_LIST_MAX);
        return RC_MALFORMED;
    }
    o->pids[o->n_pids++] = (uint32_t)pid;
    return RC_OK;
}

static enum rc read_dialect(const char *value, enum dialect *out, struct buf *say) {
    bool is_nchan = strcmp(value, "nchan") == 0;
    if (!is_nchan && strcmp(value, "kez") != 0) {
        buf_put(say, STR("--dialect: kez or nchan"));
        return RC_MALFORMED;
    }
    *out = is_nchan ? DIALECT_NCHAN : DIALECT_KEZ;
    return RC_OK;
}

static enum rc set(struct options *o, const struct flag *f, const char *value, struct buf *say) {
    void *at = (char *)o + f->at;
    switch (f->kind) {
    case KIND_NUMBER:
        return read_number(f, value, at, say);
    case KIND_TEXT:
        *(const char **)at = value;
        return RC_OK;
    case KIND_FLAG:
        *(bool *)at = true;
        return RC_OK;
    case KIND_LIST:
        return add_to_list(at, f, value, say);
    case KIND_PID:
        return add_pid(o, f, value, say);
    case KIND_DIALECT:
        return read_dialect(value, at, say);
    }
    return RC_MALFORMED;
}

/* `--name value` or `--name=value`, the one at argv[*i]; *i moves to its last word. */
static enum rc read_flag(int argc, char *const argv[], int *i, struct options *o, struct buf *say) {
    struct str word = str_of(argv[*i]), name, after;
    bool has_value = str_cut(word, '=', &name, &after);
    const char *value = has_value ? after.p : NULL;
    const struct flag *f = str_starts_with(name, STR("--")) ? find_flag(str_from(name, 2)) : NULL;
    if (!f) {
        buf_putf(say, "%.*s: no such flag; see --help", STR_ARG(name));
        return RC_MALFORMED;
    }
    if (f->kind == KIND_FLAG && has_value) {
        buf_putf(say, "--%s: takes no value", f->name);
        return RC_MALFORMED;
    }
    if (f->kind != KIND_FLAG && !has_value) {
        if (*i + 1 >= argc) {
            buf_putf(say, "--%s: needs a value", f->name);
            return RC_MALFORMED;
        }
        value = argv[++*i];
    }
    return set(o, f, value, say);
}

/* A number of posts is an end of its own, an idle stream has a handle of its own, and a participant
 * one stream. */
static void settle_defaults(struct options *o) {
    const struct options *usual = &defaults[o->scenario];
    if (o->streams == NOT_GIVEN && o->scenario != SCENARIO_CONVERSATION)
        o->streams = usual->streams;
    if (o->handles == NOT_GIVEN)
        o->handles = o->scenario == SCENARIO_IDLE ? o->streams : usual->handles;
    if (o->streams == NOT_GIVEN)
        o->streams = o->handles;
    if (o->seconds == NOT_GIVEN)
        o->seconds = o->posts > 0 ? 0 : usual->seconds;
    if (o->warmup_s == NOT_GIVEN)
        o->warmup_s = o->posts > 0 ? 0 : usual->warmup_s;
    o->fanout_window = o->window == NOT_GIVEN ? defaults[SCENARIO_FANOUT].window : o->window;
    if (o->window == NOT_GIVEN)
        o->window = usual->window;
    if (o->no_compare)
        o->fanout_streams = 0;
    if (o->dialect == DIALECT_NCHAN)
        o->no_register = true;
}

static void share_nodes(struct options *o) {
    struct options_list *nodes = &o->nodes;
    if (nodes->n == 0)
        nodes->at[nodes->n++] = "http://127.0.0.1:6969";
    bool is_apart = o->scenario == SCENARIO_LATENCY && nodes->n > 1;
    if (o->post_nodes.n == 0) {
        o->post_nodes = *nodes;
        o->post_nodes.n = is_apart ? 1 : nodes->n;
    }
    if (o->stream_nodes.n > 0)
        return;
    for (size_t i = is_apart ? 1 : 0; i < nodes->n; i++)
        o->stream_nodes.at[o->stream_nodes.n++] = nodes->at[i];
}

static enum rc check(struct options *o, struct buf *say) {
    if (identity_check_prefix(str_of(o->prefix)) != RC_OK) {
        buf_putf(say, "--prefix: at most %d of [a-z0-9_-], the first of [a-z0-9]",
                 IDENTITY_PREFIX_MAX);
        return RC_MALFORMED;
    }
    if (o->server[0] == '\0' || o->seed[0] == '\0') {
        buf_put(say, STR("--server and --seed: not empty"));
        return RC_MALFORMED;
    }
    bool needs_streams = o->scenario != SCENARIO_POSTS && o->scenario != SCENARIO_RUN;
    if (needs_streams && o->streams == 0) {
        buf_putf(say, "--streams: %s needs at least 1", options_scenario(o->scenario));
        return RC_MALFORMED;
    }
    settle_defaults(o);
    if (o->scenario == SCENARIO_CONVERSATION &&
        (o->handles > PARTICIPANTS_MAX || o->dialect != DIALECT_KEZ)) {
        buf_putf(say, "--handles: conversation has 1 to %d participants, and --dialect kez",
                 PARTICIPANTS_MAX);
        return RC_MALFORMED;
    }
    share_nodes(o);
    return RC_OK;
}

enum rc options_read(int argc, char *const argv[], struct options *out, struct buf *say) {
    struct options o;
    enum scenario scenario;
    const char *first = argc > 1 ? argv[1] : "--help";
    if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 || strcmp(first, "help") == 0) {
        put_help(say);
        return argc > 1 ? RC_CLOSED : RC_MALFORMED;
    }
    if (strcmp(first, "--version") == 0) {
        buf_put(say, STR("kez-bench " KEZ_VERSION "\n"));
        return RC_CLOSED;
    }
    if (find_scenario(first, &scenario) != RC_OK) {
        buf_putf(say, "%s: no such scenario; see --help", first);
        return RC_MALFORMED;
    }
    set_defaults(&o, scenario);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            put_help(say);
            return RC_CLOSED;
        }
        if (read_flag(argc, argv, &i, &o, say) != RC_OK)
            return RC_MALFORMED;
    }
    enum rc rc = check(&o, say);
    if (rc == RC_OK)
        *out = o;
    return rc;
}
