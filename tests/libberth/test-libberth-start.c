/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves what the library promises of the time before a program runs (progress, the console of a
 * boot), and of published ports. */
#include "libberth-fixture.h"

#include <berth-server.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the boot log ---- */

static char *
read_to_end (GInputStream *stream)
{
  g_autoptr (GOutputStream) memory = g_memory_output_stream_new_resizable ();
  g_autoptr (GError) error = NULL;

  g_output_stream_splice (memory, stream, G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_output_stream_write_all (memory, "", 1, NULL, NULL, &error));
  g_assert_true (g_output_stream_close (memory, NULL, &error));
  return g_memory_output_stream_steal_data (G_MEMORY_OUTPUT_STREAM (memory));
}

/* Beside all of the program's own streams, which is as many as a call takes */
static void
test_boot_log (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new ("slow");
  g_autoptr (BerthProgram) program = berth_program_new ("cat; echo err >&2");
  g_autoptr (GInputStream) log = berth_spec_open_boot_log (spec, &error);
  g_autoptr (GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
  g_autoptr (GInputStream) errors = berth_program_open_stderr (program, &error);
  g_autoptr (BerthResult) result = NULL;
  g_autofree char *console = NULL;
  g_autofree char *out = NULL;
  g_autofree char *err = NULL;

  answers_init (&answers);
  g_assert_true (g_output_stream_write_all (input, "in\n", 3, NULL, NULL, &error));
  g_assert_true (g_output_stream_close (input, NULL, &error));
  berth_client_run_async (fixture->client, spec, program, NULL, answered_cb, &answers);
  result = berth_client_run_finish (fixture->client, answers_wait (&answers, 0), &error);
  g_assert_no_error (error);
  console = read_to_end (log);
  out = read_to_end (output);
  err = read_to_end (errors);
  g_assert_cmpstr (console, ==, "it boots\n");
  g_assert_cmpstr (out, ==, "in\n");
  g_assert_cmpstr (err, ==, "err\n");
}

/* One request's: the next one with the same spec has none. */
static void
test_boot_log_descriptor (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new ("slow");
  char text[64] = "";
  int ends[2];

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, &error));
  g_assert_true (berth_spec_set_boot_log_fd (spec, ends[1], &error));
  close (ends[1]);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *id = berth_client_create (fixture->client, spec, NULL, &error);

      g_assert_no_error (error);
    }
  g_assert_cmpint (read (ends[0], text, sizeof text - 1), ==, 9);
  g_assert_cmpstr (text, ==, "it boots\n");
  g_assert_cmpint (read (ends[0], text, sizeof text), ==, 0);
  close (ends[0]);
  g_assert_false (berth_spec_set_boot_log_fd (spec, -1, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
}

/* Whoever reads it sees the end wherever it is that the request ends. */
static void
test_boot_log_ends (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *template_name, *code;
    gboolean is_fine;
  } rows[] = {
    { "shell", "true", TRUE },
    { "not a name!", "true", FALSE }, /* found here */
    { "slow", " ", FALSE },           /* likewise: a mistake in the program */
    { "fail-config", "true", FALSE }, /* found by berthd */
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BerthSpec) spec = berth_spec_new (rows[i].template_name);
      g_autoptr (BerthProgram) program = berth_program_new (rows[i].code);
      g_autoptr (GInputStream) log = berth_spec_open_boot_log (spec, &error);
      g_autoptr (GInputStream) output = berth_program_open_stdout (program, &error);
      g_autoptr (BerthResult) result = NULL;
      g_autofree char *console = NULL;
      g_autofree char *out = NULL;

      result = berth_client_run (fixture->client, spec, program, NULL, &error);
      g_assert_true ((result != NULL) == rows[i].is_fine);
      console = read_to_end (log);
      out = read_to_end (output);
      g_assert_cmpstr (console, ==, "");
      g_assert_cmpstr (out, ==, "");
    }
}

/* ---- progress ---- */

static void
heard_cb (BerthSpec *spec, const char *state, guint position, const char *domain, gpointer data)
{
  GPtrArray *heard = data;

  g_ptr_array_add (heard,
                   g_strdup_printf ("%s %u %s", state, position, domain != NULL ? domain : "-"));
}

static GPtrArray *
listen_to (BerthSpec *spec)
{
  GPtrArray *heard = g_ptr_array_new_with_free_func (g_free);

  g_signal_connect (spec, "progress", G_CALLBACK (heard_cb), heard);
  return heard;
}

static void
wait_for (GPtrArray *heard, const char *text)
{
  guint limit_id = limit_add ();

  while (!g_ptr_array_find_with_equal_func (heard, text, g_str_equal, NULL))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (limit_id);
}

/* From the queue to the program's end, which comes when all was heard */
static void
test_progress (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *first = create (fixture);
  g_autofree char *second = create (fixture);
  g_autoptr (BerthSpec) spec = berth_spec_new ("slow");
  g_autoptr (BerthProgram) program = berth_program_new ("cat");
  g_autoptr (GOutputStream) input = berth_program_open_stdin (program, &error);
  g_autoptr (GPtrArray) heard = listen_to (spec);
  g_autoptr (BerthResult) result = NULL;

  answers_init (&answers);
  berth_client_run_async (fixture->client, spec, program, NULL, answered_cb, &answers);
  wait_for (heard, "waiting 1 -");
  g_assert_true (berth_client_destroy (fixture->client, first, NULL, &error));
  wait_for (heard, "starting 0 berth-slow-1");
  wait_for (heard, "running 0 -");
  g_assert_true (g_output_stream_close (input, NULL, &error));
  result = berth_client_run_finish (fixture->client, answers_wait (&answers, 0), &error);
  g_assert_no_error (error);
  /* each once */
  g_assert_cmpuint (heard->len, ==, 3);
}

static void
cancel_cb (BerthSpec *spec, const char *state, guint position, const char *domain, gpointer data)
{
  g_cancellable_cancel (data);
}

/* A handler may end what it hears of, and a request that ended is not asked about any more. */
static void
test_progress_cancels (Fixture *fixture, gconstpointer data)
{
  g_auto (Answers) answers = { NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *first = create (fixture);
  g_autofree char *second = create (fixture);
  g_autoptr (BerthSpec) spec = berth_spec_new (NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_signal_connect (spec, "progress", G_CALLBACK (cancel_cb), cancellable);
  answers_init (&answers);
  berth_client_create_async (fixture->client, spec, cancellable, answered_cb, &answers);
  g_assert_null (berth_client_create_finish (fixture->client, answers_wait (&answers, 0), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* A call that waits, to a berthd in this process: its handlers run in this thread. */
static void
test_progress_of_a_server (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("berth-lib-XXXXXX", NULL);
  g_autofree char *socket = g_strdup_printf ("socket=%s/s", folder);
  const char *settings[] = { socket, "max_vms=1", NULL };
  g_autoptr (BerthServer) server = berth_server_new (settings, &error);
  g_autoptr (BerthSpec) spec = berth_spec_new ("slow");
  g_autoptr (BerthProgram) program = berth_program_new ("true");
  g_autoptr (GPtrArray) heard = listen_to (spec);
  g_autoptr (GInputStream) log = berth_spec_open_boot_log (spec, &error);
  g_autoptr (BerthResult) result = NULL;
  g_autofree char *console = NULL;

  g_assert_true (berth_server_start (server, NULL, &error));
  result = berth_client_run (berth_server_get_client (server), spec, program, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (heard->len, ==, 1);
  g_assert_cmpstr (heard->pdata[0], ==, "starting 0 berth-slow-1");
  console = read_to_end (log);
  g_assert_cmpstr (console, ==, "it boots\n");
  g_assert_true (berth_server_stop (server, NULL, &error));
  g_assert_cmpint (g_rmdir (folder), ==, 0);
}

/* ---- ports ---- */

static int
listen_in_sandbox (guint *out_port)
{
  struct sockaddr_in address
      = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_no_errno (bind (fd, (struct sockaddr *)&address, size));
  g_assert_no_errno (listen (fd, 8));
  g_assert_no_errno (getsockname (fd, (struct sockaddr *)&address, &size));
  *out_port = ntohs (address.sin_port);
  return fd;
}

/* The fake host's sandboxes have this host's loopback. */
static void
test_ports (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthSpec) spec = berth_spec_new ("shell");
  g_autofree char *id = berth_client_create (fixture->client, spec, NULL, &error);
  g_autoptr (GSocketClient) dialer = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GVariant) info = NULL;
  g_autoptr (GVariant) ports = NULL;
  g_autofree char *place = NULL;
  const char *address = "";
  guint number = 0, port;
  int listener = listen_in_sandbox (&port);
  int inside;

  g_assert_no_error (error);
  place = g_strdup_printf ("%u", port);
  info = berth_client_publish_port (fixture->client, id, place, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (info, "address", "&s", &address));
  g_assert_true (g_variant_lookup (info, "number", "u", &number));
  connection = g_socket_client_connect_to_host (dialer, address, 0, NULL, &error);
  g_assert_no_error (error);
  inside = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_cmpint (inside, >=, 0);
  close (inside);
  ports = berth_client_list_ports (fixture->client, id, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (g_variant_n_children (ports), ==, 1);
  g_assert_true (berth_client_unpublish_port (fixture->client, id, number, NULL, &error));
  g_assert_false (berth_client_unpublish_port (fixture->client, id, number, NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_publish_port (fixture->client, id, "1:2:3:4", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_null (berth_client_publish_port (fixture->client, id, "192.0.2.1:80", NULL, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_LOCAL);
  close (listener);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("boot-log", test_boot_log);
  ADD ("boot-log-descriptor", test_boot_log_descriptor);
  ADD ("boot-log-ends", test_boot_log_ends);
  ADD ("progress", test_progress);
  ADD ("progress-cancels", test_progress_cancels);
  ADD ("ports", test_ports);
  g_test_add_func ("/libberth/progress-of-a-server", test_progress_of_a_server);
  return g_test_run ();
}
