/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What doctor finds out of a host's AppArmor and SELinux, on files that play the host. */
#include <glib/gstdio.h>
#include <sys/xattr.h>

#include "plugin/libvirt/berth-confinement.h"

#define DIR "/var/lib/berth/snapshots"

typedef struct
{
  char *root;
} Fixture;

static void
put (Fixture *self, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (self->root, name, NULL);
  g_autofree char *folder = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (folder, 0700), ==, 0);
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->root = g_dir_make_tmp ("berth-confinement-XXXXXX", NULL);
  put (self, "etc/apparmor.d/abstractions/libvirt-qemu",
       "  #include <abstractions/base>\n  #include <local/abstractions/libvirt-qemu>\n");
  put (self, "etc/apparmor.d/local/abstractions/libvirt-qemu", "");
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_assert_cmpint (g_remove (path), ==, 0);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  remove_tree (self->root);
  g_free (self->root);
}

static void
assert_problem (Fixture *self, const char *dir, const char *expected, const char *remedy_has)
{
  g_autofree char *remedy = NULL;
  g_autofree char *problem = berth_confinement_dup_problem (self->root, dir, &remedy);

  g_assert_cmpstr (problem, ==, expected);
  g_assert_true ((remedy == NULL) == (expected == NULL));
  if (expected != NULL)
    g_assert_nonnull (g_strstr_len (remedy, -1, remedy_has));
}

static void
test_nothing_confines (Fixture *self, gconstpointer data)
{
  g_autofree char *kind = berth_confinement_dup_kind (self->root);

  g_assert_null (kind);
  assert_problem (self, DIR, NULL, NULL);
  put (self, "sys/module/apparmor/parameters/enabled", "N\n");
  put (self, "sys/fs/selinux/enforce", "0");
  assert_problem (self, DIR, NULL, NULL);
}

static void
test_apparmor (Fixture *self, gconstpointer data)
{
  const char *missing
      = "AppArmor is on, and no rule lets QEMU have the snapshots in /var/lib/berth/snapshots";
  const char *remedy = "'include if exists <abstractions/berth>'";
  g_autofree char *kind = NULL;

  put (self, "sys/module/apparmor/parameters/enabled", "Y\n");
  kind = berth_confinement_dup_kind (self->root);
  g_assert_cmpstr (kind, ==, "AppArmor");
  assert_problem (self, DIR, missing, remedy);
  /* rules that nothing includes */
  put (self, "etc/apparmor.d/abstractions/berth", "# x\n" DIR "/*/ram rk,\n");
  assert_problem (self, DIR, missing, remedy);
  put (self, "etc/apparmor.d/local/abstractions/libvirt-qemu",
       "# include if exists <abstractions/berth>\n");
  assert_problem (self, DIR, missing, remedy);
  put (self, "etc/apparmor.d/local/abstractions/libvirt-qemu",
       "  include if exists <abstractions/berth>\n");
  assert_problem (self, DIR, NULL, NULL);
  put (self, "etc/apparmor.d/local/abstractions/libvirt-qemu", "#include <abstractions/berth>\n");
  assert_problem (self, DIR, NULL, NULL);
  /* rules for another folder */
  assert_problem (self, "/srv/snapshots",
                  "AppArmor is on, and no rule lets QEMU have the snapshots in /srv/snapshots",
                  "/srv/snapshots/");
  /* an administrator's own */
  put (self, "etc/apparmor.d/local/abstractions/libvirt-qemu", "/srv/snapshots/** rk,\n");
  assert_problem (self, "/srv/snapshots", NULL, NULL);
}

static void
test_selinux (Fixture *self, gconstpointer data)
{
  g_autofree char *kind = NULL;

  put (self, "sys/fs/selinux/enforce", "1");
  kind = berth_confinement_dup_kind (self->root);
  g_assert_cmpstr (kind, ==, "SELinux");
  assert_problem (self, DIR,
                  "SELinux is on, and /var/lib/berth/snapshots is not labelled svirt_image_t",
                  "restorecon -R /var/lib/berth/snapshots");
}

/* Where this kernel and user can write a label that no policy stands behind */
static void
test_selinux_label (Fixture *self, gconstpointer data)
{
  const char label[] = "system_u:object_r:svirt_image_t:s0";
  g_autofree char *dir = g_build_filename (self->root, DIR, NULL);

  put (self, "sys/fs/selinux/enforce", "1");
  g_assert_cmpint (g_mkdir_with_parents (dir, 0700), ==, 0);
  if (setxattr (dir, "security.selinux", label, sizeof label, 0) != 0)
    {
      g_test_skip ("this user, or file system, can't label files");
      return;
    }
  assert_problem (self, DIR, NULL, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/confinement/nothing", Fixture, NULL, set_up, test_nothing_confines, tear_down);
  g_test_add ("/confinement/apparmor", Fixture, NULL, set_up, test_apparmor, tear_down);
  g_test_add ("/confinement/selinux", Fixture, NULL, set_up, test_selinux, tear_down);
  g_test_add ("/confinement/selinux-label", Fixture, NULL, set_up, test_selinux_label, tear_down);
  return g_test_run ();
}
