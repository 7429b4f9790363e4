/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options that several verbs share: how they are read, checked and put on the wire. */
#pragma once

#include <gio/gio.h>

#include "plugin/model/berth-option.h"

G_BEGIN_DECLS

/**
 * BerthOptionValues:
 * @socket: (nullable): --socket
 * @json: --json
 * @quiet: -q
 * @texts: (nullable): each: of a request's option, by its place in berth_option_table()
 * @lists: (nullable): each: likewise, of one that may be repeated
 * @no_wait: --no-wait
 * @max_size: (nullable): --max-size
 * @uploads: (nullable): --upload, each
 * @downloads: (nullable): --download, each
 * @boot_log: --boot-log
 * @wait_gone: --wait-gone
 * @no_stdin: -n of run and exec
 * @is_command: -x of run and exec: all arguments are kept as they stand
 * @delay: (nullable): -d
 * @rounds: (nullable): -n
 * @batch: -b
 * @release: (nullable): --release
 * @dir: (nullable): --dir
 * @mirror: (nullable): --mirror
 * @refresh: --refresh
 * @http: --http
 * @keep: --keep
 * @explain: --explain
 * @is_detached: -d of exec
 * @follows: -f
 * @since: (nullable): --since
 * @interactive: -i of attach
 * @only_looks: -r of attach
 * @signal: (nullable): -s
 * @with_terminal: -T of exec
 * @count: (nullable): -n of fork
 *
 * As they stand on the command line: raw bytes, unchecked.
 */
typedef struct
{
  char *socket;
  gboolean json;
  gboolean all_or_none;
  gboolean quiet;
  char *texts[BERTH_OPTION_COUNT];
  char **lists[BERTH_OPTION_COUNT];
  gboolean flags[BERTH_OPTION_COUNT];
  gboolean no_wait;
  char *max_size;
  char **uploads;
  char **downloads;
  gboolean boot_log;
  gboolean wait_gone;
  gboolean no_stdin;
  gboolean is_command;
  char *delay;
  char *rounds;
  gboolean batch;
  char *release;
  char *dir;
  char *mirror;
  gboolean refresh;
  gboolean http;
  gboolean keep;
  gboolean explain;
  gboolean is_detached;
  gboolean follows;
  char *since;
  gboolean interactive;
  gboolean only_looks;
  char *signal;
  gboolean with_terminal;
  char *count;
  char *checkpoint;
} BerthOptionValues;

/* What a verb takes beyond --socket */
typedef enum
{
  BERTH_TAKES_JSON = 1 << 0,
  BERTH_TAKES_SANDBOX = 1 << 1,
  BERTH_TAKES_EXEC = 1 << 2,
  BERTH_TAKES_FILES = 1 << 3,
  BERTH_TAKES_CARRY = 1 << 4,  /* what is around a program that has a sandbox of its own */
  BERTH_TAKES_ROUNDS = 1 << 5, /* how often what is shown is shown anew */
  BERTH_TAKES_IMAGE = 1 << 6,  /* what an image is built of, and where */
  BERTH_TAKES_HTTP = 1 << 7,   /* who asks comes by HTTP */
  BERTH_TAKES_KEEP = 1 << 8,   /* whether what was made outlives its maker */
  BERTH_TAKES_EXPLAIN = 1 << 9,
  BERTH_TAKES_DETACH = 1 << 10, /* whether a program goes on by itself */
  BERTH_TAKES_LOG = 1 << 11,    /* which part of what a program has written */
  BERTH_TAKES_STDIN = 1 << 12,  /* whether ours goes to a program that runs already */
  BERTH_TAKES_SIGNAL = 1 << 13,
  BERTH_TAKES_FOLLOW = 1 << 20,   /* whether what is shown goes on */
  BERTH_TAKES_TERMINAL = 1 << 14, /* whether a program has one */
  BERTH_TAKES_SHELL = 1 << 15,    /* what runs a program that the verb itself names */
  BERTH_TAKES_COUNT = 1 << 16,    /* how many sandboxes, which are waited for, and from when */
  BERTH_TAKES_WAIT = 1 << 21,     /* whether a place is waited for */
} BerthTakes;

/**
 * BerthVerbHelp:
 * @synopsis: after the verb's name
 * @summary: what it does
 * @description: (nullable): rules and examples
 * @takes: which options
 * @max_arguments: how many arguments at most
 *
 * What --help says about a verb, and what it takes.
 */
typedef struct
{
  const char *synopsis;
  const char *summary;
  const char *description;
  BerthTakes takes;
  int max_arguments;
} BerthVerbHelp;

GArray *berth_option_values_make_entries (BerthOptionValues *self, const BerthVerbHelp *help);
gboolean berth_option_values_parse (BerthOptionValues *self, const BerthVerbHelp *help, int *argc,
                                    char ***argv, GError **error);
void berth_option_values_clear (BerthOptionValues *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (BerthOptionValues, berth_option_values_clear)

void berth_option_values_set_command (BerthOptionValues *self);
void berth_option_values_set_entry (BerthOptionValues *self);
/* (nullable): what stands for the option with this key of berth_option_table() */
const char *berth_option_values_get (const BerthOptionValues *self, const char *key);
gboolean berth_option_check_utf8 (const char *what, const char *text, GError **error);
gboolean berth_option_values_get_max_bytes (const BerthOptionValues *self, guint64 *out_bytes,
                                            GError **error);
gboolean berth_option_values_get_rounds (const BerthOptionValues *self, gint64 *out_delay_ms,
                                         guint *out_rounds, GError **error);
gboolean
berth_option_values_add_sandbox (const BerthOptionValues *self, GVariantDict *dict, GError **error);
gboolean berth_option_values_add_exec (const BerthOptionValues *self, GBytes *code,
                                       GVariantDict *dict, GError **error);

G_END_DECLS
