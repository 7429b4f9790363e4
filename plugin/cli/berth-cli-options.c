/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads a verb's options and finds the caller's mistakes in them, before berthd is asked. */
#include "plugin/cli/berth-cli-options.h"

#include <math.h>
#include <string.h>

#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

static void
add_entries (GArray *all, BerthTakes takes, BerthTakes needed, const GOptionEntry *entries)
{
  for (guint i = 0; (takes & needed) == needed && entries[i].long_name != NULL; i++)
    g_array_append_val (all, entries[i]);
}

/* Of a request: as the table describes them. Values are FILENAMEs, for they may be any bytes.
 * @without: (nullable): the key of one that is left out */
static void
add_options (GArray *all, BerthOptionSet set, const char *without, BerthOptionValues *self)
{
  const BerthOption *table = berth_option_table ();

  for (guint i = 0; i < BERTH_OPTION_COUNT; i++)
    {
      gboolean is_list = table[i].kind == BERTH_OPTION_TEXTS || table[i].kind == BERTH_OPTION_PORTS;
      gboolean is_flag = table[i].kind == BERTH_OPTION_FLAG;
      GOptionEntry entry = {
        .long_name = table[i].flag,
        .short_name = table[i].short_flag,
        .arg = is_list   ? G_OPTION_ARG_FILENAME_ARRAY
               : is_flag ? G_OPTION_ARG_NONE
                         : G_OPTION_ARG_FILENAME,
        .arg_data = is_list   ? (gpointer)&self->lists[i]
                    : is_flag ? (gpointer)&self->flags[i]
                              : (gpointer)&self->texts[i],
        .description = table[i].help,
        .arg_description = table[i].metavar,
      };

      if ((table[i].set & set) != 0 && table[i].flag != NULL
          && g_strcmp0 (table[i].key, without) != 0)
        g_array_append_val (all, entry);
    }
}

static void
add_image_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry image[] = {
    { "release", 0, 0, G_OPTION_ARG_FILENAME, &self->release,
      "The guests' Debian: trixie or bookworm (default: the last one in that folder)", "NAME" },
    { "dir", 0, 0, G_OPTION_ARG_FILENAME, &self->dir,
      "Where the image is kept (default: berth.conf's image_dir)", "DIR" },
    { "mirror", 0, 0, G_OPTION_ARG_FILENAME, &self->mirror,
      "A Debian archive, where /etc/apt names none or a slow one", "URI" },
    { "refresh", 0, 0, G_OPTION_ARG_NONE, &self->refresh,
      "Ask the archive for new package versions even if nothing is missing", NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_IMAGE, image);
}

static void
add_run_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry run[] = {
    { "upload", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &self->uploads,
      "A file or folder for the program, before it starts; may be repeated. LOCAL may have colons, "
      "GUEST has none",
      "LOCAL:GUEST" },
    { "download", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &self->downloads,
      "A file or folder of the program's, after it ended, however it ended; may be repeated. LOCAL "
      "may have colons, GUEST has none",
      "GUEST[:LOCAL]" },
    { "boot-log", 0, 0, G_OPTION_ARG_NONE, &self->boot_log,
      "The VM's console on stderr while it boots; a warm VM or a clone does not boot", NULL },
    { "wait-gone", 0, 0, G_OPTION_ARG_NONE, &self->wait_gone,
      "End after the VM is gone, not when the program's end is known", NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_CARRY, run);
}

static void
add_http_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry http[] = {
    { "http", 0, 0, G_OPTION_ARG_NONE, &self->http,
      "Answer one request of HTTP for /metrics on standard input, as systemd's Accept=yes has it",
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_HTTP, http);
}

static void
add_keep_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry keep[] = {
    { "keep", 0, 0, G_OPTION_ARG_NONE, &self->keep,
      "Sandboxes that the client makes outlive it: they end by idle time, or when they are told to",
      NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_KEEP, keep);
}

static void
add_explain_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry explain[] = {
    { "explain", 0, 0, G_OPTION_ARG_NONE, &self->explain,
      "Say what each request waits for, and for how long it may still wait", NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_EXPLAIN, explain);
}

static void
add_background_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry detach[] = {
    { "detach", 'd', 0, G_OPTION_ARG_NONE, &self->is_detached,
      "Run it in the background: print its number as soon as it runs", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry log[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &self->follows, "Go on until it ends", NULL },
    { "since", 0, 0, G_OPTION_ARG_FILENAME, &self->since,
      "Only what was written from then on: seconds ago, or a time as 2026-07-28T12:00:00Z",
      "S | TIME" },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry live[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &self->follows, "Go on until it ends", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry input[] = {
    { "interactive", 'i', 0, G_OPTION_ARG_NONE, &self->interactive,
      "Give it standard input, if it was begun with -i; its end is the program's", NULL },
    { "read-only", 'r', 0, G_OPTION_ARG_NONE, &self->only_looks,
      "Of a terminal: look at it, and type nothing", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry number[] = {
    { "signal", 's', 0, G_OPTION_ARG_FILENAME, &self->signal,
      "Which, by name or number (default: end it, with TERM and 2 s later KILL)", "SIGNAL" },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_DETACH, detach);
  if ((takes & BERTH_TAKES_DETACH) != 0)
    add_options (all, BERTH_OPTION_SET_BACKGROUND, NULL, self);
  add_entries (all, takes, BERTH_TAKES_LOG, log);
  add_entries (all, takes, BERTH_TAKES_FOLLOW, live);
  add_entries (all, takes, BERTH_TAKES_STDIN, input);
  add_entries (all, takes, BERTH_TAKES_SIGNAL, number);
}

static void
add_terminal_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry terminal[] = {
    { "tty", 'T', 0, G_OPTION_ARG_NONE, &self->with_terminal,
      "Your terminal is the program's, to type at and to look at (with -x)", NULL },
    G_OPTION_ENTRY_NULL,
  };

  add_entries (all, takes, BERTH_TAKES_TERMINAL, terminal);
}

static void
add_count_entries (GArray *all, BerthTakes takes, BerthOptionValues *self)
{
  const GOptionEntry count[] = {
    { "count", 'n', 0, G_OPTION_ARG_FILENAME, &self->count, "So many, 1 to 64 (default 1)", "N" },
    { "all", 0, 0, G_OPTION_ARG_NONE, &self->all_or_none, "All of them at once, or none", NULL },
    G_OPTION_ENTRY_NULL,
  };

  const GOptionEntry checkpoint[] = {
    { "checkpoint", 0, 0, G_OPTION_ARG_FILENAME, &self->checkpoint,
      "From what it was when this checkpoint of it was made", "CHECKPOINT" },
    G_OPTION_ENTRY_NULL,
  };
  add_entries (all, takes, BERTH_TAKES_COUNT, count);
  add_entries (all, takes, BERTH_TAKES_COUNT, checkpoint);
}

/**
 * berth_option_values_make_entries:
 * @self: where the values go
 * @help: of the verb
 *
 * Values are FILENAMEs where they may be any bytes: a STRING would be converted from the locale.
 *
 * Returns: (transfer full) (element-type GOptionEntry): what the verb takes, zero-terminated
 */
GArray *
berth_option_values_make_entries (BerthOptionValues *self, const BerthVerbHelp *help)
{
  const GOptionEntry wait[] = {
    { "no-wait", 0, 0, G_OPTION_ARG_NONE, &self->no_wait, "Do not wait at capacity: status 126",
      NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry input[] = {
    { "no-stdin", 'n', 0, G_OPTION_ARG_NONE, &self->no_stdin,
      "Leave standard input alone: the program reads end-of-file", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry quiet[] = {
    { "quiet", 'q', 0, G_OPTION_ARG_NONE, &self->quiet,
      "No progress and no remarks on stderr; errors still are", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry files[] = {
    { "max-size", 0, 0, G_OPTION_ARG_FILENAME, &self->max_size,
      "Refuse a file of more than this many MiB (default 500)", "MB" },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry rounds[] = {
    { "delay", 'd', 0, G_OPTION_ARG_FILENAME, &self->delay,
      "Seconds between two looks, 0.1 to 3600 (default 1)", "S" },
    { "rounds", 'n', 0, G_OPTION_ARG_FILENAME, &self->rounds,
      "Look so often, then end (default: without end)", "N" },
    { "batch", 'b', 0, G_OPTION_ARG_NONE, &self->batch,
      "One look below the other, as plain text; so it is, too, where no terminal is", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry json[] = {
    { "json", 0, 0, G_OPTION_ARG_NONE, &self->json, "Print one JSON value instead", NULL },
    G_OPTION_ENTRY_NULL,
  };
  const GOptionEntry common[] = {
    { "socket", 0, 0, G_OPTION_ARG_FILENAME, &self->socket,
      "berthd's socket (default: $BERTH_SOCKET, else your own berthd's, else the system's)",
      "PATH" },
    G_OPTION_ENTRY_NULL,
  };
  const BerthTakes quiet_takes
      = BERTH_TAKES_EXEC | BERTH_TAKES_FILES | BERTH_TAKES_SANDBOX | BERTH_TAKES_IMAGE;
  GArray *all = g_array_new (TRUE, FALSE, sizeof (GOptionEntry));

  if ((help->takes & BERTH_TAKES_SANDBOX) != 0)
    add_options (all, BERTH_OPTION_SET_SANDBOX, NULL, self);
  if ((help->takes & (BERTH_TAKES_SANDBOX | BERTH_TAKES_EXEC | BERTH_TAKES_SHELL))
      == BERTH_TAKES_SANDBOX)
    add_options (all, BERTH_OPTION_SET_SESSION, NULL, self);
  add_entries (all, help->takes, BERTH_TAKES_SANDBOX, wait);
  add_entries (all, help->takes, BERTH_TAKES_COUNT, wait);
  add_entries (all, help->takes, BERTH_TAKES_WAIT, wait);
  add_count_entries (all, help->takes, self);
  if ((help->takes & BERTH_TAKES_EXEC) != 0)
    add_options (all, BERTH_OPTION_SET_EXEC, NULL, self);
  if ((help->takes & BERTH_TAKES_SHELL) != 0)
    add_options (all, BERTH_OPTION_SET_EXEC, "command", self);
  add_terminal_entries (all, help->takes, self);
  add_entries (all, help->takes, BERTH_TAKES_EXEC, input);
  add_run_entries (all, help->takes, self);
  add_entries (all, help->takes, BERTH_TAKES_FILES, files);
  add_image_entries (all, help->takes, self);
  add_http_entries (all, help->takes, self);
  add_keep_entries (all, help->takes, self);
  add_explain_entries (all, help->takes, self);
  add_background_entries (all, help->takes, self);
  if ((help->takes & quiet_takes) != 0)
    add_entries (all, help->takes, 0, quiet);
  add_entries (all, help->takes, BERTH_TAKES_ROUNDS, rounds);
  add_entries (all, help->takes, BERTH_TAKES_JSON, json);
  add_entries (all, help->takes, 0, common);
  return all;
}

static GOptionContext *
make_context (BerthOptionValues *self, const BerthVerbHelp *help)
{
  g_autoptr (GArray) entries = berth_option_values_make_entries (self, help);
  GOptionContext *context = g_option_context_new (help->synopsis);

  g_option_context_set_summary (context, help->summary);
  g_option_context_set_description (context, help->description);
  g_option_context_add_main_entries (context, (const GOptionEntry *)(void *)entries->data, NULL);
  return context;
}

/* GOption leaves the "--" that protects an argument with a dash, wherever it stands: the first one.
 */
static void
drop_separator (int *argc, char **argv)
{
  for (int i = 1; i < *argc; i++)
    {
      if (strcmp (argv[i], "--") != 0)
        continue;
      memmove (&argv[i], &argv[i + 1], (gsize)(*argc - i) * sizeof argv[0]);
      (*argc)--;
      return;
    }
}

/* Of a command only the one that ends the options is ours, and it stands in front of all. */
static void
drop_first_separator (int *argc, char **argv)
{
  if (*argc > 1 && strcmp (argv[1], "--") == 0)
    {
      memmove (&argv[1], &argv[2], (gsize)(*argc - 1) * sizeof argv[0]);
      (*argc)--;
    }
}

static guint
find_flag (const char *key)
{
  const BerthOption *table = berth_option_table ();
  guint i = 0;

  while (!g_str_equal (table[i].key, key))
    i++;
  return i;
}

static gboolean
has_command_flag (const BerthOptionValues *self)
{
  return self->flags[find_flag ("command")];
}

/**
 * berth_option_values_set_command:
 * @self: values of a verb that runs a command without being told to
 */
void
berth_option_values_set_command (BerthOptionValues *self)
{
  self->flags[find_flag ("command")] = TRUE;
}

/**
 * berth_option_values_set_entry:
 * @self: values of a verb that runs what its template says
 */
void
berth_option_values_set_entry (BerthOptionValues *self)
{
  self->flags[find_flag ("entry")] = TRUE;
}

/* With -x the options end at the first argument: what follows is not ours to read, whatever it
 * looks like. Whether it is so; else nothing was taken. */
static gboolean
parse_command (BerthOptionValues *self, const BerthVerbHelp *help, int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = make_context (self, help);
  gsize size = (gsize)(*argc + 1) * sizeof **argv;
  g_autofree char **saved = g_memdup2 (*argv, size);
  int saved_argc = *argc;

  g_option_context_set_strict_posix (context, TRUE);
  if (g_option_context_parse (context, argc, argv, NULL) && has_command_flag (self))
    {
      drop_first_separator (argc, *argv);
      self->is_command = TRUE;
      return TRUE;
    }
  memcpy (*argv, saved, size);
  *argc = saved_argc;
  berth_option_values_clear (self);
  memset (self, 0, sizeof *self);
  return FALSE;
}

static gboolean
check_arguments (const BerthOptionValues *self, const BerthVerbHelp *help, int argc, char **argv,
                 GError **error)
{
  if (has_command_flag (self))
    {
      g_set_error (
          error, BERTH_ERROR, BERTH_ERROR_INVALID,
          "-x stands behind '%.40s', and all behind that is the program's: put it in front "
          "('%s --help')",
          argc > 1 ? argv[1] : "", g_get_prgname ());
      return FALSE;
    }
  if (argc - 1 <= help->max_arguments)
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "'%.40s' is one argument too many: quote what belongs together ('%s --help')",
               argv[help->max_arguments + 1], g_get_prgname ());
  return FALSE;
}

/**
 * berth_option_values_parse:
 * @self: empty values
 * @help: of the verb
 * @argc: (inout): of @argv
 * @argv: (inout): argv[0] is the program's name; arguments that are no options remain
 *
 * Prints help and exits when asked for it. Where a command is asked for, all that is behind the
 * options remains, as it stands and however much it is.
 *
 * Returns: whether the verb takes them
 */
gboolean
berth_option_values_parse (BerthOptionValues *self, const BerthVerbHelp *help, int *argc,
                           char ***argv, GError **error)
{
  g_autoptr (GOptionContext) context = NULL;
  g_autoptr (GError) cause = NULL;

  if ((help->takes & BERTH_TAKES_EXEC) != 0 && parse_command (self, help, argc, argv))
    return TRUE;
  context = make_context (self, help);
  if (!g_option_context_parse (context, argc, argv, &cause))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s ('%s --help')", cause->message,
                   g_get_prgname ());
      return FALSE;
    }
  drop_separator (argc, *argv);
  return check_arguments (self, help, *argc, *argv, error);
}

/**
 * berth_option_values_clear:
 * @self: values
 */
void
berth_option_values_clear (BerthOptionValues *self)
{
  g_free (self->socket);
  for (guint i = 0; i < BERTH_OPTION_COUNT; i++)
    {
      g_free (self->texts[i]);
      g_strfreev (self->lists[i]);
    }
  g_free (self->max_size);
  g_strfreev (self->uploads);
  g_strfreev (self->downloads);
  g_free (self->delay);
  g_free (self->rounds);
  g_free (self->count);
  g_free (self->checkpoint);
  g_free (self->release);
  g_free (self->dir);
  g_free (self->mirror);
  g_free (self->since);
  g_free (self->signal);
}

/**
 * berth_option_check_utf8:
 * @what: for the message, with its article
 * @text: an argument that goes to berthd as a string
 *
 * Returns: whether it can
 */
gboolean
berth_option_check_utf8 (const char *what, const char *text, GError **error)
{
  if (g_utf8_validate (text, -1, NULL))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s is not UTF-8", what);
  return FALSE;
}

/* Seconds with a fraction, to milliseconds */
static gboolean
parse_seconds (const char *option, const char *text, double min_s, double max_s, gint64 *out_ms,
               GError **error)
{
  char *end = NULL;
  double seconds = g_ascii_strtod (text, &end);

  if (end == text || *end != '\0' || !isfinite (seconds) || seconds < min_s || seconds > max_s)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%s '%.40s': give %.10g to %.10g seconds", option, text, min_s, max_s);
      return FALSE;
    }
  *out_ms = (gint64)(seconds * 1000 + 0.5);
  return TRUE;
}

/**
 * berth_option_values_get_rounds:
 * @self: values
 * @out_delay_ms: (out): between two rounds
 * @out_rounds: (out): how many; 0 without end
 *
 * Returns: whether -d and -n make sense
 */
gboolean
berth_option_values_get_rounds (const BerthOptionValues *self, gint64 *out_delay_ms,
                                guint *out_rounds, GError **error)
{
  guint64 rounds = 0;

  *out_delay_ms = 1000;
  if (self->delay != NULL && !parse_seconds ("-d", self->delay, 0.1, 3600, out_delay_ms, error))
    return FALSE;
  if (self->rounds != NULL
      && !g_ascii_string_to_unsigned (self->rounds, 10, 1, G_MAXUINT32, &rounds, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "-n '%.40s': give a number from 1",
                   self->rounds);
      return FALSE;
    }
  *out_rounds = (guint)rounds;
  return TRUE;
}

/**
 * berth_option_values_get_max_bytes:
 * @self: values
 * @out_bytes: (out): of one file, at most
 *
 * Returns: whether --max-size makes sense
 */
gboolean
berth_option_values_get_max_bytes (const BerthOptionValues *self, guint64 *out_bytes,
                                   GError **error)
{
  const guint64 most = 1024 * 1024; /* MiB: 1 TiB */
  guint64 mebibytes;

  *out_bytes = BERTH_FILE_SIZE_MAX_DEFAULT;
  if (self->max_size == NULL)
    return TRUE;
  if (!g_ascii_string_to_unsigned (self->max_size, 10, 1, most, &mebibytes, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "--max-size '%.40s': give 1 to %" G_GUINT64_FORMAT " MiB", self->max_size, most);
      return FALSE;
    }
  *out_bytes = mebibytes * 1024 * 1024;
  return TRUE;
}

/**
 * berth_option_values_get:
 * @self: values
 * @key: of an option of the table
 *
 * Returns: (nullable): what was given for it
 */
const char *
berth_option_values_get (const BerthOptionValues *self, const char *key)
{
  const BerthOption *table = berth_option_table ();

  for (guint i = 0; i < BERTH_OPTION_COUNT; i++)
    if (strcmp (table[i].key, key) == 0)
      return self->texts[i];
  return NULL;
}

static gboolean
parse_number (const BerthOption *option, const char *flag, const char *text, GVariant **out_value,
              GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, (guint64)option->min, (guint64)option->max, &number,
                                   NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "%s '%.40s': give %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " MiB", flag, text,
                   option->min, option->max);
      return FALSE;
    }
  *out_value = g_variant_new_uint32 ((guint32)number);
  return TRUE;
}

/* *@out_value is floating. */
static gboolean
parse_text (const BerthOption *option, const char *flag, const char *text, GVariant **out_value,
            GError **error)
{
  gint64 number_ms;
  gboolean is_wait = option->kind == BERTH_OPTION_WAIT;

  switch (option->kind)
    {
    case BERTH_OPTION_NUMBER:
      return parse_number (option, flag, text, out_value, error);
    case BERTH_OPTION_MILLISECONDS:
    case BERTH_OPTION_WAIT:
      if (!parse_seconds (flag, text, MAX (option->min, 0) / 1000.0, option->max / 1000.0,
                          &number_ms, error))
        return FALSE;
      *out_value
          = is_wait ? g_variant_new_int64 (number_ms) : g_variant_new_uint32 ((guint32)number_ms);
      return TRUE;
    default:
      if (!berth_option_check_utf8 (flag, text, error))
        return FALSE;
      *out_value = g_variant_new_string (text);
      return TRUE;
    }
}

static gboolean
parse_list (const BerthOption *option, const char *flag, char **texts, GVariant **out_value,
            GError **error)
{
  for (guint i = 0; texts[i] != NULL; i++)
    if (!berth_option_check_utf8 (flag, texts[i], error))
      return FALSE;
  *out_value = g_variant_new_strv ((const char *const *)texts, -1);
  return TRUE;
}

static gboolean
add_option (const BerthOptionValues *self, guint place, GVariantDict *dict, GError **error)
{
  const BerthOption *option = &berth_option_table ()[place];
  g_autofree char *flag = option->short_flag != '\0' ? g_strdup_printf ("-%c", option->short_flag)
                                                     : g_strdup_printf ("--%s", option->flag);
  g_autofree char *problem = NULL;
  GVariant *value = self->flags[place] ? g_variant_new_boolean (TRUE) : NULL;

  if (value == NULL
      && !(self->lists[place] != NULL
               ? parse_list (option, flag, self->lists[place], &value, error)
               : parse_text (option, flag, self->texts[place], &value, error)))
    return FALSE;
  problem = berth_option_dup_problem (option, value);
  g_variant_dict_insert_value (dict, option->key, value);
  if (problem != NULL)
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s: %s", flag, problem);
  return problem == NULL;
}

static gboolean
add_given (const BerthOptionValues *self, BerthOptionSet set, GVariantDict *dict, GError **error)
{
  const BerthOption *table = berth_option_table ();

  for (guint i = 0; i < BERTH_OPTION_COUNT; i++)
    {
      gboolean is_given = self->texts[i] != NULL || self->lists[i] != NULL || self->flags[i];

      /* what -l names may be a file's language, too: berth-cli-source.c makes a template of it */
      if (is_given && (table[i].set & set) != 0 && strcmp (table[i].key, "template") != 0
          && table[i].kind != BERTH_OPTION_PORTS /* they are listened at: berth-cli-ports.c */
          && !add_option (self, i, dict, error))
        return FALSE;
    }
  return TRUE;
}

/**
 * berth_option_values_add_sandbox:
 * @self: values
 * @dict: gets what makes a sandbox, but for its template
 *
 * Returns: whether they make sense
 */
gboolean
berth_option_values_add_sandbox (const BerthOptionValues *self, GVariantDict *dict, GError **error)
{
  if (self->no_wait && berth_option_values_get (self, "wait_ms") != NULL)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "--no-wait and --wait-timeout exclude each other: give one");
      return FALSE;
    }
  if (self->no_wait)
    g_variant_dict_insert (dict, "wait_ms", "x", (gint64)0);
  return add_given (self, BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_SESSION, dict, error);
}

/**
 * berth_option_values_add_exec:
 * @self: values
 * @code: the program
 * @dict: gets what runs a program
 *
 * Returns: whether it may be run
 */
gboolean
berth_option_values_add_exec (const BerthOptionValues *self, GBytes *code, GVariantDict *dict,
                              GError **error)
{
  g_auto (GVariantDict) program = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) values = NULL;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_dict_insert_value (&program, "code",
                               g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, code, TRUE));
  if (!add_given (self, BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_BACKGROUND, &program, error))
    return FALSE;
  values = g_variant_ref_sink (g_variant_dict_end (&program));
  if (!berth_option_check_program (values, error))
    return FALSE;
  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    g_variant_dict_insert_value (dict, key, value);
  return TRUE;
}
