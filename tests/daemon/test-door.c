/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves that no client's bytes, descriptors or silence cost berthd more than one user may take,
 * and that what is odd but right is served. The real berthd, BERTHD in the environment. */
#include <dirent.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../cli/berthd-process.h"
#include "plugin/model/berth-limits.h"
#include "plugin/bus/berth-bus-names.h"
#include "pool/berth-error.h"
#include "raw-client.h"

#define MIB (1024u * 1024u)
/* What the attacks of one user may cost berthd altogether */
#define COST_MAX_KB (64u * 1024u)
/* Connections, pipes and epoll sets of a berthd that is at work */
#define FDS_OF_ITS_OWN 50u

typedef struct
{
  BerthdProcess berthd;
  char *folder;
  char *path;
  char *pid;
  gsize memory_kb; /* before anybody came */
  guint fds;
} Fixture;

static gsize
read_memory_kb (Fixture *fixture, const char *field)
{
  g_autofree char *path = g_build_filename ("/proc", fixture->pid, "status", NULL);
  g_autofree char *text = NULL;
  const char *found;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  found = strstr (text, field);
  g_assert_nonnull (found);
  return (gsize)g_ascii_strtoull (found + strlen (field) + 1, NULL, 10);
}

static guint
count_fds (Fixture *fixture)
{
  g_autofree char *path = g_build_filename ("/proc", fixture->pid, "fd", NULL);
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint count = 0;

  g_assert_nonnull (folder);
  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

/* berthd's own thread closes what it refused, at its leisure. */
static void
wait_until_closed (Fixture *fixture)
{
  const gint64 end = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  while (count_fds (fixture) > fixture->fds + FDS_OF_ITS_OWN)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, end);
      g_usleep (1000);
    }
}

/* The attacker is the same user: what he left ends a moment after his connections. */
static void
assert_still_serves (Fixture *fixture)
{
  GDBusMessageType type = G_DBUS_MESSAGE_TYPE_INVALID;

  while (type != G_DBUS_MESSAGE_TYPE_METHOD_RETURN)
    {
      int client = raw_client_connect (fixture->path);
      g_autoptr (GBytes) status = raw_client_call ("Status", 1, NULL);
      g_autoptr (GDBusMessage) answer = NULL;

      g_assert_true (raw_client_send_bytes (client, status));
      answer = raw_client_receive (client);
      g_assert_nonnull (answer);
      type = g_dbus_message_get_message_type (answer);
      close (client);
    }
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->folder = g_dir_make_tmp ("berth-door-XXXXXX", NULL);
  fixture->path = g_build_filename (fixture->folder, "s", NULL);
  berthd_process_start (&fixture->berthd, fixture->path);
  fixture->pid = g_strdup (g_subprocess_get_identifier (fixture->berthd.process));
  assert_still_serves (fixture);
  fixture->memory_kb = read_memory_kb (fixture, "VmRSS:");
  fixture->fds = count_fds (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  gsize peak_kb = read_memory_kb (fixture, "VmHWM:");

  assert_still_serves (fixture);
  g_test_message ("berthd took %" G_GSIZE_FORMAT " KiB more at most", peak_kb - fixture->memory_kb);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  g_assert_cmpuint (peak_kb - fixture->memory_kb, <=, COST_MAX_KB);
#endif
  g_assert_true (berthd_process_stop (&fixture->berthd, SIGTERM));
  g_assert_cmpint (g_rmdir (fixture->folder), ==, 0);
  g_free (fixture->folder);
  g_free (fixture->path);
  g_free (fixture->pid);
}

/* The head of a Run with a body of @size bytes that is still to come */
static GBytes *
announce (gsize size)
{
  g_autoptr (GBytes) call = raw_client_call ("Run", 7, g_variant_new_parsed ("(@a{sv} {},)"));
  gsize whole;
  const guint8 *bytes = g_bytes_get_data (call, &whole);
  /* an empty dictionary's body: the length of its array, and the padding of no entry */
  const gsize body = 8;
  guint8 *copy = g_memdup2 (bytes, whole - body);
  guint32 number = GUINT32_TO_LE ((guint32)size);

  memcpy (copy + 4, &number, sizeof number);
  return g_bytes_new_take (copy, whole - body);
}

static gpointer
fill_of (gsize size)
{
  return memset (g_malloc (size), '#', size);
}

/* Options of a Run whose code sleeps, and has @size bytes */
static GVariant *
code_of (gsize size)
{
  static const char begin[] = "sleep 1000 #";
  g_autofree char *code = fill_of (size);
  GVariantDict dict = G_VARIANT_DICT_INIT (NULL);

  memcpy (code, begin, sizeof begin - 1);
  g_variant_dict_insert_value (&dict, "code",
                               g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, code, size, 1));
  return g_variant_new ("(@a{sv})", g_variant_dict_end (&dict));
}

/* ---- what must cost nothing ---- */

/* Each piece of a message that never ends brings as many descriptors as the kernel carries. */
static void
test_descriptors_with_every_piece (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) head = announce (MIB);
  int fds[250];
  guint most = 0;

  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = STDERR_FILENO;
  for (guint i = 0; i < 20; i++)
    {
      int client = raw_client_connect (fixture->path);

      g_assert_true (raw_client_send_bytes (client, head));
      for (guint k = 0; k < 100; k++)
        if (!raw_client_send (client, "#", 1, fds, G_N_ELEMENTS (fds)))
          break;
      most = MAX (most, count_fds (fixture));
      g_assert_true (raw_client_is_closed (client));
      close (client);
      wait_until_closed (fixture);
    }
  g_test_message ("%u descriptors at most, %u before", most, fixture->fds);
  g_assert_cmpuint (most, <=, fixture->fds + G_N_ELEMENTS (fds) + FDS_OF_ITS_OWN);
}

/* A connection whose last close(2) waits until *@out_peer, which reads nothing, is closed */
static int
open_lingering (int *out_peer)
{
  const struct linger for_ever = { .l_onoff = 1, .l_linger = 3600 };
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
  socklen_t size = sizeof address;
  g_autofree char *bytes = fill_of (MIB);
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_no_errno (bind (listener, (const struct sockaddr *)&address, sizeof address));
  g_assert_no_errno (listen (listener, 1));
  g_assert_no_errno (getsockname (listener, (struct sockaddr *)&address, &size));
  g_assert_no_errno (connect (fd, (const struct sockaddr *)&address, sizeof address));
  *out_peer = accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
  g_assert_no_errno (close (listener));
  while (send (fd, bytes, MIB, MSG_DONTWAIT) > 0)
    ;
  g_assert_no_errno (setsockopt (fd, SOL_SOCKET, SO_LINGER, &for_ever, sizeof for_ever));
  return fd;
}

/* (transfer full): a Run without options, and with a descriptor of which its method knows nothing
 */
static GBytes *
run_with_descriptor (void)
{
  g_autoptr (GDBusMessage) message
      = g_dbus_message_new_method_call (NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Run");
  g_autoptr (GUnixFDList) any = g_unix_fd_list_new ();
  guchar *bytes;
  gsize size;

  g_assert_cmpint (g_unix_fd_list_append (any, STDERR_FILENO, NULL), ==, 0);
  g_dbus_message_set_body (message, g_variant_new_parsed ("(@a{sv} {},)"));
  g_dbus_message_set_unix_fd_list (message, any);
  g_dbus_message_set_serial (message, 1);
  bytes = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
  return g_bytes_new_take (bytes, size);
}

/* Once this returns it reads nothing: a signal is only on its way when it is sent. */
static void
make_stand_still (GSubprocess *process)
{
  g_autofree char *path = g_strdup_printf ("/proc/%s/stat", g_subprocess_get_identifier (process));
  gboolean stands = FALSE;

  g_subprocess_send_signal (process, SIGSTOP);
  while (!stands)
    {
      g_autofree char *stat = NULL;

      g_assert_true (g_file_get_contents (path, &stat, NULL, NULL));
      stands = strstr (stat, ") T ") != NULL;
      g_thread_yield ();
    }
}

/* The last close(2) of what a message carries may wait for ever: others are served meanwhile, by
 * whichever way it comes. */
static void
test_descriptors_that_do_not_close (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GBytes) call = raw_client_call ("Run", 1, g_variant_new_parsed ("(@a{sv} {},)"));
  g_autoptr (GBytes) told = run_with_descriptor ();
  g_autoptr (GBytes) head = announce (64);
  /* as it should be, untold, more than a message may have, in the midst of one that never ends */
  const struct
  {
    GBytes *bytes;
    guint fds;
  } ways[] = { { told, 1 }, { call, 1 }, { call, 100 }, { head, 1 }, { head, 100 } };

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      int client = raw_client_connect (fixture->path);
      gsize size;
      const void *bytes = g_bytes_get_data (ways[i].bytes, &size);
      int fds[100];
      int peer;
      int fd = open_lingering (&peer);

      for (guint k = 0; k < ways[i].fds; k++)
        fds[k] = fd;
      /* what berthd gets is the last of it: ours is closed before it looks */
      make_stand_still (fixture->berthd.process);
      g_assert_true (raw_client_send (client, bytes, size, fds, ways[i].fds));
      g_assert_no_errno (close (fd));
      close (client);
      g_subprocess_send_signal (fixture->berthd.process, SIGCONT);
      assert_still_serves (fixture);
      assert_still_serves (fixture);
      g_assert_no_errno (close (peer));
    }
}

/* Four with one message are allowed; four with each of two pieces of one are not. */
static void
test_descriptors_in_two_pieces (Fixture *fixture, gconstpointer data)
{
  int client = raw_client_connect (fixture->path);
  g_autoptr (GBytes) head = announce (64);
  const int fds[4] = { 0, 1, 2, 2 };

  g_assert_true (raw_client_send_bytes (client, head));
  g_assert_true (raw_client_send (client, "#", 1, fds, 4));
  if (raw_client_send (client, "#", 1, fds, 4))
    g_assert_true (raw_client_is_closed (client));
  close (client);
}

static void
test_messages_that_never_end (Fixture *fixture, gconstpointer data)
{
  static const gsize sizes[] = { 100 * MIB, BERTH_LIMIT_CODE_MESSAGE_BYTES };
  g_autofree char *fill = fill_of (MIB);
  int clients[2 * 40];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      g_autoptr (GBytes) head = announce (sizes[i % 2]);

      clients[i] = raw_client_connect (fixture->path);
      g_assert_true (raw_client_send_bytes (clients[i], head));
      g_assert_true (raw_client_send (clients[i], fill, MIB, NULL, 0));
    }
  assert_still_serves (fixture);
  /* silence ends them */
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      g_assert_true (raw_client_is_closed (clients[i]));
      close (clients[i]);
    }
}

/* A value for each byte of the message */
static void
test_trees (Fixture *fixture, gconstpointer data)
{
  int client = raw_client_connect (fixture->path);
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  g_autoptr (GVariant) arguments = NULL;
  g_autoptr (GBytes) call = NULL;
  g_autoptr (GDBusMessage) answer = NULL;

  for (guint i = 0; i < MIB / 8; i++)
    g_variant_builder_add (&builder, "v", g_variant_new_byte (0));
  arguments = g_variant_ref_sink (g_variant_new ("(av)", &builder));
  call = raw_client_call ("Run", 1, arguments);
  g_assert_true (raw_client_send_bytes (client, call));
  answer = raw_client_receive (client);
  g_assert_nonnull (answer);
  g_assert_nonnull (strstr (g_dbus_message_get_error_name (answer), "Invalid"));
  close (client);
}

/* The same within what the method takes */
static void
test_trees_in_options (Fixture *fixture, gconstpointer data)
{
  int client = raw_client_connect (fixture->path);
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) arguments = NULL;
  g_autoptr (GBytes) call = NULL;

  for (guint i = 0; i <= BERTH_LIMIT_MESSAGE_VALUES / 4; i++)
    g_variant_builder_add (&builder, "{sv}", "k", g_variant_new_boolean (TRUE));
  arguments = g_variant_ref_sink (g_variant_new ("(a{sv})", &builder));
  call = raw_client_call ("Run", 1, arguments);
  g_assert_true (raw_client_send_bytes (client, call));
  g_assert_true (raw_client_is_closed (client));
  close (client);
}

static void
expect_refused (int client, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      g_autoptr (GDBusMessage) answer = raw_client_receive (client);

      g_assert_nonnull (answer);
      g_assert_cmpstr (g_dbus_message_get_error_name (answer), ==,
                       "org.berth.Berth1.Error.Unavailable");
    }
}

/* Those that fit wait, the others fail at once. */
static void
test_waiting_runs (Fixture *fixture, gconstpointer data)
{
  const guint per_client = 100;
  /* each with its message and, once for a connection, GDBus's buffer for it */
  const guint fit = BERTH_LIMIT_BYTES_PER_UID / MIB;
  int clients[2];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      clients[i] = raw_client_connect (fixture->path);
      for (guint32 serial = 1; serial <= per_client; serial++)
        {
          g_autoptr (GBytes) call = raw_client_call ("Run", serial, code_of (MIB));

          g_assert_true (raw_client_send_bytes (clients[i], call));
        }
    }
  expect_refused (clients[0], per_client - fit);
  expect_refused (clients[1], per_client - 1);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
}

/* GDBus keeps a buffer as large as a connection's largest message. */
static void
test_buffers_that_stay (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GVariant) arguments = g_variant_ref_sink (code_of (2 * MIB - 100));
  g_autoptr (GBytes) call = raw_client_call ("Run", 1, arguments);
  int clients[64];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      g_autoptr (GDBusMessage) answer = NULL;

      clients[i] = raw_client_connect (fixture->path);
      g_assert_true (raw_client_send_bytes (clients[i], call));
      answer = raw_client_receive (clients[i]); /* more code than there may be */
      g_assert_nonnull (answer);
    }
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
}

static void
test_answers_nobody_reads (Fixture *fixture, gconstpointer data)
{
  int client = raw_client_connect (fixture->path);
  gboolean is_open = TRUE;

  for (guint32 serial = 1; is_open && serial < 200000; serial++)
    {
      g_autoptr (GBytes) call = raw_client_call ("Status", serial, NULL);

      is_open = raw_client_send_bytes (client, call);
    }
  g_assert_false (is_open);
  close (client);
}

/* Reads answers wherever some come, until there are @count. */
static void
expect_refusals (const int *clients, guint n_clients, guint count)
{
  g_autofree GPollFD *polled = g_new0 (GPollFD, n_clients);

  for (guint i = 0; i < n_clients; i++)
    polled[i] = (GPollFD){ .fd = clients[i], .events = G_IO_IN };
  while (count > 0)
    {
      g_assert_cmpint (g_poll (polled, n_clients, 30 * 1000), >, 0);
      for (guint i = 0; i < n_clients && count > 0; i++)
        if (polled[i].revents != 0)
          {
            expect_refused (polled[i].fd, 1);
            count--;
          }
    }
}

/* Over many connections, so that no bound of one is met */
static void
test_many_calls (Fixture *fixture, gconstpointer data)
{
  const guint per_client = 200;
  int clients[10];

  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    {
      clients[i] = raw_client_connect (fixture->path);
      for (guint32 serial = 1; serial <= per_client; serial++)
        {
          g_autoptr (GBytes) call = raw_client_call ("Run", serial, code_of (100));

          g_assert_true (raw_client_send_bytes (clients[i], call));
        }
    }
  expect_refusals (clients, G_N_ELEMENTS (clients),
                   G_N_ELEMENTS (clients) * per_client - BERTH_LIMIT_CALLS_PER_UID);
  for (guint i = 0; i < G_N_ELEMENTS (clients); i++)
    close (clients[i]);
}

/* ---- what is odd but right ---- */

static void
test_one_byte_at_a_time (Fixture *fixture, gconstpointer data)
{
  int client = raw_client_connect (fixture->path);
  g_autoptr (GBytes) call = raw_client_call ("Destroy", 9, g_variant_new ("(s)", "none"));
  g_autoptr (GDBusMessage) answer = NULL;

  for (gsize i = 0; i < g_bytes_get_size (call); i++)
    g_assert_true (
        raw_client_send (client, (const char *)g_bytes_get_data (call, NULL) + i, 1, NULL, 0));
  answer = raw_client_receive (client);
  g_assert_nonnull (answer);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (answer), ==, 9);
  close (client);
}

static void
test_many_in_one_piece (Fixture *fixture, gconstpointer data)
{
  int client = raw_client_connect (fixture->path);
  g_autoptr (GByteArray) all = g_byte_array_new ();

  for (guint32 serial = 1; serial <= 100; serial++)
    {
      g_autoptr (GBytes) call = raw_client_call ("Status", serial, NULL);

      g_byte_array_append (all, g_bytes_get_data (call, NULL), (guint)g_bytes_get_size (call));
    }
  g_assert_true (raw_client_send (client, all->data, all->len, NULL, 0));
  for (guint32 serial = 1; serial <= 100; serial++)
    {
      g_autoptr (GDBusMessage) answer = raw_client_receive (client);

      g_assert_nonnull (answer);
      g_assert_cmpuint (g_dbus_message_get_reply_serial (answer), ==, serial);
    }
  close (client);
}

/* What GDBus would fill the log with ends here. A name for each berthd: such a line is written once
 * a second. */
static void
test_name_of_any_bytes (Fixture *fixture, gconstpointer data)
{
  const char *text = data;
  int client = raw_client_connect (fixture->path);
  g_autoptr (GBytes) call = raw_client_call ("Status", 1, NULL);
  gsize size = g_bytes_get_size (call);
  g_autofree guint8 *bytes = g_memdup2 (g_bytes_get_data (call, NULL), size);
  guint8 *name = memmem (bytes, size, text, strlen (text));

  g_assert_nonnull (name);
  name[1] = text[0] == '/' ? '-' : 0xff;
  g_assert_true (raw_client_send (client, bytes, size, NULL, 0));
  g_assert_true (raw_client_is_closed (client));
  berthd_process_expect_log (&fixture->berthd, "was cut off"); /* by the door, not by GDBus */
  close (client);
}

static void
test_big_endian_without_answer (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusMessage) message
      = g_dbus_message_new_method_call (NULL, BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Run");
  g_autoptr (GDBusMessage) answer = NULL;
  g_autofree guchar *bytes = NULL;
  int client = raw_client_connect (fixture->path);
  gsize size;

  g_dbus_message_set_byte_order (message, G_DBUS_MESSAGE_BYTE_ORDER_BIG_ENDIAN);
  g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  g_dbus_message_set_body (message, g_variant_new_parsed ("({'no': <'such option'>},)"));
  g_dbus_message_set_serial (message, 5);
  bytes = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
  g_assert_true (raw_client_send (client, bytes, size, NULL, 0));
  answer = raw_client_receive (client);
  g_assert_nonnull (answer);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (answer), ==, 5);
  close (client);
}

/* A signal asks nothing and gets nothing; what comes behind it does. */
static void
test_signals_are_dropped (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDBusMessage) message
      = g_dbus_message_new_signal (BERTH_BUS_PATH, BERTH_BUS_INTERFACE, "Whatever");
  g_autoptr (GBytes) call = raw_client_call ("Status", 2, NULL);
  g_autoptr (GDBusMessage) answer = NULL;
  g_autofree guchar *bytes = NULL;
  int client = raw_client_connect (fixture->path);
  gsize size;

  g_dbus_message_set_body (message, g_variant_new ("(s)", "a text"));
  g_dbus_message_set_serial (message, 1);
  bytes = g_dbus_message_to_blob (message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
  g_assert_true (raw_client_send (client, bytes, size, NULL, 0));
  g_assert_true (raw_client_send_bytes (client, call));
  answer = raw_client_receive (client);
  g_assert_nonnull (answer);
  g_assert_cmpuint (g_dbus_message_get_reply_serial (answer), ==, 2);
  close (client);
}

#define ADD_WITH(name, data, function)                                                             \
  g_test_add ("/door/" name, Fixture, data, set_up, function, tear_down)
#define ADD(name, function) ADD_WITH (name, NULL, function)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  berth_bus_register_errors ();
  ADD ("descriptors-with-every-piece", test_descriptors_with_every_piece);
  ADD ("descriptors-in-two-pieces", test_descriptors_in_two_pieces);
  ADD ("descriptors-that-do-not-close", test_descriptors_that_do_not_close);
  ADD ("messages-that-never-end", test_messages_that_never_end);
  ADD ("trees", test_trees);
  ADD ("trees-in-options", test_trees_in_options);
  ADD ("waiting-runs", test_waiting_runs);
  ADD ("buffers-that-stay", test_buffers_that_stay);
  ADD ("answers-nobody-reads", test_answers_nobody_reads);
  ADD ("many-calls", test_many_calls);
  ADD ("one-byte-at-a-time", test_one_byte_at_a_time);
  ADD ("many-in-one-piece", test_many_in_one_piece);
  ADD_WITH ("method-of-any-bytes", "Status", test_name_of_any_bytes);
  ADD_WITH ("interface-of-any-bytes", "Manager", test_name_of_any_bytes);
  ADD_WITH ("path-of-any-bytes", "/org", test_name_of_any_bytes);
  ADD ("big-endian-without-answer", test_big_endian_without_answer);
  ADD ("signals-are-dropped", test_signals_are_dropped);
  return g_test_run ();
}
