/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connector, a process of its own, in a network namespace without a way out. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "plugin/connector/berth-connector.h"

typedef struct
{
  BerthConnector *connector;
  int listener;
  guint16 port;
} Fixture;

typedef struct
{
  gboolean is_told;
  gboolean ok;
  BerthConnectorVerdict verdict;
  int fd;
  char *address;
  char *text;
  GError *error;
} Answer;

static void
answer_free (Answer *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->address);
  g_free (self->text);
  g_clear_error (&self->error);
  g_free (self);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Answer, answer_free)

static void
told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *answer = user_data;

  answer->ok = berth_connector_connect_finish (BERTH_CONNECTOR (source), result, &answer->verdict,
                                               &answer->fd, &answer->address, &answer->text,
                                               &answer->error);
  answer->is_told = TRUE;
}

static Answer *
ask (Fixture *fixture, const char *name, guint16 port)
{
  Answer *answer = g_new0 (Answer, 1);

  berth_connector_connect_async (fixture->connector, name, port, told_cb, answer);
  while (!answer->is_told)
    g_main_context_iteration (NULL, TRUE);
  g_test_message ("%s %u: %d, %s, %s, %s", name, port, answer->verdict, answer->address,
                  answer->text, answer->error != NULL ? answer->error->message : "-");
  return answer;
}

static void
fixture_configure (Fixture *fixture, const char *private, const char *deny)
{
  g_autoptr (BerthConfig) config = berth_config_new ();

  g_assert_true (berth_config_set (config, "network_private", private, "here", NULL));
  g_assert_true (berth_config_set (config, "network_deny", deny, "here", NULL));
  g_clear_object (&fixture->connector);
  fixture->connector = berth_connector_new (config);
}

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof at;

  fixture->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (fixture->listener, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint (listen (fixture->listener, 16), ==, 0);
  g_assert_cmpint (getsockname (fixture->listener, (struct sockaddr *)&at, &length), ==, 0);
  fixture->port = ntohs (at.sin_port);
  fixture_configure (fixture, "127.0.0.0/8 ::1", "evil.example");
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  g_clear_object (&fixture->connector);
  close (fixture->listener);
}

static void
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
test_connects (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Answer) by_address = ask (fixture, "127.0.0.1", fixture->port);
  g_autoptr (Answer) by_name = NULL;

  assert_connected (fixture, by_address);
  by_name = ask (fixture, "localhost", fixture->port);
  assert_connected (fixture, by_name);
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Answer) answer = ask (fixture, "127.0.0.1", 1);
  g_autoptr (Answer) nowhere = NULL;
  g_autoptr (Answer) nobody = ask (fixture, "no-such-name.invalid", 443);

  g_assert_cmpint (answer->verdict, ==, BERTH_CONNECTOR_REFUSED);
  g_assert_cmpint (answer->fd, ==, -1);
  g_assert_cmpint (nobody->verdict, !=, BERTH_CONNECTOR_CONNECTED);
  g_assert_cmpint (nobody->verdict, !=, BERTH_CONNECTOR_DENIED);
  fixture_configure (fixture, "203.0.113.0/24", "");
  nowhere = ask (fixture, "203.0.113.1", 443);
  g_assert_cmpint (nowhere->verdict, ==, BERTH_CONNECTOR_UNREACHABLE);
}

static void
test_denied (Fixture *fixture, gconstpointer data)
{
  static const char *const names[]
      = { "127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1" };
  g_autoptr (Answer) answer = NULL;

  fixture_configure (fixture, "", "");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (Answer) refused = ask (fixture, names[i], fixture->port);

      g_assert_cmpint (refused->verdict, ==, BERTH_CONNECTOR_DENIED);
      g_assert_nonnull (strstr (refused->text, "network_private"));
    }
  fixture_configure (fixture, "127.0.0.0/8", "127.0.0.1");
  answer = ask (fixture, "127.0.0.1", fixture->port);
  g_assert_cmpint (answer->verdict, ==, BERTH_CONNECTOR_DENIED);
  g_assert_nonnull (strstr (answer->text, "network_deny"));
}

/* The connector: this process has started nothing else, and those of before may end yet. */
static GPid
find_child (void)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/children", getpid ());
  g_autofree char *text = NULL;
  const char *last;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_strchomp (text);
  last = strrchr (text, ' ');
  return atoi (last != NULL ? last + 1 : text);
}

static void
test_confined (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Answer) answer = ask (fixture, "127.0.0.1", fixture->port);
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", find_child ());
  g_autofree char *text = NULL;

  assert_connected (fixture, answer);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_nonnull (strstr (text, "\nNoNewPrivs:\t1\n"));
  g_assert_nonnull (strstr (text, "\nSeccomp:\t2\n"));
  g_assert_nonnull (strstr (text, "\nCapEff:\t0000000000000000\n"));
  g_assert_null (strstr (text, "\nUid:\t0"));
}

/* What it was doing fails, and the next one starts it again. */
static void
test_dies (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Answer) first = ask (fixture, "127.0.0.1", fixture->port);
  g_autoptr (Answer) lost = g_new0 (Answer, 1);

  assert_connected (fixture, first);
  kill (find_child (), SIGSTOP);
  berth_connector_connect_async (fixture->connector, "127.0.0.1", fixture->port, told_cb, lost);
  kill (find_child (), SIGKILL);
  g_test_expect_message ("berth", G_LOG_LEVEL_WARNING, "the connector ended*");
  while (!lost->is_told)
    g_main_context_iteration (NULL, TRUE);
  g_test_assert_expected_messages ();
  g_assert_error (lost->error, G_IO_ERROR, G_IO_ERROR_BUSY);
  for (;;)
    {
      g_autoptr (Answer) again = ask (fixture, "127.0.0.1", fixture->port);

      if (again->ok)
        {
          assert_connected (fixture, again);
          break;
        }
      g_assert_error (again->error, G_IO_ERROR, G_IO_ERROR_BUSY);
      g_usleep (G_USEC_PER_SEC / 10);
    }
}

static void
test_many (Fixture *fixture, gconstpointer data)
{
  Answer answers[BERTH_CONNECTOR_DIALS_MAX + 1] = { 0 };
  guint refused = 0;

  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      answers[i].fd = -1;
      berth_connector_connect_async (fixture->connector, "127.0.0.1", 1, told_cb, &answers[i]);
    }
  for (guint i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      while (!answers[i].is_told)
        g_main_context_iteration (NULL, TRUE);
      if (answers[i].ok)
        g_assert_cmpint (answers[i].verdict, ==, BERTH_CONNECTOR_REFUSED);
      else
        g_assert_error (answers[i].error, G_IO_ERROR, G_IO_ERROR_BUSY);
      refused += answers[i].ok;
      g_free (answers[i].address);
      g_free (answers[i].text);
      g_clear_error (&answers[i].error);
    }
  g_assert_cmpuint (refused, >, 0);
}

static void
bring_up_loopback (void)
{
  struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (ioctl (fd, SIOCSIFFLAGS, &request), ==, 0);
  close (fd);
}

/* As packaging/systemd/berth-connector@.service has it: seccomp(2) is in none of its groups. */
static void
refuse_seccomp (void)
{
  struct sock_filter code[] = {
    BPF_STMT (BPF_LD | BPF_W | BPF_ABS, offsetof (struct seccomp_data, nr)),
    BPF_JUMP (BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT (BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const struct sock_fprog program = { .len = G_N_ELEMENTS (code), .filter = code };

  g_assert_cmpint (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), ==, 0);
  g_assert_cmpint (prctl (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), ==, 0);
}

#define ADD(path, function)                                                                        \
  g_test_add ("/connector/" path, Fixture, NULL, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  /* nothing may be asked of the host's network */
  if (unshare (CLONE_NEWNET) != 0 && unshare (CLONE_NEWUSER | CLONE_NEWNET) != 0)
    {
      g_print ("1..0 # SKIP no network namespace for us\n");
      return 0;
    }
  bring_up_loopback ();
  refuse_seccomp ();
  ADD ("connects", test_connects);
  ADD ("refused", test_refused);
  ADD ("denied", test_denied);
  ADD ("confined", test_confined);
  ADD ("dies", test_dies);
  ADD ("many", test_many);
  return g_test_run ();
}
