/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as berth.conf: no crash, a message of one line for what is refused, and what is taken
 * is printed and read again unchanged. */
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "plugin/config/berth-config.h"
#include "pool/berth-error.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* The host's groups are no input, and a look-up of one took half of each execution's time. */
struct group *
getgrnam (const char *name)
{
  return NULL;
}

/* one file for all inputs, in memory */
static char *
dup_file (const guint8 *data, gsize size)
{
  static int fd = -1; /* lint: static: a file of a fuzz target's own, for every input */

  if (fd < 0)
    fd = memfd_create ("berth.conf", MFD_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (ftruncate (fd, 0), ==, 0);
  g_assert_cmpint (pwrite (fd, data, size, 0), ==, (gssize)size);
  return g_strdup_printf ("/proc/self/fd/%d", fd);
}

/* The text with each setting that stands there as a comment, at its default, set. */
static char *
dup_all_set (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (char **line = lines; *line != NULL; line++)
    {
      gsize key = strspn (*line + (**line == '#'), "abcdefghijklmnopqrstuvwxyz_");

      if (**line == '#' && key > 0 && (*line)[1 + key] == '=')
        **line = ' ';
    }
  return g_strjoinv ("\n", lines);
}

static gboolean
load (BerthConfig *config, const guint8 *data, gsize size, GError **error)
{
  g_autofree char *path = dup_file (data, size);

  return berth_config_load_file (config, path, error);
}

static void
assert_reads_back (const BerthConfig *config)
{
  g_autofree char *text = berth_config_dup_text (config);
  g_autofree char *file = dup_all_set (text);
  g_autoptr (BerthConfig) again = berth_config_new ();
  g_autoptr (BerthTenantPolicy) policy = berth_config_dup_tenant_policy (config);
  g_autofree char *text_again = NULL;

  g_assert_nonnull (policy);
  g_assert_true (load (again, (const guint8 *)file, strlen (file), NULL));
  text_again = berth_config_dup_text (again);
  g_assert_cmpstr (text_again, ==, text);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (BerthConfig) config = berth_config_new ();
  g_autoptr (GError) error = NULL;

  if (load (config, data, size, &error))
    {
      g_assert_no_error (error);
      assert_reads_back (config);
    }
  else
    {
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
      g_assert_null (strchr (error->message, '\n'));
    }
  return 0;
}
