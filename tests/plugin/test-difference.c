/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is left of QEMU's stream without the pages of the base, and what is refused. */
#include "plugin/snapshot/berth-difference.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/berth-error.h"

#define PAGE 4096u
#define PAGES 8u
#define ZERO 0x02u
#define MEM_SIZE 0x04u
#define WHOLE 0x08u
#define EOS 0x10u
#define CONTINUE 0x20u

static void
add_number (GByteArray *stream, guint64 value, guint count)
{
  for (guint i = 0; i < count; i++)
    {
      guint8 byte = (guint8)(value >> (8 * (count - 1 - i)));

      g_byte_array_append (stream, &byte, 1);
    }
}

static void
add_text (GByteArray *stream, const char *text, gsize size)
{
  g_byte_array_append (stream, (const guint8 *)text, (guint)size);
}

static void
add_name (GByteArray *stream, const char *name)
{
  add_number (stream, strlen (name), 1);
  add_text (stream, name, strlen (name));
}

/* A page of @value; @block: NULL: of the block before */
static void
add_page (GByteArray *stream, guint page, const char *block, guint8 value)
{
  add_number (stream, (guint64)page * PAGE | (value == 0 ? ZERO : WHOLE) | (block ? 0 : CONTINUE),
              8);
  if (block != NULL)
    add_name (stream, block);
  for (guint i = 0; i < (value == 0 ? 1 : PAGE); i++)
    g_byte_array_append (stream, &value, 1);
}

static void
add_section (GByteArray *stream, guint8 kind)
{
  add_number (stream, kind, 1);
  add_number (stream, 2, 4);
}

static void
end_section (GByteArray *stream)
{
  add_number (stream, EOS, 8);
  add_number (stream, 0x7e, 1);
  add_number (stream, 2, 4);
}

static GByteArray *
begin_stream (void)
{
  GByteArray *stream = g_byte_array_new ();

  add_text (stream, "QEVM\0\0\0\3\7", 9);
  add_name (stream, "pc-q35-7.2");
  add_name (stream, "x-ignore-shared");
  add_section (stream, 1);
  add_name (stream, "ram");
  add_number (stream, 0, 4);
  add_number (stream, 4, 4);
  add_number (stream, (PAGES + 1) * PAGE | MEM_SIZE, 8);
  add_name (stream, "ram0");
  add_number (stream, PAGES * PAGE, 8);
  add_number (stream, 0, 8);
  add_name (stream, "vga");
  add_number (stream, PAGE, 8);
  add_number (stream, 0, 8);
  end_section (stream);
  return stream;
}

/* What a clone whose third page is another, and whose fourth is empty now, would write. @is_new:
 * with what QEMU 10 puts between; @is_whole: with all pages */
static GByteArray *
make_stream (gboolean is_new, gboolean is_whole)
{
  GByteArray *stream = begin_stream ();

  add_section (stream, 2);
  for (guint i = 0; i < PAGES; i++)
    if (is_whole)
      add_page (stream, i, i == 0 ? "ram0" : NULL, i == 2 ? 'x' : i == 3 ? 0 : (guint8)(i + 1));
  if (!is_whole)
    {
      add_page (stream, 2, "ram0", 'x');
      add_page (stream, 3, NULL, 0);
    }
  add_page (stream, 0, "vga", 'v');
  end_section (stream);
  if (is_new)
    add_text (stream, "\10\0\7\0\2ab", 7);
  add_section (stream, 3);
  end_section (stream);
  add_text (stream, "devices", 7);
  return stream;
}

typedef struct
{
  int in;
  int out;
  int ram;
  BerthDifferenceBase base;
} Files;

static void
files_open (Files *files, const GByteArray *stream)
{
  guint8 page[PAGE];

  files->in = memfd_create ("in", MFD_CLOEXEC);
  files->out = memfd_create ("out", MFD_CLOEXEC);
  files->ram = memfd_create ("ram", MFD_CLOEXEC);
  for (guint i = 0; i < PAGES; i++)
    {
      memset (page, (int)i + 1, PAGE);
      g_assert_cmpint (write (files->ram, page, PAGE), ==, PAGE);
    }
  if (stream->len > 0)
    g_assert_cmpint (write (files->in, stream->data, stream->len), ==, stream->len);
  lseek (files->in, 0, SEEK_SET);
  files->base = (BerthDifferenceBase){ .block = "ram0", .fd = files->ram, .size = PAGES * PAGE };
}

static void
files_close (Files *files)
{
  close (files->in);
  close (files->out);
  close (files->ram);
}

static void
assert_split (GByteArray *stream, GByteArray *expected, guint64 kept)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *left = g_malloc (1 << 20);
  BerthDifferenceStats stats;
  Files files;
  gssize size;

  files_open (&files, stream);
  g_assert_true (berth_difference_split (files.in, files.out, &files.base, NULL, &stats, &error));
  g_assert_no_error (error);
  size = pread (files.out, left, 1 << 20, 0);
  g_assert_cmpmem (left, size, expected->data, expected->len);
  g_assert_cmpuint (stats.kept, ==, kept);
  g_assert_cmpuint (stats.in_bytes, ==, stream->len);
  g_assert_cmpuint (stats.out_bytes, ==, expected->len);
  files_close (&files);
}

static void
assert_refused (const GByteArray *stream, const char *word)
{
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  Files files;

  files_open (&files, stream);
  g_assert_false (berth_difference_split (files.in, files.out, &files.base, NULL, &stats, &error));
  g_assert_nonnull (error);
  if (word != NULL)
    g_assert_nonnull (strstr (error->message, word));
  files_close (&files);
}

/* What remains is a stream, and the difference of it is itself. */
static void
test_split (void)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GByteArray) whole = make_stream (i == 1, TRUE);
      g_autoptr (GByteArray) left = make_stream (i == 1, FALSE);

      assert_split (whole, left, 2);
      assert_split (left, left, 2);
    }
}

/* A stream of a VM that runs carries a page again: the last one counts, even where it is as before.
 */
static void
test_page_again (void)
{
  g_autoptr (GByteArray) stream = begin_stream ();

  add_section (stream, 2);
  add_page (stream, 1, "ram0", 'y');
  add_page (stream, 1, NULL, 2);
  end_section (stream);
  add_section (stream, 3);
  end_section (stream);
  assert_split (stream, stream, 1);
}

static void
test_cut_short (void)
{
  g_autoptr (GByteArray) whole = make_stream (TRUE, TRUE);
  gsize devices = whole->len - 7;

  for (gsize size = 0; size < devices; size += size < 200 || size > devices - 200 ? 1 : 97)
    {
      g_autoptr (GByteArray) cut = g_byte_array_new ();

      g_byte_array_append (cut, whole->data, (guint)size);
      assert_refused (cut, NULL);
    }
}

static void
assert_page_refused (guint64 head, const char *word)
{
  g_autoptr (GByteArray) stream = begin_stream ();
  g_autoptr (GByteArray) rest = make_stream (FALSE, TRUE);

  add_section (stream, 2);
  add_number (stream, head, 8);
  add_name (stream, "ram0");
  g_byte_array_append (stream, rest->data, rest->len);
  assert_refused (stream, word);
}

static void
test_what_is_not_known (void)
{
  g_autoptr (GByteArray) other = begin_stream ();
  g_autoptr (GByteArray) none = g_byte_array_new ();

  assert_page_refused (PAGES * PAGE | WHOLE, "can't be");
  assert_page_refused (0 | 0x40, "not known"); /* xbzrle */
  assert_page_refused (0 | WHOLE | ZERO, "not known");
  assert_page_refused (0 | WHOLE | CONTINUE, "no block");
  add_section (other, 4);
  add_text (other, "devices behind no end of RAM", 28);
  assert_refused (other, "not RAM's");
  add_text (none, "GET / HTTP/1.1\r\n\r\n", 18);
  assert_refused (none, "none");
}

static void
test_too_large (void)
{
  g_autoptr (GByteArray) stream = begin_stream ();
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  Files files;

  add_section (stream, 3);
  end_section (stream);
  files_open (&files, stream);
  g_assert_cmpint (ftruncate (files.in, 80 << 20), ==, 0);
  g_assert_false (berth_difference_split (files.in, files.out, &files.base, NULL, &stats, &error));
  g_assert_nonnull (strstr (error->message, "larger"));
  files_close (&files);
}

static void
test_no_space (void)
{
  g_autoptr (GByteArray) stream = make_stream (FALSE, TRUE);
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  int full = open ("/dev/full", O_WRONLY | O_CLOEXEC);
  Files files;

  files_open (&files, stream);
  g_assert_false (berth_difference_split (files.in, full, &files.base, NULL, &stats, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "make room"));
  files_close (&files);
  close (full);
}

/* Not one byte more is written than may be. */
static void
test_more_than_may_be (void)
{
  g_autoptr (GByteArray) stream = make_stream (FALSE, TRUE);
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  Files files;
  struct stat status;

  files_open (&files, stream);
  files.base.max_bytes = 100;
  g_assert_false (berth_difference_split (files.in, files.out, &files.base, NULL, &stats, &error));
  g_assert_error (error, BERTH_ERROR, BERTH_ERROR_UNAVAILABLE);
  g_assert_cmpint (fstat (files.out, &status), ==, 0);
  g_assert_cmpint (status.st_size, <=, 100);
  files_close (&files);
}

/* A RAM file that is cut short ends nobody. */
static void
test_base_cut_short (void)
{
  g_autoptr (GByteArray) stream = make_stream (FALSE, TRUE);
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  Files files;

  files_open (&files, stream);
  g_assert_cmpint (ftruncate (files.ram, PAGE), ==, 0);
  g_assert_false (berth_difference_split (files.in, files.out, &files.base, NULL, &stats, &error));
  g_assert_nonnull (strstr (error->message, "RAM file"));
  files_close (&files);
}

/* Who goes on, but too slowly, is not waited for: a worker would be held for as long as it likes.
 */
static void
test_late (void)
{
  g_autoptr (GByteArray) stream = make_stream (FALSE, TRUE);
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  Files files;

  files_open (&files, stream);
  files.base.end_us = g_get_monotonic_time ();
  g_assert_false (berth_difference_split (files.in, files.out, &files.base, NULL, &stats, &error));
  g_assert_nonnull (strstr (error->message, "does not come to its end"));
  files_close (&files);
}

static gpointer
cancel_thread (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

/* Who writes nothing more is waited for until somebody gives up. */
static void
test_cancelled (void)
{
  g_autoptr (GByteArray) stream = begin_stream ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  BerthDifferenceStats stats;
  GThread *thread;
  Files files;
  int ends[2];

  files_open (&files, stream);
  g_assert_cmpint (pipe2 (ends, O_CLOEXEC), ==, 0);
  g_assert_cmpint (write (ends[1], stream->data, stream->len), ==, stream->len);
  thread = g_thread_new ("cancel", cancel_thread, cancellable);
  g_assert_false (
      berth_difference_split (ends[0], files.out, &files.base, cancellable, &stats, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
  close (ends[0]);
  close (ends[1]);
  files_close (&files);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/difference/split", test_split);
  g_test_add_func ("/difference/late", test_late);
  g_test_add_func ("/difference/page-again", test_page_again);
  g_test_add_func ("/difference/cut-short", test_cut_short);
  g_test_add_func ("/difference/what-is-not-known", test_what_is_not_known);
  g_test_add_func ("/difference/too-large", test_too_large);
  g_test_add_func ("/difference/no-space", test_no_space);
  g_test_add_func ("/difference/more-than-may-be", test_more_than_may_be);
  g_test_add_func ("/difference/base-cut-short", test_base_cut_short);
  g_test_add_func ("/difference/cancelled", test_cancelled);
  return g_test_run ();
}
