/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the command tells what happened: which exit status an error has, and which keys the JSON
 * object of a run always has. */
#include "plugin/cli/berth-cli-report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-json.h"
#include "plugin/base/berth-printable.h"
#include "plugin/cli/berth-cli-raw.h"
#include "pool/berth-error.h"

/**
 * berth_report_status_of_error:
 * @error: what went wrong
 *
 * Returns: the exit status that says so
 */
int
berth_report_status_of_error (const GError *error)
{
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return BERTH_EXIT_SIGNAL_BASE + SIGINT;
  if (error->domain != BERTH_ERROR)
    return BERTH_EXIT_FAILED;
  switch ((BerthError)error->code)
    {
    case BERTH_ERROR_INVALID:
      return BERTH_EXIT_INVALID;
    case BERTH_ERROR_NO_CAPACITY:
    case BERTH_ERROR_WAIT_TIMED_OUT:
    case BERTH_ERROR_QUEUE_FULL:
      return BERTH_EXIT_CAPACITY;
    default:
      return BERTH_EXIT_FAILED;
    }
}

/**
 * berth_report_error:
 * @error: what went wrong
 *
 * Writes it to stderr.
 *
 * Returns: the exit status
 */
int
berth_report_error (const GError *error)
{
  berth_report_note (error->message);
  return berth_report_status_of_error (error);
}

/**
 * berth_report_note:
 * @text: for a person
 *
 * Writes it to stderr, as berth's own words.
 */
void
berth_report_note (const char *text)
{
  g_autofree char *printable = berth_printable_dup (text, FALSE);

  fprintf (stderr, "berth: %s\n", printable);
}

/**
 * berth_report_die_of_broken_pipe:
 *
 * Ends the process as any tool ends whose reader went away. GIO ignores the signal, so it is
 * raised by hand. berthd sees the connection close and ends the program.
 */
void
berth_report_die_of_broken_pipe (void)
{
  berth_raw_restore ();
  signal (SIGPIPE, SIG_DFL);
  raise (SIGPIPE);
  _exit (BERTH_EXIT_SIGNAL_BASE + SIGPIPE);
}

/**
 * berth_report_text:
 * @text: for stdout
 *
 * Returns: the exit status: whether @text got out
 */
int
berth_report_text (const char *text)
{
  gsize length = strlen (text);

  if (fwrite (text, 1, length, stdout) == length && fflush (stdout) == 0)
    return BERTH_EXIT_OK;
  if (errno == EPIPE)
    berth_report_die_of_broken_pipe ();
  fprintf (stderr, "berth: standard output: %s\n", g_strerror (errno));
  return BERTH_EXIT_FAILED;
}

/**
 * berth_report_json:
 * @value: sunk if it floats
 *
 * Writes it to stdout, a line.
 *
 * Returns: the exit status: whether it got out
 */
int
berth_report_json (GVariant *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autofree char *json = berth_json_from_variant (owned);
  g_autofree char *line = g_strconcat (json, "\n", NULL);

  return berth_report_text (line);
}

/**
 * berth_report_error_to_variant:
 * @error: (nullable): what went wrong
 *
 * Returns: (transfer floating): code, message, retryable; or an empty maybe
 */
GVariant *
berth_report_error_to_variant (const GError *error)
{
  g_autofree char *message = NULL;
  GVariantDict dict;

  if (error == NULL)
    return g_variant_new_maybe (G_VARIANT_TYPE_VARDICT, NULL);
  /* a message may name a file, whose name is bytes */
  message = g_utf8_make_valid (error->message, -1);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "code", "s", berth_error_get_code (error));
  g_variant_dict_insert (&dict, "message", "s", message);
  g_variant_dict_insert (&dict, "retryable", "b", berth_error_is_retryable (error));
  return g_variant_new_maybe (NULL, g_variant_dict_end (&dict));
}

/**
 * berth_report_failure_object:
 * @error: what went wrong
 *
 * Returns: (transfer floating): with --json, the one value of a verb that has nothing else to say
 */
GVariant *
berth_report_failure_object (const GError *error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "error", berth_report_error_to_variant (error));
  return g_variant_builder_end (&builder);
}

typedef enum
{
  ABSENT_NULL,
  ABSENT_FALSE,
  ABSENT_EMPTY,
} Absent;

typedef struct
{
  const char *key;
  const char *bytes; /* key of what it was where it was no string, or NULL */
  Absent absent;
  const char *const *inner; /* keys of the dictionary that it is, or NULL */
} ResultKey;

static const char *const timing_keys[]
    = { "wait_ms", "claim_ms",   "start_ms", "spawn_ms", "connect_ms",
        "exec_ms", "destroy_ms", "total_ms", NULL };
static const char *const network_keys[]
    = { "connections", "refused", "sent_bytes", "received_bytes", NULL };
static const char *const usage_keys[] = { "cpu_ms", "memory_peak_mb", NULL };

/* contract.md's result object; "error" stands between these two. */
static const ResultKey result_head[] = {
  { "stdout", "stdout_bytes", ABSENT_EMPTY, NULL },
  { "stderr", "stderr_bytes", ABSENT_EMPTY, NULL },
  { "exit_code", NULL, ABSENT_NULL, NULL },
  { "timed_out", NULL, ABSENT_FALSE, NULL },
  { "oom", NULL, ABSENT_FALSE, NULL },
  { "stdout_truncated", NULL, ABSENT_FALSE, NULL },
  { "stderr_truncated", NULL, ABSENT_FALSE, NULL },
};
static const ResultKey result_tail[] = {
  { "template", NULL, ABSENT_NULL, NULL },
  { "sandbox_id", NULL, ABSENT_NULL, NULL },
  { "warm_hit", NULL, ABSENT_FALSE, NULL },
  { "start", NULL, ABSENT_NULL, NULL },
  { "timing", NULL, ABSENT_NULL, timing_keys },
  { "usage", NULL, ABSENT_NULL, usage_keys },
  { "network", NULL, ABSENT_NULL, network_keys },
  { "destroy_unconfirmed", NULL, ABSENT_FALSE, NULL },
};

static GVariant *
absent_value (Absent absent)
{
  if (absent == ABSENT_FALSE)
    return g_variant_new_boolean (FALSE);
  if (absent == ABSENT_EMPTY)
    return g_variant_new_string ("");
  return g_variant_new_maybe (G_VARIANT_TYPE_STRING, NULL);
}

static void
add_or_null (GVariantBuilder *builder, GVariant *dictionary, const char *key, const char *bytes,
             Absent absent)
{
  g_autoptr (GVariant) value = NULL;

  if (dictionary != NULL && bytes != NULL)
    value = g_variant_lookup_value (dictionary, bytes, G_VARIANT_TYPE_BYTESTRING);
  if (dictionary != NULL && value == NULL)
    value = g_variant_lookup_value (dictionary, key, NULL);
  g_variant_builder_add (builder, "{sv}", key, value != NULL ? value : absent_value (absent));
}

static void
add_key (GVariantBuilder *builder, GVariant *result, const ResultKey *key)
{
  GVariantBuilder inner = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) dictionary = NULL;

  if (key->inner == NULL)
    {
      add_or_null (builder, result, key->key, key->bytes, key->absent);
      g_variant_builder_clear (&inner);
      return;
    }
  if (result != NULL)
    dictionary = g_variant_lookup_value (result, key->key, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; key->inner[i] != NULL; i++)
    add_or_null (&inner, dictionary, key->inner[i], NULL, ABSENT_NULL);
  g_variant_builder_add (builder, "{sv}", key->key, g_variant_builder_end (&inner));
}

/**
 * berth_report_left:
 * @result: of a program at our terminal
 *
 * Says so where we have left it and it goes on.
 *
 * Returns: whether that is so
 */
gboolean
berth_report_left (GVariant *result)
{
  gboolean is_running = FALSE;
  const char *note;

  g_variant_lookup (result, "running", "b", &is_running);
  if (is_running && g_variant_lookup (result, "note", "&s", &note))
    berth_report_note (note);
  return is_running;
}

/**
 * berth_report_status_of_result:
 * @result: a{sv}, what berthd answered
 *
 * Returns: the program's own status, or 124 where its time ran out and it has none
 */
int
berth_report_status_of_result (GVariant *result)
{
  gint32 exit_code;

  if (g_variant_lookup (result, "exit_code", "i", &exit_code))
    return exit_code & 0xff;
  return BERTH_EXIT_TIMED_OUT;
}

/**
 * berth_report_result_object:
 * @result: (nullable): a{sv}, what berthd answered
 * @error: (nullable): what went wrong instead
 *
 * Returns: (transfer floating): an object that has every key, whatever happened
 */
GVariant *
berth_report_result_object (GVariant *result, const GError *error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < G_N_ELEMENTS (result_head); i++)
    add_key (&builder, result, &result_head[i]);
  g_variant_builder_add (&builder, "{sv}", "error", berth_report_error_to_variant (error));
  for (guint i = 0; i < G_N_ELEMENTS (result_tail); i++)
    add_key (&builder, result, &result_tail[i]);
  return g_variant_builder_end (&builder);
}
