/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target as an ordinary test: every file of its corpus, then seeded mutations of them.
 * With clang's libFuzzer the same target is built into a fuzzer instead. */
#include <glib.h>

#define MUTATIONS 20000u
#define GROWTH_MAX 64

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static GByteArray *
mutate (GRand *rand, GPtrArray *corpus)
{
  GBytes *seed = g_ptr_array_index (corpus, g_rand_int_range (rand, 0, (gint32)corpus->len));
  gsize size;
  const guint8 *data = g_bytes_get_data (seed, &size);
  GByteArray *bytes = g_byte_array_new ();
  gint32 changes = g_rand_int_range (rand, 1, 9);

  g_byte_array_append (bytes, data, (guint)size);
  for (gint32 i = 0; i < changes; i++)
    switch (g_rand_int_range (rand, 0, 4))
      {
      case 0: /* a byte changes */
        if (bytes->len > 0)
          bytes->data[g_rand_int_range (rand, 0, (gint32)bytes->len)] = (guint8)g_rand_int (rand);
        break;
      case 1: /* the end is cut off */
        g_byte_array_set_size (bytes, (guint)g_rand_int_range (rand, 0, (gint32)bytes->len + 1));
        break;
      case 2: /* something is appended */
        for (gint32 n = g_rand_int_range (rand, 0, GROWTH_MAX); n > 0; n--)
          {
            guint8 byte = (guint8)g_rand_int (rand);

            g_byte_array_append (bytes, &byte, 1);
          }
        break;
      default: /* a bit flips */
        if (bytes->len > 0)
          bytes->data[g_rand_int_range (rand, 0, (gint32)bytes->len)]
              ^= (guint8)(1u << g_rand_int_range (rand, 0, 8));
      }
  return bytes;
}

static GPtrArray *
read_corpus (const char *folder)
{
  GPtrArray *corpus = g_ptr_array_new_with_free_func ((GDestroyNotify)g_bytes_unref);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      char *text = NULL;
      gsize size = 0;

      g_assert_true (g_file_get_contents (path, &text, &size, NULL));
      g_ptr_array_add (corpus, g_bytes_new_take (text, size));
    }
  return corpus;
}

static void
test_corpus_and_mutations (gconstpointer data)
{
  g_autoptr (GPtrArray) corpus = read_corpus (data);
  const char *given = g_getenv ("BERTH_SEED");
  guint32 seed = given != NULL ? (guint32)g_ascii_strtoull (given, NULL, 10) : g_random_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  g_test_message ("BERTH_SEED=%u", seed);
  g_assert_cmpuint (corpus->len, >, 0);
  for (guint i = 0; i < corpus->len; i++)
    {
      gsize size;
      const guint8 *bytes = g_bytes_get_data (g_ptr_array_index (corpus, i), &size);

      LLVMFuzzerTestOneInput (bytes, size);
    }
  for (guint i = 0; i < MUTATIONS; i++)
    {
      g_autoptr (GByteArray) bytes = mutate (rand, corpus);

      LLVMFuzzerTestOneInput (bytes->data, bytes->len);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  g_test_add_data_func ("/fuzz/corpus-and-mutations", argv[1], test_corpus_and_mutations);
  return g_test_run ();
}
