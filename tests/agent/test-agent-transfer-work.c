/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The process of a transfer as a guest has it: started by root, its work done as uid 1000, under a
 * /proc that hides others. Needs root. */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent-transfer-work.h"

#define TEXT "some bytes\n"

typedef struct
{
  char *home;
  BerthAgentConfig config;
  BerthAgentTransferJob job;
  pid_t pid;
  int control_fd;
  BerthAgentTransferResult result;
  gssize result_size;
  char data[100];
  gssize data_size;
} Fixture;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->home = g_dir_make_tmp ("berth-work-XXXXXX", NULL);
  fixture->config = (BerthAgentConfig){
    .is_init = true, .uid = BERTH_AGENT_UID, .gid = BERTH_AGENT_UID, .home = fixture->home
  };
  fixture->job = (BerthAgentTransferJob){ 0 };
  g_assert_no_errno (chown (fixture->home, BERTH_AGENT_UID, BERTH_AGENT_UID));
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GDir) folder = g_dir_open (fixture->home, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (folder)) != NULL)
    {
      g_autofree char *path = g_build_filename (fixture->home, name, NULL);

      g_remove (path);
    }
  g_rmdir (fixture->home);
  g_free (fixture->home);
}

/* In a mount namespace of its own, as the agent's fork has its guest's /proc. */
static void
child (Fixture *fixture, int control_fd)
{
  if (unshare (CLONE_NEWNS) != 0 || mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0
      || mount ("proc", "/proc", "proc", 0, "hidepid=2") != 0)
    _exit (99);
  berth_agent_transfer_serve (&fixture->config, -1, control_fd);
}

/* What the agent does: it writes the file that it is handed, and tells the verdict. */
static void
write_file (int data_fd, int control_fd, const char *text)
{
  guint8 verdict = BERTH_AGENT_TRANSFER_NAME_IT;
  union
  {
    struct cmsghdr head;
    char room[CMSG_SPACE (sizeof (int))];
  } control;
  char byte;
  struct iovec vector = { &byte, 1 };
  struct msghdr message = {
    .msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
  };
  int fd;

  if (recvmsg (data_fd, &message, MSG_CMSG_CLOEXEC) != 1)
    return; /* it was refused */
  memcpy (&fd, CMSG_DATA (&control.head), sizeof fd);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, (gssize)strlen (text));
  close (fd);
  g_assert_cmpint (send (control_fd, &verdict, sizeof verdict, 0), ==, sizeof verdict);
}

static void
start (Fixture *fixture)
{
  int control[2];

  g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control));
  fixture->pid = fork ();
  if (fixture->pid == 0)
    child (fixture, control[1]);
  close (control[1]);
  fixture->control_fd = control[0];
}

static void
stop (Fixture *fixture)
{
  int status;

  close (fixture->control_fd);
  g_assert_cmpint (waitpid (fixture->pid, &status, 0), ==, fixture->pid);
  g_assert_cmpint (status, ==, 0);
}

/* One more job of the process that was started */
static void
serve (Fixture *fixture, guint32 type, const char *path, const char *text)
{
  int data[2];

  if (type == BERTH_FRAME_PUT)
    g_assert_no_errno (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, data));
  else
    g_assert_no_errno (pipe2 (data, O_CLOEXEC));
  fixture->job.type = type;
  g_strlcpy (fixture->job.path, path, sizeof fixture->job.path);
  fixture->job.path_size = (guint32)strlen (path);
  g_assert_true (berth_agent_transfer_send (fixture->control_fd, &fixture->job, data[1]));
  close (data[1]);
  if (type == BERTH_FRAME_PUT)
    write_file (data[0], fixture->control_fd, text);
  fixture->result_size = recv (fixture->control_fd, &fixture->result, sizeof fixture->result, 0);
  fixture->data_size
      = type == BERTH_FRAME_PUT ? 0 : read (data[0], fixture->data, sizeof fixture->data);
  close (data[0]);
}

static void
run (Fixture *fixture, guint32 type, const char *path, const char *text)
{
  start (fixture);
  serve (fixture, type, path, text);
  stop (fixture);
}

static void
assert_refused (Fixture *fixture, const char *part)
{
  g_autofree char *text = NULL;

  g_assert_cmpuint (fixture->result.error, ==, BERTH_AGENT_ERROR_INVALID);
  text = g_strndup (fixture->result.text, (gsize)fixture->result_size - 4);
  g_assert_nonnull (strstr (text, part));
}

static void
test_put_and_get (Fixture *fixture, gconstpointer data)
{
  g_autofree char *path = g_build_filename (fixture->home, "file", NULL);
  struct stat info;

  fixture->job.put = (BerthPutHead){ .size = strlen (TEXT), .mode = 04755 };
  for (guint i = 0; i < 2; i++) /* a new file, and one that is replaced */
    {
      run (fixture, BERTH_FRAME_PUT, "file", TEXT);
      g_assert_cmpuint (fixture->result.error, ==, 0);
      g_assert_no_errno (stat (path, &info));
      g_assert_cmpuint (info.st_uid, ==, BERTH_AGENT_UID);
      g_assert_cmpuint (info.st_gid, ==, BERTH_AGENT_UID);
      g_assert_cmpuint (info.st_mode, ==, S_IFREG | 0755);
    }
  fixture->job.get = (BerthGetHead){ .size_max = 1000 };
  run (fixture, BERTH_FRAME_GET, "file", TEXT);
  g_assert_cmpuint (fixture->result.error, ==, 0);
  g_assert_cmpmem (fixture->data, fixture->data_size, TEXT, strlen (TEXT));
  fixture->job.ls = (BerthLsHead){ .count_max = 1000 };
  run (fixture, BERTH_FRAME_LS, ".", TEXT);
  g_assert_cmpuint (fixture->result.error, ==, 0);
  g_assert_cmpint (fixture->data_size, ==, sizeof (BerthLsEntry) + strlen ("file"));
}

static guint
count_fds (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", pid);
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);
  guint count = 0;

  g_assert_nonnull (folder);
  while (g_dir_read_name (folder) != NULL)
    count++;
  return count;
}

/* One process serves them, and keeps nothing open between them. */
static void
test_one_after_the_other (Fixture *fixture, gconstpointer data)
{
  start (fixture);
  for (guint i = 0; i < 50; i++)
    {
      g_autofree char *name = g_strdup_printf ("file-%u", i % 3);

      fixture->job.put = (BerthPutHead){ .size = strlen (TEXT), .mode = 0644 };
      serve (fixture, BERTH_FRAME_PUT, name, TEXT);
      g_assert_cmpuint (fixture->result.error, ==, 0);
      serve (fixture, BERTH_FRAME_PUT, "../outside", TEXT);
      g_assert_cmpuint (fixture->result.error, ==, BERTH_AGENT_ERROR_INVALID);
      fixture->job.get = (BerthGetHead){ .size_max = 1000 };
      serve (fixture, BERTH_FRAME_GET, name, NULL);
      g_assert_cmpmem (fixture->data, fixture->data_size, TEXT, strlen (TEXT));
      fixture->job.ls = (BerthLsHead){ .count_max = 1000 };
      serve (fixture, BERTH_FRAME_LS, ".", NULL);
      g_assert_cmpint (fixture->data_size, ==,
                       (gssize)MIN (i + 1, 3) * (gssize)(sizeof (BerthLsEntry) + strlen (name)));
      g_assert_cmpuint (count_fds (fixture->pid), ==, 1);
    }
  stop (fixture);
}

static void
test_has_no_power (Fixture *fixture, gconstpointer data)
{
  g_autofree char *secret = g_build_filename (fixture->home, "secret", NULL);
  g_autofree char *folder = g_build_filename (fixture->home, "roots", NULL);

  g_assert_true (g_file_set_contents_full (secret, TEXT, -1, 0, 0600, NULL));
  g_assert_no_errno (g_mkdir (folder, 0755));
  fixture->job.get = (BerthGetHead){ .size_max = 1000 };
  run (fixture, BERTH_FRAME_GET, "secret", TEXT);
  assert_refused (fixture, "Permission denied");
  fixture->job.put = (BerthPutHead){ .size = strlen (TEXT), .mode = 0644 };
  run (fixture, BERTH_FRAME_PUT, "roots/file", TEXT);
  assert_refused (fixture, "Permission denied");
  run (fixture, BERTH_FRAME_PUT, "roots/new/file", TEXT);
  assert_refused (fixture, "Permission denied");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (geteuid () != 0)
    {
      g_print ("1..0 # SKIP needs root\n");
      return 0;
    }
  g_test_add ("/agent/transfer-work/one-after-the-other", Fixture, NULL, set_up,
              test_one_after_the_other, tear_down);
  g_test_add ("/agent/transfer-work/put-and-get", Fixture, NULL, set_up, test_put_and_get,
              tear_down);
  g_test_add ("/agent/transfer-work/has-no-power", Fixture, NULL, set_up, test_has_no_power,
              tear_down);
  return g_test_run ();
}
