/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Proves whose sandbox a port must be of, how many there may be, who keeps its socket, and that a
 * sandbox is in use while somebody is connected. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "manager-world.h"
#include "plugin/model/berth-limits.h"
#include "plugin/model/berth-port.h"
#include "pool/berth-error.h"

#define OWNER 1000u
#define IDLE_US (G_GINT64_CONSTANT (300) * G_USEC_PER_SEC)

static int
listen_here (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BerthPortPlace) place = berth_port_place_parse ("80", &error);
  int fd = berth_port_place_listen (place, &error);

  g_assert_no_error (error);
  return fd;
}

static char *
create (World *world)
{
  const BerthSandboxOptions options = world_options (NULL);
  g_autoptr (GError) error = NULL;
  char *id = world_create (world, &options, &error);

  g_assert_no_error (error);
  return id;
}

static guint
add (World *world, const char *id, guint port)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info
      = berth_manager_add_port (world->manager, id, OWNER, listen_here (), port, &error);
  guint number = 0;

  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (info, "number", "u", &number));
  return number;
}

static void
assert_fails (GVariant *told, GError **error, int code)
{
  g_assert_null (told);
  g_assert_error (*error, BERTH_ERROR, code);
  g_clear_error (error);
}

static gsize
count (World *world, const char *id)
{
  g_autoptr (GVariant) ports = berth_manager_dup_ports (world->manager, id, OWNER, NULL);

  return g_variant_n_children (ports);
}

/* Who does not own the sandbox learns nothing of it. */
static void
test_whose (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  guint number = add (world, id, 80);
  GError *error = NULL;

  assert_fails (berth_manager_add_port (world->manager, id, OWNER + 1, listen_here (), 80, &error),
                &error, BERTH_ERROR_GONE);
  assert_fails (berth_manager_dup_ports (world->manager, id, OWNER + 1, &error), &error,
                BERTH_ERROR_GONE);
  g_assert_false (berth_manager_remove_port (world->manager, id, OWNER + 1, number, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  g_clear_error (&error);
  g_assert_cmpuint (count (world, id), ==, 1);
  g_assert_true (berth_manager_remove_port (world->manager, id, 0, number, &error));
}

static void
test_how_many (World *world, gconstpointer data)
{
  g_autofree char *id = create (world);
  g_autofree char *other = create (world);
  GError *error = NULL;
  guint last = 0;

  assert_fails (berth_manager_add_port (world->manager, id, OWNER, listen_here (), 0, &error),
                &error, BERTH_ERROR_INVALID);
  assert_fails (berth_manager_add_port (world->manager, id, OWNER, listen_here (), 65536, &error),
                &error, BERTH_ERROR_INVALID);
  for (guint i = 0; i < BERTH_LIMIT_PORTS; i++)
    last = add (world, id, i + 1);
  assert_fails (berth_manager_add_port (world->manager, id, OWNER, listen_here (), 80, &error),
                &error, BERTH_ERROR_INVALID);
  add (world, other, 80);
  /* a number is of one sandbox */
  g_assert_false (berth_manager_remove_port (world->manager, other, OWNER, last, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_clear_error (&error);
  g_assert_true (berth_manager_remove_port (world->manager, id, OWNER, last, &error));
  add (world, id, 80);
}

/* ---- who keeps the sockets ---- */

static void
keep_cb (const char *name, int fd, gpointer user_data)
{
  g_assert_true (g_hash_table_insert (user_data, g_strdup (name), GINT_TO_POINTER (dup (fd))));
}

static void
forget_cb (const char *name, gpointer user_data)
{
  close (GPOINTER_TO_INT (g_hash_table_lookup (user_data, name)));
  g_hash_table_remove (user_data, name);
}

static void
test_kept (World *world, gconstpointer data)
{
  const BerthPortKeeper keeper = { .keep = keep_cb, .forget = forget_cb };
  g_autoptr (GHashTable) kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *id = create (world);
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  guint number;

  berth_manager_set_port_keeper (world->manager, &keeper, kept);
  number = add (world, id, 80);
  name = g_strdup_printf ("port.%s.%u.80", id, number);
  g_assert_true (g_hash_table_contains (kept, name));
  g_assert_true (berth_manager_remove_port (world->manager, id, OWNER, number, &error));
  g_assert_cmpuint (g_hash_table_size (kept), ==, 0);
  add (world, id, 81);
  g_assert_cmpuint (g_hash_table_size (kept), ==, 1);
  g_assert_true (world_destroy (world, id, OWNER, NULL, &error));
  g_assert_cmpuint (g_hash_table_size (kept), ==, 0);
}

/* As the next berthd has it; what it can't use it gives up. */
static void
test_restored (World *world, gconstpointer data)
{
  static const char *const useless[]
      = { "port.nobody.1.80", "port",           "port.",         "port..1.80", "port.x.0.80",
          "port.x.1.0",       "port.x.1.65536", "port.x.1.80.9", "port.x.a.b" };
  const BerthPortKeeper keeper = { .keep = keep_cb, .forget = forget_cb };
  g_autoptr (GHashTable) kept = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autofree char *id = create (world);
  g_autofree char *name = g_strdup_printf ("port.%s.7.80", id);
  g_autoptr (GError) error = NULL;
  guint next;

  berth_manager_set_port_keeper (world->manager, &keeper, kept);
  for (gsize i = 0; i < G_N_ELEMENTS (useless); i++)
    {
      int fd = listen_here ();
      int makers = dup (fd);
      int listens = 1;
      socklen_t size = sizeof listens;

      keep_cb (useless[i], fd, kept);
      berth_manager_restore_port (world->manager, useless[i], fd);
      g_assert_no_errno (getsockopt (makers, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size));
      g_assert_cmpint (listens, ==, 0);
      close (makers);
      g_assert_cmpuint (g_hash_table_size (kept), ==, 0);
    }
  {
    int fd = listen_here ();

    keep_cb (name, fd, kept);
    berth_manager_restore_port (world->manager, name, fd);
  }
  g_assert_cmpuint (g_hash_table_size (kept), ==, 1);
  g_assert_cmpuint (count (world, id), ==, 1);
  next = add (world, id, 81);
  g_assert_cmpuint (next, ==, 8);
  g_assert_true (world_destroy (world, id, OWNER, NULL, &error));
  g_assert_cmpuint (g_hash_table_size (kept), ==, 0);
}

/* ---- in use ---- */

static guint
get_connections (World *world, const char *id)
{
  g_autoptr (GVariant) ports = berth_manager_dup_ports (world->manager, id, OWNER, NULL);
  g_autoptr (GVariant) first = g_variant_get_child_value (ports, 0);
  guint connections = 0;

  g_variant_lookup (first, "connections", "u", &connections);
  return connections;
}

static void
await_connections (World *world, const char *id, guint wanted)
{
  while (get_connections (world, id) != wanted)
    g_main_context_iteration (NULL, FALSE);
}

/* A published port with a server behind it, and who is connected to it */
typedef struct
{
  char *id;
  int server; /* the fake guest's loopback is ours */
  GSocketConnection *connection;
  int peer;
} Visit;

static void
visit_begin (World *world, Visit *visit)
{
  struct sockaddr_in inside = { .sin_family = AF_INET };
  socklen_t size = sizeof inside;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketClient) dialer = g_socket_client_new ();
  g_autoptr (GVariant) info = NULL;
  const char *address = "";

  visit->id = create (world);
  visit->server = listen_here ();
  g_assert_no_errno (getsockname (visit->server, (struct sockaddr *)&inside, &size));
  info = berth_manager_add_port (world->manager, visit->id, OWNER, listen_here (),
                                 ntohs (inside.sin_port), &error);
  g_assert_no_error (error);
  g_variant_lookup (info, "address", "&s", &address);
  visit->connection = g_socket_client_connect_to_host (dialer, address, 0, NULL, &error);
  g_assert_no_error (error);
  await_connections (world, visit->id, 1);
  while ((visit->peer = accept (visit->server, NULL, NULL)) < 0)
    g_main_context_iteration (NULL, FALSE);
}

static void
visit_end (Visit *visit)
{
  g_clear_object (&visit->connection);
  close (visit->peer);
  close (visit->server);
  g_free (visit->id);
}

/* One byte of each, that both have */
static void
visit_talk (Visit *visit)
{
  GSocket *socket = g_socket_connection_get_socket (visit->connection);
  char byte = 'x';

  g_assert_cmpint (g_socket_send (socket, &byte, 1, NULL, NULL), ==, 1);
  g_assert_cmpint (recv (visit->peer, &byte, 1, 0), ==, 1);
  g_assert_cmpint (send (visit->peer, &byte, 1, 0), ==, 1);
  g_assert_cmpint (g_socket_receive (socket, &byte, 1, NULL, NULL), ==, 1);
}

/* Bytes are use; a connection that is open is none. */
static void
test_in_use (World *world, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  Visit visit;

  visit_begin (world, &visit);
  for (guint i = 0; i < 10; i++)
    {
      fake_host_advance (world->host, IDLE_US / 2);
      visit_talk (&visit);
      fake_host_advance (world->host, 2 * G_USEC_PER_SEC); /* it is looked at */
    }
  g_assert_cmpuint (count (world, visit.id), ==, 1);
  fake_host_advance (world->host, IDLE_US);
  world_run_dry ();
  g_assert_null (berth_manager_dup_ports (world->manager, visit.id, OWNER, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_GONE);
  visit_end (&visit);
}

/* One that carries nothing ends, and says so to whose port it is. */
static void
test_idle (World *world, gconstpointer data)
{
  g_autoptr (GVariant) ports = NULL;
  g_autoptr (GVariant) first = NULL;
  const char *last = "";
  Visit visit;

  world->manager->config->network_idle_s = 60;
  visit_begin (world, &visit);
  fake_host_advance (world->host, 50 * G_USEC_PER_SEC);
  visit_talk (&visit);
  fake_host_advance (world->host, 50 * G_USEC_PER_SEC);
  g_assert_cmpuint (get_connections (world, visit.id), ==, 1);
  fake_host_advance (world->host, 20 * G_USEC_PER_SEC);
  await_connections (world, visit.id, 0);
  ports = berth_manager_dup_ports (world->manager, visit.id, OWNER, NULL);
  first = g_variant_get_child_value (ports, 0);
  g_variant_lookup (first, "last", "&s", &last);
  g_assert_nonnull (strstr (last, "network_idle_s"));
  visit_end (&visit);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                                            \
  g_test_add ("/ports/" name, World, NULL, world_set_up, func, world_tear_down)
  ADD ("whose", test_whose);
  ADD ("how-many", test_how_many);
  ADD ("kept", test_kept);
  ADD ("restored", test_restored);
  ADD ("in-use", test_in_use);
  ADD ("idle", test_idle);
  return g_test_run ();
}
