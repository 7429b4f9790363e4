/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides what the VM may reach, and which of its words are told. */
#include "plugin/build/berth-build-guest.h"

#include <fcntl.h>
#include <gio/gunixoutputstream.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "plugin/base/berth-printable.h"
#include "pool/berth-error.h"

#define PACKED "out/layer"
#define TOLD_LINES 15u
#define TOLD_COLUMNS 200
#define PIECE (64 * 1024)

struct _BerthBuildGuest
{
  BerthClient *client;
  char *id;
  const char *script;
  guint timeout_ms;
};

/* The name and port of an index's address, as a rule of --allow */
static gboolean
add_index (GStrvBuilder *rules, const char *key, const char *address, GError **error)
{
  g_autoptr (GUri) uri = NULL;
  g_autofree char *rule = NULL;

  if (address == NULL)
    return TRUE;
  uri = g_uri_parse (address, G_URI_FLAGS_SCHEME_NORMALIZE, NULL);
  if (uri == NULL || g_uri_get_host (uri) == NULL || g_uri_get_port (uri) <= 0)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG,
                   "berth.conf: %s=%s: give an address that begins with https:// or http://", key,
                   address);
      return FALSE;
    }
  rule = g_strdup_printf ("%s:%d", g_uri_get_host (uri), g_uri_get_port (uri));
  g_strv_builder_add (rules, rule);
  return TRUE;
}

/* ADDRESS SUITE COMPONENT..., ';' between them, with options of apt in brackets before */
static gboolean
add_archives (GStrvBuilder *rules, const char *archives, GError **error)
{
  g_auto (GStrv) each = g_strsplit (archives != NULL ? archives : "", ";", -1);

  for (guint i = 0; each[i] != NULL; i++)
    {
      const char *bracket = strchr (each[i], ']');
      char *address = g_strstrip ((char *)(bracket != NULL ? bracket + 1 : each[i]));

      if (*address == '\0')
        continue;
      address[strcspn (address, " ")] = '\0';
      if (!add_index (rules, "build_apt", address, error))
        return FALSE;
    }
  return TRUE;
}

/* (transfer full) (nullable): of the indexes whose packages the steps name, and no other */
static GStrv
dup_rules (const BerthBuildSpec *spec, const BerthConfig *config, GError **error)
{
  g_autoptr (GStrvBuilder) rules = g_strv_builder_new ();
  gboolean ok = TRUE;

  for (guint i = 0; ok && i < spec->steps->len; i++)
    {
      const BerthBuildStep *step = spec->steps->pdata[i];

      if (step->kind == BERTH_BUILD_PIP)
        ok = add_index (rules, "build_pip", config->build_pip, error);
      else if (step->kind == BERTH_BUILD_NPM)
        ok = add_index (rules, "build_npm", config->build_npm, error);
      else if (step->kind == BERTH_BUILD_APT)
        ok = add_archives (rules, config->build_apt, error);
    }
  if (config->build_allow != NULL)
    g_strv_builder_addv (rules, (const char **)config->build_allow);
  return ok ? g_strv_builder_end (rules) : NULL;
}

static BerthSpec *
make_spec (const BerthBuildSpec *spec, const char *const *rules)
{
  BerthSpec *sandbox = berth_spec_new (spec->from);

  berth_spec_set_builder (sandbox, TRUE);
  berth_spec_set_attached (sandbox, TRUE);
  berth_spec_set_task (sandbox, "template-build");
  berth_spec_set_memory_mb (sandbox, (guint)spec->build_memory_mb);
  if (rules[0] != NULL)
    berth_spec_set_allow (sandbox, rules);
  return sandbox;
}

BerthBuildGuest *
berth_build_guest_new (BerthClient *client, const BerthBuildSpec *spec, const BerthConfig *config,
                       const char *script, GError **error)
{
  g_auto (GStrv) rules = dup_rules (spec, config, error);
  g_autoptr (BerthSpec) sandbox
      = rules != NULL ? make_spec (spec, (const char *const *)rules) : NULL;
  g_autofree char *id = sandbox != NULL ? berth_client_create (client, sandbox, NULL, error) : NULL;
  BerthBuildGuest *self;

  if (id == NULL)
    return NULL;
  self = g_new0 (BerthBuildGuest, 1);
  self->client = g_object_ref (client);
  self->id = g_steal_pointer (&id);
  self->script = script;
  self->timeout_ms = (guint)spec->timeout_s * 1000;
  return self;
}

void
berth_build_guest_free (BerthBuildGuest *self)
{
  berth_client_destroy (self->client, self->id, NULL, NULL);
  g_object_unref (self->client);
  g_free (self->id);
  g_free (self);
}

/* (transfer full): the last lines, indented, as fit for a terminal as an error's one line is */
static char *
dup_last_lines (const char *text)
{
  g_autofree char *printable = berth_printable_dup (text, TRUE);
  g_auto (GStrv) lines = g_strsplit (g_strchomp (printable), "\n", -1);
  guint n = g_strv_length (lines);
  GString *last = g_string_new (NULL);

  for (guint i = n > TOLD_LINES ? n - TOLD_LINES : 0; i < n; i++)
    {
      g_autofree char *line
          = g_utf8_substring (lines[i], 0, MIN (g_utf8_strlen (lines[i], -1), TOLD_COLUMNS));

      g_string_append_printf (last, "\n  %s", line);
    }
  return g_string_free (last, FALSE);
}

static gboolean
result_check (const BerthResult *result, GError **error)
{
  const char *words = berth_result_get_stderr (result);
  g_autofree char *last = NULL;

  if (berth_result_get_exit_code (result) == 0)
    return TRUE;
  last
      = dup_last_lines (words != NULL && *words != '\0' ? words : berth_result_get_stdout (result));
  if (berth_result_get_timed_out (result))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "its time ran out: -t gives it more%s",
                 last);
  else if (berth_result_get_oom (result))
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                 "it ran out of memory: --build-memory gives it more%s", last);
  else
    g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "it ended with status %d%s",
                 berth_result_get_exit_code (result), last);
  return FALSE;
}

static BerthProgram *
make_program (BerthBuildGuest *self, const BerthBuildStep *step, const char *const *words)
{
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();
  g_autoptr (GStrvBuilder) env = g_strv_builder_new ();
  g_autofree char *user = g_strconcat ("BUILD_USER=", step != NULL ? step->user : "root", NULL);
  g_auto (GStrv) arguments = NULL;
  g_auto (GStrv) environment = NULL;
  BerthProgram *program;

  g_strv_builder_add_many (argv, "/bin/sh", "-c", self->script, "berth-build", NULL);
  g_strv_builder_addv (argv, (const char **)words);
  arguments = g_strv_builder_end (argv);
  g_strv_builder_add (env, user);
  if (step != NULL)
    g_strv_builder_addv (env, (const char **)step->env);
  environment = g_strv_builder_end (env);
  program = berth_program_new_for_command ((const char *const *)arguments);
  berth_program_set_environment (program, (const char *const *)environment);
  berth_program_set_timeout_ms (program, self->timeout_ms);
  return program;
}

/* A file, into the pipe that berthd takes of it */
typedef struct
{
  int from;
  int to;
} Pump;

static gpointer
pump_thread (gpointer data)
{
  Pump *self = data;
  g_autofree char *piece = g_malloc (PIECE);
  ssize_t size;
  gboolean ok = TRUE;

  while (ok && (size = read (self->from, piece, PIECE)) > 0)
    for (ssize_t at = 0, written; ok && at < size; at += written)
      {
        written = write (self->to, piece + at, (size_t)(size - at));
        ok = written > 0; /* else the step has ended, and its end is told */
      }
  close (self->to);
  return NULL;
}

/* (nullable): @program reads what is in @fd from now on; to be joined when it has ended */
static GThread *
feed (BerthProgram *program, Pump *pump, int fd, GError **error)
{
  int ends[2];
  gboolean ok;

  if (!g_unix_open_pipe (ends, FD_CLOEXEC, error))
    return NULL;
  *pump = (Pump){ .from = fd, .to = ends[1] };
  ok = berth_program_set_stdin_fd (program, ends[0], error);
  close (ends[0]);
  if (ok)
    return g_thread_new ("feed", pump_thread, pump);
  close (ends[1]);
  return NULL;
}

gboolean
berth_build_guest_do (BerthBuildGuest *self, const BerthBuildStep *step, const char *const *words,
                      int input, char **out_text, GError **error)
{
  g_autoptr (BerthProgram) program = make_program (self, step, words);
  g_autoptr (BerthResult) result = NULL;
  GThread *thread = NULL;
  Pump pump;

  if (input >= 0 && (thread = feed (program, &pump, input, error)) == NULL)
    return FALSE;
  result = berth_client_exec (self->client, self->id, program, NULL, error);
  g_clear_object (&program); /* its end of the pipe was the last one */
  if (thread != NULL)
    g_thread_join (thread);
  if (result == NULL || !result_check (result, error))
    return FALSE;
  if (out_text != NULL)
    *out_text = g_strdup (berth_result_get_stdout (result));
  return TRUE;
}

gboolean
berth_build_guest_fetch (BerthBuildGuest *self, int fd, guint64 max_bytes, GError **error)
{
  g_autoptr (GOutputStream) content = g_unix_output_stream_new (fd, FALSE);

  return berth_client_get_stream (self->client, self->id, PACKED, content, max_bytes, NULL, error);
}
