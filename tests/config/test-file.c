/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be asked of a sandbox's files at all, at its limits, and how results are told. */
#include <sys/stat.h>

#include "agent/berth-holes.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

static void
assert_path (const char *path, const char *part)
{
  g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_LIST, path);
  g_autoptr (GError) error = NULL;
  gboolean ok = berth_file_request_check (request, &error);

  if (part == NULL)
    {
      g_assert_no_error (error);
      g_assert_true (ok);
      return;
    }
  g_assert_false (ok);
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
  g_assert_nonnull (strstr (error->message, part));
  g_assert_null (strchr (error->message, '\n'));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
test_paths (void)
{
  static const char *const good[] = { ".",     "a",     "a/..",   "a/../b", "./a//b/", "...",
                                      "..a/b", "a\xff", "/tmp/x", "/",      "~",       "a:b" };
  g_autofree char *name = g_strnfill (255, 'n');
  g_autofree char *longer = g_strnfill (256, 'n');
  g_autofree char *path = g_strnfill (4096, '/');
  g_autofree char *over = g_strnfill (4097, '/');

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    assert_path (good[i], NULL);
  assert_path (name, NULL);
  assert_path (path, NULL);
  assert_path (longer, "255");
  assert_path (over, "4096");
  assert_path ("", "empty");
  assert_path ("..", "leaves");
  assert_path ("a/../..", "leaves");
  assert_path ("a/../../a", "leaves");
  assert_path ("/..", "leaves");
  assert_path ("a\nb", "'a?b': the path has a control");
  assert_path ("a\x7f", "control");
  assert_path ("\xc3\xa4\xff/../..", "leaves");
}

/* A message holds a part of a long path, and no half of a character. */
static void
test_long_path_in_a_message (void)
{
  GString *path = g_string_new ("x");

  for (guint i = 0; i < 100; i++)
    g_string_append (path, "\xc3\xa4");
  g_string_append_c (path, '\n');
  assert_path (path->str, "control");
  g_string_free (path, TRUE);
}

static void
check_put (guint64 size, guint64 size_max, guint32 mode, gboolean is_good)
{
  g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_PUT, "file");
  g_autoptr (GError) error = NULL;

  request->size = size;
  request->size_max = size_max;
  request->mode = mode;
  g_assert_cmpint (berth_file_request_check (request, &error), ==, is_good);
  g_assert_cmpint (error == NULL, ==, is_good);
}

static void
test_sizes_and_modes (void)
{
  check_put (BERTH_FILE_SIZE_MAX_DEFAULT, BERTH_FILE_SIZE_MAX_DEFAULT, 0644, TRUE);
  check_put (BERTH_FILE_SIZE_MAX_DEFAULT + 1, BERTH_FILE_SIZE_MAX_DEFAULT, 0644, FALSE);
  check_put (0, 0, 0777, TRUE);
  check_put (0, 0, 01000, FALSE);
}

static void
test_holes (void)
{
  const struct
  {
    BerthHole holes[2];
    gboolean is_good;
  } cases[] = {
    { { { 0, 1 }, { 2, 98 } }, TRUE },           { { { 0, 1 }, { 1, 1 } }, FALSE },
    { { { 5, 1 }, { 0, 1 } }, FALSE },           { { { 0, 0 }, { 2, 1 } }, FALSE },
    { { { 0, 1 }, { 2, 99 } }, FALSE },          { { { 0, 1 }, { 100, 1 } }, FALSE },
    { { { 0, 1 }, { 2, G_MAXUINT64 } }, FALSE }, { { { 0, 1 }, { G_MAXUINT64, 1 } }, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_PUT, "file");

      request->size = 100;
      request->holes = g_array_new (FALSE, FALSE, sizeof (BerthHole));
      g_array_append_vals (request->holes, cases[i].holes, 2);
      g_assert_cmpint (berth_file_request_check (request, NULL), ==, cases[i].is_good);
      if (cases[i].is_good)
        g_assert_cmpuint (berth_file_request_get_data_size (request), ==, 1);
    }
}

static void
test_listing (void)
{
  g_autofree char *name = g_strnfill (255, 'n');
  g_autofree char *longer = g_strnfill (256, 'n');
  const struct
  {
    guint count;
    const char *after;
    gboolean is_good;
  } cases[] = {
    { 1, NULL, TRUE },   { 1000, name, TRUE }, { 0, NULL, FALSE }, { 1001, NULL, FALSE },
    { 1, "a/b", FALSE }, { 1, longer, FALSE }, { 1, "", FALSE },   { 1, "..", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (BerthFileRequest) request = berth_file_request_new (BERTH_FILE_LIST, ".");

      request->count_max = cases[i].count;
      request->after = g_strdup (cases[i].after);
      g_assert_cmpint (berth_file_request_check (request, NULL), ==, cases[i].is_good);
    }
}

static void
test_told (void)
{
  BerthFileResult *result = g_new0 (BerthFileResult, 1);
  g_autoptr (GVariant) info = NULL;
  g_autofree char *text = NULL;

  result->mode = S_IFREG | 04755;
  result->size = 7;
  result->sha256 = g_strdup ("00");
  info = g_variant_ref_sink (berth_file_result_to_variant (result));
  text = g_variant_print (info, FALSE);
  g_assert_cmpstr (text, ==,
                   "{'type': <'file'>, 'mode': <uint32 2541>, 'size': <uint64 7>, "
                   "'sha256': <'00'>}");
  berth_file_result_free (result);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/file/paths", test_paths);
  g_test_add_func ("/file/long-path-in-a-message", test_long_path_in_a_message);
  g_test_add_func ("/file/sizes-and-modes", test_sizes_and_modes);
  g_test_add_func ("/file/holes", test_holes);
  g_test_add_func ("/file/listing", test_listing);
  g_test_add_func ("/file/told", test_told);
  return g_test_run ();
}
