/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ps, logs, attach, wait and kill: what a sandbox has in the background. */
#include <math.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-printable.h"
#include "plugin/cli/berth-cli-attend.h"
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-streams.h"
#include "plugin/cli/berth-cli-table.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "pool/berth-error.h"

#define SIGNAL_MAX 64
#define COMMAND_SHOWN 60 /* characters */

const BerthVerbHelp berth_ps_help = {
  .synopsis = "ID",
  .summary = "Lists what a sandbox has in the background, and what of it has ended.",
  .description
  = "EXEC is the number that 'berth exec -d' printed. Of what has ended, the last 16\n"
    "are known. Of a program with a terminal, STATE says whether somebody is attached to it\n"
    "or it is detached.\n\nExample:\n  berth ps $id --json | jq -r '.[].state'",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 1,
};

const BerthVerbHelp berth_logs_help = {
  .synopsis = "ID EXEC",
  .summary = "Prints what an exec in the background has written, as far as it is kept.",
  .description
  = "Of each, the newest is kept (--log); what fell out is said. Its standard output and error "
    "come\n"
    "as they were written, each to its own; to a terminal, without what one would answer to.\n\n"
    "Exit status: 0, 2 when there is no such exec, 125 when its sandbox is gone, 130 after "
    "Ctrl-C,\n"
    "which ends the reading alone.\n\nExamples:\n"
    "  berth logs $id 1\n"
    "  berth logs -f --since 10 $id 1",
  .takes = BERTH_TAKES_LOG,
  .max_arguments = 2,
};

const BerthVerbHelp berth_attach_help = {
  .synopsis = "ID EXEC",
  .summary = "Shows what an exec in the background writes from now on, until it ends.",
  .description
  = "One that has a terminal ('berth shell', 'berth exec -T') is shown at yours as you left it, "
    "and\n"
    "you type there; what 'berth shell --help' says of keys holds. One at a time may type: the "
    "next\n"
    "is refused (status 2), and -r lets him look on, until '~d' or Ctrl-C. Full-screen programs\n"
    "draw their screen anew; of others, the newest of what was shown comes again.\n\n"
    "Exit status: the program's own, as of 'berth exec'; 0 after '~d'; 130 after Ctrl-C, which\n"
    "ends the showing alone.\n\nExamples:\n"
    "  berth attach $id 1\n"
    "  exec=$(berth exec -d -i -x $id cat)\n"
    "  echo hello | berth attach -i $id $exec",
  .takes = BERTH_TAKES_STDIN,
  .max_arguments = 2,
};

const BerthVerbHelp berth_wait_help = {
  .synopsis = "ID EXEC",
  .summary = "Waits for the end of an exec in the background.",
  .description
  = "It may be waited for as often as one likes, also when it has ended.\n\n"
    "Exit status: the program's own, as of 'berth exec'; 2 when there is no such exec.\n"
    "\nExample:\n  berth wait --json $id 1 | jq .exit_code",
  .takes = BERTH_TAKES_JSON,
  .max_arguments = 2,
};

const BerthVerbHelp berth_kill_help = {
  .synopsis = "ID EXEC",
  .summary = "Ends an exec in the background, or sends it a signal.",
  .description
  = "All of its processes get the signal. One that has ended gets none, and that is no error.\n\n"
    "Exit status: 0, 2 when there is no such exec.\n\nExamples:\n"
    "  berth kill $id 1\n"
    "  berth kill -s HUP $id 1",
  .takes = BERTH_TAKES_SIGNAL,
  .max_arguments = 2,
};

/* One call of these verbs */
typedef struct
{
  BerthOptionValues values;
  BerthClient *client; /* nullable */
  const char *id;
  guint32 exec;
  GVariantDict options; /* of Attach */
} Verb;

static void
verb_clear (Verb *self)
{
  berth_option_values_clear (&self->values);
  berth_client_free (self->client);
  g_variant_dict_clear (&self->options);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verb, verb_clear)

static gboolean
verb_take_arguments (Verb *self, const BerthVerbHelp *help, int argc, char **argv, GError **error)
{
  guint64 number = 0;

  if (argc < help->max_arguments + 1)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%s? '%s %s'",
                   argc < 2 ? "which sandbox" : "which exec", g_get_prgname (), help->synopsis);
      return FALSE;
    }
  self->id = argv[1];
  if (!berth_option_check_utf8 ("an id", self->id, error))
    return FALSE;
  if (help->max_arguments < 2)
    return TRUE;
  if (!g_ascii_string_to_unsigned (argv[2], 10, 1, G_MAXUINT32, &number, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "'%.40s' is no number of an exec: 'berth ps ID' shows them", argv[2]);
      return FALSE;
    }
  self->exec = (guint32)number;
  return TRUE;
}

static gboolean
verb_begin (Verb *self, const BerthVerbHelp *help, int argc, char **argv, GError **error)
{
  g_variant_dict_init (&self->options, NULL);
  return berth_option_values_parse (&self->values, help, &argc, &argv, error)
         && verb_take_arguments (self, help, argc, argv, error)
         && (self->client = berth_client_new (self->values.socket, error)) != NULL;
}

/* ---- ps ---- */

/* What a guest says it runs goes to a terminal. */
static char *
dup_command (const char *text)
{
  g_autofree char *shown
      = g_utf8_substring (text, 0, MIN (g_utf8_strlen (text, -1), COMMAND_SHOWN));

  return berth_printable_dup (g_strdelimit (shown, "\n\r\t", ' '), FALSE);
}

/* A row as a person reads it: how it ended in a word */
static GVariant *
make_row (GVariant *exec)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (exec);
  g_autofree char *text = NULL;
  const char *command = "";
  gint32 exit_code = 0;
  gboolean timed_out = FALSE;
  gboolean is_attached = FALSE;
  const char *state = "";

  g_variant_lookup (exec, "state", "&s", &state);
  if (g_str_equal (state, "running") && g_variant_lookup (exec, "attached", "b", &is_attached))
    g_variant_dict_insert (&dict, "state", "s", is_attached ? "attached" : "detached");
  g_variant_lookup (exec, "command", "&s", &command);
  text = dup_command (command);
  g_variant_dict_insert (&dict, "command", "s", text);
  g_variant_lookup (exec, "timed_out", "b", &timed_out);
  if (timed_out)
    g_variant_dict_insert (&dict, "status", "s", "time ran out");
  else if (g_variant_lookup (exec, "exit_code", "i", &exit_code))
    g_variant_dict_insert (&dict, "status", "i", exit_code);
  return g_variant_dict_end (&dict);
}

static char *
dup_table (GVariant *execs)
{
  static const char *const heads[]
      = { "EXEC", "STATE", "AGE", "CPU ms", "MEM MiB", "STATUS", "COMMAND", NULL };
  static const char *const keys[]
      = { "exec", "state", "age_s", "cpu_ms", "memory_mb", "status", "command", NULL };
  GVariantBuilder rows = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) shown = NULL;

  for (gsize i = 0; i < g_variant_n_children (execs); i++)
    {
      g_autoptr (GVariant) exec = g_variant_get_child_value (execs, i);

      g_variant_builder_add_value (&rows, make_row (exec));
    }
  shown = g_variant_ref_sink (g_variant_builder_end (&rows));
  return berth_table_of (shown, heads, keys, "");
}

/**
 * berth_verb_ps:
 * @argc: of @argv
 * @argv: options and a sandbox id
 *
 * Returns: the exit status
 */
int
berth_verb_ps (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) execs = NULL;
  g_autofree char *text = NULL;

  if (verb_begin (&self, &berth_ps_help, argc, argv, &error))
    reply = berth_client_call (self.client, "Execs", g_variant_new ("(s)", self.id), "(aa{sv})",
                               NULL, &error);
  if (reply == NULL)
    {
      if (self.values.json)
        berth_report_json (berth_report_failure_object (error));
      return berth_client_report (self.client, error);
    }
  execs = g_variant_get_child_value (reply, 0);
  if (self.values.json)
    return berth_report_json (execs);
  text = dup_table (execs);
  return berth_report_text (text);
}

/* ---- logs, attach, wait ---- */

static GVariant *
call_attach (Verb *self, GUnixFDList *fds, GError **error)
{
  g_autoptr (GVariant) reply = berth_client_call (
      self->client, "Attach",
      g_variant_new ("(su@a{sv})", self->id, self->exec, g_variant_dict_end (&self->options)),
      "(a{sv})", fds, error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static GVariant *
attach (Verb *self, BerthStreamsKind kinds, GError **error)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (BerthStreams) streams
      = berth_streams_new (kinds | BERTH_STREAMS_UNANSWERED, fds, &self->options, error);
  g_autoptr (GVariant) result = NULL;

  if (streams == NULL)
    return NULL;
  berth_streams_start (streams);
  result = call_attach (self, g_steal_pointer (&fds), error);
  if (!berth_streams_finish (streams, berth_client_get_last_words_us (self->client),
                             result != NULL ? error : NULL))
    return NULL;
  return g_steal_pointer (&result);
}

static void
tell_lost (GVariant *result)
{
  g_autofree char *text = NULL;
  g_autofree char *size = NULL;
  guint64 lost = 0;

  g_variant_lookup (result, "lost_bytes", "t", &lost);
  if (lost == 0)
    return;
  size = g_format_size (lost);
  text = g_strdup_printf ("%s of its output fell out before: 'berth exec -d --log MB' keeps more",
                          size);
  berth_report_note (text);
}

/* Back from now, or a time */
static gboolean
parse_since (const char *text, gint64 *out_us, GError **error)
{
  g_autoptr (GDateTime) time = NULL;
  char *end = NULL;
  double seconds = g_ascii_strtod (text, &end);

  if (end != text && *end == '\0' && isfinite (seconds) && seconds >= 0 && seconds <= 1e9)
    {
      *out_us = g_get_real_time () - (gint64)(seconds * 1e6);
      return TRUE;
    }
  time = g_date_time_new_from_iso8601 (text, NULL);
  if (time != NULL)
    {
      *out_us = g_date_time_to_unix (time) * G_USEC_PER_SEC + g_date_time_get_microsecond (time);
      return TRUE;
    }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "--since '%.40s': give seconds ago, or a time as 2026-07-28T12:00:00Z", text);
  return FALSE;
}

/**
 * berth_verb_logs:
 * @argc: of @argv
 * @argv: options, a sandbox id and an exec's number
 *
 * Returns: the exit status
 */
int
berth_verb_logs (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;
  gint64 since_us = 0;

  if (verb_begin (&self, &berth_logs_help, argc, argv, &error)
      && (self.values.since == NULL || parse_since (self.values.since, &since_us, &error)))
    {
      g_variant_dict_insert (&self.options, "follow", "b", self.values.follows);
      g_variant_dict_insert (&self.options, "since", "x", since_us);
      result = attach (&self, BERTH_STREAMS_OUTPUT, &error);
    }
  if (result == NULL)
    return berth_client_report (self.client, error);
  tell_lost (result);
  return BERTH_EXIT_OK;
}

/* Whether it has a terminal, and so have we */
static gboolean
find_terminal (Verb *self, gboolean *out_is_terminal, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariantIter) iter = NULL;
  GVariant *next;

  *out_is_terminal = FALSE;
  if (!isatty (STDIN_FILENO))
    return TRUE;
  reply = berth_client_call (self->client, "Execs", g_variant_new ("(s)", self->id), "(aa{sv})",
                             NULL, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(aa{sv})", &iter);
  while ((next = g_variant_iter_next_value (iter)) != NULL)
    {
      g_autoptr (GVariant) exec = next;
      const char *kind = "";
      guint32 number = 0;

      g_variant_lookup (exec, "exec", "u", &number);
      g_variant_lookup (exec, "kind", "&s", &kind);
      *out_is_terminal |= number == self->exec && g_str_equal (kind, "terminal");
    }
  return TRUE;
}

static GVariant *
attach_streams (Verb *self, GError **error)
{
  BerthStreamsKind kinds
      = BERTH_STREAMS_OUTPUT | (self->values.interactive ? BERTH_STREAMS_INPUT : 0);

  if (self->values.interactive && !berth_streams_check_stdin (error))
    return NULL;
  g_variant_dict_insert (&self->options, "follow", "b", TRUE);
  g_variant_dict_insert (&self->options, "since", "x", g_get_real_time ());
  return attach (self, kinds, error);
}

/**
 * berth_verb_attach:
 * @argc: of @argv
 * @argv: options, a sandbox id and an exec's number
 *
 * Returns: the exit status
 */
int
berth_verb_attach (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;
  gboolean is_terminal;

  if (verb_begin (&self, &berth_attach_help, argc, argv, &error)
      && find_terminal (&self, &is_terminal, &error))
    result = is_terminal
                 ? berth_attend_to (self.client, self.id, self.exec, self.values.only_looks, &error)
                 : attach_streams (&self, &error);
  if (result == NULL)
    return berth_client_report (self.client, error);
  if (berth_report_left (result))
    return BERTH_EXIT_OK;
  if (!is_terminal)
    tell_lost (result);
  return berth_report_status_of_result (result);
}

/**
 * berth_verb_wait:
 * @argc: of @argv
 * @argv: options, a sandbox id and an exec's number
 *
 * Returns: the exit status
 */
int
berth_verb_wait (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) result = NULL;
  int status;

  if (verb_begin (&self, &berth_wait_help, argc, argv, &error))
    {
      g_variant_dict_insert (&self.options, "follow", "b", TRUE);
      result = call_attach (&self, NULL, &error);
    }
  if (self.values.json)
    {
      status = berth_report_json (berth_report_result_object (result, error));
      if (status != BERTH_EXIT_OK)
        return status;
    }
  return result != NULL ? berth_report_status_of_result (result)
                        : berth_client_report (self.client, error);
}

/* ---- kill ---- */

static gboolean
parse_signal (const char *text, guint32 *out_number, GError **error)
{
  const char *name = g_ascii_strncasecmp (text, "SIG", 3) == 0 ? text + 3 : text;
  guint64 number = 0;

  if (g_ascii_string_to_unsigned (text, 10, 1, SIGNAL_MAX, &number, NULL))
    {
      *out_number = (guint32)number;
      return TRUE;
    }
  for (int i = 1; i < NSIG; i++)
    if (sigabbrev_np (i) != NULL && g_ascii_strcasecmp (sigabbrev_np (i), name) == 0)
      {
        *out_number = (guint32)i;
        return TRUE;
      }
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "-s '%.40s': give the name of a signal, as TERM, or its number, 1 to %d", text,
               SIGNAL_MAX);
  return FALSE;
}

/**
 * berth_verb_kill:
 * @argc: of @argv
 * @argv: options, a sandbox id and an exec's number
 *
 * Returns: the exit status
 */
int
berth_verb_kill (int argc, char **argv)
{
  g_auto (Verb) self = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  guint32 number = 0;

  if (verb_begin (&self, &berth_kill_help, argc, argv, &error)
      && (self.values.signal == NULL || parse_signal (self.values.signal, &number, &error)))
    reply = berth_client_call (self.client, "Signal",
                               g_variant_new ("(suu)", self.id, self.exec, number), "()", NULL,
                               &error);
  return reply != NULL ? BERTH_EXIT_OK : berth_client_report (self.client, error);
}
