/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Decides when a built file has a name. What a guest packed is looked at as far as its magic. */
#include "plugin/build/berth-build-store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/base/berth-errno.h"
#include "plugin/base/berth-sha256.h"
#include "plugin/template/berth-images.h"

#define MAGIC_AT 1024
#define MAGIC 0xe0f5e1e2u
#define BLOCK 4096u
#define SUFFIX ".erofs"
#define NUMBER_MAX 1000000u

char *
berth_build_store_dup_stem (const char *path)
{
  gsize length = strlen (path);

  return g_strndup (path, g_str_has_suffix (path, SUFFIX) ? length - strlen (SUFFIX) : length);
}

GVariant *
berth_build_store_find (const char *image_dir, const char *layer)
{
  g_autofree char *base = g_build_filename (image_dir, BERTH_IMAGES_BUILT, layer, NULL);
  g_autofree char *json = g_strconcat (base, ".json", NULL);
  g_autofree char *file = g_strconcat (base, ".erofs", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!g_file_test (file, G_FILE_TEST_IS_REGULAR)
      || !json_parser_load_from_file (parser, json, NULL))
    return NULL;
  return json_gvariant_deserialize (json_parser_get_root (parser), NULL, NULL);
}

static guint
find_newest (const char *image_dir, const char *layer)
{
  g_autofree char *folder = g_build_filename (image_dir, BERTH_IMAGES_BUILT, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  gsize length = strlen (layer);
  guint newest = 0;
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      guint64 number = 0;

      if (!g_str_has_prefix (name, layer) || !g_str_has_suffix (name, ".erofs"))
        continue;
      if (name[length] == '-')
        number = g_ascii_strtoull (name + length + 1, NULL, 10);
      newest = MAX (newest, (guint)MIN (number, NUMBER_MAX - 1));
      if (name[length] == '.')
        newest = MAX (newest, 1);
    }
  return newest;
}

char *
berth_build_store_dup_name (const char *image_dir, const char *layer, gboolean is_new)
{
  guint newest = find_newest (image_dir, layer) + (is_new ? 1 : 0);

  return newest > 1 ? g_strdup_printf ("%s-%u", layer, newest) : g_strdup (layer);
}

int
berth_build_store_hold (const char *dir, gboolean is_alone, GError **error)
{
  int fd = -1;

  if (g_mkdir_with_parents (dir, 0755) == 0)
    fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock (fd, is_alone ? LOCK_EX | LOCK_NB : LOCK_SH) == 0)
    return fd;
  if (fd >= 0 && errno == EWOULDBLOCK)
    g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_LOCAL,
                         "a template is being built, pulled or pushed, and may need what would go: "
                         "wait for its end");
  else
    berth_errno_set (error, errno, dir);
  if (fd >= 0)
    close (fd);
  return -1;
}

int
berth_build_store_open (const char *dir, GError **error)
{
  int fd = -1;

  if (g_mkdir_with_parents (dir, 0755) == 0)
    fd = open (dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0)
    berth_errno_set (error, errno, dir);
  return fd;
}

static gboolean
give_name (int dir_fd, int fd, const char *name, const char *part)
{
  g_autofree char *proc = g_strdup_printf ("/proc/self/fd/%d", fd);

  /* of one that was killed between the two, the next one of that name clears it away */
  unlinkat (dir_fd, part, 0);
  return fchmod (fd, 0644) == 0 && fsync (fd) == 0
         && linkat (AT_FDCWD, proc, dir_fd, part, AT_SYMLINK_FOLLOW) == 0
         && renameat (dir_fd, part, dir_fd, name) == 0 && fsync (dir_fd) == 0;
}

gboolean
berth_build_store_name (const char *dir, int fd, const char *name, GError **error)
{
  g_autofree char *part = g_strdup_printf (".%s.part", name);
  int dir_fd = open (dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean ok = dir_fd >= 0 && give_name (dir_fd, fd, name, part);
  int number = errno;

  if (dir_fd >= 0)
    close (dir_fd);
  if (!ok)
    {
      g_autofree char *path = g_build_filename (dir, name, NULL);

      berth_errno_set (error, number, path);
    }
  return ok;
}

gboolean
berth_build_store_write (const char *dir, const char *name, const char *text, GError **error)
{
  gsize size = strlen (text);
  int fd = berth_build_store_open (dir, error);
  gboolean ok = FALSE;

  if (fd < 0)
    return FALSE;
  if (write (fd, text, size) == (ssize_t)size)
    ok = berth_build_store_name (dir, fd, name, error);
  else
    berth_errno_set (error, errno != 0 ? errno : ENOSPC, dir);
  close (fd);
  return ok;
}

char *
berth_build_store_dup_note_name (const char *template_name)
{
  return g_strconcat (BERTH_BUILD_NOTE_PREFIX, template_name, NULL);
}

gboolean
berth_build_store_note (const char *image_dir, const char *template_name, char **layers,
                        GError **error)
{
  g_autofree char *dir = g_build_filename (image_dir, BERTH_IMAGES_BUILT, NULL);
  g_autofree char *name = berth_build_store_dup_note_name (template_name);
  g_autofree char *file = g_strconcat (name, ".json", NULL);
  g_autofree char *names = g_strjoinv ("\",\"", layers);
  g_autofree char *text = g_strdup_printf ("{\"below\":[\"%s\"]}\n", names);

  return berth_build_store_write (dir, file, text, error);
}

void
berth_build_store_forget (const char *image_dir, const char *template_name)
{
  g_autofree char *name = berth_build_store_dup_note_name (template_name);
  g_autofree char *file = g_strconcat (name, ".json", NULL);
  g_autofree char *path = g_build_filename (image_dir, BERTH_IMAGES_BUILT, file, NULL);

  g_unlink (path);
}

char *
berth_build_store_hash (int fd, GError **error)
{
  g_autofree guint8 *piece = g_malloc (256 * 1024);
  struct sha256_ctx sum;
  ssize_t size;

  sha256_init (&sum);
  if (lseek (fd, 0, SEEK_SET) == 0)
    while ((size = read (fd, piece, 256 * 1024)) > 0)
      sha256_update (&sum, (size_t)size, piece);
  else
    size = -1;
  if (size < 0 || lseek (fd, 0, SEEK_SET) != 0)
    {
      berth_errno_set (error, errno, "what was built");
      return NULL;
    }
  return berth_sha256_finish (&sum);
}

gboolean
berth_build_store_check (int fd, guint64 max_bytes, guint64 *out_size, char **out_sha256,
                         GError **error)
{
  struct stat status;
  guint32 magic = 0;

  if (fstat (fd, &status) != 0 || pread (fd, &magic, sizeof magic, MAGIC_AT) != sizeof magic
      || GUINT32_FROM_LE (magic) != MAGIC || status.st_size % BLOCK != 0)
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "what the VM packed is no EROFS file system: a step has changed what "
                           "packs it");
      return FALSE;
    }
  if ((guint64)status.st_size > max_bytes)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "the layer has %" G_GUINT64_FORMAT " MiB: --max-size allows more",
                   (guint64)status.st_size >> 20);
      return FALSE;
    }
  *out_size = (guint64)status.st_size;
  *out_sha256 = berth_build_store_hash (fd, error);
  return *out_sha256 != NULL;
}
