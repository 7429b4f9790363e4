/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt's own helpers read a domain's disks and kernel, and not its <qemu:commandline>, where a
 * snapshot's memory stands: what a kernel that confines QEMU must allow besides is berth's to
 * bring. */
#include "plugin/libvirt/berth-confinement.h"

#include <string.h>
#include <sys/xattr.h>

#define APPARMOR "sys/module/apparmor/parameters/enabled"
#define SELINUX "sys/fs/selinux/enforce"
#define PROFILE "etc/apparmor.d/abstractions/libvirt-qemu"
#define LOCAL_PROFILE "etc/apparmor.d/local/abstractions/libvirt-qemu"
#define OWN_PROFILE "etc/apparmor.d/abstractions/berth"
#define OWN_INCLUDE "<abstractions/berth>"
#define LABEL "svirt_image_t"

static char *
dup_contents (const char *root, const char *name)
{
  g_autofree char *path = g_build_filename (root, name, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text != NULL ? text : g_strdup ("");
}

/* Whether a line of @text that is no comment has @word; an #include of old is one. */
static gboolean
has_line_with (const char *text, const char *word)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      const char *line = g_strchug (lines[i]);

      if ((line[0] != '#' || g_str_has_prefix (line, "#include")) && strstr (line, word) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* What the profile of every guest includes, as one text */
static char *
dup_rules (const char *root)
{
  g_autofree char *profile = dup_contents (root, PROFILE);
  g_autofree char *local = dup_contents (root, LOCAL_PROFILE);
  g_autofree char *both = g_strconcat (profile, "\n", local, NULL);
  g_autofree char *own = NULL;

  if (!has_line_with (both, OWN_INCLUDE))
    return g_steal_pointer (&both);
  own = dup_contents (root, OWN_PROFILE);
  return g_strconcat (both, "\n", own, NULL);
}

static char *
dup_apparmor_problem (const char *root, const char *snapshot_dir, char **out_remedy)
{
  g_autofree char *rules = dup_rules (root);
  g_autofree char *below = g_strconcat (snapshot_dir, "/", NULL);

  if (has_line_with (rules, below))
    return NULL;
  *out_remedy = g_strdup_printf (
      "see that /%s has rules for %s and that /" LOCAL_PROFILE " has the line 'include if exists "
      "" OWN_INCLUDE "' (the package berthd brings both); until then each VM boots by itself",
      OWN_PROFILE, below);
  return g_strdup_printf ("AppArmor is on, and no rule lets QEMU have the snapshots in %s",
                          snapshot_dir);
}

static char *
dup_selinux_problem (const char *root, const char *snapshot_dir, char **out_remedy)
{
  g_autofree char *path = g_build_filename (root, snapshot_dir, NULL);
  char label[256] = "";
  ssize_t size = getxattr (path, "security.selinux", label, sizeof label - 1);

  if (size > 0 && strstr (label, LABEL) != NULL)
    return NULL;
  *out_remedy
      = g_strdup_printf ("semanage fcontext -a -t " LABEL " '%s(/.*)?' && restorecon -R %s; until "
                         "then each VM boots by itself",
                         snapshot_dir, snapshot_dir);
  return g_strdup_printf ("SELinux is on, and %s is not labelled " LABEL, snapshot_dir);
}

static gboolean
is_on (const char *root, const char *name)
{
  g_autofree char *text = dup_contents (root, name);

  return text[0] == 'Y' || text[0] == '1';
}

/**
 * berth_confinement_dup_kind:
 * @root: "/", or where a test has put a host's files
 *
 * Returns: (transfer full) (nullable): what confines programs on this host
 */
char *
berth_confinement_dup_kind (const char *root)
{
  return is_on (root, APPARMOR)  ? g_strdup ("AppArmor")
         : is_on (root, SELINUX) ? g_strdup ("SELinux")
                                 : NULL;
}

/**
 * berth_confinement_dup_problem:
 * @root: as for berth_confinement_dup_kind()
 * @snapshot_dir: an absolute path
 * @out_remedy: (out) (transfer full): what to do about it; untouched without a problem
 *
 * Reads a few small files; looks at rules as text, so at whether they are there and not at what
 * they allow. Any thread.
 *
 * Returns: (transfer full) (nullable): what keeps QEMU from the snapshots
 */
char *
berth_confinement_dup_problem (const char *root, const char *snapshot_dir, char **out_remedy)
{
  if (is_on (root, APPARMOR))
    return dup_apparmor_problem (root, snapshot_dir, out_remedy);
  if (is_on (root, SELINUX))
    return dup_selinux_problem (root, snapshot_dir, out_remedy);
  return NULL;
}
