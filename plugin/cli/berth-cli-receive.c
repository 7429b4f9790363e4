/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records of a run's downloads become files and folders of ours. What can't be written here is read
 * and forgotten, so that what is behind it is found; nothing is written outside of the local path,
 * whatever names the guest has. */
#include "plugin/cli/berth-cli-receive.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/cli/berth-cli-atomic-file.h"
#include "plugin/cli/berth-cli-copy-walk.h"
#include "plugin/model/berth-file-request.h"
#include "pool/berth-error.h"

/* A folder that is open, in the stream and here */
typedef struct
{
  int fd; /* -1: what is in it goes nowhere */
  char *guest;
  char *local;
  gboolean is_new;
  guint32 mode;
} Folder;

/* The file that comes */
typedef struct
{
  BerthAtomicFile landing;
  BerthIntake *intake; /* (nullable): where its bytes go; NULL: nowhere */
  int special_fd;      /* what is written to and not replaced; -1: none */
  char *guest;
  char *local;
  char *name;
} File;

typedef struct
{
  BerthReceiver *stream;
  BerthCopyWalk walk;
  GArray *folders; /* Folder */
  File file;
  GError *error; /* (nullable): the item's; the rest of it goes nowhere */
  char *target;  /* where the item goes */
  int parent_fd; /* of the file that the item is; -1 where it is none */
  const char *given;
  const char *guest;
} Item;

static void
folder_clear (gpointer data)
{
  Folder *folder = data;

  if (folder->fd >= 0)
    close (folder->fd);
  g_free (folder->guest);
  g_free (folder->local);
}

static void
file_clear (File *file)
{
  g_clear_pointer (&file->intake, berth_intake_free);
  berth_atomic_file_clear (&file->landing);
  file->landing = (BerthAtomicFile)BERTH_ATOMIC_FILE_INIT;
  if (file->special_fd >= 0)
    close (file->special_fd);
  file->special_fd = -1;
  g_clear_pointer (&file->guest, g_free);
  g_clear_pointer (&file->local, g_free);
  g_clear_pointer (&file->name, g_free);
}

static Folder *
item_top (Item *self)
{
  return self->folders->len > 0 ? &g_array_index (self->folders, Folder, self->folders->len - 1)
                                : NULL;
}

/* Whether what comes now has a place here */
static gboolean
item_has_place (Item *self)
{
  Folder *top = item_top (self);

  return self->error == NULL && (top == NULL || top->fd >= 0);
}

/* An entry failed; takes over @failure. What it was of goes on, if it may. */
static void
item_note (Item *self, GError *failure)
{
  if (self->error != NULL)
    g_error_free (failure);
  else if (self->folders->len == 0)
    self->error = failure;
  else
    berth_copy_walk_go_on (&self->walk, failure, &self->error);
}

/* ---- where it goes ---- */

/* As this host is when the item comes, and not before the program has run */
static const char *
get_target (Item *self)
{
  if (self->target == NULL)
    self->target = berth_copy_walk_dup_local_target (self->guest, self->given);
  return self->target;
}

/* The folder of the item's own target, and its name there */
static int
open_parent (Item *self, char **out_name, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (get_target (self));
  int fd = open (parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  *out_name = g_path_get_basename (self->target);
  if (fd < 0)
    berth_copy_walk_fail_local (parent, error);
  return fd;
}

static gboolean
check_name (const char *name, const char *guest, GError **error)
{
  if (berth_file_name_is_valid (name, strlen (name)))
    return TRUE;
  g_set_error (error, BERTH_ERROR, BERTH_ERROR_INVALID,
               "folder '%s': what the guest lists is no folder", guest);
  return FALSE;
}

static gboolean
open_root_file (Item *self, GError **error)
{
  File *file = &self->file;

  file->guest = g_strdup (self->guest);
  if (berth_copy_walk_is_special (self->given))
    {
      file->local = g_strdup (self->given);
      file->special_fd = berth_copy_walk_open_special (self->given, error);
      return file->special_fd >= 0;
    }
  file->local = g_strdup (get_target (self));
  self->parent_fd = open_parent (self, &file->name, error);
  return self->parent_fd >= 0
         && berth_atomic_file_open (&file->landing, self->parent_fd, file->local, error);
}

static gboolean
open_file (Item *self, const char *name, GError **error)
{
  Folder *top = item_top (self);
  File *file = &self->file;

  if (top == NULL)
    return open_root_file (self, error);
  if (!check_name (name, top->guest, error))
    return FALSE;
  file->guest = g_build_filename (top->guest, name, NULL);
  file->local = g_build_filename (top->local, name, NULL);
  file->name = g_strdup (name);
  return berth_atomic_file_open (&file->landing, top->fd, file->local, error);
}

static void
file_begin (Item *self, const char *name)
{
  GError *failure = NULL;
  File *file = &self->file;

  file_clear (file);
  if (!item_has_place (self))
    return;
  if (open_file (self, name, &failure))
    file->intake = berth_intake_new (self->stream->fd,
                                     file->special_fd >= 0 ? file->special_fd : file->landing.fd,
                                     file->special_fd < 0);
  else
    item_note (self, failure);
}

static gboolean
open_folder (Item *self, Folder *folder, const char *name, GError **error)
{
  Folder *top = item_top (self);
  g_autofree char *own_name = NULL;
  int parent = -1;

  if (top == NULL)
    {
      folder->guest = g_strdup (self->guest);
      folder->local = g_strdup (get_target (self));
      parent = open_parent (self, &own_name, error);
      if (parent < 0)
        return FALSE;
      folder->fd
          = berth_copy_walk_open_folder (parent, own_name, folder->local, &folder->is_new, error);
      close (parent);
      return folder->fd >= 0;
    }
  if (!check_name (name, top->guest, error))
    return FALSE;
  folder->guest = g_build_filename (top->guest, name, NULL);
  folder->local = g_build_filename (top->local, name, NULL);
  folder->fd = berth_copy_walk_open_folder (top->fd, name, folder->local, &folder->is_new, error);
  return folder->fd >= 0;
}

static void
folder_begin (Item *self, const BerthFileRecord *record, const char *name)
{
  Folder folder = { .fd = -1, .mode = record->mode };
  GError *failure = NULL;

  if (item_has_place (self) && !open_folder (self, &folder, name, &failure))
    item_note (self, failure);
  g_array_append_val (self->folders, folder);
}

static void
folder_leave (Item *self)
{
  Folder *top = item_top (self);

  if (top == NULL)
    return;
  if (top->fd >= 0 && top->is_new && self->error == NULL)
    fchmod (top->fd, berth_atomic_file_mode (top->mode) | 0700);
  g_array_set_size (self->folders, self->folders->len - 1);
}

/* ---- what comes ---- */

static void
file_done (Item *self, const BerthFileRecord *record, const char *sum)
{
  File *file = &self->file;
  GError *failure = NULL;
  gboolean ok;

  if (file->intake == NULL)
    return;
  ok = berth_intake_check (file->intake, record->size, sum, file->guest, file->local, &failure)
       && (file->special_fd >= 0
           || berth_atomic_file_finish (&file->landing, file->name, record->mode, file->local,
                                        &failure));
  file_clear (file);
  if (!ok)
    item_note (self, failure);
}

static GError *
error_of (const BerthFileRecord *record, const char *text)
{
  int code = record->mode < BERTH_ERROR_LAST ? (int)record->mode : BERTH_ERROR_INTERNAL;

  return g_error_new_literal (BERTH_ERROR, code, text);
}

/* Whether the item goes on */
static gboolean
item_take (Item *self, const BerthFileRecord *record, const char *text)
{
  Folder *top = item_top (self);
  g_autofree char *path = NULL;

  switch (record->kind)
    {
    case BERTH_FILE_RECORD_FILE:
      file_begin (self, text);
      return TRUE;
    case BERTH_FILE_RECORD_FOLDER:
      folder_begin (self, record, text);
      return TRUE;
    case BERTH_FILE_RECORD_LEAVE:
      folder_leave (self);
      return TRUE;
    case BERTH_FILE_RECORD_OTHER:
      path = g_build_filename (top != NULL && top->guest != NULL ? top->guest : self->guest, text,
                               NULL);
      berth_copy_walk_leave_out (&self->walk, path);
      return TRUE;
    case BERTH_FILE_RECORD_DATA:
      self->stream->is_lost
          = !berth_intake_take (self->file.intake, self->stream->fd, record->size);
      return !self->stream->is_lost;
    case BERTH_FILE_RECORD_DONE:
      file_done (self, record, text);
      return TRUE;
    case BERTH_FILE_RECORD_FAILED:
      file_clear (&self->file);
      item_note (self, error_of (record, text));
      return TRUE;
    case BERTH_FILE_RECORD_ITEM_FAILED:
      if (self->error == NULL)
        self->error = error_of (record, text);
      return FALSE;
    default:
      self->stream->is_lost = record->kind != BERTH_FILE_RECORD_ITEM_DONE;
      return FALSE;
    }
}

static void
item_receive (Item *self)
{
  BerthFileRecordReader *reader = &self->stream->reader;
  GError *lost = NULL;

  do
    if (!berth_file_record_receive (reader, self->stream->fd, &lost))
      self->stream->is_lost = TRUE;
  while (!self->stream->is_lost && item_take (self, &reader->record, reader->text));
  if (self->stream->is_lost && lost == NULL)
    lost = g_error_new_literal (BERTH_ERROR, BERTH_ERROR_UNAVAILABLE,
                                "berthd told no end of the files");
  if (lost != NULL && self->error == NULL)
    self->error = g_steal_pointer (&lost);
  g_clear_error (&lost);
}

gboolean
berth_receiver_take_item (BerthReceiver *self, BerthTransfer *transfer, const char *guest,
                          const char *local, GError **error)
{
  Item item = { .stream = self,
                .walk = { .transfer = transfer },
                .file = { .landing = BERTH_ATOMIC_FILE_INIT, .special_fd = -1 },
                .parent_fd = -1,
                .given = local,
                .guest = guest };
  gboolean ok;

  item.folders = g_array_new (FALSE, FALSE, sizeof (Folder));
  g_array_set_clear_func (item.folders, folder_clear);
  item_receive (&item);
  ok = item.error == NULL;
  if (!ok)
    {
      berth_file_record_settle (item.error);
      g_propagate_error (error, item.error);
    }
  ok = berth_copy_walk_check (&item.walk, ok, guest, error);
  berth_copy_walk_end (&item.walk);
  file_clear (&item.file);
  if (item.parent_fd >= 0)
    close (item.parent_fd);
  g_array_unref (item.folders);
  g_free (item.target);
  return ok;
}
