/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A domain's QEMU process, by a pid file as libvirt writes it. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "berth-process.h"

static BerthProcess *
open_pid (const char *name, pid_t pid)
{
  g_autofree char *dir
      = g_build_filename (g_get_user_runtime_dir (), "libvirt", "qemu", "run", NULL);
  g_autofree char *path = g_strdup_printf ("%s/%s.pid", dir, name);
  g_autofree char *text = g_strdup_printf ("%d\n", (int)pid);

  g_assert_cmpint (g_mkdir_with_parents (dir, 0700), ==, 0);
  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  return berth_process_open ("qemu:///session", name);
}

/* What is restored has another process, whatever name and number that has. */
static void
test_id (void)
{
  g_autoptr (BerthProcess) parent = open_pid ("same", getpid ());
  g_autoptr (BerthProcess) again = open_pid ("other", getpid ());
  g_autoptr (BerthProcess) other = NULL;
  pid_t child = fork ();

  if (child == 0)
    for (;;)
      pause ();
  other = open_pid ("same", child);
  g_assert_true (
      g_regex_match_simple ("^[0-9]+-[0-9]+-[0-9a-f-]{36}$", berth_process_get_id (parent), 0, 0));
  g_assert_cmpstr (berth_process_get_id (parent), ==, berth_process_get_id (again));
  g_assert_cmpstr (berth_process_get_id (parent), !=, berth_process_get_id (other));
  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
  g_assert_null (open_pid ("same", child));
}

/* One that has ended, and whose number nobody has yet, is nobody's proof. */
static void
test_ended (void)
{
  g_autoptr (BerthProcess) process = NULL;
  pid_t child = fork ();
  siginfo_t info;

  if (child == 0)
    _exit (0);
  g_assert_cmpint (waitid (P_PID, (id_t)child, &info, WEXITED | WNOWAIT), ==, 0);
  process = open_pid ("ended", child);
  g_assert_nonnull (process);
  g_assert_null (berth_process_get_id (process));
  g_assert_cmpint (waitpid (child, NULL, 0), ==, child);
}

int
main (int argc, char **argv)
{
  g_autofree char *dir = g_dir_make_tmp ("berth-process-XXXXXX", NULL);
  int status;

  g_setenv ("XDG_RUNTIME_DIR", dir, TRUE);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/process/id", test_id);
  g_test_add_func ("/process/ended", test_ended);
  status = g_test_run ();
  for (const char *const *name = (const char *const[]){ "same", "other", "ended", NULL };
       *name != NULL; name++)
    {
      g_autofree char *path = g_strdup_printf ("%s/libvirt/qemu/run/%s.pid", dir, *name);

      g_unlink (path);
    }
  for (const char *const *part
       = (const char *const[]){ "/libvirt/qemu/run", "/libvirt/qemu", "/libvirt", "", NULL };
       *part != NULL; part++)
    {
      g_autofree char *path = g_strconcat (dir, *part, NULL);

      g_rmdir (path);
    }
  return status;
}
