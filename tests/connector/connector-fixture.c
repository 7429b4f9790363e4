/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/connector/connector-fixture.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugin/reach/berth-reach-address.h"

void
answer_free (Answer *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->address);
  g_free (self->text);
  g_clear_error (&self->error);
  g_free (self);
}
static void
told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->ok = berth_connector_connect_finish (BERTH_CONNECTOR (source), result, &answer->verdict,
                                               &answer->fd, &answer->address, &answer->text,
                                               &answer->error);
  answer->is_told = TRUE;
}

void
fixture_configure (Fixture *self, const char *private, const char *deny)
{
  g_auto (GStrv) privates = g_strsplit (private, " ", -1);
  g_auto (GStrv) denies = g_strsplit (deny, " ", -1);

  g_clear_pointer (&self->private, g_ptr_array_unref);
  g_clear_pointer (&self->denied, g_ptr_array_unref);
  self->private = berth_reach_networks_parse ((const char *const *)privates, NULL);
  self->denied = berth_reach_networks_parse ((const char *const *)denies, NULL);
}

void
fixture_dial (Fixture *self, const BerthConnectorAsker *asker, const char *name, guint16 port,
              Answer *answer)
{
  const BerthConnectorTarget target = { .asker = *asker,
                                        .name = name,
                                        .port = port,
                                        .denied = self->denied,
                                        .private = self->private,
                                        .proxy = self->proxy };

  berth_connector_connect_async (self->connector, &target, told_cb, answer);
}

Answer *
ask_as (Fixture *fixture, guint32 sandbox, guint32 uid, const char *name, guint16 port)
{
  const BerthConnectorAsker asker = { .sandbox = sandbox, .uid = uid };
  Answer *answer = g_new0 (Answer, 1);

  fixture_dial (fixture, &asker, name, port, answer);
  while (!answer->is_told)
    g_main_context_iteration (NULL, TRUE);
  g_test_message ("%s %u: %d, %s, %s, %s", name, port, answer->verdict, answer->address,
                  answer->text, answer->error != NULL ? answer->error->message : "-");
  return answer;
}

Answer *
ask (Fixture *fixture, const char *name, guint16 port)
{
  return ask_as (fixture, 1, 1000, name, port);
}

void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  g_autoptr (BerthConfig) config = berth_config_new ();
  socklen_t length = sizeof at;

  fixture->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fixture->listener, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint (listen (fixture->listener, 16), ==, 0);
  g_assert_cmpint (getsockname (fixture->listener, (struct sockaddr *)&at, &length), ==, 0);
  fixture->port = ntohs (at.sin_port);
  fixture_configure (fixture, "127.0.0.0/8 ::1", "");
  fixture->connector = berth_connector_new (config);
}

void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->connector);
  g_clear_pointer (&fixture->denied, g_ptr_array_unref);
  g_clear_pointer (&fixture->private, g_ptr_array_unref);
  close (fixture->listener);
}

void
assert_connected (Fixture *fixture, Answer *answer)
{
  int peer = accept (fixture->listener, NULL, NULL);
  char text[8] = "";

  g_assert_no_error (answer->error);
  g_assert_cmpint (answer->verdict, ==, BERTH_CONNECTOR_CONNECTED);
  g_assert_cmpstr (answer->address, ==, "127.0.0.1");
  g_assert_cmpint (send (answer->fd, "hello", 5, 0), ==, 5);
  g_assert_cmpint (recv (peer, text, 5, MSG_WAITALL), ==, 5);
  g_assert_cmpstr (text, ==, "hello");
  close (peer);
}

static void
bring_up_loopback (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (ioctl (fd, SIOCSIFFLAGS, &request), ==, 0);
  close (fd);
}

/* Nothing may be asked of the host's network. */
gboolean
connector_fixture_begin (void)
{
  if (unshare (CLONE_NEWNET) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNET) != 0)
    {
      g_print ("1..0 # SKIP no network namespace for us\n");
      return FALSE;
    }
  bring_up_loopback ();
  return TRUE;
}
