/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as berth.conf: no crash, a message of one line for what is refused, and what is taken
 * is printed and read again unchanged. */
#include <string.h>
#include <unistd.h>

#include "plugin/config/berth-config.h"
#include "pool/berth-error.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* one file for all inputs; it has no name after this */
static char *
dup_file (const guint8 *data, gsize size)
{
  static int fd = -1; /* lint: static: a file of a fuzz target's own, for every input */
  char name[] = "/tmp/berth-fuzz-config-XXXXXX";

  if (fd < 0)
    {
      fd = g_mkstemp (name);
      g_assert_cmpint (fd, >=, 0);
      g_assert_cmpint (unlink (name), ==, 0);
    }
  g_assert_cmpint (ftruncate (fd, 0), ==, 0);
  g_assert_cmpint (pwrite (fd, data, size, 0), ==, (gssize)size);
  return g_strdup_printf ("/proc/self/fd/%d", fd);
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
  g_autoptr (GRegex) regex = g_regex_new ("^#([a-z_]+=)", G_REGEX_MULTILINE, 0, NULL);
  g_autofree char *file = g_regex_replace (regex, text, -1, 0, "\\1", 0, NULL);
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
