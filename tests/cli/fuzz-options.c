/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any dictionary as a call's options, those of files included: no crash, no descriptor lost, and
 * what is taken keeps the rules. Bytes are read as GVariant's text format, else as its binary form.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#include "plugin/daemon/berth-file-options.h"
#include "plugin/model/berth-limits.h"
#include "plugin/daemon/berth-options.h"
#include "pool/berth-error.h"
#include "pool/berth-request.h"

#define DEFAULT_WAIT_US 7

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static GVariant *
to_dictionary (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *)data, size);
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GVariant) untrusted = NULL;
  GVariant *parsed = NULL;

  if (g_utf8_validate (text, -1, NULL)) /* GLib's parser takes that for granted */
    parsed = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
  if (parsed != NULL)
    return parsed;
  untrusted = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));
  return g_variant_get_normal_form (untrusted);
}

/* (transfer full): both ends of a pipe */
static int *
some_fds (void)
{
  int *ends = g_new (int, 2);

  g_assert_true (g_unix_open_pipe (ends, FD_CLOEXEC, NULL));
  return ends;
}

static void
drop_fds (int *ends)
{
  close (ends[0]);
  close (ends[1]);
  g_free (ends);
}

static guint
count_fds (void)
{
  DIR *folder = opendir ("/proc/self/fd");
  guint count = 0;

  while (readdir (folder) != NULL)
    count++;
  closedir (folder);
  return count;
}

static void
assert_rules (const BerthOptions *options, BerthOptionSet set)
{
  const BerthSandboxOptions *sandbox = &options->sandbox;

  g_assert_cmpint (options->exec != NULL, ==, (set & BERTH_OPTION_SET_EXEC) != 0);
  g_assert_true (sandbox->memory_mb == 0 || sandbox->memory_mb >= BERTH_LIMIT_MEMORY_MIN_MB);
  g_assert_cmpint (sandbox->wait_us, >=, BERTH_REQUEST_WAIT_FOREVER);
  g_assert_cmpint (sandbox->wait_us, <=, BERTH_LIMIT_WAIT_MS * 1000);
  if ((set & BERTH_OPTION_SET_SANDBOX) == 0)
    g_assert_cmpint (sandbox->wait_us, ==, DEFAULT_WAIT_US);
  if (sandbox->tenant != NULL)
    g_assert_cmpuint (strlen (sandbox->tenant), <=, BERTH_REQUEST_NAME_MAX);
  if (options->exec != NULL)
    g_assert_true (berth_exec_check (options->exec, NULL));
}

/* As of Put, Get or Ls; the path is the dictionary's "path", or a good one. */
static void
fuzz_files (BerthFileKind kind, GVariant *dictionary)
{
  int *ends = some_fds ();
  const BerthCallerFds fds = { ends, 2 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) path = g_variant_lookup_value (dictionary, "path", G_VARIANT_TYPE ("ay"));
  GVariantDict dict = G_VARIANT_DICT_INIT (dictionary);
  g_autoptr (GVariant) options = NULL;
  g_autoptr (BerthFileRequest) request = NULL;

  if (path == NULL)
    path = g_variant_ref_sink (g_variant_new_bytestring ("a/file"));
  g_variant_dict_remove (&dict, "path");
  options = g_variant_ref_sink (g_variant_dict_end (&dict));
  request = berth_file_options_parse (kind, path, options, &fds, geteuid (), &error);
  drop_fds (ends);
  if (request == NULL)
    g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  else
    {
      g_assert_true (berth_file_request_check (request, NULL));
      g_assert_cmpint (request->fd >= 0, ==,
                       request->kind == BERTH_FILE_PUT || request->kind == BERTH_FILE_GET);
    }
}

/* The first byte says which method it is. */
static BerthOptionSet
set_of (guint8 method)
{
  if (method == 'R')
    return BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_EXEC | BERTH_OPTION_SET_RUN
           | BERTH_OPTION_SET_FILES;
  if (method == 'S')
    return BERTH_OPTION_SET_SANDBOX | BERTH_OPTION_SET_SESSION;
  return (BerthOptionSet)(method % 3 + 1);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const BerthFileKind kinds[] = { BERTH_FILE_PUT, BERTH_FILE_GET, BERTH_FILE_LIST };
  BerthOptionSet set;
  guint before = count_fds ();

  if (size == 0)
    return 0;
  if (data[0] >= 'a')
    {
      g_autoptr (GVariant) dictionary = to_dictionary (data + 1, size - 1);

      fuzz_files (kinds[data[0] % G_N_ELEMENTS (kinds)], dictionary);
      g_assert_cmpuint (count_fds (), ==, before);
      return 0;
    }
  set = set_of (data[0]);
  {
    g_autoptr (GVariant) dictionary = to_dictionary (data + 1, size - 1);
    int *ends = some_fds ();
    const BerthCallerFds fds = { ends, 2 };
    g_autoptr (GError) error = NULL;
    g_autoptr (BerthOptions) options
        = berth_options_parse (set, dictionary, &fds, geteuid (), DEFAULT_WAIT_US, &error);

    drop_fds (ends);

    if (options != NULL)
      assert_rules (options, set);
    else
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  }
  g_assert_cmpuint (count_fds (), ==, before);
  return 0;
}
