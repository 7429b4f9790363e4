/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session in a sandbox: create, exec with live output, files, destroy.
 *
 *   cc sandbox.c $(pkg-config --cflags --libs berth-1.0) -o sandbox
 */
#include <berth.h>
#include <stdio.h>

#define CODE "for i in 1 2 3; do echo step $i; sleep 0.1; done; exit $STATUS"

typedef struct
{
  BerthResult *result;
  GError *error;
  gboolean exec_done;
  gboolean output_done;
} Session;

static void
exec_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;

  session->result = berth_client_exec_finish (BERTH_CLIENT (source), result, &session->error);
  session->exec_done = TRUE;
}

static void
line_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Session *session = user_data;
  GDataInputStream *lines = G_DATA_INPUT_STREAM (source);
  g_autofree char *line = g_data_input_stream_read_line_finish (lines, result, NULL, NULL);

  session->output_done = line == NULL;
  if (line == NULL)
    return;
  printf ("%s\n", line);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, line_cb, session);
}

/* The program runs and its output is read at the same time, so both are asynchronous. */
static gboolean
exec_live (BerthClient *client, const char *sandbox, GError **error)
{
  const char *environment[] = { "STATUS=3", NULL };
  g_autoptr (BerthProgram) program = berth_program_new (CODE);
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, error);
  g_autoptr (GDataInputStream) lines = NULL;
  Session session = { 0 };

  if (output == NULL)
    return FALSE;
  berth_program_set_timeout_ms (program, 60000);
  berth_program_set_environment (program, environment);
  lines = g_data_input_stream_new (output);
  berth_client_exec_async (client, sandbox, program, NULL, exec_cb, &session);
  g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, line_cb, &session);
  while (!session.exec_done || !session.output_done)
    g_main_context_iteration (NULL, TRUE);
  if (session.result == NULL)
    {
      g_propagate_error (error, session.error);
      return FALSE;
    }
  printf ("exit status %d\n", berth_result_get_exit_code (session.result));
  berth_result_free (session.result);
  return TRUE;
}

static gboolean
has_file (BerthClient *client, const char *sandbox, const char *wanted)
{
  g_autoptr (GVariant) entries = berth_client_list_files (client, sandbox, ".", NULL, NULL, NULL);

  for (gsize i = 0; entries != NULL && i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      const char *name;

      if (g_variant_lookup (entry, "name", "^&ay", &name) && g_str_equal (name, wanted))
        return TRUE;
    }
  return FALSE;
}

static gboolean
exec_on_files (BerthClient *client, const char *sandbox, GError **error)
{
  g_autoptr (GBytes) input = g_bytes_new_static ("six times seven", 15);
  g_autoptr (BerthProgram) program = berth_program_new ("tr a-z A-Z < in.txt | tee out.txt");
  g_autoptr (BerthResult) result = NULL;
  g_autoptr (GBytes) output = NULL;

  if (!berth_client_put_file (client, sandbox, "in.txt", input, 0, NULL, error))
    return FALSE;
  result = berth_client_exec (client, sandbox, program, NULL, error);
  if (result == NULL)
    return FALSE;
  printf ("output %s\n", berth_result_get_stdout (result));
  output = berth_client_get_file (client, sandbox, "out.txt", 0, NULL, error);
  if (output == NULL)
    return FALSE;
  printf ("out.txt %.*s %s\n", (int)g_bytes_get_size (output),
          (const char *)g_bytes_get_data (output, NULL),
          has_file (client, sandbox, "out.txt") ? "true" : "false");
  return TRUE;
}

static gboolean
work (BerthClient *client, GError **error)
{
  g_autoptr (BerthSpec) spec = berth_spec_new ("shell");
  g_autofree char *sandbox = NULL;
  gboolean ok;

  berth_spec_set_tenant (spec, "example");
  sandbox = berth_client_create (client, spec, NULL, error);
  if (sandbox == NULL)
    return FALSE;
  printf ("created\n");
  ok = exec_live (client, sandbox, error) && exec_on_files (client, sandbox, error);
  if (!berth_client_destroy (client, sandbox, NULL, ok ? error : NULL))
    return FALSE;
  printf ("destroyed\n");
  return ok;
}

int
main (void)
{
  g_autoptr (BerthClient) client = berth_client_new (NULL);
  g_autoptr (GError) error = NULL;

  if (work (client, &error))
    return 0;
  fprintf (stderr, "%s: %s\n", berth_error_get_code (error), error->message);
  if (berth_error_is_retryable (error))
    fprintf (stderr, "nothing was done: try again later\n");
  return 1;
}
