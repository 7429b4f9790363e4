/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plugin/host/berth-disk-account.h"

struct _BerthDiskAccount
{
  grefcount ref_count;
  guint64 bytes;
  GHashTable *users; /* uid -> guint64 (owned): of whom there is anything */
};

struct _BerthDiskPart
{
  BerthDiskAccount *account; /* owned */
  guint32 uid;
  guint64 bytes;
};

BerthDiskAccount *
berth_disk_account_new (void)
{
  BerthDiskAccount *self = g_new0 (BerthDiskAccount, 1);

  g_ref_count_init (&self->ref_count);
  self->users = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return self;
}

void
berth_disk_account_unref (BerthDiskAccount *self)
{
  if (!g_ref_count_dec (&self->ref_count))
    return;
  g_hash_table_unref (self->users);
  g_free (self);
}

guint64
berth_disk_account_get_bytes (const BerthDiskAccount *self)
{
  return self->bytes;
}

guint64
berth_disk_account_get_user_bytes (const BerthDiskAccount *self, guint32 uid)
{
  const guint64 *bytes = g_hash_table_lookup (self->users, GUINT_TO_POINTER (uid));

  return bytes != NULL ? *bytes : 0;
}

static void
account_set_user (BerthDiskAccount *self, guint32 uid, guint64 bytes)
{
  if (bytes > 0)
    g_hash_table_insert (self->users, GUINT_TO_POINTER (uid), g_memdup2 (&bytes, sizeof bytes));
  else
    g_hash_table_remove (self->users, GUINT_TO_POINTER (uid));
}

static guint64
left (guint64 bound, guint64 bytes)
{
  if (bound == 0)
    return G_MAXUINT64;
  return bound > bytes ? bound - bytes : 0;
}

BerthDiskPart *
berth_disk_account_take (BerthDiskAccount *self, guint32 uid, guint64 most,
                         const BerthDiskBounds *bounds)
{
  guint64 of_user = berth_disk_account_get_user_bytes (self, uid);
  guint64 bytes
      = MIN (most, MIN (left (bounds->all_bytes, self->bytes), left (bounds->user_bytes, of_user)));
  BerthDiskPart *part;

  if (bytes == 0)
    return NULL;
  self->bytes += bytes;
  account_set_user (self, uid, of_user + bytes);
  part = g_new (BerthDiskPart, 1);
  g_ref_count_inc (&self->ref_count);
  *part = (BerthDiskPart){ .account = self, .uid = uid, .bytes = bytes };
  return part;
}

guint64
berth_disk_part_get_bytes (const BerthDiskPart *self)
{
  return self->bytes;
}

void
berth_disk_part_shrink (BerthDiskPart *self, guint64 bytes)
{
  BerthDiskAccount *account = self->account;
  guint64 given = self->bytes - MIN (bytes, self->bytes);

  account->bytes -= given;
  account_set_user (account, self->uid,
                    berth_disk_account_get_user_bytes (account, self->uid) - given);
  self->bytes -= given;
}

void
berth_disk_part_free (BerthDiskPart *self)
{
  berth_disk_part_shrink (self, 0);
  berth_disk_account_unref (self->account);
  g_free (self);
}
