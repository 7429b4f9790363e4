/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A manifest: as it was when it is read again; what is wrong in it is found. */
#include <string.h>

#include "pool/berth-error.h"
#include "tests/checkpoint/some-manifest.h"

static void
test_same (void)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (7, SOME_SANDBOX, "before");
  g_autoptr (BerthCheckpointManifest) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize length;

  text = berth_checkpoint_manifest_to_text (manifest, &length);
  again = berth_checkpoint_manifest_parse (text, length, &error);
  g_assert_no_error (error);
  g_assert_cmpint (again->kind, ==, BERTH_CHECKPOINT_NAMED);
  g_assert_cmpstr (again->name, ==, "before");
  g_assert_cmpstr (again->sandbox, ==, SOME_SANDBOX);
  g_assert_cmpuint (again->uid, ==, 7);
  g_assert_cmpstr (again->tenant, ==, "acme");
  g_assert_cmpuint (again->memory_mb, ==, 192);
  g_assert_cmpuint (again->exec_count, ==, 3);
  g_assert_cmpint (again->created_us, ==, 1796026800000000);
  g_assert_cmpstr (again->base, ==, "python@1000:acme");
  g_assert_cmpuint (again->bytes, ==, 2200000);
  g_assert_true (
      g_strv_equal ((const char *const *)again->parts, (const char *const *)manifest->parts));
}

static void
test_asleep (void)
{
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (7, SOME_SANDBOX, "");
  g_autoptr (BerthCheckpointManifest) again = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize length;

  text = berth_checkpoint_manifest_to_text (manifest, &length);
  again = berth_checkpoint_manifest_parse (text, length, &error);
  g_assert_no_error (error);
  g_assert_cmpint (again->kind, ==, BERTH_CHECKPOINT_ASLEEP);
  g_assert_cmpstr (again->name, ==, "");
}

/* One line of a good one is another */
typedef struct
{
  const char *line; /* begins so */
  const char *instead;
} Wrong;

static void
test_wrong (void)
{
  static const Wrong wrongs[] = {
    { "format=", "format=2" },
    { "kind=", "kind=whole" },
    { "kind=", "kind=asleep" },
    { "name=", "name=../x" },
    { "name=", "" },
    { "sandbox=", "sandbox=0123" },
    { "sandbox=", "" },
    { "uid=", "uid=-1" },
    { "uid=", "uid=4294967296" },
    { "uid=", "" },
    { "tenant=", "tenant=a b" },
    { "tenant=", "tenant=\\x\\" }, /* of which GLib would warn */
    { "parts=", "parts=\\x\\" },
    { "memory-mb=", "memory-mb=0" },
    { "vcpus=", "vcpus=5000" },
    { "base=", "base=../../etc" },
    { "base-key=", "base-key=xyz" },
    { "state-sha256=", "state-sha256=0123" },
    { "state-size=", "state-size=99999999999999999999" },
    { "created-us=", "created-us=-1" },
    { "parts=", "parts=a\\nb;" },
    { "parts=", "parts=1;2;3;4;5;6;7;8;9;10;11;12;13;14;15;16;17;" },
    { "[checkpoint]", "[snapshot]" },
  };
  g_autoptr (BerthCheckpointManifest) manifest = some_manifest (7, SOME_SANDBOX, "before");
  g_autofree char *text = berth_checkpoint_manifest_to_text (manifest, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (wrongs); i++)
    {
      g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
      g_autoptr (GError) error = NULL;
      g_autofree char *changed = NULL;

      for (guint j = 0; lines[j] != NULL; j++)
        if (g_str_has_prefix (lines[j], wrongs[i].line))
          {
            g_free (lines[j]);
            lines[j] = g_strdup (wrongs[i].instead);
          }
      changed = g_strjoinv ("\n", lines);
      g_assert_cmpstr (changed, !=, text);
      g_assert_null (berth_checkpoint_manifest_parse (changed, strlen (changed), &error));
      g_assert_error (error, BERTH_ERROR, BERTH_ERROR_CONFIG);
    }
}

static void
test_none (void)
{
  g_assert_null (berth_checkpoint_manifest_parse ("", 0, NULL));
  g_assert_null (berth_checkpoint_manifest_parse ("a\0b", 3, NULL));
  g_assert_null (berth_checkpoint_manifest_parse ("\xff\xfe", 2, NULL));
}

static void
test_names (void)
{
  g_autofree char *long_name = g_strnfill (129, 'a');
  g_autoptr (GError) error = NULL;

  g_assert_true (berth_checkpoint_name_check ("before-migration_1", NULL));
  g_assert_false (berth_checkpoint_name_check ("", NULL));
  g_assert_false (berth_checkpoint_name_check ("a.part", NULL));
  g_assert_false (berth_checkpoint_name_check ("a/b", NULL));
  g_assert_false (berth_checkpoint_name_check (long_name, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_INVALID);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/checkpoint-manifest/same", test_same);
  g_test_add_func ("/checkpoint-manifest/asleep", test_asleep);
  g_test_add_func ("/checkpoint-manifest/wrong", test_wrong);
  g_test_add_func ("/checkpoint-manifest/none", test_none);
  g_test_add_func ("/checkpoint-manifest/names", test_names);
  return g_test_run ();
}
