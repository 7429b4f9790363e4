/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connector, a process of its own, in a network namespace without a way out. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plugin/connector/berth-connector-confine.h"
#include "plugin/reach/berth-reach-address.h"
#include "tests/connector/connector-fixture.h"

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
  /* nor is it anybody whom another is, where this test may become anybody */
  if (geteuid () == 0)
    g_assert_nonnull (strstr (text, "\nUid:\t200"));
}

/* The doctor's line: somebody whom others are, too, is told. */
static void
test_user (void)
{
  static const char *const users[] = { "", "nobody", "daemon" };

  for (guint i = 0; i < G_N_ELEMENTS (users); i++)
    {
      g_autoptr (BerthConfig) config = berth_config_new ();
      g_autoptr (BerthConnector) connector = NULL;
      g_autofree char *problem = NULL;
      g_autofree char *user = NULL;

      g_assert_true (berth_config_set (config, "network_user", users[i], "here", NULL));
      connector = berth_connector_new (config);
      user = berth_connector_dup_user (connector, &problem);
      g_assert_true (g_str_has_prefix (user, "the connector is "));
      g_assert_cmpint (problem != NULL, ==, geteuid () == 0 && g_str_equal (users[i], "nobody"));
    }
}

/* What it was doing fails, and the next one starts it again. */
static void
test_dies (Fixture *fixture, gconstpointer data)
{
  g_autoptr (Answer) first = ask (fixture, "127.0.0.1", fixture->port);
  const BerthConnectorAsker asker = { .sandbox = 1, .uid = 1000 };
  g_autoptr (Answer) lost = g_new0 (Answer, 1);

  assert_connected (fixture, first);
  kill (find_child (), SIGSTOP);
  fixture_dial (fixture, &asker, "127.0.0.1", fixture->port, lost);
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
      const BerthConnectorAsker asker = { .sandbox = i, .uid = i % 8 };

      answers[i].fd = -1;
      fixture_dial (fixture, &asker, "127.0.0.1", 1, &answers[i]);
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

/* A user's many keep no place of another's. */
static void
test_many_of_one (Fixture *fixture, gconstpointer data)
{
  const BerthConnectorAsker asker = { .sandbox = 1, .uid = 1000 };
  const BerthConnectorAsker other = { .sandbox = 2, .uid = 1001 };
  Answer answers[BERTH_CONNECTOR_DIALS_OF_USER + 2] = { 0 };
  guint last = G_N_ELEMENTS (answers) - 1;

  for (guint i = 0; i <= last; i++)
    fixture_dial (fixture, i == last ? &other : &asker, "127.0.0.1", 1, &answers[i]);
  for (guint i = 0; i <= last; i++)
    {
      while (!answers[i].is_told)
        g_main_context_iteration (NULL, TRUE);
      if (i == BERTH_CONNECTOR_DIALS_OF_USER)
        g_assert_error (answers[i].error, G_IO_ERROR, G_IO_ERROR_BUSY);
      g_assert_true (answers[i].ok || i == BERTH_CONNECTOR_DIALS_OF_USER);
      g_free (answers[i].address);
      g_free (answers[i].text);
      g_clear_error (&answers[i].error);
    }
}

/* ---- names ---- */

/* FALSE: not for us */
static gboolean
put_over (const char *path, const char *text)
{
  g_autofree char *ours = NULL;
  int fd = g_file_open_tmp ("berth-connector-XXXXXX", &ours, NULL);
  gboolean ok;

  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize)strlen (text));
  g_assert_cmpint (fchmod (fd, 0644), ==, 0);
  close (fd);
  ok = mount (ours, path, NULL, MS_BIND, NULL) == 0;
  g_assert_cmpint (unlink (ours), ==, 0);
  return ok;
}

static void
take_away (void)
{
  umount2 ("/etc/hosts", MNT_DETACH);
  umount2 ("/etc/resolv.conf", MNT_DETACH);
}

/* A server that takes every question and answers none */
static int
serve_nothing (void)
{
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_port = htons (53),
                            .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *)&at, sizeof at), ==, 0);
  return fd;
}

/* Names that hang are in the way of who asked for them only: not of the user's other sandboxes, nor
 * of other users, however many they hang for. */
static void
test_hanging_names (Fixture *fixture, gconstpointer data)
{
  enum
  {
    HANGING = 800
  };
  Answer hanging[HANGING] = { 0 };
  g_autoptr (Answer) quick = NULL;
  g_autoptr (Answer) others = NULL;
  guint told = 0;
  int server;

  if (!put_over ("/etc/resolv.conf", "nameserver 127.0.0.1\n")
      || !put_over ("/etc/hosts", "127.0.0.1 quick.test\n"))
    {
      take_away ();
      g_test_skip ("no mounts for us");
      return;
    }
  server = serve_nothing ();
  for (guint i = 0; i < HANGING; i++)
    {
      g_autofree char *name = g_strdup_printf ("h%u.slow.test", i);
      /* the first 200 are of one sandbox; then those of eight users with eight each */
      const BerthConnectorAsker asker
          = { .sandbox = i < 200 ? 2 : 10 + i % 64, .uid = i < 200 ? 1000 : 2000 + i % 8 };

      fixture_dial (fixture, &asker, name, 443, &hanging[i]);
      if (i == 199)
        quick = ask (fixture, "quick.test", fixture->port);
    }
  others = ask_as (fixture, 99, 3000, "quick.test", fixture->port);
  for (guint i = 0; i < HANGING; i++)
    told += hanging[i].is_told;
  assert_connected (fixture, quick);
  assert_connected (fixture, others);
  g_assert_cmpuint (told, ==, 0);
  g_clear_object (&fixture->connector);
  for (guint i = 0; i < HANGING; i++)
    g_clear_error (&hanging[i].error);
  close (server);
  take_away ();
}

/* An answer of many addresses is no way to look at them all: the fourth is not tried, though
 * somebody listens there. */
static void
test_many_addresses (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GString) hosts = g_string_new (NULL);
  g_autoptr (Answer) answer = NULL;
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK + 3) };
  int listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socklen_t length = sizeof at;

  for (guint i = 1; i <= 50; i++)
    g_string_append_printf (hosts, "127.0.0.%u many.test\n", i);
  g_assert_no_errno (bind (listener, (struct sockaddr *)&at, sizeof at));
  g_assert_no_errno (listen (listener, 1));
  g_assert_no_errno (getsockname (listener, (struct sockaddr *)&at, &length));
  if (put_over ("/etc/hosts", hosts->str))
    {
      answer = ask (fixture, "many.test", ntohs (at.sin_port));
      g_assert_cmpint (answer->verdict, ==, BERTH_CONNECTOR_REFUSED);
      g_assert_cmpstr (answer->address, ==, "127.0.0.3");
    }
  else
    g_test_skip ("no mounts for us");
  take_away ();
  close (listener);
}

/* ---- what is handed over ---- */

static int
connect_to (guint16 port)
{
  struct sockaddr_in at = { .sin_family = AF_INET,
                            .sin_port = htons (port),
                            .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (connect (fd, (struct sockaddr *)&at, sizeof at), ==, 0);
  return fd;
}

/* Of the kind that the name says */
static int
make_wrong (const char *kind, guint16 port)
{
  const struct linger linger = { .l_onoff = 1, .l_linger = 1000 };
  int fds[2];

  if (g_str_equal (kind, "file"))
    return open ("/dev/null", O_RDWR | O_CLOEXEC);
  if (g_str_equal (kind, "unix"))
    return socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 ? fds[0] : -1;
  if (g_str_equal (kind, "datagram"))
    return socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (g_str_equal (kind, "alone"))
    return socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  fds[0] = connect_to (g_str_equal (kind, "elsewhere") ? port + 1 : port);
  if (g_str_equal (kind, "lingers"))
    setsockopt (fds[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  return fds[0];
}

/* The connector, were it somebody else's */
static int
be_wrong (void)
{
  for (;;)
    {
      BerthConnectorPacket packet;
      g_autoptr (GVariant) value = NULL;
      struct pollfd ready = { .fd = STDIN_FILENO, .events = POLLIN };
      char words[BERTH_CONNECTOR_TEXT_MAX + 2];
      gboolean is_over;
      const char *name;
      guint32 number;
      guint16 port;
      int fd;

      poll (&ready, 1, -1);
      value = berth_connector_wire_receive (STDIN_FILENO, &packet, &fd, &is_over);
      if (is_over)
        return 0;
      if (value == NULL || packet != BERTH_CONNECTOR_DIAL)
        continue;
      g_variant_get (value, "(u&squuasass)", &number, &name, &port, NULL, NULL, NULL, NULL, NULL);
      memset (words, 'x', sizeof words);
      memcpy (words + BERTH_CONNECTOR_TEXT_MAX - 2, "\033\303\251", 4);
      fd = make_wrong (name, port);
      berth_connector_wire_send (
          STDIN_FILENO, BERTH_CONNECTOR_VERDICT,
          g_variant_new (BERTH_CONNECTOR_VERDICT_TYPE, number, BERTH_CONNECTOR_CONNECTED,
                         g_str_equal (name, "address") ? "192.0.2.1" : "127.0.0.1", words),
          fd);
      close (fd);
    }
}

static void
test_handed_over (Fixture *fixture, gconstpointer data)
{
  static const char *const wrong[]
      = { "file", "unix", "datagram", "alone", "elsewhere", "lingers", "address" };
  g_autofree char *program = berth_config_dup_connector ();
  g_autofree char *ours = g_file_read_link ("/proc/self/exe", NULL); /* itself is of other mounts */
  g_autoptr (Answer) right = NULL;
  g_autoptr (Answer) denied = NULL;
  g_autoptr (Answer) not_the_proxy = NULL;
  struct sockaddr_in next = { .sin_family = AF_INET,
                              .sin_port = htons (fixture->port + 1),
                              .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  int other = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (other, (struct sockaddr *)&next, sizeof next), ==, 0);
  g_assert_cmpint (listen (other, 1), ==, 0);
  if (mount (ours, program, NULL, MS_BIND, NULL) != 0)
    {
      g_test_skip ("no mounts for us");
      close (other);
      return;
    }
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (Answer) answer = ask (fixture, wrong[i], fixture->port);

      g_assert_cmpint (answer->verdict, ==, BERTH_CONNECTOR_DENIED);
      g_assert_cmpint (answer->fd, ==, -1);
      g_assert_nonnull (strstr (answer->text, "not asked for"));
    }
  /* as it is, and where it may not lead, whatever the connector says */
  right = ask (fixture, "right", fixture->port);
  g_assert_cmpint (right->verdict, ==, BERTH_CONNECTOR_CONNECTED);
  g_assert_true (g_utf8_validate (right->text, -1, NULL));
  g_assert_cmpuint (strlen (right->text), <=, BERTH_CONNECTOR_TEXT_MAX);
  g_assert_null (strchr (right->text, '\033'));
  /* nor is anything but the proxy where one was asked for */
  fixture->proxy = "http://127.0.0.1:9";
  not_the_proxy = ask (fixture, "right", fixture->port);
  fixture->proxy = NULL;
  g_assert_cmpint (not_the_proxy->verdict, ==, BERTH_CONNECTOR_DENIED);
  fixture_configure (fixture, "", "");
  denied = ask (fixture, "right", fixture->port);
  g_assert_cmpint (denied->verdict, ==, BERTH_CONNECTOR_DENIED);
  g_clear_object (&fixture->connector);
  umount2 (program, MNT_DETACH);
  close (other);
}

/* ---- descriptors ---- */

/* What comes along with no packet, or with many others, is not kept. */
static void
test_useless_descriptors (Fixture *fixture, gconstpointer data)
{
  for (guint size = 0; size < 2; size++)
    {
      union
      {
        struct cmsghdr head;
        char bytes[CMSG_SPACE (2 * sizeof (int))];
      } control = { 0 };
      struct iovec part = { (char *)"\3", size };
      struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
      };
      BerthConnectorPacket packet;
      gboolean is_over;
      int passed[2], pair[2], fd;
      char byte;

      g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET, 0, pair));
      g_assert_no_errno (socketpair (AF_UNIX, SOCK_STREAM, 0, passed));
      control.head.cmsg_level = SOL_SOCKET;
      control.head.cmsg_type = SCM_RIGHTS;
      control.head.cmsg_len = CMSG_LEN (2 * sizeof (int));
      memcpy (CMSG_DATA (&control.head), (int[]){ passed[1], passed[1] }, 2 * sizeof (int));
      g_assert_cmpint (sendmsg (pair[0], &message, 0), ==, size);
      close (passed[1]);
      g_assert_null (berth_connector_wire_receive (pair[1], &packet, &fd, &is_over));
      g_assert_true (is_over);
      g_assert_cmpint (fd, ==, -1);
      g_assert_cmpint (recv (passed[0], &byte, 1, 0), ==, 0); /* nobody has it any more */
      close (passed[0]);
      close (pair[0]);
      close (pair[1]);
    }
}

/* What is wrong with the confinement of this process; 0: nothing */
static int
find_gap (gboolean has_landlock)
{
  static const char nowhere[] = "/nonexistent/berth";
  const struct sockaddr_un named = { .sun_family = AF_UNIX, .sun_path = "/tmp/berth-gap" };
  const struct
  {
    int result;
    int expected;
  } calls[] = {
    { kill (getppid (), 0) != 0 ? errno : 0, ENOSYS },
    { syscall (SYS_tgkill, getppid (), getppid (), 0) != 0 ? errno : 0, ENOSYS },
    { syscall (SYS_pidfd_open, getppid (), 0) < 0 ? errno : 0, ENOSYS },
    { fcntl (STDIN_FILENO, F_SETOWN, getppid ()) != 0 ? errno : 0, EPERM },
    { unlink (nowhere) != 0 ? errno : 0, ENOSYS },
    { rmdir (nowhere) != 0 ? errno : 0, ENOSYS },
    { rename (nowhere, nowhere) != 0 ? errno : 0, ENOSYS },
    { mkdir (nowhere, 0700) != 0 ? errno : 0, ENOSYS },
    { symlink (nowhere, nowhere) != 0 ? errno : 0, ENOSYS },
    { chmod (nowhere, 0700) != 0 ? errno : 0, ENOSYS },
    { execl ("/bin/true", "true", NULL) != 0 ? errno : 0, ENOSYS },
    { syscall (SYS_process_vm_readv, getppid (), NULL, 0, NULL, 0, 0) != 0 ? errno : 0, ENOSYS },
    { mmap (NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
          ? errno
          : 0,
      EACCES },
    { bind (STDIN_FILENO, (const struct sockaddr *)&named, sizeof named) != 0 ? errno : 0, ENOSYS },
    { listen (STDIN_FILENO, 1) != 0 ? errno : 0, ENOSYS },
    { open ("/dev/null", O_WRONLY) < 0 ? errno : 0, EACCES },
    { open (nowhere, O_RDONLY | O_CREAT, 0600) < 0 ? errno : 0, EACCES },
    { open ("/etc/passwd", O_RDONLY) < 0 ? errno : 0, 0 },
    { open ("/proc/self/environ", O_RDONLY) < 0 ? errno : 0, has_landlock ? EACCES : 0 },
    { fork () < 0 ? errno : 0, EPERM },
    { unshare (CLONE_NEWUSER) != 0 ? errno : 0, ENOSYS },
    { socket (AF_ALG, SOCK_SEQPACKET, 0) < 0 ? errno : 0, EAFNOSUPPORT },
    { socket (AF_NETLINK, SOCK_RAW, 0) < 0 ? errno : 0, 0 },
    { socket (AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0, EAFNOSUPPORT },
    { socket (AF_INET6, SOCK_STREAM, 0) < 0 ? errno : 0, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    if (calls[i].result != calls[i].expected)
      return (int)i + 1;
  return 0;
}

/* A mistake in a resolver writes nothing, signals nobody and starts nothing. */
static void
test_calls (void)
{
  gboolean has_landlock = syscall (SYS_landlock_create_ruleset, NULL, 0, 1) > 0;
  int status = -1;
  pid_t child = fork ();

  if (child == 0)
    _exit (berth_connector_confine (NULL, NULL) ? find_gap (has_landlock) : 99);
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  g_assert_true (WIFEXITED (status));
  g_assert_cmpint (WEXITSTATUS (status), ==, 0);
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
  gboolean has_mounts;
  int type = 0;
  socklen_t size = sizeof type;

  if (getsockopt (STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
    return be_wrong ();
  g_test_init (&argc, &argv, NULL);
  if (!connector_fixture_begin ())
    return 0;
  /* of names and programs of this test's own, where that is allowed */
  has_mounts
      = unshare (CLONE_NEWNS) == 0 && mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
  refuse_seccomp ();
  ADD ("connects", test_connects);
  ADD ("refused", test_refused);
  ADD ("denied", test_denied);
  ADD ("confined", test_confined);
  g_test_add_func ("/connector/calls", test_calls);
  g_test_add_func ("/connector/user", test_user);
  ADD ("dies", test_dies);
  ADD ("many", test_many);
  ADD ("many-of-one", test_many_of_one);
  ADD ("useless-descriptors", test_useless_descriptors);
  if (has_mounts)
    {
      ADD ("hanging-names", test_hanging_names);
      ADD ("many-addresses", test_many_addresses);
      ADD ("handed-over", test_handed_over);
    }
  return g_test_run ();
}
