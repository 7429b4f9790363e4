/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files may be asked for at all (contract.md, Files), and how a result is told. */
#include "plugin/base/berth-caller-fd.h"
#include "plugin/model/berth-file-request.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/berth-holes.h"
#include "agent/berth-path.h"
#include "plugin/base/berth-printable.h"
#include "pool/berth-error.h"

#define SHOWN_MAX 200u /* bytes of a path in a message */

G_STATIC_ASSERT (BERTH_FILE_ENTRIES_MAX == BERTH_LS_MAX);

/**
 * berth_file_request_new:
 * @kind: what is wanted
 * @path: in the sandbox
 *
 * Returns: (transfer full): a request with contract.md's defaults and no descriptor
 */
BerthFileRequest *
berth_file_request_new (BerthFileKind kind, const char *path)
{
  BerthFileRequest *self = g_new0 (BerthFileRequest, 1);

  self->kind = kind;
  self->path = g_strdup (path);
  self->fd = -1;
  self->mode = kind == BERTH_FILE_MAKE_DIRECTORY ? BERTH_FILE_DIRECTORY_MODE_DEFAULT
                                                 : BERTH_FILE_MODE_DEFAULT;
  self->size_max = BERTH_FILE_SIZE_MAX_DEFAULT;
  self->count_max = BERTH_FILE_ENTRIES_MAX;
  return self;
}

/**
 * berth_file_request_free:
 * @self: (transfer full) (nullable): closes its descriptor, too
 */
void
berth_file_request_free (BerthFileRequest *self)
{
  if (self == NULL)
    return;
  if (self->fd >= 0)
    berth_caller_fd_close (self->fd);
  g_clear_pointer (&self->holes, g_array_unref);
  g_free (self->path);
  g_free (self->after);
  g_free (self);
}

/**
 * berth_file_dup_shown:
 * @path: bytes
 *
 * Returns: (transfer full): its beginning as one line of UTF-8, for messages
 */
char *
berth_file_dup_shown (const char *path)
{
  gsize size = strlen (path);
  g_autofree char *begin = g_strndup (path, SHOWN_MAX);
  g_autofree char *shown = berth_printable_dup (begin, FALSE);

  return g_strconcat (shown, size > SHOWN_MAX ? "..." : "", NULL);
}

static gboolean
check_path (const char *path, GError **error)
{
  g_autofree char *normal = g_malloc (BERTH_PATH_MAX + 1);
  const char *problem = berth_path_problem (path, strlen (path));
  g_autofree char *shown = NULL;

  if (problem == NULL && !berth_path_normalize (path, strlen (path), normal))
    problem = "the path leaves the sandbox's home";
  if (problem == NULL)
    return TRUE;
  shown = berth_file_dup_shown (path);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "file '%s': %s", shown, problem);
  return FALSE;
}

static gboolean
check_holes (const BerthFileRequest *self, GError **error)
{
  const char *problem = self->holes != NULL
                            ? berth_holes_problem ((const BerthHole *)(void *)self->holes->data,
                                                   self->holes->len, self->size)
                            : NULL;
  g_autofree char *shown = NULL;

  if (problem == NULL)
    return TRUE;
  shown = berth_file_dup_shown (self->path);
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "file '%s': %s", shown, problem);
  return FALSE;
}

GArray *
berth_file_holes_new (guint64 size)
{
  GArray *holes;

  if (size == 0 || size % sizeof (BerthHole) != 0 || size / sizeof (BerthHole) > BERTH_HOLES_MAX)
    return NULL;
  holes = g_array_new (FALSE, FALSE, sizeof (BerthHole));
  g_array_set_size (holes, (guint)(size / sizeof (BerthHole)));
  return holes;
}

guint64
berth_file_request_get_data_size (const BerthFileRequest *self)
{
  if (self->holes == NULL)
    return self->size;
  return berth_holes_rest ((const BerthHole *)(void *)self->holes->data, self->holes->len,
                           self->size);
}

gboolean
berth_file_request_check (const BerthFileRequest *self, GError **error)
{
  if (!check_path (self->path, error) || !check_holes (self, error))
    return FALSE;
  if (self->kind == BERTH_FILE_PUT && self->size > self->size_max)
    {
      g_autofree char *shown = berth_file_dup_shown (self->path);

      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "file '%s': %" G_GUINT64_FORMAT " bytes, at most %" G_GUINT64_FORMAT
                   " are allowed",
                   shown, self->size, self->size_max);
      return FALSE;
    }
  if (self->mode > 0777)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                   "mode 0%o: only the permission bits 0777 are kept", self->mode);
      return FALSE;
    }
  if (self->count_max < 1 || self->count_max > BERTH_FILE_ENTRIES_MAX)
    {
      g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID, "%u entries: give 1 to %u",
                   self->count_max, BERTH_FILE_ENTRIES_MAX);
      return FALSE;
    }
  if (self->after != NULL && !berth_file_name_is_valid (self->after, strlen (self->after)))
    {
      g_set_error_literal (error, BERTH_ERROR, BERTH_ERROR_INVALID,
                           "the name to go on after is no entry's name");
      return FALSE;
    }
  return TRUE;
}

gboolean
berth_file_name_is_valid (const char *name, gsize length)
{
  return length >= 1 && length <= BERTH_NAME_MAX && memchr (name, '/', length) == NULL
         && memchr (name, '\0', length) == NULL && !(length == 1 && name[0] == '.')
         && !(length == 2 && name[0] == '.' && name[1] == '.');
}

BerthFileEntry *
berth_file_entry_new (const char *name, gsize length)
{
  BerthFileEntry *self = g_new0 (BerthFileEntry, 1);

  self->name = g_strndup (name, length);
  return self;
}

void
berth_file_entry_free (BerthFileEntry *self)
{
  g_free (self->name);
  g_free (self);
}

/**
 * berth_file_result_free:
 * @self: (transfer full) (nullable): a result
 */
void
berth_file_result_free (BerthFileResult *self)
{
  if (self == NULL)
    return;
  g_free (self->sha256);
  g_clear_pointer (&self->entries, g_ptr_array_unref);
  g_free (self);
}

const char *
berth_file_type_from_mode (guint32 mode)
{
  switch (mode & S_IFMT)
    {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character-device";
    case S_IFBLK:
      return "block-device";
    default:
      return "unknown";
    }
}

static void
add_type (GVariantBuilder *builder, guint32 mode)
{
  g_variant_builder_add (builder, "{sv}", "type",
                         g_variant_new_string (berth_file_type_from_mode (mode)));
  g_variant_builder_add (builder, "{sv}", "mode", g_variant_new_uint32 (mode & 07777));
}

GVariant *
berth_file_result_to_variant (const BerthFileResult *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_type (&builder, self->mode);
  if (self->entries != NULL)
    g_variant_builder_add (&builder, "{sv}", "more", g_variant_new_boolean (self->is_more));
  if (self->entries == NULL && S_ISREG (self->mode))
    g_variant_builder_add (&builder, "{sv}", "size", g_variant_new_uint64 (self->size));
  if (self->sha256 != NULL)
    g_variant_builder_add (&builder, "{sv}", "sha256", g_variant_new_string (self->sha256));
  return g_variant_builder_end (&builder);
}

static GVariant *
entry_to_variant (const BerthFileEntry *entry)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_bytestring (entry->name));
  add_type (&builder, entry->mode);
  g_variant_builder_add (&builder, "{sv}", "size", g_variant_new_uint64 (entry->size));
  if (entry->allocated != BERTH_FILE_ALLOCATED_UNKNOWN)
    g_variant_builder_add (&builder, "{sv}", "allocated", g_variant_new_uint64 (entry->allocated));
  g_variant_builder_add (&builder, "{sv}", "mtime",
                         g_variant_new_double ((double)entry->mtime_us / 1e6));
  return g_variant_builder_end (&builder);
}

GVariant *
berth_file_result_entries_to_variant (const BerthFileResult *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; self->entries != NULL && i < self->entries->len; i++)
    g_variant_builder_add_value (&builder, entry_to_variant (g_ptr_array_index (self->entries, i)));
  return g_variant_builder_end (&builder);
}
