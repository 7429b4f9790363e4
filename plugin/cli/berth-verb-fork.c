/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fork: sandboxes that begin as copies of one. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-pipe.h"
#include "plugin/cli/berth-cli-client.h"
#include "plugin/cli/berth-cli-options.h"
#include "plugin/cli/berth-cli-report.h"
#include "plugin/cli/berth-cli-verbs.h"
#include "plugin/model/berth-limits.h"
#include "pool/berth-error.h"

const BerthVerbHelp berth_fork_help = {
  .synopsis = "ID",
  .summary = "Makes sandboxes that go on from where this one is, and prints their ids.",
  .description
  = "Variables, files and processes are theirs from that moment on, the sandbox itself goes on\n"
    "after a pause of a part of a second. Each new one has random numbers, a clock and a hostname\n"
    "of its own before anything runs in it. At capacity those that fit are made and printed now,\n"
    "and the others as places for them come; with --all all of them are made, or none.\n"
    "What runs goes on in each in the background (berth ps), also what somebody waits for, who\n"
    "stays with the sandbox itself. Connections to its ports end in the copies.\n"
    "With --checkpoint they go on from that, also when the sandbox itself is gone.\n\n"
    "Exit status: 0, 126 when berth is at capacity and you would not wait, 125 when one of them\n"
    "could not be made, 2 when the request is wrong. What was printed is there all the same.\n\n"
    "Examples:\n"
    "  berth fork $id\n"
    "  for child in $(berth fork $id -n 8); do berth exec $child 'x += 1; print(x)'; done",
  .takes = BERTH_TAKES_COUNT | BERTH_TAKES_JSON,
  .max_arguments = 1,
};

/* One call */
typedef struct
{
  BerthOptionValues values;
  GString *ids; /* that have come, a line each */
  int pipe;     /* from which they come; -1: all of them with the answer */
  guint pipe_id;
  gboolean is_shown; /* each as it comes */
  int status;
} Verb;

static void
verb_clear (Verb *self)
{
  g_clear_handle_id (&self->pipe_id, g_source_remove);
  if (self->pipe >= 0)
    close (self->pipe);
  g_string_free (self->ids, TRUE);
  berth_option_values_clear (&self->values);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Verb, verb_clear)

/* As read(2) */
static gssize
take_ids (Verb *self)
{
  char lines[4096];
  gssize length = read (self->pipe, lines, sizeof lines - 1);

  if (length <= 0)
    return length;
  lines[length] = '\0';
  g_string_append (self->ids, lines);
  if (self->is_shown)
    self->status = berth_report_text (lines);
  return length;
}

static gboolean
ids_cb (gint fd, GIOCondition condition, gpointer user_data)
{
  Verb *self = user_data;
  gssize length = take_ids (self);

  if (length > 0 || (length < 0 && (errno == EINTR || errno == EAGAIN)))
    return G_SOURCE_CONTINUE;
  self->pipe_id = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
open_pipe (Verb *self, GUnixFDList *fds, GVariantDict *options, GError **error)
{
  int ends[2];

  if (pipe2 (ends, O_CLOEXEC) != 0)
    {
      berth_errno_set (error, errno, "this process");
      return FALSE;
    }
  self->pipe = ends[0];
  g_unix_set_fd_nonblocking (self->pipe, TRUE, NULL);
  self->pipe_id = g_unix_fd_add (self->pipe, G_IO_IN | G_IO_HUP, ids_cb, self);
  if (berth_pipe_hand_over (&ends[1], "ids", options, fds, error))
    return TRUE;
  close (ends[1]);
  return FALSE;
}

static gboolean
add_options (Verb *self, GUnixFDList *fds, GVariantDict *options, GError **error)
{
  const char *given = self->values.count;
  guint64 count = 1;

  if (given != NULL && !g_ascii_string_to_unsigned (given, 10, 1, BERTH_LIMIT_FORKS, &count, NULL))
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "--count %s: give 1 to %u", given,
                   BERTH_LIMIT_FORKS);
      return FALSE;
    }
  g_variant_dict_insert (options, "count", "u", (guint32)count);
  if (self->values.checkpoint != NULL
      && !berth_option_check_utf8 ("--checkpoint", self->values.checkpoint, error))
    return FALSE;
  if (self->values.checkpoint != NULL)
    g_variant_dict_insert (options, "checkpoint", "s", self->values.checkpoint);
  if (self->values.no_wait)
    g_variant_dict_insert (options, "wait_ms", "x", G_GINT64_CONSTANT (0));
  return self->values.all_or_none || open_pipe (self, fds, options, error);
}

/* What berthd has written is there, whatever it answered; nobody else has the pipe's other end. */
static void
take_answer (Verb *self, GVariant *reply)
{
  g_auto (GStrv) ids = NULL;

  while (self->pipe >= 0 && take_ids (self) > 0)
    ;
  if (reply == NULL || self->pipe >= 0)
    return;
  g_variant_get (reply, "(^as)", &ids);
  for (guint i = 0; ids[i] != NULL; i++)
    g_string_append_printf (self->ids, "%s\n", ids[i]);
  if (self->is_shown)
    self->status = berth_report_text (self->ids->str);
}

static gboolean
ask_fork (Verb *self, const char *id, int *out_signal, GError **error)
{
  g_auto (GVariantDict) options = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (BerthClient) client = NULL;
  g_autoptr (GVariant) reply = NULL;

  if (!berth_option_check_utf8 ("an id", id, error) || !add_options (self, fds, &options, error))
    return FALSE;
  client = berth_client_new (self->values.socket, error);
  if (client == NULL)
    return FALSE;
  reply = berth_client_call (client, "Fork",
                             g_variant_new ("(s@a{sv})", id, g_variant_dict_end (&options)), "(as)",
                             g_steal_pointer (&fds), error);
  *out_signal = berth_client_get_signal (client);
  take_answer (self, reply);
  return reply != NULL;
}

static GVariant *
fork_object (const GString *lines, const GError *error)
{
  g_autofree char *text = g_strndup (lines->str, lines->len > 0 ? lines->len - 1 : 0);
  g_auto (GStrv) ids = g_strsplit (text, "\n", -1);
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "sandbox_ids",
                         g_variant_new_strv ((const char *const *)ids, -1));
  g_variant_builder_add (&builder, "{sv}", "error", berth_report_error_to_variant (error));
  return g_variant_builder_end (&builder);
}

/**
 * berth_verb_fork:
 * @argc: of @argv
 * @argv: options and an id
 *
 * Returns: the exit status
 */
int
berth_verb_fork (int argc, char **argv)
{
  g_auto (Verb) self = { .ids = g_string_new (NULL), .pipe = -1, .status = BERTH_EXIT_OK };
  g_autoptr (GError) error = NULL;
  int signal_number = 0;

  if (berth_option_values_parse (&self.values, &berth_fork_help, &argc, &argv, &error))
    {
      if (argc < 2)
        {
          berth_report_note ("which sandbox? 'berth fork ID'; 'berth list' shows the ids");
          return BERTH_EXIT_INVALID;
        }
      self.is_shown = !self.values.json;
      ask_fork (&self, argv[1], &signal_number, &error);
    }
  if (self.values.json)
    self.status = berth_report_json (fork_object (self.ids, error));
  if (error != NULL)
    self.status = berth_report_error (error);
  return signal_number != 0 ? BERTH_EXIT_SIGNAL_BASE + signal_number : self.status;
}
